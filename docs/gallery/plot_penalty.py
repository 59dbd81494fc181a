"""
The penalty, found
==================

Each fold is held out once, and its cost is that of a fit to all the others. With a small penalty the fit follows the noise of
sixty rows and thirty features; with a large one it follows nothing.
"""

import numpy as np

import fastgd
import fastgd.plot

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 30))
y = X[:, :5].sum(axis=1) + 2 * rng.standard_normal(60)

result = fastgd.cross_validate(X, y, folds=5)
ax = fastgd.plot.penalty_curve(result)
print(f"l2={result.best_l2:.3g}: cost {result.mean_cost.min():.3g} on rows that the fits have not seen")
