"""Where columns lie and how far they spread: what each row adds to the first two moments of each column."""

from functools import cache

import numpy as np
from numba import njit

from fastgd.kernels import tuning
from fastgd.kernels.jit import HELPER_FLAGS, Kernel


def _n_sums(n_features: int) -> int:
    return 1 + 2 * (n_features + 1)


@cache
def spread(by_columns: bool) -> Kernel:
    """Return the kernel that sums s, s (z - centre) and s (z - centre)^2 over rows, with z = (x, y).

    Its arguments are those of any `Kernel`, but for theta and sums: theta is the centre, of shape (n_features + 1,), and sums
    receives the one number, the first sums, and then the second ones. Rows of no weight are not looked at.

    Parameters
    ----------
    by_columns : bool
        Whether X is column-major, and comes transposed.

    Returns
    -------
    Kernel
        The kernel.
    """

    def spread(X, start, stop, y, s, theta, scale, sums):
        n_features = theta.shape[0] - 1
        for i in range(sums.shape[0]):
            sums[i] = 0.0
        first, second = sums[1:], sums[n_features + 2 :]
        lanes = np.empty((3, tuning.COLUMN_SUMS))
        sums[0], first[n_features], second[n_features] = _of_column(y, s, theta[n_features], lanes)
        if by_columns:
            for j in range(n_features):
                _, first[j], second[j] = _of_column(X[j, start:stop], s, theta[j], lanes)
        else:
            for i in range(stop - start):
                weight = 1.0 if s is None else s[i]
                if weight > 0.0:
                    _add_row(X[start + i], weight, theta, first, second)
        for i in range(sums.shape[0]):
            sums[i] *= scale

    return Kernel(spread, n_sums=_n_sums)


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def _of_column(values, s, centre, lanes):
    """Return the sums of s, s (value - centre) and s (value - centre)^2; lanes is of shape (3, COLUMN_SUMS)."""
    total, first, second = lanes
    for lane in range(tuning.COLUMN_SUMS):
        total[lane] = first[lane] = second[lane] = 0.0
    for start in range(0, values.shape[0], tuning.COLUMN_SUMS):
        for lane in range(min(tuning.COLUMN_SUMS, values.shape[0] - start)):
            weight = 1.0 if s is None else s[start + lane]
            distance = values[start + lane] - centre if weight > 0.0 else 0.0
            total[lane] += weight
            first[lane] += weight * distance
            second[lane] += weight * (distance * distance)
    half = tuning.COLUMN_SUMS
    while half > 1:
        half //= 2
        for lane in range(half):
            total[lane] += total[half + lane]
            first[lane] += first[half + lane]
            second[lane] += second[half + lane]
    return total[0], first[0], second[0]


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def _add_row(x, weight, centre, first, second):
    for j in range(x.shape[0]):
        distance = x[j] - centre[j]
        first[j] += weight * distance
        second[j] += weight * (distance * distance)
