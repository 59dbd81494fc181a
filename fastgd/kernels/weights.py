"""Sample weights: their sum, and whether any is negative, in one pass."""

import math
from functools import cache
from typing import Any

from numba import types
from numba.extending import intrinsic

from fastgd.kernels.jit import compile_cached, entry_point, readonly
from fastgd.kernels.simd import LANES, Code, int64

_N_VECTORS = 4


def sum_nonnegative(s):
    """Return the sum of s, or NaN if an entry is negative; a NaN or an infinity comes through the sum."""
    return _sum(s, s.shape[0])


@intrinsic
def _sum(_context, s, n):
    """Do what `sum_nonnegative` does, in 32 lanes, as each addition waits for the one before it."""

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        values, length = code.data(signature.args[0], args[0]), args[1]
        totals = [code.variable(code.zeros()) for _ in range(_N_VECTORS)]
        negative = code.variable(code.first(int64(0)))  # no lane

        def add(i, n_left=None):
            for m, total in enumerate(totals):
                start = int64(m * LANES)
                mask = None if n_left is None else code.first(code.sub(n_left, start))
                some = code.vector(values, code.add(i, start), mask)
                total.value = code.fadd(total.value, some)
                negative.value = code.or_(negative.value, code.fcmp_ordered("<", some, code.zeros()))

        done = code.variable(int64(0))
        with code.steps(int64(0), length, _N_VECTORS * LANES) as i:
            add(i)
            done.value = code.add(i, int64(_N_VECTORS * LANES))
        n_left = code.sub(length, done.value)
        with code.if_then(code.icmp_signed(">", n_left, int64(0))):
            add(done.value, n_left)
        sums = [total.value for total in totals]
        while len(sums) > 1:
            half = len(sums) // 2
            sums = [code.fadd(*pair) for pair in zip(sums[:half], sums[half:], strict=True)]
        total = code.total(sums[0])
        return code.select(code.any(negative.value), total.type(math.nan), total)

    return types.float64(s, n), generate


@cache
def compiled_sum_nonnegative() -> Any:
    """Compile it on first use."""
    return entry_point(compile_cached(sum_nonnegative, types.float64(readonly(types.float64, 1))))
