"""The inverse of the Hessian, from moments or a triangular factor: it turns a gradient into the step to the minimum."""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastgd.solvers.directions import Directions
from fastgd.solvers.quadratic import Objective, Scales, Vector

# The roundoff of an eigenvalue of the moments of columns of the same length, relative to the largest.
_MOMENTS_ROUNDOFF = 1e-14

# X p is rounding if its length is below this share of the numbers that it is the sum of.
_ROUNDING = 1e-14

# The roundoff of a factor grows with the number of rows that are decomposed together, of which there are at least this many.
_MIN_BLOCK_ROWS = 1000

# The roundoff of a column's coefficient in another, for columns near zero and far from depending on each other.
_ENTRY = 4.0 * 2.0**-52


class InverseHessian:
    """An approximate inverse of the Hessian ``c X^T S X + 2 l2`` of least squares.

    Directions along which the hypothesis does not change are left out, and steps are orthogonal to them: a descent from zero
    ends at the solution of least norm.

    Parameters
    ----------
    within : Directions or _Refined
        The inverse for the coefficients alone, where there is an intercept that is the best for each of them.
    mean : ndarray of shape (n_features,), float64, or None
        The features' means, if theta begins with an intercept.
    total_curvature : float
        ``c sum s``, the curvature along the intercept.
    trusted : bool
        See below.
    constant : ndarray of shape (n_constants,), intp, or None
        The features that are constant, if the intercept stands for any. No step is taken along these, as a penalty alone would
        make one out of the rounding of the gradient.

    Attributes
    ----------
    rank : int
        The number of independent parameters.
    condition : float
        The condition number of the Hessian of features scaled to the same length (and centred, with an intercept): its
        largest by its smallest eigenvalue, within a factor of n_features; infinite if `rank` is not full.
    dependent : ndarray of shape (n,), int64
        The features that take part in the directions left out.
    trusted : bool
        Whether what it was built from tells all directions that it keeps from those it leaves out.
    lost : float
        The share of theta that may be rounding, as moments lack the digits of the square of the columns' condition number.
    exact : bool
        Whether its small curvatures have all the digits that the rows give them.
    """

    exact = False
    lost = 0.0

    def __init__(
        self,
        within: "Directions | _Refined",
        mean: Vector | None,
        total_curvature: float,
        *,
        trusted: bool,
        constant: NDArray[np.intp] | None,
    ) -> None:
        self.rank = within.rank + (mean is not None)
        self.condition = within.condition
        self.dependent = within.dependent
        self.trusted = trusted
        self._mean = mean
        self._constant = constant
        self._apply = _with_intercept(within.step, mean, total_curvature, constant)

    @classmethod
    def from_moments(
        cls,
        objective: Objective,
        mean: Vector,
        scatter: Vector,
        total_weight: float,
        *,
        constant: NDArray[np.intp] | None = None,
        noise: float = 1.0,
    ) -> Self:
        """Invert the Hessian of an objective, given moments of the features as the rows hold them.

        Moments are sums of squares, and hold half of the digits that the rows do: of columns that nearly depend on each other,
        with a condition number beyond 1e7, they cannot tell the smallest singular values from none.

        Parameters
        ----------
        objective : Objective
            The objective.
        mean : ndarray of shape (n_features,), float64
            The features' means.
        scatter : ndarray of shape (n_features, n_features), float64
            Their sums of products about the means, ``sum s (x - mean)(x - mean)^T``.
        total_weight : float
            ``sum s``.
        constant : ndarray of shape (n_constants,), intp, or None
            The features that are constant, if there are any, and an intercept.
        noise : float
            The roundoff of the moments, in multiples of that of sums of squares about the means.

        Returns
        -------
        InverseHessian
            The inverse.
        """
        units, total_curvature = objective.units, objective.scale * total_weight
        mean = units.of(mean)
        hessian = objective.scale * (scatter / units.scale / units.scale[:, np.newaxis])
        if constant is not None:  # what they leave is their rounding
            hessian[constant] = hessian[:, constant] = 0.0
        diagonal = np.einsum("ii->i", hessian)
        diagonal += 2.0 * objective.l2
        if not objective.intercept:
            hessian += np.outer(total_curvature * mean, mean)
        means = mean if objective.intercept else None
        unit = np.sqrt(diagonal)
        nothing = unit == 0
        unit[nothing] = 1.0
        hessian /= unit
        hessian /= unit[:, np.newaxis]
        with suppress(np.linalg.LinAlgError):
            np.linalg.cholesky(hessian)
            inverse = np.linalg.inv(hessian)
            condition = float(np.linalg.norm(hessian, 1) * np.linalg.norm(inverse, 1))
            if condition * _MOMENTS_ROUNDOFF * noise < 1.0:
                refined = _Refined(inverse, hessian, unit, len(unit), condition)
                result = cls(refined, means, total_curvature, trusted=True, constant=constant)
                result.lost = condition * _MOMENTS_ROUNDOFF * noise
                return result
        values, vectors = np.linalg.eigh(hessian)
        vectors[nothing] = 0.0
        known = values > _MOMENTS_ROUNDOFF * noise * max(1.0, len(values) / 50.0) * values[-1]

        def rounding(root: Vector) -> Vector:
            return np.full(len(unit), _MOMENTS_ROUNDOFF * noise * float(np.linalg.norm(root, 2)))

        within = Directions(np.sqrt(values[known]), vectors[:, known], unit, rounding)
        return cls(within, means, total_curvature, trusted=False, constant=constant)

    def __call__(self, gradient: Vector) -> Vector:
        """Apply it to a gradient, which gives approximately ``theta - theta_min``; both have shape (n_parameters,)."""
        return self._apply(gradient)

    def gap(self, gradient: Vector) -> float:
        """Compute how far the cost is above its minimum, ``g^T H^-1 g / 2``, given the gradient g."""
        return max(0.0, 0.5 * float(gradient @ self(gradient)))


