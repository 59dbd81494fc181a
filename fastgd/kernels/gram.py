"""Products of every column with every other: the second moments of a block of rows, at the speed of multiply-adds."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.kernels.jit import Kernel, Kind
from fastgd.kernels.lines import copy_columns, copy_rows, weigh, zero_lines
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
        n_bytes = tuning.SCORED_COPY_BYTES if scored else tuning.COPY_BYTES
        n_copied = max(1, min(stop - start, max(n_bytes // (8 * width), tuning.MIN_COPY_ROWS)))
        n_copied = (n_copied + n_folds - 1) // n_folds * n_folds
        n_lines = n_copied
        if scored:
            n_lines = (n_copied + LANES - 1) // LANES * LANES
            scores, lengths = np.empty(n_lines), np.empty(n_lines)
        Z = zero_lines(n_lines * width)
        W = Z if s is None or scored else zero_lines(n_copied * width)
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
                copy_columns(X, first, n_rows, centre, Z, width)
            else:
                copy_rows(X, first, n_features, n_rows, centre, Z, width)
            for i in range(n_rows):
                Z[i * width + n_features] = y[first - start + i] - centre[n_features]
                Z[i * width + n_features + 1] = 1.0
            if scored:
                if s is None:
                    scores_of(Z, theta, None, n_rows, width, scores, lengths)
                else:
                    scores_of(Z, theta, s[first - start :], n_rows, width, scores, lengths)
                weigh(Z, scores, Z, n_rows, width)
            elif s is not None:
                weigh(Z, s[first - start :], W, n_rows, width)
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
