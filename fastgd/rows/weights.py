"""Sample weights: their sum, and rows that have some."""

from typing import Any, NamedTuple

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


class Observations(NamedTuple):
    """What statistics need to know of rows beside sums over them."""

    n: int
    """How many rows have weight."""
    log_weight: float
    """The sum of the logarithms of their weights."""

    def __add__(self, other: tuple[Any, ...]) -> "Observations":
        """Return those of the rows of both."""
        return Observations(self.n + other[0], self.log_weight + other[1])


def observations(n_samples: int, sample_weight: _Array | None) -> Observations:
    """Count rows that have weight.

    Parameters
    ----------
    n_samples : int
        How many rows there are.
    sample_weight : ndarray of shape (n_samples,), real, or None
        The sample weights.

    Returns
    -------
    Observations
        Their number, and the logarithms of their weights.
    """
    if sample_weight is None:
        return Observations(n_samples, 0.0)
    total = Observations(0, 0.0)
    for start, stop in Blocks(n_samples, tuning.CACHED_VALUES):
        s = converted(sample_weight[start:stop], FLOAT64)
        s = s[s > 0]
        total += Observations(len(s), float(np.log(s).sum()))
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
