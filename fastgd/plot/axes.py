"""What all pictures share: the Axes, lines and colours, and the scale of costs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.history import History

# Lines differ in their dashes, and colours in lightness, so that they can be told apart in grey.
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
DARK, MIDDLE, LIGHT = "#1a1a2e", "#3366aa", "#9a9a9a"
ACCENT = "#c8451b"

# Points of a line have marks only where these can be told apart.
MAX_MARKERS = 200

# Matplotlib's margins and ticks lie beyond what is drawn, and must not exceed float64 either: by little on a linear scale, by
# an eighth of the decades or more on a logarithmic one.
LARGEST = 1e300
_LARGEST_WITH_TICKS = 1e200
_STEPS = (1, 2, 5, 10, 20, 50, 100)  # of exponents


def axes_of(ax: Any) -> Any:
    """Return the Axes that were given, or those of a new figure; an ImportError says what to install."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("fastgd.plot needs matplotlib. Install it with: pip install 'fastgd[plot]'") from None
    return pyplot.subplots(layout="constrained")[1]


def checked(history: Any) -> History:
    """Return a history; a TypeError says if it is something else."""
    if isinstance(history, History):
        return history
    raise TypeError(
        f"history is a {type(history).__name__}, but a History is expected. Give fit(..., history=True).history, or what "
        "descend returns."
    )


def costs_of(history: History | None) -> NDArray[np.float64]:
    """Return the costs of a history, shape (n_iter,); a ValueError says if it has none."""
    try:
        return checked(history)["cost"]
    except KeyError:
        raise ValueError(
            "The history has no cost. Give descend the function itself, too: descend(gradient, theta0, cost=function)."
        ) from None


def within(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values with NaN, which is not drawn, for those beyond `LARGEST` in size."""
    return np.where(abs(values) <= LARGEST, values, np.nan)


def scale_costs(ax: Any, curves: list[NDArray[np.float64]]) -> None:
    """Make the scale of the costs logarithmic if they are positive and span two decades, and bound it if they are huge."""
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
    """Make a scale logarithmic between two exponents, with no ticks beyond them."""
    margin = max(0.5, 0.05 * (high - low))
    low, high = max(low - margin, -307.0), min(high + margin, 308.25)
    ax.set_yscale("log")
    ax.set_ylim(10.0**low, 10.0**high)
    step = next(step for step in _STEPS if len(_STEPS) * step >= high - low)
    ax.set_yticks(10.0 ** np.arange(step * np.ceil(low / step), high, step))
    ax.minorticks_off()
