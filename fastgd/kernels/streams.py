"""Eight streams of numbers at a time, rows or pieces of columns: products with a vector, and sums of their multiples.

The two halves of a gradient, ``r = X w - y`` and ``g = X^T r``, take each row once for its product with w and once to add a
multiple of it to g; column by column it is the other way round. Either way one half reads from memory and the other, soon
after, from cache. `products_and_sums` does both in the same loop, the one over what comes next, the other over what came
before, so that memory never waits for arithmetic. (BLIS has such forms, too, and calls them dotxf and axpyf.)

Streams are stretches of X, ``X.flat[at + m stride]`` and what follows it, for m from 0 to 7; every vector has room for a
multiple of eight numbers. `ahead` says which memory to ask for in the meantime.
"""

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

from fastgd.kernels.jit import HELPER_FLAGS
from fastgd.kernels.simd import LANES, Code, int64, line_values

N_STREAMS = LANES


@intrinsic
def products_and_sums(_context, X, v, d, c, g, places, ahead):
    """Add to d[m] the product of v with stream m, and to g c[m] times stream m, for two sets of eight streams.

    Up to seven numbers behind the end of a stream are read, and not used.

    Parameters
    ----------
    X : array of shape (any, any), float64 or float32
        What the streams are stretches of.
    v, g : array of shape (length,), float64
        The vector that streams are multiplied with, and the one that they are added to.
    d, c : array of shape (8,), float64
        The products, and the multiples.
    places : tuple of four int
        Where the streams of the one set and of the other begin, how far it is from each to the next, and their length.
    ahead : tuple of five int
        See `_ask`.
    """

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        X, v, d, c, g = (code.data(signature.args[i], args[i]) for i in range(5))
        products_at, sums_at, stride, length = code.members(args[5])
        products = _Products(code, _Streams(code, X, products_at, stride), v, d)
        sums = _Sums(code, _Streams(code, X, sums_at, stride), c, g)
        _loop(code, length, [products, sums], X, args[6])
        products.finish()

    return types.void(X, v, d, c, g, places, ahead), generate


@intrinsic
def products(_context, X, zeros, v, d, place, ahead):
    """Do the half of `products_and_sums` that its name says, and read nothing behind the end of a stream.

    The place is (at, stride, length, n_streams); zeros are read for the streams that do not exist.
    """

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        X, zeros, v, d = (code.data(signature.args[i], args[i]) for i in range(4))
        at, stride, length, n_streams = code.members(args[4])
        half = _Products(code, _Streams(code, X, at, stride, n_streams, zeros), v, d)
        _loop(code, length, [half], X, args[5])
        half.finish()

    return types.void(X, zeros, v, d, place, ahead), generate


@intrinsic
def sums_of_multiples(_context, X, zeros, c, g, place, ahead):
    """Do the half of `products_and_sums` that its name says, as `products` does the other."""

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        X, zeros, c, g = (code.data(signature.args[i], args[i]) for i in range(4))
        at, stride, length, n_streams = code.members(args[4])
        _loop(code, length, [_Sums(code, _Streams(code, X, at, stride, n_streams, zeros), c, g)], X, args[5])

    return types.void(X, zeros, c, g, place, ahead), generate


@intrinsic
def residuals(_context, d, c, i, y, s, bias, n_rows, totals):
    """Turn products into what rows are multiplied with: c = s r with r = bias + d - y, for eight rows; d becomes 0.

    Parameters
    ----------
    d, c : array of shape (8,), float64
        The products, and the multiples.
    i : int
        Where these rows begin in y and s.
    y, s : array of shape (n_rows,), or None
        Target and sample weights.
    bias : float
        The intercept.
    n_rows : int
        How many rows there are; c is 0 behind them.
    totals : array of shape (16,), float64
        Lanes of sum s r^2 and of sum s r, which the rows are added to.
    """

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        d, c, y, s, totals = (code.data(signature.args[place], args[place]) for place in (0, 1, 3, 4, 7))
        start, i, bias = int64(0), args[2], args[5]
        mask = code.first(code.sub(args[6], i))
        r = code.fadd(code.vector(d, start), code.splat(bias))
        if y is not None:
            r = code.fsub(r, code.vector(y, i, mask))
        r = code.select(mask, r, code.zeros())
        sr = r if s is None else code.fmul(r, code.vector(s, i, mask))
        code.put(code.multiply_add(sr, r, code.vector(totals, start)), totals, start)
        code.put(code.fadd(sr, code.vector(totals, int64(LANES))), totals, int64(LANES))
        code.put(sr, c, start)
        code.put(code.zeros(), d, start)

    return types.void(d, c, i, y, s, bias, n_rows, totals), generate


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def write_sums(totals, g, scale, sums):
    """Write the sums of a kernel.

    Parameters
    ----------
    totals : array of shape (16,), float64
        Lanes of sum s r^2 and of sum s r.
    g : array of shape (n_features,) or longer, float64
        sum s r x.
    scale : float
        What they are multiplied with.
    sums : array of shape (2 + n_features,), float64
        Receives them.
    """
    cost, bias = 0.0, 0.0
    for lane in range(LANES):
        cost += totals[lane]
        bias += totals[LANES + lane]
    sums[0] = scale * cost
    sums[1] = scale * bias
    for j in range(sums.shape[0] - 2):
        sums[2 + j] = scale * g[j]


