"""Fits: a training set, a method, and a result that says how it ended."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import arguments
from fastgd.exceptions import ConvergenceWarning, RankWarning, warn
from fastgd.fitting.blas import one_blas_thread
from fastgd.fitting.loop import CONVERGED, FitState, Run, message, step_size_advice
from fastgd.fitting.problem import Problem
from fastgd.fitting.progress import Progress
from fastgd.fitting.result import FitResult
from fastgd.fitting.strategy import DEFAULTS, STEPS, Method, chosen
from fastgd.formatting import counted, listed
from fastgd.inputs import validation
from fastgd.inputs.source import Source
from fastgd.moments import Moments
from fastgd.solvers.inverse_hessian import InverseHessian
from fastgd.solvers.step_size import MAX_PRODUCTS

_METHODS = ("auto", *DEFAULTS)

# How many iterations are expected where `tol` may end the descent before `max_iter` does.
_EXPECTED_ITER = 100

# Products with matrices of this order BLAS keeps to one thread itself.
_SMALL_MATRIX = 32


def fit(
    X: ArrayLike | Moments | Source,
    y: ArrayLike | None = None,
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
    history: bool | int = False,
    progress: bool = False,
    callback: Callable[[FitState], object] | None = None,
    n_threads: int | None = None,
) -> FitResult:
    """Fit a linear hypothesis to a training set.

    Minimises the `cost` over theta. An iteration is one pass over the training set, or one look at its `Moments`, and hands
    back to Python, so that Ctrl-C, `callback` and a progress bar work.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples,), real, data frame, sparse matrix, Moments, or source
        The features, finite; a 1-D X is one feature. Never modified. Moments, and what `scan_parquet`, `scan_csv` and
        `from_batches` return, stand for features, target and weights. A dask array or data frame is fitted on its workers.
    y : array_like of shape (n_samples,), real
        The target, finite; left out where X holds it.
    intercept : bool, default True
        Whether the hypothesis has an intercept.
    loss : {"mse", "half_mse", "sse"}, default "mse"
        The loss; `cost` has the formulas. The minimum is the same for all without a penalty, the steps are not.
    method : {"auto", "gd", "nesterov", "cg", "preconditioned"}, default "auto"
        ``"gd"`` is batch gradient descent to the letter, ``theta := theta - learning_rate * gradient``; ``"nesterov"`` runs
        ahead with momentum; ``"cg"`` is the conjugate gradient method, as of standardised features. ``"preconditioned"`` takes
        the moments first, whose Hessian makes of a gradient the step to the minimum, nearly: two or three passes over the
        rows reach the digits that the data hold. Where columns depend on each other or nearly do, or are more than the
        rows, it decomposes the features instead, by QR, for their rank and the solution of least norm. ``"auto"`` is
        ``"gd"`` where a learning rate is given, else ``"preconditioned"``, or ``"cg"`` for thousands of features.
    learning_rate : float, "auto", "optimal" or "exact", default "auto"
        The size of a step of ``"gd"`` or ``"nesterov"``, > 0. ``"auto"`` takes 1 / lambda_max, with lambda_max the largest
        eigenvalue of the Hessian (found in one pass per parameter, 32 at most): safe, as steps from 2 / lambda_max on diverge
        (with momentum from 4 / (3 lambda_max) on). For ``"gd"`` there are two more: ``"optimal"`` takes
        2 / (lambda_max + lambda_min), the fixed step that is fastest in the worst case and in the long run, and ``"exact"`` the
        best step on each line.
    max_iter : int, optional
        How many iterations to run at most; 1,000 by default, 100 for ``"preconditioned"``.
    tol : float, optional
        The fit has converged when no gradient entry exceeds `tol` times its largest possible value, that is, when
        ``|x_j . r| <= tol |x_j| |r|`` for each feature j; or when the residuals are below `tol` times the spread of y (the
        data lie on a line); or when the gradient has come down to its rounding error. 1e-8 by default, and 1e-12 for
        ``"cg"`` and ``"preconditioned"``; the latter also goes on as long as its next step would change digits of theta.
        With 0 exactly `max_iter` iterations are run, whatever the gradient; only a theta that is not finite ends it.
    theta0 : array_like of shape (n_parameters,), real, optional
        Where to start, the intercept first; zeros by default.
    standardize : bool, default False
        Descend on (x - mean) / std (weighted, ddof 0; constant columns are divided by 1; without an intercept the mean stays).
        `learning_rate` and `l2` then apply to the standardised features, in whose units steps are taken and history is kept;
        `theta0` and the result are in the units of X.
    sample_weight : array_like of shape (n_samples,), real, optional
        How much each row counts; finite, >= 0, not all zero. 1 each by default.
    l2 : float, default 0.0
        The penalty on the squared coefficients, >= 0; the intercept is not penalised.
    precompute : bool or "auto", default "auto"
        Whether to take the moments of the training set first, in one pass of k^2 n multiply-adds, and let them answer for the
        gradient: the same iterates to rounding, each in O(k^2). Where the result is not the minimum by a true pass over the
        rows, which always ends the fit, the descent goes on there. ``"auto"`` does so where it is expected to be sooner;
        ``"preconditioned"`` needs the moments in any case, and takes its gradients from the rows.
    history : bool or int, default False
        Whether to keep theta, gradient, update and cost of each iteration, in ``result.history``; a number n keeps every
        n-th, and its update is then the way to the next one kept.
    progress : bool, default False
        Whether to show a progress bar when the fit takes longer than a second, and of each pass over rows that are not in
        memory (needs tqdm).
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
        If shapes do not fit together, X or y holds a NaN or an infinity (row and column are named), the squares of a column
        exceed float64 or fall below it, or an option is out of its range.
    ImportError
        If `progress` is set and tqdm is not installed.

    Warns
    -----
    ConvergenceWarning
        If the fit did not converge within `max_iter` iterations, or diverged.
    RankWarning
        If columns depend on each other, so that the minimum is not at a single theta; `theta` is then that of least norm, or
        the nearest to `theta0`.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0])
    >>> result.predict([10.0]).round(6)
    array([21.])
    """
    n_threads, precompute = arguments.thread_count(n_threads), _checked_precompute(precompute)
    return fit_problem(
        Problem(X, y, sample_weight, n_threads, precompute),
        intercept=intercept,
        loss=loss,
        method=method,
        learning_rate=learning_rate,
        max_iter=max_iter,
        tol=tol,
        theta0=theta0,
        standardize=standardize,
        l2=l2,
        history=history,
        progress=progress,
        callback=callback,
    )


def _checked_precompute(precompute: bool | str) -> bool | str:
    if not (isinstance(precompute, str) and precompute == "auto") and not isinstance(precompute, bool | np.bool):
        raise TypeError(f'precompute={precompute!r} was given, but True, False or "auto" is expected.')
    return precompute if isinstance(precompute, str) else bool(precompute)


def fit_problem(
    problem: Problem,
    *,
    intercept: bool = True,
    loss: str = "mse",
    method: str = "auto",
    learning_rate: float | str = "auto",
    max_iter: int | None = None,
    tol: float | None = None,
    theta0: ArrayLike | None = None,
    standardize: bool = False,
    l2: float = 0.0,
    history: bool | int = False,
    progress: bool = False,
    callback: Callable[[FitState], object] | None = None,
) -> FitResult:
    """Fit a linear hypothesis to a problem, as `fit` does to a training set.

    Parameters
    ----------
    problem : Problem
        The problem.
    intercept, loss, method, learning_rate, max_iter, tol, theta0, standardize, l2, history, progress, callback
        See `fit`.

    Returns
    -------
    FitResult
        Coefficients, and how the fit ended.
    """
    method = arguments.choice(method, "method", _METHODS)
    intercept = arguments.switch(intercept, "intercept")
    standardize = arguments.switch(standardize, "standardize")
    every = arguments.interval(history, "history")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is a {type(callback).__name__}, but a function of a FitState is expected.")
    if not (isinstance(learning_rate, str) and learning_rate in STEPS):
        hint = 'Or "auto" for a safe one; "optimal" or "exact" for method "gd".'
        learning_rate = arguments.number(learning_rate, "learning_rate", zero=False, hint=hint)
    l2 = arguments.number(l2, "l2", zero=True, hint="Give 0 for no penalty.")
    method = chosen(method, learning_rate, problem.n_samples, problem.n_features, sparse=problem.is_sparse)
    default_iter, default_tol = DEFAULTS[method]
    max_iter = default_iter if max_iter is None else max_iter
    max_iter = arguments.count(max_iter, "max_iter", f"{default_iter} is the default.")
    tol = default_tol if tol is None else tol
    tol = arguments.number(tol, "tol", zero=True, hint=f"{default_tol:g} is the default.")
    start = None if theta0 is None else validation.starting_point(theta0, problem.n_features, intercept)
    loss = arguments.choice(loss, "loss", tuple(arguments.LOSSES))

    # Overflow and NaN are looked at where they matter; numpy's warnings of them would only be noise (but not in a callback).
    errors = np.geterr()
    short = method in ("preconditioned", "cg") and problem.n_features > _SMALL_MATRIX
    with (
        one_blas_thread() if short else nullcontext(),
        np.errstate(all="ignore"),
        Progress(progress, max_iter) as bar,
    ):
        problem.show_passes(bar.passes())
        n_answers = max_iter if tol == 0 else min(max_iter, _EXPECTED_ITER)
        if learning_rate in ("auto", "optimal"):
            n_answers += min(problem.n_features + intercept, MAX_PRODUCTS)
        if method == "preconditioned":
            n_answers = 0  # of the moments, beside their inverse
        problem.take_moments(method == "preconditioned", n_answers)
        scale = arguments.loss_scale(loss, problem.total_weight)
        sized = tol > 0 or method in ("cg", "preconditioned")
        problem.state(intercept=intercept, scale=scale, l2=l2, standardize=standardize, sized=sized)
        way = Method(method, problem, learning_rate, tol, start)
        run = Run(problem.final, way.start, every, callback, errors, bar)
        ending = way.carry_out(run, max_iter)
        failed = ending == "diverged" or (ending == "max_iter" and tol > 0)
        told = [message(ending, run.n_iter, tol)]
        if failed and way.has_step_size:
            options = {"standardized": standardize, "momentum": method == "nesterov"}
            told.append(step_size_advice(ending, float(way.learning_rate), way.spectrum(), **options))
        elif ending == "max_iter" and failed:
            told.append("Try a larger max_iter, or a larger tol.")
        inverse = way.inverse
        gap = None if inverse is None else inverse.gap(run.last.gradient)
        theta = problem.final.units.to_rows(run.last.theta)
        gradient = problem.final.units.gradient_to_rows(run.last.gradient)
    if failed:
        warn(" ".join(told), ConvergenceWarning)
    rank = inverse.rank if method == "preconditioned" and inverse is not None else None
    if inverse is not None and rank is not None and rank < problem.final.n_parameters:
        dependence = _dependence(inverse, problem.final.n_parameters, problem.feature_names, standardize, start is None)
        warn(dependence, RankWarning)
        told.append(dependence)
    if method == "cg":
        told.append(
            "The rank was not looked at: where columns depend on each other, theta is one of many, not that of least |coef|."
        )
    n_dropped = problem.count_dropped()
    if n_dropped:
        told.append(f"{counted(n_dropped, 'row')} with missing values left out.")
    if problem.note:
        told.append(problem.note)
    if not problem.has_rows:
        why = "Moments only were given" if problem.count_passes() == 0 else "The rows could be read once only"
        told.append(f"{why}, so the result is not verified on the rows.")
    return FitResult(
        coef=theta[intercept:].copy(),
        intercept=float(theta[0]) if intercept else 0.0,
        theta=theta.copy(),
        cost=run.last.cost,
        gradient_norm=math.hypot(*gradient),  # norm() would overflow at 1e154
        gap=gap,
        rank=rank,
        condition=way.condition,
        feature_names=problem.feature_names,
        n_iter=run.n_iter,
        n_passes=problem.count_passes(),
        converged=ending in CONVERGED,
        verified=problem.has_rows,  # the last gradient is then of a true pass over them, in any case
        message=" ".join(told),
        history=run.history() if every else None,
    )


def _dependence(
    inverse: InverseHessian, n_parameters: int, names: list[Any] | None, standardized: bool, from_zero: bool
) -> str:
    columns = inverse.dependent.tolist()
    named = listed(columns if names is None else [names[j] for j in columns])
    least = "|coef|" if from_zero else "|coef - coef of theta0|"
    of_what = " of the standardised features" if standardized else ""
    what = "is constant or zero" if len(columns) == 1 else "depend on each other, or are constant"
    return (
        f"The rank is {inverse.rank} for {counted(n_parameters, 'parameter')}: column{'s' * (len(columns) > 1)} {named} "
        f"of X {what}, to rounding, so that many theta have the same cost. This one has the least {least}{of_what}. "
        "Leave a column out, or give a small l2."
    )
