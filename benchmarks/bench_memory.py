"""Peak memory, at two sizes each: their difference is the data's own size where nothing of length n is allocated."""

from .common import GRADIENTS, rows


class Memory:
    """Ten features."""

    param_names = ["implementation", "n_samples"]
    params = [list(GRADIENTS), [100_000, 1_000_000]]

    def setup(self, implementation, n_samples):
        self.gradient = GRADIENTS[implementation]
        self.args = rows(n_samples, 10)

    def peakmem_gradient(self, implementation, n_samples):
        self.gradient(*self.args)
