"""The gradient over sizes, shapes, dtypes, layouts and threads, compared with plain numpy."""

import fastgd
from fastgd.bench import roofline

from .common import GRADIENTS, rows


class Gradient:
    """Row-major float64, from a thousand values to ten million."""

    param_names = ["implementation", "n_values", "n_features"]
    params = [list(GRADIENTS), [10**3, 10**4, 10**5, 10**6, 10**7], [1, 2, 3, 10, 100, 1000]]

    def setup(self, implementation, n_values, n_features):
        self.gradient = GRADIENTS[implementation]
        self.args = rows(n_values // n_features, n_features)
        self.gradient(*self.args)

    def time_gradient(self, implementation, n_values, n_features):
        self.gradient(*self.args)


class GradientLayout:
    """A million values of either dtype in either layout."""

    param_names = ["implementation", "dtype", "order", "n_features"]
    params = [list(GRADIENTS), ["float64", "float32"], ["C", "F"], [3, 10, 100, 1000]]

    def setup(self, implementation, dtype, order, n_features):
        self.gradient = GRADIENTS[implementation]
        self.args = rows(10**6 // n_features, n_features, dtype, order)
        self.gradient(*self.args)

    def time_gradient(self, implementation, dtype, order, n_features):
        self.gradient(*self.args)


class GradientThreads:
    """Thirty million values, out of most caches, on one and two threads."""

    param_names = ["n_threads", "dtype", "order", "n_features"]
    params = [[1, 2], ["float64", "float32"], ["C", "F"], [1, 10, 100, 1000]]

    def setup(self, n_threads, dtype, order, n_features):
        self.args = rows(30_000_000 // n_features, n_features, dtype, order)
        fastgd.gradient(*self.args, n_threads=n_threads)

    def time_gradient(self, n_threads, dtype, order, n_features):
        fastgd.gradient(*self.args, n_threads=n_threads)


class Moments:
    """All second moments of ten million values, centred; plain numpy's are not."""

    param_names = ["implementation", "order", "n_features"]
    params = [["fastgd", "numpy"], ["C", "F"], [10, 100, 500]]

    def setup(self, implementation, order, n_features):
        X, y, _ = rows(10**7 // n_features, n_features, "float64", order)
        self.args = (X, y) if implementation == "fastgd" else (X,)
        self.moments = fastgd.Moments.from_rows if implementation == "fastgd" else _products
        self.moments(*self.args)

    def time_moments(self, implementation, order, n_features):
        self.moments(*self.args)


def _products(X):
    return X.T @ X


class Roof:
    """The share of the read roof, which does not depend on the speed of the machine."""

    param_names = ["n_threads", "dtype", "order", "n_features"]
    params = GradientThreads.params
    unit = "share"
    timeout = 120

    def track_share(self, n_threads, dtype, order, n_features):
        (share,) = roofline.shares([n_features], [dtype], [order], [n_threads], n_bytes=1 << 28)
        return share.gradient

    def track_product(self, n_threads, dtype, order, n_features):
        (share,) = roofline.shares([n_features], [dtype], [order], [n_threads], n_bytes=1 << 28)
        return share.product
