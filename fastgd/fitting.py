"""Fits: a training set, a solver, and a result that says how it ended."""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import validation
from fastgd.descent import History
from fastgd.exceptions import ConvergenceWarning
from fastgd.progress import Progress
from fastgd.result import FitResult
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.moments import CentredMoments, moments_of
from fastgd.solvers.choose import precomputing_pays
from fastgd.solvers.gradient_descent import gradient_descent
from fastgd.solvers.objective import Evaluation, Objective, Scales, Sums
from fastgd.solvers.step_size import MAX_PRODUCTS, Spectrum, spectrum
from fastgd.solvers.stopping import Stopping

_METHODS = ("auto", "gd")
_MAX_ITER = 1000
_TOL = 1e-8

# How many iterations are expected where `tol` may end the descent before `max_iter` does.
_EXPECTED_ITER = 100

_CONVERGED = ("tolerance", "residual", "rounding")


class FitState(NamedTuple):
    """What a callback sees after an iteration."""

    n_iter: int
    """How many iterations have been run."""
    theta: NDArray[np.float64]
    """Theta after them, the intercept first, shape (n_parameters,); it can be given back as `theta0`."""
    cost: float
    """The cost there."""
    gradient: NDArray[np.float64]
    """The gradient there, shape (n_parameters,)."""


