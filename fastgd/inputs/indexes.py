"""The index of a data frame in a file: columns that number or name its rows, which are features only if named as such."""

import json
import re
from collections.abc import Mapping, Sequence

# What pandas calls an index without a name in Parquet, and the first column of a CSV file if that had none.
_NAMELESS = re.compile(r"__index_level_\d+__|Unnamed: 0(\.\d+)?")


def index_columns(names: Sequence[str], metadata: Mapping[bytes, bytes] | None = None) -> list[str]:
    """Find the index that a data frame was written with.

    It consists of the columns that pandas' metadata in the file name, those with pandas' names for a nameless index, and
    those without a name before one with a name: pandas, R and polars write row numbers and row names this way, or call them
    so on reading. In a CSV file an index that has a name, or the level of one, cannot be told from any other column.

    Parameters
    ----------
    names : sequence of str
        The names of a file's columns, in their order; "" for none.
    metadata : mapping of bytes to bytes, optional
        The metadata of a Parquet file.

    Returns
    -------
    list of str
        The names of those that are an index.
    """
    named = {name for name in _named(metadata or {}) if isinstance(name, str)}
    n_named = max((i for i, name in enumerate(names) if name), default=len(names))
    return [
        name for i, name in enumerate(names) if (not name and i < n_named) or name in named or _NAMELESS.fullmatch(name)
    ]


def _named(metadata: Mapping[bytes, bytes]) -> list[object]:
    try:
        told = json.loads(metadata.get(b"pandas", b"{}"))
    except (ValueError, RecursionError):  # not written by pandas
        return []
    named = told.get("index_columns") if isinstance(told, dict) else None
    return named if isinstance(named, list) else []


def left_out(columns: Sequence[str], features: str) -> str:
    """Say that an index is no feature, unless it is named.

    Parameters
    ----------
    columns : sequence of str
        The columns that are an index, at least one.
    features : str
        The argument that takes the names of features.

    Returns
    -------
    str
        What was done, and what to do if it is not right.
    """
    shown = " and ".join(repr(name) if name else "a column without a name" for name in columns)
    it, are = ("them", "are") if len(columns) > 1 else ("it", "is")
    named = "" if all(columns) else f"name {it} in the file and "
    return f"{shown} {are} taken for the index of a data frame, not for features. To fit {it}, {named}list {it} in {features}."
