"""Columns of Parquet files, decoded by pyarrow; nothing here needs numba."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.rows.arrow import as_floats

_Array = NDArray[Any]


class RowGroup(NamedTuple):
    """Rows that a file holds together."""

    path: str
    """The file."""
    number: int
    """Which of its row groups."""
    n_rows: int
    """How many rows it has."""


class ParquetTable(NamedTuple):
    """What to read of files."""

    groups: Sequence[RowGroup]
    """The row groups, in their order."""
    names: list[str]
    """The columns: the features, and then, as far as there are any, the target and the sample weights."""
    n_features: int
    """How many of them are features."""
    dtype: Any
    """As what features are read: float32 where all of them are, else float64."""
    drop_missing: bool
    """Whether rows with missing values are left out, rather than refused."""
    check: Callable[[], None]
    """Finds out, before each pass, whether the files are still there as they were."""


class OpenFiles:
    """The file that each thread reads, open from one row group to the next: its footer is parsed once then."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[str, Any]] = {}

    def __enter__(self) -> "OpenFiles":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        for _path, file in self._open.values():
            file.close()

    def at(self, path: str) -> Any:
        """Return a file, open for the calling thread, which is through with the one before it."""
        from pyarrow.parquet import ParquetFile

        thread = threading.get_ident()
        if thread in self._open:
            known, file = self._open[thread]
            if known == path:
                return file
            file.close()
        file = ParquetFile(path, buffer_size=tuning.PARQUET_BUFFER_BYTES, pre_buffer=False)
        self._open[thread] = path, file
        return file


def decoded(
    table: ParquetTable, file: Any, groups: list[RowGroup], n_rows: int, within: bool
) -> Iterator[tuple[list[_Array], _Array | None]]:
    """Decode the columns of row groups, and say where a value is missing."""
    numbers = [group.number for group in groups]
    first = 0
    for batch in file.iter_batches(n_rows, row_groups=numbers, columns=table.names, use_threads=within):
        columns, missing = [], None
        for name in table.names:
            values, absent = numbers_of(batch.column(name))
            if absent is not None:
                if not table.drop_missing:
                    raise missing_value(name, groups[0].path, _place(first + int(absent.argmax()), groups))
                missing = absent if missing is None else missing | absent
            if table.drop_missing and values.dtype.kind == "f":
                nan = np.isnan(values)
                if nan.any():
                    missing = nan if missing is None else missing | nan
            columns.append(values)
        first += len(batch)
        yield columns, missing


def columns_in_order(table: ParquetTable) -> Iterator[list[_Array]]:
    """Decode the columns of files in the order of their rows, some rows at a time.

    Parameters
    ----------
    table : ParquetTable
        What to read.

    Yields
    ------
    list of ndarray of shape (n,)
        The columns of the next rows, without those in which a value is missing, if these are to be left out.
    """
    table.check()
    n_rows = max(1, tuning.PARQUET_VALUES // len(table.names))
    with OpenFiles() as files:
        for path, groups in itertools.groupby(table.groups, lambda group: group.path):
            for columns, missing in decoded(table, files.at(path), list(groups), n_rows, True):
                yield columns if missing is None else [values[~missing] for values in columns]


def _place(row: int, groups: list[RowGroup]) -> str:
    """Say in which of row groups a row is."""
    starts = np.cumsum([0, *(group.n_rows for group in groups)])
    i = int(np.searchsorted(starts, row, side="right")) - 1
    return f"row {row - starts[i]} of row group {groups[i].number}"


def numbers_of(column: Any) -> tuple[_Array, _Array | None]:
    """Return the values of a pyarrow array as numpy's.

    Parameters
    ----------
    column : pyarrow.Array
        The array, of numbers or booleans.

    Returns
    -------
    values : ndarray of shape (n,)
        The values, in place where none is missing.
    missing : ndarray of shape (n,), bool, or None
        Where one is missing, if there are any.
    """
    missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    if missing is not None or hasattr(column.type, "scale"):
        column = as_floats(column)
    return column.to_numpy(zero_copy_only=False), missing


def missing_value(name: str, path: str, where: str) -> ValueError:
    """Return what is raised where a value is missing.

    Parameters
    ----------
    name, path, where : str
        Column, file and place in it.

    Returns
    -------
    ValueError
        The error.
    """
    return ValueError(
        f"Column {name!r} of {path} has a missing value in {where} (counted from 0). Fill it in, or give drop_missing=True to "
        "leave such rows out."
    )
