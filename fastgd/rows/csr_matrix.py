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
        places, counts = self._stored(rows)
        result[np.repeat(np.arange(len(rows)), counts), self.indices[places]] = self.data[places]
        return result

    def chosen(self, rows: slice | _Array) -> "CSR":
        """Return some of the rows: neighbours in place, others as a copy.

        Parameters
        ----------
        rows : slice or ndarray of shape (n,), int
            Which.

        Returns
        -------
        CSR
            The rows.
        """
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                indptr = self.indptr[start : stop + 1]
                stored = slice(indptr[0], indptr[-1])
                shape = (stop - start, self.shape[1])
                return CSR(self.data[stored], self.indices[stored], indptr - indptr[0], shape)
            rows = np.arange(start, stop, step)
        places, counts = self._stored(rows)
        indptr = np.zeros(len(rows) + 1, self.indptr.dtype)
        np.cumsum(counts, out=indptr[1:])
        return CSR(self.data[places], self.indices[places], indptr, (len(rows), self.shape[1]))

    def _stored(self, rows: _Array) -> tuple[_Array, _Array]:
        """Return where the values of rows are stored, and how many each row has."""
        starts, counts = self.indptr[rows], self.indptr[rows + 1] - self.indptr[rows]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(starts, counts) + within, counts
