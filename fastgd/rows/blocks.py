"""Blocks of a fixed number of rows, and the order in which their sums are added.

Both depend on the shape of the training set only, so the same data give the same bits, whoever summed the blocks, and when.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# Large enough that what Python does for a block is lost in the 300 us that its reading takes: 10 to 20 us, as the block has
# swept the interpreter out of the caches. The calling thread sums a single block, and two threads were no faster at this size.
BLOCK_VALUES = 1 << 20


class Blocks:
    """The rows of a training set, cut into blocks.

    Parameters
    ----------
    n_samples, n_features : int
        The shape of the training set.
    n_values : int, optional
        How many values of X a block holds; BLOCK_VALUES by default.
    """

    def __init__(self, n_samples: int, n_features: int, n_values: int | None = None) -> None:
        self._n_samples = n_samples
        self._n_rows = max(1, (BLOCK_VALUES if n_values is None else n_values) // n_features)

    def __len__(self) -> int:
        """Return the number of blocks."""
        return -(-self._n_samples // self._n_rows)

    def __getitem__(self, i: int) -> tuple[int, int]:
        """Return the first row of block i and the one after its last."""
        start = i * self._n_rows
        return start, min(start + self._n_rows, self._n_samples)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Go through the blocks in their order."""
        return map(self.__getitem__, range(len(self)))


class Fold:
    """The blocks' sums, added in a fixed binary tree, in whatever order they come in.

    Neighbours are added as soon as both are there, so that a few vectors per level and thread are held. The tree's rounding
    error grows with the logarithm of the number of blocks, where a running total's grows with the number. Threads may call
    `add` side by side.

    Parameters
    ----------
    n_blocks : int
        The number of blocks, at least 1.
    """

    def __init__(self, n_blocks: int) -> None:
        self._n_blocks = n_blocks
        self._waiting: dict[
            tuple[int, int], NDArray[np.float64]
        ] = {}  # for their sibling, by level and place of the parent
        self._roots: dict[int, NDArray[np.float64]] = {}  # complete subtrees without a complete sibling, by level

    def add(self, i: int, sums: NDArray[np.float64]) -> None:
        """Take in the sums of a block.

        Parameters
        ----------
        i : int
            Which block.
        sums : ndarray of shape (n,), float64
            Its sums; they are overwritten.
        """
        level = 0
        while i ^ 1 < self._n_blocks >> level:  # the sibling is a complete subtree, too
            parent = level + 1, i >> 1
            sibling = self._waiting.setdefault(parent, sums)  # in one step, so that of two threads one sees the other
            if sibling is sums:
                return
            del self._waiting[parent]
            left, right = (sibling, sums) if i & 1 else (sums, sibling)
            with np.errstate(over="ignore", invalid="ignore"):  # an infinity is a result, as it is within a block
                left += right
            sums = left
            level, i = parent
        self._roots[level] = sums

    def total(self) -> NDArray[np.float64]:
        """Return the sum of all blocks, once they are all there.

        Returns
        -------
        ndarray of shape (n,), float64
            The total.
        """
        first, *others = (self._roots[level] for level in sorted(self._roots))
        for left in others:
            with np.errstate(over="ignore", invalid="ignore"):
                left += first
            first = left
        return first
