"""The sums of the gradient with an error term to each product and each sum: as if in twice the precision.

For few rows whose columns nearly depend on each other, where the last digits of theta are those of the residuals.
"""

from collections.abc import Callable
from functools import cache

from numba import njit, types

from fastgd.kernels.jit import HELPER_FLAGS, compile_cached, readonly

# Multiplied with a float64, it parts the upper half of the digits from the lower (2^27 + 1).
_SPLITTER = 134217729.0


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def _sum(a, b):
    """Return a + b and its rounding error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def _product(a, b):
    """Return a b and its rounding error (Dekker)."""
    product = a * b
    scaled = _SPLITTER * a
    a_upper = scaled - (scaled - a)
    a_lower = a - a_upper
    scaled = _SPLITTER * b
    b_upper = scaled - (scaled - b)
    b_lower = b - b_upper
    return product, a_lower * b_lower - (((product - a_upper * b_upper) - a_lower * b_upper) - a_upper * b_lower)


def compensated(values, s, theta, sums, errors):
    """Add up what rows add to the gradient; the dot product and sums are those of Ogita, Rump and Oishi [1]_.

    Parameters
    ----------
    values : array of shape (n_samples, n_features + 1), float64
        X and, last, y.
    s : array of shape (n_samples,), float64
        The sample weights.
    theta : array of shape (n_features,) or (1 + n_features,), float64
        The parameters.
    sums, errors : array of shape (2 + n_features,), float64
        What sum s r^2, sum s r and sum s r x are added to, and their error terms.

    References
    ----------
    .. [1] T. Ogita, S. M. Rump, S. Oishi, "Accurate sum and dot product", SIAM Journal on Scientific Computing 26 (2005),
       1955-1988.
    """
    n_features = values.shape[1] - 1
    n_free = theta.size - n_features
    for i in range(values.shape[0]):
        upper, lower = -values[i, n_features], 0.0
        if n_free:
            upper, lower = _sum(upper, theta[0])
        for j in range(n_features):
            product, error = _product(values[i, j], theta[n_free + j])
            upper, rounding = _sum(upper, product)
            lower += rounding + error
        upper, lower = _sum(upper, lower)
        weighted, error = _product(upper, s[i])
        weighted_lower = error + lower * s[i]
        sums[0] += weighted * upper
        sums[1], rounding = _sum(sums[1], weighted)
        errors[1] += rounding + weighted_lower
        for j in range(n_features):
            product, error = _product(weighted, values[i, j])
            sums[2 + j], rounding = _sum(sums[2 + j], product)
            errors[2 + j] += rounding + error + weighted_lower * values[i, j]


@cache
def compiled_compensated() -> Callable[..., None]:
    """Return `compensated`, compiled on first use."""
    vector = types.Array(types.float64, 1, "C")
    rows, weights = readonly(types.float64, 2), readonly(types.float64, 1)
    signature = types.void(rows, weights, readonly(types.float64, 1), vector, vector)
    compiled: Callable[..., None] = compile_cached(compensated, signature)
    return compiled
