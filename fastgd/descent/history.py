"""The iterations of a descent, as columns and as the table of the textbooks."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import counted, html_table, listed, table
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
        header, rows, lines = self._shown()
        return "\n".join([table(header, rows), *lines])

    def _repr_html_(self) -> str:
        """Return the table as notebooks show it."""
        return html_table(*self._shown())

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
            # One by one, as a product of matrices rounds differently: the last is the result's theta, to the bit.
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

    def _shown(self) -> tuple[list[str], list[list[str]], list[str]]:
        """Return the names of columns, the rows that are shown, and the lines below them."""
        if np.size(self.theta) <= _MAX_PRINTED_PARAMETERS:
            columns = self.to_dict()
        else:
            columns = {
                name if values.ndim == 1 else f"max|{name}|": values if values.ndim == 1 else abs(values).max(axis=1)
                for name, values in self._columns.items()
            }
        shown: list[int | None] = list(range(len(self)))
        if len(shown) > _FIRST_ROWS + _LAST_ROWS + 1:
            shown[_FIRST_ROWS:-_LAST_ROWS] = [None]
        rows = [["..." if i is None else f"{values[i]:.6g}" for values in columns.values()] for i in shown]
        lines = [f"theta after {counted(self.n_iter, 'iteration')}: {_numbers(self.theta)}"]
        if self._units is not None:
            centred = "(x - mean) / std" if self._units.centre.any() else "x / std"
            lines[0] += f", of the standardised features {centred}"
            lines.append(f"theta in the units of X: {_numbers(self._units.to_rows(self.theta))}")
        return list(columns), rows, lines + ([self.message] if self.message else [])


def _numbers(theta: Any) -> str:
    """Return a number or a vector as text, or the first of its entries."""
    values: Sequence[float] = np.atleast_1d(theta).tolist()
    text = listed(values, 8, "{:.6g}".format)
    return text if np.ndim(theta) == 0 else f"[{text}]"
