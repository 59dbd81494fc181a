"""Sample weights: their sum, and whether any is negative, in one pass."""

from functools import cache
from typing import Any

import numpy as np
from numba import types

from fastgd.kernels import tuning
from fastgd.kernels.jit import compile_cached, entry_point, readonly


def sum_nonnegative(s):
    """Return the sum of s, or NaN if an entry is negative; a NaN or an infinity comes through the sum."""
    lanes = np.zeros(tuning.COLUMN_SUMS)
    n_negative = 0
    for start in range(0, s.shape[0], tuning.COLUMN_SUMS):
        for lane in range(min(tuning.COLUMN_SUMS, s.shape[0] - start)):
            lanes[lane] += s[start + lane]
            n_negative += s[start + lane] < 0.0
    half = tuning.COLUMN_SUMS
    while half > 1:
        half //= 2
        for lane in range(half):
            lanes[lane] += lanes[half + lane]
    return lanes[0] if n_negative == 0 else float("nan")


@cache
def compiled_sum_nonnegative() -> Any:
    """Compile it on first use."""
    return entry_point(compile_cached(sum_nonnegative, types.float64(readonly(types.float64, 1))))
