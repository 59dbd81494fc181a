"""What a fit knows of its errors: sums of squares, numbers of observations, and what covariances are made of."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.solvers.bread import Bread, bread_of_factor, bread_of_scatter

_Vector = NDArray[np.float64]


class FewRows(NamedTuple):
    """A copy of so few rows that what is asked for later is computed from them, in twice the precision."""

    values: _Vector
    """Features and, last, y; shape (n, n_features + 1)."""
    weight: _Vector
    """Their weights, > 0, shape (n,)."""

    def total_sum_of_squares(self, *, centred: bool) -> float:
        """Return ``sum s (y - mean)^2``, or ``sum s y^2``."""
        y, s = self.values[:, -1], self.weight
        mean = math.fsum(s * y) / math.fsum(s) if centred else 0.0
        return math.fsum(s * (y - mean) ** 2)

    def sum_of_squares(self, theta: _Vector) -> float:
        """Return ``sum s r^2``."""
        from fastgd.rows.arrays import ArrayRows
        from fastgd.rows.compensated_rows import CompensatedRows

        rows = ArrayRows(self.values[:, :-1], self.values[:, -1], self.weight)
        return float(CompensatedRows(rows).gradient(theta)[0])

    def factor(self, *, centred: bool) -> tuple[_Vector, _Vector]:
        """Return R of the features, less their means if `centred`, and what was taken off."""
        x, root = self.values[:, :-1], np.sqrt(self.weight)[:, np.newaxis]
        if not centred:
            return np.asarray(np.linalg.qr(x * root, mode="r")), np.zeros(x.shape[1])
        mean = np.average(x, axis=0, weights=self.weight)
        constant = (x == x[0]).all(axis=0)
        mean[constant] = x[0, constant]
        ones = np.ones((len(x), 1))
        R = np.asarray(np.linalg.qr(np.hstack((ones, x - mean)) * root, mode="r"))
        return R[1:, 1:], mean + R[0, 1:] / R[0, 0]


@dataclass(eq=False)
class Evidence:
    """What a fit knows of its errors, in the units of X.

    Attributes
    ----------
    n_samples : int
        The number of rows that have weight.
    total_weight : float
        The sum of their weights.
    log_weight : float or None
        The sum of the logarithms of their weights, if it is known.
    sum_of_squares : float
        ``sum s r^2`` at theta.
    total_sum_of_squares : float or None
        ``sum s (y - mean)^2``, or ``sum s y^2`` without an intercept.
    intercept : bool
        Whether theta begins with an intercept.
    rank : int or None
        How many parameters are independent, if it is known.
    is_minimum : bool
        Whether theta is the minimum of the sum of squares, without a penalty.
    note : str
        Why there are no standard errors; empty if there are some.
    kind : str
        What covariances are: ``"classical"``, ``"HC0"`` to ``"HC3"``, or ``"cluster"``.
    rows : FewRows or None
        A copy of the rows, if they are few.
    factor : tuple of (ndarray, ndarray), or None
        The triangular factor of the features, if the fit has needed it, and what was taken off these before.
    scatter : tuple of (ndarray, ndarray), or None
        The features' second moments about their means, and these.
    meat : ndarray of shape (1 + n_features, 1 + n_features), float64, or None
        The sum of products of scores, for a robust covariance.
    n_groups : int
        How many groups of rows there are, for ``"cluster"``.
    """

    n_samples: int
    total_weight: float
    log_weight: float | None
    sum_of_squares: float
    total_sum_of_squares: float | None
    intercept: bool
    rank: int | None
    is_minimum: bool = True
    note: str = ""
    kind: str = "classical"
    rows: FewRows | None = None
    factor: tuple[_Vector, _Vector] | None = None
    scatter: tuple[_Vector, _Vector] | None = None
    meat: _Vector | None = None
    n_groups: int = 0
    _bread: Bread | None = field(default=None, init=False, repr=False)

    def bread(self) -> Bread:
        """Return ``(X^T S X)^-1`` from what has most digits; it is computed once."""
        if self._bread is None:
            total = self.total_weight
            if self.factor is not None or self.rows is not None:
                found = self.factor
                if found is None:
                    assert self.rows is not None
                    found = self.rows.factor(centred=self.intercept)
                self._bread = bread_of_factor(*found, total, intercept=self.intercept, rank=self.rank)
            else:
                assert self.scatter is not None
                self._bread = bread_of_scatter(*self.scatter, total, intercept=self.intercept, rank=self.rank)
        return self._bread
