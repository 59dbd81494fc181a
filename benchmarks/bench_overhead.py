"""The price of a call: so few rows that nothing else is measured."""

import statistics
import time

import numpy as np
from numba import carray, types

from fastgd.kernels import mailbox
from fastgd.kernels.dense import dense
from fastgd.kernels.signals import add, look
from fastgd.rows import arrays, parallel

from .common import GRADIENTS, rows

# Looks at a number before a waiting thread goes back to Python for a moment.
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
    """Say that one is there; or, on the calling thread, wait until the others have."""
    cells = carray(environment, 1)
    if number:
        add(cells, 0, -1)
        return mailbox.DONE
    for _ in range(_LOOKS):
        if look(cells, 0) == 0:
            return mailbox.DONE
    return mailbox.MORE


class Threads:
    """Handing a job without work to the workers, and collecting it: the calling thread waits until each has come."""

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
        kernel = dense(n_features, False)
        sums = np.empty(2 + n_features)
        free = kernel["d", "d", False]
        ratios = []
        for _ in range(9):
            start = time.perf_counter()
            free(X, 0, len(X), y, None, w, 1.0, sums)
            middle = time.perf_counter()
            training_set.gradient(w)
            ratios.append((time.perf_counter() - middle) / (middle - start))
        return statistics.median(ratios)