class FactorInverse(InverseHessian):
    """The inverse of the Hessian that the triangular factor R of the features gives.

    The singular values of the features [1]_ are in it to the roundoff of the largest. One is taken for zero by the rule of
    LAPACK's drivers [2]_ (columns being scaled to the same length), or where it is no more than the roundoff of the
    features themselves, as of columns far from zero.

    Parameters
    ----------
    objective : Objective
        The objective.
    scales : Scales
        The sizes of the columns; their means were subtracted before, if there is an intercept.
    factor : ndarray of shape (n, n_features + 1) or, with an intercept, (n, n_features + 2), float64
        R of features and target, as `fastgd.rows.factor.factor_of` returns it.
    n_samples : int
        The number of rows.
    known : FactorInverse, optional
        The inverse for the same features and another target.

    References
    ----------
    .. [1] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", SIAM 2002, chapter 20.
    .. [2] E. Anderson et al., "LAPACK Users' Guide", SIAM 1999, section 2.4.1, xGELSD.
    """

    exact = True

    def __init__(
        self, objective: Objective, scales: Scales, factor: Vector, n_samples: int, known: Self | None = None
    ) -> None:
        mean, y_mean, root = scales.mean, 0.0, math.sqrt(objective.scale)
        if objective.intercept:  # the row of the ones has what rounding left of the means
            mean = mean + factor[0, 1:-1] / factor[0, 0]
            y_mean = scales.y_mean + factor.item(0, -1) / factor.item(0, 0)
            factor = factor[1:, 1:]
        target, factor = factor[:, -1] * root, factor[:, :-1] * root
        if known is not None:
            vars(self).update(vars(known))
        else:
            self._decompose(objective, mean, factor, scales.total_weight, n_samples)
        self._target, self._y_mean = target @ self._left[: len(target)], y_mean

    def minimum(self, theta: Vector) -> Vector:
        """Return the minimum nearest to theta, with the digits of a solution by QR of centred columns."""
        coef = theta if self._mean is None else theta[1:]
        step = self._directions.least_norm(self._directions.root @ (self._target - self._image @ coef))
        if self._mean is None:
            return coef + step
        if self._constant is not None:
            step[self._constant] = 0.0
        coef = coef + step
        return np.append(self._y_mean - self._mean @ coef, coef)

    def _decompose(
        self, objective: Objective, mean: Vector, factor: Vector, total_weight: float, n_samples: int
    ) -> None:
        """Invert the Hessian of features with these means and the factor ``sqrt(c) R``, in the units of the rows."""
        n_features, units = len(mean), objective.units
        sizes = np.linalg.norm(factor, axis=0)
        if objective.intercept:
            sizes = np.hypot(sizes, math.sqrt(objective.scale) * math.sqrt(total_weight) * mean)
        factor, sizes = factor / units.scale, sizes / units.scale
        # A constant leaves nothing but its rounding, which would look like any other column once it is as long.
        nothing = np.linalg.norm(factor, axis=0) <= _ROUNDING * sizes
        factor = np.where(nothing, 0.0, factor)
        constant = np.flatnonzero(nothing) if objective.intercept and nothing.any() else None
        if objective.l2:
            factor = np.concatenate((factor, math.sqrt(2.0 * objective.l2) * np.eye(n_features)))
        unit = np.linalg.norm(factor, axis=0)
        far = np.divide(sizes, unit, out=np.zeros(n_features), where=unit > 0)
        nothing = unit == 0
        unit[nothing] = 1.0
        left, values, vectors = np.linalg.svd(factor / unit, full_matrices=False)
        vectors[:, nothing] = 0.0
        terms = abs(vectors) @ far
        rounding = np.finfo(np.float64).eps * max(n_features, min(n_samples, _MIN_BLOCK_ROWS))
        real = values > np.maximum(rounding * values.max(initial=0.0), _ROUNDING * terms)
        self._directions = Directions(values[real], vectors[real].T, unit, lambda _: _ENTRY * (1.0 + far))
        self._left = left[:, real]
        self._image = values[real, np.newaxis] * vectors[real] * unit
        means = units.of(mean) if objective.intercept else None
        super().__init__(self._directions, means, objective.scale * total_weight, trusted=True, constant=constant)


