"""Any rows: what a training set is read as."""

from typing import Any

from numpy.typing import NDArray

from fastgd.rows.arrays import ArrayRows
from fastgd.rows.columns import Columns
from fastgd.rows.csr import CSR
from fastgd.rows.sparse import SparseRows

Rows = ArrayRows | SparseRows


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
    return (SparseRows if isinstance(X, CSR) else ArrayRows)(X, y, sample_weight, n_threads)  # type: ignore[arg-type]
