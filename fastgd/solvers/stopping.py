"""Tests of convergence, and how a descent ends."""

import math
from collections.abc import Callable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from fastgd.solvers.column_sizes import ColumnSizes
from fastgd.solvers.quadratic import Evaluation, Objective, Vector


class Status(StrEnum):
    """How a descent ended."""

    TOLERANCE = "tolerance"
    """The gradient is within the tolerance."""
    RESIDUAL = "residual"
    """The residuals are negligible against the spread of y."""
    ROUNDING = "rounding"
    """The gradient is down to its rounding error."""
    MAX_ITER = "max_iter"
    """The limit of iterations was reached."""
    DIVERGED = "diverged"
    """The cost grew beyond that of the start, or theta is no longer finite."""
    CALLBACK = "callback"
    """A callback ended it."""

    @property
    def converged(self) -> bool:
        """Whether the descent is at the minimum."""
        return self in (Status.TOLERANCE, Status.RESIDUAL, Status.ROUNDING)


_UNIT_ROUNDOFF = 2.0**-53

# A smaller change of the hypothesis, in units of roundoff of the terms that it sums up, is not worth a pass over many rows.
_ENOUGH = 16.0

# The roundoff of moments, in units of that of a number: with sums of a thousand products in a block, up to 10 was observed.
_MOMENTS = 32.0

# Residuals below this multiple of y's rounding error are not worth another step.
_FEW = 128.0

# A gradient below this multiple of its rounding error, to which that of theta's entries adds, does not refute a solution.
_NOT_REFUTED = 4.0

# The roundoff of a sum of products, in units of that of their lengths: up to 3 was observed.
_SUM = 8.0

# Beside its largest possible value, a gradient that is small.
_SMALL = 1e-8

# An entry of theta that contributes less than this share of the hypothesis is negligible.
_NEGLIGIBLE = 1e-6


