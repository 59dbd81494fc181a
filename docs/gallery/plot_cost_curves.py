"""
Methods beside each other
=========================

On correlated features plain descent needs about as many iterations as the condition number, Nesterov's method about its
square root, and conjugate gradients no more than there are parameters. What `fit` does by default is not in the
picture: it arrives in one step.
"""

import warnings

import numpy as np
from matplotlib import pyplot as plt

import fastgd

warnings.simplefilter("ignore", fastgd.ConvergenceWarning)  # 60 iterations are too few for some

rng = np.random.default_rng(3)
X = rng.standard_normal((500, 20)) @ (np.eye(20) + 0.5)
y = X @ rng.standard_normal(20) + rng.standard_normal(500)
lowest = fastgd.fit(X, y).cost

figure, ax = plt.subplots(layout="constrained")
for method, style in (("gd", "-"), ("nesterov", "--"), ("cg", "-.")):
    history = fastgd.fit(X, y, method=method, max_iter=60, history=True).history
    ax.semilogy(history["iteration"], np.maximum(history["cost"] - lowest, 1e-16), style, label=method)
ax.legend(frameon=False)
ax.set_xlabel("iteration")
ax.set_ylabel("cost above the minimum")
