"""Nesterov's accelerated gradient descent, restarted where it overshoots."""

import math
from collections.abc import Iterator

from fastgd.solvers.quadratic import Evaluation, Objective


def nesterov(objective: Objective, start: Evaluation, learning_rate: float) -> Iterator[Evaluation]:
    """Take gradient steps from points extrapolated along the last step, and yield the objective at each of these.

    ``x := y - learning_rate * gradient(y)``, ``y := x + (t - 1)/t' (x - x before)`` with ``t' = (1 + sqrt(1 + 4 t^2)) / 2``
    [1]_. Where the gradient and the last step point the same way, the momentum leads uphill, and is dropped (t = 1): the
    gradient scheme of adaptive restart [2]_, which needs no condition number.

    `learning_rate` is at most 1 / lambda_max.

    References
    ----------
    .. [1] Y. Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k^2)", Soviet
       Mathematics Doklady 27 (1983), 372-376.
    .. [2] B. O'Donoghue, E. Candes, "Adaptive restart for accelerated gradient schemes", Foundations of Computational
       Mathematics 15 (2015), 715-732.
    """
    at, before, t = start, start.theta, 1.0
    while True:
        x = at.theta - learning_rate * at.gradient
        step = x - before
        if float(at.gradient @ step) > 0:
            t = 1.0
        next_t = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * t * t))
        at = objective.evaluate(x + ((t - 1.0) / next_t) * step)
        before, t = x, next_t
        yield at
