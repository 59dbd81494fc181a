"""The compressed form of a sparse matrix, row by row."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[Any]
_Vector = NDArray[np.float64]


class CSR(NamedTuple):
    """A sparse matrix: row i has the values ``data[indptr[i]:indptr[i + 1]]`` in the columns ``indices`` there, each once."""

    data: _Array
    """The stored values, float64 or float32, shape (n_stored,)."""
    indices: _Array
    """Their columns, int32 or int64, shape (n_stored,)."""
    indptr: _Array
    """Where rows begin, of the dtype of indices, shape (n_samples + 1,)."""
    shape: tuple[int, int]
    """(n_samples, n_features)."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def dense(self, rows: _Array) -> _Vector:
        """Return rows as an array.

        Parameters
        ----------
        rows : ndarray of shape (n,), int
            Which.

        Returns
        -------
        ndarray of shape (n, n_features), float64
            The rows.
        """
        result = np.zeros((len(rows), self.shape[1]))
        starts, counts = self.indptr[rows], self.indptr[rows + 1] - self.indptr[rows]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        places = np.repeat(starts, counts) + within
        result[np.repeat(np.arange(len(rows)), counts), self.indices[places]] = self.data[places]
        return result
