"""Blocks of a fixed number of rows, and the order in which their sums are added.

Both depend on the shape of the training set only, so the same data give the same bits, whoever summed the blocks, and when.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning

_Vector = NDArray[np.float64]


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


class Plan(NamedTuple):
    """How a pass over blocks is cut into parts, and the order in which these are added: as `Fold` adds them.

    A part is a complete subtree of the tree in which blocks are added. Large ones come first, so that little is spent on each
    block, and small ones last, so that no thread waits long for another. Parts and the nodes at which they are added are
    numbered, the parts first.

    Attributes
    ----------
    parts : ndarray of shape (n_parts, 2), int64
        Level and place of each: of level l and place p are the 2^l blocks from p 2^l on.
    parents : ndarray of shape (2 n_parts - 1,), int64
        The node at which a part or node is added to another; the last node of all has a parent of its own.
    n_slots : int
        How many parts' and nodes' sums there can be at a time.
    """

    parts: NDArray[np.int64]
    parents: NDArray[np.int64]
    n_slots: int


@lru_cache(maxsize=64)
def plan(n_blocks: int, n_threads: int, n_at_once: int) -> Plan:
    """Cut blocks into parts.

    Parameters
    ----------
    n_blocks : int
        The number of blocks, at least 1.
    n_threads : int
        How many threads will share them.
    n_at_once : int
        How many blocks a part may have: while the calling thread is at one, an interrupt waits.

    Returns
    -------
    Plan
        The parts, and how they are added.
    """
    shares = 1 if n_threads == 1 else tuning.SHARES_PER_THREAD * n_threads
    parts, first = [], 0  # as levels only fall, each subtree begins where one of its level may begin
    while first < n_blocks:
        level = max(1, min(n_at_once, (n_blocks - first) // shares)).bit_length() - 1
        parts.append((level, first >> level))
        first += 1 << level
    parents = np.full(2 * len(parts) - 1, 2 * len(parts) - 1)
    heights = np.zeros(2 * len(parts), np.int64)
    node = len(parts)
    waiting: list[tuple[int, int]] = []  # complete subtrees that still wait for their sibling: level and node

    def join() -> None:
        nonlocal node
        (_, left), (level, right) = waiting[-2:]
        parents[left] = parents[right] = node
        heights[node] = 1 + max(heights[left], heights[right])
        waiting[-2:] = [(level + 1, node)]
        node += 1

    for part, (level, _place) in enumerate(parts):
        waiting.append((level, part))
        while len(waiting) > 1 and waiting[-2][0] == waiting[-1][0]:
            join()
    while len(waiting) > 1:  # the rest, from its end
        join()
    # Sums wait at a node only where one child is complete and the other is not: so the latter holds a part that one of the
    # threads is at, or the first that nobody has taken, and each of these has as many nodes above it as the tree is high.
    n_waiting = (n_threads + 1) * int(heights.max())
    for array in (table := np.array(parts, np.int64)), parents:
        array.flags.writeable = False  # they are kept for the next pass
    return Plan(table, parents, min(len(parts), n_waiting + n_threads))


def added(sums: _Vector, others: _Vector) -> _Vector:
    """Add sums to sums, in place.

    Parameters
    ----------
    sums, others : ndarray of the same shape, float64
        The sums.

    Returns
    -------
    ndarray
        The first, with the others added.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # an infinity is a result, as it is within a block
        sums += others
    return sums


class Fold:
    """The blocks' sums, added in a fixed binary tree, in whatever order they come in.

    Neighbours are added as soon as both are there, so that a few vectors per level and thread are held. The tree's rounding
    error grows with the logarithm of the number of blocks, where a running total's grows with the number. Threads may call
    `add` side by side.

    Parameters
    ----------
    n_blocks : int
        The number of blocks, at least 1.
    merge : callable
        What makes one of the sums of two neighbours; by default, it adds them in place.
    """

    def __init__(self, n_blocks: int, merge: Callable[[Any, Any], Any] = added) -> None:
        self._n_blocks = n_blocks
        self._merge = merge
        # For their sibling, by level and place of the parent.
        self._waiting: dict[tuple[int, int], Any] = {}
        self._roots: dict[int, Any] = {}  # complete subtrees without a complete sibling, by level

    def add(self, i: int, sums: Any) -> None:
        """Take in the sums of a block.

        Parameters
        ----------
        i : int
            Which block.
        sums : ndarray of shape (n,), float64, or what else is merged
            Its sums; they are overwritten.
        """
        level = 0
        while i ^ 1 < self._n_blocks >> level:  # the sibling is a complete subtree, too
            parent = level + 1, i >> 1
            sibling = self._waiting.setdefault(parent, sums)  # in one step, so that of two threads one sees the other
            if sibling is sums:
                return
            del self._waiting[parent]
            sums = self._merge(sibling, sums) if i & 1 else self._merge(sums, sibling)
            level, i = parent
        self._roots[level] = sums

    def total(self) -> Any:
        """Return the sum of all blocks, once they are all there.

        Returns
        -------
        ndarray of shape (n,), float64, or what else was merged
            The total.
        """
        sums, *others = (self._roots[level] for level in sorted(self._roots))
        for root in others:
            sums = self._merge(root, sums)
        return sums


def pairwise(parts: Iterable[Any], merge: Callable[[Any, Any], Any]) -> Any:
    """Merge parts as `Fold` does, when they come in their order and nobody knows how many there are.

    Parameters
    ----------
    parts : iterable
        The parts.
    merge : callable
        What makes one of two neighbours.

    Returns
    -------
    object
        What is made of all; None where there is none.
    """
    complete: list[tuple[int, Any]] = []  # subtrees that wait for their sibling: level and what was made of them
    for part in parts:
        level = 0
        while complete and complete[-1][0] == level:
            part = merge(complete.pop()[1], part)
            level += 1
        complete.append((level, part))
    whole = complete.pop()[1] if complete else None
    while complete:
        whole = merge(complete.pop()[1], whole)
    return whole
