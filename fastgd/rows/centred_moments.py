"""Second moments that stand for rows: they answer what rows answer, without a pass over them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.rows.arrays import ArrayRows
from fastgd.rows.parts import PartedRows
from fastgd.rows.rows import Rows
from fastgd.rows.sparse_rows import SparseRows

_Vector = NDArray[np.float64]

# A mean that is so many standard deviations away leaves their squares three digits short.
_FAR = 30.0


class CentredMoments(NamedTuple):
    """The total weight, the means and the scatter of a training set's columns, y being the last of them.

    It answers as rows do, as residuals are ``r_i = e + v . (z_i - mean)`` with z_i = (x_i, y_i), v = (coef, -1) and e the
    residual at the mean: so ``sum s r^2 = S e^2 + v . scatter v`` and ``sum s r x = S e mean + scatter v``.
    """

    total_weight: float
    """S = sum s."""
    mean: _Vector
    """sum s z / S, shape (n_features + 1,)."""
    scatter: _Vector
    """sum s (z - mean)(z - mean)^T, shape (n_features + 1, n_features + 1)."""

    def gradient(self, theta: _Vector, scale: float = 1.0) -> _Vector:
        """Compute what `MemoryRows.gradient` sums up."""
        return self._sums(theta, -1.0) * scale

    def product(self, p: _Vector) -> _Vector:
        """Compute what `MemoryRows.product` sums up."""
        return self._sums(p, 0.0)

    def columns(self) -> tuple[_Vector, _Vector]:
        """Return what `columns_of` finds."""
        return self.mean, np.sqrt(np.diagonal(self.scatter) / self.total_weight)

    def merged(self, other: "CentredMoments") -> "CentredMoments":
        """Return the moments of the rows of both, as Chan, Golub and LeVeque merge them [1]_.

        Parameters
        ----------
        other : CentredMoments
            Those of other rows with the same columns.

        Returns
        -------
        CentredMoments
            Those of all rows.

        References
        ----------
        .. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", The American
           Statistician 37 (1983), 242-247.
        """
        total = self.total_weight + other.total_weight
        share = other.total_weight / total
        shift = other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(shift, shift * (self.total_weight * share))
        return CentredMoments(total, self.mean + shift * share, scatter)

    def _sums(self, theta: _Vector, of_y: float) -> _Vector:
        n_features = len(self.mean) - 1
        v = np.append(theta[-n_features:], of_y)
        e = float(v @ self.mean) + (theta.item(0) if len(theta) > n_features else 0.0)
        spread = self.scatter @ v
        sums = np.empty(2 + n_features)
        sums[0] = self.total_weight * e * e + max(0.0, float(v @ spread))
        sums[1] = self.total_weight * e
        sums[2:] = self.total_weight * e * self.mean[:-1] + spread[:-1]
        return sums


def moments_of(rows: Rows) -> CentredMoments:
    """Sum up the moments of a training set, in one pass, or two where a sample misleads about the mean.

    Parameters
    ----------
    rows : Rows
        The training set.

    Returns
    -------
    CentredMoments
        Its moments; NaN or inf where the data hold NaN or inf, or where squares exceed float64.
    """
    if isinstance(rows, PartedRows):
        whole: CentredMoments = rows.reduce(moments_of, CentredMoments.merged)
        return whole
    with np.errstate(over="ignore", invalid="ignore"):
        centre = near_mean(rows)
        moments, near = about_mean(rows.moments(centre), centre)
        return moments if near else about_mean(rows.moments(moments.mean), moments.mean)[0]


def about_mean(sums: _Vector, centre: _Vector) -> tuple[CentredMoments, bool]:
    """Return the moments about the means, given those about what is near to them.

    Parameters
    ----------
    sums : ndarray of shape (n_features + 2, n_features + 2), float64
        What `MemoryRows.moments` returns; some weight is among them.
    centre : ndarray of shape (n_features + 1,), float64
        The centre that it was given.

    Returns
    -------
    moments : CentredMoments
        The moments.
    near : bool
        Whether the centre was near enough to the means for their digits.
    """
    total = sums.item(-1, -1)
    shift = sums[-1, :-1] / total
    scatter = sums[:-1, :-1] - np.outer(shift, total * shift)
    # What is left of a square may be less than nothing by the rounding of its parts.
    diagonal = np.einsum("ii->i", scatter)
    np.maximum(diagonal, 0.0, out=diagonal)
    near = not (abs(shift) > _FAR * np.sqrt(diagonal / total)).any()
    return CentredMoments(total, centre + shift, scatter), near


class Spread(NamedTuple):
    """The total weight, the means and the squared distances from them of a training set's columns, y being the last."""

    total_weight: float
    """S = sum s."""
    mean: _Vector
    """sum s z / S, shape (n_features + 1,)."""
    squares: _Vector
    """sum s (z - mean)^2, shape (n_features + 1,)."""

    def merged(self, other: "Spread") -> "Spread":
        """Return that of the rows of both, merged as `CentredMoments` are."""
        total = self.total_weight + other.total_weight
        share = other.total_weight / total
        shift = other.mean - self.mean
        squares = self.squares + other.squares + shift * shift * (self.total_weight * share)
        return Spread(total, self.mean + shift * share, squares)


def columns_of(rows: Rows) -> tuple[_Vector, _Vector]:
    """Take the mean and the spread of each feature and of y, in one pass, or two where a sample misleads about the mean.

    Parameters
    ----------
    rows : Rows
        The training set.

    Returns
    -------
    mean : ndarray of shape (n_features + 1,), float64
        The mean of each feature and, last, of y; weighted where there are sample weights.
    std : ndarray of shape (n_features + 1,), float64
        Their standard deviations with ddof 0; exactly 0 for a constant.
    """
    spread: Spread = rows.reduce(_spread_of, Spread.merged) if isinstance(rows, PartedRows) else _spread_of(rows)
    return spread.mean, np.sqrt(spread.squares / spread.total_weight)


def _spread_of(rows: ArrayRows | SparseRows) -> Spread:
    with np.errstate(over="ignore", invalid="ignore"):
        mean = near_mean(rows)
        for _ in range(2):
            total, first, second = rows.spread(mean)
            shift = first / total
            mean, squares = mean + shift, np.maximum(second - shift * first, 0.0)
            if not (abs(shift) > _FAR * np.sqrt(squares / total)).any():
                break
    return Spread(total, mean, squares)


def near_mean(rows: ArrayRows | SparseRows) -> _Vector:
    """Return what is near the mean of each feature and of y, shape (n_features + 1,)."""
    # Of rows from all over the training set, whose mean is near enough to everybody's: what is summed are squares of distances
    # from it. Where a column never changes among them, it is taken as it is, and a constant has a spread of exactly 0.
    sampled = rows.sample()
    centre: _Vector = np.where((sampled == sampled[0]).all(axis=0), sampled[0], sampled.mean(axis=0))
    return centre
