"""Fits: a hundred iterations of batch gradient descent, and the default fit, compared with others."""

import math

import numpy as np

import fastgd
from fastgd import reference

from . import fits
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


class LeastSquares:
    """The default fit compared with other ways to the minimum: seconds, and digits of the gradient."""

    param_names = ["implementation", "shape", "kind"]
    params = [["fastgd", "lstsq", "normal equations", "scikit-learn"], [(100_000, 10), (50_000, 100)], list(fits.KINDS)]
    timeout = 300

    def setup(self, implementation, shape, kind):
        if implementation not in fits.fits():
            raise NotImplementedError(f"{implementation} is not installed")  # asv skips it
        self.fit = fits.fits()[implementation]
        self.X, self.y = fits.data(*shape, kind)
        self.fit(self.X, self.y)

    def time_fit(self, implementation, shape, kind):
        self.fit(self.X, self.y)

    def track_digits(self, implementation, shape, kind):
        gradient = fits.scale_free_gradient(self.X, self.y, self.fit(self.X, self.y))
        return -math.log10(max(gradient, 1e-17))

    track_digits.unit = "digits of the scale-free gradient"
