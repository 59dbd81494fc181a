"""Several targets of the same rows, fitted together: each pass reads every row once for all of them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import settings, validation
from fastgd.fitting import fit
from fastgd.moments import Moments
from fastgd.result import FitResult
from fastgd.rows.csr import CSR
from fastgd.rows.moments import moments_of
from fastgd.rows.targets import TargetRows
from fastgd.solvers.inverse_hessian import InverseHessian
from fastgd.sparse import is_sparse

_Vector = NDArray[np.float64]

# A step that changes the hypothesis by less than this share of y, squared, is its rounding.
_NOTHING = 1e-28

# True gradients that a solution from moments is improved by: the second finds nothing where the condition number is below 1e7.
_MOST_STEPS = 2


def moments_of_targets(
    X: ArrayLike, Y: NDArray[Any], sample_weight: ArrayLike | None = None, *, n_threads: int | None = None
) -> Moments:
    """Take the moments of a training set with several targets, in one pass.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features), real, or data frame
        The features.
    Y : ndarray of shape (n_samples, n_targets), real
        The targets.
    sample_weight : array_like of shape (n_samples,), real, optional
        How much each row counts.
    n_threads : int, optional
        How many threads to take.

    Returns
    -------
    Moments
        Those of the features and, after them, all targets.

    Raises
    ------
    TypeError, ValueError
        As of `Moments.from_rows`.
    """
    if is_sparse(X):
        return _joined([Moments.from_rows(X, y, sample_weight, n_threads=n_threads) for y in np.asfortranarray(Y).T])
    rows, names = _rows(X, Y, sample_weight, n_threads)
    return _moments(rows, names)


def _joined(apart: list[Moments]) -> Moments:
    """Undo `of_each_target`; the products of two targets, which nobody asks for, are left 0."""
    n_features = apart[0].n_features
    mean = np.append(apart[0].mean[:-1], [each.mean[-1] for each in apart])
    scatter = np.zeros((len(mean), len(mean)))
    scatter[:n_features, :n_features] = apart[0].scatter[:-1, :-1]
    for t, each in enumerate(apart, start=n_features):
        scatter[t, :n_features] = scatter[:n_features, t] = each.scatter[-1, :-1]
        scatter[t, t] = each.scatter[-1, -1]
    return Moments(apart[0].n_samples, apart[0].total_weight, mean, scatter)


def of_each_target(moments: Moments, n_targets: int) -> list[Moments]:
    """Take the moments of several targets apart.

    Parameters
    ----------
    moments : Moments
        Those of the features and, after them, all targets.
    n_targets : int
        How many columns are targets.

    Returns
    -------
    list of Moments
        Those of the features and one target, for each.
    """
    n_features = len(moments.mean) - n_targets
    apart = []
    for t in range(n_targets):
        chosen = np.append(np.arange(n_features), n_features + t)
        scatter = moments.scatter[np.ix_(chosen, chosen)]
        apart.append(Moments(moments.n_samples, moments.total_weight, moments.mean[chosen], scatter))
    return apart


def fit_targets(
    X: ArrayLike,
    Y: NDArray[Any],
    *,
    sample_weight: ArrayLike | None,
    theta0s: _Vector | None,
    precompute: bool | str,
    n_threads: int | None,
    **options: Any,
) -> list[FitResult]:
    """Fit each target.

    Unless `precompute` is False or X is sparse, moments of all targets are taken in one pass; each target is fitted to its
    own, and true gradients of all are taken together.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features), real, or data frame
        The features.
    Y : ndarray of shape (n_samples, n_targets), real
        The targets.
    sample_weight, n_threads, options
        As of `fastgd.fit`.
    theta0s : ndarray of shape (n_targets, n_parameters), float64, or None
        Where to start.
    precompute : bool or "auto"
        Whether the moments are taken.

    Returns
    -------
    list of FitResult
        One for each target.

    Raises
    ------
    TypeError, ValueError
        As of `fastgd.fit`.
    """
    starts: Any = [None] * Y.shape[1] if theta0s is None else theta0s
    if precompute is False or is_sparse(X):
        return [
            fit(X, y, sample_weight=sample_weight, theta0=start, precompute=precompute, n_threads=n_threads, **options)
            for y, start in zip(np.asfortranarray(Y).T, starts, strict=True)
        ]
    rows, names = _rows(X, Y, sample_weight, n_threads)
    moments = _moments(rows, names)
    apart = of_each_target(moments, Y.shape[1])
    results = [fit(each, theta0=start, **options) for each, start in zip(apart, starts, strict=True)]
    return _verified(rows, moments, results, names, **options)


def _rows(
    X: ArrayLike, Y: NDArray[Any], sample_weight: ArrayLike | None, n_threads: int | None
) -> tuple[TargetRows, list[str] | None]:
    data = validation.training_set(X, Y[:, 0], sample_weight)
    Y = validation.real_array(Y, "y")
    assert not isinstance(data.X, CSR)
    return TargetRows(data.X, Y, data.sample_weight, settings.thread_count(n_threads)), data.names


def _moments(rows: TargetRows, names: list[str] | None) -> Moments:
    moments = moments_of(rows)
    if not np.isfinite(moments.scatter).all():
        validation.refuse_non_finite(rows.first_non_finite(), rows.n_features, "a fit needs finite numbers", names)
        validation.refuse_overflow(moments.scatter, rows.n_features, names)
    return Moments(rows.n_samples, moments.total_weight, moments.mean, moments.scatter)


def _verified(
    rows: TargetRows,
    moments: Moments,
    results: list[FitResult],
    names: list[str] | None,
    *,
    intercept: bool,
    loss: str = "mse",
    l2: float,
    method: str,
    learning_rate: float | str,
    standardize: bool,
    **_options: Any,
) -> list[FitResult]:
    """Take true gradients of all targets together and, if the minimum is asked for, the steps that they ask for."""
    scale = settings.loss_scale(loss, moments.total_weight)
    exact = method in ("auto", "preconditioned") and learning_rate == "auto" and not (standardize and l2)
    n_features = rows.n_features
    inverse = InverseHessian(
        moments.mean[:n_features],
        moments.scatter[:n_features, :n_features],
        total_weight=moments.total_weight,
        scale=scale,
        l2=l2,
        intercept=intercept,
        product=None,
    )
    y_squares = np.diagonal(moments.scatter)[n_features:] + moments.total_weight * moments.mean[n_features:] ** 2
    y_squares = 0.5 * scale * y_squares
    thetas = np.array([result.theta for result in results])
    best: list[tuple[float, _Vector, float, _Vector]] = []
    for step in range(1 + _MOST_STEPS * exact):
        sums = rows.gradients(thetas) * scale
        gradients = sums[:, 1 if intercept else 2 :]
        coefs = thetas[:, int(intercept) :]
        gradients[:, int(intercept) :] += 2.0 * l2 * coefs
        costs = 0.5 * sums[:, 0] + l2 * (coefs**2).sum(axis=1)
        found = [
            (inverse.gap(g), theta, cost, g) for g, theta, cost in zip(gradients, thetas, costs.tolist(), strict=True)
        ]
        best = found if not step else [min(pair, key=lambda each: each[0]) for pair in zip(best, found, strict=True)]
        if all(gap <= _NOTHING * squares for (gap, *_), squares in zip(best, y_squares.tolist(), strict=True)):
            break
        thetas = np.array([theta - inverse(g) for _, theta, _, g in best])
    return [
        replace(
            result,
            theta=theta,
            coef=theta[int(intercept) :].copy(),
            intercept=float(theta[0]) if intercept else 0.0,
            cost=cost,
            gradient_norm=math.hypot(*gradient),
            gap=gap,
            feature_names=names,
            n_passes=rows.n_passes,
            verified=True,
            message=result.message.partition(" Moments only were given")[0],
        )
        for result, (gap, theta, cost, gradient) in zip(results, best, strict=True)
    ]
