"""The least-squares objective as solvers see it: a cost, a gradient and a Hessian, over something that answers with sums."""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.solvers.inverse_hessian import InverseHessian
from fastgd.solvers.units import Units

_Vector = NDArray[np.float64]


class Sums(Protocol):
    """What answers: the rows of a training set, or what stands for them."""

    def gradient(self, theta: _Vector, scale: float) -> _Vector:
        """Return ``scale * (sum s r^2, sum s r, sum s r x_1, ..., sum s r x_k)``."""

    def product(self, p: _Vector) -> _Vector:
        """Return ``(sum s (x.p)^2, sum s (x.p), sum s (x.p) x_1, ..., sum s (x.p) x_k)``."""


class Scales(NamedTuple):
    """The sizes of a training set's columns, weighted where there are sample weights."""

    mean: _Vector
    """Mean of each feature, shape (n_features,)."""
    std: _Vector
    """Standard deviation of each feature with ddof 0, shape (n_features,); 0 for a constant feature."""
    y_mean: float
    """Mean of y."""
    y_std: float
    """Its standard deviation with ddof 0."""
    total_weight: float
    """sum s."""

    @property
    def farthest(self) -> float:
        """How many standard deviations a feature's mean is from zero, at most."""
        return float((abs(self.mean) / np.where(self.std > 0, self.std, np.inf)).max())


class Evaluation(NamedTuple):
    """An objective at one point."""

    theta: _Vector
    """The point, shape (n_parameters,)."""
    cost: float
    """The cost there."""
    gradient: _Vector
    """Its gradient, shape (n_parameters,)."""
    residual_norm: float
    """sqrt(sum s r^2)."""


