"""Reading a table of numbers from a CSV file."""

import csv
import difflib
import math
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_MISSING = frozenset(("", "na", "nan", "null"))
_MOST_CHARACTERS, _MOST_NAMES = 40, 20


class TableError(ValueError):
    """A table that cannot be read: one line that says where, what was found, what was expected and what to do."""


class Table(NamedTuple):
    """Columns of a table."""

    names: list[str]
    """The names of the columns."""
    values: NDArray[np.float64]
    """The numbers, all finite, shape (n_rows, n_columns), row-major."""
    lines: NDArray[np.int64] | None
    """The line of the file in which each row ends, or the row of a file without lines, counted from 1, shape (n_rows,); None if
    nobody looked, as no row was dropped."""
    n_dropped: int
    """How many rows were dropped because a value is missing."""


def read_csv(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    drop_missing: bool = False,
    *,
    target: str | None = None,
) -> Table:
    """Read columns of a CSV file: UTF-8, cells separated by commas, a header line with the names of the columns.

    Only the columns asked for have to hold numbers. An empty cell, NA, NaN and null, in any case, are missing
    values. Blanks around names and numbers do not matter. Empty lines are skipped, but in a file of one column
    they are missing values.

    Parameters
    ----------
    path : str or path-like
        The file.
    columns : sequence of str, optional
        The columns to read, in the order wanted. All but `target` by default, in the order of the file.
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
        If the file cannot be read, has no such columns, or has a cell in them that is not a finite number.
    """
    with (
        opened(path, "a CSV file"),
        open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file,
    ):
        return _read(file, printable(path), columns, drop_missing, target)


def printable(path: str | os.PathLike[str]) -> str:
    """Return the name of a file as it can stand in a line of text.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    str
        Its name.
    """
    name = os.fspath(path)
    return name if name and name.isprintable() else repr(name)


@contextmanager
def opened(path: str | os.PathLike[str], expected: str) -> Iterator[None]:
    """Say what is wrong with a file that cannot be opened or read within this context.

    Parameters
    ----------
    path : str or path-like
        The file.
    expected : str
        What it should be.

    Raises
    ------
    TableError
        If it cannot be.
    """
    name = printable(path)
    try:
        yield
    except FileNotFoundError:
        raise TableError(f"there is no file {name}, but {expected} is expected. Check the path.") from None
    except IsADirectoryError:
        raise TableError(f"{name} is a directory, but {expected} is expected. Give a file in it.") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise TableError(f"{name} cannot be read: {reason}. Check the path and the permissions.") from None


def _read(
    file: Iterable[str], file_name: str, columns: Sequence[str] | None, drop_missing: bool, target: str | None
) -> Table:
    reader = csv.reader(_utf8_lines(file, file_name), skipinitialspace=True, strict=True)
    cells, lines = array("d"), array("q")
    n_dropped = 0
    try:
        header = next((row for row in reader if row), None)
        if header is None:
            raise TableError(f"{file_name} is empty, but a header line and rows are expected. Check the path.")
        header = names_of(header, f"{file_name}, line {reader.line_num}")
        if columns is None:
            columns = [column for column in header if column != target]
        names = [*columns] if target is None else [*columns, target]
        positions = column_positions(names, header, file_name)
        for row in reader:
            if not row:
                if len(header) > 1:
                    continue
                row = [""]
            where = f"{file_name}, line {reader.line_num}"
            if len(row) != len(header):
                raise TableError(
                    f"{where}: {len(row)} cell{'s' * (len(row) > 1)} found, but the header has {len(header)}. "
                    "Correct the line; text with a comma in it belongs in double quotes."
                )
            numbers = _numbers(row, positions, header, drop_missing, where)
            if numbers is None:
                n_dropped += 1
            else:
                cells.extend(numbers)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise TableError(f"{file_name}, line {reader.line_num}: this is not CSV ({error}). Correct the line.") from None
    if not lines and n_dropped:
        raise TableError(
            f"{file_name} has {n_dropped} row{'s' * (n_dropped > 1)}, but a value is missing in each. "
            "Fill in the values, or choose other columns."
        )
    if not lines:
        raise TableError(f"{file_name} has a header line, but no rows. Give a file that has at least one.")
    values = np.frombuffer(cells, dtype=np.float64).reshape(len(lines), len(names))
    return Table(names, values, np.frombuffer(lines, dtype=np.int64), n_dropped)


