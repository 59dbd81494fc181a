"""Several targets of the same rows: each row of X is read once for all of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels.gram import entries, gram
from fastgd.kernels.several import compiled_several
from fastgd.rows import parallel
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.blocks import Blocks, Fold
from fastgd.rows.columns import Columns
from fastgd.rows.maps import check, mapped_files

_Array = NDArray[Any]
_Vector = NDArray[np.float64]


class TargetRows(ArrayRows):
    """A training set with several targets; as `ArrayRows`, it has the first of these.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features) or (n_samples,), real, or Columns
        The features.
    Y : ndarray of shape (n_samples, n_targets), real
        The targets.
    sample_weight : ndarray of shape (n_samples,), real, optional
        The sample weights.
    n_threads : int, optional
        How many threads a pass may take.
    """

    __slots__ = ("_Y", "_files")

    def __init__(
        self, X: _Array | Columns, Y: _Array, sample_weight: _Array | None = None, n_threads: int | None = None
    ) -> None:
        super().__init__(X, Y[:, 0], sample_weight, n_threads)
        self._Y = Y
        self._files = mapped_files(X, Y, sample_weight)
        check(self._files)

    def gradients(self, thetas: _Vector) -> _Vector:
        """Sum what `ArrayRows.gradient` does, for all targets in one pass.

        Parameters
        ----------
        thetas : ndarray of shape (n_targets, n_parameters), float64, contiguous
            The parameters of each target.

        Returns
        -------
        ndarray of shape (n_targets, 2 + n_features), float64
            ``(sum s r^2, sum s r, sum s r x_1, ..., sum s r x_k)`` of each.
        """
        run = compiled_several(self._x_dtype.char, self._s is not None)

        def add(X: _Array, Y: _Vector, s: _Vector | None) -> _Vector:
            sums = np.empty((len(thetas), 2 + self.n_features))
            run(X, Y, s, thetas, sums)
            return sums

        return self._sum_up(add, self._kernel.block_rows(self.n_features))

    def moments(self, centre: _Vector) -> _Array:
        """Sum the products of every column with every other, those of all targets, in one pass.

        Parameters
        ----------
        centre : ndarray of shape (n_features + n_targets,), float64, contiguous
            What is taken off each feature and each target before.

        Returns
        -------
        ndarray of order n_features + n_targets + 1, float64
            The sum of ``s z z^T`` with ``z = (x - centre of x, y - centre of y, 1)``, symmetric.
        """
        kernel, n_columns = gram(False), len(centre) - 1

        def add(X: _Array, Y: _Vector, s: _Vector | None) -> _Vector:
            sums = np.empty(kernel.n_sums(n_columns))
            columns = np.column_stack((X, Y[:, :-1])).astype(np.float64, copy=False)
            target = np.ascontiguousarray(Y[:, -1])
            kernel["d", "d", s is not None](columns, 0, len(Y), target, s, centre, 1.0, sums)
            return sums

        return entries(self._sum_up(add, kernel.block_rows(n_columns)), n_columns)

    def _values(self, rows: slice | NDArray[np.intp]) -> _Vector:
        return self._beside(rows, self._Y[rows])

    def _sum_up(self, add: Callable[[_Array, _Vector, _Vector | None], _Vector], n_block_rows: int) -> _Vector:
        """Add up what blocks give, row-major copies where they are not."""
        self.n_passes += 1
        check(self._files)
        blocks = Blocks(self.n_samples, n_block_rows)
        fold = Fold(len(blocks))

        def do(i: int) -> None:
            rows = slice(*blocks[i])
            X = self._X_block(rows)
            X = np.ascontiguousarray(X.T if self._by_columns else X, self._x_dtype)
            s = None if self._s is None else np.ascontiguousarray(self._s[rows], np.float64)
            fold.add(i, add(X, np.ascontiguousarray(self._Y[rows], np.float64), s))

        parallel.share(do, range(len(blocks)), parallel.effective(self._n_threads))
        total: _Vector = fold.total()
        return total
