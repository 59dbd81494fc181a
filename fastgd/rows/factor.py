"""The triangular factor of a training set: what a QR decomposition leaves of the features, whatever holds the rows."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from fastgd.rows import parallel
from fastgd.rows.blocks import Blocks, Fold
from fastgd.rows.parts import PartedRows
from fastgd.rows.rows import Rows

_Vector = NDArray[np.float64]

# A block has so many values, which stay in the second-level cache, or some rows for each column: with fewer of them, most of
# the work would be to merge the factors.
_BLOCK_VALUES, _ROWS_PER_COLUMN = 1 << 16, 4


def factor_of(rows: Rows, centre: _Vector | None) -> _Vector:
    """Decompose the features into ``Q R`` in one pass, and return R.

    Blocks of rows are decomposed by Householder reflections, and their factors, one below the other, once more, in the fixed
    tree of `fastgd.rows.blocks.Fold` [1]_. Unlike the moments, R has the singular values of the features to the roundoff of the
    largest, not to its square root.

    Parameters
    ----------
    rows : Rows
        The training set; y is not used.
    centre : ndarray of shape (n_features,), float64, or None
        What is taken off the features, which then have a column of ones before them, as the intercept's.

    Returns
    -------
    ndarray of shape (n, n_features) or (n, 1 + n_features), float64
        R, upper triangular, of ``sqrt(s) x`` or ``sqrt(s) (1, x - centre)``; n is the number of its columns, or of the rows if
        they are fewer.

    References
    ----------
    .. [1] J. Demmel, L. Grigori, M. Hoemmen, J. Langou, "Communication-optimal parallel and sequential QR and LU
       factorizations", SIAM Journal on Scientific Computing 34 (2012), A206-A239.
    """
    if isinstance(rows, PartedRows):
        whole: _Vector = rows.reduce(partial(factor_of, centre=centre), _merged)
        return whole
    rows.n_passes += 1
    blocks = Blocks(rows.n_samples, max(_BLOCK_VALUES // rows.n_features, _ROWS_PER_COLUMN * rows.n_features))
    fold = Fold(len(blocks), _merged)

    def do(i: int) -> None:
        values, s = rows.block(*blocks[i])
        X = values[:, : rows.n_features]
        if centre is not None:
            X = np.column_stack((np.ones(len(X)), X - centre))
        heavy = s > 0  # what has no weight may hold anything
        fold.add(i, _triangle(X[heavy] * np.sqrt(s[heavy, np.newaxis])))

    parallel.share(do, range(len(blocks)), rows.n_threads)
    total: _Vector = fold.total()
    return total


def _merged(first: _Vector, then: _Vector) -> _Vector:
    return _triangle(np.concatenate((first, then)))


def _triangle(values: _Vector) -> _Vector:
    return np.asarray(np.linalg.qr(values, mode="r"))
