"""How arrays lie in memory, and what of them a kernel reads in place: float64 or float32, native, aligned, without gaps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.rows.columns import Columns

_Array = NDArray[Any]

FLOAT64 = np.dtype(np.float64)
FLOAT32 = np.dtype(np.float32)


def lies_by_columns(X: _Array | Columns) -> bool:
    """Tell whether features lie column by column.

    Parameters
    ----------
    X : ndarray or Columns
        The features.

    Returns
    -------
    bool
        Whether they do; False for one feature.
    """
    if not isinstance(X, np.ndarray):
        return True
    # The order of an array without gaps is told at once; one row lies by rows, whatever its strides are.
    flags = X.flags
    if flags.c_contiguous or X.ndim == 1:
        return False
    return flags.f_contiguous or (X.shape[1] > 1 and abs(X.strides[0]) < abs(X.strides[1]))


def as_read(X: _Array | Columns) -> tuple[_Array | Columns, bool, np.dtype[Any], bool]:
    """Look at X once: as a kernel wants it, whether that is transposed, what it is read as, and whether it is in place."""
    if not isinstance(X, np.ndarray):
        return X, True, read_as(X), False
    if X.ndim == 1:
        X = X[:, np.newaxis]
    flags, dtype = X.flags, read_as(X)
    if flags.c_contiguous:
        return X, False, dtype, X.dtype is dtype and flags.aligned
    by_columns = lies_by_columns(X)
    return X.T if by_columns else X, by_columns, dtype, flags.f_contiguous and X.dtype is dtype and flags.aligned


def read_as(array: _Array | Columns) -> np.dtype[Any]:
    """Return the dtype that a kernel reads an array as: float32 stays, all else becomes float64."""
    dtype = array.dtype
    return FLOAT32 if dtype is not FLOAT64 and dtype.kind == "f" and dtype.itemsize == 4 else FLOAT64


def readable(array: _Array, dtype: np.dtype[Any]) -> bool:
    """Tell whether a kernel can read an array as it is."""
    # numpy keeps one object per native dtype, so another byte order is another object (and so may be an unpickled
    # dtype: its array is then converted, which costs time and changes nothing).
    return array.dtype is dtype and (flags := array.flags).c_contiguous and flags.aligned


def converted(array: _Array, dtype: np.dtype[Any]) -> _Array:
    """Return an array as a kernel can read it, not copied where it can."""
    return array if readable(array, dtype) else np.array(array, dtype=dtype, order="C")
