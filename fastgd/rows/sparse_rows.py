"""Sparse rows in memory, in the compressed form of scipy's CSR: each sum is one pass over the stored values."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.kernels.csr import compiled_csr, csr_gradient, csr_moments, csr_spread
from fastgd.kernels.scores import CERTAIN, Leverages, intercept_at
from fastgd.rows import parallel, threads
from fastgd.rows.blocks import Blocks, Fold
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.maps import check, mapped_files
from fastgd.rows.memory import MemoryRows

_Array = NDArray[Any]
_Vector = NDArray[np.float64]

# By how much the roundoff of moments may exceed that of sums about the mean, which are then taken.
MOST_NOISE = 100.0


class SparseRows(MemoryRows):
    """A training set with sparse features.

    Parameters
    ----------
    X : CSR
        The features.
    y : ndarray of shape (n_samples,), real
        The target.
    sample_weight : ndarray of shape (n_samples,), real, optional
        The sample weights.
    n_threads : int, optional
        How many threads a pass may take.
    """

    __slots__ = ("_X", "_files", "_s", "_y")

    is_sparse = True

    def __init__(self, X: CSR, y: _Array, sample_weight: _Array | None = None, n_threads: int | None = None) -> None:
        super().__init__(*X.shape, n_threads)
        self._X = X
        self._y = y
        self._s = sample_weight
        self._files = mapped_files(*X[:3], y, sample_weight)
        check(self._files)

    def gradient(self, theta: _Vector, scale: float = 1.0) -> _Vector:
        """Sum what `MemoryRows.gradient` does."""
        sums = self._sum(csr_gradient, theta, 2 + self.n_features, with_y=True)
        with np.errstate(over="ignore", invalid="ignore"):  # an infinity is a result
            return sums * scale

    def product(self, p: _Vector) -> _Vector:
        """Sum what `MemoryRows.product` does."""
        return self._sum(csr_gradient, p, 2 + self.n_features, with_y=False)

    def moments(self, centre: _Vector) -> _Array:
        """Sum what `MemoryRows.moments` does.

        Zeros cannot be shifted one by one: the centre is taken off the sums. Where that leaves few digits, of columns that lie
        far from zero and so hold few zeros, the products of these are summed anew.
        """
        n = self.n_features + 2
        sums = self._sum(csr_moments, centre, n * n, with_y=True).reshape(n, n)
        sums[n - 2 :, : n - 2] = sums[: n - 2, n - 2 :].T
        sums[n - 1, n - 2] = sums[n - 2, n - 1]
        # z - c = T z with T the unit matrix but for its last column, -c
        squares = np.diagonal(sums)[:-1].copy()
        sums[:-1] -= np.outer(centre, sums[-1])
        sums[:, :-1] -= np.outer(sums[:, -1], centre)
        far = np.flatnonzero((MOST_NOISE * np.diagonal(sums)[:-1] <= squares) & (squares > 0))
        if far.size:
            changes = self.spread(centre)[2][far] > 0
            sums[far] = sums[:, far] = 0.0  # of a column that is the centre everywhere, nothing is left
            if changes.any():
                far = far[changes]
                sums[far] = self._products(far, centre)
                sums[:, far] = sums[far].T
        return sums

    def _products(self, columns: NDArray[np.intp], centre: _Vector) -> _Vector:
        """Sum s (z_j - c_j)(z - c, 1) for some columns j, from dense copies of blocks."""
        total = np.zeros((len(columns), len(centre) + 1))
        for values, s in self.blocks():
            values -= centre
            weighted = values[:, columns] * s[:, np.newaxis]
            # Not by BLAS, which may add in another order with another number of threads.
            total[:, :-1] += np.einsum("ni,nj->ij", weighted, values)
            total[:, -1] += weighted.sum(axis=0)
        return total

    def spread(self, centre: _Vector) -> tuple[float, _Vector, _Vector]:
        """Sum what `MemoryRows.spread` does."""
        sums = self._sum(csr_spread, centre, 3 * self.n_features + 3, with_y=True)
        total, k = sums.item(0), self.n_features
        first, second, stored = sums[1 : k + 2], sums[k + 2 : 2 * k + 3], sums[2 * k + 3 :]
        zeros = np.maximum(total - stored, 0.0)
        first[:k] -= zeros * centre[:k]
        second[:k] += zeros * centre[:k] ** 2
        return total, first, second

    def chosen(self, rows: slice | NDArray[np.intp]) -> "SparseRows":
        """Return some of the rows, ascending; neighbours in place, and a copy of others."""
        s = None if self._s is None else self._s[rows]
        return SparseRows(self._X.chosen(rows), self._y[rows], s, self._n_threads)

    def predicted(self, coef: _Vector, intercept: float) -> Iterator[tuple[_Vector, _Vector, _Vector]]:
        """Predict rows as `MemoryRows.predicted` does, from what is stored."""
        check(self._files)
        data, indices, indptr, _ = self._X
        for start, stop in Blocks(self.n_samples, max(1, tuning.CACHED_VALUES * self.n_samples // max(1, len(data)))):
            stored = slice(indptr[start], indptr[stop])
            row_of = np.repeat(np.arange(stop - start), np.diff(indptr[start : stop + 1]))
            h: Any = np.bincount(row_of, data[stored] * coef[indices[stored]], stop - start)
            s = np.ones(stop - start) if self._s is None else self._s[start:stop].astype(np.float64)
            yield h + intercept, self._y[start:stop].astype(np.float64), s

    def block(self, start: int, stop: int) -> tuple[_Vector, _Vector]:
        """Return rows as `MemoryRows.block` does, as a dense copy."""
        s = np.ones(stop - start) if self._s is None else self._s[start:stop].astype(np.float64)
        return self._values(np.arange(start, stop)), s

    def products_of_scores(self, theta: _Vector, centre: _Vector, leverages: Leverages | None) -> _Array:
        """Sum what `MemoryRows.products_of_scores` does: the moments of the same rows with other weights."""
        weights = []
        for values, s in self.blocks():
            values -= centre
            r = values @ np.append(theta[-self.n_features :], -1.0) + intercept_at(theta, centre)
            weight = np.where(s > 0, s * r, 0.0) ** 2
            if leverages is not None:
                root, total_weight, power = leverages
                left = 1.0 - s * (1.0 / total_weight + ((values[:, :-1] @ root) ** 2).sum(axis=1))
                weight /= np.where(left > CERTAIN, left, np.nan) ** power
            weights.append(weight)
        return SparseRows(self._X, self._y, np.concatenate(weights), self._n_threads).moments(centre)

    def first_non_finite(self) -> tuple[int, int] | None:
        """Find what `MemoryRows.first_non_finite` does."""
        found = []
        for start, stop in Blocks(len(self._X.data), tuning.BLOCK_VALUES):
            places = np.flatnonzero(~np.isfinite(self._X.data[start:stop]))
            if len(places):
                place = start + places.item(0)
                row = int(np.searchsorted(self._X.indptr, place, side="right")) - 1
                found.append((row, int(self._X.indices[place])))
                break
        for start, stop in Blocks(self.n_samples, tuning.BLOCK_VALUES):
            places = np.flatnonzero(~np.isfinite(self._y[start:stop]))
            if len(places):
                found.append((start + places.item(0), self.n_features))
                break
        return min(found, default=None)

    def _values(self, rows: NDArray[np.intp]) -> _Vector:
        return np.column_stack((self._X.dense(rows), self._y[rows])).astype(np.float64)

    def _sum(self, function: Any, theta: _Vector, n_sums: int, *, with_y: bool) -> _Vector:
        self.n_passes += 1
        check(self._files)
        data, indices, indptr, _ = self._X
        run = compiled_csr(
            function, data.dtype.char, "i" if indices.itemsize == 4 else "l", with_y, self._s is not None
        )
        n_block_values = max(tuning.BLOCK_VALUES, tuning.SPARSE_VALUES_PER_SUM * n_sums)
        blocks = Blocks(self.n_samples, max(1, n_block_values * self.n_samples // max(len(data), self.n_samples)))
        fold, matrix = Fold(len(blocks)), (data, indices, indptr)

        def do(i: int) -> None:
            start, stop = blocks[i]
            y = np.ascontiguousarray(self._y[start:stop], np.float64) if with_y else None
            s = None if self._s is None else np.ascontiguousarray(self._s[start:stop], np.float64)
            sums = np.empty(n_sums)
            run(matrix, start, stop, y, s, theta, sums)
            fold.add(i, sums)

        n_threads = threads.effective(self._n_threads)
        parallel.share(do, range(len(blocks)), n_threads if len(data) >= tuning.MIN_SHARED_STORED else 1)
        total: _Vector = fold.total()
        return total
