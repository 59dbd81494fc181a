"""Tables of numbers from files: the choice of columns, missing values, and errors."""

import difflib
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import counted, shortened
from fastgd.inputs.indexes import index_columns

PathLike = str | os.PathLike[str]
Names = Sequence[str] | None

_MOST_NAMES = 20


class TableError(ValueError):
    """A table cannot be read: one line that says where, what was found, what was expected and what to do."""


class Table(NamedTuple):
    """Columns of a table."""

    names: list[str]
    """The names of the columns."""
    values: NDArray[np.float64]
    """The numbers, all finite, shape (n_rows, n_columns), row-major."""
    left_out: Sequence[str]
    """The columns that were left out as they are the index of a data frame."""
    lines: NDArray[np.int64] | None = None
    """The line in which each row ends, or its number in a file without lines, from 1, shape (n_rows,); None if they were not
    counted, as no row may be dropped."""
    n_dropped: int = 0
    """The number of rows that were dropped because a value is missing."""


def without_missing(table: Table, lines: NDArray[np.int64]) -> Table:
    """Drop the rows of a table in which a value is missing, NaN, given the lines of all of its rows."""
    keep = ~np.isnan(table.values).any(axis=1)
    if keep.all():
        return table._replace(lines=lines)
    return table._replace(values=table.values[keep], lines=lines[keep], n_dropped=int((~keep).sum()))


def with_rows(tables: Iterable[Table], file_name: str, none: str = "no rows") -> Iterator[Table]:
    """Pass on the tables that a file is read in, and raise a `TableError` at their end if no row is left."""
    n_rows = n_dropped = 0
    for table in tables:
        n_rows += len(table.values)
        n_dropped += table.n_dropped
        yield table
    if not n_rows and n_dropped:
        raise all_missing(n_dropped, file_name)
    if not n_rows:
        raise TableError(f"{file_name} has {none}. Give a file that has at least one.")


def joined(tables: Iterable[Table]) -> Table:
    """Join the tables that a file is read in, at least one."""
    first, *others = tables
    if not others:
        return first
    parts = [first, *others]
    lines = [part.lines for part in parts if part.lines is not None]
    return first._replace(
        values=np.concatenate([part.values for part in parts]),
        lines=np.concatenate(lines) if lines else None,
        n_dropped=sum(part.n_dropped for part in parts),
    )


def all_missing(n_rows: int, file_name: str) -> TableError:
    """Return what is raised where no row is left."""
    return TableError(
        f"{file_name} has {counted(n_rows, 'row')}, but a value is missing in each. "
        "Fill in the values, or choose other columns."
    )


def not_finite(number: float, text: str) -> str:
    """Say what is wrong with a number that is NaN or infinite, and reads `text`."""
    if math.isnan(number):
        return "a value is missing. Fill it in, or drop such rows with --drop-missing."
    return f"{text} is not finite. Correct it, or leave it empty if it is not known."


def choose_columns(
    columns: Names, target: str | None, known: list[str], file_name: str, metadata: Mapping[bytes, bytes] | None = None
) -> tuple[list[str], list[int], list[str]]:
    """Return the names of the columns to read, their places among the `known` ones, and the names that were left out.

    A target is put last. By default all columns are read but the index of a data frame, which `metadata` of Parquet may name.
    """
    left_out = []
    if columns is None:
        left_out = [name for name in index_columns(known, metadata) if name != target]
        columns = [name for name in known if name != target and name not in left_out]
    names = [*columns] if target is None else [*columns, target]
    places: dict[str, list[int]] = {}
    for place, name in enumerate(known):
        places.setdefault(name, []).append(place)
    return names, [_place(name, places, file_name) for name in names], left_out


def _place(name: str, places: dict[str, list[int]], file_name: str) -> int:
    """Return the place of the column with this name; there must be one, and no other."""
    place, *others = places.get(name, [-1])
    if others:
        both = f"columns {place + 1} and {others[0] + 1} are both {shown(name)}"
        raise TableError(f"{file_name}: {both}. Rename one, or choose other columns.")
    if place >= 0:
        return place
    header = list(places)
    known = {column.lower(): column for column in header}
    close = difflib.get_close_matches(name.lower(), known, 1)
    hint = f" Did you mean {shown(known[close[0]])}?" if close else separator_hint(header)
    there = ", ".join(map(shown, header[:_MOST_NAMES]))
    more = f" and {len(header) - _MOST_NAMES} more" if len(header) > _MOST_NAMES else ""
    raise TableError(f"{file_name} has no column {shown(name)}, but {there}{more}.{hint}")


def separator_hint(header: Sequence[str]) -> str:
    """Return a hint, after a blank, if a file seems to have other separators than commas."""
    marks = {";": "semicolons", "\t": "tabs", "|": "bars"}
    found = [what for mark, what in marks.items() if len(header) == 1 and mark in header[0]]
    return f" It seems to have {found[0]} between its columns, but commas are expected: write it so." if found else ""


def shown(text: str) -> str:
    """Return a cell or a name in quotes, cut short, for a message."""
    return repr(shortened(text))
