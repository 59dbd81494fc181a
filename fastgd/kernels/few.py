"""One to eight features in a row, or up to 32 columns: everything stays in registers, eight rows at a time."""

from functools import cache
from typing import Any

from numba import types
from numba.extending import intrinsic

from fastgd.kernels import tuning
from fastgd.kernels.jit import Kernel
from fastgd.kernels.simd import LANES, Code, int64, line_values


@cache
def few_features(n_features: int, by_columns: bool) -> Kernel:
    """Return the kernel that has this number of features unrolled.

    Parameters
    ----------
    n_features : int
        1 to `tuning.FEW_FEATURES`, or to `tuning.FEW_COLUMNS` by columns.
    by_columns : bool
        Whether X is column-major, and comes transposed.

    Returns
    -------
    Kernel
        The kernel.
    """

    def few(X, start, stop, y, s, theta, scale, sums):
        bias = theta[0] if theta.shape[0] > n_features else 0.0
        w = theta[theta.shape[0] - n_features :]
        at, stride = (start, X.shape[1]) if by_columns else (start * n_features, 0)
        _sum(X, y, s, w, sums, (at, stride, stop - start, bias), n_features, by_columns)
        for i in range(2 + n_features):
            sums[i] *= scale

    return Kernel(few)


@intrinsic(prefer_literal=True)
def _sum(_context, X, y, s, w, sums, numbers, n_features, by_columns):
    """Write sum s r^2, sum s r, and sum s r x of rows.

    The numbers are (at, stride, n_rows, bias): the first value is X.flat[at], and from column to column it is `stride` numbers.
    """

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        X, y, s, w, sums = (code.data(signature.args[i], args[i]) for i in range(5))
        at, stride, n_rows, bias = code.members(args[5])
        k = n_features.literal_value
        starts = [code.add(at, code.mul(stride, int64(j))) for j in range(k if by_columns.literal_value else 1)]
        rows = _Rows(code, [code.gep(X, [start]) for start in starts], (y, s), (bias, w), k, by_columns.literal_value)
        rows.add(n_rows)
        rows.write(sums)

    return types.void(X, y, s, w, sums, numbers, n_features, by_columns), generate


class _Rows:
    """The code that sums over rows of a known number of features."""

    def __init__(
        self,
        code: Code,
        X: list[Any],
        targets: tuple[Any, Any],
        theta: tuple[Any, Any],
        n_features: int,
        by_columns: bool,
    ) -> None:
        self._code = code
        self._n_features = n_features
        self._by_columns = by_columns
        self._X = X  # the address of the first value, or of that of each column
        self._y, self._s = targets
        bias, w = theta
        self._w = [code.splat(code.number(w, j)) for j in range(n_features)]
        self._bias = code.splat(bias)
        n_steps = tuning.UNROLLED.get(n_features, 1)
        self._sums = [[code.variable(code.zeros()) for _ in range(2 + n_features)] for _ in range(n_steps)]

    def add(self, n_rows: Any) -> None:
        """Sum over all rows."""
        code, n_unrolled = self._code, len(self._sums)
        done = code.variable(int64(0))
        for n_steps in sorted({n_unrolled, 1}, reverse=True):
            with code.steps(done.value, n_rows, n_steps * LANES) as i:
                for step in range(n_steps):
                    self._add_eight(code.add(i, int64(step * LANES)), self._sums[step])
                done.value = code.add(i, int64(n_steps * LANES))
        n_left = code.sub(n_rows, done.value)
        with code.if_then(code.icmp_signed(">", n_left, int64(0))):
            self._add_eight(done.value, self._sums[0], n_left)

    def write(self, sums: Any) -> None:
        """Write the totals."""
        code = self._code
        for i, parts in enumerate(zip(*self._sums, strict=True)):
            total = parts[0].value
            for part in parts[1:]:
                total = code.fadd(total, part.value)
            code.store(code.total(total), code.gep(sums, [int64(i)]))

    def _add_eight(self, i: Any, sums: list[Any], n_left: Any = None) -> None:
        """Add rows i to i + 8, or only n_left of them."""
        code = self._code
        mask = None if n_left is None else code.first(n_left)
        xs = self._columns(i, mask) if self._by_columns else self._transposed_rows(i, n_left)
        r = self._bias if self._y is None else code.fsub(self._bias, code.vector(self._y, i, mask))
        for x, w in zip(xs, self._w, strict=True):
            r = code.multiply_add(x, w, r)
        if mask is not None:
            r = code.select(mask, r, code.zeros())
        sr = r if self._s is None else code.fmul(r, code.vector(self._s, i, mask))
        sums[0].value = code.multiply_add(sr, r, sums[0].value)
        sums[1].value = code.fadd(sums[1].value, sr)
        for x, total in zip(xs, sums[2:], strict=True):
            total.value = code.multiply_add(sr, x, total.value)

    def _columns(self, i: Any, mask: Any) -> list[Any]:
        return [self._code.vector(column, i, mask) for column in self._X]

    def _transposed_rows(self, i: Any, n_left: Any) -> list[Any]:
        code, k, (X,) = self._code, self._n_features, self._X
        first, line = code.mul(i, int64(k)), line_values(X)
        ahead = tuning.FEW_LINES_AHEAD * line
        for place in range(ahead, ahead + k * LANES, line):
            code.prefetch(X, code.add(first, int64(place)), level=1)
        if n_left is None and k >= tuning.PAIRED_FEATURES:
            return code.transposed(X, first, k)
        n_values = None if n_left is None else code.mul(n_left, int64(k))
        vectors = []
        for place in range(0, k * LANES, LANES):
            mask = None if n_values is None else code.first(code.sub(n_values, int64(place)))
            vectors.append(code.vector(X, code.add(first, int64(place)), mask))
        return code.deinterleave(vectors)
