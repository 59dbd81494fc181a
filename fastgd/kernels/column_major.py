"""Values of a feature side by side in memory, as data frames keep them: panels of rows, whose residuals stay in cache."""

from fastgd.kernels.jit import BLOCK_VALUES, kernel
from fastgd.kernels.simd import LANES
from fastgd.kernels.streams import N_STREAMS, products, products_and_sums, residuals, sums

# A panel is read from memory, and then from the second-level cache, so that it should take no more than part of it; but a
# column's piece should be long, as each begins with a page that the processor has not looked up and a stream that the hardware
# has not recognised. Beyond _MAX_SHORT features no panel does both, and the second reading is from the third level.
_PANEL_BYTES, _PIECE_BYTES = 1 << 18, 512
_MAX_SHORT, _LONG_PIECE_BYTES = 1200, 1536
_PANEL_MAX_ROWS = 2048

_MIN_BLOCK_ROWS = 1024

# How far ahead of its reading the kernel asks for memory, in bytes of each column.
_AHEAD = 1024


def _size(n_features: int) -> int:
    return 2 + 2 * (-(-n_features // LANES) * LANES) + 2 * LANES + 3 * _PANEL_MAX_ROWS


def _block_rows(n_features: int) -> int:
    # Enough panels: the first and the last are read by halves.
    return max(_MIN_BLOCK_ROWS, 4 * BLOCK_VALUES // n_features)


@kernel(_size, _block_rows)
def column_major(columns, start, stop, y, s, theta, scale, sums_and_work):
    """Sum over rows of any number of features; X comes transposed, and the arguments are else those of `Kernel`."""
    n_features, n_samples = columns.shape
    n_rows = stop - start
    padded = (n_features + LANES - 1) // LANES * LANES
    bias = theta[0] if theta.shape[0] > n_features else 0.0
    for i in range(sums_and_work.shape[0]):
        sums_and_work[i] = 0.0
    g = sums_and_work[2 : 2 + padded]
    w = sums_and_work[2 + padded : 2 + 2 * padded]
    for j in range(n_features):
        w[j] = theta[theta.shape[0] - n_features + j]
    work = sums_and_work[2 + 2 * padded :]
    totals, panels = work[: 2 * LANES], work[2 * LANES :]
    h, r, zeros = panels[:_PANEL_MAX_ROWS], panels[_PANEL_MAX_ROWS : 2 * _PANEL_MAX_ROWS], panels[2 * _PANEL_MAX_ROWS :]

    piece = max(_PANEL_BYTES // n_features, _PIECE_BYTES) if n_features <= _MAX_SHORT else _LONG_PIECE_BYTES
    panel = min(_PANEL_MAX_ROWS, piece // columns.itemsize // LANES * LANES)
    lead = min(panel, _AHEAD // columns.itemsize)
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
            ahead = (panel - lead, here + lead, there + lead - panel, 1, n_samples)
            if n_here == n_before == panel and n_streams == N_STREAMS:
                before = at - panel
                products_and_sums(columns, before, at, n_samples, panel, r, g[j:], w[j:], h, ahead)
            else:
                if n_here > 0:
                    sums(columns, at, n_samples, n_here, n_streams, zeros, w[j:], h, ahead)
                if n_before > 0:
                    products(columns, at - panel, n_samples, n_before, n_streams, zeros, r, g[j:], ahead)
        for i in range(0, n_here, LANES):
            residuals(h[i:], r[i:], first + i, y, s, bias, n_rows, totals)
    for lane in range(LANES):
        sums_and_work[0] += scale * totals[lane]
        sums_and_work[1] += scale * totals[LANES + lane]
    for j in range(n_features):
        g[j] *= scale
