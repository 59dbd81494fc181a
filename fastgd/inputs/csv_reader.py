"""Reading a table of numbers from a CSV file."""

import csv
import difflib
import math
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import counted, printable
from fastgd.inputs.indexes import index_columns

# What stands for a missing value, as in pandas: in small letters, and in any mixture of small and capital ones.
_MISSING = {"", "na", "nan", "-nan", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "null", "none"}
_MISSING |= {"1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"}
MISSING = sorted({"".join(letters) for text in _MISSING for letters in product(*zip(text, text.upper(), strict=True))})

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
    """The line of the file in which each row ends, or the row of a file without lines, counted from 1, shape (n_rows,); None
    if they were not counted, as no row was dropped."""
    n_dropped: int
    """How many rows were dropped because a value is missing."""
    left_out: Sequence[str] = ()
    """The columns that were left out as they are the index of a data frame."""


def read_csv(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    drop_missing: bool = False,
    *,
    target: str | None = None,
) -> Table:
    """Read columns of a CSV file: UTF-8, cells separated by commas, a header line with the names of the columns.

    Only the columns that are read have to hold numbers. An empty cell, NA, NaN, null, None, N/A, #N/A and whatever else
    pandas takes for a missing value are missing values, in upper or lower case. Blanks around names and numbers do not
    matter. Empty lines are skipped, but in a file of one column they are missing values.

    Parameters
    ----------
    path : str or path-like
        The file.
    columns : sequence of str, optional
        The columns to read, in the order wanted. By default all but `target` and the index of a data frame (see
        `fastgd.inputs.indexes.index_columns`), in the order of the file.
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
        names, positions, left_out = wanted_columns(columns, target, header, file_name)
        for row in reader:
            if not row:
                if len(header) > 1:
                    continue
                row = [""]
            where = f"{file_name}, line {reader.line_num}"
            if len(row) != len(header):
                raise TableError(
                    f"{where}: {counted(len(row), 'cell')} found, but the header has {len(header)}. "
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
            f"{file_name} has {counted(n_dropped, 'row')}, but a value is missing in each. "
            "Fill in the values, or choose other columns."
        )
    if not lines:
        raise TableError(f"{file_name} has a header line, but no rows. Give a file that has at least one.")
    values = np.frombuffer(cells, dtype=np.float64).reshape(len(lines), len(names))
    return Table(names, values, np.frombuffer(lines, dtype=np.int64), n_dropped, left_out)


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
        The names, without blanks around them; "" for columns without one that stand before one with a name.

    Raises
    ------
    TableError
        If another column has none, or two have the same.
    """
    names = [cell.strip() for cell in header]
    numbers: dict[str, int] = {}
    n_named = max((number for number, name in enumerate(names, 1) if name), default=0)
    for number, name in enumerate(names, 1):
        if number > n_named:
            raise TableError(f"{where}: column {number} has no name. Name it, or delete the column.")
        if name in numbers:
            raise TableError(f"{where}: columns {numbers[name]} and {number} are both {_shown(name)}. Rename one.")
        if name:
            numbers[name] = number
    return names


def wanted_columns(
    columns: Sequence[str] | None,
    target: str | None,
    known: list[str],
    file_name: str,
    metadata: Mapping[bytes, bytes] | None = None,
) -> tuple[list[str], list[int], list[str]]:
    """Find the columns to read.

    Parameters
    ----------
    columns : sequence of str or None
        Those to read; None for all but the target and the index of a data frame.
    target : str or None
        The one to put last, if there is one.
    known : list of str
        The names of all columns.
    file_name : str
        The file that has them.
    metadata : mapping of bytes to bytes, optional
        The metadata of a Parquet file.

    Returns
    -------
    names : list of str
        The names of the columns.
    positions : list of int
        Their places.
    left_out : list of str
        The columns that were left out as they are an index.

    Raises
    ------
    TableError
        If one is missing (the message lists those there are, and one that may have been meant), or is there twice.
    """
    left_out = []
    if columns is None:
        left_out = [name for name in index_columns(known, metadata) if name != target]
        columns = [name for name in known if name != target and name not in left_out]
    names = [*columns] if target is None else [*columns, target]
    places: dict[str, list[int]] = {}
    for place, name in enumerate(known):
        places.setdefault(name, []).append(place)
    return names, [_position(name, places, file_name) for name in names], left_out


def _position(name: str, places: dict[str, list[int]], file_name: str) -> int:
    place, *others = places.get(name, [-1])
    if others:
        both = f"columns {place + 1} and {others[0] + 1} are both {_shown(name)}"
        raise TableError(f"{file_name}: {both}. Rename one, or choose other columns.")
    if place >= 0:
        return place
    header = list(places)
    known = {column.lower(): column for column in header}
    close = difflib.get_close_matches(name.lower(), known, 1)
    hint = f" Did you mean {_shown(known[close[0]])}?" if close else separator_hint(header)
    there = ", ".join(map(_shown, header[:_MOST_NAMES]))
    more = f" and {len(header) - _MOST_NAMES} more" if len(header) > _MOST_NAMES else ""
    raise TableError(f"{file_name} has no column {_shown(name)}, but {there}{more}.{hint}")


def separator_hint(header: Sequence[str]) -> str:
    """Say what separates the columns of a file, if it seems that commas do not.

    Parameters
    ----------
    header : sequence of str
        The names of its columns, as they were read.

    Returns
    -------
    str
        A sentence with a blank before it, or an empty string.
    """
    if len(header) != 1:
        return ""
    marks = {";": "semicolons", "\t": "tabs", "|": "bars"}
    found = next((what for mark, what in marks.items() if mark in header[0]), None)
    return (
        "" if found is None else f" It seems to have {found} between its columns, but commas are expected: write it so."
    )


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
