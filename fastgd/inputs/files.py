"""Read a table of numbers from a file: CSV, Parquet or .npy, by the ending of its name."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import printable
from fastgd.inputs.csv_reader import NO_ROWS, csv_tables
from fastgd.inputs.indexes import categories
from fastgd.inputs.plain_csv import NotPlainError, plain_tables
from fastgd.inputs.table import (
    Names,
    PathLike,
    Table,
    TableError,
    choose_columns,
    joined,
    not_finite,
    with_rows,
    without_missing,
)
from fastgd.kernels import tuning
from fastgd.rows.arrow import as_floats
from fastgd.saving.opening import opened


def read_table(
    path: PathLike, columns: Names = None, drop_missing: bool = False, *, target: str | None = None
) -> Table:
    """Read columns of a file as numbers.

    Parameters
    ----------
    path : str or path-like
        The file: Parquet if its name ends in ``.parquet``, an array if in ``.npy``, and otherwise CSV, as `read_csv` reads
        it; by pyarrow where it is installed and the file is a plain one.
    columns : sequence of str, optional
        The columns to read, in the order wanted. By default all but `target` and the index of a data frame (see
        `fastgd.inputs.indexes.index_columns`), in the order of the file. Those of an array are numbered from 0, or have the
        names of its fields.
    drop_missing : bool, default False
        Whether to drop a row in which one of the columns has a missing value, rather than to refuse the file.
    target : str, optional
        A column that is read besides `columns`, and put last.

    Returns
    -------
    Table
        The columns.

    Raises
    ------
    TableError
        If the file cannot be read, has no such columns, or has something in them that is not a finite number.
    """
    return joined(read_tables(path, columns, drop_missing, target=target))


def read_tables(
    path: PathLike, columns: Names = None, drop_missing: bool = False, *, target: str | None = None
) -> Iterator[Table]:
    """Read what `read_table` does, some MB at a time: a table for each of them, one at least."""
    ending = os.path.splitext(os.fspath(path))[1].lower()
    read = {".parquet": _parquet_tables, ".npy": _npy_tables}.get(ending, _csv_tables)
    return with_rows(
        read(path, columns, drop_missing, target), printable(path), NO_ROWS if read is _csv_tables else "no rows"
    )


def _csv_tables(path: PathLike, columns: Names, drop_missing: bool, target: str | None) -> Iterator[Table]:
    n_done = 0
    if os.path.isfile(path):  # a pipe can be read once only
        try:
            for table in plain_tables(path, columns, drop_missing, target):
                yield table
                n_done += len(table.values) + table.n_dropped
            return
        except NotPlainError:
            pass
    yield from csv_tables(path, columns, drop_missing, target, n_done)


def _parquet_tables(path: PathLike, columns: Names, drop_missing: bool, target: str | None) -> Iterator[Table]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise TableError("Parquet files are read by pyarrow. Install it with: pip install 'fastgd[parquet]'.") from None
    name = printable(path)
    try:
        # Not a whole row group at a time, which `pre_buffer` would read.
        options = {"buffer_size": tuning.PARQUET_BUFFER_BYTES, "pre_buffer": False}
        with opened(path, "a Parquet file", TableError), ParquetFile(path, **options) as file:
            schema = file.schema_arrow
            names, _, left_out = choose_columns(columns, target, schema.names, name, schema.metadata)
            if not file.metadata.num_rows:
                raise TableError(f"{name} has no rows. Give a file that has at least one.")
            encoded = categories(schema.metadata)
            for column in names:
                kind = "category" if column in encoded else schema.field(column).type
                if column in encoded or not holds_numbers(kind):
                    raise TableError(
                        f"{name}, column {column!r}: {kind} is not a number. Correct it, or choose other columns."
                    )
            first = 0
            for batch in file.iter_batches(max(1, tuning.READ_VALUES // len(names)), columns=names):
                values = np.empty((len(batch), len(names)))
                for j, column in enumerate(names):
                    values[:, j] = as_floats(batch.column(column)).to_numpy(zero_copy_only=False)  # null becomes NaN
                yield _checked(Table(names, values, left_out), drop_missing, name, first)
                first += len(batch)
    except ArrowException as error:
        raise TableError(f"{name} is no Parquet file ({str(error).splitlines()[0]}). Check the path.") from None


def holds_numbers(kind: Any) -> bool:
    """Return whether an Arrow type is one of numbers, of booleans, or of nothing but missing values."""
    from pyarrow import types

    kinds = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    return any(fits(kind) for fits in kinds)


def _npy_tables(path: PathLike, columns: Names, drop_missing: bool, target: str | None) -> Iterator[Table]:
    name = printable(path)
    try:
        with opened(path, "an array", TableError):
            array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except TableError:
        raise
    except Exception as error:  # numpy raises several kinds
        raise TableError(f"{name} is no array that can be read ({error}). Write it by numpy.save.") from None
    fields = array.dtype.names if array.ndim == 1 else None
    if not fields and array.ndim != 2:
        raise TableError(f"{name} has shape {array.shape}, but rows and columns are expected. Reshape it.")
    known = list(fields or map(str, range(array.shape[1])))
    names, places, left_out = choose_columns(columns, target, known, name)
    parts = [array[known[place]] if fields else array[:, place] for place in places]
    for column, part in zip(names, parts, strict=True):
        if part.dtype.kind not in "?biuf" or part.ndim != 1 or part.dtype.itemsize > 8:
            raise TableError(f"{name}, column {column!r}: {part.dtype} is not a number. Choose other columns.")
    n_rows = max(1, tuning.READ_VALUES // max(1, len(names)))
    for start in range(0, len(array), n_rows):
        values = np.empty((min(n_rows, len(array) - start), len(names)))
        for j, part in enumerate(parts):
            values[:, j] = part[start : start + n_rows]
        yield _checked(Table(names, values, left_out), drop_missing, name, start)


def _checked(table: Table, drop_missing: bool, file_name: str, first: int) -> Table:
    """Refuse infinities, and drop or refuse rows with missing values, NaN, in rows of a file from the `first` on."""
    wrong = _first(np.isinf(table.values) if drop_missing else ~np.isfinite(table.values))
    if wrong is not None:
        row, column = wrong
        number = table.values.item(row, column)
        where = f"{file_name}, row {first + row + 1}, column {table.names[column]!r}"
        raise TableError(f"{where}: {not_finite(number, str(number))}")
    return without_missing(table, np.arange(first, first + len(table.values)) + 1) if drop_missing else table


def _first(where: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Return the first row and column at which a mask is true."""
    row, column = divmod(int(where.argmax()), where.shape[1])
    return (row, column) if where.item(row, column) else None
