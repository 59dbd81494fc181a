"""What all pictures share: where they are drawn, in which lines and colours, and how costs are scaled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent import History

# Told apart in grey by their dashes, and by colours that differ in lightness.
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
DARK, MIDDLE, LIGHT = "#1a1a2e", "#3366aa", "#9a9a9a"
ACCENT = "#c8451b"

# Points of a line have marks only where these can be told apart.
MAX_MARKERS = 200


def axes_of(ax: Any) -> Any:
    """Return the Axes that were given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes or None
        What was given.

    Returns
    -------
    matplotlib Axes
        Where to draw.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("fastgd.plot needs matplotlib. Install it with: pip install 'fastgd[plot]'") from None
    return pyplot.subplots(layout="constrained")[1]


def checked(history: Any) -> History:
    """Return a history, if it is one.

    Parameters
    ----------
    history : History
        What was given.

    Returns
    -------
    History
        The same.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(history, History):
        return history
    raise TypeError(
        f"history is a {type(history).__name__}, but a History is expected. Give fit(..., history=True).history, or what "
        "descend returns."
    )


def costs_of(history: History) -> NDArray[np.float64]:
    """Return the costs of a history.

    Parameters
    ----------
    history : History
        The history.

    Returns
    -------
    ndarray of shape (n_iter,), float64
        Its costs.

    Raises
    ------
    ValueError
        If it has none.
    """
    try:
        return checked(history)["cost"]
    except KeyError:
        raise ValueError(
            "The history has no cost. Give descend the function itself, too: descend(gradient, theta0, cost=function)."
        ) from None


def scale_costs(ax: Any, curves: list[NDArray[np.float64]]) -> None:
    """Make the scale of the costs logarithmic if they are positive and span two decades.

    Parameters
    ----------
    ax : matplotlib Axes
        Where they were drawn.
    curves : list of ndarray, float64
        The costs.
    """
    costs = np.concatenate(curves)
    costs = costs[np.isfinite(costs)]
    if costs.size and costs.min() > 0 and costs.max() > 100 * costs.min():
        ax.set_yscale("log")
