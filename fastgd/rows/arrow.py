"""Numbers of Arrow's as floats; nothing here needs numba."""

from typing import Any


def as_floats(column: Any) -> Any:
    """Return numbers of pyarrow's as float64.

    Parameters
    ----------
    column : pyarrow.Array or ChunkedArray
        The numbers, or booleans, or decimals; these by way of text, as Arrow divides them by a rounded power of ten: 1.15 would
        become 1.1500000000000001.

    Returns
    -------
    pyarrow.Array or ChunkedArray
        The nearest floats.
    """
    decimal = hasattr(column.type, "scale")
    return (column.cast("string") if decimal else column).cast("float64", safe=False)
