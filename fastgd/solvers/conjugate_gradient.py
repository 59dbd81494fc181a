"""Descents with the best step on each line, from one product with the Hessian: steepest, or along conjugate directions."""

import math
from collections.abc import Callable, Iterator

from fastgd.solvers.quadratic import Evaluation, Objective, Vector

# The true gradient is computed at this interval, as the one that is updated drifts by rounding.
_TRUE_EVERY = 50

# It is computed, too, where the cost, or the square of the gradient, came down to this share of what it was there: the rest are
# digits of a difference.
_KNOWN = 1e-10

# Products are rounded by no more than this share of what they are the sum of.
_ROUNDED = 1e-14


def conjugate_gradient(
    objective: Objective,
    start: Evaluation,
    precondition: Callable[[Vector], Vector],
    terms: Vector,
    *,
    conjugate: bool = True,
) -> Iterator[Evaluation]:
    """Descend along directions that are conjugate in the sense of the Hessian [1]_ [2]_, one pass each.

    With z the preconditioned gradient: ``alpha = g.z / p.Hp``, ``theta := theta + alpha p``, ``g := g + alpha Hp``,
    ``p := -z + (g.z / g.z before) p``; without the last term if not `conjugate`.

    Parameters
    ----------
    objective : Objective
        The objective, a quadratic function.
    start : Evaluation
        Where to start.
    precondition : callable
        An approximate inverse of the Hessian, symmetric and positive semidefinite, that turns g into z.
    terms : ndarray of shape (n_parameters,), float64
        The lengths of what the columns are the sum of. Along a direction that changes the hypothesis by no more than their
        rounding no step is taken: its curvature is rounding, too, and the step could be of any length.
    conjugate : bool
        Whether directions are conjugate; preconditioned gradients if not.

    Yields
    ------
    Evaluation
        The objective after each step; gradient and cost are updated, and true at intervals only.

    References
    ----------
    .. [1] M. R. Hestenes, E. Stiefel, "Methods of conjugate gradients for solving linear systems", Journal of Research of
       the National Bureau of Standards 49 (1952), 409-436.
    .. [2] J. Nocedal, S. J. Wright, "Numerical Optimization", Springer 2006, algorithm 5.3.
    """
    at = start
    z = precondition(at.gradient)
    direction = -z
    n_iter, true_norm, true_slope = 0, start.residual_norm, float(start.gradient @ z)
    while True:
        n_iter += 1
        image = objective.product(direction)
        curvature = float(direction @ image)
        slope = float(direction @ at.gradient)
        change = _ROUNDED * float(terms @ abs(direction))  # of the hypothesis
        is_real = curvature > objective.scale * change * change
        alpha = -slope / curvature if is_real else 0.0
        before = float(at.gradient @ z) if is_real else 0.0
        theta = at.theta + alpha * direction
        cost = at.cost + 0.5 * alpha * slope
        squares = 2.0 / objective.scale * (cost - objective.penalty(theta))
        if (
            n_iter % _TRUE_EVERY
            and is_real
            and squares > _KNOWN * true_norm * true_norm
            and before > _KNOWN * true_slope
        ):
            at = Evaluation(theta, cost, at.gradient + alpha * image, math.sqrt(squares))
        else:
            at = objective.evaluate(theta)
            true_norm, true_slope = at.residual_norm, 0.0
        yield at
        z = precondition(at.gradient)
        true_slope = true_slope or float(at.gradient @ z)
        momentum = float(at.gradient @ z) / before if conjugate and before > 0 else 0.0
        direction = momentum * direction - z


def steepest_descent(objective: Objective, start: Evaluation, terms: Vector) -> Iterator[Evaluation]:
    """Descend along the gradient by the best step, ``alpha = g.g / g.Hg``: exact line search; see `conjugate_gradient`."""
    return conjugate_gradient(objective, start, lambda gradient: gradient, terms, conjugate=False)
