"""Read plain CSV files by pyarrow: those that it reads as `fastgd.inputs.csv_reader` does, which looks at every cell."""

import codecs
import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.inputs.csv_reader import MISSING, names_of
from fastgd.inputs.table import Names, PathLike, Table, choose_columns, without_missing
from fastgd.kernels import tuning

# A quoted cell on one line, without quotes inside.
_QUOTED = re.compile(rb'"(?<![^,\n]")[^"\r\n]*"(?![^,\r\n])')


class NotPlainError(Exception):
    """From here on a file holds something that `read_csv` may read differently, or explain better."""


def plain_tables(path: PathLike, columns: Names, drop_missing: bool, target: str | None) -> Iterator[Table]:
    """Read a plain CSV file by pyarrow, piece by piece; a `NotPlainError` ends it where it is not."""
    try:
        from pyarrow import ArrowException
    except ImportError:
        raise NotPlainError from None
    try:
        pieces = _pieces(path)
        header, _, rest = next(pieces, b"").partition(b"\n")
        known = next(csv.reader([header.decode()], skipinitialspace=True), [])
        if len(known) < 2:  # an empty line in a single column is a missing value, and the first line may be empty
            raise NotPlainError
        names, places, left_out = choose_columns(columns, target, names_of(known, ""), "")
        if not names:  # which pyarrow takes for all
            raise NotPlainError
        n_lines = 1
        for piece in chain([rest], pieces):
            if not piece:  # behind a header alone
                continue
            values = _parsed(piece, len(known), places, drop_missing)
            table = Table(names, values, left_out)
            if drop_missing:
                lines = np.arange(n_lines, n_lines + piece.count(b"\n") + (not piece.endswith(b"\n"))) + 1
                if len(values) != len(lines):  # there are empty lines, too
                    raise NotPlainError
                table = without_missing(table, lines)
                n_lines += len(lines)
            yield table
    except (OSError, ValueError, ArrowException):
        raise NotPlainError from None


def _pieces(path: PathLike) -> Iterator[bytes]:
    """Read a file some lines at a time, without a mark at its beginning; `NotPlainError` where the readers may differ."""
    with open(path, "rb") as file:
        begins = True
        while piece := file.read(tuning.CSV_PIECE_BYTES) + file.readline():
            piece = piece.removeprefix(codecs.BOM_UTF8) if begins else piece
            pairs_only = piece.count(b'"') == 2 * len(_QUOTED.findall(piece))
            if b"\0" in piece or piece.count(b"\r") != piece.count(b"\r\n") or not pairs_only:
                raise NotPlainError
            piece.decode()  # refuses what is not UTF-8
            yield piece
            begins = False


def _parsed(piece: bytes, n_columns: int, places: list[int], drop_missing: bool) -> NDArray[np.float64]:
    """Read lines of a plain file by pyarrow; a missing value is NaN if it may be dropped, and else `NotPlainError`."""
    from pyarrow import BufferReader
    from pyarrow.csv import ReadOptions
    from pyarrow.csv import read_csv as read_fast

    numbered = [str(i) for i in range(n_columns)]
    options = as_numbers([numbered[i] for i in places])
    numbers = read_fast(BufferReader(piece), read_options=ReadOptions(column_names=numbered), convert_options=options)
    values = np.empty((numbers.num_rows, len(places)))
    for j, column in enumerate(numbers.columns):
        values[:, j] = column.to_numpy()  # null becomes NaN
    n_missing = sum(column.null_count for column in numbers.columns)
    if np.count_nonzero(~np.isfinite(values)) != n_missing or (n_missing and not drop_missing):
        raise NotPlainError
    return values


def as_numbers(names: list[str]) -> Any:
    """Return pyarrow's options to read these columns of a CSV file, and no others, as numbers."""
    from pyarrow.csv import ConvertOptions

    return ConvertOptions(column_types=dict.fromkeys(names, "float64"), include_columns=names, null_values=MISSING)
