"""A fit under way: who watches it, what is kept of it, how it ends, and what is said of that."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.descent import History
from fastgd.fitting.progress import Progress
from fastgd.formatting import counted
from fastgd.solvers.objective import Evaluation, Objective
from fastgd.solvers.step_size import Spectrum

CONVERGED = ("tolerance", "residual", "rounding")


class FitState(NamedTuple):
    """What a callback sees after an iteration, in the units of X, whatever those in which steps are taken."""

    n_iter: int
    """How many iterations have been run."""
    theta: NDArray[np.float64]
    """Theta after them, the intercept first, shape (n_parameters,); it can be given back as `theta0`."""
    cost: float
    """The cost there."""
    gradient: NDArray[np.float64]
    """The gradient there, shape (n_parameters,)."""


class Judge(Protocol):
    """What tells when a fit has arrived."""

    def arrived(self, at: Evaluation) -> str:
        """Return one of `CONVERGED`, or "" if it has not."""


class Run:
    """A fit under way.

    Parameters
    ----------
    objective : Objective
        What is minimised; it knows the units of the rows.
    start : Evaluation
        Where it starts.
    every : int
        Which iterations to keep for the history: every such one; 0 for none.
    callback : callable or None
        Called after each iteration.
    errors : dict
        The caller's settings for numpy's warnings, in force while the callback runs.
    progress : Progress
        The bar.

    Attributes
    ----------
    first, last : Evaluation
        Where it started, and where it is.
    n_iter : int
        How many iterations have been run.
    """

    def __init__(
        self,
        objective: Objective,
        start: Evaluation,
        every: int,
        callback: Callable[[FitState], object] | None,
        errors: Any,
        progress: Progress,
    ) -> None:
        self.first = self.last = start
        self.n_iter = 0
        self._objective = objective
        self._every = every
        # One row an iteration: theta, gradient and cost.
        self._kept = np.empty((16 if every else 0, 2 * objective.n_parameters + 1))
        self._n_kept = 0
        self._callback = callback
        self._errors = errors
        self._progress = progress

    def descend(self, solver: Iterator[Evaluation], max_iter: int, judge: Judge | None) -> str:
        """Ask the solver for iterations until one of the reasons to stop is met, and return it."""
        while True:
            arrived = judge.arrived(self.last) if judge is not None else ""
            if arrived:
                return arrived
            if self.n_iter == max_iter:
                return "max_iter"
            at = next(solver)
            if not math.isfinite(at.cost) and not np.isfinite(at.theta).all():
                return "diverged"
            if self._every and self.n_iter % self._every == 0:
                self._keep(self.last)
            self.last = at
            self.n_iter += 1
            self._progress.update(self.n_iter, at)
            if self._callback is not None and self._call_back(at):
                return "callback"

    def walked_away(self) -> bool:
        """Tell whether the descent left its start for a higher cost, by more than rounding moves it at a minimum."""
        first, last = self.first, self.last
        distance = abs(last.theta - first.theta).max()
        return last.cost > first.cost and bool(distance > 1e-8 * abs(last.theta).max())

    def history(self) -> History:
        """Return the table of the iterations that were kept, in the units in which steps were taken."""
        n = self._objective.n_parameters
        kept = self._kept[: self._n_kept]
        theta, gradient, cost = kept[:, :n].copy(), kept[:, n:-1].copy(), kept[:, -1].copy()
        final = self.last.theta.copy()
        update = np.diff(theta, axis=0, append=final[np.newaxis])
        units = self._objective.units
        return History(theta, gradient, update, cost, final, every=self._every, n_iter=self.n_iter, units=units)

    def _keep(self, at: Evaluation) -> None:
        if self._n_kept == len(self._kept):
            self._kept = np.concatenate((self._kept, np.empty_like(self._kept)))
        np.concatenate((at.theta, at.gradient, [at.cost]), out=self._kept[self._n_kept])
        self._n_kept += 1

    def _call_back(self, at: Evaluation) -> object:
        # Copies, as the callback may keep them, or write into them.
        theta = self._objective.units.to_rows(at.theta).copy()
        gradient = self._objective.units.gradient_to_rows(at.gradient).copy()
        with np.errstate(**self._errors):
            return self._callback(FitState(self.n_iter, theta, at.cost, gradient)) if self._callback else None


def message(ending: str, n_iter: int, tol: float) -> str:
    """Say how a fit ended, if there is nothing more to say.

    Parameters
    ----------
    ending : str
        What `Run.descend` returned.
    n_iter : int
        How many iterations were run.
    tol : float
        The tolerance.

    Returns
    -------
    str
        A sentence.
    """
    count = counted(n_iter, "iteration")
    if ending == "tolerance":
        return f"Converged after {count}: the scale-free gradient is within tol={tol:g}."
    if ending == "residual":
        return f"Converged after {count}: the residuals are within tol={tol:g} of the spread of y."
    if ending == "rounding":
        return f"Converged after {count}: the gradient is down to its rounding error."
    if ending == "callback":
        return f"Ended by callback after {count}."
    if ending == "diverged":
        return f"Diverged after {count}."
    if tol == 0:
        return f"Ran the {count} asked for; tol=0, so convergence was not judged."
    return f"Not converged within max_iter={count}, tol={tol:g}."


def step_size_advice(ending: str, learning_rate: float, found: Spectrum, *, standardized: bool, momentum: bool) -> str:
    """Say what to try where steps were too long, or too many.

    Parameters
    ----------
    ending : str
        ``"diverged"`` or ``"max_iter"``.
    learning_rate : float
        The size of a step.
    found : Spectrum
        The Hessian's extreme eigenvalues.
    standardized : bool
        Whether the features were standardised.
    momentum : bool
        Whether steps have Nesterov's momentum, which makes long ones unstable sooner.

    Returns
    -------
    str
        Some sentences.
    """
    if not math.isfinite(found.largest):
        return (
            f"learning_rate={learning_rate:g} was given; the squares of X exceed float64, so that no step size can be called "
            "stable. Divide X by a power of ten."
        )
    at_least = "" if found.complete else "at least "
    # With a momentum near 1 the steps along lambda grow where lambda * learning_rate > 4/3: there one root of
    # z^2 - (1 + b) (1 - lambda * learning_rate) z + b (1 - lambda * learning_rate) leaves the unit circle as b goes to 1.
    limit, of_lambda = (4.0 / 3.0, "4 / (3 lambda_max)") if momentum else (2.0, "2 / lambda_max")
    facts = (
        f"The largest stable learning_rate is {of_lambda} = {limit / found.largest:.4g}; "
        f"the Hessian's condition number is {at_least}{found.condition:.3g}."
    )
    standardize = "" if standardized else ", standardize=True"
    if ending == "diverged":
        return f'learning_rate={learning_rate:g} is too large. {facts} Try learning_rate="auto"{standardize}.'
    # What is known to be good; any rate beyond "optimal" is worse again.
    name, rate = "auto", 1.0 / found.largest
    if found.complete and found.smallest > 0 and not momentum:
        name, rate = "optimal", 2.0 / (found.largest + found.smallest)
    larger = f', or learning_rate="{name}", {rate:.4g}' if learning_rate < 0.99 * rate else ""
    return (
        f"learning_rate was {learning_rate:.4g}. {facts} "
        f'Try method="preconditioned", a larger max_iter{standardize}{larger}.'
    )
