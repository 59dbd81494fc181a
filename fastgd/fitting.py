"""Fits: a training set, a solver, and a result that says how it ended."""

import math
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from fastgd import validation
from fastgd.exceptions import ConvergenceWarning
from fastgd.moments import Moments
from fastgd.progress import Progress
from fastgd.result import FitResult
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.compensated import CompensatedRows
from fastgd.rows.moments import CentredMoments, moments_of
from fastgd.run import CONVERGED, FitState, Judge, Run, message, step_size_advice
from fastgd.solvers.choose import precomputing_pays, preconditioning_pays
from fastgd.solvers.conjugate_gradient import conjugate_gradient, steepest_descent
from fastgd.solvers.gradient_descent import gradient_descent
from fastgd.solvers.inverse_hessian import InverseHessian
from fastgd.solvers.nesterov import nesterov
from fastgd.solvers.objective import Evaluation, Objective, Scales, Sums
from fastgd.solvers.preconditioned import preconditioned
from fastgd.solvers.step_size import MAX_PRODUCTS, Spectrum, spectrum
from fastgd.solvers.stopping import Refined, Stopping

# Iterations and tolerance of each method, where nothing else is said.
_DEFAULTS = {"gd": (1000, 1e-8), "nesterov": (1000, 1e-8), "cg": (1000, 1e-12), "preconditioned": (100, 1e-12)}
_METHODS = ("auto", *_DEFAULTS)
_STEPS = ("auto", "optimal", "exact")

# How many iterations are expected where `tol` may end the descent before `max_iter` does.
_EXPECTED_ITER = 100

# Up to so many values a pass takes less than a millisecond, and is repeated for a last digit.
_CHEAP_VALUES = 1 << 20

# Where digits of theta beyond this one are lost to the residuals' rounding, these passes are made with twice the precision.
_LOST_DIGITS = 1e-13


