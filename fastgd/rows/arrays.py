"""Rows in memory: numpy arrays, memory maps and columns of data frames, of any layout and any real dtype."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import machine
from fastgd.kernels.blocks import ENVIRONMENT_LENGTH, abandon, compiled_pass, new_cells, whole
from fastgd.kernels.dense import dense
from fastgd.kernels.gram import entries, gram
from fastgd.kernels.jit import Kernel, Kind
from fastgd.kernels.spread import spread
from fastgd.kernels.weights import compiled_sum_nonnegative
from fastgd.rows import parallel
from fastgd.rows.blocks import Blocks, Fold, plan
from fastgd.rows.columns import Columns

_Array = NDArray[Any]
_Vector = NDArray[np.float64]

_FLOAT64 = np.dtype(np.float64)
_FLOAT32 = np.dtype(np.float32)

# Sample weights of a smaller sum lose their digits to underflow when they are multiplied with residuals.
SMALLEST_TOTAL = 1e-290

# Kinds of kernel variants: X and y of the same dtype, no sample weights.
_FLOAT64_ROWS: Kind = ("d", "d", False)
_FLOAT32_ROWS: Kind = ("f", "f", False)


class ArrayRows:
    """A training set in memory.

    An array that a kernel can read (float64 or float32 in native byte order, aligned, without gaps, row-major or
    column-major) is read in place; any other is converted block by block.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features) or (n_samples,), real, or Columns
        The features.
    y : ndarray of shape (n_samples,), real
        The target.
    sample_weight : ndarray of shape (n_samples,), real, optional
        The sample weights.
    n_threads : int, optional
        How many threads a pass may take.

    Attributes
    ----------
    n_samples, n_features : int
        The shape of X.
    n_passes : int
        How many times the rows were read for a sum.
    """

    __slots__ = (
        "_X",
        "_by_columns",
        "_in_place",
        "_kernel",
        "_n_threads",
        "_s",
        "_x_dtype",
        "_y",
        "_y_dtype",
        "n_features",
        "n_passes",
        "n_samples",
    )

    is_chunk = False
    in_memory = True
    is_sparse = False
    n_dropped = 0
    total_weight = 0.0  # which is known before, where it was checked

    def __init__(
        self, X: _Array | Columns, y: _Array, sample_weight: _Array | None = None, n_threads: int | None = None
    ) -> None:
        self._X, self._by_columns = _oriented(X)
        self.n_samples, self.n_features = (*X.shape, 1)[:2]
        self.n_passes = 0
        self._kernel = dense(self.n_features, self._by_columns)
        self._y = y
        self._s = sample_weight
        self._n_threads = n_threads
        self._x_dtype = _read_as(X)
        self._y_dtype = _read_as(y) if self._x_dtype is _FLOAT32 else _FLOAT64
        self._in_place = (
            _readable(self._X, self._x_dtype)
            and _readable(y, self._y_dtype)
            and (sample_weight is None or _readable(sample_weight, _FLOAT64))
        )

    def gradient(self, theta: _Vector, scale: float = 1.0) -> _Vector:
        """Sum the residuals and what each row adds to the gradient, in one pass.

        Parameters
        ----------
        theta : ndarray of shape (n_features,) or (1 + n_features,), float64, contiguous
            The parameters.
        scale : float
            What the sums are multiplied with.

        Returns
        -------
        ndarray of shape (2 + n_features,), float64
            ``scale * (sum s r^2, sum s r, sum s r x_1, ..., sum s r x_k)``.
        """
        return self._sum(self._kernel, theta, scale, self._y)

    def product(self, p: _Vector) -> _Vector:
        """Sum what each row adds to the product of the Hessian with a vector, in one pass; y is not read.

        Parameters
        ----------
        p : ndarray of shape (n_features,) or (1 + n_features,), float64, contiguous
            The vector.

        Returns
        -------
        ndarray of shape (2 + n_features,), float64
            ``(sum s (x.p)^2, sum s (x.p), sum s (x.p) x_1, ..., sum s (x.p) x_k)``.
        """
        return self._sum(self._kernel, p, 1.0, None)

    def moments(self, centre: _Vector) -> _Array:
        """Sum the products of every column with every other, in one pass.

        Parameters
        ----------
        centre : ndarray of shape (n_features + 1,), float64, contiguous
            What is taken off each feature and, last, off y before: the nearer to their means, the more digits are kept.

        Returns
        -------
        ndarray of shape (n_features + 2, n_features + 2), float64
            The sum of ``s z z^T`` with ``z = (x - centre of x, y - centre of y, 1)``, symmetric.
        """
        sums = self._sum(gram(self._by_columns), centre, 1.0, self._y)
        return entries(sums, self.n_features)

    def sample(self, n: int) -> _Vector:
        """Take rows from all over the training set, but none of no weight.

        Parameters
        ----------
        n : int
            How many at most, >= 1.

        Returns
        -------
        ndarray of shape (1 to n, n_features + 1), float64
            Their features and, last, their y.
        """
        return self._values(sampled(self.n_samples, self._s, n))

    def spread(self, centre: _Vector) -> tuple[float, _Vector, _Vector]:
        """Sum the first and the second powers of each column, in one pass.

        Parameters
        ----------
        centre : ndarray of shape (n_features + 1,), float64, contiguous
            What is taken off each feature and, last, off y before: the nearer to their means, the more digits are kept.

        Returns
        -------
        total_weight : float
            ``sum s``.
        first, second : ndarray of shape (n_features + 1,), float64
            The sums of ``s (z - centre)`` and of ``s (z - centre)^2`` with ``z = (x, y)``.
        """
        sums = self._sum(spread(self._by_columns), centre, 1.0, self._y)
        first, second = sums[1:].reshape(2, self.n_features + 1)
        return sums.item(0), first, second

    def blocks(self) -> Iterator[tuple[_Vector, _Vector]]:
        """Go through the rows, some at a time.

        Yields
        ------
        values : ndarray of shape (n, n_features + 1), float64
            Features and, last, y; a copy.
        s : ndarray of shape (n,), float64
            Their sample weights, 1 each without.
        """
        self.n_passes += 1
        for start, stop in Blocks(self.n_samples, max(1, machine.CACHED_VALUES // self.n_features)):
            yield self.block(start, stop)

    def block(self, start: int, stop: int) -> tuple[_Vector, _Vector]:
        """Return rows start to stop as `blocks` does."""
        s = np.ones(stop - start) if self._s is None else self._s[start:stop].astype(np.float64)
        return self._values(slice(start, stop)), s

    @property
    def n_expected(self) -> int:
        """How many rows there are."""
        return int(self.n_samples)

    def report_to(self, listener: object) -> None:
        """Report nothing: a pass is too short."""

    @property
    def n_threads(self) -> int:
        """How many threads a pass takes."""
        return parallel.effective(self._n_threads)

    def first_non_finite(self) -> tuple[int, int] | None:
        """Find the first row that holds a NaN or an infinity.

        Returns
        -------
        tuple of (int, int), or None
            Row and column, both from 0, y being column n_features; None where every value is finite.
        """
        for start, stop in Blocks(self.n_samples, self._kernel.block_rows(self.n_features)):
            places = np.argwhere(~np.isfinite(self._values(slice(start, stop))))
            if len(places):
                row, column = places[0].tolist()
                return start + row, column
        return None

    def _sum(self, kernel: Kernel, theta: _Vector, scale: float, y: _Array | None) -> _Vector:
        self.n_passes += 1
        kind = self._x_dtype.char, None if y is None else self._y_dtype.char, self._s is not None
        n_block_rows = kernel.block_rows(self.n_features)
        shared = self.is_chunk or self.n_samples * self.n_features >= machine.MIN_SHARED_VALUES
        if not shared or self.n_samples <= n_block_rows:
            return self._summed(kernel[kind], slice(0, self.n_samples), theta, scale, y, kernel.n_sums(self.n_features))
        sum_blocks = self._sum_in_place if self._in_place else self._sum_converted
        total = sum_blocks(kernel, kind, theta, y, Blocks(self.n_samples, n_block_rows))
        with np.errstate(over="ignore", invalid="ignore"):  # an infinity is a result, as it is within a block
            return total * scale

    def _sum_in_place(self, kernel: Kernel, kind: Kind, theta: _Vector, y: _Array | None, blocks: Blocks) -> _Vector:
        n_sums, n_threads = kernel.n_sums(self.n_features), parallel.effective(self._n_threads)
        n_at_once = kernel.blocks_at_once(self.n_features)
        (prepare, job), (parts, parents, n_slots) = compiled_pass(kind), plan(len(blocks), n_threads, n_at_once)
        n_threads = min(n_threads, len(parts))
        environment = np.empty(ENVIRONMENT_LENGTH, np.int64)
        cells = new_cells(len(parts), n_slots)
        stacks, slots = np.empty((n_threads, 1 + parts[0, 0], n_sums)), np.empty((n_slots, n_sums))
        arguments = self._X, blocks.n_rows, self.n_samples, y, self._s, theta, parts, parents, cells, stacks, slots
        prepare(environment, kernel.address(kind), *arguments)
        parallel.run(job.address, environment, arguments, lambda: abandon(cells), n_threads)
        return whole(cells, slots, len(parts))

    def _sum_converted(self, kernel: Kernel, kind: Kind, theta: _Vector, y: _Array | None, blocks: Blocks) -> _Vector:
        run, fold, n_sums = kernel[kind], Fold(len(blocks)), kernel.n_sums(self.n_features)

        def do(i: int) -> None:
            fold.add(i, self._summed(run, slice(*blocks[i]), theta, 1.0, y, n_sums))

        parallel.share(do, range(len(blocks)), parallel.effective(self._n_threads))
        total: _Vector = fold.total()
        return total

    def _summed(
        self, run: Callable[..., None], rows: slice, theta: _Vector, scale: float, y: _Array | None, n_sums: int
    ) -> _Vector:
        """Sum over rows by one call of a kernel, after a conversion of what it cannot read."""
        X, first = self._X, rows.start
        if not _readable(X, self._x_dtype):
            X, first = _converted(self._X_block(rows), self._x_dtype), 0
        y_rows = None if y is None else _converted(y[rows], self._y_dtype)
        s_rows = None if self._s is None else _converted(self._s[rows], _FLOAT64)
        sums = np.empty(n_sums)
        run(X, first, first + rows.stop - rows.start, y_rows, s_rows, theta, scale, sums)
        return sums

    def _X_block(self, rows: slice | NDArray[np.intp]) -> _Array:
        if isinstance(self._X, Columns):
            return self._X.gather(rows)
        return self._X[:, rows] if self._by_columns else self._X[rows]

    def _values(self, rows: slice | NDArray[np.intp]) -> _Vector:
        """Return a copy of rows' X, with y as its last column."""
        return self._beside(rows, self._y[rows, np.newaxis])

    def _beside(self, rows: slice | NDArray[np.intp], targets: _Array) -> _Vector:
        X = self._X_block(rows)
        values = np.empty((len(targets), self.n_features + targets.shape[1]))
        values[:, : self.n_features] = X.T if self._by_columns else X
        values[:, self.n_features :] = targets
        return values