def _utf8_lines(file: Iterable[str], file_name: str) -> Iterator[str]:
    """Pass on the lines of a file opened with ``errors="surrogateescape"``, up to one that is not UTF-8.

    Without that handler the error would come for a chunk of the file, and the line would not be known.
    """
    for number, line in enumerate(file, 1):
        if not line.isascii():
            try:
                line.encode()
            except UnicodeEncodeError as error:
                byte = ord(line[error.start]) - 0xDC00
                raise TableError(
                    f"{file_name}, line {number}: the byte 0x{byte:02x} is not UTF-8. Save the file as CSV in UTF-8."
                ) from None
        yield line


def names_of(header: list[str], where: str) -> list[str]:
    """Check the names of columns.

    Parameters
    ----------
    header : list of str
        The cells of the header.
    where : str
        Where it stands.

    Returns
    -------
    list of str
        The names, without blanks around them.

    Raises
    ------
    TableError
        If a column has none, or two have the same.
    """
    numbers: dict[str, int] = {}
    for number, cell in enumerate(header, 1):
        name = cell.strip()
        if not name:
            raise TableError(f"{where}: column {number} has no name. Name it, or delete the column.")
        if name in numbers:
            raise TableError(f"{where}: columns {numbers[name]} and {number} are both {_shown(name)}. Rename one.")
        numbers[name] = number
    return list(numbers)


def column_positions(names: Sequence[str], header: list[str], file_name: str) -> list[int]:
    """Find columns.

    Parameters
    ----------
    names : sequence of str
        Their names.
    header : list of str
        The names of all columns.
    file_name : str
        The file that has them.

    Returns
    -------
    list of int
        Their places.

    Raises
    ------
    TableError
        If one is not there; with what there is, and what may have been meant.
    """
    return [_position(name, header, file_name) for name in names]


def _position(name: str, header: list[str], file_name: str) -> int:
    if name in header:
        return header.index(name)
    known = {column.lower(): column for column in header}
    close = difflib.get_close_matches(name.lower(), known, 1)
    hint = f" Did you mean {_shown(known[close[0]])}?" if close else ""
    there = ", ".join(map(_shown, header[:_MOST_NAMES]))
    more = f" and {len(header) - _MOST_NAMES} more" if len(header) > _MOST_NAMES else ""
    raise TableError(f"{file_name} has no column {_shown(name)}, but {there}{more}.{hint}")


def _numbers(
    row: list[str], positions: list[int], header: list[str], drop_missing: bool, where: str
) -> list[float] | None:
    """Read the cells of a row, or return None if the row is to be dropped."""
    numbers = []
    complete = True
    for position in positions:
        text = row[position]
        try:
            number = float(text)
            valid = "_" not in text  # 1_000 is a number to Python alone
        except ValueError:
            number = math.nan
            valid = text.strip().lower() in _MISSING
        if not valid:
            problem = f"{_shown(text)} is not a number. Correct it, or choose other columns"
        elif math.isfinite(number):
            numbers.append(number)
            continue
        elif math.isinf(number):
            problem = f"{_shown(text)} is not finite. Correct it, or leave it empty if it is not known"
        elif drop_missing:
            complete = False
            continue
        else:
            problem = "a value is missing. Fill it in, or drop such rows with --drop-missing"
        raise TableError(f"{where}, column {_shown(header[position])}: {problem}.")
    return numbers if complete else None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 3] + "...")
