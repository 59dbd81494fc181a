"""Nine to 128 features in a row: two or four rows at a time, each read once and kept in registers as a whole."""

from functools import cache
from typing import Any

from numba import types
from numba.extending import intrinsic

from fastgd.kernels import tuning
from fastgd.kernels.jit import Kernel
from fastgd.kernels.simd import LANES, Code, int64, line_values
from fastgd.kernels.target import registers


@cache
def whole_rows(n_vectors: int) -> Kernel:
    """Return the kernel for rows of this many vectors.

    Parameters
    ----------
    n_vectors : int
        How many vectors of eight hold a row: 2 to `tuning.WHOLE_FEATURES` / 8.

    Returns
    -------
    Kernel
        The kernel.
    """

    def whole(X, start, stop, y, s, theta, scale, sums):
        n_features = X.shape[1]
        bias = theta[0] if theta.shape[0] > n_features else 0.0
        w = theta[theta.shape[0] - n_features :]
        for i in range(2 + n_features):
            sums[i] = 0.0
        # The last vector of a row reaches into the next row, and behind the last one of X there is none.
        n_rows = stop - start
        n_free = min(n_rows, (X.size - LANES + 1) // n_features - start)
        _sum(X, y, s, w, sums, (start * n_features, n_features, n_rows, n_free, bias), n_vectors)
        for i in range(2 + n_features):
            sums[i] *= scale

    return Kernel(whole)


@intrinsic(prefer_literal=True)
def _sum(_context, X, y, s, w, sums, numbers, n_vectors):
    """Write sum s r^2, sum s r, and sum s r x of rows; the sums are 0 before.

    The numbers are (at, n_features, n_rows, n_free, bias): the first value is X.flat[at], and the first n_free rows may be read
    beyond their end.
    """

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        X, y, s, w, sums = (code.data(signature.args[i], args[i]) for i in range(5))
        at, n_features, n_rows, n_free, bias = code.members(args[5])
        rows = _Rows(code, code.gep(X, [at]), n_features, (y, s), (bias, w), sums, n_vectors.literal_value)
        rows.add(n_rows, n_free)
        rows.finish()

    return types.void(X, y, s, w, sums, numbers, n_vectors), generate


class _Rows:
    """The code that sums over rows of a known number of vectors, the last of which is partly used."""

    def __init__(
        self,
        code: Code,
        X: Any,
        n_features: Any,
        targets: tuple[Any, Any],
        theta: tuple[Any, Any],
        sums: Any,
        n_vectors: int,
    ) -> None:
        self._code, self._X, self._sums = code, X, sums
        self._y, self._s = targets
        bias, self._w = theta
        self._n_features = n_features
        self._n_rows = 4 if n_vectors < 4 else 2  # at a time
        self._starts = [int64(v * LANES) for v in range(n_vectors)]  # of the vectors of a row
        self._mask = code.first(code.sub(n_features, self._starts[-1]))  # of the last one
        self._last_w = code.vector(self._w, self._starts[-1], self._mask)
        self._bias = code.splat(bias, self._n_rows)
        self._sum_rr, self._sum_r = (code.variable(code.zeros(self._n_rows)) for _ in range(2))
        # The last is kept in a register in any case: what was written under a mask is slow to be read again.
        most = tuning.WHOLE_SUMS_IN_MANY if registers().are_many else tuning.WHOLE_SUMS_IN_FEW
        n_kept = n_vectors if n_vectors <= most else 1
        self._kept = {v: code.variable(code.zeros()) for v in range(n_vectors - n_kept, n_vectors)}

    def add(self, n_rows: Any, n_free: Any) -> None:
        """Sum over all rows."""
        code, n_at_once = self._code, self._n_rows
        done = code.variable(int64(0))
        with code.steps(int64(0), n_free, n_at_once) as i:
            self._add_some(i)
            done.value = code.add(i, int64(n_at_once))
        with code.steps(done.value, code.add(n_rows, int64(n_at_once - 1)), n_at_once) as i:
            self._add_some(i, code.sub(n_rows, i))

    def finish(self) -> None:
        """Write what is still in registers."""
        code = self._code
        for i, total in enumerate((self._sum_rr, self._sum_r)):
            code.store(code.total(total.value), code.gep(self._sums, [int64(i)]))
        for v, total in self._kept.items():
            code.put(total.value, self._sums, int64(2 + v * LANES), self._mask if v == len(self._starts) - 1 else None)

    def _add_some(self, i: Any, n_left: Any = None) -> None:
        """Add two or four rows from i on, or only n_left of them."""
        code, n_rows = self._code, self._n_rows
        mask = None if n_left is None else code.first(n_left, n_rows)
        rows = [self._row(i, m, n_left) for m in range(n_rows)]
        r = code.fadd(code.totals(self._products(rows)), self._bias)
        if self._y is not None:
            r = code.fsub(r, code.vector(self._y, i, mask, n_rows))
        if mask is not None:
            r = code.select(mask, r, code.zeros(n_rows))
        sr = r if self._s is None else code.fmul(r, code.vector(self._s, i, mask, n_rows))
        self._sum_rr.value = code.multiply_add(sr, r, self._sum_rr.value)
        self._sum_r.value = code.fadd(self._sum_r.value, sr)
        self._add_multiples([code.lane(sr, m) for m in range(n_rows)], rows)

    def _products(self, rows: list[list[Any]]) -> list[Any]:
        """Multiply rows with w, and add their vectors up."""
        code = self._code
        ws = [code.vector(self._w, start) for start in self._starts[:-1]] + [self._last_w]
        products = [code.fmul(row[0], ws[0]) for row in rows]
        for v, w in list(enumerate(ws))[1:]:
            products = [code.multiply_add(row[v], w, product) for row, product in zip(rows, products, strict=True)]
        return products

    def _add_multiples(self, multiples: list[Any], rows: list[list[Any]]) -> None:
        """Add multiples of rows to the sums."""
        code = self._code
        for v, xs in enumerate(zip(*rows, strict=True)):
            place = int64(2 + v * LANES)
            total = self._kept[v].value if v in self._kept else code.vector(self._sums, place)
            for c, x in zip(multiples, xs, strict=True):
                total = code.multiply_add(c, x, total)
            if v in self._kept:
                self._kept[v].value = total
            else:
                code.put(total, self._sums, place)

    def _row(self, i: Any, m: int, n_left: Any) -> list[Any]:
        """Return the vectors of row i + m; where only n_left rows are left, without touching what is not there."""
        code, X = self._code, self._X
        first = code.mul(code.add(i, int64(m)), self._n_features)
        places = [code.add(first, start) for start in self._starts]
        if n_left is not None:
            mask = code.splat(code.icmp_signed("<", int64(m), n_left))
            return [
                *(code.vector(X, place, mask) for place in places[:-1]),
                code.vector(X, places[-1], code.and_(mask, self._mask)),
            ]
        ahead = int64(tuning.WHOLE_LINES_AHEAD * line_values(X))
        for place in places[:: line_values(X) // LANES]:
            code.prefetch(X, code.add(place, ahead), level=1)
        # Masked after it was read: so the conversion of float32 and the mask are a single instruction.
        values = [code.vector(X, place) for place in places]
        return [*values[:-1], code.select(self._mask, values[-1], code.zeros())]