def short_pass(
    X: object,
    y: object,
    theta: object,
    intercept: object,
    factor: tuple[float, bool] | None,
    sample_weight: object = None,
) -> _Vector | None:
    """Sum over a single block of rows that need no conversion, or decline.

    The same sums as `ArrayRows.gradient`, without its preparations: these take 3 microseconds, in which numpy has been
    through a hundred rows. What is declined may be valid or not; what is accepted is valid.

    Parameters
    ----------
    X, y, theta : object
        Features, target and parameters, unchecked.
    intercept : bool
        Whether theta should have one.
    factor : tuple of (float, bool), or None
        What the sums are multiplied with, and whether they are divided by the total weight, too.
    sample_weight : object
        Sample weights, unchecked, or None.

    Returns
    -------
    ndarray of shape (2 + n_features,), float64, or None
        The sums, or None if it was declined.
    """
    # In the order of what costs least: each look at an array takes 20 to 50 ns. carray says: without gaps, aligned, writable,
    # which is what most arrays are.
    if not (
        type(X) is type(y) is type(theta) is np.ndarray
        and (dtype := X.dtype) is y.dtype
        and theta.dtype is _FLOAT64
        and y.ndim == theta.ndim == 1
        and y.flags.carray
        and theta.flags.carray
        and ((base := X.base) is None or (type(base) is np.ndarray and base.base is None))  # and no memory map
        and ((base := y.base) is None or (type(base) is np.ndarray and base.base is None))
        and ((base := theta.base) is None or (type(base) is np.ndarray and base.base is None))
        and factor is not None
        and (intercept is False or intercept is True)
    ):
        return None
    kind = _FLOAT64_ROWS if dtype is _FLOAT64 else _FLOAT32_ROWS if dtype is _FLOAT32 else None
    shape = X.shape
    if len(shape) == 2:
        n_samples, n_features = shape
    elif len(shape) == 1:
        n_samples, n_features = len(X), 1
        X = X[:, np.newaxis]
    else:
        return None
    if not (len(y) == n_samples and len(theta) == n_features + intercept and n_samples > 0 and n_features > 0 and kind):
        return None
    flags = X.flags
    by_columns = not flags.carray
    # Not farray, which numpy says of any array that is not row-major.
    if by_columns and not (flags.fnc and flags.behaved):
        return None
    kernel = dense(n_features, by_columns)
    if n_samples * n_features >= machine.MIN_SHARED_VALUES and n_samples > kernel.block_rows(n_features):
        return None
    total: float = n_samples
    s = sample_weight
    if s is not None:
        if not (
            type(s) is np.ndarray
            and s.dtype is _FLOAT64
            and s.flags.carray
            and s.shape == (n_samples,)
            and ((base := s.base) is None or (type(base) is np.ndarray and base.base is None))
        ):
            return None
        total = compiled_sum_nonnegative()(s)
        if not SMALLEST_TOTAL <= total < math.inf:
            return None
        kind = kind[0], kind[1], True
    scale, mean = factor
    if mean:
        scale /= total
    sums = np.empty(2 + n_features)
    kernel[kind](X.T if by_columns else X, 0, n_samples, y, s, theta, scale, sums)
    return sums


