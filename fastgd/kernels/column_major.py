"""Values of a feature side by side in memory, as data frames keep them: panels of rows, whose residuals stay in cache."""

import numpy as np

from fastgd.kernels.jit import BLOCK_VALUES, kernel
from fastgd.kernels.simd import LANES
from fastgd.kernels.streams import (
    CACHED,
    N_STREAMS,
    products,
    products_and_sums,
    residuals,
    sums_of_multiples,
    write_sums,
)

# A panel is read from memory, and then from the second-level cache, so that it should take no more than part of it; but a
# column's piece should be long, as each begins with a page that the processor has not looked up and a stream that the hardware
# has not recognised. Beyond _MAX_SHORT features no panel does both, and the second reading is from the third level.
_PANEL_BYTES, _PIECE_BYTES = 1 << 18, 384
_MAX_SHORT, _LONG_PIECE_BYTES = 1200, 1536

# In a block; a thread hears of an interrupt between two blocks.
_MIN_BLOCK_ROWS, _MAX_VALUES = 1024, 1 << 25

# How far ahead of its reading the kernel asks for memory, in bytes of each column.
_AHEAD = 1024


def _block_rows(n_features: int) -> int:
    # Enough panels: the first and the last are read by halves.
    return max(1, min(max(_MIN_BLOCK_ROWS, 4 * BLOCK_VALUES // n_features), _MAX_VALUES // n_features))


@kernel(_block_rows)
def column_major(columns, start, stop, y, s, theta, scale, sums):
    """Sum over rows of any number of features; X comes transposed, and the arguments are else those of `Kernel`."""
    n_features, n_samples = columns.shape
    n_rows = stop - start
    padded = (n_features + LANES - 1) // LANES * LANES
    bias = theta[0] if theta.shape[0] > n_features else 0.0
    piece = max(_PANEL_BYTES // n_features, _PIECE_BYTES) if n_features <= _MAX_SHORT else _LONG_PIECE_BYTES
    # Panels of much the same length: a short one at the end costs as much as a long one.
    n_panels = max(1, -(-n_rows * columns.itemsize // piece))
    panel = max(1, -(-n_rows // (n_panels * LANES))) * LANES
    lead = min(panel, _AHEAD // columns.itemsize)
    cached = columns.size * columns.itemsize <= CACHED

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
                products_and_sums(columns, before, at, n_samples, panel, r, g[j:], w[j:], h, ahead)
            else:
                if n_here > 0:
                    sums_of_multiples(columns, at, n_samples, n_here, n_streams, zeros, w[j:], h, ahead)
                if n_before > 0:
                    products(columns, at - panel, n_samples, n_before, n_streams, zeros, r, g[j:], ahead)
        for i in range(0, n_here, LANES):
            residuals(h[i:], r[i:], first + i, y, s, bias, n_rows, totals)
    write_sums(totals, g, scale, sums)
