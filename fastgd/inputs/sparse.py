"""Sparse matrices and arrays of scipy, or with its attributes: their stored values, in place where they are CSR."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.maps import check, mapped_files


def is_sparse(values: object) -> bool:
    """Return whether a value looks like a sparse matrix or array."""
    return hasattr(type(values), "tocsr") and hasattr(type(values), "nnz")  # on the object, nnz would be counted


def read(X: Any) -> CSR:
    """Return the stored values of a real sparse matrix of shape (n_samples, n_features), one per place.

    Values and indices of a CSR matrix are used in place; other formats are converted.
    """
    if len(X.shape) != 2 or 0 in X.shape:
        raise ValueError(
            f"X is sparse and has shape {X.shape}, but (n_samples, n_features) is expected, at least one of each. "
            "Check how X was selected."
        )
    arrays = (getattr(X, name, None) for name in ("data", "indices", "indptr", "row", "col"))
    check(mapped_files(*(array for array in arrays if isinstance(array, np.ndarray))))
    X = X.tocsr()
    _check(X)
    if not X.has_canonical_format:  # some places are stored twice
        X = X.copy()
        X.sum_duplicates()
    n_stored = int(X.indptr[-1])
    places = np.int32 if X.indices.dtype.itemsize == X.indptr.dtype.itemsize == 4 else np.int64
    number = np.float32 if X.dtype == np.float32 else np.float64
    return CSR(
        np.ascontiguousarray(X.data[:n_stored], number),
        np.ascontiguousarray(X.indices[:n_stored], places),
        np.ascontiguousarray(X.indptr, places),
        X.shape,
    )


def _check(X: Any) -> None:
    """Refuse indices that point outside of the matrix or its arrays."""
    n_samples, n_features = X.shape
    indptr, indices = X.indptr, X.indices
    sound = (
        len(indptr) == n_samples + 1
        and indptr[0] == 0
        and 0 <= indptr[-1] <= min(len(indices), len(X.data))
        and not _any(n_samples, lambda rows: indptr[rows.start + 1 : rows.stop + 1] < indptr[rows])
        and not _any(int(indptr[-1]), lambda rows: (indices[rows] < 0) | (indices[rows] >= n_features))
    )
    if not sound:
        raise ValueError(
            f"X is a sparse {type(X).__name__} of shape {X.shape} whose indices do not describe it. "
            "Look at X.check_format(), and build it anew."
        )


def _any(n: int, wrong: Callable[[slice], NDArray[np.bool]]) -> bool:
    """Return whether a condition holds anywhere; it is evaluated for some places at a time."""
    starts = range(0, n, tuning.CONVERTED_VALUES)
    return any(wrong(slice(start, min(start + tuning.CONVERTED_VALUES, n))).any() for start in starts)
