"""A hundred iterations of batch gradient descent, beside the same loop in plain numpy."""

import numpy as np

import fastgd
from fastgd import reference

from .common import rows

ITERATIONS = 100


def by_fastgd(X, y, theta0):
    return fastgd.fit(X, y, method="gd", learning_rate=1e-3, max_iter=ITERATIONS, tol=0, theta0=theta0)


def by_numpy(X, y, theta0):
    return reference.descend(X, y, theta0, learning_rate=1e-3, n_iter=ITERATIONS, intercept=True)


FITS = {"fastgd": by_fastgd, "numpy": by_numpy}


class GradientDescent:
    """From data that fits into the first-level cache to data that fits into none."""

    param_names = ["implementation", "n_samples", "n_features"]
    params = [list(FITS), [100, 10_000, 1_000_000], [1, 10]]

    def setup(self, implementation, n_samples, n_features):
        self.fit = FITS[implementation]
        X, y, _ = rows(n_samples, n_features)
        self.args = X, y, np.zeros(1 + n_features)
        self.fit(*self.args)

    def time_fit(self, implementation, n_samples, n_features):
        self.fit(*self.args)
