"""Rows in memory: numpy arrays, memory maps and columns of data frames, of any layout and any real dtype."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.kernels.blocks import ENVIRONMENT_LENGTH, abandon, compiled_pass, new_cells, whole
from fastgd.kernels.column_stats import spread
from fastgd.kernels.dense import dense
from fastgd.kernels.gram import entries, gram, gram_of_folds
from fastgd.kernels.jit import Kernel, Kind
from fastgd.kernels.scores import Leverages, pack
from fastgd.rows import parallel, threads
from fastgd.rows.blocks import Blocks, Fold, plan
from fastgd.rows.columns import Columns
from fastgd.rows.layout import FLOAT64, as_read, converted, read_as, readable
from fastgd.rows.memory import MemoryRows

_Array = NDArray[Any]
_Vector = NDArray[np.float64]


class ArrayRows(MemoryRows):
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
    """

    __slots__ = (
        "_X",
        "_X_in_place",
        "_by_columns",
        "_in_place",
        "_kernel",
        "_s",
        "_x_dtype",
        "_y",
        "_y_dtype",
    )

    is_chunk = False
    is_sparse = False

    def __init__(
        self, X: _Array | Columns, y: _Array, sample_weight: _Array | None = None, n_threads: int | None = None
    ) -> None:
        n_samples, n_features = (*X.shape, 1)[:2]
        super().__init__(n_samples, n_features, n_threads)
        self._X, self._by_columns, self._x_dtype, self._X_in_place = as_read(X)
        self._kernel = dense(self.n_features, self._by_columns)
        self._y = y
        self._s = sample_weight
        self._y_dtype = FLOAT64 if self._x_dtype is FLOAT64 else read_as(y)
        self._in_place = (
            self._X_in_place
            and readable(y, self._y_dtype)
            and (sample_weight is None or readable(sample_weight, FLOAT64))
        )

    def gradient(self, theta: _Vector, scale: float = 1.0) -> _Vector:
        """Sum what `MemoryRows.gradient` does."""
        return self._sum(self._kernel, theta, scale, self._y)

    def product(self, p: _Vector) -> _Vector:
        """Sum what `MemoryRows.product` does."""
        return self._sum(self._kernel, p, 1.0, None)

    def moments(self, centre: _Vector) -> _Array:
        """Sum what `MemoryRows.moments` does."""
        sums = self._sum(gram(self._by_columns), centre, 1.0, self._y)
        return entries(sums, self.n_features)

    def moments_of_folds(self, centre: _Vector, n_folds: int) -> list[_Vector]:
        """Sum what `MemoryRows.moments` does for each fold, where row i belongs to fold i modulo `n_folds`, in one pass."""
        sums = self._sum(gram_of_folds(self._by_columns, n_folds), centre, 1.0, self._y)
        return [entries(each, self.n_features) for each in sums.reshape(n_folds, -1)]

    def chosen(self, rows: slice | NDArray[np.intp]) -> "ArrayRows":
        """Return some of the rows, ascending, in place: without a copy of more than a block of X."""
        s = None if self._s is None else self._s[rows]
        if isinstance(rows, slice) and isinstance(self._X, np.ndarray):
            in_place = self._X[:, rows].T if self._by_columns else self._X[rows]
            return ArrayRows(in_place, self._y[rows], s, self._n_threads)
        places = np.arange(*rows.indices(self.n_samples)) if isinstance(rows, slice) else rows
        X = self._X.T if self._by_columns and isinstance(self._X, np.ndarray) else self._X
        return _ChosenRows(X, places, self._y[rows], s, self._n_threads)

    def spread(self, centre: _Vector) -> tuple[float, _Vector, _Vector]:
        """Sum what `MemoryRows.spread` does."""
        sums = self._sum(spread(self._by_columns), centre, 1.0, self._y)
        first, second = sums[1:].reshape(2, self.n_features + 1)
        return sums.item(0), first, second

    def block(self, start: int, stop: int) -> tuple[_Vector, _Vector]:
        """Return rows as `MemoryRows.block` does."""
        s = np.ones(stop - start) if self._s is None else self._s[start:stop].astype(np.float64)
        return self._values(slice(start, stop)), s

    def products_of_scores(self, theta: _Vector, centre: _Vector, leverages: Leverages | None) -> _Vector:
        """Sum what `MemoryRows.products_of_scores` does."""
        sums = self._sum(gram(self._by_columns, True), pack(theta, centre, leverages), 1.0, self._y)
        return entries(sums, self.n_features)

    def first_non_finite(self) -> tuple[int, int] | None:
        """Find what `MemoryRows.first_non_finite` does."""
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
        shared = self.is_chunk or self.n_samples * self.n_features >= tuning.MIN_SHARED_VALUES
        if not shared or self.n_samples <= n_block_rows:
            return self._summed(kernel[kind], slice(0, self.n_samples), theta, scale, y, kernel.n_sums(self.n_features))
        sum_blocks = self._sum_in_place if self._in_place else self._sum_converted
        total = sum_blocks(kernel, kind, theta, y, Blocks(self.n_samples, n_block_rows))
        with np.errstate(over="ignore", invalid="ignore"):  # an infinity is a result, as it is within a block
            return total * scale

    def _sum_in_place(self, kernel: Kernel, kind: Kind, theta: _Vector, y: _Array | None, blocks: Blocks) -> _Vector:
        n_sums, n_threads = kernel.n_sums(self.n_features), threads.effective(self._n_threads)
        n_at_once = kernel.blocks_at_once(self.n_features)
        (prepare, job), (parts, parents, n_slots) = compiled_pass(kind), plan(len(blocks), n_threads, n_at_once)
        n_threads = min(n_threads, len(parts))
        environment = np.empty(ENVIRONMENT_LENGTH, np.int64)
        cells = new_cells(len(parts), n_slots)
        stacks, slots = np.empty((n_threads, 1 + parts[0, 0], n_sums)), np.empty((n_slots, n_sums))
        how = self.n_samples, blocks.n_rows, parts, parents
        arguments = self._X, y, self._s, theta, how, (cells, stacks, slots)
        prepare(environment, kernel.address(kind), *arguments)
        parallel.run(job.address, environment, arguments, lambda: abandon(cells), n_threads)
        return whole(cells, slots, len(parts))

    def _sum_converted(self, kernel: Kernel, kind: Kind, theta: _Vector, y: _Array | None, blocks: Blocks) -> _Vector:
        run, fold, n_sums = kernel[kind], Fold(len(blocks)), kernel.n_sums(self.n_features)

        def do(i: int) -> None:
            fold.add(i, self._summed(run, slice(*blocks[i]), theta, 1.0, y, n_sums))

        parallel.share(do, range(len(blocks)), threads.effective(self._n_threads))
        total: _Vector = fold.total()
        return total

    def _summed(
        self, run: Callable[..., None], rows: slice, theta: _Vector, scale: float, y: _Array | None, n_sums: int
    ) -> _Vector:
        """Sum over rows by one call of a kernel, after a conversion of what it cannot read."""
        X, first = self._X, rows.start
        if not self._X_in_place:
            X, first = converted(self._X_block(rows), self._x_dtype), 0
        y_rows = None if y is None else converted(y[rows], self._y_dtype)
        s_rows = None if self._s is None else converted(self._s[rows], FLOAT64)
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


class _ChosenRows(ArrayRows):
    """Some rows of a training set, gathered block by block."""

    __slots__ = ("_places",)

    def __init__(
        self,
        X: _Array | Columns,
        places: NDArray[np.intp],
        y: _Array,
        sample_weight: _Array | None,
        n_threads: int | None,
    ) -> None:
        super().__init__(X, y, sample_weight, n_threads)
        self.n_samples = len(places)
        self._places = places
        self._X_in_place = self._in_place = False

    def _X_block(self, rows: slice | NDArray[np.intp]) -> _Array:
        return super()._X_block(self._places[rows])
