"""Copies of rows, one line for each, which begin with a cache line and are filled up with zeros."""

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from fastgd.kernels.jit import HELPER_FLAGS
from fastgd.kernels.simd import LANES, Code, int64


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def zero_lines(n):
    """Return n zeros that begin with a cache line, so that no vector of them lies across two."""
    memory = np.zeros(n + LANES)
    return memory[-(memory.ctypes.data // 8) % LANES :][:n]


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def copy_columns(columns, start, n_rows, centre, Z, width):
    """Write rows of transposed X, less the centre, into lines of Z of this width."""
    n_features, n_samples = columns.shape
    n_squares = n_rows // LANES * LANES
    for j in range(0, n_features, LANES):
        n_columns = min(LANES, n_features - j)
        for i in range(0, n_squares, LANES):
            _copy_square(
                columns, centre, Z, (j * n_samples + start + i, n_samples, n_columns), j, (i * width + j, width)
            )
    for j in range(n_features):
        column, c = columns[j, start : start + n_rows], centre[j]
        for i in range(n_squares, n_rows):
            Z[i * width + j] = column[i] - c


@intrinsic
def _copy_square(_context, columns, centre, Z, source, j, target):
    """Transpose eight numbers of each of up to eight columns, less centre[j:], to lines of Z.

    The source is (at, stride, n_columns) and begins with columns.flat[at]; the target is (place, width) and begins with
    Z[place].
    """

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        columns, centre, Z = (code.data(signature.args[p], args[p]) for p in range(3))
        (at, stride, n_columns), (target, width) = code.members(args[3]), code.members(args[5])
        j = args[4]
        there = code.first(n_columns)
        last = code.sub(n_columns, int64(1))
        pieces = []
        for m in range(LANES):
            # In the place of a column that is not there the last one is read, and not written.
            place = code.select(code.icmp_signed("<", int64(m), last), int64(m), last)
            piece = code.vector(columns, code.add(at, code.mul(stride, place)))
            pieces.append(code.fsub(piece, code.splat(code.number(code.gep(centre, [code.add(j, place)]), 0))))
        for m, line in enumerate(code.deinterleave(pieces)):
            code.put(line, Z, code.add(target, code.mul(width, int64(m))), there)

    return types.void(columns, centre, Z, source, j, target), generate


@intrinsic
def copy_rows(_context, X, start, n_features, n_rows, centre, Z, width):
    """Write rows of X, less the centre, into lines of Z of this width."""

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        X, centre, Z = (code.data(signature.args[place], args[place]) for place in (0, 4, 5))
        start, n_features, n_rows, width = args[1], args[2], args[3], args[6]
        last = code.and_(n_features, int64(-LANES))
        mask = code.first(code.sub(n_features, last))
        last_centre = code.vector(centre, last, mask)
        with code.steps(int64(0), n_rows, 1) as i:
            x = code.gep(X, [code.mul(code.add(start, i), n_features)])
            z = code.gep(Z, [code.mul(i, width)])
            with code.steps(int64(0), last, LANES) as j:
                code.put(code.fsub(code.vector(x, j), code.vector(centre, j)), z, j)
            code.put(code.fsub(code.vector(x, last, mask), last_centre), z, last, mask)

    return types.void(X, start, n_features, n_rows, centre, Z, width), generate


@intrinsic
def weigh(_context, Z, s, W, n_rows, width):
    """Write lines of Z of this width, each times its weight, to those of W."""

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        Z, s, W = (code.data(signature.args[place], args[place]) for place in range(3))
        n_rows, width = args[3], args[4]
        with code.steps(int64(0), n_rows, 1) as i:
            weight = code.splat(code.number(code.gep(s, [i]), 0))
            z, w = (code.gep(lines, [code.mul(i, width)]) for lines in (Z, W))
            with code.steps(int64(0), width, LANES) as j:
                code.put(code.fmul(weight, code.vector(z, j)), w, j)

    return types.void(Z, s, W, n_rows, width), generate
