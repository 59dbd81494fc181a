"""Gradient descent on any differentiable function."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import arguments
from fastgd.descent.history import History
from fastgd.exceptions import ConvergenceWarning, warn
from fastgd.inputs import validation


def descend(
    gradient: Callable[[Any], Any],
    theta0: ArrayLike,
    *,
    learning_rate: float = 0.1,
    n_iter: int = 10,
    cost: Callable[[Any], float] | None = None,
) -> History:
    """Descend along the gradient of any differentiable function.

    Each iteration changes all parameters at once: ``theta := theta - learning_rate * gradient(theta)``, to the bit what the
    same loop gives in plain Python.

    Parameters
    ----------
    gradient : callable
        The gradient: a function of theta that returns a value of theta's shape. It gets a float where `theta0` is a number,
        else an array of its own.
    theta0 : float or array_like of shape (n_parameters,)
        Where to start.
    learning_rate : float, default 0.1
        The size of a step, > 0.
    n_iter : int, default 10
        The number of iterations.
    cost : callable, optional
        The function itself, for the table.

    Returns
    -------
    History
        Theta before each step, gradient, update and cost; ``history.theta`` is where it ended. It is shorter than
        `n_iter` only if theta left the range of float64.

    Raises
    ------
    TypeError
        If `gradient` or `cost` cannot be called, or one of the others is not of its type.
    ValueError
        If `theta0` has more than one dimension, a number is out of range, or the gradient has another shape than theta.

    Warns
    -----
    ConvergenceWarning
        If the steps walk away from a minimum.

    Examples
    --------
    The minimum of J = theta^2, from 3:

    >>> import fastgd
    >>> fastgd.descend(lambda theta: 2 * theta, 3.0, learning_rate=0.1, n_iter=3, cost=lambda theta: theta**2)
    iteration  theta  gradient  update    cost
            0      3         6    -0.6       9
            1    2.4       4.8   -0.48    5.76
            2   1.92      3.84  -0.384  3.6864
    theta after 3 iterations: 1.536
    """
    for name, function in {"gradient": gradient, "cost": cost}.items():
        if not callable(function) and (name == "gradient" or function is not None):
            kind = type(function).__name__
            raise TypeError(f"{name} is a {kind}, but a function of theta is expected. Give lambda theta: ...")
    learning_rate = arguments.number(learning_rate, "learning_rate", zero=False, hint="0.1 is a common first try.")
    n_iter = arguments.count(n_iter, "n_iter", "Give the number of iterations.")
    start = validation.real_array(theta0, "theta0")
    if start.ndim > 1 or not start.size:
        raise ValueError(
            f"theta0 has shape {start.shape}, but a number or one dimension is expected. Give theta0.ravel()."
        )
    scalar = start.ndim == 0
    theta: Any = float(start) if scalar else start.astype(np.float64)

    rows: list[tuple[Any, Any, Any, Any]] = []
    left_range = True
    for _ in range(n_iter):
        try:
            g = _checked(gradient(theta if scalar else theta.copy()), theta, "gradient")
            value = None if cost is None else float(_checked(cost(theta if scalar else theta.copy()), 0.0, "cost"))
        except OverflowError:  # what Python's ** raises where * gives an infinity
            break
        with np.errstate(over="ignore", invalid="ignore"):
            after = theta - learning_rate * g
            rows.append((theta, g, after - theta, value))
        theta = after
        if not np.all(np.isfinite(theta)):
            break
    else:
        left_range = False
    thetas, gradients, updates, costs = (np.array([row[i] for row in rows], dtype=np.float64) for i in range(4))
    shape = (len(rows), *start.shape)
    history = History(
        thetas.reshape(shape), gradients.reshape(shape), updates.reshape(shape), None if cost is None else costs, theta
    )
    history.message = _verdict(history, learning_rate, left_range)
    if history.message:
        warn(history.message, ConvergenceWarning)
    return history


def _checked(value: object, theta: Any, name: str) -> Any:
    """Check that a function returned numbers in the shape of theta."""
    array = validation.real_array(value, name)  # type: ignore[arg-type]
    if array.shape != np.shape(theta):
        raise ValueError(
            f"{name}(theta) has shape {array.shape}, but {np.shape(theta)} is expected. "
            f"Return one number{' per parameter' if name == 'gradient' else ''}."
        )
    return float(array) if array.ndim == 0 else array.astype(np.float64)


def _verdict(history: History, learning_rate: float, left_range: bool) -> str:
    """Return a message if the descent moved away from a minimum, or theta left the range of float64."""
    n_iter, ended = len(history), "theta left the range of float64" if left_range else ""
    if n_iter < 2:
        return f"The descent ended early: {ended}. Try a smaller learning_rate." if ended else ""
    gradients = history["gradient"].reshape(n_iter, -1)
    step = history["update"].reshape(n_iter, -1)[-2]
    last, before = gradients[-1], gradients[-2]
    with np.errstate(over="ignore", invalid="ignore"):
        # A step over the minimum reverses the gradient; one that is too large makes it longer, too. Growth alone is no
        # sign: on the way down from a plateau the gradient grows.
        overshot = last @ before < 0 and last @ last > before @ before
        if "cost" in history.to_dict():
            overshot = overshot or history["cost"][-1] > history["cost"][0]
        curvature = float((last - before) @ step / (step @ step)) if step.any() else math.nan
    if not (overshot or ended):
        return ""
    first, final = np.abs(gradients[0]).max(), np.abs(last).max()
    advice = "Try a smaller one."
    if not ended and math.isfinite(curvature) and curvature > 0:
        advice = (
            f"The curvature along the last steps is {curvature:.4g}, for which one below {2 / curvature:.4g} is stable."
        )
    return (
        f"learning_rate={learning_rate:g} is too large: the steps walk away from the minimum (the gradient went from "
        f"{first:.4g} to {final:.4g} in {n_iter} iterations{'; ' + ended if ended else ''}). {advice}"
    )
