"""What robust covariances are made of: sums of products of scores, which are what rows add to the gradient."""

from collections import deque
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels.scores import Leverages, compiled_add_to_groups
from fastgd.rows.blocks import added
from fastgd.rows.memory import MemoryRows
from fastgd.rows.parts import PartedRows
from fastgd.rows.rows import Rows

_Vector = NDArray[np.float64]

# At so many points the products of scores are kept.
_MOST_KNOWN = 4


class Scores(NamedTuple):
    """Which scores are summed: ``s r (1, x - mean)``."""

    mean: _Vector
    """The means of the features and, last, of y, or zeros; shape (n_features + 1,)."""
    leverages: Leverages | None
    """If scores are corrected by them."""


def meat_of(rows: Rows, theta: _Vector, scores: Scores) -> _Vector:
    """Sum the products of each row's score with itself, in one pass.

    Parameters
    ----------
    rows : Rows
        The training set.
    theta : ndarray of shape (n_features,) or (1 + n_features,), float64
        The parameters.
    scores : Scores
        What to sum.

    Returns
    -------
    ndarray of shape (1 + n_features, 1 + n_features), float64
        ``sum (s r)^2 (1, x - mean) (1, x - mean)^T / (1 - h)^power``; NaN where a row has the leverage 1.
    """
    if isinstance(rows, PartedRows):
        whole: _Vector = rows.reduce(partial(meat_of, theta=theta, scores=scores), added)
        return whole
    products = rows.products_of_scores(theta, scores.mean, scores.leverages)
    order = np.append(rows.n_features + 1, np.arange(rows.n_features))
    meat: _Vector = products[np.ix_(order, order)]
    return meat


def group_scores(rows: MemoryRows, theta: _Vector, mean: _Vector, groups: NDArray[np.int64], n_groups: int) -> _Vector:
    """Sum the scores ``s r (1, x - mean)`` of each group of rows, in one pass.

    Parameters
    ----------
    rows : MemoryRows
        The training set.
    theta : ndarray of shape (n_features,) or (1 + n_features,), float64
        The parameters.
    mean : ndarray of shape (n_features,), float64
        What is taken off the features.
    groups : ndarray of shape (n_samples,), int64
        The group of each row, from 0.
    n_groups : int
        How many there are.

    Returns
    -------
    ndarray of shape (n_groups, 1 + n_features), float64
        The sums.
    """
    sums, add, start = np.zeros((n_groups, 1 + rows.n_features)), compiled_add_to_groups(), 0
    for values, s in rows.blocks():
        add(values, s, groups[start : start + len(s)], theta, mean, sums)
        start += len(s)
    return sums


class ScoredRows:
    """Rows that are not in memory, whose gradient is summed together with the products of their scores, in the same pass.

    Parameters
    ----------
    rows : PartedRows
        The training set.
    scores : Scores
        What to sum.
    """

    def __init__(self, rows: PartedRows, scores: Scores) -> None:
        self._rows = rows
        self._scores = scores
        # A fit ends at one of the last points, while a long descent goes over many.
        self._known: deque[tuple[_Vector, _Vector]] = deque(maxlen=_MOST_KNOWN)

    def gradient(self, theta: _Vector, scale: float = 1.0) -> _Vector:
        """Sum what `MemoryRows.gradient` does."""
        sums, meat = self._rows.reduce(partial(_both, theta=theta, scores=self._scores), _both_added)
        self._known.append((theta.copy(), meat))
        with np.errstate(over="ignore", invalid="ignore"):  # an infinity is a result
            gradient: _Vector = sums * scale
        return gradient

    def product(self, p: _Vector) -> _Vector:
        """Sum what `MemoryRows.product` does."""
        return self._rows.product(p)

    def meat(self, theta: _Vector) -> _Vector:
        """Return what `meat_of` does, without a pass where the gradient was taken at this theta."""
        for known, meat in self._known:
            if np.array_equal(known, theta):
                return meat
        return meat_of(self._rows, theta, self._scores)


def _both(rows: Any, theta: _Vector, scores: Scores) -> tuple[_Vector, _Vector]:
    gradient = rows.gradient(theta)
    return gradient, meat_of(rows, theta, scores)


def _both_added(first: tuple[_Vector, _Vector], then: tuple[_Vector, _Vector]) -> tuple[_Vector, _Vector]:
    return first[0] + then[0], first[1] + then[1]  # not in place, as a task of dask may be read by another one again
