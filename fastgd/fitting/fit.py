"""Fits: a training set, a method, and a result that says how it ended."""

import math
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
from numpy.typing import ArrayLike

from fastgd.exceptions import warn
from fastgd.fitting.blas import one_blas_thread
from fastgd.fitting.data import Data, open_data
from fastgd.fitting.inference import evidence_of
from fastgd.fitting.loop import Run
from fastgd.fitting.messages import messages
from fastgd.fitting.options import FitState, Options
from fastgd.fitting.problem import Problem, Work
from fastgd.fitting.progress import PassBar, Progress
from fastgd.fitting.result import FitResult
from fastgd.fitting.strategy import Strategy
from fastgd.inputs import frames
from fastgd.inputs.source import Source
from fastgd.kernels import tuning
from fastgd.moments import Moments
from fastgd.solvers.stopping import Status


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
    covariance: str = "auto",
    groups: ArrayLike | None = None,
    n_threads: int | None = None,
) -> FitResult:
    """Fit a linear hypothesis to a training set.

    Minimises the `cost` over theta. An iteration is one pass over the training set, or one answer of its `Moments`, and
    returns to Python, so that Ctrl-C, `callback` and a progress bar work.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples,), real, data frame, sparse matrix, Moments, or source
        The features, finite; a 1-D X is one feature. Never modified; integers beyond 2^53 are rounded. Moments, and what
        `scan_parquet`, `scan_csv` and `from_batches` return, stand for features, target and weights. A dask array or data
        frame is fitted on its workers.
    y : array_like of shape (n_samples,), real
        The target, finite; left out where X holds it. Its rows are those of X by their position, whatever labels they have.
    intercept : bool, default True
        Whether the hypothesis has an intercept.
    loss : {"mse", "half_mse", "sse"}, default "mse"
        The loss; `cost` has the formulas. The minimum is the same for all without a penalty, the steps are not.
    method : {"auto", "gd", "nesterov", "cg", "preconditioned"}, default "auto"
        ``"gd"`` is batch gradient descent to the letter, ``theta := theta - learning_rate * gradient``; ``"nesterov"`` adds
        momentum; ``"cg"`` is the conjugate gradient method, as on standardised features. ``"preconditioned"`` takes the
        moments first; the inverse of their Hessian turns a gradient into nearly the step to the minimum, and two or three
        passes over the rows reach the digits that the data hold. Where columns depend on each other, or nearly so, or
        outnumber the rows, it decomposes the features by QR instead, to find their rank and the solution of least norm.
        ``"auto"`` is ``"gd"`` where a learning rate is given, else ``"preconditioned"``, or ``"cg"`` for thousands of
        features.
    learning_rate : float, "auto", "optimal" or "exact", default "auto"
        The size of a step of ``"gd"`` or ``"nesterov"``, > 0. ``"auto"`` takes 1 / lambda_max, with lambda_max the largest
        eigenvalue of the Hessian (found in one pass per parameter, 32 at most): safe, as steps of 2 / lambda_max or more
        diverge (with momentum, of 4 / (3 lambda_max) or more). For ``"gd"`` there are two more: ``"optimal"`` takes
        2 / (lambda_max + lambda_min), the fixed step that is fastest in the worst case and in the long run, and ``"exact"`` the
        best step on each line.
    max_iter : int, optional
        The largest number of iterations; 1,000 by default, 100 for ``"preconditioned"``.
    tol : float, optional
        The fit has converged when no gradient entry exceeds `tol` times its largest possible value, that is, when
        ``|x_j . r| <= tol |x_j| |r|`` for each feature j, about its mean if there is an intercept; or when the residuals are
        below `tol` times the spread of y (the data lie on a line); or when the gradient has come down to its rounding error.
        1e-8 by default, and 1e-12 for ``"cg"`` and ``"preconditioned"``; the latter also goes on as long as its next step
        would change digits of theta. With 0, exactly `max_iter` iterations are run, whatever the gradient; only a theta that
        is not finite ends the fit early.
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
        Whether to take the moments of the training set first, in one pass of k^2 n multiply-adds, and compute the gradients
        from them: the same iterates to rounding, each in O(k^2). A true pass over the rows always ends the fit; if that is
        not at the minimum yet, the descent goes on over the rows. ``"auto"`` does so where it is expected to be faster;
        ``"preconditioned"`` needs the moments in any case, and takes its gradients from the rows.
    history : bool or int, default False
        Whether to keep theta, gradient, update and cost of each iteration, in ``result.history``; a number n keeps every
        n-th, and its update is then the way to the next one kept.
    progress : bool, default False
        Whether to show a progress bar when the fit takes longer than a second, and of each pass over rows that are not in
        memory (needs tqdm).
    callback : callable, optional
        Called with a `FitState` after each iteration; a true return value ends the fit.
    covariance : {"auto", "classical", "HC0", "HC1", "HC2", "HC3", "cluster"}, default "auto"
        What standard errors are made of: the variance of the residuals, or squares of each row's score (HC0 to HC3), which
        hold where errors differ in variance, or of each group's (``"cluster"``), where they are correlated within groups;
        `FitResult.covariance` has the formulas. A robust one needs as much computing as the moments, but no further reading
        of rows that are not in memory. ``"auto"`` is ``"cluster"`` with `groups`, and else ``"classical"``, unless that would
        cost a pass, as for ``"gd"`` without moments.
    groups : array_like of shape (n_samples,), optional
        The group of each row, text or numbers, for rows in memory.
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
        If the fit did not converge within `max_iter` iterations, or diverged, or the rounding of its gradient leaves theta
        three digits, or fewer, as of columns very far from zero.
    RankWarning
        If columns depend on each other, so that the minimum is not at a single theta; ``"preconditioned"`` returns that of
        least norm, or the nearest to `theta0`. Other methods do not look for it, and warn where the condition number, if they
        know it, leaves the minimum open.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0])
    >>> result.predict([10.0]).round(6)
    array([21.])
    """
    options = Options(
        intercept=intercept,
        loss=loss,
        method=method,
        learning_rate=learning_rate,
        max_iter=max_iter,
        tol=tol,
        theta0=theta0,
        standardize=standardize,
        l2=l2,
        precompute=precompute,
        history=history,
        progress=progress,
        callback=callback,
        covariance=covariance,
        groups=groups,
    )
    if groups is not None:
        frames.refuse_other_order(X=X, y=y, groups=groups)
    return fit_data(open_data(X, y, sample_weight, n_threads), options)


