"""Gradient descent on any differentiable function, and the table of a descent."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.exceptions import ConvergenceWarning, warn
from fastgd.formatting import counted, listed, table
from fastgd.inputs import validation
from fastgd.solvers.units import Units

_MAX_PRINTED_PARAMETERS = 3
_FIRST_ROWS, _LAST_ROWS = 10, 5


class History:
    """What happened in each iteration of a descent.

    ``history["theta"]``, ``history["gradient"]``, ``history["update"]`` and, where a cost is known, ``history["cost"]``
    have one row per iteration: theta before that iteration's step, the gradient and the cost there, and what the step
    added to theta; ``history["iteration"]`` is its number, from 0. Printed, it is the table of the textbooks.

    All of it is in the units in which steps are taken, so that an update of plain descent is ``-learning_rate * gradient``:
    after ``fit(..., standardize=True)`` theta is that of the standardised features. `path` has it in the units of X.

    Parameters
    ----------
    theta, gradient, update : ndarray of shape (n_iter,) or (n_iter, n_parameters), float64
        The columns.
    cost : ndarray of shape (n_iter,), float64, or None
        The cost before each step.
    final : float or ndarray of shape (n_parameters,)
        Theta after the last iteration.
    message : str
        How the descent ended, if there is something to say.
    every : int
        How many iterations lie between two rows; an update is then what all of them have added.
    n_iter : int, optional
        How many iterations there were; as many as rows by default.
    units : Units, optional
        The units in which steps were taken; those of X by default.

    Attributes
    ----------
    theta : float or ndarray of shape (n_parameters,)
        Theta after the last iteration, in the units in which steps were taken.
    message : str
        How the descent ended; empty if there is nothing to say.
    n_iter : int
        How many iterations there were.

    Examples
    --------
    >>> import fastgd
    >>> history = fastgd.descend(lambda theta: 2 * theta, 4.0, learning_rate=0.25, n_iter=3)
    >>> history["theta"]
    array([4., 2., 1.])
    >>> history.theta
    0.5
    """

    def __init__(
        self,
        theta: NDArray[np.float64],
        gradient: NDArray[np.float64],
        update: NDArray[np.float64],
        cost: NDArray[np.float64] | None,
        final: Any,
        message: str = "",
        *,
        every: int = 1,
        n_iter: int | None = None,
        units: Units | None = None,
    ) -> None:
        self.n_iter = len(theta) if n_iter is None else n_iter
        self._units = None if units is None or units.as_given else units
        self._columns = {
            "iteration": np.arange(len(theta)) * every,
            "theta": theta,
            "gradient": gradient,
            "update": update,
        }
        if cost is not None:
            self._columns["cost"] = cost
        for values in (*self._columns.values(), np.asarray(final)):
            values.flags.writeable = False
        self.theta = final
        self.message = message

    def __len__(self) -> int:
        """Return the number of rows: of iterations, unless the history is thinned."""
        return len(self._columns["theta"])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Go through the rows: each column's value, by its name."""
        return ({name: values[i] for name, values in self._columns.items()} for i in range(len(self)))

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column."""
        if name not in self._columns:
            raise KeyError(f"history has no column {name!r}, but {', '.join(map(repr, self._columns))}")
        return self._columns[name]

    def __repr__(self) -> str:
        """Return the table."""
        n_parameters = np.size(self.theta)
        if np.ndim(self.theta) == 0 or n_parameters <= _MAX_PRINTED_PARAMETERS:
            columns = self.to_dict()
        else:
            columns = {}
            for name, values in self._columns.items():
                columns[name if values.ndim == 1 else f"max|{name}|"] = (
                    values if values.ndim == 1 else np.abs(values).max(axis=1)
                )
        shown = list(range(len(self)))
        gap = None
        if len(shown) > _FIRST_ROWS + _LAST_ROWS + 1:
            gap = _FIRST_ROWS
            shown[_FIRST_ROWS:-_LAST_ROWS] = []
        rows = [[f"{values[i]:.6g}" for values in columns.values()] for i in shown]
        if gap is not None:
            rows.insert(gap, ["..."] * len(columns))
        end = f"theta after {counted(self.n_iter, 'iteration')}: {_numbers(self.theta)}"
        lines = [table(list(columns), rows), end]
        if self._units is not None:
            centred = "(x - mean) / std" if self._units.centre.any() else "x / std"
            lines[1] += f", of the standardised features {centred}"
            lines.append(f"theta in the units of X: {_numbers(self._units.to_rows(self.theta))}")
        return "\n".join(lines + ([self.message] if self.message else []))

    def path(self) -> NDArray[np.float64]:
        """Return where the descent went, in the units of X: theta before each row's step, and where it ended.

        Returns
        -------
        ndarray of shape (len(history) + 1,) or (len(history) + 1, n_parameters), float64
            Theta as ``fit(...).theta`` has it.

        Examples
        --------
        >>> import fastgd
        >>> fastgd.descend(lambda theta: 2 * theta, 4.0, learning_rate=0.25, n_iter=3).path()
        array([4. , 2. , 1. , 0.5])
        """
        thetas, final = self["theta"], np.asarray(self.theta)
        if self._units is not None:
            # Apart, as a product of matrices rounds otherwise: the end is the result's, to the bit.
            thetas, final = self._units.to_rows(thetas), self._units.to_rows(final)
        return np.append(thetas, final[np.newaxis], axis=0)

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name, one for each parameter, as ``pandas.DataFrame`` takes them.

        Returns
        -------
        dict of str to ndarray of shape (n_iter,)
            ``"iteration"``, then ``"theta"``, ``"gradient"``, ``"update"`` (with several parameters ``"theta[0]"``,
            ``"theta[1]"`` and so on) and ``"cost"`` where it is known.
        """
        columns: dict[str, NDArray[Any]] = {}
        for name, values in self._columns.items():
            if values.ndim == 1:
                columns[name] = values
            else:
                columns.update({f"{name}[{j}]": values[:, j] for j in range(values.shape[1])})
        return columns

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the columns of `to_dict` as CSV, with every digit.

        Parameters
        ----------
        path : str or path-like
            The file to write.
        """
        columns = self.to_dict()
        cells = [values.tolist() for values in columns.values()]
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(",".join(columns) + "\n")
            file.writelines(",".join(map(repr, row)) + "\n" for row in zip(*cells, strict=True))


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
    if not callable(gradient):
        raise TypeError(
            f"gradient is a {type(gradient).__name__}, but a function of theta is expected. Give lambda theta: ..."
        )
    if cost is not None and not callable(cost):
        raise TypeError(f"cost is a {type(cost).__name__}, but a function of theta is expected. Give lambda theta: ...")
    learning_rate = arguments.number(learning_rate, "learning_rate", zero=False, hint="0.1 is a common first try.")
    n_iter = arguments.count(n_iter, "n_iter", "Give the number of iterations.")
    start = validation.real_array(theta0, "theta0")
    if start.ndim > 1 or not start.size:
        raise ValueError(
            f"theta0 has shape {start.shape}, but a number or one dimension is expected. Give theta0.ravel()."
        )
    scalar = start.ndim == 0
    theta: Any = float(start) if scalar else start.astype(np.float64)

    thetas, gradients, updates, costs = [], [], [], []
    ended = ""
    for _ in range(n_iter):
        try:
            g = _checked(gradient(theta if scalar else theta.copy()), theta, "gradient")
            value = None if cost is None else float(_checked(cost(theta if scalar else theta.copy()), 0.0, "cost"))
        except OverflowError:  # what Python's ** raises where * gives an infinity
            ended = "theta left the range of float64"
            break
        with np.errstate(over="ignore", invalid="ignore"):
            after = theta - learning_rate * g
            update = after - theta
        thetas.append(theta)
        gradients.append(g)
        updates.append(update)
        costs.append(value)
        theta = after
        if not np.all(np.isfinite(theta)):
            ended = "theta left the range of float64"
            break
    shape = (0,) if scalar else (0, start.size)
    theta_column, gradient_column, update_column = (
        np.array(values, dtype=np.float64) if values else np.empty(shape) for values in (thetas, gradients, updates)
    )
    cost_column = None if cost is None else np.array(costs, dtype=np.float64)
    history = History(theta_column, gradient_column, update_column, cost_column, theta)
    history.message = _verdict(history, learning_rate, ended)
    if history.message:
        warn(history.message, ConvergenceWarning)
    return history


def _checked(value: object, theta: Any, name: str) -> Any:
    array = validation.real_array(value, name)  # type: ignore[arg-type]
    if array.shape != np.shape(theta):
        raise ValueError(
            f"{name}(theta) has shape {array.shape}, but {np.shape(theta)} is expected. "
            + ("Return one number per parameter." if name == "gradient" else "Return one number.")
        )
    return float(array) if array.ndim == 0 else array.astype(np.float64)


def _verdict(history: History, learning_rate: float, ended: str) -> str:
    """Say whether the descent walked away, or nothing."""
    n_iter = len(history)
    if n_iter < 2:
        return f"The descent ended early: {ended}. Try a smaller learning_rate." if ended else ""
    gradients = history["gradient"].reshape(n_iter, -1)
    updates = history["update"].reshape(n_iter, -1)
    last, before = gradients[-1], gradients[-2]
    with np.errstate(over="ignore", invalid="ignore"):
        # A step over the minimum turns the gradient round; one too large makes it longer too. Growth alone is no sign: on
        # the way down from a plateau the gradient grows.
        overshot = last @ before < 0 and last @ last > before @ before
        if "cost" in history.to_dict():
            costs = history["cost"]
            overshot = overshot or costs[-1] > costs[0]
        step = updates[-2]
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


def _numbers(theta: Any) -> str:
    values: Sequence[float] = np.atleast_1d(theta).tolist()
    text = listed(values, 8, "{:.6g}".format)
    return text if np.ndim(theta) == 0 else f"[{text}]"
