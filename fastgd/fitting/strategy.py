"""How a problem is solved: which solver sees which objective, and by which test it ends."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastgd.fitting.loop import Criterion, Run
from fastgd.fitting.problem import Problem
from fastgd.solvers.conjugate_gradient import conjugate_gradient, steepest_descent
from fastgd.solvers.gradient_descent import gradient_descent
from fastgd.solvers.nesterov import nesterov
from fastgd.solvers.preconditioned import preconditioned, refinement
from fastgd.solvers.quadratic import Evaluation, Objective
from fastgd.solvers.step_size import Spectrum, spectrum
from fastgd.solvers.stopping import GradientCriterion, Status, StepCriterion

# Where the rounding of residuals leaves theta a larger relative error, the last passes are made in twice the precision.
_LOST_DIGITS = 1e-13

# Passes over columns whose means are at most so many standard deviations from zero lose three digits at most.
_NEAR = 1e3


class Strategy:
    """A way to the minimum of a problem, and its starting point.

    Parameters
    ----------
    problem : Problem
        The problem.

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
        self._objective = problem.objective if self._is_preconditioned else problem.cheapest
        # At zero, the gradient of the moments is good enough to begin with; elsewhere it may have lost its digits.
        self._beginning = problem.cheapest if problem.theta0 is None else self._objective
        theta = np.zeros(self._objective.n_parameters) if problem.theta0 is None else problem.theta0
        self.start = self._beginning.evaluate(self._objective.units.from_rows(theta))
        if not math.isfinite(self.start.cost):
            problem.data.refuse_non_finite()
        self._solution = self._direct_solution()
        self._solution_is_best = self._solution is not None and self._solves_better_than_passes()
        if self.has_step_size and self.learning_rate in ("auto", "optimal"):
            self.learning_rate = self._found_learning_rate()

    @property
    def spectrum(self) -> Spectrum:
        """The extreme eigenvalues of the Hessian, computed on first use; infinite where its entries are."""
        if self._spectrum is None:
            try:
                found = spectrum(self._problem.cheapest.product, self._problem.cheapest.n_parameters)
            except np.linalg.LinAlgError:
                found = Spectrum(math.inf, 0.0, complete=False)
            self._spectrum = found if math.isfinite(found.largest) else Spectrum(math.inf, 0.0, complete=False)
        return self._spectrum

    @property
    def condition(self) -> float | None:
        """The condition number of the Hessian, if it is known."""
        if self._is_preconditioned and self._problem.inverse is not None:
            return self._problem.inverse.condition
        return None if self._spectrum is None else self._spectrum.condition

    @property
    def has_step_size(self) -> bool:
        """Whether all steps have the same size."""
        return self._problem.options.method in ("gd", "nesterov") and self.learning_rate != "exact"

    def run(self, run: Run) -> Status:
        """Iterate until the end, which is a point whose cost and gradient come from a true pass.

        Parameters
        ----------
        run : Run
            The run, at the start.

        Returns
        -------
        Status
            How it ended.
        """
        true, compensated = self._problem.objective, self._problem.compensated
        status, error = self._iterate(run, self._objective)
        if error > _LOST_DIGITS and compensated is not None:
            run.last = compensated.evaluate(run.last.theta)
            status, _ = self._iterate(run, compensated)
        # Conjugate gradients and the best steps on lines update gradients by differences.
        carried = self._problem.options.method == "cg" or self.learning_rate == "exact"
        is_true = self._objective is true and not carried
        while not is_true:
            run.last = true.evaluate(run.last.theta)
            criterion = self._criterion(true)
            if not status.converged or criterion is None or criterion.check(run.last):
                break
            # The last digits may be those of the residuals, which neither moments nor sums of differences have.
            status, _ = self._iterate(run, true)
            is_true = not carried
        if run.last is self.start and self._beginning is not true:
            run.last = true.evaluate(run.last.theta)
        return Status.DIVERGED if status is Status.MAX_ITER and run.has_diverged() else status

    @property
    def _is_preconditioned(self) -> bool:
        return self._problem.options.method == "preconditioned"

    def _direct_solution(self) -> NDArray[np.float64] | None:
        """Return the minimum, as far as a factor or moments give it."""
        inverse = self._problem.inverse
        if inverse is None or not self._is_preconditioned:
            return None
        if inverse.exact:
            return inverse.minimum(self.start.theta)
        if self._beginning is not self._problem.cheapest:
            return None
        # Far from the minimum the gradient along features far from zero is a small difference of large numbers.
        theta = self.start.theta - inverse(self.start.gradient)
        return theta - inverse(self._problem.cheapest.evaluate(theta).gradient)

    def _solves_better_than_passes(self) -> bool:
        """Tell whether refinement by passes would lose more digits than the direct solution lacks.

        Moments lack those of the square of the condition number; passes lose those by which columns are far from zero.
        """
        inverse, scales = self._problem.inverse, self._problem.scales
        assert inverse is not None
        assert scales is not None
        return inverse.exact or max(math.sqrt(inverse.condition), _NEAR) < scales.farthest

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
        """Go on from where the run is; return how that ended, and the error of theta, if it is known."""
        criterion = self._criterion(objective)
        status = run.iterate(self._solver(objective, run.last), criterion)
        if not isinstance(criterion, StepCriterion) or not status.converged:
            return status, 0.0
        run.last = criterion.best or run.last
        return status, criterion.error

    def _solver(self, objective: Objective, at: Evaluation) -> Iterator[Evaluation]:
        inverse, scales = self._problem.inverse, self._problem.scales
        if self._is_preconditioned and inverse is not None:
            steps = refinement if inverse.exact else preconditioned
            return steps(objective, at, inverse, self._solution if at is self.start else None)
        if self._problem.options.method == "cg":
            assert scales is not None
            return conjugate_gradient(objective, at, objective.uncorrelated_inverse(scales))
        if self.learning_rate == "exact":
            return steepest_descent(objective, at)
        solver = nesterov if self._problem.options.method == "nesterov" else gradient_descent
        return solver(objective, at, float(self.learning_rate))

    def _criterion(self, objective: Objective) -> Criterion | None:
        tol, scales, inverse = self._problem.options.tol, self._problem.scales, self._problem.inverse
        if not tol or scales is None:
            return None
        of_moments = objective is self._problem.by_moments
        criterion = GradientCriterion(objective, scales, tol, of_moments=of_moments)
        if not self._is_preconditioned or inverse is None:
            return criterion
        every_digit = self._problem.data.is_cheap
        solution = self._solution if self._solution_is_best and objective is self._problem.objective else None
        return StepCriterion(criterion, inverse, scales, every_digit=every_digit, solution=solution)
