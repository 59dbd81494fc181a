"""The gradients of several targets: what each row adds to them, with each row of X read once for all."""

from functools import cache
from typing import Any

from numba import njit, types

from fastgd.kernels.jit import HELPER_FLAGS, compile_cached, readonly


def several(X, Y, s, thetas, sums):
    """Write for each target sum s r^2, sum s r, and sum s r x_j for each feature j, with its residuals r.

    X and Y are row-major; thetas has a row for each target, one longer than a row of X where there is an intercept.
    """
    n_samples, n_features = X.shape
    first = thetas.shape[1] - n_features
    for t in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            sums[t, j] = 0.0
    for i in range(n_samples):
        x = X[i]
        weight = 1.0 if s is None else s[i]
        for t in range(Y.shape[1]):
            _add(x, Y[i, t], weight, thetas[t], first, sums[t])


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def _add(x, y, weight, theta, first, sums):
    coef = theta[first:]
    r = theta[0] - y if first else -y
    for j in range(x.shape[0]):
        r += x[j] * coef[j]
    weighted = weight * r
    sums[0] += weighted * r
    sums[1] += weighted
    gradient = sums[2:]
    for j in range(x.shape[0]):
        gradient[j] += weighted * x[j]


@cache
def compiled_several(dtype: str, weighted: bool) -> Any:
    """Compile it on first use, for X of "d" or "f", and float64 Y."""
    number = types.float64 if dtype == "d" else types.float32
    s = readonly(types.float64, 1) if weighted else types.none
    matrix = readonly(types.float64, 2)
    return compile_cached(
        several, types.void(readonly(number, 2), matrix, s, matrix, types.Array(types.float64, 2, "C"))
    )