class GradientCriterion:
    """The scale-free test of convergence: no entry of the gradient exceeds `tol` times what it could be.

    For each j, ``|x_j . r| <= tol |x_j| |r|`` (weighted norms) means that the residuals are orthogonal to x_j up to `tol`,
    whatever the units of x and y; a penalty adds ``l2 |coef_j|`` on the right. With an intercept each x_j is taken about its
    mean: columns far from zero all point along the ones, and residuals that are orthogonal to these would be nearly so to each
    of them. If the data lie on a line, |r| goes to zero together with the gradient, and residuals below `tol` times the spread
    of y count, too (the two rules of Paige and Saunders' LSQR [1]_; the spread, as y may be far from zero).

    A gradient below the rounding error of its own computation, as where residuals are at rounding level, counts as well. A
    residual's is taken as the unit roundoff u times ``sum_l |x_l| |theta_l| + |y|``, to which a gradient answers by no more
    than |x_j| times that, by the Cauchy-Schwarz inequality; the mean is taken off sums ``x_j . r`` that had a rounding of their
    own, of some u ``|x_j| |r|``, and x_j not about its mean. Steps that are too short to change theta end a descent, too, if
    its gradient is small: fixed steps on columns far from zero come to rest above that error.

    Parameters
    ----------
    objective : Objective
        The objective.
    sizes : ColumnSizes
        The lengths of its columns.
    tol : float
        The tolerance, > 0.
    of_moments : bool
        Whether the gradients are computed from moments, which are rounded, and not consistent to the last unit.
    learning_rate : float
        The size of fixed steps; 0 if they are not.

    References
    ----------
    .. [1] C. C. Paige, M. A. Saunders, "LSQR: an algorithm for sparse linear equations and sparse least squares", ACM
       Transactions on Mathematical Software 8 (1982), 43-71, section 6.
    """

    def __init__(
        self,
        objective: Objective,
        sizes: ColumnSizes,
        tol: float,
        *,
        of_moments: bool = False,
        learning_rate: float = 0.0,
    ) -> None:
        self.objective = objective
        self._tol = tol
        self._learning_rate = learning_rate
        self._of_moments = of_moments
        self._roundoff = _MOMENTS * _UNIT_ROUNDOFF if of_moments else _UNIT_ROUNDOFF
        self.sizes = sizes
        self._terms = sizes.terms
        self._terms_norm = math.sqrt(sizes.terms.dot(sizes.terms))
        self._mean = sizes.mean if sizes.mean is not None and sizes.mean.any() else None
        self._lengths = sizes.spreads
        self._constant: NDArray[np.intp] | None = None  # their places in theta
        if sizes.constant is not None:
            self._constant = sizes.constant + 1
            self._lengths = self._lengths.copy()
            self._lengths[self._constant] = sizes.norms[self._constant]
        self._call(0)  # later, an entry that was too large at the last full check

    def check(self, at: Evaluation) -> Status | None:
        """Return by which rule a point counts as the minimum, or None if it does not."""
        if not math.isfinite(at.residual_norm):
            return None  # infinite tolerances would accept anything
        if at.residual_norm <= self._tol * self.sizes.y_spread and not self.objective.l2:
            return Status.RESIDUAL
        if not self.objective.l2 and self._leaves_rounding(at):
            return Status.ROUNDING
        if self._witness_denies(at):
            return None
        limit = self.objective.scale * self._lengths * at.residual_norm
        if self.objective.l2:
            penalty = abs(self.objective.penalty_gradient(at.theta))
            limit = limit + penalty
            if self._constant is not None:
                limit[self._constant] = self._explaining(self.sizes.y_spread, float(np.linalg.norm(at.theta)))
        tolerance, gradient = self._tol * limit, self.gradient(at)
        if (gradient <= tolerance).all():
            return Status.TOLERANCE
        excess = gradient - np.maximum(tolerance, self.rounding(at))
        if excess.max() <= 0:
            return Status.ROUNDING
        if self._constant is not None:
            excess[self._constant] = -np.inf  # which cannot be told from one entry
        self._call(int(excess.argmax()))
        return Status.ROUNDING if self._learning_rate and self._rests(at, gradient, limit) else None

    def gradient(self, at: Evaluation) -> Vector:
        """Return the sizes of a gradient's entries, features being taken about their means, shape (n_parameters,).

        Of a constant nothing is left there but the penalty's, and rounding, which may exceed that.
        """
        gradient = abs(at.gradient)
        if self._mean is not None:
            np.abs(at.gradient[1:] - self._mean * at.gradient[0], out=gradient[1:])
        if self.objective.l2 and self._constant is not None:
            gradient[self._constant] = abs(self.objective.penalty_gradient(at.theta)[self._constant])
        return gradient

    def rounding(self, at: Evaluation) -> Vector:
        """Bound the rounding error of each of these entries' computation, shape (n_parameters,)."""
        sizes, size = self.sizes, abs(at.theta)
        products: Vector = self._lengths * (float(self._terms @ size) + sizes.y_norm)
        if self._of_moments and sizes.mean is not None:  # which are those of features about their means
            products[1:] = self._lengths[1:] * (float(sizes.spreads[1:] @ size[1:]) + sizes.y_spread)
        terms: Vector = self.objective.scale * (products + _SUM * self._terms * at.residual_norm)
        if self.objective.l2:
            penalty = abs(self.objective.penalty_gradient(at.theta))
            penalty[penalty > 0] = np.linalg.norm(penalty)  # coefficients are rounded beside the largest
            if self._constant is not None:  # and constants' beside what would explain y
                terms[self._constant] = _FEW * self._explaining(sizes.y_norm, 0.0)
            terms = terms + penalty
        return self._roundoff * terms

    def _explaining(self, y: float, otherwise: float) -> Vector:
        """Return the penalty's gradient of constants that explain a y of this length; of zeros, where theta is another."""
        norms = self.sizes.norms[self._constant]
        theta = np.divide(y, norms, out=np.full(len(norms), otherwise), where=norms > 0)
        result: Vector = 2.0 * self.objective.l2 * theta
        return result

    def blur(self, at: Evaluation) -> Vector:
        """Return which share of each entry of a gradient that could be there, given y, is rounding; shape (n_parameters,)."""
        largest = self.objective.scale * self._lengths * self.sizes.y_spread
        if self._constant is not None:
            largest[self._constant] = 0.0
        return np.divide(self.rounding(at), largest, out=np.zeros_like(largest), where=largest > 0)

    def _rests(self, at: Evaluation, gradient: Vector, limit: Vector) -> bool:
        """Return whether steps are too short to change theta, and what they would follow is small."""
        if (self._learning_rate * abs(at.gradient) > _UNIT_ROUNDOFF * abs(at.theta)).any():
            return False
        is_on_line = at.residual_norm <= _SMALL * self.sizes.y_spread or self._leaves_rounding(at)
        return is_on_line or bool((gradient <= _SMALL * limit).all())

    def _leaves_rounding(self, at: Evaluation) -> bool:
        """Return whether y is constant, and the residuals are no more than its rounding: there is no spread to compare with."""
        rounding = _FEW * self._roundoff * self.sizes.y_norm
        return self.sizes.y_spread <= rounding and at.residual_norm <= rounding

    def _call(self, j: int) -> None:
        """Let an entry be the witness, and keep what is needed of it."""
        scale, mean = self.objective.scale, self._mean.item(j - 1) if j and self._mean is not None else 0.0
        self._witness = j, scale * self._lengths.item(j), scale * _SUM * self._terms.item(j), mean

    def _witness_denies(self, at: Evaluation) -> bool:
        """Return whether one entry alone shows that a point does not count: a twentieth of the time of the full check."""
        (j, length, term, mean), residual_norm = self._witness, at.residual_norm
        theta_norm = math.sqrt(at.theta.dot(at.theta))
        rounding = length * (self._terms_norm * theta_norm + self.sizes.y_norm) + term * residual_norm
        limit = max(self._tol * length * residual_norm, self._roundoff * rounding)
        if self.objective.l2:
            limit += max(self._tol, self._roundoff) * 2.0 * self.objective.l2 * theta_norm
        entry = at.gradient.item(j)
        centred = entry - mean * at.gradient.item(0) if mean else entry
        return abs(centred) > limit and not 0.0 < self._learning_rate * abs(entry) <= _UNIT_ROUNDOFF * abs(
            at.theta.item(j)
        )