class _Streams:
    """The code that reads streams.

    Where their number is given, zeros are read for those that do not exist, and nothing behind the end of those that do.
    """

    def __init__(self, code: Code, X: Any, at: Any, stride: Any, n_streams: Any = None, zeros: Any = None) -> None:
        self._code = code
        self._pointers = [code.gep(X, [code.add(at, code.mul(stride, int64(m)))]) for m in range(N_STREAMS)]
        self._bounded = n_streams is not None
        if self._bounded:
            nowhere = code.bitcast(zeros, X.type)
            there = (code.icmp_signed("<", int64(m), n_streams) for m in range(N_STREAMS))
            self._pointers = [code.select(m, x, nowhere) for m, x in zip(there, self._pointers, strict=True)]

    def read(self, i: Any, mask: Any) -> list[Any]:
        """Return eight numbers of each stream; 0 for what is outside of the mask."""
        code = self._code
        if mask is None or self._bounded:
            return [code.vector(pointer, i, mask) for pointer in self._pointers]
        # Masked after it was read: so the conversion of float32 and the mask are a single instruction.
        return [code.select(mask, code.vector(pointer, i), code.zeros()) for pointer in self._pointers]


class _Products:
    """The code of the half that multiplies."""

    def __init__(self, code: Code, streams: _Streams, v: Any, d: Any) -> None:
        self._code, self._streams, self._v, self._d = code, streams, v, d
        self._sums = [code.variable(code.zeros()) for _ in range(N_STREAMS)]

    def step(self, i: Any, mask: Any) -> None:
        """Take eight numbers of each stream."""
        v = self._code.vector(self._v, i)
        for x, total in zip(self._streams.read(i, mask), self._sums, strict=True):
            total.value = self._code.multiply_add(v, x, total.value)

    def finish(self) -> None:
        """Write the products."""
        code, start = self._code, int64(0)
        totals = code.totals([total.value for total in self._sums])
        code.put(code.fadd(code.vector(self._d, start), totals), self._d, start)


class _Sums:
    """The code of the half that adds up."""

    def __init__(self, code: Code, streams: _Streams, c: Any, g: Any) -> None:
        self._code, self._streams, self._g = code, streams, g
        self._c = [code.splat(code.number(c, m)) for m in range(N_STREAMS)]

    def step(self, i: Any, mask: Any) -> None:
        """Take eight numbers of each stream."""
        total = self._code.vector(self._g, i)
        for x, c in zip(self._streams.read(i, mask), self._c, strict=True):
            total = self._code.multiply_add(c, x, total)
        self._code.put(total, self._g, i)


def _loop(code: Code, length: Any, halves: list[Any], X: Any, ahead: Any) -> None:
    """Write the loop along the streams, a cache line of each at a time."""
    line = line_values(X)
    done = code.variable(int64(0))
    for n_values in sorted({line, LANES}, reverse=True):
        with code.steps(done.value, length, n_values) as i:
            for part in range(0, n_values, LANES):
                for half in halves:
                    half.step(code.add(i, int64(part)), None)
            _ask(code, X, i, ahead)
            done.value = code.add(i, int64(n_values))
    n_left = code.sub(length, done.value)
    with code.if_then(code.icmp_signed(">", n_left, int64(0))):
        for half in halves:
            half.step(done.value, code.first(n_left))
        _ask(code, X, done.value, ahead)


def _ask(code: Code, X: Any, i: Any, ahead: Any) -> None:
    """Ask for the lines of X.flat[(near if i < turn else far) + step i + spread m] for ahead = (turn, near, far, step, spread).

    Nothing is asked for if spread is 0. An address that does not exist does no harm, but it takes time to find that out.
    """
    turn, near, far, step, spread = (code.extract_value(ahead, part) for part in range(5))
    with code.if_then(code.icmp_signed("!=", spread, int64(0)), likely=True):
        first = code.add(code.select(code.icmp_signed("<", i, turn), near, far), code.mul(step, i))
        for m in range(N_STREAMS):
            code.prefetch(X, code.add(first, code.mul(spread, int64(m))), level=2)
