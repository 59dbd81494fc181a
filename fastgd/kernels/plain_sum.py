"""The roof: a plain sum, which does nothing but read."""

from collections.abc import Callable
from functools import cache

from numba import types

from fastgd.kernels.jit import compile_cached, readonly


def plain_sum(values):
    """Return the sum of an array, in its own dtype."""
    total = values.dtype.type(0)
    for i in range(values.shape[0]):
        total += values[i]
    return total


@cache
def compiled_plain_sum(dtype: str) -> Callable[..., float]:
    """Return `plain_sum` for "float64" or "float32", compiled on first use."""
    number = types.float64 if dtype == "float64" else types.float32
    compiled: Callable[..., float] = compile_cached(plain_sum, number(readonly(number, 1)), any_order=True)
    return compiled
