"""Several targets of the same rows: each row of X is read once for all of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels.gram import entries, gram
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
        self.n_passes += 1
        check(self._files)
        kernel, n_columns = gram(False), len(centre) - 1
        blocks = Blocks(self.n_samples, kernel.block_rows(n_columns))
        fold = Fold(len(blocks))

        def do(i: int) -> None:
            rows = slice(*blocks[i])
            values, sums = self._values(rows), np.empty(kernel.n_sums(n_columns))
            s = None if self._s is None else np.ascontiguousarray(self._s[rows], np.float64)
            X, target = np.ascontiguousarray(values[:, :-1]), np.ascontiguousarray(values[:, -1])
            kernel["d", "d", s is not None](X, 0, len(X), target, s, centre, 1.0, sums)
            fold.add(i, sums)

        parallel.share(do, range(len(blocks)), self.n_threads)
        return entries(fold.total(), n_columns)

    def spread(self, centre: _Vector) -> tuple[float, _Vector, _Vector]:
        """Sum what `MemoryRows.spread` does, of the features and all targets."""
        sums = self.moments(centre)
        return sums.item(-1, -1), sums[-1, :-1], np.diagonal(sums)[:-1]

    def _values(self, rows: slice | NDArray[np.intp]) -> _Vector:
        return self._beside(rows, self._Y[rows])
