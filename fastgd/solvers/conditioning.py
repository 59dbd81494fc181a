"""How near columns are to depending on each other, given the condition number of a Hessian in any units."""

import math

import numpy as np

from fastgd.solvers.column_sizes import ColumnSizes
from fastgd.solvers.quadratic import Objective


def largest_scaled_condition(objective: Objective, condition: float) -> float:
    """Bound the condition number of the Hessian of columns of the same length from above.

    By a theorem of van der Sluis [1]_ no other lengths have one that is smaller by more than the number of columns; taking
    features about their means, as an intercept does, makes none larger.

    Parameters
    ----------
    objective : Objective
        The objective.
    condition : float
        The condition number of its Hessian.

    Returns
    -------
    float
        The bound.

    References
    ----------
    .. [1] A. van der Sluis, "Condition numbers and equilibration of matrices", Numerische Mathematik 14 (1969), 14-23.
    """
    return objective.n_parameters * condition


def smallest_scaled_condition(objective: Objective, sizes: ColumnSizes, condition: float) -> float:
    """Bound the condition number of the Hessian of columns of the same length, about their means, from below.

    With C that Hessian, the one of an objective is ``T^T D C D T``: D are the lengths, and T puts the means back. Its
    condition number is at most the product of theirs.

    Parameters
    ----------
    objective : Objective
        The objective.
    sizes : ColumnSizes
        The lengths of its columns.
    condition : float
        The condition number of its Hessian.

    Returns
    -------
    float
        The bound.
    """
    mean, lengths = sizes.mean, np.sqrt(objective.scale * sizes.spreads**2 + objective.penalty_curvature())
    real = lengths[lengths > 0]
    units = (real.max() / real.min()) ** 2 if real.size else 1.0
    distance = 0.0
    if mean is not None:
        far = np.divide(mean * lengths[0], lengths[1:], out=np.zeros_like(mean), where=lengths[1:] > 0)
        distance = math.hypot(*far)
    return float(condition / (units * (1.0 + distance) ** 4))
