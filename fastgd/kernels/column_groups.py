"""Up to 32 columns, of which only some stay in registers: eight rows at a time, group after group of columns.

The sums, and their order, are those of `fastgd.kernels.few`, to the bit. Where registers hold all of them, that is faster; here
a panel of rows is read from memory for its residuals, and from the nearest cache for what they add to the gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from numba import types
from numba.extending import intrinsic

from fastgd.kernels import tuning
from fastgd.kernels.jit import Kernel
from fastgd.kernels.simd import LANES, Code, int64
from fastgd.kernels.target import registers


def stay_in_registers(n_columns: int) -> bool:
    """Return whether it is faster to keep the sums of so many columns in registers, some on the stack where these are few."""
    return n_columns <= (tuning.COLUMNS_IN_MANY if registers().are_many else tuning.COLUMNS_IN_FEW)


@cache
def column_groups(n_features: int) -> Kernel:
    """Return the kernel that has this number of columns unrolled.

    Parameters
    ----------
    n_features : int
        From 1 on.

    Returns
    -------
    Kernel
        The kernel, of column-major X, which comes transposed.
    """
    per_vector = LANES // registers().lanes
    # Beside sums, a vector each of residuals and values, and room to move; and no more pointers than there are registers for.
    n_in_group = min(8, registers().number // per_vector - 3)
    n_steps = max(1, tuning.GROUPS_PANEL_BYTES // (8 * LANES * n_features))

    def column_groups(X, start, stop, y, s, theta, scale, sums):
        bias = theta[0] if theta.shape[0] > n_features else 0.0
        w = theta[theta.shape[0] - n_features :]
        _sum(X, y, s, w, sums, (start, X.shape[1], stop - start, bias), n_features, n_in_group, n_steps)
        for i in range(2 + n_features):
            sums[i] *= scale

    return Kernel(column_groups)


@intrinsic(prefer_literal=True)
def _sum(_context, X, y, s, w, sums, numbers, n_features, n_in_group, n_steps):
    """Write sum s r^2, sum s r, and sum s r x of rows; see `fastgd.kernels.few`."""

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        X, y, s, w, sums = (code.data(signature.args[i], args[i]) for i in range(5))
        at, stride, n_rows, bias = code.members(args[5])
        k = n_features.literal_value
        columns = [code.gep(X, [code.add(at, code.mul(stride, int64(j)))]) for j in range(k)]
        groups = _Groups(code, columns, (y, s), (bias, w), n_in_group.literal_value, n_steps.literal_value)
        groups.add(n_rows)
        groups.write(sums)

    return types.void(X, y, s, w, sums, numbers, n_features, n_in_group, n_steps), generate


class _Groups:
    """The code that sums over rows, a panel at a time."""

    def __init__(
        self,
        code: Code,
        X: list[Any],
        targets: tuple[Any, Any],
        theta: tuple[Any, Any],
        n_in_group: int,
        n_steps: int,
    ) -> None:
        self._code = code
        self._X = X
        self._y, self._s = targets
        self._bias, self._w = theta
        self._groups = [range(j, min(j + n_in_group, len(X))) for j in range(0, len(X), n_in_group)]
        self._n_rows = n_steps * LANES
        self._r = code.memory(self._n_rows)  # of a panel; later, times sample weights
        self._sums = code.memory((2 + len(X)) * LANES)
        for i in range(2 + len(X)):
            code.put(code.zeros(), self._sums, int64(i * LANES))

    def add(self, n_rows: Any) -> None:
        """Sum over all rows."""
        code, n_panel = self._code, int64(self._n_rows)
        n_whole = code.and_(n_rows, int64(-LANES))
        with code.steps(int64(0), code.add(n_whole, int64(self._n_rows - LANES)), self._n_rows) as first:
            n_left = code.sub(n_whole, first)
            stop = code.select(code.icmp_signed("<", n_left, n_panel), n_left, n_panel)
            self._add_panel(first, stop)
        n_left = code.sub(n_rows, n_whole)
        with code.if_then(code.icmp_signed(">", n_left, int64(0))):
            self._add_panel(n_whole, int64(LANES), code.first(n_left))

    def write(self, sums: Any) -> None:
        """Write the totals."""
        code = self._code
        for i in range(2 + len(self._X)):
            code.store(code.total(code.vector(self._sums, int64(i * LANES))), code.gep(sums, [int64(i)]))

    def _add_panel(self, first: Any, n_rows: Any, mask: Any = None) -> None:
        """Add rows from first on: so many, or eight under a mask."""
        code = self._code
        for number, columns in enumerate(self._groups):
            w = [code.splat(code.number(self._w, j)) for j in columns]
            with code.steps(int64(0), n_rows, LANES) as i:
                at = code.add(first, i)
                r = self._start(at, mask) if number == 0 else code.vector(self._r, i)
                for j, weight in zip(columns, w, strict=True):
                    r = code.multiply_add(code.vector(self._X[j], at, mask), weight, r)
                code.put(r, self._r, i)
        with self._carried([0, 1]) as (squares, total), code.steps(int64(0), n_rows, LANES) as i:
            r = code.vector(self._r, i)
            if mask is not None:
                r = code.select(mask, r, code.zeros())
            sr = r if self._s is None else code.fmul(r, code.vector(self._s, code.add(first, i), mask))
            squares.value = code.multiply_add(sr, r, squares.value)
            total.value = code.fadd(total.value, sr)
            code.put(sr, self._r, i)
        for columns in self._groups:
            with self._carried([2 + j for j in columns]) as totals, code.steps(int64(0), n_rows, LANES) as i:
                sr = code.vector(self._r, i)
                for j, total in zip(columns, totals, strict=True):
                    x = code.vector(self._X[j], code.add(first, i), mask)
                    total.value = code.multiply_add(sr, x, total.value)

    def _start(self, at: Any, mask: Any) -> Any:
        bias = self._code.splat(self._bias)
        return bias if self._y is None else self._code.fsub(bias, self._code.vector(self._y, at, mask))

    @contextmanager
    def _carried(self, places: list[int]) -> Iterator[list[Any]]:
        """Keep sums in registers for a while."""
        code = self._code
        sums = [code.variable(code.vector(self._sums, int64(i * LANES))) for i in places]
        yield sums
        for i, total in zip(places, sums, strict=True):
            code.put(total.value, self._sums, int64(i * LANES))
