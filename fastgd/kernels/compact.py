"""Rows of nine to sixteen features: each is two vectors, read once and kept in registers, eight rows at a time."""

from typing import Any

from numba import types
from numba.extending import intrinsic

from fastgd.kernels.jit import Kernel
from fastgd.kernels.simd import LANES, ZERO, Code, int64, line_values

MAX_FEATURES = 2 * LANES

# How far ahead rows are asked for, in bytes.
_PREFETCH_BYTES = 8192


@Kernel
def compact(X, start, stop, y, s, theta, scale, sums):
    """Sum over rows of nine to sixteen features; the arguments are those of `Kernel`."""
    n_features = X.shape[1]
    bias = theta[0] if theta.shape[0] > n_features else 0.0
    w = theta[theta.shape[0] - n_features :]
    # The second vector of a row reaches into the next row, and behind the last one of X there is none.
    n_rows = stop - start
    n_free = min(n_rows, (X.size - LANES + 1) // n_features - start)
    _sum(X, start * n_features, n_features, n_rows, n_free, y, s, w, bias, sums)
    for i in range(2 + n_features):
        sums[i] *= scale


@intrinsic
def _sum(_context, X, at, n_features, n_rows, n_free, y, s, w, bias, sums):
    """Write sum s r^2, sum s r, and sum s r x of n_rows rows, of which the first n_free may be read beyond their end."""

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        X, y, s, w, sums = (code.data(signature.args[i], args[i]) for i in (0, 5, 6, 7, 9))
        at, n_features, n_rows, n_free, bias = (args[i] for i in (1, 2, 3, 4, 8))
        rows = _Rows(code, code.gep(X, [at]), n_features, y, s, w, bias)
        rows.add(n_rows, n_free)
        rows.write(sums)
        return code.nothing()

    return types.void(X, at, n_features, n_rows, n_free, y, s, w, bias, sums), generate


class _Rows:
    """The code that sums over rows of two vectors, the second of which is partly used."""

    def __init__(self, code: Code, X: Any, n_features: Any, y: Any, s: Any, w: Any, bias: Any) -> None:
        self._code, self._X, self._y, self._s = code, X, y, s
        self._n_features = n_features
        self._mask = code.first(code.sub(n_features, int64(LANES)))
        self._w = code.vector(w, int64(0)), code.vector(w, int64(LANES), self._mask)
        self._bias = code.splat(bias)
        self._sum_rr, self._sum_r, *self._sums_rx = (code.variable(ZERO) for _ in range(4))

    def add(self, n_rows: Any, n_free: Any) -> None:
        """Sum over all rows."""
        code = self._code
        done = code.variable(int64(0))
        with code.steps(int64(0), n_free, LANES) as i:
            self._add_eight(i)
            done.value = code.add(i, int64(LANES))
        with code.steps(done.value, code.add(n_rows, int64(LANES - 1)), LANES) as i:
            self._add_eight(i, code.sub(n_rows, i))

    def write(self, sums: Any) -> None:
        """Write the totals."""
        code = self._code
        for i, total in enumerate((self._sum_rr, self._sum_r)):
            code.store(code.total(total.value), code.gep(sums, [int64(i)]))
        first, second = self._sums_rx
        code.put(first.value, sums, int64(2))
        code.put(second.value, sums, int64(2 + LANES), self._mask)

    def _add_eight(self, i: Any, n_left: Any = None) -> None:
        """Add rows i to i + 8, or only n_left of them."""
        code = self._code
        mask = None if n_left is None else code.first(n_left)
        if n_left is None:
            self._ask(i)
        rows = [self._row(i, row, n_left) for row in range(LANES)]
        h = code.totals([code.multiply_add(x2, self._w[1], code.fmul(x1, self._w[0])) for x1, x2 in rows])
        r = code.fadd(h, self._bias)
        if self._y is not None:
            r = code.fsub(r, code.vector(self._y, i, mask))
        if mask is not None:
            r = code.select(mask, r, ZERO)
        sr = r if self._s is None else code.fmul(r, code.vector(self._s, i, mask))
        self._sum_rr.value = code.multiply_add(sr, r, self._sum_rr.value)
        self._sum_r.value = code.fadd(self._sum_r.value, sr)
        for row, xs in enumerate(rows):
            c = code.lane(sr, row)
            for total, x in zip(self._sums_rx, xs, strict=True):
                total.value = code.multiply_add(c, x, total.value)

    def _ask(self, i: Any) -> None:
        """Ask for the memory of eight rows to come."""
        code, X, line = self._code, self._X, line_values(self._X)
        first = code.add(code.mul(i, self._n_features), int64(_PREFETCH_BYTES // 64 * line))
        with code.steps(first, code.add(first, code.mul(self._n_features, int64(LANES))), line) as place:
            code.prefetch(X, place, level=1)

    def _row(self, i: Any, row: int, n_left: Any) -> tuple[Any, Any]:
        """Return the two vectors of a row."""
        code, X = self._code, self._X
        first = code.mul(code.add(i, int64(row)), self._n_features)
        second = code.add(first, int64(LANES))
        if n_left is not None:
            there = code.splat(code.icmp_signed("<", int64(row), n_left))
            return code.vector(X, first, there), code.vector(X, second, code.and_(there, self._mask))
        # Masked after it was read: so the conversion of float32 and the mask are a single instruction.
        return code.vector(X, first), code.select(self._mask, code.vector(X, second), ZERO)