def sampled(n_samples: int, sample_weight: _Array | None, n: int) -> NDArray[np.intp]:
    """Choose some rows together at each of some places at regular distances, but none of no weight.

    Parameters
    ----------
    n_samples : int
        How many rows there are.
    sample_weight : ndarray of shape (n_samples,), real, or None
        The sample weights.
    n : int
        How many to choose at most, >= 1.

    Returns
    -------
    ndarray of shape (1 to n,), intp
        Their numbers, ascending.
    """
    n_together = min(n, machine.SAMPLED_TOGETHER)
    distance = max(n_together, -(-n_samples // (n // n_together)))
    rows = (np.arange(0, n_samples, distance)[:, np.newaxis] + np.arange(n_together)).ravel()
    rows = rows[rows < n_samples]
    if sample_weight is None:
        return rows
    rows = rows[sample_weight[rows] > 0]
    return rows if len(rows) else np.array([sample_weight.argmax()])


def total_weight(sample_weight: _Array) -> float:
    """Add up sample weights.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_samples,), real
        The sample weights.

    Returns
    -------
    float
        Their sum; NaN if one of them is negative or NaN.
    """
    add = compiled_sum_nonnegative()
    blocks = Blocks(len(sample_weight), machine.BLOCK_VALUES)
    sums = (add(_converted(sample_weight[start:stop], _FLOAT64)) for start, stop in blocks)
    return float(sum(sums))


def lies_by_columns(X: _Array | Columns) -> bool:
    """Tell whether features lie column by column.

    Parameters
    ----------
    X : ndarray or Columns
        The features.

    Returns
    -------
    bool
        Whether they do; False for one feature.
    """
    return isinstance(X, Columns) or (X.ndim == 2 and X.shape[1] > 1 and abs(X.strides[0]) < abs(X.strides[1]))


def _oriented(X: _Array | Columns) -> tuple[_Array | Columns, bool]:
    """Return X as the kernels want it, transposed if it lies column by column, and whether it does."""
    by_columns = lies_by_columns(X)
    if isinstance(X, Columns):
        return X, by_columns
    if X.ndim == 1:
        X = X[:, np.newaxis]
    return (X.T if by_columns else X), by_columns


def _read_as(array: _Array | Columns) -> np.dtype[Any]:
    """Return the dtype that a kernel reads an array as: float32 stays, all else becomes float64."""
    dtype = array.dtype
    return _FLOAT32 if dtype.kind == "f" and dtype.itemsize == 4 else _FLOAT64


def _readable(array: _Array | Columns, dtype: np.dtype[Any]) -> bool:
    """Tell whether a kernel can read an array as it is."""
    # numpy keeps one object per native dtype, so another byte order is another object (and so may be an unpickled
    # dtype: its array is then converted, which costs time and changes nothing).
    return (
        isinstance(array, np.ndarray) and array.dtype is dtype and (flags := array.flags).c_contiguous and flags.aligned
    )


def _converted(array: _Array, dtype: np.dtype[Any]) -> _Array:
    return array if _readable(array, dtype) else np.array(array, dtype=dtype, order="C")
