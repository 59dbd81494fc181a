"""The message of a fit: how it ended, and what to try."""

import math

from fastgd.exceptions import ConvergenceWarning, RankWarning, warn
from fastgd.fitting.loop import Run
from fastgd.fitting.problem import Problem
from fastgd.fitting.strategy import Strategy
from fastgd.formatting import counted, listed
from fastgd.solvers.inverse_hessian import InverseHessian
from fastgd.solvers.step_size import Spectrum
from fastgd.solvers.stopping import Status


def messages(problem: Problem, strategy: Strategy, run: Run, status: Status) -> list[str]:
    """Say how a fit ended, and warn if it did not end well.

    Parameters
    ----------
    problem : Problem
        The problem.
    strategy : Strategy
        How it was solved.
    run : Run
        The run, at its end.
    status : Status
        How it ended.

    Returns
    -------
    list of str
        Some sentences.

    Warns
    -----
    ConvergenceWarning
        If it diverged, or did not converge although `tol` is not 0.
    RankWarning
        If columns depend on each other.
    """
    options, data = problem.options, problem.data
    failed = status is Status.DIVERGED or (status is Status.MAX_ITER and bool(options.tol))
    said = [_ending(status, run.n_iter, options.tol or 0.0)]
    if failed and strategy.has_step_size:
        said.append(_step_size_advice(status, float(strategy.learning_rate), problem, strategy.spectrum))
    elif failed and status is Status.MAX_ITER:
        said.append("Try a larger max_iter, or a larger tol.")
    if failed:
        warn(" ".join(said), ConvergenceWarning)
    inverse = problem.inverse
    if problem.rank is not None and inverse is not None and problem.rank < problem.objective.n_parameters:
        dependence = _dependence(inverse, problem)
        warn(dependence, RankWarning)
        said.append(dependence)
    if options.method == "cg":
        said.append(
            "The rank was not looked at: where columns depend on each other, theta is one of many, not that of least |coef|."
        )
    if data.rows is not None and data.rows.n_dropped:
        said.append(f"{counted(data.rows.n_dropped, 'row')} with missing values left out.")
    if data.training_set is not None and data.training_set.note:
        said.append(data.training_set.note)
    if not data.has_rows:
        why = "Moments only were given" if data.rows is None else "The rows could be read once only"
        said.append(f"{why}, so the result is not verified on the rows.")
    return said


def _ending(status: Status, n_iter: int, tol: float) -> str:
    """Say how a fit ended, if there is nothing more to say."""
    count = counted(n_iter, "iteration")
    if status is Status.TOLERANCE:
        return f"Converged after {count}: the scale-free gradient is within tol={tol:g}."
    if status is Status.RESIDUAL:
        return f"Converged after {count}: the residuals are within tol={tol:g} of the spread of y."
    if status is Status.ROUNDING:
        return f"Converged after {count}: the gradient is down to its rounding error."
    if status is Status.CALLBACK:
        return f"Ended by callback after {count}."
    if status is Status.DIVERGED:
        return f"Diverged after {count}."
    if tol == 0:
        return f"Ran the {count} asked for; tol=0, so convergence was not judged."
    return f"Not converged within max_iter={count}, tol={tol:g}."


def _step_size_advice(status: Status, learning_rate: float, problem: Problem, found: Spectrum) -> str:
    """Say what to try where steps were too long, or too many."""
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
    # What is known to be good; any rate beyond "optimal" is worse again.
    name, rate = "auto", 1.0 / found.largest
    if found.complete and found.smallest > 0 and not momentum:
        name, rate = "optimal", 2.0 / (found.largest + found.smallest)
    larger = f', or learning_rate="{name}", {rate:.4g}' if learning_rate < 0.99 * rate else ""
    return (
        f"learning_rate was {learning_rate:.4g}. {facts} "
        f'Try method="preconditioned", a larger max_iter{standardize}{larger}.'
    )


def _dependence(inverse: InverseHessian, problem: Problem) -> str:
    """Say which columns depend on each other."""
    names, n_parameters = problem.data.feature_names, problem.objective.n_parameters
    columns = inverse.dependent.tolist()
    named = listed(columns if names is None else [names[j] for j in columns])
    least = "|coef|" if problem.theta0 is None else "|coef - coef of theta0|"
    of_what = " of the standardised features" if problem.options.standardize else ""
    what = "is constant or zero" if len(columns) == 1 else "depend on each other, or are constant"
    return (
        f"The rank is {inverse.rank} for {counted(n_parameters, 'parameter')}: column{'s' * (len(columns) > 1)} {named} "
        f"of X {what}, to rounding, so that many theta have the same cost. This one has the least {least}{of_what}. "
        "Leave a column out, or give a small l2."
    )