def fit(
    X: ArrayLike,
    y: ArrayLike,
    *,
    intercept: bool = True,
    loss: str = "mse",
    method: str = "auto",
    learning_rate: float | str = "auto",
    max_iter: int | None = None,
    tol: float | None = None,
    theta0: ArrayLike | None = None,
    standardize: bool = False,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    precompute: bool | str = "auto",
    history: bool = False,
    progress: bool = False,
    callback: Callable[[FitState], object] | None = None,
    n_threads: int | None = None,
) -> FitResult:
    """Fit a linear hypothesis to a training set by gradient descent.

    Minimises the `cost` over theta. An iteration is one pass over the training set, or one look at its `Moments`, and hands
    back to Python, so that Ctrl-C, `callback` and a progress bar work.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples,), real
        The features, finite; a 1-D X is one feature. Never modified.
    y : array_like of shape (n_samples,), real
        The target, finite.
    intercept : bool, default True
        Whether the hypothesis has an intercept.
    loss : {"mse", "half_mse", "sse"}, default "mse"
        The loss; `cost` has the formulas. The minimum is the same for all without a penalty, the steps are not.
    method : {"auto", "gd"}, default "auto"
        ``"gd"`` is batch gradient descent to the letter, ``theta := theta - learning_rate * gradient``; ``"auto"`` chooses.
    learning_rate : float or "auto", default "auto"
        The size of a step, > 0. ``"auto"`` takes 1 / lambda_max, with lambda_max the largest eigenvalue of the Hessian
        (found in one pass per parameter, 32 at most): safe, as steps from 2 / lambda_max on diverge.
    max_iter : int, optional
        How many iterations to run at most; 1,000 by default.
    tol : float, optional
        The fit has converged when no gradient entry exceeds `tol` times its largest possible value, that is, when
        ``|x_j . r| <= tol |x_j| |r|`` for each feature j; or when the residuals are below `tol` times the spread of y (the
        data lie on a line); or when the gradient has come down to its rounding error. 1e-8 by default.
        With 0 exactly `max_iter` iterations are run, whatever the gradient; only a theta that is not finite ends it.
    theta0 : array_like of shape (n_parameters,), real, optional
        Where to start, the intercept first; zeros by default.
    standardize : bool, default False
        Descend on (x - mean) / std (weighted, ddof 0; constant columns are divided by 1; without an intercept the mean stays).
        `learning_rate` and `l2` then apply to the standardised features; `theta0`, history and result are in the original
        units.
    sample_weight : array_like of shape (n_samples,), real, optional
        How much each row counts; finite, >= 0, not all zero. 1 each by default.
    l2 : float, default 0.0
        The penalty on the squared coefficients, >= 0; the intercept is not penalised.
    precompute : bool or "auto", default "auto"
        Whether to take the moments of the training set first, in one pass of k^2 n multiply-adds, and let them answer for the
        gradient: the same iterates to rounding, each in O(k^2). Where the result is not the minimum by a true pass over the
        rows, which always ends the fit, the descent goes on there. ``"auto"`` does so where it is expected to be sooner.
    history : bool, default False
        Whether to keep theta, gradient, update and cost of each iteration, in ``result.history``.
    progress : bool, default False
        Whether to show a progress bar when the fit takes longer than a second (needs tqdm).
    callback : callable, optional
        Called with a `FitState` after each iteration; a true return value ends the fit.
    n_threads : int, optional
        How many threads a pass takes, >= 1; see `get_num_threads`. The result does not depend on it, to the bit.

    Returns
    -------
    FitResult
        Coefficients, and how the fit ended.

    Raises
    ------
    TypeError
        If an argument is not of its type: X, y, theta0 and sample_weight hold real numbers that fit into float64.
    ValueError
        If shapes do not fit together, X or y holds a NaN or an infinity (row and column are named), or an option is out of
        its range.
    ImportError
        If `progress` is set and tqdm is not installed.

    Warns
    -----
    ConvergenceWarning
        If the fit did not converge within `max_iter` iterations, or diverged.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0])
    >>> result.predict([10.0]).round(6)
    array([21.])
    """
    validation.choice(method, "method", _METHODS)
    max_iter = _MAX_ITER if max_iter is None else validation.count(max_iter, "max_iter", "1000 is the default.")
    tol = _TOL if tol is None else validation.number(tol, "tol", zero=True, hint="1e-8 is the default.")
    l2 = validation.number(l2, "l2", zero=True, hint="Give 0 for no penalty.")
    intercept = validation.switch(intercept, "intercept")
    standardize = validation.switch(standardize, "standardize")
    if not (isinstance(precompute, str) and precompute == "auto") and not isinstance(precompute, bool | np.bool):
        raise TypeError(f'precompute={precompute!r} was given, but True, False or "auto" is expected.')
    if learning_rate != "auto":
        hint = 'Give "auto" for a safe one.'
        learning_rate = validation.number(learning_rate, "learning_rate", zero=False, hint=hint)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is a {type(callback).__name__}, but a function of a FitState is expected.")
    data = validation.training_set(X, y, sample_weight)
    rows = ArrayRows(data.X, data.y, data.sample_weight, validation.thread_count(n_threads))
    n_parameters = rows.n_features + intercept
    start = np.zeros(n_parameters) if theta0 is None else validation.starting_point(theta0, rows.n_features, intercept)
    scale = validation.loss_scale(loss, data.total_weight)

    # Overflow and NaN are looked at where they matter; numpy's warnings of them would only be noise (but not in a callback).
    errors = np.geterr()
    with np.errstate(all="ignore"), Progress(progress, max_iter) as bar:
        n_answers = max_iter if tol == 0 else min(max_iter, _EXPECTED_ITER)
        if learning_rate == "auto":
            n_answers += min(n_parameters, MAX_PRODUCTS)
        asked_for = precompute != "auto"
        if not asked_for:
            precompute = precomputing_pays(rows.n_samples, rows.n_features, n_answers)
        moments = _moments(rows, asked_for) if precompute else None
        sums = rows if moments is None else moments
        scales = _scales(sums, data.total_weight) if tol or standardize else None

        def objective_of(sums: Sums) -> Objective:
            return Objective(
                sums,
                n_features=rows.n_features,
                intercept=intercept,
                scale=scale,
                l2=l2,
                standardize=scales if standardize else None,
            )

        objective = objective_of(sums)
        at = objective.evaluate(objective.from_original(start) if standardize else start)
        if not math.isfinite(at.cost):
            _refuse_non_finite(rows)
        found = None
        if learning_rate == "auto":
            found = _spectrum(objective)
            learning_rate = 1.0 / found.largest if found.largest > 0 else 1.0
        run = _Run(objective, at, history, callback, errors, bar)
        stopping = Stopping(objective, scales, tol) if tol and scales is not None else None
        ending = run.descend(gradient_descent(objective, at, float(learning_rate)), max_iter, stopping)
        on_rows = objective if moments is None else objective_of(rows)
        if moments is not None:
            run.last = at = on_rows.evaluate(run.last.theta)
            if ending in _CONVERGED and scales is not None:
                # The last digits may be those of the residuals, which moments do not have.
                solver = gradient_descent(on_rows, at, float(learning_rate))
                ending = run.descend(solver, max_iter, Stopping(on_rows, scales, tol))
        if ending == "max_iter" and run.walked_away():
            ending = "diverged"
        failed = ending == "diverged" or (ending == "max_iter" and tol > 0)
        if failed and found is None:
            found = _spectrum(objective)
    message = _message(ending, run.n_iter, tol, float(learning_rate), found, standardize)
    if failed:
        warnings.warn(message, ConvergenceWarning, stacklevel=2)
    theta = objective.original(run.last.theta)
    return FitResult(
        coef=theta[intercept:].copy(),
        intercept=float(theta[0]) if intercept else 0.0,
        theta=theta.copy(),
        cost=run.last.cost,
        gradient_norm=math.hypot(*objective.original_gradient(run.last.gradient)),  # norm() would overflow at 1e154
        condition=None if found is None else found.condition,
        feature_names=None,
        n_iter=run.n_iter,
        n_passes=on_rows.n_passes + (moments is not None or scales is not None),
        converged=ending in _CONVERGED,
        verified=True,  # the last gradient is of a true pass over the rows in any case
        message=message,
        history=run.history() if history else None,
    )


