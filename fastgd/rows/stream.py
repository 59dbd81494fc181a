"""Rows that come in order, some at a time, from where they need not fit in memory."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.kernels.dense import dense
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.blocks import pairwise
from fastgd.rows.columns import Columns
from fastgd.rows.layout import lies_by_columns
from fastgd.rows.part import Batches, Part
from fastgd.rows.parts import PartedRows, Summary, merged, summarise

_Array = NDArray[Any]


class StreamRows(PartedRows):
    """A training set that a source gives.

    However the source cuts it into batches, it is read in chunks of a fixed number of rows: the same rows give the same bits.

    Parameters
    ----------
    source : Batches
        The source.
    n_threads : int, optional
        How many threads a pass may take.
    """

    def __init__(self, source: Batches, n_threads: int | None = None) -> None:
        super().__init__(source.n_features, source.n_expected)
        self.n_parts = source.n_expected
        self._source = source
        self._n_threads = n_threads

    def _summarised(self, of_rows: Callable[[ArrayRows], Any], merge: Callable[[Any, Any], Any]) -> Summary | None:
        summary: Summary | None = pairwise(self._summaries(of_rows), partial(merged, merge=merge))
        self.n_dropped = self._source.n_dropped
        return summary

    def _summaries(self, of_rows: Callable[[ArrayRows], Any]) -> Iterator[Summary]:
        for i, chunk in enumerate(self._chunks()):
            yield summarise(chunk, of_rows, self._n_threads, alone=i == 0)
            self._done(len(chunk.y))

    def _chunks(self) -> Iterator[Part]:
        return recut(self._source.batches(), self.n_features)


def recut(batches: Iterator[Part], n_features: int) -> Iterator[Part]:
    """Cut batches into chunks of a fixed number of rows, which depends on the shape and layout of the first.

    Parameters
    ----------
    batches : iterator of Part
        The batches.
    n_features : int
        The number of features.

    Yields
    ------
    Part
        The next chunk, to be done with before the one after it is asked for: parts of a batch, or what was copied together.
        All have the same number of rows, but the last may have fewer.
    """
    buffer: _Buffer | None = None
    n_rows = 0
    for X, y, s in batches:
        if not n_rows:
            by_columns = lies_by_columns(X)
            n_rows = chunk_rows(n_features, by_columns, tuning.STREAM_VALUES)
        start = 0
        while start < len(y):
            stop = min(len(y), start + n_rows - (buffer.n_filled if buffer else 0))
            part = Part(X[start:stop], y[start:stop], None if s is None else s[start:stop])
            start = stop
            if len(part.y) == n_rows:
                yield part
                continue
            if buffer is None:
                buffer = _Buffer(n_rows, n_features, by_columns, part)
            buffer.take(part)
            if buffer.n_filled == n_rows:
                yield buffer.part()
                buffer.n_filled = 0
    if buffer is not None and buffer.n_filled:
        yield buffer.part()


def chunk_rows(n_features: int, by_columns: bool, n_values: int) -> int:
    """Return how many rows a chunk has: 2^m blocks, so that sums of chunks are added as those of blocks are.

    Parameters
    ----------
    n_features : int
        The number of features.
    by_columns : bool
        Whether they lie column by column.
    n_values : int
        How many values a chunk has at most, unless a block has more.

    Returns
    -------
    int
        The number.
    """
    n_rows = dense(n_features, by_columns).block_rows(n_features)
    n_blocks = n_values // (n_rows * n_features)
    return n_rows << max(0, n_blocks.bit_length() - 1)


class _Buffer:
    """Rows that are copied together."""

    def __init__(self, n_rows: int, n_features: int, by_columns: bool, first: Part) -> None:
        dtype = np.float32 if first.X.dtype == np.float32 else np.float64
        self._X = np.empty((n_features, n_rows), dtype).T if by_columns else np.empty((n_rows, n_features), dtype)
        self._y = np.empty(n_rows)
        self._s = None if first.sample_weight is None else np.empty(n_rows)
        self.n_filled = 0

    def take(self, part: Part) -> None:
        """Copy rows behind those that are there."""
        X, y, s = part
        if self._X.dtype != X.dtype and self._X.dtype != np.float64:
            self._X = self._X.astype(np.float64)
        rows = slice(self.n_filled, self.n_filled + len(y))
        self.n_filled = rows.stop
        if isinstance(X, Columns):
            X.gather(slice(0, len(y)), out=self._X[rows].T)
        else:
            self._X[rows] = X.reshape(len(y), -1)
        self._y[rows] = y
        if self._s is not None:
            self._s[rows] = s

    def part(self) -> Part:
        """Return the rows that are there, in place."""
        rows = slice(0, self.n_filled)
        return Part(self._X[rows], self._y[rows], None if self._s is None else self._s[rows])
