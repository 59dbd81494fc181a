"""The triangular factor of a training set: what a QR decomposition leaves of its columns, whatever holds the rows."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.rows import parallel
from fastgd.rows.blocks import Blocks, Fold
from fastgd.rows.parts import PartedRows
from fastgd.rows.rows import Rows

_Vector = NDArray[np.float64]


def factor_of(rows: Rows, centre: _Vector | None) -> _Vector:
    """Decompose features and target into ``Q R`` in one pass, and return R.

    Blocks of rows are decomposed by Householder reflections, and their factors, one below the other, once more, in the fixed
    tree of `fastgd.rows.blocks.Fold` [1]_. Unlike the moments, R has the singular values of the columns to the roundoff of the
    largest, not to its square root.

    Parameters
    ----------
    rows : Rows
        The training set.
    centre : ndarray of shape (n_features + 1,), float64, or None
        What is taken off features and target, which then have a column of ones before them, as the intercept's. Of a training
        set with several targets, that of each, here and below.

    Returns
    -------
    ndarray of shape (n, n_features + 1) or (n, n_features + 2), float64
        R, upper triangular, of ``sqrt(s) (x, y)`` or ``sqrt(s) (1, (x, y) - centre)``; n is the number of its columns, or of
        the rows if they are fewer.

    References
    ----------
    .. [1] J. Demmel, L. Grigori, M. Hoemmen, J. Langou, "Communication-optimal parallel and sequential QR and LU
       factorizations", SIAM Journal on Scientific Computing 34 (2012), A206-A239.
    """
    if isinstance(rows, PartedRows):
        whole: _Vector = rows.reduce(partial(factor_of, centre=centre), merged_factors)
        return whole
    rows.n_passes += 1
    n_rows = max(tuning.CACHED_VALUES // rows.n_features, tuning.FACTOR_ROWS_PER_COLUMN * rows.n_features)
    blocks = Blocks(rows.n_samples, n_rows)
    fold = Fold(len(blocks), merged_factors)

    def do(i: int) -> None:
        values, s = rows.block(*blocks[i])
        if centre is not None:
            values = np.column_stack((np.ones(len(values)), values - centre))
        heavy = s > 0  # what has no weight may hold anything
        fold.add(i, _triangle(values[heavy] * np.sqrt(s[heavy, np.newaxis])))

    parallel.share(do, range(len(blocks)), rows.n_threads)
    total: _Vector = fold.total()
    return total


def merged_factors(first: _Vector, then: _Vector) -> _Vector:
    """Return the factor of the rows of both, given theirs about the same centre."""
    return _triangle(np.concatenate((first, then)))


def _triangle(values: _Vector) -> _Vector:
    return np.asarray(np.linalg.qr(values, mode="r"))
