"""What a file tells of the data frame it was written from: its index, a feature only on request, and its categories."""

import json
import re
from collections.abc import Mapping, Sequence

# The names that pandas gives to a nameless index in Parquet, and to a nameless first column of a CSV file.
_NAMELESS = re.compile(r"__index_level_\d+__|Unnamed: 0(\.\d+)?")


def index_columns(names: Sequence[str], metadata: Mapping[bytes, bytes] | None = None) -> list[str]:
    """Return the names of those columns that are the index a data frame was written with; "" is a column without a name.

    It consists of the columns that pandas' metadata in a Parquet file name, those with pandas' names for a nameless index,
    and those without a name before one with a name: pandas, R and polars write row numbers and row names this way, or call
    them so on reading. In a CSV file an index that has a name, or the level of one, looks like any other column.
    """
    named = {name for name in _named(metadata or {}) if isinstance(name, str)}
    n_named = max((i for i, name in enumerate(names) if name), default=len(names))
    return [
        name for i, name in enumerate(names) if (not name and i < n_named) or name in named or _NAMELESS.fullmatch(name)
    ]


def categories(metadata: Mapping[bytes, bytes] | None) -> set[str]:
    """Return the names of the columns that hold categories, by pandas' metadata; a file has them as numbers if they are."""
    columns = _told(metadata or {}).get("columns")
    described = [column for column in columns if isinstance(column, dict)] if isinstance(columns, list) else []
    return {str(column.get("field_name")) for column in described if column.get("pandas_type") == "categorical"}


def _named(metadata: Mapping[bytes, bytes]) -> list[object]:
    named = _told(metadata).get("index_columns")
    return named if isinstance(named, list) else []


def _told(metadata: Mapping[bytes, bytes]) -> dict[str, object]:
    try:
        content = json.loads(metadata.get(b"pandas", b"{}"))
    except (ValueError, RecursionError):  # not written by pandas
        return {}
    return content if isinstance(content, dict) else {}


def left_out(columns: Sequence[str], features: str) -> str:
    """Say that these columns, at least one, are left out, and how to fit them; `features` is the argument that lists them."""
    shown = " and ".join(repr(name) if name else "a column without a name" for name in columns)
    it, are = ("them", "are") if len(columns) > 1 else ("it", "is")
    named = "" if all(columns) else f"name {it} in the file and "
    return f"{shown} {are} taken for the index of a data frame, not for features. To fit {it}, {named}list {it} in {features}."
