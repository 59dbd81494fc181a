"""Reading a table of numbers from a file: CSV, Parquet, or numpy's .npy, by the ending of its name."""

import codecs
import csv
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import counted, printable
from fastgd.inputs.csv_reader import MISSING, Table, TableError, names_of, opened, read_csv, wanted_columns
from fastgd.kernels import tuning
from fastgd.rows.arrow import as_floats

# A cell in quotes, without any in it, on one line.
_QUOTED = re.compile(rb'"(?<![^,\n]")[^"\r\n]*"(?![^,\r\n])')


def read_table(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    drop_missing: bool = False,
    *,
    target: str | None = None,
) -> Table:
    """Read columns of a file.

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
    # What comes through a pipe can be read once only.
    table = _read_plain_csv(path, columns, drop_missing, target) if os.path.isfile(path) else None
    return read_csv(path, columns, drop_missing, target=target) if table is None else table


def _read_plain_csv(
    path: str | os.PathLike[str], columns: Sequence[str] | None, drop_missing: bool, target: str | None
) -> Table | None:
    """Read a file of numbers by pyarrow; None if there is anything else, which is left to `read_csv`."""
    try:
        from pyarrow import ArrowException
        from pyarrow.csv import ConvertOptions, ReadOptions
        from pyarrow.csv import read_csv as read_fast
    except ImportError:
        return None
    try:
        header, n_lines = _plain_header(path)
        known = names_of(header, "")
        names, positions, left_out = wanted_columns(columns, target, known, "")
        numbered = [str(i) for i in range(len(known))]
        wanted = [numbered[i] for i in positions]
        table = read_fast(
            path,
            read_options=ReadOptions(column_names=numbered, skip_rows=1),
            convert_options=ConvertOptions(
                column_types=dict.fromkeys(wanted, "float64"), include_columns=wanted, null_values=MISSING
            ),
        )
        values = np.empty((table.num_rows, len(names)))
        for j, column in enumerate(table.columns):
            values[:, j] = column.to_numpy()  # null becomes NaN
    except (OSError, ValueError, ArrowException):
        return None
    n_missing = sum(column.null_count for column in table.columns)
    if not len(values) or np.count_nonzero(~np.isfinite(values)) != n_missing:
        return None
    if not n_missing:
        return Table(names, values, None, 0, left_out)
    keep = ~np.isnan(values).any(axis=1)
    if not drop_missing or not keep.any() or len(values) != n_lines - 1:  # there are empty lines, too
        return None
    return Table(names, values[keep], np.flatnonzero(keep) + 2, int((~keep).sum()), left_out)


def _plain_header(path: str | os.PathLike[str]) -> tuple[list[str], int]:
    """Return the header of a file, and the number of lines, if it is UTF-8 without anything that readers differ about."""
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
    if len(names) < 2:  # a single column may hold empty lines, which are missing values; a first line may be empty, too
        raise ValueError
    return names, n_lines


def _read_parquet(
    path: str | os.PathLike[str], columns: Sequence[str] | None, drop_missing: bool, target: str | None
) -> Table:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise TableError("Parquet files are read by pyarrow. Install it with: pip install 'fastgd[parquet]'.") from None
    name = printable(path)
    try:
        with opened(path, "a Parquet file"), ParquetFile(path) as file:
            schema = file.schema_arrow
            names, _, left_out = wanted_columns(columns, target, schema.names, name, schema.metadata)
            if not file.metadata.num_rows:
                raise TableError(f"{name} has no rows. Give a file that has at least one.")
            for column in names:
                kind = schema.field(column).type
                if not holds_numbers(kind):
                    raise TableError(
                        f"{name}, column {column!r}: {kind} is not a number. Correct it, or choose other columns."
                    )
            table = file.read(columns=names)
            values = np.empty((table.num_rows, len(names)))
            for j, column in enumerate(names):
                values[:, j] = as_floats(table.column(column)).to_numpy()  # null becomes NaN
    except ArrowException as error:
        raise TableError(f"{name} is no Parquet file ({str(error).splitlines()[0]}). Check the path.") from None
    return _complete(values, names, drop_missing, name)._replace(left_out=left_out)


def holds_numbers(kind: Any) -> bool:
    """Tell whether a column of a Parquet file can be read as numbers.

    Parameters
    ----------
    kind : pyarrow.DataType
        Its type.

    Returns
    -------
    bool
        Whether it holds numbers or booleans, or has no type, as where all values are missing.
    """
    from pyarrow import types

    kinds = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    return any(fits(kind) for fits in kinds)


def _read_npy(
    path: str | os.PathLike[str], columns: Sequence[str] | None, drop_missing: bool, target: str | None
) -> Table:
    name = printable(path)
    try:
        with opened(path, "an array"):
            array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # numpy raises several kinds; the system's own have been reported
        if isinstance(error, TableError):
            raise
        raise TableError(f"{name} is no array that can be read ({error}). Write it by numpy.save.") from None
    if array.dtype.names and array.ndim == 1:
        names, _, left_out = wanted_columns(columns, target, list(array.dtype.names), name)
        parts = [array[column] for column in names]
    elif array.ndim == 2:
        names, positions, left_out = wanted_columns(columns, target, [str(j) for j in range(array.shape[1])], name)
        parts = [array[:, j] for j in positions]
    else:
        raise TableError(f"{name} has shape {array.shape}, but rows and columns are expected. Reshape it.")
    values = np.empty((len(array), len(names)))
    for j, part in enumerate(parts):
        if part.dtype.kind not in "?biuf" or part.ndim != 1:
            raise TableError(f"{name}, column {names[j]!r}: {part.dtype} is not a number. Choose other columns.")
        for start in range(0, len(part), tuning.COPIED_ROWS):
            values[start : start + tuning.COPIED_ROWS, j] = part[start : start + tuning.COPIED_ROWS]
    return _complete(values, names, drop_missing, name)._replace(left_out=left_out)


def _complete(values: NDArray[np.float64], names: list[str], drop_missing: bool, name: str) -> Table:
    """Refuse or drop what is missing, NaN, and refuse what is infinite."""
    if not len(values):
        raise TableError(f"{name} has no rows. Give a file that has at least one.")
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0].tolist()
        raise TableError(
            f"{name}, row {row + 1}, column {names[column]!r}: {values[row, column]} is not finite. Correct it, or leave it "
            "empty if it is not known."
        )
    missing = np.isnan(values).any(axis=1)
    if not missing.any():
        return Table(names, values, np.arange(1, len(values) + 1), 0)
    row = int(missing.argmax())
    if not drop_missing:
        column = int(np.isnan(values[row]).argmax())
        raise TableError(
            f"{name}, row {row + 1}, column {names[column]!r}: a value is missing. Fill it in, or drop such rows with "
            "--drop-missing."
        )
    if missing.all():
        raise TableError(
            f"{name} has {counted(len(values), 'row')}, but a value is missing in each. Fill in the values."
        )
    return Table(names, values[~missing], np.flatnonzero(~missing) + 1, int(missing.sum()))
