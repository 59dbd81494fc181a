"""The message of a fit: how it ended, and what to try."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastgd.exceptions import ConvergenceWarning, RankWarning
from fastgd.fitting.loop import Run
from fastgd.fitting.problem import Problem
from fastgd.fitting.strategy import Strategy
from fastgd.formatting import counted, listed
from fastgd.moments import Moments
from fastgd.solvers.inverse_hessian import InverseHessian
from fastgd.solvers.stopping import Status

# A gradient of which this share cannot be told from rounding leaves theta three digits, or fewer.
_BLURRED = 1e-3

_ENDINGS = {
    Status.TOLERANCE: "Converged after {count}: the scale-free gradient is within tol={tol:g}.",
    Status.RESIDUAL: "Converged after {count}: the residuals are within tol={tol:g} of the spread of y.",
    Status.ROUNDING: "Converged after {count}: the gradient is down to its rounding error.",
    Status.CALLBACK: "Ended by callback after {count}.",
    Status.DIVERGED: "Diverged after {count}.",
    Status.MAX_ITER: "Not converged within max_iter={count}, tol={tol:g}.",
}


class Message(NamedTuple):
    """A part of the message of a fit."""

    text: str
    warning: type[Warning] | None = None
    """The category, if it is also a warning."""
    everyday: bool = False
    """Whether that is of `fastgd.exceptions.Everyday` things."""


def messages(problem: Problem, strategy: Strategy, run: Run, status: Status) -> list[Message]:
    """Return how a fit ended, what to try if it did not end well, and what else to know of the result."""
    data, inverse = problem.data, problem.preconditioner
    said = [_ending(problem, strategy, run, status)]
    if inverse is not None and inverse.rank < problem.objective.n_parameters:
        said.append(Message(_dependence(inverse, problem), RankWarning, everyday=True))
    if inverse is None and status.converged:
        said += _not_known(problem, strategy)
    if inverse is None and status is Status.ROUNDING:
        said += _blurred(problem, strategy, run)
    if changing := _constants_that_change(problem):
        said.append(changing)
    if inverse is not None and data.rereadable is None and inverse.trusted and inverse.lost > _BLURRED:
        said.append(
            Message(
                f"Columns nearly depend on each other, and moments hold half of the digits that rows do: {inverse.lost:.1g} of "
                "theta may be rounding. Give rows that can be read again, leave a column out, or give a small l2.",
                RankWarning,
            )
        )
    notes = []
    if data.rows is not None and data.rows.n_dropped:
        notes.append(f"{counted(data.rows.n_dropped, 'row')} with missing values left out.")
    if not isinstance(data.given, Moments) and data.given.note:
        notes.append(data.given.note)
    if data.rereadable is None:
        why = "Moments only were given" if data.rows is None else "The rows could be read once only"
        notes.append(f"{why}, so the result is not verified on the rows.")
    return [*said, *map(Message, notes)]


def _ending(problem: Problem, strategy: Strategy, run: Run, status: Status) -> Message:
    tol, count = problem.options.tol or 0.0, counted(run.n_iter, "iteration")
    if status is Status.MAX_ITER and tol == 0:
        return Message(f"Ran the {count} asked for; tol=0, so convergence was not judged.")
    ending = _ENDINGS[status].format(count=count, tol=tol)
    if status not in (Status.MAX_ITER, Status.DIVERGED):
        return Message(ending)
    if strategy.has_step_size:
        ending += " " + _step_size_advice(status, strategy, problem)
    elif status is Status.MAX_ITER:
        ending += " Try a larger max_iter, or a larger tol."
    elif problem.options.method == "cg":
        ending += ' Try method="preconditioned".'
    return Message(ending, ConvergenceWarning)


def _not_known(problem: Problem, strategy: Strategy) -> Iterator[Message]:
    """Tell what the gradient by which a descent has ended does not say."""
    preconditioned = 'method="preconditioned" would find the rank, and the solution of least norm.'
    tells_minimum = strategy.tells_minimum
    if tells_minimum is False:
        yield Message(
            "Columns depend on each other, or nearly so, or are constant: many theta have a gradient as small, and the minimum "
            f"may be far. {preconditioned}",
            RankWarning,
        )
    elif tells_minimum is None or problem.options.method == "cg":
        yield Message(
            "The rank was not looked at: where columns depend on each other, theta is one of many, not that of least |coef|; "
            "where they nearly do, the minimum may be far."
        )


def _blurred(problem: Problem, strategy: Strategy, run: Run) -> Iterator[Message]:
    """Warn where the gradient that a fit ended by is mostly rounding."""
    blur = strategy.blur(run.last)
    if blur.max() <= _BLURRED:
        return
    named = _named([int(blur.argmax())], problem)
    yield Message(
        f"That error is {blur.max():.1g} of the largest gradient that is possible, as column {named} of X, or y, is far from "
        'zero: subtract a constant from it, or try method="preconditioned".',
        ConvergenceWarning,
    )


def _constants_that_change(problem: Problem) -> Message | None:
    """Name the features that count as constant although they change, unless their dependence is told."""
    scales, inverse = problem.scales, problem.preconditioner
    if scales is None or not problem.options.intercept or (inverse is not None and not problem.options.l2):
        return None
    columns = np.flatnonzero(scales.constant & (scales.std > 0)).tolist()
    if not columns:
        return None
    return Message(
        f"Column{'s' * (len(columns) > 1)} {_named(columns, problem)} of X: what changes is less than 1e-14 of the numbers, "
        "and taken for their rounding, so that the coefficient stays as it was. Subtract a constant if it is not.",
        RankWarning,
    )


def _step_size_advice(status: Status, strategy: Strategy, problem: Problem) -> str:
    """Return what to try if steps were too long, or too many."""
    learning_rate, found = float(strategy.learning_rate), strategy.spectrum
    momentum = problem.options.method == "nesterov"
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
    standardize = "" if problem.options.standardize else ", standardize=True"
    if status is Status.DIVERGED:
        return f'learning_rate={learning_rate:g} is too large. {facts} Try learning_rate="auto"{standardize}.'
    # The best rate that is known to be safe; any beyond "optimal" is worse again.
    name, rate = "auto", 1.0 / found.largest
    if found.complete and found.smallest > 0 and not momentum:
        name, rate = "optimal", 2.0 / (found.largest + found.smallest)
    larger = f', or learning_rate="{name}", {rate:.4g}' if learning_rate < 0.99 * rate else ""
    return (
        f"learning_rate was {learning_rate:.4g}. {facts} "
        f'Try method="preconditioned", a larger max_iter{standardize}{larger}.'
    )


def _dependence(inverse: InverseHessian, problem: Problem) -> str:
    """Return which columns depend on each other."""
    columns, n_parameters = inverse.dependent.tolist(), problem.objective.n_parameters
    named = _named(columns, problem)
    least = "|coef|" if problem.theta0 is None else "|coef - coef of theta0|"
    of_what = " of the standardised features" if problem.options.standardize else ""
    what = "is constant or zero" if len(columns) == 1 else "depend on each other, or are constant"
    return (
        f"The rank is {inverse.rank} for {counted(n_parameters, 'parameter')}: column{'s' * (len(columns) > 1)} {named} "
        f"of X {what}, to rounding, so that many theta have the same cost. This one has the least {least}{of_what}. "
        "Leave a column out, or give a small l2."
    )


def _named(columns: list[int], problem: Problem) -> str:
    """Return the names of features, or their numbers if they have none."""
    names = problem.data.given.feature_names
    return listed(columns if names is None else [names[j] for j in columns])
