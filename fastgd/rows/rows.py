"""Any rows: what a training set is read as."""

from typing import Any

from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.columns import Columns
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.mapped import MappedRows
from fastgd.rows.maps import check, mapped_files
from fastgd.rows.parts import PartedRows
from fastgd.rows.sparse_rows import SparseRows

Rows = ArrayRows | SparseRows | PartedRows


def rows_of(
    X: NDArray[Any] | Columns | CSR,
    y: NDArray[Any],
    sample_weight: NDArray[Any] | None = None,
    n_threads: int | None = None,
) -> Rows:
    """Return the rows of a training set.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features) or (n_samples,), real, or Columns, or CSR
        The features.
    y : ndarray of shape (n_samples,), real
        The target.
    sample_weight : ndarray of shape (n_samples,), real, optional
        The sample weights.
    n_threads : int, optional
        How many threads a pass may take.

    Returns
    -------
    Rows
        What sums them up.
    """
    if isinstance(X, CSR):
        return SparseRows(X, y, sample_weight, n_threads)
    files = mapped_files(X, y, sample_weight)
    if not files:
        return ArrayRows(X, y, sample_weight, n_threads)
    if len(y) * (*X.shape, 1)[1] > tuning.COPIED_VALUES:
        return MappedRows(X, y, sample_weight, n_threads)
    check(files)
    X = X.gather(slice(0, len(y))).T if isinstance(X, Columns) else X.copy(order="K")
    return ArrayRows(X, y.copy(), None if sample_weight is None else sample_weight.copy(), n_threads)
