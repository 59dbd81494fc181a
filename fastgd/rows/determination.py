"""The coefficient of determination of a hypothesis, R^2, over any rows."""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.rows.memory import MemoryRows
from fastgd.rows.parts import PartedRows

_Vector = NDArray[np.float64]


class Deviations(NamedTuple):
    """How far the targets of some rows are from a hypothesis, and from their mean; roots, as squares might leave float64."""

    total_weight: float
    """S = sum s."""
    mean: float
    """sum s y / S."""
    unexplained: float
    """The root of sum s (y - h)^2."""
    total: float
    """The root of sum s (y - mean)^2."""

    def merged(self, other: "Deviations") -> "Deviations":
        """Return those of the rows of both, merged as `CentredMoments` are."""
        weight = self.total_weight + other.total_weight
        share = other.total_weight / weight if weight else 0.0
        shift = other.mean - self.mean
        between = shift * math.sqrt(self.total_weight * share)
        unexplained = _hypot(self.unexplained, other.unexplained)
        return Deviations(weight, self.mean + shift * share, unexplained, _hypot(self.total, other.total, between))


def r_squared(rows: MemoryRows | PartedRows, coef: _Vector, intercept: float) -> float:
    """Compute ``1 - sum s (y - h)^2 / sum s (y - mean)^2``, in one pass; where y is constant, 1 for no residuals and else 0.

    Parameters
    ----------
    rows : MemoryRows or PartedRows
        The rows.
    coef : ndarray of shape (n_features,), float64
        The coefficients.
    intercept : float
        The intercept.

    Returns
    -------
    float
        It; NaN where a value is NaN.
    """
    of_rows = partial(_deviations, coef=coef, intercept=intercept)
    found: Deviations = rows.reduce(of_rows, Deviations.merged) if isinstance(rows, PartedRows) else of_rows(rows)
    if found.total == 0.0:
        return float(found.unexplained == 0.0)
    with np.errstate(all="ignore"):
        return float(1.0 - np.square(np.float64(found.unexplained) / found.total))


def _deviations(rows: MemoryRows, coef: _Vector, intercept: float) -> Deviations:
    whole = Deviations(0.0, 0.0, 0.0, 0.0)
    for h, y, s in rows.predicted(coef, intercept):
        with np.errstate(over="ignore", invalid="ignore"):
            whole = whole.merged(_of_block(h, y, s))
    return whole


def _of_block(h: _Vector, y: _Vector, s: _Vector) -> Deviations:
    weight = float(s.sum())
    centre = y[s.argmax()]  # so that a constant has deviations of exactly 0
    shift = float(s @ (y - centre)) / weight if weight else 0.0
    mean = float(centre) + shift
    return Deviations(weight, mean, _root(y - h, s), _root(y - mean, s))


def _hypot(*values: float) -> float:
    """Return the root of the sum of squares; NaN comes out, even beside an infinity."""
    return math.nan if any(map(math.isnan, values)) else math.hypot(*values)


def _root(values: _Vector, s: _Vector) -> float:
    """Return the root of the sum of s times the squares of values."""
    # In units in which the squares stay within the range of float64.
    _, exponent = np.frexp(abs(values[s > 0]).max(initial=0.0))
    return float(np.ldexp(math.sqrt(s @ np.ldexp(values, -exponent) ** 2), exponent))
