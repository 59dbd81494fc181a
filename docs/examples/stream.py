"""Learn from a stream: a model that is up to date after each batch, and a fit to a stream that is read once.

    python stream.py

`partial_fit` merges the moments of a batch into those of all rows before: whatever the batches' sizes and their order, the
model is the least-squares solution of the rows seen so far.
"""

import itertools

import numpy as np

import fastgd
from fastgd.sklearn import GDRegressor


def stream():
    rng = np.random.default_rng(0)
    while True:
        X = rng.uniform(0, 10, (rng.integers(1, 500), 2))
        yield X, 3.0 + X @ [2.0, -1.0] + rng.normal(0, 1, len(X))


model, n_rows = GDRegressor(), 0
for number, (X, y) in enumerate(itertools.islice(stream(), 100), 1):
    model.partial_fit(X, y)
    n_rows += len(X)
    if number in (1, 10, 100):
        print(f"{n_rows:6,} rows: {model.intercept_:.3f} + {model.coef_[0]:.3f} a {model.coef_[1]:+.3f} b")

once = fastgd.fit(fastgd.from_batches(itertools.islice(stream(), 100)))
print(f"read once: differs by {abs(once.coef - model.coef_).max():.0e}")
print(once.message)
