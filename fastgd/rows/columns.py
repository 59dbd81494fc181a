"""Columns that lie apart, as data frames keep them: seen as one array where they allow it, and else gathered by blocks."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[Any]


class Column(Protocol):
    """What gives its values for a slice, or for indices: an array does."""

    def __getitem__(self, rows: Any) -> _Array:
        """Return the values there, as an array."""

    def __len__(self) -> int:
        """Return how many there are."""


class Columns:
    """Columns of the same length, gathered when and where they are read.

    Parameters
    ----------
    columns : sequence of Column
        The columns, at least one.

    Attributes
    ----------
    shape : tuple of (int, int)
        (n_samples, n_features).
    ndim : int
        2.
    dtype : dtype
        What they are gathered as: float32 where all columns are arrays of it, else float64.
    """

    ndim = 2

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self.shape = (len(columns[0]), len(columns))
        single = all(isinstance(column, np.ndarray) and column.dtype == np.float32 for column in columns)
        self.dtype: np.dtype[Any] = np.dtype(np.float32 if single else np.float64)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __getitem__(self, rows: slice) -> "Columns":
        """Return some of the rows, in place."""
        return Columns([column[rows] for column in self._columns])

    def gather(self, rows: slice | NDArray[np.intp], out: _Array | None = None) -> _Array:
        """Copy some rows.

        Parameters
        ----------
        rows : slice or ndarray of intp
            Which.
        out : ndarray of shape (n_features, n), float32 or float64, optional
            Where to.

        Returns
        -------
        ndarray of shape (n_features, n)
            Their features, column by column; of this dtype, or `out`.
        """
        first = self._columns[0][rows]
        values = np.empty((len(self._columns), len(first)), self.dtype) if out is None else out
        values[0] = first
        for j in range(1, len(self._columns)):
            values[j] = self._columns[j][rows]
        return values

    def arrays(self) -> list[_Array]:
        """Return those columns that are arrays in memory."""
        return [column for column in self._columns if isinstance(column, np.ndarray)]


class Pieces:
    """A column in several arrays, one below the other.

    Parameters
    ----------
    arrays : sequence of ndarray of shape (n,), of the same dtype
        The arrays, at least one.
    """

    def __init__(self, arrays: Sequence[_Array]) -> None:
        self._arrays = arrays
        self._stops = np.cumsum([len(array) for array in arrays])

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> _Array:
        """Copy the values of a slice of step 1, or of ascending indices."""
        if not isinstance(rows, slice):
            cuts = np.searchsorted(rows, self._stops)
            starts = self._stops - [len(array) for array in self._arrays]
            parts = np.split(rows, cuts[:-1])
            return np.concatenate([a[part - start] for a, part, start in zip(self._arrays, parts, starts, strict=True)])
        first, last = np.searchsorted(self._stops, (rows.start, rows.stop - 1), side="right").tolist()
        inside = [array[:] for array in self._arrays[first : last + 1]]
        inside[-1] = inside[-1][: rows.stop - self._stops.item(last) + len(inside[-1])]
        inside[0] = inside[0][rows.start - self._stops.item(first) + len(self._arrays[first]) :]
        return inside[0] if first == last else np.concatenate(inside)

    def __len__(self) -> int:
        """Return how many values there are."""
        return int(self._stops[-1])


def side_by_side(columns: Sequence[Column]) -> "_Array | Columns":
    """See columns as the two-dimensional array that they are parts of, without a copy, if they lie at regular distances.

    Parameters
    ----------
    columns : sequence of Column
        The columns, at least one, of the same length, at least 1.

    Returns
    -------
    ndarray of shape (n_samples, n_features), or Columns
        The array, which keeps the memory of the columns alive; or the columns, to be gathered.
    """
    arrays = [column for column in columns if isinstance(column, np.ndarray)]
    first = arrays[0] if len(arrays) == len(columns) else None
    if first is None or any(array.dtype != first.dtype or array.strides != first.strides for array in arrays):
        return Columns(columns)
    addresses = [array.__array_interface__["data"][0] for array in arrays]
    distances = {after - before for before, after in pairwise(addresses)}
    if len(distances) > 1:
        return Columns(columns)
    return np.asarray(_Block(arrays, first.strides[0], distances.pop() if distances else first.nbytes))


def apart(array: "_Array | Columns") -> list[_Array]:
    """Return the arrays in memory that an array consists of: its columns, if it was put together of them.

    Parameters
    ----------
    array : ndarray, or Columns
        The array.

    Returns
    -------
    list of ndarray
        The columns, or the array alone.
    """
    if isinstance(array, Columns):
        return array.arrays()
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base.columns if isinstance(base, _Block) else [array]


class _Block:
    """What numpy takes for an array: columns at regular distances. The array keeps this object, and it the columns."""

    def __init__(self, columns: list[_Array], row_stride: int, column_stride: int) -> None:
        self.columns = columns
        self.__array_interface__ = columns[0].__array_interface__ | {
            "shape": (len(columns[0]), len(columns)),
            "strides": (row_stride, column_stride),
        }
