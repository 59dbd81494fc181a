"""What robust covariances are made of: sums of products of scores, which are what rows add to the gradient."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.kernels.gram import entries, gram
from fastgd.rows import parallel
from fastgd.rows.blocks import Blocks, Fold, added
from fastgd.rows.memory import MemoryRows
from fastgd.rows.parts import PartedRows
from fastgd.rows.rows import Rows

_Vector = NDArray[np.float64]


class Leverages(NamedTuple):
    """What the leverages of rows are computed from: ``h = s (1 / S + |(x - mean)^T root|^2)``."""

    root: _Vector
    """Shape (n_features, rank)."""
    total_weight: float
    """S; infinite without an intercept."""
    power: int
    """Squares of scores are divided by ``(1 - h)^power``."""


class Scores(NamedTuple):
    """Which scores are summed: ``s r (1, x - mean)``."""

    mean: _Vector
    """Shape (n_features,)."""
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
    rows.n_passes += 1
    n_features = rows.n_features
    kernel = gram(False)
    n_rows = max(tuning.CACHED_VALUES // n_features, kernel.block_rows(n_features))
    blocks = Blocks(rows.n_samples, n_rows)
    fold, nothing = Fold(len(blocks)), np.zeros(n_features + 1)

    def do(i: int) -> None:
        values, s = rows.block(*blocks[i])
        heavy = s > 0  # what has no weight may hold anything
        if not heavy.all():
            values, s = values[heavy], s[heavy]
        x = values[:, :-1] - scores.mean
        r = _residuals(values, theta)
        weight = (s * r) ** 2
        if scores.leverages is not None:
            weight /= _uncertain(x, s, scores.leverages)
        sums = np.empty(kernel.n_sums(n_features))
        kernel["d", "d", True](x, 0, len(x), r, weight, nothing, 1.0, sums)
        fold.add(i, sums)

    parallel.share(do, range(len(blocks)), rows.n_threads)
    of_all = entries(fold.total(), n_features)
    order = np.append(n_features + 1, np.arange(n_features))
    meat: _Vector = of_all[np.ix_(order, order)]
    return meat


def group_scores(rows: MemoryRows, theta: _Vector, mean: _Vector, groups: NDArray[np.intp], n_groups: int) -> _Vector:
    """Sum the scores ``s r (1, x - mean)`` of each group of rows, in one pass.

    Parameters
    ----------
    rows : MemoryRows
        The training set.
    theta : ndarray of shape (n_features,) or (1 + n_features,), float64
        The parameters.
    mean : ndarray of shape (n_features,), float64
        What is taken off the features.
    groups : ndarray of shape (n_samples,), intp
        The group of each row, from 0.
    n_groups : int
        How many there are.

    Returns
    -------
    ndarray of shape (n_groups, 1 + n_features), float64
        The sums.
    """
    sums = np.zeros((n_groups, 1 + rows.n_features))
    start = 0
    for values, s in rows.blocks():
        here = groups[start : start + len(s)]
        start += len(s)
        heavy = s > 0
        values, s, here = values[heavy], s[heavy], here[heavy]
        scores = np.empty_like(values)
        scores[:, 0] = s * _residuals(values, theta)
        scores[:, 1:] = (values[:, :-1] - mean) * scores[:, :1]
        if len(here):
            order = np.argsort(here, kind="stable")
            firsts = np.flatnonzero(np.diff(here[order], prepend=-1))
            sums[here[order[firsts]]] += np.add.reduceat(scores[order], firsts)
    return sums


def _residuals(values: _Vector, theta: _Vector) -> _Vector:
    n_features = values.shape[1] - 1
    r: _Vector = values[:, :-1] @ theta[-n_features:] - values[:, -1]
    return r + theta[0] if len(theta) > n_features else r


# A leverage is 1 if it is nearer to it than rounding could tell.
_CERTAIN = 1e-12


def _uncertain(x: _Vector, s: _Vector, leverages: Leverages) -> _Vector:
    """Return ``(1 - h)^power``, and NaN for a leverage of 1."""
    projected = x @ leverages.root
    left = 1.0 - s * (1.0 / leverages.total_weight + np.einsum("ij,ij->i", projected, projected))
    left[left <= _CERTAIN] = np.nan
    result: _Vector = left**leverages.power
    return result


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
        self._known: list[tuple[_Vector, _Vector]] = []

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
