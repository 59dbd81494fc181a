"""
The bowl, and why features are standardised
===========================================

The cost of a line over its two parameters is a bowl. Where the feature is far from zero the bowl is a narrow valley: a
descent falls to its floor in a few steps, swinging, and then creeps along. With the feature standardised the bowl is
round, and the path straight. The contours are exact, and computed from moments: with a billion rows they would take one
pass over these.
"""

import numpy as np
from matplotlib import pyplot as plt

import fastgd
import fastgd.plot

rng = np.random.default_rng(1)
x = rng.uniform(0, 10, 100)
y = 3 + 2 * x + rng.normal(0, 2, 100)
standardized = (x - x.mean()) / x.std()

figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for ax, feature, rate, title in (
    (axes[0], x, 0.025, "as it is"),
    (axes[1], standardized, 0.1, "standardised"),
):
    descent = fastgd.fit(feature, y, method="gd", learning_rate=rate, max_iter=100, tol=0, history=True)
    fastgd.plot.cost_surface(feature, y, descent.history, ax=ax)
    ax.set_title(title)
