"""Rows of which some features are left out: they answer with the sums of the others."""

import numpy as np
from numpy.typing import NDArray

from fastgd.rows.rows import Rows

_Vector = NDArray[np.float64]


class SelectedRows:
    """A training set with some of its features, of which all rows have weight and finite values, as a pass has shown.

    Parameters
    ----------
    rows : Rows
        The training set with all of them.
    columns : ndarray of shape (n_features,), intp
        The features to keep.
    """

    in_memory = False

    def __init__(self, rows: Rows, columns: NDArray[np.intp]) -> None:
        self._rows = rows
        self._columns = columns
        self.n_features = len(columns)
        self.n_samples = self.n_expected = rows.n_samples
        self.total_weight = rows.total_weight
        self.is_sparse = rows.is_sparse
        self.n_dropped = rows.n_dropped

    @property
    def n_passes(self) -> int:
        """How many times the rows were read for a sum."""
        return self._rows.n_passes

    def gradient(self, theta: _Vector, scale: float = 1.0) -> _Vector:
        """Sum what `MemoryRows.gradient` does."""
        return self._of_columns(self._rows.gradient(self._full(theta), scale))

    def product(self, p: _Vector) -> _Vector:
        """Sum what `MemoryRows.product` does."""
        return self._of_columns(self._rows.product(self._full(p)))

    def report_to(self, listener: object) -> None:
        """Report nothing."""

    def first_non_finite(self) -> None:
        """Find nothing: all values are finite."""

    def _full(self, theta: _Vector) -> _Vector:
        n_before = len(theta) - self.n_features
        full = np.zeros(n_before + self._rows.n_features)
        full[:n_before] = theta[:n_before]
        full[n_before + self._columns] = theta[n_before:]
        return full

    def _of_columns(self, sums: _Vector) -> _Vector:
        return sums[np.concatenate(([0, 1], 2 + self._columns))]
