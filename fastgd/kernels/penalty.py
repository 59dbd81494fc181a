"""What the penalty on squared coefficients adds to the cost and the gradient."""

from collections.abc import Callable
from functools import cache

from numba import types

from fastgd.kernels.jit import compile_cached, entry_point, readonly


def add_penalty(sums, theta, l2):
    """Add 2 l2 coef to the gradient in the last sums, and return l2 coef . coef; theta may begin with an intercept."""
    n_features = sums.shape[0] - 2
    before = theta.shape[0] - n_features
    squares = 0.0
    for j in range(n_features):
        coef = theta[before + j]
        squares += coef * coef
        sums[2 + j] += 2.0 * l2 * coef
    return l2 * squares


@cache
def compiled_add_penalty() -> Callable[..., float]:
    """Compile it on first use."""
    vector = types.Array(types.float64, 1, "C")
    signature = types.float64(vector, readonly(types.float64, 1), types.float64)
    return entry_point(compile_cached(add_penalty, signature))
