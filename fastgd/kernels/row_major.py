"""Rows of more than 128 features: the next eight are multiplied while the last eight are added to the gradient."""

import numpy as np

from fastgd.kernels import tuning
from fastgd.kernels.jit import kernel
from fastgd.kernels.simd import LANES
from fastgd.kernels.streams import N_STREAMS, products, products_and_sums, residuals, sums_of_multiples, write_sums


def _block_rows(n_features: int) -> int:
    n_rows = max(tuning.MIN_GROUPS, 2 * tuning.BLOCK_VALUES // n_features // N_STREAMS) * N_STREAMS
    return min(n_rows, max(1, tuning.MAX_BLOCK_VALUES // n_features // N_STREAMS) * N_STREAMS)


@kernel(_block_rows)
def row_major(X, start, stop, y, s, theta, scale, sums):
    """Sum over rows of any number of features; the arguments are those of `Kernel`."""
    n_features = X.shape[1]
    n_rows = stop - start
    padded = (n_features + LANES - 1) // LANES * LANES
    bias = theta[0] if theta.shape[0] > n_features else 0.0
    work = np.empty(4 * LANES + 3 * padded)
    for i in range(work.shape[0]):
        work[i] = 0.0
    totals, d, c = work[: 2 * LANES], work[2 * LANES : 3 * LANES], work[3 * LANES : 4 * LANES]
    vectors = work[4 * LANES :]
    w, g, zeros = vectors[:padded], vectors[padded : 2 * padded], vectors[2 * padded :]
    for j in range(n_features):
        w[j] = theta[theta.shape[0] - n_features + j]

    if X.size * X.itemsize <= tuning.CACHED_BYTES:
        turn = near = far = step = spread = 0
    elif n_features * X.itemsize <= tuning.SHORT_ROW_BYTES:
        near = far = tuning.SHORT_ROWS_AHEAD // X.itemsize
        turn, step, spread = 0, N_STREAMS, tuning.CACHE_LINE // X.itemsize
    else:
        near = tuning.LONG_ROW_AHEAD // X.itemsize
        turn, far, step, spread = n_features - near, near + (N_STREAMS - 1) * n_features, 1, n_features

    # The last vector of a row reaches into the next row, and behind the last one of X there is none.
    n_free = min(n_rows, (X.size - LANES + 1) // n_features - start)
    n_whole = max(0, n_free) // N_STREAMS * N_STREAMS
    for i in range(0, n_rows + N_STREAMS, N_STREAMS):
        at = (start + i) * n_features
        before = at - N_STREAMS * n_features
        ahead = (turn, at + near, at + far, step, spread)
        if 0 < i < n_whole:
            products_and_sums(X, w, d, c, g, (at, before, n_features, n_features), ahead)
        else:
            if i > 0:
                n_before = min(N_STREAMS, n_rows - i + N_STREAMS)
                sums_of_multiples(X, zeros, c, g, (before, n_features, n_features, n_before), ahead)
            if i < n_rows:
                products(X, zeros, w, d, (at, n_features, n_features, min(N_STREAMS, n_rows - i)), ahead)
        if i < n_rows:
            residuals(d, c, i, y, s, bias, n_rows, totals)
    write_sums(totals, g, scale, sums)
