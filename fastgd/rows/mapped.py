"""Memory maps: read in order, ahead of the sums, and never without a look at the size of their file."""

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.rows.columns import Columns
from fastgd.rows.layout import lies_by_columns
from fastgd.rows.maps import check, maps
from fastgd.rows.part import Part
from fastgd.rows.stream import StreamRows, chunk_rows

_Array = NDArray[Any]

_WILL_NEED = getattr(mmap, "MADV_WILLNEED", None)


class MappedRows(StreamRows):
    """A training set of which some arrays are memory maps: its chunks are read in place.

    Parameters
    ----------
    X, y, sample_weight
        As of `Mapped`.
    n_threads : int, optional
        How many threads a pass may take.
    """

    def __init__(
        self, X: _Array | Columns, y: _Array, sample_weight: _Array | None, n_threads: int | None = None
    ) -> None:
        super().__init__(Mapped(X, y, sample_weight), n_threads)

    def _chunks(self) -> Iterator[Part]:
        return self._source.batches()


class Mapped:
    """A training set of which some arrays are memory maps.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features) or (n_samples,), real, or Columns
        The features.
    y : ndarray of shape (n_samples,), real
        The target.
    sample_weight : ndarray of shape (n_samples,), real, or None
        The sample weights.
    """

    n_dropped = 0

    def __init__(self, X: _Array | Columns, y: _Array, sample_weight: _Array | None) -> None:
        self.n_expected, self.n_features = (*X.shape, 1)[:2]
        self._X = X
        self._y = y
        self._s = sample_weight
        self._maps = maps((X, y, sample_weight))

    def batches(self) -> Iterator[Part]:
        """Go through the rows, in their order, a chunk at a time.

        Yields
        ------
        Part
            The next rows, in place.

        Raises
        ------
        ValueError
            If a file has become too short.
        """
        check([file for _, file in self._maps])
        n_rows = chunk_rows(self.n_features, lies_by_columns(self._X), tuning.MAPPED_VALUES)
        self._ask_for(slice(0, n_rows))
        for start in range(0, self.n_expected, n_rows):
            rows = slice(start, start + n_rows)
            self._ask_for(slice(rows.stop, rows.stop + n_rows))
            yield Part(self._X[rows], self._y[rows], None if self._s is None else self._s[rows])

    def _ask_for(self, rows: slice) -> None:
        """Let the system read rows, while others are summed."""
        if _WILL_NEED is None:
            return
        for array, (file, *_) in self._maps:
            begin = np.frombuffer(file, np.uint8).ctypes.data
            pieces = array[rows]
            for piece in pieces.T if lies_by_columns(pieces) else [pieces]:
                low, high = np.lib.array_utils.byte_bounds(piece) if piece.size else (0, 0)
                if high - low >= tuning.MIN_ADVICE:
                    low = (low - begin) // mmap.PAGESIZE * mmap.PAGESIZE
                    for start in range(low, high - begin, tuning.MAX_ADVICE):
                        file.madvise(_WILL_NEED, start, min(tuning.MAX_ADVICE, high - begin - start))
