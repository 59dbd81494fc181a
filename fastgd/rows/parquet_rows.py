"""Rows in Parquet files: decoded by pyarrow, row groups side by side, and summed while they are in cache."""

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.rows import parallel, threads
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.blocks import Blocks, Fold
from fastgd.rows.parquet_columns import OpenFiles, ParquetTable, RowGroup, decoded
from fastgd.rows.part import Part
from fastgd.rows.parts import PartedRows, Summary, merged, summarise
from fastgd.rows.stream import chunk_rows

_Array = NDArray[Any]


class ParquetRows(PartedRows):
    """A training set in Parquet files.

    Threads decode row groups side by side. The rows are cut into chunks across row groups and files, so that these make no
    difference to the sums.

    Parameters
    ----------
    table : ParquetTable
        What to read.
    n_threads : int, optional
        How many threads a pass may take.
    """

    unit = "row group"

    def __init__(self, table: ParquetTable, n_threads: int | None) -> None:
        self._n_rows = sum(group.n_rows for group in table.groups)
        super().__init__(table.n_features, self._n_rows)
        self._table = table
        self._n_threads = n_threads
        self.n_parts = len(table.groups)

    def _summarised(self, of_rows: Callable[[ArrayRows], Any], merge: Callable[[Any, Any], Any]) -> Summary | None:
        table = self._table
        table.check()
        if not self._n_rows:
            return None
        n_threads = threads.effective(self._n_threads)
        blocks = Blocks(self._n_rows, chunk_rows(self.n_features, True, tuning.PARQUET_VALUES))
        fold = Fold(len(blocks), partial(merged, merge=merge))
        chunks = _Chunks(blocks, table)
        runs = _runs(table.groups, blocks.n_rows // tuning.PARQUET_RUN_PART)
        # With few of them there is something for each thread to do within them only.
        within = len(runs) < 2 * n_threads and n_threads > 1

        def do(i: int) -> None:
            first, groups = runs[i]
            for batch in _batches(table, files.at(groups[0].path), groups, blocks.n_rows, within):
                for number, part in chunks.put(first, batch):
                    fold.add(number, summarise(part, of_rows, 1, alone=len(blocks) == 1))
                    chunks.give_back(number)
                first += len(batch.y)
            self._done(len(groups))

        with OpenFiles() as files:
            parallel.share(do, range(len(runs)), n_threads)
        summary: Summary = fold.total()
        self.n_dropped = self._n_rows - summary.n_samples
        return summary if summary.n_samples else None


def _runs(groups: Sequence[RowGroup], n_rows: int) -> list[tuple[int, list[RowGroup]]]:
    """Put neighbours in a file together that have no more than `n_rows`, and say at which row of all they begin."""
    runs: list[tuple[int, list[RowGroup]]] = []
    first = n_together = 0
    for group in groups:
        n_together += group.n_rows
        if runs and n_together <= n_rows and group.path == runs[-1][1][0].path:
            runs[-1][1].append(group)
        else:
            runs.append((first, [group]))
            n_together = group.n_rows
        first += group.n_rows
    return runs


class _Batch(NamedTuple):
    """Rows as they are decoded, column by column."""

    X: list[_Array]
    y: _Array
    s: _Array | None
    missing: _Array | None  # where a value is


def _batches(table: ParquetTable, file: Any, groups: list[RowGroup], n_rows: int, within: bool) -> Iterator[_Batch]:
    """Decode row groups of a file, some rows at a time."""
    k = table.n_features
    for columns, missing in decoded(table, file, groups, n_rows, within):
        yield _Batch(columns[:k], columns[k], columns[k + 1] if len(columns) > k + 1 else None, missing)


class _Chunk:
    """Rows that are to be summed together, while they come in."""

    def __init__(self, table: ParquetTable, n_rows: int) -> None:
        self.X = np.empty((table.n_features, n_rows), table.dtype)
        self.y = np.empty(n_rows)
        self.s = np.empty(n_rows) if len(table.names) > table.n_features + 1 else None
        self.keep = np.ones(n_rows, bool) if table.drop_missing else None

    def part(self, n_rows: int) -> Part:
        """Return the first rows, without those that have missing values."""
        rows: Any = slice(0, n_rows)
        if self.keep is not None and not self.keep[rows].all():
            rows = np.flatnonzero(self.keep[rows])
        return Part(self.X[:, rows].T, self.y[rows], None if self.s is None else self.s[rows])


class _Chunks:
    """The chunks that some rows have come in of."""

    def __init__(self, blocks: Blocks, table: ParquetTable) -> None:
        self._blocks = blocks
        self._table = table
        self._open: dict[int, _Chunk] = {}
        self._to_come: dict[int, int] = {}
        self._free: list[_Chunk] = []
        self._lock = threading.Lock()

    def put(self, first: int, batch: _Batch) -> Iterator[tuple[int, Part]]:
        """Copy rows to their chunks, and yield the chunks that are complete with that, and their numbers."""
        at, n = 0, len(batch.y)
        while at < n:
            number = (first + at) // self._blocks.n_rows
            start, stop = self._blocks[number]
            there = slice(first + at - start, min(first + n, stop) - start)
            here = slice(at, at + there.stop - there.start)
            at = here.stop
            with self._lock:
                chunk = self._open.get(number)
                if chunk is None:
                    chunk = self._free.pop() if self._free else _Chunk(self._table, self._blocks.n_rows)
                    self._open[number] = chunk
                    self._to_come[number] = stop - start
            for j, values in enumerate(batch.X):
                chunk.X[j, there] = values[here]
            chunk.y[there] = batch.y[here]
            if chunk.s is not None and batch.s is not None:
                chunk.s[there] = batch.s[here]
            if chunk.keep is not None:
                chunk.keep[there] = True if batch.missing is None else ~batch.missing[here]
            with self._lock:
                self._to_come[number] -= here.stop - here.start
                complete = not self._to_come[number]
            if complete:
                yield number, chunk.part(stop - start)

    def give_back(self, number: int) -> None:
        """Let a chunk be used again."""
        with self._lock:
            self._free.append(self._open.pop(number))
            del self._to_come[number]
