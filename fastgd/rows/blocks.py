"""Blocks of a fixed number of rows, and the order in which their sums are added.

Both depend on the shape of the training set only, so the same data give the same bits, whoever summed the blocks, and when.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# A thread takes this part of its share of what is left, and no more than this many blocks.
_SHARES_PER_THREAD = 3
MAX_SUBTREE = 256


class Blocks:
    """The rows of a training set, cut into blocks.

    Parameters
    ----------
    n_samples : int
        How many rows there are.
    n_rows : int
        How many rows a block has; the last one may have fewer.
    """

    def __init__(self, n_samples: int, n_rows: int) -> None:
        self._n_samples = n_samples
        self.n_rows = n_rows

    def __len__(self) -> int:
        """Return the number of blocks."""
        return -(-self._n_samples // self.n_rows)

    def __getitem__(self, i: int) -> tuple[int, int]:
        """Return the first row of block i and the one after its last."""
        start = i * self.n_rows
        return start, min(start + self.n_rows, self._n_samples)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Go through the blocks in their order."""
        return map(self.__getitem__, range(len(self)))


def subtrees(n_blocks: int, n_threads: int) -> NDArray[np.int64]:
    """Cut blocks into complete subtrees of the tree in which their sums are added.

    Large ones come first, so that little is spent on each block, and small ones last, so that no thread waits long for another.

    Parameters
    ----------
    n_blocks : int
        The number of blocks.
    n_threads : int
        How many threads will share them.

    Returns
    -------
    ndarray of shape (n, 2), int64
        Level and place of each: of level l and place p are the 2^l blocks from p 2^l on.
    """
    shares = 1 if n_threads == 1 else _SHARES_PER_THREAD * n_threads
    cut, first = [], 0  # as levels only fall, each subtree begins where one of its level may begin
    while first < n_blocks:
        level = max(1, min(MAX_SUBTREE, (n_blocks - first) // shares)).bit_length() - 1
        cut.append((level, first >> level))
        first += 1 << level
    return np.array(cut, np.int64)


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

    def add(self, i: int, sums: NDArray[np.float64], level: int = 0) -> None:
        """Take in the sums of a block, or of a complete subtree of blocks.

        Parameters
        ----------
        i : int
            Which block; or which of the subtrees of that level.
        sums : ndarray of shape (n,), float64
            Its sums; they are overwritten.
        level : int
            0 for a block, l for a subtree of 2^l blocks.
        """
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
