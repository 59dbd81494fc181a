"""Values of a feature side by side in memory, as data frames keep them: panels of rows whose residuals stay in cache."""

from fastgd.kernels.jit import kernel
from fastgd.kernels.prefetch import CACHE_LINE, prefetch

# Rows of a panel: as many as keep a panel of float64 within 128 KiB, so that its second reading comes from cache, but no
# fewer than 128, under which each column's piece is too short to be read fast.
_PANEL_VALUES = 16384
_PANEL_MIN_ROWS = 128
_PANEL_MAX_ROWS = 2048

# From here on the next four columns' pieces are asked for while four are read: each piece is a stream that ends before the
# hardware prefetcher has caught on. 1e7 values took 1.2 times as long as a plain sum over them at 100 features, without 1.45;
# at 1,000 features 1.8 and 2.2.
_PREFETCH_MIN_FEATURES = 64


@kernel(workspace=_PANEL_MAX_ROWS)
def column_major(columns, start, stop, y, s, theta, scale, sums):  # type: ignore[no-untyped-def]
    """Sum over rows of any number of features; X comes transposed, and the arguments are else those of `Kernel`."""
    n_features, n_samples = columns.shape
    bias = theta[0] if theta.shape[0] > n_features else 0.0
    w = theta[theta.shape[0] - n_features :]
    sum_rx = sums[2 : 2 + n_features]
    sum_rx[:] = 0.0
    sum_rr = sum_r = 0.0
    panel_rows = min(_PANEL_MAX_ROWS, max(_PANEL_MIN_ROWS, _PANEL_VALUES // n_features // 8 * 8))
    n_fours = n_features - n_features % 4
    n_asked = n_features if n_features >= _PREFETCH_MIN_FEATURES else 0
    line = CACHE_LINE // columns.itemsize
    for first in range(start, stop, panel_rows):
        last = min(first + panel_rows, stop)
        n_rows = last - first
        r = sums[2 + n_features : 2 + n_features + n_rows]
        if y is None:
            r[:] = bias
        else:
            y_panel = y[first - start : last - start]
            for i in range(n_rows):
                r[i] = bias - y_panel[i]
        for j in range(0, n_fours, 4):
            # In a loop of its own: a call inside the loop over the rows would keep it from being vectorised.
            for column in range(j + 4, min(j + 8, n_asked)):
                for i in range(0, n_rows, line):
                    prefetch(columns, column * n_samples + first + i)  # type: ignore[call-arg]
            x1, x2 = columns[j, first:last], columns[j + 1, first:last]
            x3, x4 = columns[j + 2, first:last], columns[j + 3, first:last]
            w1, w2, w3, w4 = w[j], w[j + 1], w[j + 2], w[j + 3]
            for i in range(n_rows):
                r[i] += (w1 * x1[i] + w2 * x2[i]) + (w3 * x3[i] + w4 * x4[i])
        for j in range(n_fours, n_features):
            x = columns[j, first:last]
            wj = w[j]
            for i in range(n_rows):
                r[i] += wj * x[i]

        if s is None:
            for i in range(n_rows):
                sum_rr += r[i] * r[i]
                sum_r += r[i]
        else:
            s_panel = s[first - start : last - start]
            for i in range(n_rows):
                sr = s_panel[i] * r[i]
                sum_rr += sr * r[i]
                sum_r += sr
                r[i] = sr

        for j in range(0, n_fours, 4):
            x1, x2 = columns[j, first:last], columns[j + 1, first:last]
            x3, x4 = columns[j + 2, first:last], columns[j + 3, first:last]
            g1 = g2 = g3 = g4 = 0.0
            for i in range(n_rows):
                g1 += r[i] * x1[i]
                g2 += r[i] * x2[i]
                g3 += r[i] * x3[i]
                g4 += r[i] * x4[i]
            sum_rx[j] += g1
            sum_rx[j + 1] += g2
            sum_rx[j + 2] += g3
            sum_rx[j + 3] += g4
        for j in range(n_fours, n_features):
            x = columns[j, first:last]
            g = 0.0
            for i in range(n_rows):
                g += r[i] * x[i]
            sum_rx[j] += g
    sums[0] = scale * sum_rr
    sums[1] = scale * sum_r
    for j in range(n_features):
        sum_rx[j] *= scale
