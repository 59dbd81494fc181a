"""How a problem is solved: which solver descends on which objective, and by which test it ends."""

import math
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from fastgd.fitting.loop import Run
from fastgd.fitting.problem import Problem
from fastgd.solvers.conditioning import largest_scaled_condition, smallest_scaled_condition
from fastgd.solvers.conjugate_gradient import conjugate_gradient, steepest_descent
from fastgd.solvers.gradient_descent import gradient_descent
from fastgd.solvers.inverse_hessian import FactorInverse, uncorrelated_inverse
from fastgd.solvers.nesterov import nesterov
from fastgd.solvers.preconditioned import preconditioned, refinement
from fastgd.solvers.quadratic import Evaluation, Objective, Vector
from fastgd.solvers.step_size import Spectrum, spectrum
from fastgd.solvers.stopping import Criterion, GradientCriterion, Status, StepCriterion

# If the rounding of residuals leaves theta a larger relative error, the last passes are made in twice the precision.
_LOST_DIGITS = 1e-13

# A descent that ends at a cost which is larger than the one at its start by more than rounding has not arrived.
# Rounding is this share of what residuals are the sum of, at most.
_HIGHER, _ROUNDED = 1.0 + 1e-6, 1e-12

# Residuals of which the features explain no larger share are near enough to those of the minimum.
_UNEXPLAINED, _SMALL_TOL = 1e-3, 1e-8

_EPSILON = 2.0**-52

# Passes over columns whose means are at most this many standard deviations from zero lose three digits at most.
_NEAR = 1e3


