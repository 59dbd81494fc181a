"""
Down a parabola
===============

Gradient descent on a function of one number: a step against the derivative, as long as the derivative is large. A
learning rate that is too small creeps, one that is nearly too large swings to and fro, and beyond the limit each step
leads further away.
"""

import warnings

from matplotlib import pyplot as plt

import fastgd
import fastgd.plot

warnings.simplefilter("ignore", fastgd.ConvergenceWarning)  # of the one that is to diverge

figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for ax, rate in zip(axes, (0.1, 0.9, 1.03), strict=True):
    history = fastgd.descend(lambda theta: 2 * theta, 3.0, learning_rate=rate, n_iter=8)
    fastgd.plot.path_1d(lambda theta: theta**2, history, ax=ax)
    ax.set_title(f"learning rate {rate}")
