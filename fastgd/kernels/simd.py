"""Vectors, stated by hand where LLVM's own vectoriser loses the form: what the kernels' intrinsics are written in.

A vector is eight float64 (or two or four, one for each of that many rows), whatever the processor has: LLVM makes one, two or
four registers of it. So the order of every sum, and with it the bits of the result, do not depend on the width of the
registers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from fastgd.kernels import tuning

LANES = 8

_INT64, _INT32 = ir.IntType(64), ir.IntType(32)
_FLOAT64 = ir.DoubleType()
_POINTER = ir.IntType(8).as_pointer()


def int64(value: int) -> Any:
    """Return a constant."""
    return ir.Constant(_INT64, value)


class Code:
    """Machine code in the making: LLVM's instruction builder, with the operations on vectors that the kernels need.

    Parameters
    ----------
    context : numba target context
        Where the code will run.
    builder : llvmlite IRBuilder
        Where it is written.
    """

    def __init__(self, context: Any, builder: Any) -> None:
        self._context = context
        self._builder = builder

    def __getattr__(self, name: str) -> Any:
        """Pass on to the builder: add, mul, gep, select, ..."""
        return getattr(self._builder, name)

    def data(self, array_type: Any, array: Any) -> Any:
        """Return the address of an array's first entry; None where there is no array."""
        if isinstance(array_type, types.NoneType):
            return None
        return self._context.make_array(array_type)(self._context, self._builder, array).data

    def members(self, values: Any) -> list[Any]:
        """Return the members of a tuple of numbers; references to arrays in it would be counted, which takes time."""
        return [self.extract_value(values, i) for i in range(len(values.type))]

    # Memory

    def number(self, pointer: Any, index: int) -> Any:
        """Read a number."""
        return self.load(self.gep(pointer, [int64(index)]))

    def memory(self, n: int) -> Any:
        """Return the address of memory for n float64, to be used while the function runs."""
        return cgutils.alloca_once(self._builder, _FLOAT64, size=int64(n))

    def zeros(self, n: int = LANES) -> Any:
        """Return a vector of zeros."""
        return ir.Constant(ir.VectorType(_FLOAT64, n), [0.0] * n)

    def vector(self, pointer: Any, index: Any, mask: Any = None, n: int = LANES) -> Any:
        """Read n float64 or float32 in a row, as float64; lanes outside of the mask are not touched, and 0."""
        number, address = self._vector_at(pointer, index, n)
        vector_type = address.type.pointee
        if mask is None:
            return self._float64(self._read(pointer, index, n))
        name = f"llvm.masked.load.v{n}f{64 if number == _FLOAT64 else 32}.p0"
        nothing = ir.Constant(vector_type, None)
        return self._float64(self._call(name, vector_type, address, _INT32(_align(number)), mask, nothing))

    def transposed(self, pointer: Any, index: Any, k: int) -> list[Any]:
        """Read eight rows of k values, k > 1, one after the other; return a vector of float64 for each column.

        A row is read two values at a time, so that what is left to do is to sort pairs: half of the shuffles of `deinterleave`.
        """
        columns = {}
        for j in sorted({*range(0, k - 1, 2), k - 2}):
            pairs = [self._read(pointer, self.add(index, int64(row * k + j)), 2) for row in range(LANES)]
            even, odd = self._joined(pairs[::2]), self._joined(pairs[1::2])
            for first in (0, 1):
                lanes = [lane + first for pair in range(0, LANES, 2) for lane in (pair, pair + LANES)]
                columns[j + first] = self._float64(self.shuffle(even, odd, lanes))
        return [columns[j] for j in range(k)]

    def put(self, values: Any, pointer: Any, index: Any, mask: Any = None) -> None:
        """Write float64 in a row, eight of them under a mask; memory outside of that is not touched."""
        _, address = self._vector_at(pointer, index, values.type.count)
        if mask is None:
            self.store(values, address).align = _align(_FLOAT64)
        else:
            self._call(
                f"llvm.masked.store.v{LANES}f64.p0", ir.VoidType(), values, address, _INT32(_align(_FLOAT64)), mask
            )

    def prefetch(self, pointer: Any, index: Any, level: int) -> None:
        """Ask for the cache line of a number, into the cache of this level; an address that does not exist does no harm."""
        address = self.bitcast(self.gep(pointer, [index]), _POINTER)
        to_read, locality, data = _INT32(0), _INT32(4 - level), _INT32(1)
        self._call("llvm.prefetch.p0", ir.VoidType(), address, to_read, locality, data)

    def _read(self, pointer: Any, index: Any, n: int) -> Any:
        number, address = self._vector_at(pointer, index, n)
        values = self.load(address)
        values.align = _align(number)
        return values

    def _joined(self, vectors: list[Any]) -> Any:
        """Lay two, four or eight vectors end to end."""
        while len(vectors) > 1:
            both = range(2 * vectors[0].type.count)
            vectors = [self.shuffle(x, y, both) for x, y in zip(vectors[::2], vectors[1::2], strict=True)]
        return vectors[0]

    def _float64(self, values: Any) -> Any:
        is_float64 = values.type.element == _FLOAT64
        return values if is_float64 else self.fpext(values, ir.VectorType(_FLOAT64, values.type.count))

    def _vector_at(self, pointer: Any, index: Any, n: int = LANES) -> tuple[Any, Any]:
        number = pointer.type.pointee
        return number, self.bitcast(self.gep(pointer, [index]), ir.VectorType(number, n).as_pointer())

    # Arithmetic

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        """Return x y + z, in one rounding where the processor has that."""
        return self._call(f"llvm.fmuladd.v{x.type.count}f64", x.type, x, y, z)

    def splat(self, value: Any, n: int = LANES) -> Any:
        """Return a vector of one value, n times."""
        nothing = ir.Constant(ir.VectorType(value.type, n), ir.Undefined)
        return self.shuffle(self.insert_element(nothing, value, _INT32(0)), nothing, [0] * n)

    def lane(self, values: Any, i: int) -> Any:
        """Return a vector of the value in one lane, eight times."""
        return self.shuffle(values, values, [i] * LANES)

    def first(self, n_first: Any, n: int = LANES) -> Any:
        """Return the mask of the first n_first of n lanes: none for n_first <= 0, all for n_first >= n."""
        return self.icmp_signed("<", ir.Constant(ir.VectorType(_INT64, n), list(range(n))), self.splat(n_first, n))

    def any(self, mask: Any) -> Any:
        """Return whether a lane is in the mask."""
        bits = self.bitcast(mask, ir.IntType(mask.type.count))
        return self.icmp_unsigned("!=", bits, bits.type(0))

    def total(self, values: Any) -> Any:
        """Return the sum of all lanes, as a number."""
        return self.extract_element(self._fold(values, 1), _INT32(0))

    def totals(self, vectors: list[Any]) -> Any:
        """Return the sums of the lanes of two, four or eight vectors, as a vector: a transposition that adds on its way."""
        n_vectors, step = len(vectors), 1
        while len(vectors) > 1:
            # Of each pair's lanes, the one half stays apart from the other: x0 y0 x2 y2 ... and x1 y1 x3 y3 ... at first.
            one = [lane if not lane & step else lane - step + LANES for lane in range(LANES)]
            other = [lane + step for lane in one]
            vectors = [
                self.fadd(self.shuffle(x, y, one), self.shuffle(x, y, other))
                for x, y in zip(vectors[::2], vectors[1::2], strict=True)
            ]
            step *= 2
        return self._fold(vectors[0], n_vectors)

    def _fold(self, values: Any, n: int) -> Any:
        """Add up lanes that are n apart."""
        n_lanes = values.type.count
        while n_lanes > n:
            n_lanes //= 2
            halves = (range(n_lanes), range(n_lanes, 2 * n_lanes))
            values = self.fadd(*(self.shuffle(values, values, half) for half in halves))
        return values

    def shuffle(self, x: Any, y: Any, lanes: Any) -> Any:
        """Return the lanes with these numbers, those of y counting on from those of x."""
        lanes = list(lanes)
        return self.shuffle_vector(x, y, ir.Constant(ir.VectorType(_INT32, len(lanes)), lanes))

    def deinterleave(self, vectors: list[Any]) -> list[Any]:
        """Turn k vectors that hold eight rows of k values, one after the other, into a vector for each column."""
        k = len(vectors)
        if k == 1:
            return vectors
        if k % 2:
            return [self._gather(vectors, range(j, LANES * k, k)) for j in range(k)]
        pairs = list(zip(vectors[::2], vectors[1::2], strict=True))
        halves = ([self.shuffle(x, y, range(odd, 2 * LANES, 2)) for x, y in pairs] for odd in (0, 1))
        return [column for two in zip(*map(self.deinterleave, halves), strict=True) for column in two]

    def _gather(self, vectors: list[Any], places: range) -> Any:
        """Return the values at these places of the vectors laid end to end; the places ascend."""
        result, n_done = None, 0
        for number, values in enumerate(vectors):
            n_here = sum(place // LANES == number for place in places)
            lanes = [i if i < n_done else LANES + places[i] % LANES if i < n_done + n_here else i for i in range(LANES)]
            result = self.shuffle(result if number else values, values, lanes)
            n_done += n_here
        return result

    # Control

    @contextmanager
    def steps(self, start: Any, stop: Any, step: int) -> Iterator[Any]:
        """Write the body of a loop over start, start + step, ..., as long as a whole step is left before stop."""
        with cgutils.for_range_slice(self._builder, start, self.sub(stop, int64(step - 1)), int64(step), inc=True) as (
            i,
            _,
        ):
            yield i

    def variable(self, value: Any) -> "Variable":
        """Return a variable that a loop may change."""
        return Variable(self._builder, value)

    def _call(self, name: str, result: Any, *arguments: Any) -> Any:
        function_type = ir.FunctionType(result, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.module, function_type, name)
        return self.call(function, arguments)


class Variable:
    """A value that changes; LLVM keeps it in a register.

    Parameters
    ----------
    builder : llvmlite IRBuilder
        Where the code is written.
    value : llvmlite value
        What it is at first.
    """

    def __init__(self, builder: Any, value: Any) -> None:
        self._builder = builder
        self._slot = cgutils.alloca_once(builder, value.type)
        self.value = value

    @property
    def value(self) -> Any:
        """What it is now."""
        return self._builder.load(self._slot)

    @value.setter
    def value(self, value: Any) -> None:
        self._builder.store(value, self._slot)


def line_values(pointer: Any) -> int:
    """Return how many numbers a cache line holds."""
    return tuning.CACHE_LINE // _align(pointer.type.pointee)


def _align(number: Any) -> int:
    return 8 if number == _FLOAT64 else 4
