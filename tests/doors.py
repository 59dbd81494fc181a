"""The public functions and methods that take arrays, each with the positions at which it takes them."""

import functools
import inspect
from typing import Any, NamedTuple

import numpy as np

import fastgd

try:
    from fastgd.sklearn import GDRegressor, GDRegressorCV
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


def _door(call, **renamed):
    """Return a door whose positions are those of `good` that its signature names."""
    return Door(call, {name: renamed.get(name, name) for name in inspect.signature(call).parameters if name in good()})


def _fit(X, y, theta, sample_weight, **options):
    return fastgd.fit(X, y, theta0=theta, sample_weight=sample_weight, intercept=False, **options)


def _batch(X, y, sample_weight):
    return fastgd.from_batches([(X, y, sample_weight)])


DOORS = {
    "cost": _door(fastgd.cost),
    "gradient": _door(fastgd.gradient),
    "gradient, one thread": _door(functools.partial(fastgd.gradient, n_threads=1)),
    "cost_and_gradient": _door(fastgd.cost_and_gradient),
    "fit": _door(_fit, theta="theta0"),
    "fit by textbook": _door(functools.partial(_fit, method="gd", precompute=False), theta="theta0"),
    "cross_validate": _door(
        lambda X, y, sample_weight: fastgd.cross_validate(X, y, folds=2, sample_weight=sample_weight)
    ),
    "Moments.from_rows": _door(fastgd.Moments.from_rows),
    "Moments.cost": _door(MOMENTS.cost),
    "Moments.gradient": _door(MOMENTS.gradient),
    "predict": _door(FITTED.predict),
    "score": _door(FITTED.score),
    "gradient of a batch": _door(
        lambda X, y, theta, sample_weight: fastgd.gradient(_batch(X, y, sample_weight), None, theta)
    ),
    "fit of a batch": _door(lambda X, y, sample_weight: fastgd.fit(_batch(X, y, sample_weight))),
    "descend": _door(lambda theta: fastgd.descend(lambda theta: 2 * theta, theta), theta="theta0"),
}

ESTIMATOR = GDRegressor and {
    "GDRegressor.fit": _door(lambda X, y, sample_weight: GDRegressor().fit(X, y, sample_weight)),
    "GDRegressor.partial_fit": _door(lambda X, y, sample_weight: GDRegressor().partial_fit(X, y, sample_weight)),
    "GDRegressor.predict": _door(GDRegressor().fit(X, Y).predict),
    "GDRegressor.score": _door(GDRegressor().fit(X, Y).score),
    "GDRegressorCV.fit": _door(lambda X, y, sample_weight: GDRegressorCV(cv=2).fit(X, y, sample_weight)),
    "GDRegressorCV.predict": _door(GDRegressorCV(cv=2).fit(X, Y).predict),
    "GDRegressorCV.score": _door(GDRegressorCV(cv=2).fit(X, Y).score),
}


def places(doors):
    """Return each door with each of its positions."""
    return [(name, position) for name, door in doors.items() for position in door.takes]


def call(door, given):
    """Call a door with what it takes of these."""
    return door.call(**{position: given[position] for position in door.takes})
