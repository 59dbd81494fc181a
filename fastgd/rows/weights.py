"""Sample weights: their sum, and rows that have some."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.kernels.weights import compiled_sum_nonnegative
from fastgd.rows.blocks import Blocks
from fastgd.rows.layout import FLOAT64, converted

_Array = NDArray[Any]


def total_weight(sample_weight: _Array) -> float:
    """Add up sample weights.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,), real
        The sample weights.

    Returns
    -------
    float
        Their sum; NaN if one of them is negative or NaN.
    """
    add = compiled_sum_nonnegative()
    if len(sample_weight) <= tuning.BLOCK_VALUES:
        return add(converted(sample_weight, FLOAT64))  # type: ignore[no-any-return]
    total = 0.0
    for start, stop in Blocks(len(sample_weight), tuning.BLOCK_VALUES):
        total += add(converted(sample_weight[start:stop], FLOAT64))  # as sum() adds in another way from Python 3.12 on
    return total


def sampled(n_samples: int, sample_weight: _Array | None, n: int) -> NDArray[np.intp]:
    """Choose some rows together at each of some places at regular distances, but none of no weight.

    Parameters
    ----------
    n_samples : int
        How many rows there are.
    sample_weight : ndarray of shape (n_samples,), real, or None
        The sample weights.
    n : int
        How many to choose at most, >= 1.

    Returns
    -------
    ndarray of shape (1 to n,), intp
        Their numbers, ascending.
    """
    n_together = min(n, tuning.SAMPLED_TOGETHER)
    distance = max(n_together, -(-n_samples // (n // n_together)))
    rows = (np.arange(0, n_samples, distance)[:, np.newaxis] + np.arange(n_together)).ravel()
    rows = rows[rows < n_samples]
    if sample_weight is None:
        return rows
    rows = rows[sample_weight[rows] > 0]
    return rows if len(rows) else np.array([sample_weight.argmax()])
