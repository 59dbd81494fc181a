"""Training sets in CSV files."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastgd.inputs.csv_reader import names_of
from fastgd.inputs.indexes import index_columns
from fastgd.inputs.plain_csv import as_numbers
from fastgd.inputs.scan import Paths, Scan
from fastgd.kernels import tuning
from fastgd.rows.columns import Columns
from fastgd.rows.parquet_columns import missing_value, numbers_of
from fastgd.rows.part import Part
from fastgd.rows.parts import PartedRows
from fastgd.rows.stream import StreamRows

# The last column of a row that is appended to each file. It is missing in what pyarrow reads if a quote is not closed.
_END = -3.0517578125e-300


def scan_csv(
    path: Paths,
    *,
    target: str | None = None,
    features: Sequence[str] | None = None,
    sample_weight: str | None = None,
    drop_missing: bool = False,
) -> "CSVScan":
    r"""Read a training set from CSV files, some MB at a time.

    The result stands in the place of X in `fit`, `cost`, `gradient`, `cost_and_gradient`, `Moments.from_rows`,
    `FitResult.predict` and `FitResult.score`. Reading CSV takes ten times as long as reading Parquet: data that are fitted
    often should be written as Parquet once.

    Parameters
    ----------
    path : str or path-like, or a sequence of them
        A file, a pattern (``"data/*.csv"``), or a folder, with all ``.csv`` files in it. Each has a header line, commas between
        its columns, and is UTF-8.
    target, features, sample_weight, drop_missing
        As for `scan_parquet`. Empty cells, NA, NaN, null, None, N/A, #N/A and whatever else pandas takes for a missing value
        are missing values, in upper or lower case. Columns without a name before one with a name are an index; an index that
        was written with a name looks like any other column, and is a feature unless `features` are given without it.

    Returns
    -------
    CSVScan
        The training set.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    FileNotFoundError
        If there is no such file, or when it is read, if it is gone.
    ValueError
        If a file lacks a column; when it is read, if a cell is not a number, a value is missing, or a file was changed since.

    Examples
    --------
    >>> import fastgd, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "a.csv").write_text("area,price\n50,110\n70,150\n90,190\n")
    ...     fastgd.fit(fastgd.scan_csv(f"{folder}/*.csv", target="price")).theta.round(6)
    array([10.,  2.])
    """
    return CSVScan(path, target, features, sample_weight, drop_missing)


class CSVScan(Scan):
    """Columns of CSV files; see `scan_csv`."""

    ending = ".csv"
    n_expected = None
    n_dropped = 0

    def rows(self, n_threads: int | None) -> PartedRows:
        """Return the rows, to be summed by this number of threads."""
        self._need_target()
        return StreamRows(self, n_threads)

    def batches(self) -> Iterator[Part]:
        """Yield the rows of the files, some at a time; errors are those of `scan_csv`."""
        k = self.n_features
        for columns in self._columns():
            yield Part(Columns(columns[:k]), columns[k], columns[k + 1] if self.sample_weight is not None else None)

    def _columns(self) -> Iterator[list[NDArray[Any]]]:
        self.check()
        self.n_dropped = 0
        for path, _ in self._files:
            yield from self._columns_in(path)

    def _columns_in(self, path: str) -> Iterator[list[NDArray[Any]]]:
        from pyarrow import ArrowException
        from pyarrow.csv import ParseOptions, ReadOptions, open_csv

        known, n_lines = _header_of(path)
        numbered = [str(i) for i in range(len(known))]
        wanted = [numbered[i] for i in self._places(path, known)]
        first, ended = 0, False
        end = ",".join(repr(_END) if number == wanted[-1] else "" for number in numbered)
        options = {
            "read_options": ReadOptions(column_names=numbered, skip_rows=n_lines, block_size=tuning.CSV_BLOCK_BYTES),
            "parse_options": ParseOptions(newlines_in_values=True),
            "convert_options": as_numbers(wanted),
        }
        try:
            with (
                open(path, "rb") as file,
                open_csv(_Joined(file, io.BytesIO(f"\n{end}\n".encode())), **options) as reader,
            ):
                for batch in reader:
                    ends = len(batch) > 0 and batch.column(len(wanted) - 1)[-1].as_py() == _END
                    ended = ended or ends
                    yield self._numbers(batch.slice(0, len(batch) - ends), path, first)
                    first += len(batch)
        except ArrowException as error:
            problem = str(error).splitlines()[0].rstrip(".")
            if "straddl" in problem:
                problem = f"a row has more than {tuning.CSV_BLOCK_BYTES:,} bytes, or a quote is not closed"
            for number, name in zip(wanted, self._names, strict=True):
                problem = problem.replace(f"CSV column #{number}:", f"column {name!r}:")
            raise ValueError(f"{path} after row {first}: {problem}. Correct it, or choose other features.") from None
        if not ended:
            raise ValueError(
                f"{path}: a quote is not closed, so that all behind it, up to the end of the file, is one cell. Correct it; a "
                "quote within quotes is written twice."
            )

    def _numbers(self, batch: Any, path: str, first: int) -> list[NDArray[Any]]:
        columns, missing = [], np.zeros(len(batch), bool)
        for name, column in zip(self._names, batch.columns, strict=True):
            values, absent = numbers_of(column)
            absent = np.isnan(values) if absent is None else absent
            if absent.any() and not self.drop_missing:
                raise missing_value(name, path, f"row {first + int(absent.argmax())}")
            missing |= absent
            columns.append(values)
        if missing.any():
            self.n_dropped += int(missing.sum())
            columns = [values[~missing] for values in columns]
        return columns

    def _columns_of(self, path: str) -> list[str]:
        return _header_of(path)[0]

    def _index_of(self, path: str) -> list[str]:
        names, n_lines = _header_of(path)
        return index_columns(names_of(names, f"{path}, line {n_lines}"))


class _Joined(io.RawIOBase):
    """Files that are read one after the other."""

    def __init__(self, *files: BinaryIO) -> None:
        self._files = files

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return next(filter(None, (file.read(size) for file in self._files)), b"")


def _header_of(path: str) -> tuple[list[str], int]:
    """Return the names of a file's columns, and the number of lines up to the end of the header."""
    # Columns that are not read need not be UTF-8, but Python decodes them together with the header.
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True, strict=True)
        try:
            header = next((cells for cells in reader if cells), None)
            if header is None:
                raise ValueError(f"{path} is empty, but a header line and rows are expected. Check the path.")
            "".join(header).encode()
        except (csv.Error, UnicodeEncodeError) as error:
            raise ValueError(f"The first line of {path} is no header of a CSV file ({error}). Correct it.") from None
        return [name.strip() for name in header], reader.line_num
