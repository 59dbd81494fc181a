"""Read a table of numbers from a file: CSV, Parquet or .npy, by the ending of its name."""

import codecs
import csv
import os
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import printable
from fastgd.inputs.csv_reader import MISSING, names_of, read_csv
from fastgd.inputs.indexes import categories
from fastgd.inputs.table import Names, PathLike, Table, TableError, choose_columns, not_finite, without_missing
from fastgd.kernels import tuning
from fastgd.rows.arrow import as_floats
from fastgd.saving.opening import opened

# A quoted cell on one line, without quotes inside.
_QUOTED = re.compile(rb'"(?<![^,\n]")[^"\r\n]*"(?![^,\r\n])')


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
    ending = os.path.splitext(os.fspath(path))[1].lower()
    if ending == ".parquet":
        return _read_parquet(path, columns, drop_missing, target)
    if ending == ".npy":
        return _read_npy(path, columns, drop_missing, target)
    # A pipe can be read once only.
    table = _read_plain_csv(path, columns, drop_missing, target) if os.path.isfile(path) else None
    return read_csv(path, columns, drop_missing, target=target) if table is None else table


def _read_plain_csv(path: PathLike, columns: Names, drop_missing: bool, target: str | None) -> Table | None:
    """Read a plain file by pyarrow; return None for anything that `read_csv` may read differently, or explain better."""
    try:
        from pyarrow import ArrowException
        from pyarrow.csv import ReadOptions
        from pyarrow.csv import read_csv as read_fast
    except ImportError:
        return None
    try:
        header, n_lines = _plain_header(path)
        names, places, left_out = choose_columns(columns, target, names_of(header, ""), "")
        numbered = [str(i) for i in range(len(header))]
        options = ReadOptions(column_names=numbered, skip_rows=1)
        numbers = read_fast(path, read_options=options, convert_options=as_numbers([numbered[i] for i in places]))
        values = np.empty((numbers.num_rows, len(names)))
        for j, column in enumerate(numbers.columns):
            values[:, j] = column.to_numpy()  # null becomes NaN
        n_missing = sum(column.null_count for column in numbers.columns)
        if not len(values) or np.count_nonzero(~np.isfinite(values)) != n_missing:
            return None
        if not n_missing:
            return Table(names, values, left_out)
        if not drop_missing or len(values) != n_lines - 1:  # there are empty lines, too
            return None
        return without_missing(Table(names, values, left_out, np.arange(2, n_lines + 1)), "")
    except (OSError, ValueError, ArrowException):
        return None


def _plain_header(path: PathLike) -> tuple[list[str], int]:
    """Return the header and the number of lines; a `ValueError` refuses what pyarrow and `read_csv` read differently."""
    header, n_lines = b"", 0
    with open(path, "rb") as file:
        while piece := file.read(tuning.CSV_PIECE_BYTES) + file.readline():
            if not n_lines:
                piece = piece.removeprefix(codecs.BOM_UTF8)
                header = piece.partition(b"\n")[0]
            n_lines += piece.count(b"\n") + (not piece.endswith(b"\n"))
            pairs_only = piece.count(b'"') == 2 * len(_QUOTED.findall(piece))
            if b"\0" in piece or piece.count(b"\r") != piece.count(b"\r\n") or not pairs_only:
                raise ValueError
            piece.decode()
    names = next(csv.reader([header.decode()], skipinitialspace=True), [])
    if len(names) < 2:  # an empty line in a single column is a missing value; the first line may be empty, too
        raise ValueError
    return names, n_lines


def as_numbers(names: list[str]) -> Any:
    """Return pyarrow's options to read these columns of a CSV file, and no others, as numbers."""
    from pyarrow.csv import ConvertOptions

    return ConvertOptions(column_types=dict.fromkeys(names, "float64"), include_columns=names, null_values=MISSING)


def _read_parquet(path: PathLike, columns: Names, drop_missing: bool, target: str | None) -> Table:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise TableError("Parquet files are read by pyarrow. Install it with: pip install 'fastgd[parquet]'.") from None
    name = printable(path)
    try:
        with opened(path, "a Parquet file", TableError), ParquetFile(path) as file:
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
            table = file.read(columns=names)
            values = np.empty((table.num_rows, len(names)))
            for j, column in enumerate(names):
                values[:, j] = as_floats(table.column(column)).to_numpy()  # null becomes NaN
    except ArrowException as error:
        raise TableError(f"{name} is no Parquet file ({str(error).splitlines()[0]}). Check the path.") from None
    return _checked(Table(names, values, left_out), drop_missing, name)


def holds_numbers(kind: Any) -> bool:
    """Return whether an Arrow type is one of numbers, of booleans, or of nothing but missing values."""
    from pyarrow import types

    kinds = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    return any(fits(kind) for fits in kinds)


def _read_npy(path: PathLike, columns: Names, drop_missing: bool, target: str | None) -> Table:
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
    values = np.empty((len(array), len(names)))
    for start in range(0, len(array), tuning.COPIED_ROWS):
        rows = slice(start, start + tuning.COPIED_ROWS)
        for j, part in enumerate(parts):
            values[rows, j] = part[rows]
    return _checked(Table(names, values, left_out), drop_missing, name)


def _checked(table: Table, drop_missing: bool, file_name: str) -> Table:
    """Refuse a table with infinities or without rows, and drop or refuse its rows with missing values, NaN."""
    if not len(table.values):
        raise TableError(f"{file_name} has no rows. Give a file that has at least one.")
    wrong = _first(np.isinf(table.values))
    if wrong is None and not drop_missing:
        wrong = _first(np.isnan(table.values))
    if wrong is not None:
        row, column = wrong
        number = table.values.item(row, column)
        where = f"{file_name}, row {row + 1}, column {table.names[column]!r}"
        raise TableError(f"{where}: {not_finite(number, str(number))}")
    return without_missing(table, file_name)


def _first(where: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Return the first row and column at which a mask is true."""
    row, column = divmod(int(where.argmax()), where.shape[1])
    return (row, column) if where.item(row, column) else None
