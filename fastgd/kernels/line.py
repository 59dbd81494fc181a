"""One feature: lines through the origin, ``h(x) = w x``, and lines, ``h(x) = theta0 + theta1 x``."""

import numpy as np

from fastgd.kernels.jit import kernel


@kernel()
def one_weight(X, start, stop, y, s, theta, scale, sums):  # type: ignore[no-untyped-def]
    """Sum over a line through the origin; the arguments are those of `Kernel`."""
    x = X[start:stop].reshape(stop - start)
    w = theta[0]
    sum_rr = sum_r = sum_rx = 0.0
    for i in range(stop - start):
        xi = np.float64(x[i])
        r = w * xi if y is None else w * xi - y[i]
        sr = r if s is None else s[i] * r
        sum_rr += sr * r
        sum_r += sr
        sum_rx += sr * xi
    sums[0] = scale * sum_rr
    sums[1] = scale * sum_r
    sums[2] = scale * sum_rx


@kernel()
def two_weights(X, start, stop, y, s, theta, scale, sums):  # type: ignore[no-untyped-def]
    """Sum over a line with an intercept; the arguments are those of `Kernel`."""
    x = X[start:stop].reshape(stop - start)
    theta0 = theta[0]
    theta1 = theta[1]
    sum_rr = sum_r = sum_rx = 0.0
    for i in range(stop - start):
        xi = np.float64(x[i])
        r = theta0 + theta1 * xi if y is None else theta0 + theta1 * xi - y[i]
        sr = r if s is None else s[i] * r
        sum_rr += sr * r
        sum_r += sr
        sum_rx += sr * xi
    sums[0] = scale * sum_rr
    sums[1] = scale * sum_r
    sums[2] = scale * sum_rx
