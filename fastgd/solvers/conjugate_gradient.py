"""Descents with the best step on each line, from one product with the Hessian: steepest, or along conjugate directions."""

import math
from collections.abc import Iterator

from fastgd.solvers.objective import Evaluation, Objective

# After so many iterations the true gradient is taken, as the one that is carried along has drifted by rounding.
_TRUE_EVERY = 50


def conjugate_gradient(objective: Objective, start: Evaluation) -> Iterator[Evaluation]:
    """Descend along directions that are conjugate in the sense of the Hessian [1]_, one pass each.

    ``alpha = g.g / p.Hp``, ``theta := theta + alpha p``, ``g := g + alpha Hp``, ``p := -g + (g.g / g.g before) p``.

    Parameters
    ----------
    objective : Objective
        The objective, a quadratic function.
    start : Evaluation
        Where to start.

    Yields
    ------
    Evaluation
        The objective after each step. Gradient and cost are carried along, and true at intervals only.

    References
    ----------
    .. [1] M. R. Hestenes, E. Stiefel, "Methods of conjugate gradients for solving linear systems", Journal of Research of
       the National Bureau of Standards 49 (1952), 409-436.
    """
    return _descend(objective, start, conjugate=True)


def steepest_descent(objective: Objective, start: Evaluation) -> Iterator[Evaluation]:
    """Descend along the gradient by the best step, ``alpha = g.g / g.Hg``: exact line search.

    Parameters
    ----------
    objective : Objective
        The objective, a quadratic function.
    start : Evaluation
        Where to start.

    Yields
    ------
    Evaluation
        The objective after each step. Gradient and cost are carried along, and true at intervals only.
    """
    return _descend(objective, start, conjugate=False)


def _descend(objective: Objective, start: Evaluation, *, conjugate: bool) -> Iterator[Evaluation]:
    at, direction = start, -start.gradient
    n_iter = 0
    while True:
        image = objective.product(direction)
        curvature = float(direction @ image)
        slope = float(direction @ at.gradient)
        alpha = -slope / curvature if curvature > 0 else 0.0  # at the minimum, to rounding
        before = float(at.gradient @ at.gradient)
        theta = at.theta + alpha * direction
        n_iter += 1
        if n_iter % _TRUE_EVERY:
            gradient = at.gradient + alpha * image
            cost = at.cost + 0.5 * alpha * slope
            squares = 2.0 / objective.scale * (cost - objective.penalty(theta))
            at = Evaluation(theta, cost, gradient, math.sqrt(max(0.0, squares)))
        else:
            at = objective.evaluate(theta)
        yield at
        momentum = float(at.gradient @ at.gradient) / before if conjugate and before > 0 else 0.0
        direction = momentum * direction - at.gradient
