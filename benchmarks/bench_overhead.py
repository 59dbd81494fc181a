"""The price of a call: so few rows that nothing else is measured."""

import statistics
import time

import numpy as np

from fastgd.kernels.dense import dense
from fastgd.kernels.signals import compiled_meet
from fastgd.rows import arrays, parallel

from .common import GRADIENTS, rows

# Looks at a counter before a waiting thread goes back to Python for a moment.
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


class Threads:
    """Handing a pass without work to the workers, and collecting it: each takes a part, and the first waits for the others."""

    param_names = ["n_threads"]
    params = [[2, 3, 4, 8]]

    def setup(self, n_threads):
        self.meet = compiled_meet()
        self.time_meeting(n_threads)

    def time_meeting(self, n_threads):
        numbers, here = iter(range(n_threads)), np.zeros(1, np.int64)

        def take(bell):
            number = next(numbers, None)
            if number is None:
                return False
            if number:
                self.meet(here, 1, bell, -1, 1)
                return True
            n_here = self.meet(bell, 1, here, 0, _LOOKS)
            while n_here < n_threads - 1:
                n_here = self.meet(bell, 0, here, n_here, _LOOKS)
            return True

        parallel.share(take, n_threads)


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