def fit_data(data: Data, options: Options, work: Work | None = None) -> FitResult:
    """Fit a linear hypothesis to open data, as `fit` does; `work` has what is shared with other fits."""
    options = options.for_rows(data.n_samples, data.n_features, sparse=data.is_sparse)
    direct = options.method in ("preconditioned", "cg")
    # Overflow and NaN are checked where they matter; numpy warns of them only in a callback.
    errors = np.geterr()
    with (
        one_blas_thread() if direct and data.n_features > tuning.SMALL_MATRIX else nullcontext(),
        np.errstate(all="ignore"),
        Progress(options.progress, options.max_iter or 0) as bar,
    ):
        if data.rows is not None:
            data.rows.report_to(PassBar() if options.progress else None)
        problem = Problem(data, options, work)
        strategy = Strategy(problem)
        run = Run(problem, strategy.start, errors, bar)
        status = strategy.run(run)
        said = messages(problem, strategy, run, status)
        for each in said:
            if each.warning is not None:
                warn(each.text, each.warning, everyday=each.everyday)
        return _result(problem, strategy, run, status, " ".join(each.text for each in said))


def _result(problem: Problem, strategy: Strategy, run: Run, status: Status, message: str) -> FitResult:
    evidence = evidence_of(problem, run.last, status)
    units, intercept = problem.objective.units, problem.options.intercept
    theta = units.to_rows(run.last.theta)
    return FitResult(
        coef=theta[intercept:].copy(),
        intercept=float(theta[0]) if intercept else 0.0,
        theta=theta.copy(),
        cost=run.last.cost,
        gradient_norm=math.hypot(*units.gradient_to_rows(run.last.gradient)),  # norm() would overflow at 1e154
        gap=problem.inverse.gap(run.last.gradient) if problem.inverse is not None and problem.inverse.trusted else None,
        rank=None if problem.preconditioner is None else problem.preconditioner.rank,
        condition=strategy.condition,
        feature_names=problem.data.given.feature_names,
        n_iter=run.n_iter,
        n_passes=0 if problem.data.rows is None else problem.data.rows.n_passes,
        status=status,
        verified=problem.data.rereadable is not None,  # the last gradient is then that of a true pass over them
        message=message,
        history=run.history() if problem.options.history else None,
        evidence=evidence,
    )
