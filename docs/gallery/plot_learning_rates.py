"""
Several learning rates
======================

A small learning rate takes many steps, and one beyond the stable limit 2 / lambda_max, which the legend tells, makes the cost
grow without end. In the long run the fastest is 2 / (lambda_max + lambda_min), just below it; early on a shorter one may be
ahead, as steps near the limit go to and fro across the valley, and hardly shrink.
"""

import numpy as np

import fastgd.plot

rng = np.random.default_rng(2)
x = rng.uniform(0, 10, 100)
y = 3 + 2 * x + rng.normal(0, 2, 100)

fastgd.plot.learning_rates(x, y, [0.001, 0.003, 0.01, 0.033], n_iter=40)
