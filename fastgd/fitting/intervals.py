"""Predictions with intervals: for the mean at a point, and for a new observation there."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.fitting import distributions
from fastgd.fitting.prediction import evaluated
from fastgd.inputs import validation
from fastgd.inputs.dask_set import is_dask
from fastgd.inputs.source import OrderedSource
from fastgd.kernels import tuning
from fastgd.rows.blocks import Blocks
from fastgd.rows.columns import Columns
from fastgd.rows.csr_matrix import CSR

_Vector = NDArray[np.float64]

# A point that differs from the rows by a larger share of itself is not among those whose mean they determine.
_OUTSIDE = 1e-8


class Prediction(NamedTuple):
    """Predictions, and intervals about them."""

    mean: _Vector
    """``h(x)`` for each row, shape (n_samples,)."""
    mean_interval: _Vector
    """Where the mean of y at x is, shape (n_samples, 2); NaN where the fitted rows do not determine it."""
    observation_interval: _Vector | None
    """Where a new y of weight 1 at x is, shape (n_samples, 2); None with a robust covariance, as its variance is not known."""


def prediction(result: Any, X: Any, level: float) -> Prediction:
    """Predict with intervals.

    Parameters
    ----------
    result : FitResult
        The fit.
    X : array_like of shape (n_samples, n_features), real, data frame, sparse matrix, or source
        The features.
    level : float
        The probability that an interval covers what it is about.

    Returns
    -------
    Prediction
        Predictions and intervals.
    """
    if result.evidence.note:
        raise ValueError(f"An interval was requested, but there are no standard errors. {result.evidence.note}")
    if is_dask(X):
        raise TypeError(
            f"X is dask's {type(X).__name__}, but rows of one machine are expected for intervals. Give X.compute(), or leave "
            "interval out."
        )
    quantile = distributions.t_quantile(level, result._df_t())
    bread, B = result.evidence.bread(), result._spread()
    # Of (1, x - mean): so the variance of the mean is the squared length of what comes out.
    offset = B[0] - bread.mean @ B[1:]
    pieces = [
        _of_piece(piece, result, (np.ascontiguousarray(B[1:].T), offset), bread)
        for piece in _pieces(X, result.feature_names)
    ]
    if not pieces:
        raise ValueError("The source has no rows, but at least one is expected. Check where they were to come from.")
    mean, variance = (np.concatenate(each) for each in zip(*pieces, strict=True))
    half = quantile * np.sqrt(variance)
    observation = None
    if result.evidence.meat is None:
        of_new = quantile * np.sqrt(variance + result._variance())
        observation = np.column_stack((mean - of_new, mean + of_new))
    return Prediction(mean, np.column_stack((mean - half, mean + half)), observation)


def _pieces(X: Any, names: list[Any] | None) -> Iterator[Any]:
    """Yield checked features, some rows at a time."""
    wholes = X.features(names) if isinstance(X, OrderedSource) else [validation.features(X, names)[0]]
    for whole in wholes:
        n_samples, n_features = (*whole.shape, 1)[:2]
        for start, stop in Blocks(n_samples, max(1, tuning.CACHED_VALUES // n_features)):
            if isinstance(whole, CSR):
                yield whole.dense(np.arange(start, stop))
            elif isinstance(whole, Columns):
                yield whole.gather(slice(start, stop)).T
            else:
                yield whole[start:stop].reshape(stop - start, n_features)


def _of_piece(piece: Any, result: Any, spread: tuple[_Vector, _Vector], bread: Any) -> tuple[_Vector, _Vector]:
    """Return the predictions for some rows, and the variances of their means."""
    mean = evaluated(piece, result.coef, result.intercept)
    variance = (evaluated(piece, *spread) ** 2).sum(axis=1)
    if bread.null.shape[1]:
        x = piece.astype(np.float64, copy=False) - bread.mean
        variance[(abs(x @ bread.null) > _OUTSIDE * (abs(x) @ abs(bread.null))).any(axis=1)] = np.nan
    return mean, variance
