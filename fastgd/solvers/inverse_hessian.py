"""The inverse of the Hessian, from second moments: what makes of a gradient the step to the minimum, nearly."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float64]

# An eigenvalue of the moments of columns of the same length is known to some units of roundoff of the largest, no better.
_LOST = 1e-14

# Up to so many directions that the moments say nothing of are asked for by themselves, one pass each.
_MOST_ASKED = 10

# Where the length of X p is this small beside the numbers that it is the sum of, it is their rounding.
_ROUNDING = 1e-14


class InverseHessian:
    """An approximate inverse of the Hessian ``c X^T S X + 2 l2`` of least squares, made from moments.

    Moments are sums of squares, and hold half of the digits that the rows do: of columns that nearly depend on each other,
    with a condition number beyond 1e7, they cannot tell the smallest singular values. These directions are then looked
    up by products with the true Hessian (the Rayleigh-Ritz method [1]_). Those along which the hypothesis does not change are
    left out; steps are at right angles to them, so a descent from zero arrives at the solution of least norm.

    Parameters
    ----------
    mean : ndarray of shape (n_features,), float64
        The features' means.
    scatter : ndarray of shape (n_features, n_features), float64
        Their sums of products about the means, ``sum s (x - mean)(x - mean)^T``.
    total_weight : float
        ``sum s``.
    scale, l2 : float
        c and the penalty.
    intercept : bool
        Whether theta begins with an intercept.
    product : callable or None
        The product of the true Hessian with a vector, if there is one that has more digits than the moments.

    Attributes
    ----------
    rank : int
        How many independent parameters there are.
    condition : float
        The condition number of the Hessian of features scaled to the same length (and centred, with an intercept): its
        largest by its smallest eigenvalue, within a factor of n_features; infinite if `rank` is not full.
    dependent : ndarray of shape (n,), int64
        The features that take most part in the directions left out.

    References
    ----------
    .. [1] B. N. Parlett, "The Symmetric Eigenvalue Problem", SIAM 1998, chapter 11.
    .. [2] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", SIAM 2002, chapters 12 and 14.
    """

    def __init__(
        self,
        mean: _Vector,
        scatter: _Vector,
        *,
        total_weight: float,
        scale: float,
        l2: float,
        intercept: bool,
        product: Callable[[_Vector], _Vector] | None,
    ) -> None:
        hessian = scale * scatter
        diagonal = np.einsum("ii->i", hessian)
        sizes = np.sqrt(diagonal + scale * total_weight * mean**2)
        diagonal += 2.0 * l2
        if not intercept:
            hessian += np.outer(scale * total_weight * mean, mean)
        unit = np.sqrt(diagonal)
        unit[unit == 0] = 1.0
        hessian /= unit
        hessian /= unit[:, np.newaxis]
        self._unit = unit
        self._mean = mean if intercept else None
        self._intercept_curvature = scale * total_weight
        self._null: _Vector | None = None
        self._matrix: _Vector | None = None
        self.dependent = np.zeros(0, np.int64)
        self.rank = len(mean) + intercept
        try:
            np.linalg.cholesky(hessian)
            self._inverse = np.linalg.inv(hessian)
            self.condition = float(np.linalg.norm(hessian, 1) * np.linalg.norm(self._inverse, 1))
            # For a step of refinement, after which gradients vanish as they do for a solution by factors [2]_.
            self._matrix = hessian
        except np.linalg.LinAlgError:
            self.condition = math.inf
        if not self.condition * _LOST < 1.0:
            self._matrix = None
            self._look_up(hessian, sizes, product)

    def __call__(self, gradient: _Vector) -> _Vector:
        """Apply it to a gradient.

        Parameters
        ----------
        gradient : ndarray of shape (n_parameters,), float64
            The gradient.

        Returns
        -------
        ndarray of shape (n_parameters,), float64
            Theta less the minimum, nearly.
        """
        if self._mean is None:
            return self._coef(gradient)
        coef = self._coef(gradient[1:] - self._mean * gradient[0])
        return self._centred(coef, gradient.item(0) / self._intercept_curvature)

    def gap(self, gradient: _Vector) -> float:
        """Compute how far the cost is above its minimum, ``g^T H^-1 g / 2``.

        Parameters
        ----------
        gradient : ndarray of shape (n_parameters,), float64
            The gradient g.

        Returns
        -------
        float
            The gap.
        """
        return max(0.0, 0.5 * float(gradient @ self(gradient)))

    def _coef(self, gradient: _Vector) -> _Vector:
        scaled = gradient / self._unit
        solution = self._inverse @ scaled
        if self._matrix is not None:
            solution += self._inverse @ (scaled - self._matrix @ solution)
        coef: _Vector = solution / self._unit
        return coef if self._null is None else coef - self._null @ (self._null.T @ coef)

    def _centred(self, coef: _Vector, at_mean: float = 0.0) -> _Vector:
        """Return the parameters of a hypothesis that is ``at_mean`` at the mean."""
        if self._mean is None:
            return coef
        return np.concatenate(([at_mean - self._mean @ coef], coef))

    def _look_up(self, hessian: _Vector, sizes: _Vector, product: Callable[[_Vector], _Vector] | None) -> None:
        """Invert what the moments know, and ask for the rest."""
        values, vectors = np.linalg.eigh(hessian)
        known = values > _LOST * max(1.0, len(values) / 50.0) * values[-1]
        unknown = vectors[:, ~known]
        values, vectors = values[known], vectors[:, known]
        if product is not None and 0 < unknown.shape[1] <= _MOST_ASKED:
            asked = [self._centred(direction / self._unit) for direction in unknown.T]
            curvatures = np.array([product(direction) for direction in asked]) @ np.array(asked).T
            ritz_values, rotation = np.linalg.eigh(0.5 * (curvatures + curvatures.T))
            unknown = unknown @ rotation
            terms = sizes @ abs(unknown / self._unit[:, np.newaxis])
            real = np.sqrt(np.maximum(ritz_values, 0.0)) > _ROUNDING * terms
            values = np.concatenate((values, ritz_values[real]))
            vectors = np.column_stack((vectors, unknown[:, real]))
            unknown = unknown[:, ~real]
        self._inverse = (vectors / values) @ vectors.T
        n_unknown = unknown.shape[1]
        self.rank -= n_unknown
        self.condition = math.inf if n_unknown else float(values.max() / values.min())
        if n_unknown:
            null = unknown / self._unit[:, np.newaxis]
            self._null, _ = np.linalg.qr(null / abs(null).max(axis=0))
            shares = abs(unknown)
            self.dependent = np.flatnonzero((shares > 0.1 * shares.max(axis=0)).any(axis=1))
