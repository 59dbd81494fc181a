"""The inverse of X^T S X, which the covariances of parameters are made of, and which parameters the rows determine."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.solvers.quadratic import Vector

# The roundoff of an eigenvalue of the moments of columns of the same length, relative to the largest, for up to 50 columns.
_MOMENTS_ROUNDOFF = 1e-14

# A linear combination along which the hypothesis does not change, to rounding.
_UNCHANGED = 1e-8


class Bread(NamedTuple):
    """``(X^T S X)^-1 = F F^T``, the bread of sandwich estimators; of features that depend on each other, the pseudoinverse.

    With an intercept, it is kept for features about their means, beside which the column of ones is orthogonal.
    """

    mean: Vector
    """What is taken off the features, shape (n_features,): their means, or zeros without an intercept."""
    root: Vector
    """``root root^T`` is the inverse for the coefficients, shape (n_features, rank)."""
    total_weight: float
    """``sum s`` if there is an intercept; else infinite, so that it takes no part."""
    estimable: NDArray[np.bool_]
    """Which parameters the rows determine, shape (n_parameters,)."""
    null: Vector
    """Coefficients that change the hypothesis on no row, shape (n_features, n)."""

    @property
    def centred(self) -> Vector:
        """F of the intercept at the means, first, and the coefficients, shape (1 + n_features, n)."""
        G = np.zeros((1 + len(self.mean), 1 + self.root.shape[1]))
        G[0, 0] = 1.0 / math.sqrt(self.total_weight)
        G[1:, 1:] = self.root
        return G

    @property
    def factor(self) -> Vector:
        """F, shape (n_parameters, n)."""
        if math.isinf(self.total_weight):
            return self.root
        F = self.centred
        F[0, 1:] = -self.mean @ self.root
        return F

    def sandwich(self, meat: Vector) -> Vector:
        """Return ``F F^T M F F^T``.

        Parameters
        ----------
        meat : ndarray of shape (1 + n_features, 1 + n_features), float64
            M, of scores with respect to the intercept at the means, first, and the coefficients.

        Returns
        -------
        ndarray of shape (n_parameters, n_parameters), float64
            The covariance.
        """
        within = self.centred.T @ meat @ self.centred
        if math.isinf(self.total_weight):
            within = within[1:, 1:]
        F = self.factor
        covariance: Vector = F @ within @ F.T
        return covariance


def bread_of_scatter(scatter: Vector, mean: Vector, total_weight: float, *, intercept: bool, rank: int | None) -> Bread:
    """Invert what moments give.

    Parameters
    ----------
    scatter : ndarray of shape (n_features, n_features), float64
        ``sum s (x - mean)(x - mean)^T``.
    mean : ndarray of shape (n_features,), float64
        The means.
    total_weight : float
        ``sum s``.
    intercept : bool
        Whether theta begins with an intercept.
    rank : int or None
        How many parameters are independent; None where that is to be found.

    Returns
    -------
    Bread
        The inverse.
    """
    if not intercept:
        scatter = scatter + np.outer(total_weight * mean, mean)
    unit = _lengths(np.sqrt(np.diagonal(scatter)))
    scaled = scatter / unit / unit[:, np.newaxis]
    n_features = len(mean)
    if rank is None or rank - intercept == n_features:
        try:
            root = np.linalg.inv(np.linalg.cholesky(scaled)).T / unit[:, np.newaxis]
        except np.linalg.LinAlgError:
            pass
        else:
            if rank is not None or np.linalg.norm(scaled, 1) * _norm_of_inverse(root, unit) < 1.0 / _MOMENTS_ROUNDOFF:
                return _bread(root, np.zeros((n_features, 0)), unit, mean, total_weight, intercept=intercept)
    values, vectors = np.linalg.eigh(scaled)
    if rank is None:
        n_kept = int((values > _MOMENTS_ROUNDOFF * max(1.0, n_features / 50.0) * values[-1]).sum())
    else:
        n_kept = rank - intercept
    null, kept = vectors[:, : n_features - n_kept], vectors[:, n_features - n_kept :]
    root = kept / np.sqrt(values[n_features - n_kept :]) / unit[:, np.newaxis]
    return _bread(root, null, unit, mean, total_weight, intercept=intercept)


def bread_of_factor(factor: Vector, mean: Vector, total_weight: float, *, intercept: bool, rank: int | None) -> Bread:
    """Invert what a QR decomposition of the rows gives, which has the digits that squares lose.

    Parameters
    ----------
    factor : ndarray of shape (n, n_features), float64
        R, of features about their means if there is an intercept.
    mean, total_weight, intercept, rank
        See `bread_of_scatter`.

    Returns
    -------
    Bread
        The inverse.
    """
    unit = _lengths(np.linalg.norm(factor, axis=0))
    _, values, vectors = np.linalg.svd(factor / unit)
    if rank is None:
        n_kept = int((values > np.finfo(np.float64).eps * max(factor.shape) * values.max(initial=0.0)).sum())
    else:
        n_kept = rank - intercept
    kept, null = vectors[:n_kept].T, vectors[n_kept:].T
    root = kept / values[:n_kept] / unit[:, np.newaxis]
    return _bread(root, null, unit, mean, total_weight, intercept=intercept)


def _bread(root: Vector, null: Vector, unit: Vector, mean: Vector, total_weight: float, *, intercept: bool) -> Bread:
    estimable = (null**2).sum(axis=1) <= _UNCHANGED
    if not intercept:
        return Bread(np.zeros(len(mean)), root, math.inf, estimable, null / unit[:, np.newaxis])
    # The intercept is what the hypothesis is at the means, less mean . coef, which has to be the same wherever it is that.
    shares = mean / unit
    is_same = (abs(null.T @ shares) <= _UNCHANGED * (abs(null.T) @ abs(shares))).all()
    return Bread(mean, root, total_weight, np.append(is_same, estimable), null / unit[:, np.newaxis])


def _lengths(lengths: Vector) -> Vector:
    return np.where(lengths > 0, lengths, 1.0)


def _norm_of_inverse(root: Vector, unit: Vector) -> float:
    scaled = root * unit[:, np.newaxis]
    return float(np.linalg.norm(scaled @ scaled.T, 1))
