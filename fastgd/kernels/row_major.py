"""Features of a row side by side in memory: unrolled for two and three of them, four rows at a time for more."""

import numpy as np

from fastgd.kernels.jit import kernel
from fastgd.kernels.prefetch import CACHE_LINE, prefetch

# How far ahead of its reading a kernel asks for memory. Four rows of 100 features are four short streams, which the hardware
# prefetcher does not follow: 1e7 values took 1.5 times as long as a plain sum over them, and 1.15 times when asked for by hand.
# Distances of 4 to 16 KiB did equally well. A processor keeps track of some 16 lines under way, so from 32 features on half of
# them are asked for between the residuals and the gradient: 1.0 times. Beyond 512 features rows are streams that the hardware
# follows better alone.
_PREFETCH_BYTES = 8192
_PREFETCH_MAX_FEATURES = 512
_SPLIT_MIN_FEATURES = 32


@kernel()
def two_features(X, start, stop, y, s, theta, scale, sums):  # type: ignore[no-untyped-def]
    """Sum over rows of two features; the arguments are those of `Kernel`."""
    # Flat, because a stride of 2 that the compiler can see becomes vector shuffles: 4 times as fast as X[i, 0].
    x = X[start:stop].reshape(2 * (stop - start))
    w1 = theta[theta.shape[0] - 2]
    w2 = theta[theta.shape[0] - 1]
    bias = theta[0] if theta.shape[0] > 2 else 0.0
    sum_rr = sum_r = sum_rx1 = sum_rx2 = 0.0
    for i in range(stop - start):
        x1 = np.float64(x[2 * i])
        x2 = np.float64(x[2 * i + 1])
        h = bias + w1 * x1 + w2 * x2
        r = h if y is None else h - y[i]
        sr = r if s is None else s[i] * r
        sum_rr += sr * r
        sum_r += sr
        sum_rx1 += sr * x1
        sum_rx2 += sr * x2
    sums[0] = scale * sum_rr
    sums[1] = scale * sum_r
    sums[2] = scale * sum_rx1
    sums[3] = scale * sum_rx2


@kernel()
def three_features(X, start, stop, y, s, theta, scale, sums):  # type: ignore[no-untyped-def]
    """Sum over rows of three features; the arguments are those of `Kernel`."""
    x = X[start:stop].reshape(3 * (stop - start))
    w1 = theta[theta.shape[0] - 3]
    w2 = theta[theta.shape[0] - 2]
    w3 = theta[theta.shape[0] - 1]
    bias = theta[0] if theta.shape[0] > 3 else 0.0
    sum_rr = sum_r = sum_rx1 = sum_rx2 = sum_rx3 = 0.0
    for i in range(stop - start):
        x1 = np.float64(x[3 * i])
        x2 = np.float64(x[3 * i + 1])
        x3 = np.float64(x[3 * i + 2])
        h = bias + w1 * x1 + w2 * x2 + w3 * x3
        r = h if y is None else h - y[i]
        sr = r if s is None else s[i] * r
        sum_rr += sr * r
        sum_r += sr
        sum_rx1 += sr * x1
        sum_rx2 += sr * x2
        sum_rx3 += sr * x3
    sums[0] = scale * sum_rr
    sums[1] = scale * sum_r
    sums[2] = scale * sum_rx1
    sums[3] = scale * sum_rx2
    sums[4] = scale * sum_rx3


@kernel()
def many_features(X, start, stop, y, s, theta, scale, sums):  # type: ignore[no-untyped-def]
    """Sum over rows of any number of features; the arguments are those of `Kernel`."""
    X = X[start:stop]
    n_samples, n_features = X.shape
    bias = theta[0] if theta.shape[0] > n_features else 0.0
    w = theta[theta.shape[0] - n_features :]
    sum_rx = sums[2:]
    sum_rx[:] = 0.0
    sum_rr = sum_r = 0.0
    line = CACHE_LINE // X.itemsize
    ahead = _PREFETCH_BYTES // X.itemsize
    n_asked = 4 * n_features if n_features <= _PREFETCH_MAX_FEATURES else 0
    n_asked_first = n_asked // 2 if n_features >= _SPLIT_MIN_FEATURES else n_asked
    n_fours = n_samples - n_samples % 4
    for i in range(0, n_fours, 4):
        # In loops of their own: a call inside the loops over the features would keep them from being vectorised.
        asked = i * n_features + ahead
        for element in range(asked, asked + n_asked_first, line):
            prefetch(X, element)  # type: ignore[call-arg]
        x1, x2, x3, x4 = X[i], X[i + 1], X[i + 2], X[i + 3]
        h1 = h2 = h3 = h4 = 0.0
        for j in range(n_features):
            h1 += w[j] * x1[j]
            h2 += w[j] * x2[j]
            h3 += w[j] * x3[j]
            h4 += w[j] * x4[j]
        for element in range(asked + n_asked_first, asked + n_asked, line):
            prefetch(X, element)  # type: ignore[call-arg]
        r1, r2, r3, r4 = bias + h1, bias + h2, bias + h3, bias + h4
        if y is not None:
            r1 -= y[i]
            r2 -= y[i + 1]
            r3 -= y[i + 2]
            r4 -= y[i + 3]
        sr1, sr2, sr3, sr4 = r1, r2, r3, r4
        if s is not None:
            sr1 *= s[i]
            sr2 *= s[i + 1]
            sr3 *= s[i + 2]
            sr4 *= s[i + 3]
        sum_rr += (sr1 * r1 + sr2 * r2) + (sr3 * r3 + sr4 * r4)
        sum_r += (sr1 + sr2) + (sr3 + sr4)
        for j in range(n_features):
            sum_rx[j] += (sr1 * x1[j] + sr2 * x2[j]) + (sr3 * x3[j] + sr4 * x4[j])
    for i in range(n_fours, n_samples):
        x = X[i]
        h = 0.0
        for j in range(n_features):
            h += w[j] * x[j]
        r = bias + h if y is None else bias + h - y[i]
        sr = r if s is None else s[i] * r
        sum_rr += sr * r
        sum_r += sr
        for j in range(n_features):
            sum_rx[j] += sr * x[j]
    sums[0] = scale * sum_rr
    sums[1] = scale * sum_r
    for j in range(n_features):
        sum_rx[j] *= scale
