"""The price of a call: so few rows that nothing else is measured."""

import statistics
from timeit import timeit

import numpy as np
from numba import carray, types

from fastgd.kernels import mailbox
from fastgd.kernels.dense import dense
from fastgd.kernels.signals import add, load_acquire
from fastgd.rows import arrays, parallel

from .common import GRADIENTS, rows

# How often a waiting thread reads a number before it returns to Python for a moment.
_LOOKS = 10_000


class Overhead:
    """Few rows of one and of three features."""

    param_names = ["implementation", "n_samples", "n_features"]
    params = [list(GRADIENTS), [1, 10, 100], [1, 3]]

    def setup(self, implementation, n_samples, n_features):
        self.gradient = GRADIENTS[implementation]
        self.args = rows(n_samples, n_features)
        self.gradient(*self.args)

    def time_gradient(self, implementation, n_samples, n_features):
        self.gradient(*self.args)


def roll_call(environment, number):
    """Count this worker as present; on the calling thread, wait until all are."""
    cells = carray(environment, 1)
    if number:
        add(cells, 0, -1)
        return mailbox.DONE
    for _ in range(_LOOKS):
        if load_acquire(cells, 0) == 0:
            return mailbox.DONE
    return mailbox.MORE


class Threads:
    """Handing an empty job to the workers, and waiting until each of them has taken it."""

    param_names = ["n_threads"]
    params = [[2, 3, 4, 8]]

    def setup(self, n_threads):
        self.job = mailbox.compiled_job(roll_call, types.int64)
        self.time_roll_call(n_threads)

    def time_roll_call(self, n_threads):
        absent = np.array([n_threads - 1])
        parallel.run(self.job.address, absent, absent, lambda: None, n_threads)


class Blocks:
    """What fixed blocks and their ordered fold cost: a pass in multiples of one call of the kernel over all rows."""

    param_names = ["n_features"]
    params = [[1, 3, 10, 100, 1000]]
    unit = "ratio"

    def track_cost(self, n_features):
        X, y, w = rows(30_000_000 // n_features, n_features)
        training_set = arrays.ArrayRows(X, y, None, 1)
        sums = np.empty(2 + n_features)
        free = dense(n_features, False)["d", "d", False]
        ratios = []
        for _ in range(9):
            alone = timeit(lambda: free(X, 0, len(X), y, None, w, 1.0, sums), number=1)
            ratios.append(timeit(lambda: training_set.gradient(w), number=1) / alone)
        return statistics.median(ratios)
