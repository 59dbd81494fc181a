"""How near columns are to depending on each other: bounds, given the condition number of a Hessian in any units."""

import math

import numpy as np

from fastgd.solvers.quadratic import Objective, Scales


def scaled_condition(objective: Objective, scales: Scales, condition: float) -> tuple[float, float]:
    """Bound the condition number of the Hessian of features of the same length, about their means if there is an intercept.

    With C that Hessian, the one of an objective is ``T^T D C D T``: D are the lengths, and T puts the means back. So its
    condition number is at most those of all factors multiplied, and C's is at most the number of parameters times it, by a
    theorem of van der Sluis [1]_.

    Parameters
    ----------
    objective : Objective
        The objective.
    scales : Scales
        The sizes of the columns.
    condition : float
        The condition number of its Hessian.

    Returns
    -------
    lower, upper : float
        The bounds.

    References
    ----------
    .. [1] A. van der Sluis, "Condition numbers and equilibration of matrices", Numerische Mathematik 14 (1969), 14-23.
    """
    mean, lengths = objective.spreads(scales)
    lengths = np.sqrt(objective.scale * lengths**2 + objective.penalty_curvature())
    real = lengths[lengths > 0]
    units = (real.max() / real.min()) ** 2 if real.size else 1.0
    distance = 0.0
    if mean is not None:
        far = np.divide(mean * lengths[0], lengths[1:], out=np.zeros_like(mean), where=lengths[1:] > 0)
        distance = math.hypot(*far)
    return condition / (units * (1.0 + distance) ** 4), objective.n_parameters * condition
