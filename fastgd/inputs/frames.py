"""Data frames of any library that narwhals supports: columns by label, read in place where their memory layout allows it."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import counted, listed
from fastgd.kernels import tuning
from fastgd.rows.columns import Column, Columns, Pieces, side_by_side

_Array = NDArray[Any]

# Methods that load a lazy frame: of dask, Spark, Ibis, DuckDB, and polars (Spark's collect returns no frame).
_TO_MEMORY = ("compute", "toPandas", "to_pandas", "df", "collect")

# The dtypes that kernels read, directly or converted block by block, by numpy's characters.
_REAL = "fdlihbqLIHBQ?e"


class Frame(NamedTuple):
    """The columns of a data frame, and their labels."""

    X: "_Array | Columns"
    """The columns, shape (n_samples, n_features)."""
    names: list[Any]
    """The labels: text, numbers, dates, tuples or anything else that can be hashed, all different."""


def is_frame(values: object) -> bool:
    """Return whether a value looks like a data frame; narwhals, which would know, takes time to import."""
    if hasattr(values, "collect_schema"):  # a lazy frame, too; access to its columns would compute them
        return True
    return hasattr(values, "columns") and len(getattr(values, "shape", "XY")) == 2


def labels(columns: Iterable[Any]) -> list[Any]:
    """Return the labels of columns in a form that can be matched by equality; all must be different.

    numpy's numbers become Python's, and what does not equal itself (NaN, NaT, NA) becomes None.
    """
    names = [_label(column) for column in columns]
    try:
        counts = Counter(names)
    except TypeError as error:
        raise TypeError(f"X has a column whose label cannot be told from others ({error}). Rename it.") from None
    for name, n_times in counts.most_common(1):
        if n_times > 1:
            raise ValueError(f"X has columns of the same name ({name!r}, {n_times} times). Rename them.")
    return names


def _label(label: Any) -> Any:
    if isinstance(label, tuple):
        return tuple(map(_label, label))
    if isinstance(label, np.generic) and label.dtype.kind not in "mM":  # nanoseconds would become integers
        label = label.item()
    same = label == label
    return label if same is True or same is np.True_ else None


def are_numbers(names: list[Any]) -> bool:
    """Return whether labels are 0, 1, 2 and so on, which pandas gives to the columns of an array."""
    return names == [*range(len(names))]


def places(names: list[Any], wanted: list[Any] | None) -> list[int] | None:
    """Return the places of the wanted columns, those of the fit, among those of a frame; None if all are in place.

    Numbered columns, those of an array, are left in place: a wider array must not pass for a selection of its columns.
    """
    if wanted is None or names == wanted or (are_numbers(names) and are_numbers(wanted)):
        return None
    place = {name: j for j, name in enumerate(names)}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise ValueError(
            f"X has no column {listed(missing)}, but the fit had. It has {listed(names, 10)}. Give a frame with all of the "
            "columns that were fitted, or X.to_numpy(), whose columns are taken in their order."
        )
    return [place[name] for name in wanted]


def refuse_other_order(**given: Any) -> None:
    """Refuse columns of which one has the row labels of another in another order: rows are paired by their position.

    Other labels say nothing: many who scale or select the one set of columns leave the other as it was.
    """
    labelled = {
        name: values.index for name, values in given.items() if hasattr(getattr(values, "index", None), "equals")
    }
    for (one, ours), (other, theirs) in combinations(labelled.items(), 2):
        if _is_permuted(ours, theirs):
            raise ValueError(
                f"{other} has the index of {one} in another order, but rows are paired by their position. Give "
                f"{other}.loc[{one}.index], or {other}.to_numpy() if its order is right."
            )


def _is_permuted(ours: Any, theirs: Any) -> bool:
    """Return whether two indexes of pandas hold the same labels in another order, as far as these can be sorted."""
    if ours is theirs or len(ours) != len(theirs) or ours.dtype != theirs.dtype or ours.nlevels + theirs.nlevels > 2:
        return False
    if ours.equals(theirs) or not len(ours):
        return False
    try:
        # A look at one label tells most indexes apart; sorting, or what pandas keeps to look labels up, takes memory.
        return bool((ours == theirs[0]).any()) and bool(ours.sort_values().equals(theirs.sort_values()))
    except (TypeError, ValueError):  # labels that cannot be compared, or have no order
        return False


def read(frame: Any, wanted: list[Any] | None = None) -> Frame:
    """Return the columns of a data frame, or those with the labels that are wanted, in their order.

    Columns are not copied where they lie in memory as numbers that a kernel can read.
    """
    try:
        import narwhals.stable.v1 as nw
    except ImportError:
        raise ImportError(
            f"X is a {type(frame).__name__}, and data frames need narwhals. Install it with: pip install 'fastgd[frames]', "
            "or give X.to_numpy()."
        ) from None
    names: list[Any] | None = None
    if nw.dependencies.is_pandas_dataframe(frame):
        names = labels(frame.columns.tolist())
        whole = _one_block(frame)
        if whole is not None and places(names, wanted) is None:
            return Frame(whole, names)
    pyarrow = nw.dependencies.get_pyarrow()
    if pyarrow is not None and isinstance(frame, pyarrow.RecordBatch):  # not supported by narwhals
        frame = pyarrow.Table.from_batches([frame])
    try:
        table = nw.from_native(frame, eager_only=True)
    except TypeError:
        to_memory = next((f"X.{method}()" for method in _TO_MEMORY if hasattr(frame, method)), "a frame in memory")
        raise TypeError(
            f"X is a {type(frame).__module__.partition('.')[0]} {type(frame).__name__}, whose rows are not in memory. Give "
            f"{to_memory}."
        ) from None
    except ValueError as error:
        raise ValueError(f"X has columns of the same name ({error}). Rename them.") from None
    columns = list(table.iter_columns())
    if names is None:
        names = labels(series.name for series in columns)
    chosen = places(names, wanted)
    if chosen is not None:
        columns, names = [columns[j] for j in chosen], [names[j] for j in chosen]
    if not columns or not len(table):
        return Frame(np.empty((len(table), len(columns))), names)
    return Frame(side_by_side([_column(*each, nw) for each in zip(columns, names, strict=True)]), names)


class _Gathered:
    """A column that its library converts to an array, some rows at a time."""

    def __init__(self, series: Any, *casts: Any) -> None:
        self._series = series
        self._casts = casts

    def __getitem__(self, rows: "slice | NDArray[np.intp]") -> _Array:
        piece = self._series[rows]
        for dtype in self._casts:
            piece = piece.cast(dtype)
        values: _Array = piece.to_numpy()
        return values

    def __len__(self) -> int:
        return len(self._series)


def _one_block(frame: Any) -> Any:
    """Return the values of a pandas data frame as one array, unless that would be a copy.

    A slice without rows costs nothing, and begins where the first column does only if all columns lie in one block. (Reading
    a row could end the process, if it is in a memory map whose file was cut.)
    """
    if 0 in frame.shape:
        return None
    start, first = frame.iloc[:0].to_numpy(), frame.iloc[:, 0].to_numpy()
    if start.dtype.char not in _REAL or start.ctypes.data != first.ctypes.data:
        return None
    return _if_same_start(frame.to_numpy(), first)


def _column(series: Any, name: Any, nw: Any) -> Column:
    """Check a column, and return it as an array where this takes no copy."""
    dtype, native = series.dtype, series.to_native()
    stored: Any = getattr(native, "dtype", None)
    if hasattr(stored, "fill_value") and stored.subtype.char in _REAL:  # a sparse column of pandas
        return _Gathered(series)
    known = isinstance(stored, np.dtype) and stored.kind in "biuf"  # narwhals does not know those of another byte order
    if not (known or dtype == nw.Boolean or dtype.is_numeric()):
        raise TypeError(
            f"Column {name!r} of X has dtype {dtype}, but real numbers are expected. Cast it to float if it holds "
            "numbers; else drop the column, or encode it as numbers (text and categories: as dummies)."
        )
    pieces = _pieces(series, native, nw)
    if pieces is not None:  # in which a missing value is NaN
        return pieces[0] if len(pieces) == 1 else Pieces(pieces)
    n_missing = int(series.null_count())
    if n_missing:
        raise ValueError(
            f"Column {name!r} of X has {counted(n_missing, 'missing value')}, but fastgd has none. Drop the "
            "rows (drop_nulls, dropna), or fill in values."
        )
    # Through text, as Arrow divides decimals by a rounded power of ten: 1.15 would become 1.1500000000000001.
    wide = dtype in (nw.Decimal, nw.Int128, nw.UInt128)
    return _Gathered(series, nw.String, nw.Float64) if wide else _Gathered(series)


def _pieces(series: Any, native: Any, nw: Any) -> list[_Array] | None:
    """Return the arrays that a series consists of (several, where polars has read a file), or None if one would be a copy."""
    if nw.dependencies.is_polars_series(native):
        pieces = _views(native.get_chunks, native.n_chunks(), len(native), allow_copy=False)
    elif nw.dependencies.is_pyarrow_chunked_array(native):
        pieces = _views(native.iterchunks, native.num_chunks, len(native), zero_copy_only=True)
    elif nw.dependencies.is_pandas_series(native) and isinstance(native.dtype, np.dtype):
        pieces = [native.to_numpy()]
    else:
        pieces = [_in_place(series)]
    return pieces if all(type(piece) is np.ndarray and piece.dtype.char in _REAL for piece in pieces) else None


def _views(chunks: Callable[[], Iterable[Any]], n_chunks: int, n: int, **without_copy: bool) -> list[Any]:
    """Return the chunks that are not empty as arrays; a single None if this takes a copy, or there are too many."""
    if n_chunks > 1 and n < n_chunks * tuning.FEW_ROWS:
        return [None]
    try:
        return [chunk.to_numpy(**without_copy) for chunk in chunks() if len(chunk)]
    except (RuntimeError, ValueError):
        return [None]


def _in_place(series: Any) -> Any:
    """Return a series as one array, unless that would be a copy: the two ends of an array lie as far apart as their rows."""
    n = len(series)
    start, end = _to_numpy(series[: min(2, n)]), _to_numpy(series[n - 1 :])
    if type(start) is not np.ndarray or start.dtype != end.dtype:
        return None
    if end.ctypes.data - start.ctypes.data != (n - 1) * start.strides[0]:
        return None
    return _if_same_start(_to_numpy(series), start)


def _if_same_start(array: _Array, part: _Array) -> _Array | None:
    """Return an array if it begins at the address of another one."""
    return array if array.ctypes.data == part.ctypes.data else None


def _to_numpy(series: Any) -> Any:
    """Convert a series by numpy: narwhals before 2.26 reads each value first, and these may be in a file."""
    native = series.to_native()
    return (native if isinstance(getattr(native, "dtype", None), np.dtype) else series).to_numpy()
