"""Training sets in Parquet files."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.inputs.files import holds_numbers
from fastgd.inputs.indexes import categories, index_columns
from fastgd.inputs.scan import Paths, Scan
from fastgd.rows.parquet_columns import ParquetTable, RowGroup, columns_in_order
from fastgd.rows.parquet_rows import ParquetRows
from fastgd.rows.parts import PartedRows


def scan_parquet(
    path: Paths,
    *,
    target: str | None = None,
    features: Sequence[str] | None = None,
    sample_weight: str | None = None,
    drop_missing: bool = False,
) -> "ParquetScan":
    """Read a training set from Parquet files, some MB at a time.

    The result stands in the place of X in `fit`, `cost`, `gradient`, `cost_and_gradient`, `Moments.from_rows`,
    `FitResult.predict` and `FitResult.score`. Each pass reads the columns that it needs, and no others; threads decode row
    groups side by side. How files and row groups are cut makes no difference to the sums, to the bit.

    Parameters
    ----------
    path : str or path-like, or a sequence of them
        A file, a pattern (``"data/*.parquet"``; ``**`` for folders in folders), or a folder, with all ``.parquet`` files in it;
        files are read in the order of their names, or of the sequence.
    target : str, optional
        The column that is the target; predictions need none, and do not read it.
    features : sequence of str, optional
        The columns that are the features; by default all but target, sample weight, and the index of a data frame that was
        written with it; the message of a fit then says so.
    sample_weight : str, optional
        The column that says how much each row counts.
    drop_missing : bool, default False
        Whether rows with a missing value (null or NaN) are left out, and counted in the result's message, rather than refused.

    Returns
    -------
    ParquetScan
        The training set.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    FileNotFoundError
        If there is no such file, or when it is read, if it is gone.
    TypeError
        If a column does not hold numbers or booleans.
    ValueError
        If a file is no Parquet file or lacks a column; when it is read, if a value is missing, or a file was changed since.

    Examples
    --------
    >>> import fastgd
    >>> import pyarrow as pa, pyarrow.parquet as pq, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pq.write_table(pa.table({"area": [50.0, 70.0, 90.0], "price": [110.0, 150.0, 190.0]}), f"{folder}/a.parquet")
    ...     result = fastgd.fit(fastgd.scan_parquet(folder, target="price"))
    >>> print(result.theta.round(6), result.feature_names)
    [10.  2.] ['area']
    """
    return ParquetScan(path, target, features, sample_weight, drop_missing)


class ParquetScan(Scan):
    """Columns of Parquet files; see `scan_parquet`."""

    ending = ".parquet"

    def __init__(self, *args: Any) -> None:
        self._schemas: dict[str, Any] = {}
        self._groups_of: dict[str, list[RowGroup]] = {}
        super().__init__(*args)

    def _choose(self, features: list[Any], others: list[str]) -> None:
        super()._choose(features, others)
        self._groups = [
            group for path, _ in self._files for group in self._groups_of[path]
        ]  # a file given twice counts twice
        from pyarrow import float32, null

        single = float32(), null()
        self._dtype: Any = np.float32
        for path in dict.fromkeys(group.path for group in self._groups):
            schema = self._schemas[path]
            encoded = categories(schema.metadata)
            for name in self._names:
                kind = "category" if name in encoded else schema.field(name).type
                if name in encoded or not holds_numbers(kind):
                    raise TypeError(
                        f"Column {name!r} of {path} is of type {kind}, but numbers are expected. Choose other features, or "
                        "encode it as numbers."
                    )
            if any(schema.field(name).type not in single for name in self.feature_names):
                self._dtype = np.float64
        self._schemas = {}

    def rows(self, n_threads: int | None) -> PartedRows:
        """Return the rows, to be summed by this number of threads."""
        self._need_target()
        return ParquetRows(self._table(), n_threads)

    def _table(self) -> ParquetTable:
        return ParquetTable(self._groups, self._names, self.n_features, self._dtype, self.drop_missing, self.check)

    def _columns(self) -> Iterator[list[NDArray[Any]]]:
        return columns_in_order(self._table())

    def _that_count(self, paths: list[str]) -> list[str]:
        for path in paths:
            self._columns_of(path)
        return [path for path in paths if self._groups_of[path]] or paths

    def _columns_of(self, path: str) -> list[str]:
        if path not in self._schemas:
            from pyarrow import ArrowException
            from pyarrow.parquet import ParquetFile

            try:
                with ParquetFile(path) as file:
                    counts = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
                    self._schemas[path] = file.schema_arrow
            except ArrowException as error:
                raise ValueError(f"{path} is no Parquet file ({str(error).splitlines()[0]}). Check the path.") from None
            self._groups_of[path] = [RowGroup(path, i, n) for i, n in enumerate(counts) if n]
        names: list[str] = self._schemas[path].names
        return names

    def _index_of(self, path: str) -> list[str]:
        return index_columns(self._columns_of(path), self._schemas[path].metadata)
