"""The inverse of the Hessian, from moments or a triangular factor: what makes of a gradient the step to the minimum."""

import math
from collections.abc import Callable
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

# What a share of a column in another is known to, for columns that are not far from zero and far from depending on each other;
# and no share is taken for rounding if it is larger than the second number.
_ENTRY, _NO_ENTRY = 4.0 * 2.0**-52, 1e-6

# So often a solution is freed of what leads nowhere, as long as that takes most of it away: its rounding is left.
_MOST_PROJECTIONS = 4

# Columns whose lengths differ by less lose three digits at most where their shares in each other are left as they are.
_ALIKE = 1e3

# A row whose square is so large, beside the longest one's, may be taken in its place.
_NEARLY_LONGEST = 0.1


class InverseHessian:
    """An approximate inverse of the Hessian ``c X^T S X + 2 l2`` of least squares.

    It is built by `from_moments`, or by `from_factor` where moments are not accurate enough. Directions along which the
    hypothesis does not change are left out, and steps are orthogonal to them: a descent from zero ends at the solution of
    least norm.

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
        self._root = np.zeros(0)
        self._spanning: NDArray[np.intp] | slice = slice(None)
        self._solved: tuple[_Vector, float] | None = None
        self._left = self._image = np.zeros(0)
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
        nothing = unit == 0
        unit[nothing] = 1.0
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
        vectors[nothing] = 0.0
        known = values > _LOST * noise * max(1.0, len(values) / 50.0) * values[-1]

        def rounding(root: _Vector) -> _Vector:
            return np.full(len(unit), _LOST * noise * float(np.linalg.norm(root, 2)))

        new._keep(np.sqrt(values[known]), vectors[:, known], rounding)
        return new

    @classmethod
    def from_factor(
        cls, mean: _Vector | None, factor: _Vector, sizes: _Vector, *, total_curvature: float, l2: float, n_samples: int
    ) -> Self:
        """Invert what the triangular factor R of the features says.

        The singular values of the features [1]_ are in it to the roundoff of the largest. One is taken for zero by the rule of
        LAPACK's drivers [2]_ (columns being scaled to the same length), or where it is no more than the roundoff of the
        features themselves, as of columns far from zero.

        Parameters
        ----------
        mean : ndarray of shape (n_features,), float64, or None
            The features' means, if theta begins with an intercept and R is that of centred features.
        factor : ndarray of shape (n, n_features), float64
            ``sqrt(c) R``.
        sizes : ndarray of shape (n_features,), float64
            The lengths ``sqrt(c sum s x^2)`` of the features as the rows hold them, uncentred.
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
        # A constant leaves nothing but its rounding, which would look like any other column once it is as long.
        factor = np.where(np.linalg.norm(factor, axis=0) > _ROUNDING * sizes, factor, 0.0)
        if l2:
            factor = np.concatenate((factor, math.sqrt(2.0 * l2) * np.eye(n_features)))
        unit = np.linalg.norm(factor, axis=0)
        far = np.divide(sizes, unit, out=np.zeros(n_features), where=unit > 0)
        nothing = unit == 0
        unit[nothing] = 1.0
        new = cls(unit, mean, total_curvature)
        new.trusted = new.exact = True
        left, values, vectors = np.linalg.svd(factor / unit, full_matrices=False)
        vectors[:, nothing] = 0.0
        terms = abs(vectors) @ far
        rounding = np.finfo(np.float64).eps * max(n_features, min(n_samples, _MOST_ROWS))
        real = values > np.maximum(rounding * values.max(initial=0.0), _ROUNDING * terms)
        new._keep(values[real], vectors[real].T, lambda _: _ENTRY * (1.0 + far))
        new._left = left[:, real]
        new._image = values[real, np.newaxis] * vectors[real] * unit
        return new

    def _keep(self, values: _Vector, vectors: _Vector, rounding: Callable[[_Vector], _Vector]) -> None:
        """Keep the directions of these singular values, and leave the others out."""
        n_features, rank = vectors.shape
        self.rank -= n_features - rank
        self._root = vectors / values / self._unit[:, np.newaxis]
        if rank == n_features:
            self.condition = float((values.max() / values.min()) ** 2)
            return
        self.dependent = np.flatnonzero(1.0 - (vectors**2).sum(axis=1) > _NO_SHARE)
        few = n_features - rank <= rank
        basis = np.linalg.qr(vectors, mode="complete").Q[:, rank:] if few else vectors
        if self._unit.max() <= _ALIKE * self._unit.min():
            unit = self._unit[:, np.newaxis]
            basis = basis / unit if few else basis * unit
        else:
            basis = self._sparse_basis(values, vectors, basis, rounding, few=few)
        basis = basis / abs(basis).max(axis=0)
        # Reflections keep the digits of small rows if these come last.
        order = np.argsort(-abs(basis).max(axis=1, initial=0.0), kind="stable")
        basis[order] = np.linalg.qr(basis[order]).Q
        self._null, self._range = (basis, None) if few else (None, basis)

    def _sparse_basis(
        self,
        values: _Vector,
        vectors: _Vector,
        basis: _Vector,
        rounding: Callable[[_Vector], _Vector],
        *,
        few: bool,
    ) -> _Vector:
        """Return a basis of the few directions that lead nowhere, or of those that lead somewhere, in which rounding is zero.

        Some columns that span the others are chosen, ``x_d = sum_i C_id x_i`` [1]_: steps are taken along these, and what leads
        nowhere, ``(-C, I)``, is then taken out of them in the units of theta. C is that of columns of the same length until its
        entries that are nothing but rounding are zeros: in the units of theta, where lengths differ by many powers of ten,
        rounding may be the largest of all.

        References
        ----------
        .. [1] S. Chandrasekaran, I. Ipsen, "On Rank-Revealing Factorisations", SIAM Journal on Matrix Analysis and
           Applications 15 (1994), 592-622.
        """
        n_features, rank = vectors.shape
        chosen = _spanning_rows(basis, 1.0 / self._unit if few else self._unit)
        others = np.delete(np.arange(n_features), chosen)
        spanning, spanned = (others, chosen) if few else (chosen, others)
        if few:
            C = np.linalg.solve(basis[spanned].T, -basis[spanning].T).T
        else:
            C = np.linalg.solve(basis[spanning].T, basis[spanned].T)
        root = np.linalg.inv(vectors[spanning].T) / values
        known = rounding(root)
        unknown = np.linalg.norm(root, axis=1)[:, np.newaxis] * (known[spanned] + known[spanning] @ abs(C))
        C[abs(C) < np.minimum(unknown, _NO_ENTRY)] = 0.0
        unit = self._unit[spanning][:, np.newaxis]
        self._spanning, self._root = spanning, root / unit
        C *= self._unit[spanned] / unit
        sparse = np.empty(basis.shape)
        sparse[spanning] = -C if few else np.eye(rank)
        sparse[spanned] = np.eye(len(spanned)) if few else C.T
        return sparse

    def __call__(self, gradient: _Vector) -> _Vector:
        """Apply it to a gradient.

        Parameters
        ----------
        gradient : ndarray of shape (n_parameters,), float64
            The gradient.

        Returns
        -------
        ndarray of shape (n_parameters,), float64
            Approximate ``theta - theta_min``.
        """
        if self._mean is None:
            return self._coef(gradient)
        coef = self._coef(gradient[1:] - self._mean * gradient[0])
        return np.concatenate(([gradient.item(0) / self._total_curvature - self._mean @ coef], coef))

    def for_target(self, target: _Vector, mean: float) -> Self:
        """Return this inverse, made from a factor, for a problem with this target, whose `minimum` it then knows.

        Parameters
        ----------
        target : ndarray of shape (n,), float64
            The target's column beside the factor R of the features, ``sqrt(c) Q^T sqrt(s) y``.
        mean : float
            What was taken off the target before: its mean, or 0 without an intercept.

        Returns
        -------
        InverseHessian
            The same inverse.
        """
        new = object.__new__(type(self))  # copy() fails where the interpreter ends
        vars(new).update(vars(self), _solved=(target @ self._left[: len(target)], mean))
        return new

    def minimum(self, theta: _Vector) -> _Vector:
        """Solve the problem by the factor that this was made from: with the digits of a solution by QR of centred columns.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,), float64
            The point to which the solution shall be the nearest, if there are many.

        Returns
        -------
        ndarray of shape (n_parameters,), float64
            The minimum.
        """
        assert self._solved is not None
        target, y_mean = self._solved
        coef = theta if self._mean is None else theta[1:]
        coef = coef + self._least_norm(self._root @ (target - self._image @ coef))
        return coef if self._mean is None else np.append(y_mean - self._mean @ coef, coef)

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
        if self._inverse is not None and self._matrix is not None:
            scaled = gradient / self._unit
            solution = self._inverse @ scaled
            solution += self._inverse @ (scaled - self._matrix @ solution)
            coef: _Vector = solution / self._unit
            return coef
        return self._least_norm(self._root @ (gradient[self._spanning] @ self._root))

    def _least_norm(self, coef: _Vector) -> _Vector:
        """Make of coefficients of the columns that span the others the shortest ones of all columns."""
        if self._null is None and self._range is None:
            return coef
        result: _Vector = np.zeros_like(self._unit)
        result[self._spanning] = coef
        basis = self._range if self._null is None else self._null
        assert basis is not None
        for _ in range(_MOST_PROJECTIONS):
            length, inside = abs(result).max(), basis @ (result @ basis)
            result = inside if self._null is None else result - inside
            if abs(result).max() > 0.5 * length:
                break
        return result


def _spanning_rows(basis: _Vector, preference: _Vector) -> NDArray[np.intp]:
    """Choose as many rows of an orthonormal basis as it has columns, which are far from depending on each other.

    The next one is the longest of what is left of each at right angles to those that were chosen, or the most preferred of
    those of nearly its length.
    """
    n = basis.shape[1]
    rows, directions = np.empty(n, np.intp), np.empty((n, n))
    left = (basis**2).sum(axis=1)
    for j in range(n):
        rows[j] = np.where(left >= _NEARLY_LONGEST * left.max(), preference, -1.0).argmax()
        before, direction = directions[:j], basis[rows[j]]
        for _ in range(2):  # twice is enough
            direction = direction - (before @ direction) @ before
        directions[j] = direction / np.linalg.norm(direction)
        left -= (basis @ directions[j]) ** 2
        left[rows[j]] = 0.0
    return np.sort(rows)
