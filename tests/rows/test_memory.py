"""Extra memory is bounded: it does not grow with the number of rows."""

import tracemalloc
from functools import lru_cache

import numpy as np
import pytest

import fastgd
from fastgd.sklearn import GDRegressor

CALLS = {
    "gradient": lambda X, y: fastgd.gradient(X, y, np.ones(4), n_threads=3),
    "cost": lambda X, y: fastgd.cost(X, y, np.ones(4), sample_weight=y * y),
    "moments": fastgd.Moments.from_rows,
    "fit": fastgd.fit,
    "gd": lambda X, y: fastgd.fit(X, y, method="gd", precompute=False, max_iter=3, tol=0),
    "nesterov": lambda X, y: fastgd.fit(X, y, method="nesterov", max_iter=3, tol=0),
    "cg": lambda X, y: fastgd.fit(X, y, method="cg", standardize=True),
    "the estimator": lambda X, y: GDRegressor().fit(X, y),
    "a stream": lambda X, y: fastgd.fit(
        fastgd.from_batches(lambda: ((X[i :: 2**3], y[i :: 2**3]) for i in range(2**3)))
    ),
}
LAYOUTS = {
    "row-major": np.ascontiguousarray,
    "column-major": np.asfortranarray,
    "float32": lambda X: X.astype("f4"),
    "whole numbers": lambda X: (100 * X).astype("i4"),
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
}


@lru_cache(maxsize=1)  # the calls of a layout follow each other
def training_set(layout):
    rng = np.random.default_rng(0)
    X = LAYOUTS[layout](rng.standard_normal((1_200_000, 4)))
    return X, X.sum(axis=1) + rng.standard_normal(len(X))


def peak(call, X, y):
    tracemalloc.start()
    call(X, y)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_twice_the_rows_take_no_more_memory(call, layout):
    X, y = training_set(layout)
    half = len(X) // 2
    peak(CALLS[call], X[:1000], y[:1000])
    small, large = peak(CALLS[call], X[:half], y[:half]), peak(CALLS[call], X, y)
    given = y.nbytes * (call == "cost")  # the weights are made in the call
    converted = 3 * 1.5e6  # a block of each thread, whichever threads come
    assert large - given < small + converted < small + 0.5 * y.nbytes
