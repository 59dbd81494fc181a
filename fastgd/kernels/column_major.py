"""Values of a feature side by side in memory, as data frames keep them: panels of rows, whose residuals stay in cache."""

import numpy as np

from fastgd.kernels import tuning
from fastgd.kernels.jit import kernel
from fastgd.kernels.simd import LANES
from fastgd.kernels.streams import N_STREAMS, products, products_and_sums, residuals, sums_of_multiples, write_sums


def _block_rows(n_features: int) -> int:
    n_rows = max(tuning.MIN_BLOCK_ROWS, 4 * tuning.BLOCK_VALUES // n_features)
    return max(1, min(n_rows, tuning.MAX_BLOCK_VALUES // n_features))


@kernel(_block_rows)
def column_major(columns, start, stop, y, s, theta, scale, sums):
    """Sum over rows of any number of features; X comes transposed, and the arguments are else those of `Kernel`."""
    n_features, n_samples = columns.shape
    n_rows = stop - start
    padded = (n_features + LANES - 1) // LANES * LANES
    bias = theta[0] if theta.shape[0] > n_features else 0.0
    piece = tuning.LONG_PIECE_BYTES
    if n_features <= tuning.MAX_PANEL_FEATURES:
        piece = max(tuning.PANEL_BYTES // n_features, tuning.PIECE_BYTES)
    # Panels of much the same length: a short one at the end costs as much as a long one.
    n_panels = max(1, -(-n_rows * columns.itemsize // piece))
    panel = max(1, -(-n_rows // (n_panels * LANES))) * LANES
    lead = min(panel, tuning.COLUMN_AHEAD // columns.itemsize)
    cached = columns.size * columns.itemsize <= tuning.CACHED_BYTES

    work = np.empty(2 * LANES + 2 * padded + 3 * panel)
    for i in range(work.shape[0]):
        work[i] = 0.0
    totals, vectors, panels = work[: 2 * LANES], work[2 * LANES : -3 * panel], work[-3 * panel :]
    w, g = vectors[:padded], vectors[padded:]
    h, r, zeros = panels[:panel], panels[panel : 2 * panel], panels[2 * panel :]
    for j in range(n_features):
        w[j] = theta[theta.shape[0] - n_features + j]
    for first in range(0, n_rows + panel, panel):
        n_here = max(0, min(panel, n_rows - first))
        n_before = min(panel, n_rows - first + panel) if first > 0 else 0
        for j in range(0, n_features, N_STREAMS):
            at = j * n_samples + start + first
            n_streams = min(N_STREAMS, n_features - j)
            # What will be read next are the pieces of the next eight columns, or of the last eight, or the next panel's first.
            here = min(j, n_features - N_STREAMS) * n_samples + start + first
            there = min(j + N_STREAMS, n_features - N_STREAMS) * n_samples + start + first
            if n_streams == n_features - j:
                there = start + first + panel
            spread = 0 if cached else n_samples
            ahead = (panel - lead, here + lead, there + lead - panel, 1, spread)
            if n_here == n_before == panel and n_streams == N_STREAMS:
                before = at - panel
                products_and_sums(columns, r, g[j:], w[j:], h, (before, at, n_samples, panel), ahead)
            else:
                if n_here > 0:
                    sums_of_multiples(columns, zeros, w[j:], h, (at, n_samples, n_here, n_streams), ahead)
                if n_before > 0:
                    products(columns, zeros, r, g[j:], (at - panel, n_samples, n_before, n_streams), ahead)
        for i in range(0, n_here, LANES):
            residuals(h[i:], r[i:], first + i, y, s, bias, n_rows, totals)
    write_sums(totals, g, scale, sums)
