"""What the benchmarks share: implementations by name, and data that is only ever added to."""

from collections.abc import Callable
from typing import Any

import numpy as np

import fastgd
from fastgd import reference

# The implementation is a parameter, so that plain numpy stands on the same plot.
GRADIENTS: dict[str, Callable[..., Any]] = {"fastgd": fastgd.gradient, "numpy": reference.gradient}


def rows(n_samples: int, n_features: int, dtype: str = "float64", order: str = "C") -> tuple[Any, Any, Any]:
    """Make X, y and weights, the same on every run; the weights have the dtype of X, as numpy would want them."""
    rng = np.random.default_rng(0)
    X = np.asarray(rng.standard_normal((n_samples, n_features)), dtype=dtype, order=order)
    y = rng.standard_normal(n_samples).astype(dtype)
    w = rng.standard_normal(n_features).astype(dtype)
    return X, y, w
