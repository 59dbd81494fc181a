"""How a problem is solved: which solver sees which objective, and who tells when it has arrived."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastgd.fitting.loop import CONVERGED, Judge, Run
from fastgd.fitting.problem import Problem
from fastgd.solvers.choose import preconditioning_pays
from fastgd.solvers.conjugate_gradient import conjugate_gradient, steepest_descent
from fastgd.solvers.gradient_descent import gradient_descent
from fastgd.solvers.nesterov import nesterov
from fastgd.solvers.objective import Evaluation, Objective
from fastgd.solvers.preconditioned import preconditioned, refinement
from fastgd.solvers.step_size import Spectrum, spectrum
from fastgd.solvers.stopping import Refined, Stopping

# Iterations and tolerance of each method, where nothing else is said.
DEFAULTS = {"gd": (1000, 1e-8), "nesterov": (1000, 1e-8), "cg": (1000, 1e-12), "preconditioned": (100, 1e-12)}

# Step sizes with a name.
STEPS = ("auto", "optimal", "exact")

# Where digits of theta beyond this one are lost to the residuals' rounding, these passes are made with twice the precision.
_LOST_DIGITS = 1e-13


def chosen(method: str, learning_rate: float | str, n_samples: int, n_features: int, *, sparse: bool) -> str:
    """Choose a method where that was left open, and see whether the step size is one of its own.

    Parameters
    ----------
    method : str
        One of `DEFAULTS`, or "auto".
    learning_rate : float or str
        The step size, or one of `STEPS`.
    n_samples, n_features : int
        The shape of X.
    sparse : bool
        Whether X is sparse.

    Returns
    -------
    str
        One of `DEFAULTS`.

    Raises
    ------
    ValueError
        If the method has no such step size.
    """
    if method == "auto":
        if learning_rate != "auto":
            return "gd"
        return "preconditioned" if preconditioning_pays(n_samples, n_features, sparse=sparse) else "cg"
    if learning_rate != "auto" and method in ("cg", "preconditioned"):
        raise ValueError(
            f"learning_rate={learning_rate!r} was given, but method={method!r} finds the size of its steps itself. "
            'Leave it out, or give method="gd".'
        )
    if learning_rate in ("optimal", "exact") and method == "nesterov":
        raise ValueError(
            f'learning_rate={learning_rate!r} was given, but method="nesterov" needs a number or "auto". Leave it out, '
            'or give method="gd".'
        )
    return method


class Method:
    """A way to the minimum of a problem.

    Parameters
    ----------
    name : str
        One of `DEFAULTS`.
    problem : Problem
        The problem, its objectives made.
    learning_rate : float or str
        The step size, or one of `STEPS`.
    tol : float
        The tolerance; 0 for no judge.
    theta0 : ndarray of shape (n_parameters,), float64, or None
        Where to start, in the original units; None for zeros.

    Attributes
    ----------
    inverse : InverseHessian or None
        The inverse of the Hessian, where there are moments.
    learning_rate : float or str
        The step size that was found, or given.
    start : Evaluation
        The objective where the descent starts.
    """

    def __init__(
        self, name: str, problem: Problem, learning_rate: float | str, tol: float, theta0: NDArray[np.float64] | None
    ) -> None:
        self.name = name
        self.learning_rate = learning_rate
        self._problem = problem
        self._tol = tol
        self._spectrum: Spectrum | None = None
        self.inverse = problem.inverse_hessian(exact=name == "preconditioned")
        self.objective = problem.final if name == "preconditioned" else problem.quick
        # The gradient of the moments will do to begin with: at zero, that is, as elsewhere it may have lost its digits.
        self._beginning = problem.quick if theta0 is None else self.objective
        theta = np.zeros(self.objective.n_parameters) if theta0 is None else theta0
        self.start = self._beginning.evaluate(self.objective.units.from_rows(theta))
        if not math.isfinite(self.start.cost):
            problem.refuse_non_finite()
        self._solution = None if self.inverse is None else self.inverse.minimum(self.start.theta)
        if name in ("gd", "nesterov") and learning_rate in ("auto", "optimal"):
            found = self.spectrum()
            if not math.isfinite(found.largest):
                raise ValueError(
                    "The curvature, of the squares of X and l2, exceeds float64, so that no step size can be found. Divide X "
                    "by a power of ten, take a smaller l2, or give a learning_rate."
                )
            sizes = {"auto": found.largest, "optimal": 0.5 * (found.largest + found.smallest)}
            self.learning_rate = 1.0 / sizes[str(learning_rate)] if found.largest > 0 else 1.0

    def spectrum(self) -> Spectrum:
        """Return the extreme eigenvalues of the Hessian, found when first asked for; infinite where its entries are."""
        if self._spectrum is None:
            try:
                found = spectrum(self._problem.quick.product, self._problem.quick.n_parameters)
            except np.linalg.LinAlgError:
                found = Spectrum(math.inf, 0.0, complete=False)
            self._spectrum = found if math.isfinite(found.largest) else Spectrum(math.inf, 0.0, complete=False)
        return self._spectrum

    @property
    def condition(self) -> float | None:
        """The condition number of the Hessian, if it is known."""
        if self.name == "preconditioned" and self.inverse is not None:
            return self.inverse.condition
        return None if self._spectrum is None else self._spectrum.condition

    @property
    def has_step_size(self) -> bool:
        """Whether all steps have the same size."""
        return self.name in ("gd", "nesterov") and self.learning_rate != "exact"

    def carry_out(self, run: Run, max_iter: int) -> str:
        """Run until the end, which is at a point whose cost and gradient are true.

        Parameters
        ----------
        run : Run
            The run, at the start.
        max_iter : int
            How many iterations there may be.

        Returns
        -------
        str
            How it ended, as of `Run.descend`, or ``"diverged"``.
        """
        final, precise = self._problem.final, self._problem.precise
        ending, error = self._descend(run, self.objective, max_iter)
        if error > _LOST_DIGITS and precise is not final:
            run.last = precise.evaluate(run.last.theta)
            ending, _ = self._descend(run, precise, max_iter)
        carried = self.name == "cg" or self.learning_rate == "exact"  # gradients that were added up from differences
        true = self.objective is final and not carried
        while not true:
            run.last = final.evaluate(run.last.theta)
            judge = self._judge(final)
            if ending not in CONVERGED or judge is None or judge.arrived(run.last):
                break
            # The last digits may be those of the residuals, which neither moments nor sums of differences have.
            ending, _ = self._descend(run, final, max_iter)
            true = not carried
        if run.last is self.start and self._beginning is not final:
            run.last = final.evaluate(run.last.theta)
        return "diverged" if ending == "max_iter" and run.walked_away() else ending

    def _descend(self, run: Run, objective: Objective, max_iter: int) -> tuple[str, float]:
        """Go on from where the run is; return how that ended, and the error of theta, if it is known."""
        judge = self._judge(objective)
        ending = run.descend(self._solver(objective, run.last), max_iter, judge)
        if not isinstance(judge, Refined) or ending not in CONVERGED:
            return ending, 0.0
        run.last = judge.best or run.last
        return ending, judge.error

    def _solver(self, objective: Objective, at: Evaluation) -> Iterator[Evaluation]:
        if self.name == "preconditioned" and self.inverse is not None:
            if self.inverse.exact:
                return refinement(objective, at, self.inverse, self._solution if at is self.start else None)
            rehearsed = at is self.start and self._beginning is self._problem.quick
            return preconditioned(objective, at, self.inverse, self._problem.quick if rehearsed else None)
        if self.name == "cg":
            assert self._problem.scales is not None
            return conjugate_gradient(objective, at, objective.uncorrelated_inverse(self._problem.scales))
        if self.learning_rate == "exact":
            return steepest_descent(objective, at)
        return (nesterov if self.name == "nesterov" else gradient_descent)(objective, at, float(self.learning_rate))

    def _judge(self, objective: Objective) -> Judge | None:
        if not self._tol or self._problem.scales is None:
            return None
        of_moments = self._problem.has_moments and objective is self._problem.quick
        stopping = Stopping(objective, self._problem.scales, self._tol, of_moments=of_moments)
        if self.name != "preconditioned" or self.inverse is None:
            return stopping
        every_digit = self._problem.cheap
        solution = self._solution if objective is self._problem.final else None
        return Refined(stopping, self.inverse, self._problem.scales, every_digit=every_digit, solution=solution)