class _Run:
    """A descent under way: who watches it, and what is kept of it."""

    def __init__(
        self,
        objective: Objective,
        start: Evaluation,
        keep: bool,
        callback: Callable[[FitState], object] | None,
        errors: Any,
        progress: Progress,
    ) -> None:
        self.first = self.last = start
        self.n_iter = 0
        self._objective = objective
        self._kept = [start] if keep else None
        self._callback = callback
        self._errors = errors
        self._progress = progress

    def descend(self, solver: Iterator[Evaluation], max_iter: int, stopping: Stopping | None) -> str:
        """Ask the solver for iterations until one of the reasons to stop is met, and return it."""
        while True:
            arrived = stopping.arrived(self.last) if stopping is not None else ""
            if arrived:
                return arrived
            if self.n_iter == max_iter:
                return "max_iter"
            at = next(solver)
            if not math.isfinite(at.cost) and not np.isfinite(at.theta).all():
                return "diverged"
            self.last = at
            self.n_iter += 1
            if self._kept is not None:
                self._kept.append(at)
            self._progress.update(self.n_iter, at)
            if self._callback is not None and self._call_back(at):
                return "callback"

    def walked_away(self) -> bool:
        """Tell whether the descent left its start for a higher cost, by more than rounding moves it at a minimum."""
        first, last = self.first, self.last
        distance = abs(last.theta - first.theta).max()
        return last.cost > first.cost and bool(distance > 1e-8 * abs(last.theta).max())

    def history(self) -> History:
        """Return the table of the iterations, in the original units."""
        kept = self._kept or []
        theta = np.array([self._objective.original(at.theta) for at in kept])
        gradient = np.array([self._objective.original_gradient(at.gradient) for at in kept])
        cost = np.array([at.cost for at in kept])
        return History(theta[:-1], gradient[:-1], np.diff(theta, axis=0), cost[:-1], theta[-1])

    def _call_back(self, at: Evaluation) -> object:
        # Copies, as the callback may keep them, or write into them.
        theta = self._objective.original(at.theta).copy()
        gradient = self._objective.original_gradient(at.gradient).copy()
        with np.errstate(**self._errors):
            return self._callback(FitState(self.n_iter, theta, at.cost, gradient)) if self._callback else None


def _moments(rows: ArrayRows, asked_for: bool) -> CentredMoments | None:
    moments = moments_of(rows)
    if np.isfinite(moments.scatter).all():
        return moments
    _refuse_non_finite(rows)
    if asked_for:
        raise ValueError(
            "The squares of X or y exceed float64, so that there are no moments. Divide them by a power of ten, "
            "or give precompute=False."
        )
    return None


def _refuse_non_finite(rows: ArrayRows) -> None:
    validation.refuse_non_finite(rows.first_non_finite(), rows.n_features, "a fit needs finite numbers")


def _scales(sums: ArrayRows | CentredMoments, total_weight: float) -> Scales:
    mean, std = sums.columns()
    return Scales(mean[:-1], std[:-1], mean.item(-1), std.item(-1), total_weight)


def _spectrum(objective: Objective) -> Spectrum:
    try:
        found = spectrum(objective.product, objective.n_parameters)
    except np.linalg.LinAlgError:
        found = Spectrum(math.inf, 0.0, complete=False)
    if not math.isfinite(found.largest):
        raise ValueError(
            "The squares of X exceed float64, so that no step size can be found. Divide X by a power of ten, "
            "or give a learning_rate."
        )
    return found


def _message(
    ending: str, n_iter: int, tol: float, learning_rate: float, found: Spectrum | None, standardized: bool
) -> str:
    if ending == "tolerance":
        return f"Converged after {n_iter} iterations: the scale-free gradient is within tol={tol:g}."
    if ending == "residual":
        return f"Converged after {n_iter} iterations: the residuals are within tol={tol:g} of the spread of y."
    if ending == "rounding":
        return f"Converged after {n_iter} iterations: the gradient is down to its rounding error."
    if ending == "callback":
        return f"Ended by callback after {n_iter} iterations."
    if found is None or (tol == 0 and ending != "diverged"):
        return f"Ran the {n_iter} iterations asked for; tol=0, so convergence was not judged."
    at_least = "" if found.complete else "at least "
    facts = (
        f"The largest stable learning_rate is 2 / lambda_max = {2 / found.largest:.4g}; "
        f"the Hessian's condition number is {at_least}{found.condition:.3g}."
    )
    standardize = "" if standardized else ", standardize=True"
    if ending == "diverged":
        return (
            f"Diverged after {n_iter} iterations: learning_rate={learning_rate:g} is too large. {facts} "
            f'Try learning_rate="auto"{standardize}.'
        )
    slow = learning_rate < 1.01 / found.largest
    larger = f", or a learning_rate up to {1.9 / found.largest:.4g}" if slow else ""
    return (
        f"Not converged within max_iter={n_iter} iterations at learning_rate={learning_rate:.4g}, tol={tol:g}. {facts} "
        f"Try a larger max_iter{standardize}{larger}."
    )
