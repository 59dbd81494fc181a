"""The costs of held-out folds for every penalty, given the moments of each fold, or their factors where these are needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import arguments
from fastgd.rows.centred_moments import CentredMoments
from fastgd.solvers.inverse_hessian import FactorInverse, InverseHessian
from fastgd.solvers.penalties import minima
from fastgd.solvers.quadratic import Objective, Scales, Vector

# Moments tell a cost where they leave a smaller relative error; else the rows are decomposed.
_FEW_DIGITS, _LOST_SQUARES = 1e-9, 1e-10

_EPSILON = 2.0**-52


@dataclass(frozen=True)
class Hypotheses:
    """What is fitted to each training set: the options of a fit, and all penalties."""

    intercept: bool
    loss: str
    standardize: bool
    l2: Vector

    def objective(self, training: CentredMoments, l2: float) -> Objective:
        """Return the objective of a training set with one of the penalties."""
        return Objective(
            training,
            n_features=len(training.mean) - 1,
            intercept=self.intercept,
            scale=arguments.loss_scale(self.loss, training.total_weight),
            l2=l2,
            standardize=scales_of(training) if self.standardize else None,
        )


@dataclass(frozen=True)
class Factors:
    """The triangular factors of all folds, about the same centre; see `fastgd.rows.factor.factor_of`."""

    of_folds: list[Any]
    of_others: list[Any]
    whole: Vector
    centre: Vector
    n_samples: int

    def select(self, columns: NDArray[np.intp], *, intercept: bool) -> "Factors":
        """Return those of some of the columns."""
        kept = np.append(0, columns + 1) if intercept else columns
        of_folds = [each[:, kept] for each in self.of_folds]
        others = [np.asarray(np.linalg.qr(each[:, kept], mode="r")) for each in self.of_others]
        whole = np.asarray(np.linalg.qr(self.whole[:, kept], mode="r"))
        return Factors(of_folds, others, whole, self.centre[columns], self.n_samples)


def scales_of(moments: CentredMoments) -> Scales:
    """Return the sizes of the columns of a training set."""
    mean, std = moments.columns()
    return Scales(mean[:-1], std[:-1], mean.item(-1), std.item(-1), moments.total_weight)


def of_others(of_sets: Sequence[Any], n_folds: int, merge: Callable[[Any, Any], Any]) -> list[Any]:
    """Merge, for each fold, what was taken of all other sets of rows: added, as a subtraction would lose digits."""
    after = [None]
    for each in reversed(of_sets[1:]):
        after.append(_joined(each, after[-1], merge))
    before, found = None, []
    for i in range(n_folds):
        found.append(_joined(before, after[len(of_sets) - 1 - i], merge))
        before = _joined(before, of_sets[i], merge)
    return found


def _joined(one: Any, other: Any, merge: Callable[[Any, Any], Any]) -> Any:
    return other if one is None else one if other is None else merge(one, other)


def costs_by_moments(
    held_out: CentredMoments, training: CentredMoments, hypotheses: Hypotheses, noise: float
) -> tuple[Vector, NDArray[np.bool_]]:
    """Fit each penalty to a training set, and compute the cost of the rows held out, without the penalty.

    Parameters
    ----------
    held_out, training : CentredMoments
        The moments of both.
    hypotheses : Hypotheses
        What to fit.
    noise : float
        The roundoff of the moments, in multiples of that of sums of squares about the means.

    Returns
    -------
    costs : ndarray of shape (n_penalties,), float64
        The cost for each penalty.
    trusted : ndarray of shape (n_penalties,), bool
        Whether the moments hold the digits of the rows.
    """
    coef, trusted = _coefficients(training, hypotheses, noise)
    v = np.column_stack((coef, np.full(len(coef), -1.0)))
    # The intercept is never formed, as it would lose the digits of columns far from zero.
    shift = held_out.mean - training.mean if hypotheses.intercept else held_out.mean
    e, total = v @ shift, held_out.total_weight
    squares = total * e**2 + np.maximum(0.0, np.einsum("pi,pi->p", v @ held_out.scatter, v))
    terms = np.einsum("pi,pi->p", abs(v) @ abs(held_out.scatter), abs(v)) + 2.0 * total * abs(e) * (abs(v) @ abs(shift))
    costs = 0.5 * arguments.loss_scale(hypotheses.loss, total) * squares
    return costs, trusted & (_EPSILON * noise * terms <= _LOST_SQUARES * squares)


def costs_by_factors(
    fold: int, factors: Factors, moments: Sequence[CentredMoments], hypotheses: Hypotheses, penalties: NDArray[np.intp]
) -> Vector:
    """Compute the same from factors of the rows, whose digits are those of QR, for some of the penalties.

    Parameters
    ----------
    fold : int
        Which fold is held out.
    factors : Factors
        The factors.
    moments : sequence of CentredMoments
        Those of the fold, and of its training set.
    hypotheses : Hypotheses
        What to fit.
    penalties : ndarray of intp
        Which penalties.

    Returns
    -------
    ndarray of shape (n,), float64
        Their costs.
    """
    held_out, training = moments
    centre, costs = factors.centre, np.empty(len(penalties))
    known = Scales(centre[:-1], np.zeros(len(centre) - 1), centre.item(-1), 0.0, training.total_weight)
    factor = factors.of_others[fold]
    if hypotheses.intercept:  # of a column that never changes here, another centre has left its rounding
        factor = factor.copy()
        factor[1:, 1:-1][:, scales_of(training).constant] = 0.0
    for at, i in enumerate(penalties):
        objective = hypotheses.objective(training, hypotheses.l2.item(i))
        inverse = FactorInverse(objective, known, factor, factors.n_samples)
        theta = objective.units.to_rows(inverse.minimum(np.zeros(objective.n_parameters)))
        v = np.append(theta, -1.0)
        if hypotheses.intercept:
            v[0] += v[1:] @ centre
        squares = float(np.sum((factors.of_folds[fold] @ v) ** 2))
        costs[at] = 0.5 * arguments.loss_scale(hypotheses.loss, held_out.total_weight) * squares
    return costs


def _coefficients(training: CentredMoments, hypotheses: Hypotheses, noise: float) -> tuple[Vector, NDArray[np.bool_]]:
    """Return the coefficients for each penalty, in the units of the rows, and whether moments hold their digits."""
    scales, l2 = scales_of(training), hypotheses.l2
    constant = np.flatnonzero(scales.constant) if hypotheses.intercept and scales.constant.any() else None
    without = hypotheses.objective(training, 0.0)
    unit = np.append(without.units.scale, 1.0)
    products = without.scale * (training.scatter / unit / unit[:, np.newaxis])
    if not hypotheses.intercept:
        mean = np.append(without.units.of(training.mean[:-1]), training.mean[-1])
        products += np.outer(without.scale * training.total_weight * mean, mean)
    if constant is not None:  # what they leave is their rounding
        products[constant] = products[:, constant] = 0.0
    coef, found = minima(products[:-1, :-1], products[:-1, -1], 2.0 * l2)

    def with_inverse(i: np.intp) -> tuple[Objective, InverseHessian]:
        objective, (total, mean, scatter) = hypotheses.objective(training, l2.item(i)), training
        return objective, InverseHessian.from_moments(
            objective, mean[:-1], scatter[:-1, :-1], total, constant=constant, noise=noise
        )

    trusted = np.ones(len(l2), bool)
    for i in np.argsort(l2, kind="stable"):
        objective, inverse = with_inverse(i)
        if inverse.trusted and inverse.condition * noise * _EPSILON <= _FEW_DIGITS:
            break  # with a larger penalty, the condition number is no larger
        trusted[i], coef[i] = False, _minimum(objective, inverse)
    for i in np.flatnonzero(trusted & ~found):
        coef[i] = _minimum(*with_inverse(i))
    return coef / without.units.scale, trusted


def _minimum(objective: Objective, inverse: InverseHessian) -> Vector:
    """Return the coefficients at the minimum, or at that of least norm."""
    theta = np.zeros(objective.n_parameters)
    for _ in range(2):
        theta = theta - inverse(objective.evaluate(theta).gradient)
    return theta[int(objective.intercept) :]
