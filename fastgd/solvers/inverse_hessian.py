"""The inverse of the Hessian, from moments or a triangular factor: what makes of a gradient the step to the minimum."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float64]

# An eigenvalue of the moments of columns of the same length is known to some units of roundoff of the largest, no better.
_LOST = 1e-14

# Where the length of X p is this small beside the numbers that it is the sum of, it is their rounding.
_ROUNDING = 1e-14

# The roundoff of a factor grows with the number of rows that are decomposed together, of which there are this many at least.
_MOST_ROWS = 1000

# A column with a smaller share, squared, of all the directions that are left out has none but for their rounding.
_NO_SHARE = 1e-8


class InverseHessian:
    """An approximate inverse of the Hessian ``c X^T S X + 2 l2`` of least squares.

    It is made `from_moments`, or `from_factor` where these say too little. Directions along which the hypothesis does not
    change are left out; steps are at right angles to them, so a descent from zero arrives at the solution of least norm.

    Parameters
    ----------
    unit : ndarray of shape (n_features,), float64
        The lengths of the columns, by which they are divided.
    mean : ndarray of shape (n_features,), float64, or None
        The features' means, if theta begins with an intercept.
    total_curvature : float
        ``c sum s``, the curvature along the intercept.

    Attributes
    ----------
    rank : int
        How many independent parameters there are.
    condition : float
        The condition number of the Hessian of features scaled to the same length (and centred, with an intercept): its
        largest by its smallest eigenvalue, within a factor of n_features; infinite if `rank` is not full.
    dependent : ndarray of shape (n,), int64
        The features that take part in the directions left out.
    trusted : bool
        Whether what it was made from tells all directions that it keeps from those it leaves out.
    exact : bool
        Whether it has the directions of small curvature to the digits that the rows have them.
    """

    def __init__(self, unit: _Vector, mean: _Vector | None, total_curvature: float) -> None:
        self.rank = len(unit) + (mean is not None)
        self.condition = math.inf
        self.dependent = np.zeros(0, np.int64)
        self.trusted = self.exact = False
        self._unit = unit
        self._mean = mean
        self._total_curvature = total_curvature
        self._inverse: _Vector | None = None
        self._matrix: _Vector | None = None
        self._vectors = self._curvatures = np.zeros(0)
        self._null: _Vector | None = None
        self._range: _Vector | None = None

    @classmethod
    def from_moments(
        cls,
        mean: _Vector,
        scatter: _Vector,
        *,
        total_weight: float,
        scale: float,
        l2: float,
        intercept: bool,
        noise: float = 1.0,
    ) -> Self:
        """Invert what moments say.

        Moments are sums of squares, and hold half of the digits that the rows do: of columns that nearly depend on each other,
        with a condition number beyond 1e7, they cannot tell the smallest singular values from none.

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
        noise : float
            The roundoff of the moments, in multiples of that of sums of squares about the means.

        Returns
        -------
        InverseHessian
            The inverse.

        References
        ----------
        .. [1] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", SIAM 2002, chapters 12 and 14.
        """
        hessian = scale * scatter
        diagonal = np.einsum("ii->i", hessian)
        diagonal += 2.0 * l2
        if not intercept:
            hessian += np.outer(scale * total_weight * mean, mean)
        unit = np.sqrt(diagonal)
        unit[unit == 0] = 1.0
        hessian /= unit
        hessian /= unit[:, np.newaxis]
        new = cls(unit, mean if intercept else None, scale * total_weight)
        try:
            np.linalg.cholesky(hessian)
            inverse: Any = np.linalg.inv(hessian)
            condition = float(np.linalg.norm(hessian, 1) * np.linalg.norm(inverse, 1))
        except np.linalg.LinAlgError:
            condition = math.inf
        if condition * _LOST * noise < 1.0:
            new.condition, new.trusted = condition, True
            # For a step of refinement, after which gradients vanish as they do for a solution by factors [1]_.
            new._inverse, new._matrix = inverse, hessian
            return new
        values, vectors = np.linalg.eigh(hessian)
        known = values > _LOST * noise * max(1.0, len(values) / 50.0) * values[-1]
        new._keep(values[known], vectors[:, known])
        return new

    @classmethod
    def from_factor(
        cls, mean: _Vector | None, factor: _Vector, sizes: _Vector, *, total_curvature: float, l2: float, n_samples: int
    ) -> Self:
        """Invert what the triangular factor R of the features says.

        Its singular values [1]_ are those of the features to the roundoff of the largest. One is taken for zero by the rule of
        LAPACK's drivers [2]_ (columns being scaled to the same length), or where it is no more than the roundoff of the
        features themselves, as of columns far from zero.

        Parameters
        ----------
        mean : ndarray of shape (n_features,), float64, or None
            The features' means, if theta begins with an intercept and R is that of centred features.
        factor : ndarray of shape (n, n_features), float64
            ``sqrt(c) R``.
        sizes : ndarray of shape (n_features,), float64
            The lengths ``sqrt(c sum s x^2)`` of the columns as the rows hold them, uncentred.
        total_curvature : float
            ``c sum s``.
        l2 : float
            The penalty.
        n_samples : int
            How many rows there are.

        Returns
        -------
        InverseHessian
            The inverse.

        References
        ----------
        .. [1] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", SIAM 2002, chapter 20.
        .. [2] E. Anderson et al., "LAPACK Users' Guide", SIAM 1999, section 2.4.1, xGELSD.
        """
        n_features = len(sizes)
        if l2:
            factor = np.concatenate((factor, math.sqrt(2.0 * l2) * np.eye(n_features)))
        unit = np.linalg.norm(factor, axis=0)
        unit[unit == 0] = 1.0
        new = cls(unit, mean, total_curvature)
        new.trusted = new.exact = True
        _, values, vectors = np.linalg.svd(factor / unit, full_matrices=False)
        terms = abs(vectors) @ (sizes / unit)
        rounding = np.finfo(np.float64).eps * max(n_features, min(n_samples, _MOST_ROWS))
        real = values > np.maximum(rounding * values.max(initial=0.0), _ROUNDING * terms)
        new._keep(values[real] ** 2, vectors[real].T)
        return new

    def _keep(self, curvatures: _Vector, vectors: _Vector) -> None:
        """Keep these directions, and leave the others out."""
        self._curvatures, self._vectors = curvatures, vectors
        n_unknown = len(vectors) - len(curvatures)
        self.rank -= n_unknown
        if not n_unknown:
            self.condition = float(curvatures.max() / curvatures.min())
            return
        self.dependent = np.flatnonzero(1.0 - (vectors**2).sum(axis=1) > _NO_SHARE)
        if n_unknown <= len(curvatures):
            whole, _ = np.linalg.qr(vectors, mode="complete")
            null: _Vector = whole[:, len(curvatures) :] / self._unit[:, np.newaxis]
            self._null = np.linalg.qr(null / abs(null).max(axis=0)).Q
        else:
            rows = vectors * self._unit[:, np.newaxis]
            self._range = np.linalg.qr(rows).Q

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
        return np.concatenate(([gradient.item(0) / self._total_curvature - self._mean @ coef], coef))

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
        if self._inverse is not None and self._matrix is not None:
            solution = self._inverse @ scaled
            solution += self._inverse @ (scaled - self._matrix @ solution)
        else:
            solution = self._vectors @ ((scaled @ self._vectors) / self._curvatures)
        coef: _Vector = solution / self._unit
        if self._null is not None:
            return coef - self._null @ (coef @ self._null)
        return coef if self._range is None else self._range @ (coef @ self._range)
