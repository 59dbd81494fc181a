"""
Several learning rates
======================

The larger the learning rate, the faster the descent, up to the stable limit 2 / lambda_max, which the legend tells.
Just beyond it the cost grows without end.
"""

import numpy as np

import fastgd.plot

rng = np.random.default_rng(2)
x = rng.uniform(0, 10, 100)
y = 3 + 2 * x + rng.normal(0, 2, 100)

fastgd.plot.learning_rates(x, y, [0.001, 0.003, 0.01, 0.033], n_iter=40)
