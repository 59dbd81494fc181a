"""What all pictures share: where they are drawn, in which lines and colours, and how costs are scaled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.history import History

# Told apart in grey by their dashes, and by colours that differ in lightness.
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
DARK, MIDDLE, LIGHT = "#1a1a2e", "#3366aa", "#9a9a9a"
ACCENT = "#c8451b"

# Points of a line have marks only where these can be told apart.
MAX_MARKERS = 200

# Margins and ticks of matplotlib lie beyond what is drawn, and have to be float64, too: linear ones by little, logarithmic ones
# by an eighth of the decades or more.
LARGEST = 1e300
_LARGEST_WITH_TICKS = 1e200
_STEPS = (1, 2, 5, 10, 20, 50, 100)  # of exponents


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


def within(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out what is too large to be drawn.

    Parameters
    ----------
    values : ndarray, float64
        What is to be drawn.

    Returns
    -------
    ndarray, float64
        The same, with NaN for what is beyond `LARGEST` in size.
    """
    return np.where(abs(values) <= LARGEST, values, np.nan)


def scale_costs(ax: Any, curves: list[NDArray[np.float64]]) -> None:
    """Make the scale of the costs logarithmic if they are positive and span two decades, and bound it if they are huge.

    Parameters
    ----------
    ax : matplotlib Axes
        Where they were drawn.
    curves : list of ndarray, float64
        The costs.
    """
    costs = np.concatenate(curves)
    costs = costs[np.isfinite(costs)]
    if not costs.size:
        return
    low, high = costs.min(), costs.max()
    with np.errstate(over="ignore"):  # of the margins that matplotlib would take
        if low > 0 and high > _LARGEST_WITH_TICKS:
            _log_by_hand(ax, np.log10(low), np.log10(high))
        elif low > 0 and high > 100 * low:
            ax.set_yscale("log")
        elif max(-low, high) > LARGEST:
            ax.set_ylim(max(low, -LARGEST), min(max(high, 0.0), LARGEST))


def _log_by_hand(ax: Any, low: float, high: float) -> None:
    """Make a scale logarithmic between two exponents, with ticks that do not lie beyond."""
    margin = max(0.5, 0.05 * (high - low))
    low, high = max(low - margin, -307.0), min(high + margin, 308.25)
    ax.set_yscale("log")
    ax.set_ylim(10.0**low, 10.0**high)
    step = next(step for step in _STEPS if len(_STEPS) * step >= high - low)
    ax.set_yticks(10.0 ** np.arange(step * np.ceil(low / step), high, step))
    ax.minorticks_off()
