"""The loop of a fit: its iterations, the history of them, and how it ends."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastgd.descent.history import History
from fastgd.fitting.options import FitState
from fastgd.fitting.problem import Problem
from fastgd.fitting.progress import Progress
from fastgd.solvers.quadratic import Evaluation
from fastgd.solvers.stopping import Criterion, Status


class Run:
    """A fit under way.

    Parameters
    ----------
    problem : Problem
        The problem.
    start : Evaluation
        Where it starts.
    errors : dict
        The caller's settings for numpy's warnings, which apply in the callback.
    progress : Progress
        The bar.

    Attributes
    ----------
    first, last : Evaluation
        Where it started, and where it is.
    n_iter : int
        The number of iterations that were run.
    """

    def __init__(self, problem: Problem, start: Evaluation, errors: Any, progress: Progress) -> None:
        self.first = self.last = start
        self.n_iter = 0
        self._objective = problem.objective
        self._options = problem.options
        self._every = int(problem.options.history)
        # For each iteration theta, gradient and cost. In one array, as small ones take several times their numbers.
        self._kept = np.empty((16 if self._every else 0, 2 * self._objective.n_parameters + 1))
        self._n_kept = 0
        self._errors = errors
        self._progress = progress

    def iterate(self, solver: Iterator[Evaluation], criterion: Criterion | None) -> Status:
        """Run iterations of the solver until there is a reason to stop, and return that."""
        while True:
            status = criterion.check(self.last) if criterion is not None else None
            if status is not None:
                return status
            if self.n_iter == self._options.max_iter:
                return Status.MAX_ITER
            at = next(solver)
            if not math.isfinite(at.cost) and not np.isfinite(at.theta).all():
                return Status.DIVERGED
            if self._every and self.n_iter % self._every == 0:
                self._keep(self.last)
            self.last = at
            self.n_iter += 1
            self._progress.update(self.n_iter, at)
            if self._options.callback is not None and self._call_back(self._options.callback, at):
                return Status.CALLBACK

    def has_diverged(self) -> bool:
        """Return whether theta moved to a higher cost, by more than rounding moves it at a minimum."""
        first, last = self.first, self.last
        distance = abs(last.theta - first.theta).max()
        return last.cost > first.cost and bool(distance > 1e-8 * abs(last.theta).max())

    def history(self) -> History:
        """Return the table of the iterations kept, in the units in which steps were taken."""
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

    def _call_back(self, callback: Callable[[FitState], object], at: Evaluation) -> object:
        # Copies, as the callback may keep them, or write into them.
        theta = self._objective.units.to_rows(at.theta).copy()
        gradient = self._objective.units.gradient_to_rows(at.gradient).copy()
        with np.errstate(**self._errors):
            return callback(FitState(self.n_iter, theta, at.cost, gradient))
