"""Products of every column with every other: the second moments of a block of rows, at the speed of multiply-adds."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.kernels.jit import HELPER_FLAGS, Kernel, Kind
from fastgd.kernels.scores import N_NUMBERS, scores_of
from fastgd.kernels.simd import LANES, Code, int64
from fastgd.kernels.target import registers


def order(n_features: int) -> int:
    """Return the order of the matrix that `gram` sums up: features, target and ones, padded to a multiple of eight."""
    return -(-(n_features + 2) // LANES) * LANES


def _block_rows(n_features: int) -> int:
    least = max(tuning.MOMENT_ROWS_PER_FEATURE * n_features, tuning.MIN_MOMENT_ROWS)
    n_rows = max(tuning.BLOCK_VALUES // n_features, least)
    return min(n_rows, max(tuning.MIN_COPY_ROWS, 2 * tuning.MAX_MULTIPLY_ADDS // n_features**2))


def _work(n_features: int) -> int:
    return 1 + n_features // tuning.MULTIPLY_ADDS_PER_READ


def _n_sums(n_features: int) -> int:
    return order(n_features) ** 2


def _numbers_in_tile() -> int:
    return 8 if registers().number == 32 else 4


@cache
def gram(by_columns: bool, scored: bool = False) -> Kernel:
    """Return the kernel that sums s z z^T over rows, with z = (x - centre, y - centre of y, 1).

    Its arguments are those of any `Kernel`, but for theta and sums: theta is the centre, of shape (n_features + 1,), and sums
    receives a matrix of order `order(n_features)`, row by row, of which only the entries on and right of the diagonal count.
    If there is room for several matrices, row start + i is added to matrix i modulo their number.

    Parameters
    ----------
    by_columns : bool
        Whether X is column-major, and comes transposed.
    scored : bool, default False
        Whether a score takes the place of the root of s: theta is then what `fastgd.kernels.scores.pack` returns.

    Returns
    -------
    Kernel
        The kernel.
    """
    n_numbers, lanes = _numbers_in_tile(), registers().lanes

    def gram(X, start, stop, y, s, theta, scale, sums):
        n_features = int(theta[0]) if scored else theta.shape[0] - 1
        centre = theta[N_NUMBERS : N_NUMBERS + n_features + 1] if scored else theta
        width = (n_features + 2 + LANES - 1) // LANES * LANES
        n_folds = sums.size // (width * width)
        sums[:] = 0.0
        n_copied = max(1, min(stop - start, max(tuning.COPY_BYTES // (8 * width), tuning.MIN_COPY_ROWS)))
        n_copied = (n_copied + n_folds - 1) // n_folds * n_folds
        n_lines = n_copied
        if scored:
            n_lines = (n_copied + LANES - 1) // LANES * LANES
            scores, lengths = np.empty(n_lines), np.empty(n_lines)
        Z = _zero_lines(n_lines * width)
        W = Z if s is None or scored else _zero_lines(n_copied * width)
        # While tiles are computed, the rows to be copied next are asked for: so many values for each row of a tile that the
        # last of them are asked for with the last tile. Asked for sooner, they would keep the tiles from reading. (Columns
        # are read in pieces long enough for the hardware to foresee them.)
        n_tiles = 0
        for j in range(0, width, n_numbers):
            n_tiles += (width - j + 3 * lanes - 1) // (3 * lanes)
        pace = (n_features + n_tiles - 1) // n_tiles
        for first in range(start, stop, n_copied):
            n_rows = min(n_copied, stop - first)
            if by_columns:
                _copy_columns(X, first, n_rows, centre, Z, width)
            else:
                _copy_rows(X, first, n_features, n_rows, centre, Z, width)
            for i in range(n_rows):
                Z[i * width + n_features] = y[first - start + i] - centre[n_features]
                Z[i * width + n_features + 1] = 1.0
            if scored:
                if s is None:
                    scores_of(Z, theta, None, n_rows, width, scores, lengths)
                else:
                    scores_of(Z, theta, s[first - start :], n_rows, width, scores, lengths)
                _weigh(Z, scores, Z, n_rows, width)
            elif s is not None:
                _weigh(Z, s[first - start :], W, n_rows, width)
            ask = (first + n_copied) * n_features
            last = 0 if by_columns else min(ask + n_copied * n_features, X.size) - n_rows * pace
            for j in range(0, width, n_numbers):
                i = j
                while i < width:
                    for fold in range(n_folds):
                        n_there = (n_rows - fold + n_folds - 1) // n_folds
                        place = n_there, width, i, j
                        ask = max(0, min(ask, last))
                        if i + 3 * lanes <= width:
                            _add_tile(Z, W, sums, X, place, (fold, n_folds), (ask, pace), 3)
                        elif i + 2 * lanes == width:
                            _add_tile(Z, W, sums, X, place, (fold, n_folds), (ask, pace), 2)
                        else:
                            _add_tile(Z, W, sums, X, place, (fold, n_folds), (ask, pace), 1)
                        ask += n_there * pace
                    i += 3 * lanes
        for i in range(sums.size):
            sums[i] *= scale

    return Kernel(gram, _block_rows, _n_sums, _work)


class _GramOfFolds(Kernel):
    """The same compiled variants, called with room for several matrices."""

    def __init__(self, whole: Kernel, n_folds: int) -> None:
        # Blocks begin with the first fold.
        super().__init__(
            whole.function,
            lambda n_features: -(-_block_rows(n_features) // n_folds) * n_folds,
            lambda n_features: n_folds * _n_sums(n_features),
            _work,
        )
        self._whole = whole

    def address(self, kind: Kind) -> int:
        return self._whole.address(kind)

    def __missing__(self, kind: Kind) -> Callable[..., None]:
        self[kind] = variant = self._whole[kind]
        return variant


@cache
def gram_of_folds(by_columns: bool, n_folds: int) -> Kernel:
    """Return the kernel that sums what `gram` does for each of several folds: row i belongs to fold i modulo `n_folds`.

    Parameters
    ----------
    by_columns : bool
        Whether X is column-major, and comes transposed.
    n_folds : int
        How many there are.

    Returns
    -------
    Kernel
        The kernel; its blocks begin with the first fold, and its sums are those of one fold after the other.
    """
    return _GramOfFolds(gram(by_columns), n_folds)


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def _zero_lines(n):
    """Return n zeros that begin with a cache line, so that no vector of them lies across two."""
    memory = np.zeros(n + LANES)
    return memory[-(memory.ctypes.data // 8) % LANES :][:n]


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def _copy_columns(columns, start, n_rows, centre, Z, width):
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
def _copy_rows(_context, X, start, n_features, n_rows, centre, Z, width):
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
def _weigh(_context, Z, s, W, n_rows, width):
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


@intrinsic(prefer_literal=True)
def _add_tile(_context, Z, W, C, X, place, fold, ahead, n_vectors):
    """Add to C[j + m, i + l] the products of column j + m of Z with column i + l of W, for all m and l of a tile.

    The place is (n_rows, width, i, j), the fold is (number, n_folds), whose C is that of this number and whose rows are every
    n_folds-th from it on, and what is prefetched is X.flat[ask + pace row] for ahead = (ask, pace). Each row adds
    to sums that stay in registers (which BLIS calls a micro-kernel of rank-one updates); beside these there are registers for
    the vectors and a number. So with 32 registers a tile is eight numbers by up to three vectors, and with 16 it is four by
    three. Each sum is of all rows in their order, whatever the shape of the tile.
    """

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        Z, W, C, X = (code.data(signature.args[p], args[p]) for p in range(4))
        (n_rows, width, i, j), (fold, n_folds), (ask, pace) = (code.members(args[p]) for p in (4, 5, 6))
        n = registers().lanes
        places = [int64(v * n) for v in range(n_vectors.literal_value)]
        totals = [[code.variable(code.zeros(n)) for _ in places] for _ in range(_numbers_in_tile())]
        with code.steps(int64(0), n_rows, 1) as row:
            at = code.mul(code.add(code.mul(row, n_folds), fold), width)
            numbers, vectors = code.gep(Z, [code.add(at, j)]), code.gep(W, [code.add(at, i)])
            xs = [code.vector(vectors, place, None, n) for place in places]
            code.prefetch(X, code.add(ask, code.mul(row, pace)), level=2)
            for m, of_number in enumerate(totals):
                c = code.splat(code.number(numbers, m), n)
                for x, total in zip(xs, of_number, strict=True):
                    total.value = code.multiply_add(c, x, total.value)
        first = code.add(code.mul(fold, width), j)
        for m, of_number in enumerate(totals):
            line = code.gep(C, [code.add(code.mul(code.add(first, int64(m)), width), i)])
            for place, total in zip(places, of_number, strict=True):
                code.put(code.fadd(code.vector(line, place, None, n), total.value), line, place)

    return types.void(Z, W, C, X, place, fold, ahead, n_vectors), generate


def entries(sums: NDArray[np.float64], n_features: int) -> NDArray[np.float64]:
    """Return the symmetric matrix, of order n_features + 2, that `gram` has written.

    Parameters
    ----------
    sums : ndarray of shape (order(n_features)**2,), float64
        What it has written.
    n_features : int
        The number of features.

    Returns
    -------
    ndarray of shape (n_features + 2, n_features + 2), float64
        The sums of s z z^T.
    """
    n = n_features + 2
    upper: NDArray[np.float64] = np.triu(sums.reshape(order(n_features), order(n_features))[:n, :n])
    upper += np.triu(upper, 1).T
    return upper
