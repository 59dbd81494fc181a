"""The directions along which a hypothesis changes, and steps of least norm where there are others, too."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float64]

# A column takes part in the directions that are left out if its squared share of them is above rounding.
_NO_SHARE = 1e-8

# A coefficient of a column in another is never taken for rounding if it is larger than this.
_NO_ENTRY = 1e-6

# Projections are repeated, up to this number, while one removes most of the vector: what it leaves is then mostly rounding.
_MAX_PROJECTIONS = 4

# Columns whose lengths differ by less lose three digits at most if their coefficients in each other are not cleaned.
_ALIKE = 1e3

# Rows whose squares are at least this share of the longest one's are candidates, of which the preferred one is chosen.
_NEARLY_LONGEST = 0.1


class Directions:
    """The right singular vectors of the columns that are kept, and the inverse of the Hessian on their span.

    Steps are orthogonal to the directions that are left out.

    Parameters
    ----------
    values : ndarray of shape (rank,), float64
        Singular values of the columns, scaled to the same length.
    vectors : ndarray of shape (n_features, rank), float64
        The right singular vectors that belong to them.
    unit : ndarray of shape (n_features,), float64
        The lengths of the columns, by which they were divided.
    rounding : callable
        Bounds the rounding of each column, shape (n_features,), given the pseudoinverse of the columns that span the others.

    Attributes
    ----------
    root : ndarray of shape (rank, rank) or (n_features, rank), float64
        A factor of the inverse, ``root root^T``, for all columns or for those that span the others.
    rank, condition, dependent
        See `InverseHessian`, but without the intercept.
    """

    def __init__(
        self, values: _Vector, vectors: _Vector, unit: _Vector, rounding: Callable[[_Vector], _Vector]
    ) -> None:
        n_features, self.rank = vectors.shape
        self.root = vectors / values / unit[:, np.newaxis]
        self.condition = math.inf
        self.dependent = np.zeros(0, np.int64)
        self._spanning: NDArray[np.intp] | slice = slice(None)
        self._basis: _Vector | None = None
        # Of the directions kept and those left out, the fewer have a basis.
        self._is_null = n_features - self.rank <= self.rank
        if self.rank == n_features:
            self.condition = float((values.max() / values.min()) ** 2)
            return
        self.dependent = np.flatnonzero(1.0 - (vectors**2).sum(axis=1) > _NO_SHARE)
        basis = np.linalg.qr(vectors, mode="complete").Q[:, self.rank :] if self._is_null else vectors
        if unit.max() <= _ALIKE * unit.min():
            basis = basis / unit[:, np.newaxis] if self._is_null else basis * unit[:, np.newaxis]
        else:
            basis = self._sparse_basis(values, vectors, basis, unit, rounding)
        basis = basis / abs(basis).max(axis=0)
        # Reflections keep the digits of small rows if these come last.
        order = np.argsort(-abs(basis).max(axis=1, initial=0.0), kind="stable")
        basis[order] = np.linalg.qr(basis[order]).Q
        self._basis = basis

    def step(self, gradient: _Vector) -> _Vector:
        """Apply the inverse of the Hessian to a gradient with respect to the coefficients."""
        return self.least_norm(self.root @ (gradient[self._spanning] @ self.root))

    def least_norm(self, coef: _Vector) -> _Vector:
        """Return the shortest coefficients of all columns that equal these, of the columns that span the others."""
        if self._basis is None:
            return coef
        result: _Vector = np.zeros(len(self._basis))
        result[self._spanning] = coef
        for _ in range(_MAX_PROJECTIONS):
            length, inside = abs(result).max(), self._basis @ (result @ self._basis)
            result = result - inside if self._is_null else inside
            if abs(result).max() > 0.5 * length:
                break
        return result

    def _sparse_basis(
        self, values: _Vector, vectors: _Vector, basis: _Vector, unit: _Vector, rounding: Callable[[_Vector], _Vector]
    ) -> _Vector:
        """Return a basis in the units of theta whose entries are exact zeros where they are nothing but rounding.

        Some columns that span the others are chosen, ``x_d = sum_i C_id x_i`` [1]_, and steps are taken along these; the
        directions that are left out, ``(-C, I)``, are then removed from them. C is computed for columns of the same length and
        cleaned there: in the units of theta, where lengths differ by many powers of ten, rounding may exceed all else.

        References
        ----------
        .. [1] S. Chandrasekaran, I. Ipsen, "On Rank-Revealing Factorisations", SIAM Journal on Matrix Analysis and
           Applications 15 (1994), 592-622.
        """
        n_features, rank = vectors.shape
        chosen = _spanning_rows(basis, 1.0 / unit if self._is_null else unit)
        others = np.delete(np.arange(n_features), chosen)
        if self._is_null:
            spanning, spanned = others, chosen
            C = np.linalg.solve(basis[spanned].T, -basis[spanning].T).T
        else:
            spanning, spanned = chosen, others
            C = np.linalg.solve(basis[spanning].T, basis[spanned].T)
        root = np.linalg.inv(vectors[spanning].T) / values
        known = rounding(root)
        unknown = np.linalg.norm(root, axis=1)[:, np.newaxis] * (known[spanned] + known[spanning] @ abs(C))
        C[abs(C) < np.minimum(unknown, _NO_ENTRY)] = 0.0
        lengths = unit[spanning][:, np.newaxis]
        self._spanning, self.root = spanning, root / lengths
        C *= unit[spanned] / lengths
        sparse = np.empty(basis.shape)
        sparse[spanning] = -C if self._is_null else np.eye(rank)
        sparse[spanned] = np.eye(len(spanned)) if self._is_null else C.T
        return sparse


def _spanning_rows(basis: _Vector, preference: _Vector) -> NDArray[np.intp]:
    """Choose as many rows of an orthonormal basis as it has columns, far from linear dependence.

    In turn, of the components orthogonal to the rows chosen before, the longest is taken, or the most preferred of nearly its
    length.
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