class _Refined(NamedTuple):
    """The inverse of a matrix of full rank, with a step of refinement: gradients vanish as for a solution by factors [1]_.

    References
    ----------
    .. [1] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", SIAM 2002, chapters 12 and 14.
    """

    inverse: NDArray[Any]
    matrix: Vector
    unit: Vector
    rank: int
    condition: float
    dependent: NDArray[np.int64] = np.zeros(0, np.int64)

    def step(self, gradient: Vector) -> Vector:
        """Apply the inverse to a gradient with respect to the coefficients."""
        scaled = gradient / self.unit
        solution = self.inverse @ scaled
        solution += self.inverse @ (scaled - self.matrix @ solution)
        return solution / self.unit


def uncorrelated_inverse(objective: Objective, scales: Scales) -> Callable[[Vector], Vector]:
    """Return what the inverse of the Hessian would be if no feature were correlated with another."""
    mean, std = objective.units.of(scales.mean), scales.std / objective.units.scale
    total = objective.scale * scales.total_weight
    curvature = total * (std**2 if objective.intercept else mean**2 + std**2) + 2.0 * objective.l2
    inverse = np.divide(1.0, curvature, out=np.zeros_like(curvature), where=curvature > 0)
    means = mean if objective.intercept else None
    return _with_intercept(lambda gradient: gradient * inverse, means, total, np.flatnonzero(scales.constant))


def _with_intercept(
    step: Callable[[Vector], Vector], mean: Vector | None, total_curvature: float, constant: NDArray[np.intp] | None
) -> Callable[[Vector], Vector]:
    """Extend an inverse for the coefficients to one for theta, if there are means; without, there is no intercept.

    It leaves the coefficient of a constant alone, as the intercept stands for that.
    """
    if mean is None:
        return step

    def apply(gradient: Vector) -> Vector:
        coef = step(gradient[1:] - mean * gradient[0])
        if constant is not None:
            coef[constant] = 0.0
        return np.concatenate(([gradient.item(0) / total_curvature - mean @ coef], coef))

    return apply