class Objective:
    """``J(theta) = c/2 sum s r^2 + l2 |coef|^2``, on features as they are or standardised.

    Standardised features are never written down: theta is carried over to the original units, the pass over the rows is
    made there, and its sums are carried back.

    Parameters
    ----------
    sums : Sums
        What answers.
    n_features : int
        The number of features.
    intercept : bool
        Whether theta begins with an intercept.
    scale : float
        c.
    l2 : float
        The penalty.
    standardize : Scales, optional
        The scales to standardise by: features are divided by their std and, where there is an intercept to take up the
        difference, their mean is subtracted first.

    Attributes
    ----------
    n_parameters : int
        The length of theta.
    units : Units
        The features as this objective has them.
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
        if standardize is not None:
            unit = np.where(standardize.std > 0, standardize.std, 1.0)
            if intercept:
                centre = standardize.mean
        self.units = Units(centre, unit, intercept=intercept)

    def evaluate(self, theta: _Vector) -> Evaluation:
        """Compute the cost and its gradient, in one pass.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,), float64
            The point.

        Returns
        -------
        Evaluation
            The objective there.
        """
        sums = self._sums.gradient(self.units.to_rows(theta), self.scale)
        squares = sums.item(0)
        gradient = self._back(sums)
        if self.l2:
            self._coef(gradient)[:] += 2.0 * self.l2 * self._coef(theta)
        return Evaluation(theta, 0.5 * squares + self.penalty(theta), gradient, math.sqrt(squares / self.scale))

    def product(self, p: _Vector) -> _Vector:
        """Compute the product of the Hessian with a vector, in one pass.

        Parameters
        ----------
        p : ndarray of shape (n_parameters,), float64
            The vector.

        Returns
        -------
        ndarray of shape (n_parameters,), float64
            ``H p``.
        """
        result = self._back(self._sums.product(self.units.to_rows(p)) * self.scale)
        if self.l2:
            self._coef(result)[:] += 2.0 * self.l2 * self._coef(p)
        return result

    def column_norms(self, scales: Scales) -> tuple[_Vector, _Vector]:
        """Compute ``|x_j|`` for each parameter: of the features as they are here, and of what they are made from.

        Parameters
        ----------
        scales : Scales
            The sizes of the columns.

        Returns
        -------
        norms : ndarray of shape (n_parameters,), float64
            Of the features as this objective has them; of a column of ones for the intercept.
        terms : ndarray of shape (n_parameters,), float64
            Of the numbers that are added up to them: no smaller, and much larger for a standardised feature far from zero.
        """
        root = math.sqrt(scales.total_weight)
        size = np.hypot(scales.mean, scales.std)
        norms = np.hypot(scales.mean - self.units.centre, scales.std) / self.units.scale
        terms = (size + abs(self.units.centre)) / self.units.scale
        return root * self._with_intercept(1.0, norms), root * self._with_intercept(1.0, terms)

    def spreads(self, scales: Scales) -> tuple[_Vector | None, _Vector]:
        """Return the features' means, if there is an intercept, and the lengths of the columns about them.

        Parameters
        ----------
        scales : Scales
            The sizes of the columns.

        Returns
        -------
        mean : ndarray of shape (n_features,), float64, or None
            The means of the features as this objective has them; None without an intercept.
        lengths : ndarray of shape (n_parameters,), float64
            ``|x_j - mean_j|`` for each feature, ``|x_j|`` without an intercept; that of a column of ones for the intercept.
        """
        if not self.intercept:
            return None, self.column_norms(scales)[0]
        lengths = np.append(1.0, scales.std / self.units.scale)
        return self.units.of(scales.mean), math.sqrt(scales.total_weight) * lengths

    def penalty(self, theta: _Vector) -> float:
        """Compute ``l2 |coef|^2``.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,), float64
            The point.

        Returns
        -------
        float
            The penalty's part of the cost.
        """
        coef = self._coef(theta)
        return self.l2 * float(coef @ coef) if self.l2 else 0.0

    def inverse_from_moments(
        self, mean: _Vector, scatter: _Vector, total_weight: float, *, noise: float = 1.0
    ) -> InverseHessian:
        """Approximate the inverse of the Hessian by moments.

        Parameters
        ----------
        mean : ndarray of shape (n_features,), float64
            The features' means, as the rows hold them.
        scatter : ndarray of shape (n_features, n_features), float64
            Their sums of products about these.
        total_weight : float
            ``sum s``.
        noise : float
            See `InverseHessian.from_moments`.

        Returns
        -------
        InverseHessian
            The inverse, for the features as this objective has them.
        """
        return InverseHessian.from_moments(
            self.units.of(mean),
            scatter / self.units.scale / self.units.scale[:, np.newaxis],
            total_weight=total_weight,
            scale=self.scale,
            l2=self.l2,
            intercept=self.intercept,
            noise=noise,
        )

    def inverse_from_factor(
        self,
        centre: _Vector | None,
        factor: _Vector,
        *,
        total_weight: float,
        n_samples: int,
        known: InverseHessian | None = None,
    ) -> InverseHessian:
        """Approximate the inverse of the Hessian by the triangular factor of features and target.

        Parameters
        ----------
        centre : ndarray of shape (n_features + 1,), float64, or None
            What was taken off features and target before, with an intercept.
        factor : ndarray of shape (n, n_features + 1) or, with an intercept, (n, n_features + 2), float64
            The factor of the rows, as `fastgd.rows.factor.factor_of` returns it.
        total_weight : float
            ``sum s``.
        n_samples : int
            How many rows there are.
        known : InverseHessian, optional
            The inverse that was made of the same features beside another target.

        Returns
        -------
        InverseHessian
            The inverse, for the features as this objective has them.
        """
        root, mean = math.sqrt(self.scale), None
        if centre is not None:
            mean = centre + factor[0, 1:] / factor[0, 0]  # as of the centre, which is the mean but for rounding
            factor = factor[1:, 1:]
        target, factor = factor[:, -1] * root, factor[:, :-1] * root
        if known is None:
            sizes = np.linalg.norm(factor, axis=0)
            if mean is not None:
                sizes = np.hypot(sizes, root * math.sqrt(total_weight) * mean[:-1])
            known = InverseHessian.from_factor(
                None if mean is None else self.units.of(mean[:-1]),
                factor / self.units.scale,
                sizes / self.units.scale,
                total_curvature=self.scale * total_weight,
                l2=self.l2,
                n_samples=n_samples,
            )
        return known.for_target(target, 0.0 if mean is None else mean.item(-1))

    def uncorrelated_inverse(self, scales: Scales) -> Callable[[_Vector], _Vector]:
        """Return what the inverse of the Hessian would be, were no feature correlated with another.

        Parameters
        ----------
        scales : Scales
            The sizes of the columns, as the rows hold them.

        Returns
        -------
        callable
            What makes of a gradient a step to the minimum. It leaves the coefficient of a constant alone, which the
            intercept stands for.
        """
        mean, std = self.units.of(scales.mean), scales.std / self.units.scale
        total = self.scale * scales.total_weight
        curvature = total * (std**2 if self.intercept else mean**2 + std**2) + 2.0 * self.l2
        inverse = np.divide(1.0, curvature, out=np.zeros_like(curvature), where=curvature > 0)

        def apply(gradient: _Vector) -> _Vector:
            if not self.intercept:
                return gradient * inverse
            coef = (gradient[1:] - mean * gradient[0]) * inverse
            return np.concatenate(([gradient[0] / total - mean @ coef], coef))

        return apply

    def penalty_gradient(self, theta: _Vector) -> _Vector:
        """Compute ``2 l2 coef``.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,), float64
            The point.

        Returns
        -------
        ndarray of shape (n_parameters,), float64
            The penalty's part of the gradient; 0 for the intercept.
        """
        return self._with_intercept(0.0, 2.0 * self.l2 * self._coef(theta))

    def _back(self, sums: _Vector) -> _Vector:
        gradient = sums[1:] if self.intercept else sums[2:]
        if not self.units.as_given:
            coef = self._coef(gradient)
            coef -= self.units.centre * sums[1]
            coef /= self.units.scale
        return gradient

    def _coef(self, theta: _Vector) -> _Vector:
        return theta[1:] if self.intercept else theta

    def _with_intercept(self, value: float, coef: _Vector) -> _Vector:
        return np.concatenate(([value], coef)) if self.intercept else coef
