"""Sample weights: their sum, and whether any is negative, in one pass."""

from functools import cache
from typing import Any

from numba import types

from fastgd.kernels.jit import compile_cached, entry_point, readonly


def sum_nonnegative(s):
    """Return the sum of s, or NaN if an entry is negative; a NaN or an infinity comes through the sum."""
    total = 0.0
    n_negative = 0
    for i in range(s.shape[0]):
        total += s[i]
        n_negative += s[i] < 0.0
    return total if n_negative == 0 else float("nan")


@cache
def compiled_sum_nonnegative() -> Any:
    """Compile it on first use."""
    return entry_point(compile_cached(sum_nonnegative, types.float64(readonly(types.float64, 1))))
