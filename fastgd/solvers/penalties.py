"""The minima of least squares for many penalties, from one eigendecomposition."""

import numpy as np
from numpy.typing import NDArray

from fastgd.solvers.quadratic import Vector

# The rounding of a residual, in units of the sum of what it is the difference of.
_ROUNDING = 8 * 2.0**-52

# Each step gains the digits that the decomposition has of the column with the smallest numbers; where these are few, none.
_MAX_STEPS = 10


def minima(hessian: Vector, slope: Vector, penalties: Vector) -> tuple[Vector, NDArray[np.bool_]]:
    """Solve ``(H + p I) coef = slope`` for each penalty p.

    The eigenvalues of H have an error of the size of the roundoff of the largest one, which of columns of other sizes leaves
    few digits: so each solution is refined by steps against its residual, until these are rounding.

    Parameters
    ----------
    hessian : ndarray of shape (n_features, n_features), float64
        H, symmetric, with no eigenvalue below zero but by rounding.
    slope : ndarray of shape (n_features,), float64
        The right-hand side.
    penalties : ndarray of shape (n_penalties,), float64
        The penalties, >= 0.

    Returns
    -------
    coef : ndarray of shape (n_penalties, n_features), float64
        The solutions.
    found : ndarray of shape (n_penalties,), bool
        Whether its residual became rounding, in units in which all columns have the same length.
    """
    values, vectors = np.linalg.eigh(hessian)
    curvature = np.maximum(values, 0.0) + penalties[:, np.newaxis]
    inverse = np.divide(1.0, curvature, out=np.zeros_like(curvature), where=curvature > 0)
    unit = np.sqrt(np.maximum(np.diagonal(hessian), 0.0) + penalties[:, np.newaxis])
    coef = np.zeros((len(penalties), len(slope)))
    residual = np.broadcast_to(slope, coef.shape)
    for _ in range(_MAX_STEPS):
        coef += (residual @ vectors * inverse) @ vectors.T
        residual = slope - coef @ hessian - penalties[:, np.newaxis] * coef
        rounding = _ROUNDING * unit * abs(coef * unit).sum(axis=1, keepdims=True)
        found = (abs(residual) <= rounding).all(axis=1)
        if found.all():
            break
    return coef, found
