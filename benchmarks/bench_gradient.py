"""The gradient over the sizes that fit into memory, and over dtypes and layouts."""

from .common import GRADIENTS, rows


class Gradient:
    """Row-major float64, from a thousand values to ten million."""

    param_names = ["implementation", "n_values", "n_features"]
    params = [list(GRADIENTS), [10**3, 10**4, 10**5, 10**6, 10**7], [1, 2, 3, 10, 100]]

    def setup(self, implementation, n_values, n_features):
        self.gradient = GRADIENTS[implementation]
        self.args = rows(n_values // n_features, n_features)
        self.gradient(*self.args)

    def time_gradient(self, implementation, n_values, n_features):
        self.gradient(*self.args)


class GradientLayout:
    """A million values of either dtype in either layout."""

    param_names = ["implementation", "dtype", "order", "n_features"]
    params = [list(GRADIENTS), ["float64", "float32"], ["C", "F"], [3, 10, 100]]

    def setup(self, implementation, dtype, order, n_features):
        self.gradient = GRADIENTS[implementation]
        self.args = rows(10**6 // n_features, n_features, dtype, order)
        self.gradient(*self.args)

    def time_gradient(self, implementation, dtype, order, n_features):
        self.gradient(*self.args)
