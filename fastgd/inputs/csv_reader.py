"""Read a table of numbers from a CSV file cell by cell, so that an error names the line and the column."""

import csv
import math
from array import array
from collections.abc import Iterable, Iterator
from itertools import product

import numpy as np

from fastgd.formatting import counted, printable
from fastgd.inputs.table import Names, PathLike, Table, TableError, choose_columns, joined, not_finite, shown, with_rows
from fastgd.kernels import tuning
from fastgd.saving.opening import opened

NO_ROWS = "a header line, but no rows"

# The spellings of a missing value, as in pandas: in lower case, and in any mixture of lower and upper case.
_MISSING = {"", "na", "nan", "-nan", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "null", "none"}
_MISSING |= {"1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"}
MISSING = sorted({"".join(letters) for text in _MISSING for letters in product(*zip(text, text.upper(), strict=True))})


def read_csv(path: PathLike, columns: Names = None, drop_missing: bool = False, *, target: str | None = None) -> Table:
    """Read columns of a CSV file: UTF-8, cells separated by commas, a header line with the names of the columns.

    Only the columns that are read have to hold numbers. An empty cell, NA, NaN, null, None, N/A, #N/A and whatever else
    pandas takes for a missing value are missing values, in upper or lower case. Blanks around names and numbers do not
    matter. Empty lines are skipped, but in a file of one column they are missing values. The arguments are those of
    `fastgd.inputs.files.read_table`.
    """
    return joined(with_rows(csv_tables(path, columns, drop_missing, target), printable(path), NO_ROWS))


def csv_tables(
    path: PathLike, columns: Names, drop_missing: bool, target: str | None, n_done: int = 0
) -> Iterator[Table]:
    """Read what `read_csv` does, some rows at a time, behind the first rows, which are done with."""
    with (
        opened(path, "a CSV file", TableError),
        open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file,
    ):
        yield from _tables(file, printable(path), columns, drop_missing, target, n_done)


def _tables(
    file: Iterable[str], file_name: str, columns: Names, drop_missing: bool, target: str | None, n_done: int
) -> Iterator[Table]:
    reader = csv.reader(_utf8_lines(file, file_name), skipinitialspace=True, strict=True)
    cells, lines, n_dropped = array("d"), array("q"), 0

    def table() -> Table:
        values = np.frombuffer(cells, dtype=np.float64).reshape(len(lines), len(names))
        return Table(names, values, left_out, np.frombuffer(lines, dtype=np.int64), n_dropped)

    try:
        header = next((row for row in reader if row), None)
        if header is None:
            raise TableError(f"{file_name} is empty, but a header line and rows are expected. Check the path.")
        header = names_of(header, f"{file_name}, line {reader.line_num}")
        names, places, left_out = choose_columns(columns, target, header, file_name)
        for row in reader:
            if not row and len(header) > 1:
                continue
            if n_done:
                n_done -= 1
                continue
            row = row or [""]
            where = f"{file_name}, line {reader.line_num}"
            if len(row) != len(header):
                raise TableError(
                    f"{where}: {counted(len(row), 'cell')} found, but the header has {len(header)}. "
                    "Correct the line; text with a comma in it belongs in double quotes."
                )
            numbers = _numbers(row, places, header, drop_missing, where)
            if drop_missing and any(map(math.isnan, numbers)):  # not kept, as most rows of a file may be such
                n_dropped += 1
                continue
            cells.extend(numbers)
            lines.append(reader.line_num)
            if len(cells) >= tuning.READ_VALUES:
                yield table()
                cells, lines, n_dropped = array("d"), array("q"), 0
    except csv.Error as error:
        raise TableError(f"{file_name}, line {reader.line_num}: this is not CSV ({error}). Correct the line.") from None
    yield table()


def _utf8_lines(file: Iterable[str], file_name: str) -> Iterator[str]:
    """Yield the lines of a file opened with ``errors="surrogateescape"``, up to one that is not UTF-8.

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
    """Return the names of the columns, all different, without blanks around them.

    Columns without a name, "", are an index, and stand before one with a name.
    """
    names = [cell.strip() for cell in header]
    numbers: dict[str, int] = {}
    n_named = max((number for number, name in enumerate(names, 1) if name), default=0)
    for number, name in enumerate(names, 1):
        if number > n_named:
            raise TableError(f"{where}: column {number} has no name. Name it, or delete the column.")
        if name and numbers.setdefault(name, number) != number:
            raise TableError(f"{where}: columns {numbers[name]} and {number} are both {shown(name)}. Rename one.")
    return names


def _numbers(row: list[str], places: list[int], header: list[str], drop_missing: bool, where: str) -> list[float]:
    """Return the cells in these places as numbers; a missing value is NaN if it may be dropped, and else an error."""
    numbers = []
    for place in places:
        text = row[place]
        try:
            number = float(text)
            valid = "_" not in text  # 1_000 is a number in Python only
        except ValueError:
            number = math.nan
            valid = text.strip().lower() in _MISSING
        if valid and (math.isfinite(number) or (drop_missing and math.isnan(number))):
            numbers.append(number)
            continue
        no_number = f"{shown(text)} is not a number. Correct it, or choose other columns."
        problem = not_finite(number, shown(text)) if valid else no_number
        raise TableError(f"{where}, column {shown(header[place])}: {problem}")
    return numbers