def fit(
    X: ArrayLike | Moments,
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
    X : array_like of shape (n_samples, n_features) or (n_samples,), real, or Moments
        The features, finite; a 1-D X is one feature. Never modified. Moments stand for features, target and weights.
    y : array_like of shape (n_samples,), real
        The target, finite.
    intercept : bool, default True
        Whether the hypothesis has an intercept.
    loss : {"mse", "half_mse", "sse"}, default "mse"
        The loss; `cost` has the formulas. The minimum is the same for all without a penalty, the steps are not.
    method : {"auto", "gd", "nesterov", "cg", "preconditioned"}, default "auto"
        ``"gd"`` is batch gradient descent to the letter, ``theta := theta - learning_rate * gradient``; ``"nesterov"`` runs
        ahead with momentum; ``"cg"`` is the conjugate gradient method. ``"preconditioned"`` takes the moments first, whose
        Hessian makes of a gradient the step to the minimum, nearly: two or three passes over the rows reach the digits that
        the data hold. ``"auto"`` is ``"gd"`` where a learning rate is given, else ``"preconditioned"``, or ``"cg"`` for
        thousands of features.
    learning_rate : float, "auto", "optimal" or "exact", default "auto"
        The size of a step of ``"gd"`` or ``"nesterov"``, > 0. ``"auto"`` takes 1 / lambda_max, with lambda_max the largest
        eigenvalue of the Hessian (found in one pass per parameter, 32 at most): safe, as steps from 2 / lambda_max on
        diverge. For ``"gd"`` there are two more: ``"optimal"`` takes 2 / (lambda_max + lambda_min), the fixed step that is
        fastest in the worst case, and ``"exact"`` the best step on each line.
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
    history : bool or int, default False
        Whether to keep theta, gradient, update and cost of each iteration, in ``result.history``; a number n keeps every
        n-th, and its update is then the way to the next one kept.
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
        If the fit did not converge within `max_iter` iterations, or diverged, or the columns depend on each other, so that
        the minimum is not at a single theta.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0])
    >>> result.predict([10.0]).round(6)
    array([21.])
    """
    method = validation.choice(method, "method", _METHODS)
    intercept = validation.switch(intercept, "intercept")
    standardize = validation.switch(standardize, "standardize")
    every = (
        int(history) if isinstance(history, bool | np.bool) else validation.count(history, "history", "True keeps all.")
    )
    if not (isinstance(precompute, str) and precompute == "auto") and not isinstance(precompute, bool | np.bool):
        raise TypeError(f'precompute={precompute!r} was given, but True, False or "auto" is expected.')
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is a {type(callback).__name__}, but a function of a FitState is expected.")
    if not (isinstance(learning_rate, str) and learning_rate in _STEPS):
        hint = 'Give "auto" for a safe one.'
        learning_rate = validation.number(learning_rate, "learning_rate", zero=False, hint=hint)
    l2 = validation.number(l2, "l2", zero=True, hint="Give 0 for no penalty.")
    problem = _Problem(X, y, sample_weight, validation.thread_count(n_threads), precompute)
    method = _chosen(method, learning_rate, problem)
    iterations, tolerance = _DEFAULTS[method]
    max_iter = (
        iterations if max_iter is None else validation.count(max_iter, "max_iter", f"{iterations} is the default.")
    )
    tol = tolerance if tol is None else validation.number(tol, "tol", zero=True, hint=f"{tolerance:g} is the default.")
    start = None if theta0 is None else validation.starting_point(theta0, problem.n_features, intercept)
    scale = validation.loss_scale(loss, problem.total_weight)

    # Overflow and NaN are looked at where they matter; numpy's warnings of them would only be noise (but not in a callback).
    errors = np.geterr()
    with np.errstate(all="ignore"), Progress(progress, max_iter) as bar:
        n_answers = max_iter if tol == 0 else min(max_iter, _EXPECTED_ITER)
        if learning_rate in ("auto", "optimal"):
            n_answers += min(problem.n_features + intercept, MAX_PRODUCTS)
        problem.take_moments(method == "preconditioned" or precompute is True, precompute == "auto", n_answers)
        scales = problem.scales() if tol or standardize else None

        def over(sums: Sums) -> Objective:
            return Objective(
                sums,
                n_features=problem.n_features,
                intercept=intercept,
                scale=scale,
                l2=l2,
                standardize=scales if standardize else None,
            )

        final = over(problem.moments if problem.rows is None else problem.rows)  # type: ignore[arg-type]
        quick = final if problem.moments is None else over(problem.moments)
        cheap = problem.rows is not None and problem.n_values <= _CHEAP_VALUES
        twice = over(CompensatedRows(problem.rows)) if cheap and problem.rows is not None else final
        inverse = problem.inverse_hessian(twice, exact=method == "preconditioned")
        objective = final if method == "preconditioned" else quick
        # The gradient of the moments will do to begin with; at zero, that is, as elsewhere it may have lost its digits.
        beginning = quick if start is None else objective
        start = np.zeros(final.n_parameters) if start is None else start
        at = beginning.evaluate(objective.from_original(start) if standardize else start)
        if not math.isfinite(at.cost):
            problem.refuse_non_finite()
        found = None
        if method in ("gd", "nesterov") and learning_rate in ("auto", "optimal"):
            found = _spectrum(objective)
            learning_rate = _step_size(found, learning_rate)

        def solver(objective: Objective, at: Evaluation) -> Iterator[Evaluation]:
            if method == "preconditioned" and inverse is not None:
                return preconditioned(objective, at, inverse)
            if method == "cg":
                return conjugate_gradient(objective, at)
            if learning_rate == "exact":
                return steepest_descent(objective, at)
            return (nesterov if method == "nesterov" else gradient_descent)(objective, at, float(learning_rate))

        def judge(objective: Objective) -> Judge | None:
            if not tol or scales is None:
                return None
            stopping = Stopping(objective, scales, tol)
            if method != "preconditioned" or inverse is None:
                return stopping
            return Refined(stopping, inverse, every_digit=cheap)

        run = Run(objective, at, every, callback, errors, bar)

        def descend(objective: Objective) -> tuple[str, float]:
            """Go on from where the run is; return how that ended, and the error of theta if it is known."""
            judged = judge(objective)
            ending = run.descend(solver(objective, run.last), max_iter, judged)
            if not isinstance(judged, Refined) or ending not in CONVERGED:
                return ending, 0.0
            run.last = judged.best or run.last
            return ending, judged.error

        ending, error = descend(objective)
        if cheap and error > _LOST_DIGITS:
            problem.n_passes += final.n_passes
            final = twice
            run.last = final.evaluate(run.last.theta)
            ending, _ = descend(final)
        carried = method == "cg" or learning_rate == "exact"  # gradients that were added up from differences
        while (objective is quick and quick is not final and method != "preconditioned") or carried:
            run.last = final.evaluate(run.last.theta)
            objective, true = final, judge(final)
            if ending not in CONVERGED or true is None or true.arrived(run.last):
                break
            ending, _ = descend(final)  # the last digits may be those of the residuals, which moments do not have
        if run.n_iter == 0 and beginning is not final:
            run.last = final.evaluate(run.last.theta)
        if ending == "max_iter" and run.walked_away():
            ending = "diverged"
        failed = ending == "diverged" or (ending == "max_iter" and tol > 0)
        told = [message(ending, run.n_iter, tol)]
        if failed and method in ("gd", "nesterov") and learning_rate != "exact":
            found = _spectrum(quick) if found is None else found
            told.append(step_size_advice(ending, float(learning_rate), found, standardize))
        gap = None if inverse is None else inverse.gap(run.last.gradient)
    vague = method == "preconditioned" and inverse is not None and inverse.rank < final.n_parameters
    if vague and inverse is not None:
        told.append(_dependence(inverse, final.n_parameters))
    if problem.rows is None:
        told.append("Moments only were given, so the result is not verified on the rows.")
    if failed or vague:
        warnings.warn(" ".join(told), ConvergenceWarning, stacklevel=2)
    theta = final.original(run.last.theta)
    condition = None if found is None else found.condition
    return FitResult(
        coef=theta[intercept:].copy(),
        intercept=float(theta[0]) if intercept else 0.0,
        theta=theta.copy(),
        cost=run.last.cost,
        gradient_norm=math.hypot(*final.original_gradient(run.last.gradient)),  # norm() would overflow at 1e154
        gap=gap,
        rank=inverse.rank if method == "preconditioned" and inverse is not None else None,
        condition=inverse.condition if method == "preconditioned" and inverse is not None else condition,
        feature_names=None,
        n_iter=run.n_iter,
        n_passes=problem.n_passes + (final.n_passes if problem.rows is not None else 0),
        converged=ending in CONVERGED,
        verified=problem.rows is not None,  # the last gradient is then of a true pass over them, in any case
        message=" ".join(told),
        history=run.history() if every else None,
    )


class _Problem:
    """What a hypothesis is fitted to: rows, or moments, or both once these have been taken."""

    def __init__(
        self,
        X: ArrayLike | Moments,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        n_threads: int | None,
        precompute: bool | str,
    ) -> None:
        self.rows: ArrayRows | None = None
        self.moments: CentredMoments | None = None
        self.n_passes = 0
        if isinstance(X, Moments):
            if y is not None or sample_weight is not None:
                raise TypeError(
                    "Moments were given, and y or sample_weight, which they hold already. Give the moments only."
                )
            if precompute != "auto" and not precompute:
                raise ValueError("precompute=False was given, but Moments have no rows to pass over. Leave it out.")
            self.moments = X.centred()
            self.n_samples, self.n_features, self.total_weight = X.n_samples, X.n_features, X.total_weight
            return
        if y is None:
            raise TypeError("y is missing. Give the target of each row of X; only Moments come without one.")
        data = validation.training_set(X, y, sample_weight)
        self.rows = ArrayRows(data.X, data.y, data.sample_weight, n_threads)
        self.n_samples, self.n_features, self.total_weight = (
            self.rows.n_samples,
            self.rows.n_features,
            data.total_weight,
        )

    @property
    def n_values(self) -> int:
        return self.n_samples * self.n_features

    def take_moments(self, needed: bool, if_it_pays: bool, n_answers: int) -> None:
        """Take the moments in one pass, if they are needed, or will save passes."""
        if self.rows is None or not (
            needed or (if_it_pays and precomputing_pays(self.n_samples, self.n_features, n_answers))
        ):
            return
        moments = moments_of(self.rows)
        self.n_passes += 1
        if np.isfinite(moments.scatter).all():
            self.moments = moments
            return
        self.refuse_non_finite()
        if needed:
            raise ValueError(
                "The squares of X or y exceed float64, so that there are no moments. Divide them by a power of ten, "
                'or give method="gd" and precompute=False.'
            )

    def scales(self) -> Scales:
        """Return the sizes of the columns, by the moments if they are there and else in one pass."""
        if self.moments is not None:
            mean, std = self.moments.columns()
        else:
            assert self.rows is not None
            mean, std = self.rows.columns()
            self.n_passes += 1
        return Scales(mean[:-1], std[:-1], mean.item(-1), std.item(-1), self.total_weight)

    def inverse_hessian(self, objective: Objective, *, exact: bool) -> InverseHessian | None:
        """Approximate the inverse of an objective's Hessian by the moments, if they are there, or by the rows, too."""
        if self.moments is None:
            return None
        mean, scatter = self.moments.mean[:-1], self.moments.scatter[:-1, :-1]
        return objective.inverse_hessian(mean, scatter, self.total_weight, exact=exact and self.rows is not None)

    def refuse_non_finite(self) -> None:
        """Name the first number that is not finite, if there is one."""
        if self.rows is not None:
            validation.refuse_non_finite(self.rows.first_non_finite(), self.n_features, "a fit needs finite numbers")


def _chosen(method: str, learning_rate: float | str, problem: _Problem) -> str:
    """Choose a method where that was left open, and see whether the step size is one of its own."""
    if method == "auto":
        if learning_rate != "auto":
            return "gd"
        return "preconditioned" if preconditioning_pays(problem.n_samples, problem.n_features) else "cg"
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


def _step_size(found: Spectrum, learning_rate: float | str) -> float:
    if found.largest <= 0:
        return 1.0
    return 2.0 / (found.largest + found.smallest) if learning_rate == "optimal" else 1.0 / found.largest


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


def _dependence(inverse: InverseHessian, n_parameters: int) -> str:
    named = ", ".join(map(str, inverse.dependent[:5].tolist())) + (", ..." if len(inverse.dependent) > 5 else "")
    what = "is constant or zero" if len(inverse.dependent) == 1 else "depend on each other"
    return (
        f"The rank is {inverse.rank} for {n_parameters} parameters: column{'s' * (len(inverse.dependent) > 1)} {named} "
        f"of X {what}, to rounding, so that many theta have the same cost. This one has the least |coef|. "
        "Leave a column out, or give a small l2."
    )