class StepCriterion:
    """Convergence of a descent that knows its next step: `GradientCriterion`, and no digit of theta left to change.

    A scale-free gradient may be small far from the minimum, if columns nearly depend on each other. The next step is nearly the
    error of theta; the descent goes on until no entry of it changes the hypothesis by more than the roundoff of the products
    that this is the sum of, or until it no longer shrinks, because it is the rounding of the gradient. With an intercept,
    changes are those about the features' means, as it makes up for the rest.

    Parameters
    ----------
    criterion : GradientCriterion
        The first condition.
    inverse_hessian : callable
        Turns a gradient into the next step.
    every_digit : bool
        Whether to go on until each entry of theta has all of its digits, as another pass over few rows costs nothing.
    solution : ndarray of shape (n_parameters,), float64, or None
        A point more accurate than gradients can tell: if the gradient there is below its rounding error, it is the last.

    Attributes
    ----------
    best : Evaluation or None
        Of the points that `criterion` accepts, the one with the smallest next step.
    error : float
        The largest relative change of an entry of theta by the next step there.
    """

    def __init__(
        self,
        criterion: GradientCriterion,
        inverse_hessian: Callable[[Vector], Vector],
        *,
        every_digit: bool,
        solution: Vector | None = None,
    ) -> None:
        self._criterion = criterion
        self._solution = solution
        self._inverse_hessian = inverse_hessian
        self._mean, self._spreads = criterion.sizes.mean, criterion.sizes.spreads
        self._every_digit = every_digit
        self._last = math.inf
        self.error = math.inf
        self.best: Evaluation | None = None

    def check(self, at: Evaluation) -> Status | None:
        """Return by which rule a point counts as the minimum, or None if it does not."""
        status = self._criterion.check(at)
        is_solved = (
            at.theta is self._solution
            and (self._criterion.gradient(at) <= _NOT_REFUTED * self._criterion.rounding(at)).all()
        )
        if status is None and not is_solved:
            return None
        signed, size = self._inverse_hessian(at.gradient), abs(at.theta)
        step = abs(signed)
        hypothesis = self._criterion.sizes.norms @ size + self._criterion.sizes.y_norm
        changes = self._spreads * step
        if self._mean is not None:
            at_mean = abs(signed[0] + self._mean @ signed[1:])
            rounding = _UNIT_ROUNDOFF * (size[0] + abs(self._mean) @ size[1:])  # of the hypothesis at the mean
            changes[0] = self._spreads[0] * at_mean if at_mean > rounding else 0.0
        change = float(changes.max())
        sizes = np.maximum(size, _NEGLIGIBLE * hypothesis / self._criterion.sizes.norms)
        if self._every_digit:
            is_rounding = bool((step <= 2.0 * _UNIT_ROUNDOFF * sizes).all())
        else:
            is_rounding = bool(change <= _ENOUGH * _UNIT_ROUNDOFF * hypothesis)
        shrinks = change < 0.5 * self._last
        if change < self._last:
            self._last, self.best = change, at
            self.error = float(np.max(step / sizes))
        if is_solved:
            self.best = at
            return Status.ROUNDING
        return None if shrinks and not is_rounding else status


Criterion = GradientCriterion | StepCriterion
