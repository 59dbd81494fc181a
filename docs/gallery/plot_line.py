"""
A line through points
=====================

What a fit minimises is the mean of the squared lengths of the grey lines, the residuals.
"""

import numpy as np

import fastgd
import fastgd.plot

rng = np.random.default_rng(0)
hours = rng.uniform(0, 10, 40)
marks = 40 + 5 * hours + rng.normal(0, 6, 40)

result = fastgd.fit(hours, marks)
ax = fastgd.plot.fit_line(hours, marks, result)
ax.set_xlabel("hours")
ax.set_ylabel("marks")
print(result)
