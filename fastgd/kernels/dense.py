"""Which kernel sums over rows of this many features, in this layout."""

from functools import cache

from fastgd.kernels import tuning
from fastgd.kernels.column_groups import column_groups, stay_in_registers
from fastgd.kernels.column_major import column_major
from fastgd.kernels.few import few_features
from fastgd.kernels.jit import Kernel
from fastgd.kernels.row_major import row_major
from fastgd.kernels.simd import LANES
from fastgd.kernels.whole_rows import whole_rows


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
    if by_columns and n_features <= tuning.FEW_COLUMNS and not stay_in_registers(n_features):
        return column_groups(n_features)
    if n_features <= (tuning.FEW_COLUMNS if by_columns else tuning.FEW_FEATURES):
        return few_features(n_features, by_columns)
    if by_columns:
        return column_major
    return whole_rows(-(-n_features // LANES)) if n_features <= tuning.WHOLE_FEATURES else row_major
