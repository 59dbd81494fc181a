"""Several targets of the same rows, whose fits share all that depends on the features only."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.fitting.data import open_data
from fastgd.fitting.fit import fit_data
from fastgd.fitting.options import Options
from fastgd.fitting.problem import Inverses, Work
from fastgd.fitting.result import FitResult
from fastgd.inputs import validation
from fastgd.inputs.sparse import is_sparse
from fastgd.moments import Moments
from fastgd.rows.centred_moments import CentredMoments, moments_of
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.factor import factor_of
from fastgd.rows.rows import Rows
from fastgd.rows.target_rows import TargetRows

_Vector = NDArray[np.float64]


def moments_of_targets(
    X: ArrayLike, Y: NDArray[Any], sample_weight: ArrayLike | None = None, *, n_threads: int | None = None
) -> Moments:
    """Take the moments of the features and, after them, all targets, in one pass; see `Moments.from_rows`.

    Y has shape (n_samples, n_targets).
    """
    if is_sparse(X):
        return _joined([Moments.from_rows(X, y, sample_weight, n_threads=n_threads) for y in np.asfortranarray(Y).T])
    rows, names = _rows(X, Y, sample_weight, n_threads)
    moments = moments_of(rows)
    if not np.isfinite(moments.scatter).all():
        validation.refuse_non_finite(rows.first_non_finite(), rows.n_features, "a fit needs finite numbers", names)
        validation.refuse_overflow(moments.scatter, rows.n_features, names)
    return Moments._made(rows.n_samples, moments.total_weight, moments.mean, moments.scatter, names)


def _joined(apart: list[Moments]) -> Moments:
    """Undo `of_each_target`; the products of two targets, which are never needed, are left 0."""
    n_features = apart[0].n_features
    mean = np.append(apart[0].mean[:-1], [each.mean[-1] for each in apart])
    scatter = np.zeros((len(mean), len(mean)))
    scatter[:n_features, :n_features] = apart[0].scatter[:-1, :-1]
    for t, each in enumerate(apart, start=n_features):
        scatter[t, :n_features] = scatter[:n_features, t] = each.scatter[-1, :-1]
        scatter[t, t] = each.scatter[-1, -1]
    return Moments._made(apart[0].n_samples, apart[0].total_weight, mean, scatter)


def of_each_target(moments: Moments, n_targets: int) -> list[Moments]:
    """Return the moments of the features and one target, for each target, given those of the features and all targets."""
    n_features = len(moments.mean) - n_targets
    apart = []
    for t in range(n_targets):
        chosen = np.append(np.arange(n_features), n_features + t)
        scatter = moments.scatter[np.ix_(chosen, chosen)]
        mean, names = moments.mean[chosen], moments.feature_names
        apart.append(Moments._made(moments.n_samples, moments.total_weight, mean, scatter, names))
    return apart


class _SharedPasses:
    """Passes over a training set with all of its targets, each made when a problem first needs it."""

    def __init__(self, X: ArrayLike, Y: NDArray[Any], sample_weight: ArrayLike | None, n_threads: int | None) -> None:
        self._given = X, Y, sample_weight, n_threads
        self._n_targets = Y.shape[1]
        self._inverses = Inverses()
        self._moments: list[Moments] | None = None
        self._factor: _Vector | None = None

    def work(self, target: int) -> Work:
        """Return the passes for the problem of one target."""
        return Work(partial(self._moments_of, target), partial(self._factor_of, target), self._inverses)

    def _moments_of(self, target: int, rows: Rows) -> CentredMoments:
        rows.n_passes += 1
        if self._moments is None:
            X, Y, sample_weight, n_threads = self._given
            moments = moments_of_targets(X, Y, sample_weight, n_threads=n_threads)
            self._moments = of_each_target(moments, self._n_targets)
        return self._moments[target].centred()

    def _factor_of(self, target: int, rows: Rows, centre: _Vector | None) -> _Vector:
        rows.n_passes += 1
        if self._factor is None:
            self._factor = self._decomposed(centre)
        before = np.arange(self._factor.shape[1] - self._n_targets)
        factor: _Vector = self._factor[:, np.append(before, len(before) + target)]
        if centre is not None:
            factor[0, -1] -= factor[0, 0] * centre[-1]
        return factor

    def _decomposed(self, centre: _Vector | None) -> _Vector:
        """Return the factor of centred features and of targets that are not."""
        rows, _ = _rows(*self._given)
        if centre is None:
            return factor_of(rows, None)
        _, Y, sample_weight, _ = self._given
        s = np.ones(len(Y)) if sample_weight is None else np.broadcast_to(np.asarray(sample_weight), len(Y))
        means = np.average(Y[s > 0].astype(np.float64), axis=0, weights=s[s > 0])
        factor = factor_of(rows, np.append(centre[:-1], means))
        factor[0, -self._n_targets :] += factor[0, 0] * means  # R's first column is that of ones
        return factor


def fit_targets(
    X: ArrayLike,
    Y: NDArray[Any],
    options: Options,
    *,
    sample_weight: ArrayLike | None,
    theta0s: _Vector | None,
    n_threads: int | None,
) -> list[FitResult]:
    """Fit each target, as `fit` does.

    Moments or a factor, if needed, are taken of all targets in one pass, and the inverse of the Hessian, which depends on the
    features only, is computed once.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features), real, data frame or sparse matrix
        The features.
    Y : ndarray of shape (n_samples, n_targets), real
        The targets.
    options : Options
        How to fit them.
    sample_weight, n_threads
        See `fastgd.fit`.
    theta0s : ndarray of shape (n_targets, n_parameters), float64, or None
        Where to start.

    Returns
    -------
    list of FitResult
        One for each target.
    """
    shared = _SharedPasses(X, Y, sample_weight, n_threads) if Y.shape[1] > 1 and not is_sparse(X) else None
    results = []
    for t, y in enumerate(np.asfortranarray(Y).T):
        of_target = replace(options, theta0=None if theta0s is None else theta0s[t])
        work = None if shared is None else shared.work(t)
        results.append(fit_data(open_data(X, y, sample_weight, n_threads), of_target, work))
    return results


def _rows(
    X: ArrayLike, Y: NDArray[Any], sample_weight: ArrayLike | None, n_threads: int | None
) -> tuple[TargetRows, list[Any] | None]:
    (features, _, s), _, names = validation.training_set(X, Y[:, 0], sample_weight)
    Y = validation.real_array(Y, "y")
    assert not isinstance(features, CSR)
    return TargetRows(features, Y, s, arguments.thread_count(n_threads)), names
