"""What a fit finds out for its statistics: taken from what it knows at its end, and for robust covariances from the rows."""

from fastgd.fitting.blas import one_blas_thread
from fastgd.fitting.evidence import Evidence, FewRows
from fastgd.fitting.problem import Problem
from fastgd.fitting.robust import POWERS, scores_of
from fastgd.kernels import tuning
from fastgd.rows.centred_moments import moments_of
from fastgd.rows.memory import MemoryRows
from fastgd.rows.scores import group_scores, meat_of
from fastgd.solvers.quadratic import Evaluation, Vector
from fastgd.solvers.stopping import Status


def evidence_of(problem: Problem, last: Evaluation, status: Status) -> Evidence:
    """Return what is known for the statistics of a fit that has ended.

    Parameters
    ----------
    problem : Problem
        What was fitted.
    last : Evaluation
        Where the fit ended.
    status : Status
        How.

    Returns
    -------
    Evidence
        What is known.
    """
    data, options, rows = problem.data, problem.options, problem.data.rows
    if rows is None:
        # Of moments whose weights do not have the sum of ones, the logarithms are not known.
        n_samples, log_weight = data.n_samples, 0.0 if data.given.total_weight == data.n_samples else None
    else:
        n_samples, log_weight = rows.observations()
    evidence = Evidence(
        n_samples=n_samples,
        total_weight=data.given.total_weight,
        log_weight=log_weight,
        sum_of_squares=last.residual_norm * last.residual_norm,
        total_sum_of_squares=_total_sum_of_squares(problem),
        intercept=options.intercept,
        rank=None if problem.inverse is None else problem.inverse.rank,
        is_minimum=status.converged and not options.l2,
        kind="classical" if options.covariance == "auto" else options.covariance,
    )
    if options.l2 > 0:
        evidence.note = "With a penalty estimates are biased, and standard errors have no meaning. Fit without l2."
    elif not status.converged:
        evidence.note = "The fit did not converge, and standard errors are those of the minimum. See the message."
    else:
        _find_bread(problem, evidence)
        if not evidence.note and evidence.kind != "classical":
            _find_meat(problem, evidence, problem.objective.units.to_rows(last.theta))
    return evidence


def _find_bread(problem: Problem, evidence: Evidence) -> None:
    """Keep what has most digits of ``(X^T S X)^-1``; if the fit has found nothing, take moments where that was requested."""
    rows, moments = problem.data.rows, problem.moments
    evidence.factor = problem.factor
    if rows is not None and rows.in_memory and rows.n_samples * rows.n_features <= tuning.KEPT_VALUES:
        values, s = rows.block(0, rows.n_samples)  # type: ignore[union-attr]  # in memory
        evidence.rows = FewRows(values[s > 0], s[s > 0])
        return
    if moments is None and problem.factor is None:
        if problem.options.covariance == "auto":
            evidence.note = 'This fit took no moments, of which standard errors are made. Give covariance="classical".'
            return
        assert rows is not None
        moments = moments_of(rows)
    if moments is not None:
        evidence.scatter = moments.scatter[:-1, :-1], moments.mean[:-1]


def _find_meat(problem: Problem, evidence: Evidence, theta: Vector) -> None:
    """Sum scores at the minimum; of rows that are not in memory, they were summed in the pass that ended the fit."""
    rows, bread = problem.data.rows, evidence.bread()
    assert rows is not None
    with one_blas_thread():
        if evidence.kind == "cluster":
            assert isinstance(rows, MemoryRows)
            groups, evidence.n_groups = problem.groups
            scores = group_scores(rows, theta, bread.mean, groups, evidence.n_groups)
            evidence.meat = scores.T @ scores
        elif problem.scored is not None and (problem.factor is None or evidence.kind not in POWERS):
            evidence.meat = problem.scored.meat(theta)
        else:
            y_mean = float(problem.moments.mean[-1]) if problem.moments is not None else 0.0
            evidence.meat = meat_of(rows, theta, scores_of(evidence.kind, bread, y_mean))


def _total_sum_of_squares(problem: Problem) -> float | None:
    """Return ``sum s (y - mean)^2``, or ``sum s y^2`` without an intercept, from moments or scales, or else from y itself."""
    data, total = problem.data, problem.data.given.total_weight
    if problem.moments is not None:
        mean, squares = problem.moments.mean.item(-1), problem.moments.scatter.item(-1, -1)
    elif problem.scales is not None:
        mean, squares = problem.scales.y_mean, total * problem.scales.y_std * problem.scales.y_std
    elif isinstance(data.rows, MemoryRows):
        mean, squares = data.rows.spread_of_target()
    else:
        return None
    return squares if problem.options.intercept else squares + total * mean * mean
