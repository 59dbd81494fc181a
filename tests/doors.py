"""The public functions and methods that take arrays, each with the positions at which it takes them."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

import fastgd

try:
    from fastgd.sklearn import GDRegressor
except ImportError:
    GDRegressor = None

X = np.array([[1.0, 0.0], [2.0, -1.0], [0.0, 3.0], [4.0, 1.0], [-2.0, 2.0], [3.0, 5.0]])
Y = np.array([1.0, 3.0, -2.0, 4.0, 0.0, 2.0])
S = np.array([1.0, 2.0, 1.0, 0.5, 1.0, 3.0])
THETA = np.array([1.0, -0.5])
FITTED = fastgd.fit(X, Y)
MOMENTS = fastgd.Moments.from_rows(X, Y)


def good():
    """Make one argument for each position."""
    return {"X": X.copy(), "y": Y.copy(), "theta": THETA.copy(), "sample_weight": S.copy(), "out": np.full(2, 7.0)}


class Door(NamedTuple):
    """A public function."""

    call: Any
    """Takes an argument for each of its positions."""
    takes: dict[str, str]
    """Its positions, and what it calls the argument there."""


def _takes(*positions, **renamed):
    return {**{position: position for position in positions}, **renamed}


def _fit(X, y, theta, sample_weight, **options):
    return fastgd.fit(X, y, theta0=theta, sample_weight=sample_weight, intercept=False, **options)


DOORS = {
    "cost": Door(fastgd.cost, _takes("X", "y", "theta", "sample_weight")),
    "gradient": Door(fastgd.gradient, _takes("X", "y", "theta", "sample_weight", "out")),
    "gradient, one thread": Door(
        partial(fastgd.gradient, n_threads=1), _takes("X", "y", "theta", "sample_weight", "out")
    ),
    "cost_and_gradient": Door(fastgd.cost_and_gradient, _takes("X", "y", "theta", "sample_weight", "out")),
    "fit": Door(_fit, _takes("X", "y", "sample_weight", theta="theta0")),
    "fit by textbook": Door(
        partial(_fit, method="gd", precompute=False), _takes("X", "y", "sample_weight", theta="theta0")
    ),
    "Moments.from_rows": Door(fastgd.Moments.from_rows, _takes("X", "y", "sample_weight")),
    "Moments.cost": Door(MOMENTS.cost, _takes("theta")),
    "Moments.gradient": Door(MOMENTS.gradient, _takes("theta")),
    "predict": Door(FITTED.predict, _takes("X")),
    "score": Door(FITTED.score, _takes("X", "y", "sample_weight")),
    "gradient of a batch": Door(
        lambda X, y, theta, sample_weight: fastgd.gradient(fastgd.from_batches([(X, y, sample_weight)]), None, theta),
        _takes("X", "y", "theta", "sample_weight"),
    ),
    "fit of a batch": Door(
        lambda X, y, sample_weight: fastgd.fit(fastgd.from_batches([(X, y, sample_weight)])),
        _takes("X", "y", "sample_weight"),
    ),
    "descend": Door(lambda theta: fastgd.descend(lambda theta: 2 * theta, theta), _takes(theta="theta0")),
}

ESTIMATOR = GDRegressor and {
    "GDRegressor.fit": Door(
        lambda X, y, sample_weight: GDRegressor().fit(X, y, sample_weight), _takes("X", "y", "sample_weight")
    ),
    "GDRegressor.partial_fit": Door(
        lambda X, y, sample_weight: GDRegressor().partial_fit(X, y, sample_weight), _takes("X", "y", "sample_weight")
    ),
    "GDRegressor.predict": Door(GDRegressor().fit(X, Y).predict, _takes("X")),
    "GDRegressor.score": Door(GDRegressor().fit(X, Y).score, _takes("X", "y", "sample_weight")),
}


def places(doors):
    """Return each door with each of its positions."""
    return [(name, position) for name, door in doors.items() for position in door.takes]


def call(door, given):
    """Call a door with what it takes of these."""
    return door.call(**{position: given[position] for position in door.takes})
