"""Conjugate directions from an approximate inverse of the Hessian, with true gradients only."""

import math
from collections.abc import Iterator

from fastgd.solvers.inverse_hessian import InverseHessian
from fastgd.solvers.quadratic import Evaluation, Objective, Vector

# A step this close to the best one on its line is taken as it is, as the gradient where it ends is known to all digits.
_NEAR_ENOUGH = 1e-3


def preconditioned(
    objective: Objective, start: Evaluation, inverse_hessian: InverseHessian, solution: Vector | None = None
) -> Iterator[Evaluation]:
    """Descend along conjugate directions, one pass each.

    A direction is the product of the approximate inverse with the gradient, less its components along earlier directions in
    the sense of the Hessian: the preconditioned conjugate gradient method [1]_, but against all directions, as there are few.
    A pass at the whole step gives the gradient there and, as the difference of two gradients, the product of the Hessian with
    the direction, and thus the best step on this line; no other pass is needed, and each point yielded has its true cost and
    gradient. If the inverse is good, whole steps are the best ones, and the method is the iterative refinement [2]_ of a
    direct solution.

    Parameters
    ----------
    objective : Objective
        The objective, a quadratic function.
    start : Evaluation
        Where to start.
    inverse_hessian : InverseHessian
        The approximate inverse of the Hessian.
    solution : ndarray of shape (n_parameters,), float64, optional
        The end of the first step, if it is known better than from the gradient at the start.

    Yields
    ------
    Evaluation
        The objective after a whole step along each direction.

    References
    ----------
    .. [1] J. R. Shewchuk, "An Introduction to the Conjugate Gradient Method Without the Agonizing Pain", 1994, section 12.
    .. [2] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", SIAM 2002, chapter 12.
    """
    theta, gradient = start.theta, start.gradient
    known: list[tuple[Vector, Vector, float]] = []  # directions p, H p, and p . H p
    while True:
        if solution is None:
            direction = inverse_hessian(gradient)
            for p, image, curvature in known:
                direction = direction - p * (float(direction @ image) / curvature)
            at = objective.evaluate(theta - direction)
        else:
            direction = theta - solution
            at, solution = objective.evaluate(solution), None
        yield at
        image = gradient - at.gradient
        curvature = float(direction @ image)
        best = float(direction @ gradient) / curvature if 0 < curvature < math.inf else 1.0
        if abs(best - 1.0) <= _NEAR_ENOUGH:
            theta, gradient = at.theta, at.gradient
            known = []
        else:
            theta, gradient = theta - best * direction, gradient - best * image
            known.append((direction, image, curvature))


def refinement(
    objective: Objective, start: Evaluation, inverse_hessian: InverseHessian, solution: Vector | None = None
) -> Iterator[Evaluation]:
    """Take whole steps, one pass each: the iterative refinement of a direct solution [1]_; see `preconditioned`.

    For an inverse that knows the curvature better than differences of gradients do, as one from a factor does: with a condition
    number kappa of the features and the unit roundoff u, a step leaves some kappa u of the error of theta.

    References
    ----------
    .. [1] A. Bjorck, "Stability analysis of the method of seminormal equations for linear least squares problems", Linear
       Algebra and its Applications 88 (1987), 31-48.
    """
    at = start
    if solution is not None:
        at = objective.evaluate(solution)
        yield at
    while True:
        at = objective.evaluate(at.theta - inverse_hessian(at.gradient))
        yield at
