"""Blocks of a fixed number of rows, and the order in which their sums are added.

Both depend on the shape of the training set only, so the same data give the same bits, whoever summed the blocks.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

# Large enough that the 1 to 2 microseconds of a call from Python are lost in the 60 that the reading takes, small
# enough that a converted block (2 MiB) stays in the second-level cache.
BLOCK_VALUES = 1 << 18


def blocks(n_samples: int, n_features: int) -> Iterator[tuple[int, int]]:
    """Cut the rows of a training set into blocks.

    Parameters
    ----------
    n_samples, n_features : int
        The shape of the training set.

    Yields
    ------
    start, stop : int
        The first row of a block and the one after its last.
    """
    step = max(1, BLOCK_VALUES // n_features)
    for start in range(0, n_samples, step):
        yield start, min(start + step, n_samples)


def fold(sums: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Add the blocks' sums in a fixed binary tree.

    Neighbours are added as soon as both are there, so at most one vector per level of the tree is held. The tree's
    rounding error grows with the logarithm of the number of blocks, where a running total's grows with the number.

    Parameters
    ----------
    sums : iterable of ndarray of shape (n,), float64
        One vector per block, in the order of the blocks; at least one. They are overwritten.

    Returns
    -------
    ndarray of shape (n,), float64
        The total.
    """
    waiting: list[NDArray[np.float64]] = []  # complete subtrees, the largest first
    for count, block in enumerate(sums):
        while count & 1:  # as many subtrees are complete with this block as count has trailing ones
            left = waiting.pop()
            left += block
            block = left
            count >>= 1
        waiting.append(block)
    total = waiting.pop()
    while waiting:
        left = waiting.pop()
        left += total
        total = left
    return total
