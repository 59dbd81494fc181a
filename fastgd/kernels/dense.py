"""Which kernel sums over rows of this many features, in this layout."""

from functools import cache

from fastgd.kernels import few
from fastgd.kernels.column_major import column_major
from fastgd.kernels.compact import MAX_FEATURES as MAX_COMPACT
from fastgd.kernels.compact import compact
from fastgd.kernels.jit import Kernel
from fastgd.kernels.row_major import row_major


@cache
def dense(n_features: int, by_columns: bool) -> Kernel:
    """Return the fastest kernel.

    Parameters
    ----------
    n_features : int
        The number of features, >= 1.
    by_columns : bool
        Whether X is column-major, and comes transposed.

    Returns
    -------
    Kernel
        The kernel.
    """
    if n_features <= (few.MAX_COLUMNS if by_columns else few.MAX_FEATURES):
        return few.few_features(n_features, by_columns)
    if by_columns:
        return column_major
    return compact if n_features <= MAX_COMPACT else row_major
