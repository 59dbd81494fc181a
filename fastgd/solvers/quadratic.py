"""The least-squares objective as solvers see it: a cost, a gradient and a Hessian, computed from sums over the rows."""

import math
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.solvers.units import Units

Vector = NDArray[np.float64]

# A column that spreads less, beside its mean, is constant to the rounding of its numbers.
_CONSTANT = 1e-14


class Sums(Protocol):
    """The rows of a training set, or what gives the same sums."""

    def gradient(self, theta: Vector, scale: float) -> Vector:
        """Return ``scale * (sum s r^2, sum s r, sum s r x_1, ..., sum s r x_k)``."""

    def product(self, p: Vector) -> Vector:
        """Return ``(sum s (x.p)^2, sum s (x.p), sum s (x.p) x_1, ..., sum s (x.p) x_k)``."""


class Scales(NamedTuple):
    """The sizes of a training set's columns, weighted where there are sample weights."""

    mean: Vector
    """Mean of each feature, shape (n_features,)."""
    std: Vector
    """Standard deviation of each feature with ddof 0, shape (n_features,); 0 for a constant feature."""
    y_mean: float
    """Mean of y."""
    y_std: float
    """Its standard deviation with ddof 0."""
    total_weight: float
    """sum s."""

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Whether each feature is constant, to the rounding of its numbers; shape (n_features,)."""
        result: NDArray[np.bool_] = self.std <= _CONSTANT * abs(self.mean)
        return result


class Evaluation(NamedTuple):
    """An objective at one point."""

    theta: Vector
    """The point, shape (n_parameters,)."""
    cost: float
    """The cost there."""
    gradient: Vector
    """Its gradient, shape (n_parameters,)."""
    residual_norm: float
    """sqrt(sum s r^2)."""


class Objective:
    """``J(theta) = c/2 sum s r^2 + l2 |coef|^2``, on features as they are or standardised.

    Standardised features are never computed: theta is converted to the units of the rows before a pass, and the sums are
    converted back.

    Parameters
    ----------
    sums : Sums
        The rows, or moments.
    n_features : int
        The number of features.
    intercept : bool
        Whether theta begins with an intercept.
    scale : float
        c.
    l2 : float
        The penalty.
    standardize : Scales, optional
        The scales to standardise by: features are divided by their std and, if there is an intercept to make up for it,
        their mean is subtracted first.

    Attributes
    ----------
    n_parameters : int
        The length of theta.
    units : Units
        The units of the features.
    intercept, scale, l2
        As given.
    """

    def __init__(
        self,
        sums: Sums,
        *,
        n_features: int,
        intercept: bool,
        scale: float,
        l2: float,
        standardize: Scales | None = None,
    ) -> None:
        self.n_parameters = n_features + intercept
        self._sums = sums
        self.intercept = intercept
        self.scale = scale
        self.l2 = l2
        centre, unit = np.zeros(n_features), np.ones(n_features)
        self._zero: NDArray[np.bool_] | None = None  # the standardised features that are zero in each row
        if standardize is not None:
            constant = standardize.constant
            unit = np.where(constant, 1.0, standardize.std)
            if intercept:
                centre = standardize.mean
                self._zero = constant if constant.any() else None
        self.units = Units(centre, unit, intercept=intercept)

    def evaluate(self, theta: Vector) -> Evaluation:
        """Compute the cost and its gradient at theta, shape (n_parameters,), in one pass."""
        sums = self._sums.gradient(self.units.to_rows(theta), self.scale)
        squares = sums.item(0)
        gradient = self._gradient(sums, theta)
        return Evaluation(theta, 0.5 * squares + self.penalty(theta), gradient, math.sqrt(squares / self.scale))

    def product(self, p: Vector) -> Vector:
        """Compute the product of the Hessian with a vector of shape (n_parameters,), in one pass."""
        return self._gradient(self._sums.product(self.units.to_rows(p)) * self.scale, p)

    def penalty(self, theta: Vector) -> float:
        """Compute ``l2 |coef|^2``."""
        coef = self._coef(theta)
        return self.l2 * float(coef @ coef) if self.l2 else 0.0

    def penalty_gradient(self, theta: Vector) -> Vector:
        """Compute ``2 l2 coef``, and 0 for the intercept."""
        return self._with_intercept(0.0, 2.0 * self.l2 * self._coef(theta))

    def penalty_curvature(self) -> Vector:
        """Return the part of the penalty in the diagonal of the Hessian, shape (n_parameters,)."""
        return self._with_intercept(0.0, np.full(len(self.units.scale), 2.0 * self.l2))

    def _gradient(self, sums: Vector, at: Vector) -> Vector:
        """Convert sums to the units of this objective, in place, and add the penalty's gradient."""
        gradient = sums[1:] if self.intercept else sums[2:]
        if not self.units.as_given:
            coef = self._coef(gradient)
            coef -= self.units.centre * sums[1]
            coef /= self.units.scale
            if self._zero is not None:
                coef[self._zero] = 0.0
        if self.l2:
            self._coef(gradient)[:] += 2.0 * self.l2 * self._coef(at)
        return gradient

    def _coef(self, theta: Vector) -> Vector:
        return theta[1:] if self.intercept else theta

    def _with_intercept(self, value: float, coef: Vector) -> Vector:
        return np.concatenate(([value], coef)) if self.intercept else coef