class Strategy:
    """A way to the minimum of a problem, and its starting point.

    Attributes
    ----------
    learning_rate : float or str
        The step size that was found, or given.
    start : Evaluation
        The objective where the descent starts.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._spectrum: Spectrum | None = None
        self.learning_rate = problem.options.learning_rate
        self._objective = problem.cheapest if problem.preconditioner is None else problem.objective
        # At zero, the gradient of the moments is accurate enough to begin with; elsewhere it may have lost its digits.
        self._first = problem.cheapest if problem.theta0 is None else self._objective
        self.start = self._first.evaluate(self._objective.units.from_rows(self._first_theta()))
        if not math.isfinite(self.start.cost):
            problem.data.refuse_non_finite()
        self._solution = self._direct_solution()
        if self.has_step_size and self.learning_rate in ("auto", "optimal"):
            self.learning_rate = self._found_learning_rate()

    @property
    def spectrum(self) -> Spectrum:
        """The extreme eigenvalues of the Hessian, computed on first use; infinite where its entries are."""
        if self._spectrum is None:
            self._spectrum = Spectrum(math.inf, 0.0, complete=False)
            with suppress(np.linalg.LinAlgError):
                found = spectrum(self._problem.cheapest.product, self._problem.cheapest.n_parameters)
                self._spectrum = found if math.isfinite(found.largest) else self._spectrum
        return self._spectrum

    @property
    def condition(self) -> float | None:
        """The condition number of the Hessian, if it is known."""
        known = self._problem.preconditioner or self._spectrum
        return None if known is None else known.condition

    @property
    def tells_minimum(self) -> bool | None:
        """Whether a small gradient shows that the minimum is near: not so if columns nearly depend; None if that is unknown."""
        problem, found = self._problem, self._spectrum
        tol, n = problem.options.tol or 0.0, problem.objective.n_parameters
        # A gradient within tol leaves no more than a share of the residuals unexplained, which grows with the condition number
        # of columns of the same length. Who gives a large tol knows that.
        largest = (_UNEXPLAINED / min(max(tol, _EPSILON), _SMALL_TOL)) ** 2 / n
        if problem.inverse is not None:
            return problem.inverse.trusted and problem.inverse.condition <= largest
        if problem.sizes is not None and problem.data.n_features == 1:
            return problem.options.l2 > 0 or (problem.sizes.constant is None and problem.sizes.norms.item(-1) > 0)
        if problem.sizes is None or found is None or not found.complete:
            return None
        if largest_scaled_condition(problem.objective, found.condition) <= largest:
            return True
        return False if smallest_scaled_condition(problem.objective, problem.sizes, found.condition) > largest else None

    @property
    def has_step_size(self) -> bool:
        """Whether all steps have the same size."""
        return self._problem.options.method in ("gd", "nesterov") and self.learning_rate != "exact"

    def blur(self, at: Evaluation) -> Vector:
        """Return which share of each feature's largest possible gradient is rounding at a point; shape (n_features,)."""
        criterion = self._gradient_criterion(self._problem.objective)
        n_features = self._problem.data.n_features
        return np.zeros(n_features) if criterion is None else criterion.blur(at)[-n_features:]

    def run(self, run: Run) -> Status:
        """Iterate from the start to a point whose cost and gradient come from a true pass, and return how that ended."""
        true, compensated = self._problem.objective, self._problem.compensated
        status, error = self._iterate(run, self._objective)
        if error > _LOST_DIGITS and compensated is not None:
            run.last = compensated.evaluate(run.last.theta)
            status, _ = self._iterate(run, compensated)
        # Conjugate gradients and the best steps on lines update gradients by differences.
        updated = self._problem.options.method == "cg" or self.learning_rate == "exact"
        is_true = self._objective is true and not updated
        while not is_true:
            run.last = true.evaluate(run.last.theta)
            criterion = self._criterion(true)
            if not status.converged or criterion is None:
                break
            verified = criterion.check(run.last)
            if verified is not None:
                status = verified
                break
            # The last digits may be those of the residuals, which neither moments nor sums of differences have.
            status, _ = self._iterate(run, true)
            is_true = not updated
        if run.last is self.start and self._first is not true:
            run.last = true.evaluate(run.last.theta)
        diverged = status is Status.MAX_ITER and run.has_diverged()
        return Status.DIVERGED if diverged or (status.converged and self._is_above_start(run)) else status

    def _is_above_start(self, run: Run) -> bool:
        """Return whether a descent ended at a cost that is larger than where it began, by more than rounding."""
        sizes, objective = self._problem.sizes, self._problem.objective
        assert sizes is not None  # a criterion has ended it
        rounding = _ROUNDED * (float(sizes.terms @ abs(run.first.theta)) + sizes.y_norm)
        return run.last.cost > _HIGHER * run.first.cost + objective.scale * rounding * rounding

    def _first_theta(self) -> Vector:
        """Return the theta to start from, in the units of the rows."""
        problem = self._problem
        if problem.theta0 is None:
            return np.zeros(self._objective.n_parameters)
        theta, options = problem.theta0.copy(), problem.options
        if (
            options.method in ("cg", "preconditioned")
            and options.intercept
            and options.l2
            and problem.scales is not None
        ):
            # Steps leave constants alone, whose coefficients a penalty brings to zero.
            constant, coef = problem.scales.constant, theta[1:]
            theta[0] += coef[constant] @ problem.scales.mean[constant]
            coef[constant] = 0.0
        return theta

    def _direct_solution(self) -> Vector | None:
        """Return the minimum, to the digits that a factor or moments give."""
        inverse, cheapest = self._problem.preconditioner, self._problem.cheapest
        if isinstance(inverse, FactorInverse):
            return inverse.minimum(self.start.theta)
        if inverse is None or self._first is not cheapest:
            return None
        theta = self.start.theta - inverse(self.start.gradient)
        scales, sizes = self._problem.scales, self._problem.sizes
        if scales is None or sizes is None or sizes.mean is None:
            return theta - inverse(cheapest.evaluate(theta).gradient)
        is_far = sizes.farthest > _NEAR or abs(scales.y_mean) > _NEAR * scales.y_std
        for _ in range(1 + is_far):
            if is_far:  # but for the best intercept, gradients are small differences of large numbers
                theta = np.append(scales.y_mean - sizes.mean @ theta[1:], theta[1:])
            theta = theta - inverse(cheapest.evaluate(theta).gradient)
        return theta

    def _found_learning_rate(self) -> float:
        found = self.spectrum
        if not math.isfinite(found.largest):
            raise ValueError(
                "The curvature, of the squares of X and l2, exceeds float64, so that no step size can be found. Divide X by a "
                "power of ten, take a smaller l2, or give a learning_rate."
            )
        size = found.largest if self.learning_rate == "auto" else 0.5 * (found.largest + found.smallest)
        return 1.0 / size if found.largest > 0 else 1.0

    def _iterate(self, run: Run, objective: Objective) -> tuple[Status, float]:
        """Continue a run; return how that ended, and the relative error of theta, if it is known."""
        criterion = self._criterion(objective)
        status = run.iterate(self._solver(objective, run.last), criterion)
        if not isinstance(criterion, StepCriterion) or not status.converged:
            return status, 0.0
        run.last = criterion.best or run.last
        return status, criterion.error

    def _solver(self, objective: Objective, at: Evaluation) -> Iterator[Evaluation]:
        inverse, scales, method = self._problem.preconditioner, self._problem.scales, self._problem.options.method
        if inverse is not None:
            steps = refinement if inverse.exact else preconditioned
            return steps(objective, at, inverse, self._solution if at is self.start else None)
        if method == "cg":
            assert scales is not None
            return conjugate_gradient(objective, at, uncorrelated_inverse(objective, scales), self._terms())
        if self.learning_rate == "exact":
            return steepest_descent(objective, at, self._terms())
        solver = nesterov if method == "nesterov" else gradient_descent
        return solver(objective, at, float(self.learning_rate))

    def _terms(self) -> Vector:
        sizes = self._problem.sizes
        return np.zeros(self._objective.n_parameters) if sizes is None else sizes.terms

    def _gradient_criterion(self, objective: Objective) -> GradientCriterion | None:
        tol, sizes = self._problem.options.tol, self._problem.sizes
        if not tol or sizes is None:
            return None
        of_moments = objective is self._problem.by_moments
        rate = float(self.learning_rate) if self.has_step_size else 0.0
        return GradientCriterion(objective, sizes, tol, of_moments=of_moments, learning_rate=rate)

    def _criterion(self, objective: Objective) -> Criterion | None:
        problem, inverse = self._problem, self._problem.preconditioner
        criterion = self._gradient_criterion(objective)
        if criterion is None or inverse is None:
            return criterion
        solution = self._solution if objective is problem.objective else None
        if solution is not None and not inverse.exact:
            # Moments lack the digits of the square of the condition number, passes those of the columns' distance from zero.
            solution = solution if max(math.sqrt(inverse.condition), _NEAR) < criterion.sizes.farthest else None
        every_digit = problem.data.is_cheap
        return StepCriterion(criterion, inverse, every_digit=every_digit, solution=solution)
