"""The price of a call: so few rows that nothing else is measured."""

from .common import GRADIENTS, rows


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
