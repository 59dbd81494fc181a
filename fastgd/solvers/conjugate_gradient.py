"""Descents with the best step on each line, from one product with the Hessian: steepest, or along conjugate directions."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fastgd.solvers.quadratic import Evaluation, Objective

_Vector = NDArray[np.float64]

# After so many iterations the true gradient is taken, as the one that is carried along has drifted by rounding.
_TRUE_EVERY = 50


def conjugate_gradient(
    objective: Objective, start: Evaluation, precondition: Callable[[_Vector], _Vector]
) -> Iterator[Evaluation]:
    """Descend along directions that are conjugate in the sense of the Hessian [1]_ [2]_, one pass each.

    With z the preconditioned gradient: ``alpha = g.z / p.Hp``, ``theta := theta + alpha p``, ``g := g + alpha Hp``,
    ``p := -z + (g.z / g.z before) p``.

    Parameters
    ----------
    objective : Objective
        The objective, a quadratic function.
    start : Evaluation
        Where to start.
    precondition : callable
        An approximate inverse of the Hessian, symmetric and positive semidefinite, that makes z of g.

    Yields
    ------
    Evaluation
        The objective after each step. Gradient and cost are carried along, and true at intervals only.

    References
    ----------
    .. [1] M. R. Hestenes, E. Stiefel, "Methods of conjugate gradients for solving linear systems", Journal of Research of
       the National Bureau of Standards 49 (1952), 409-436.
    .. [2] J. Nocedal, S. J. Wright, "Numerical Optimization", Springer 2006, algorithm 5.3.
    """
    return _descend(objective, start, precondition, conjugate=True)


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
    return _descend(objective, start, lambda gradient: gradient, conjugate=False)


def _descend(
    objective: Objective, start: Evaluation, precondition: Callable[[_Vector], _Vector], *, conjugate: bool
) -> Iterator[Evaluation]:
    at = start
    z = precondition(at.gradient)
    direction = -z
    n_iter = 0
    while True:
        image = objective.product(direction)
        curvature = float(direction @ image)
        slope = float(direction @ at.gradient)
        alpha = -slope / curvature if curvature > 0 else 0.0  # at the minimum, to rounding
        before = float(at.gradient @ z)
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
        z = precondition(at.gradient)
        momentum = float(at.gradient @ z) / before if conjugate and before > 0 else 0.0
        direction = momentum * direction - z
