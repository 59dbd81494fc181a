"""Descents over their iterations, and on a function of one number."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.descent.history import History
from fastgd.exceptions import ConvergenceWarning, ignored
from fastgd.fitting.fit import fit
from fastgd.moments import Moments
from fastgd.plot.axes import (
    ACCENT,
    DARK,
    LIGHT,
    MAX_MARKERS,
    MIDDLE,
    STYLES,
    axes_of,
    checked,
    costs_of,
    scale_costs,
    within,
)

_MAX_ARROWS = 30


def cost_curve(history: History, *, ax: Any = None) -> Any:
    """Draw the cost over the iterations.

    Parameters
    ----------
    history : History
        What ``fit(..., history=True)`` or ``descend(..., cost=...)`` returns as history.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        Where it was drawn. The cost is on a logarithmic scale where it is positive and spans two decades.

    Raises
    ------
    TypeError
        If it is no history.
    ValueError
        If it has no costs.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastgd.plot
    >>> history = fastgd.descend(lambda t: 2 * t, 3.0, cost=lambda t: t**2)
    >>> fastgd.plot.cost_curve(history).get_xlabel()
    'iteration'
    """
    cost = costs_of(history)
    iteration = history["iteration"]
    ax = axes_of(ax)
    few = len(cost) <= MAX_MARKERS // 4
    ax.plot(iteration, cost, color=MIDDLE, marker="o" if few else None, markersize=4)
    scale_costs(ax, [cost])
    ax.set_xlabel("iteration")
    ax.set_ylabel("cost")
    return ax


def path_1d(function: Callable[[float], float], history: History, *, ax: Any = None) -> Any:
    """Draw a function of one number, and the steps of a descent on it.

    Parameters
    ----------
    function : callable
        The function that the descent went down, of a float.
    history : History
        A descent in one parameter.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        Where it was drawn: all steps, or those before a number, or the function of it, is larger than 1e300.

    Raises
    ------
    TypeError
        If it is no history.
    ValueError
        If the descent has more than one parameter, or not even its first step can be drawn.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastgd.plot
    >>> history = fastgd.descend(lambda t: 2 * t, 3.0)
    >>> ax = fastgd.plot.path_1d(lambda t: t**2, history)
    >>> len(ax.lines[1].get_xdata())
    11
    """
    if np.size(checked(history).theta) != 1:
        raise ValueError(
            f"The history has {np.size(history.theta)} parameters, but one is expected. "
            "Use cost_surface for two, and cost_curve for any number."
        )
    theta = history.path().ravel()
    values = _values(function, theta)
    # A descent that diverges is drawn as far as it can be.
    far = ~np.isfinite(within(theta) + within(values))
    n_drawn = int(far.argmax()) if far.any() else len(theta)
    if n_drawn < min(2, len(theta)):
        raise ValueError(
            "The descent left the numbers that can be drawn, up to 1e300, at its first step or before it. Take a smaller "
            "learning rate, or another start."
        )
    last = "end" if n_drawn == len(theta) else "last that can be drawn"
    theta, values = theta[:n_drawn], values[:n_drawn]
    low, high = theta.min(), theta.max()
    margin = 0.15 * (high - low) or max(1.0, 0.1 * abs(low))
    # As far beyond the end as the start lies before it, so that a valley looks like one.
    reach = max(abs(theta[0] - theta[-1]), margin)
    grid = np.linspace(min(low, theta[-1] - 0.5 * reach) - margin, max(high, theta[-1] + 0.5 * reach) + margin, 400)
    ax = axes_of(ax)
    ax.plot(grid, within(_values(function, grid)), color=LIGHT, zorder=1)
    ax.plot(theta, values, color=MIDDLE, marker="o", markersize=4, linewidth=1, zorder=2)
    arrow = {"arrowstyle": "->", "color": MIDDLE, "shrinkA": 3, "shrinkB": 3}
    drawn = slice(_MAX_ARROWS + 1)
    for start, end in pairwise(zip(theta[drawn], values[drawn], strict=True)):
        ax.annotate("", end, start, arrowprops=arrow, zorder=2)
    ax.plot(theta[0], values[0], "s", color=DARK, markersize=8, label="start", zorder=3)
    ax.plot(theta[-1], values[-1], "*", color=ACCENT, markersize=12, label=last, zorder=3)
    ax.legend(frameon=False)
    ax.set_xlabel(r"$\theta$")
    ax.set_ylabel(r"$J(\theta)$")
    return ax


def learning_rates(
    X: ArrayLike | Moments,
    y: ArrayLike | None,
    rates: Sequence[float],
    *,
    n_iter: int = 50,
    intercept: bool = True,
    loss: str = "mse",
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    standardize: bool = False,
    ax: Any = None,
) -> Any:
    """Draw the cost over the iterations for several learning rates, with the stable limit in the legend.

    Parameters
    ----------
    X, y, intercept, loss, sample_weight, l2, standardize
        See `fastgd.fit`; X may be Moments, and y None.
    rates : sequence of float
        The learning rates, > 0.
    n_iter : int, default 50
        How many iterations.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        Where it was drawn. Descents that diverge leave it at the top.

    Raises
    ------
    TypeError, ValueError
        If the data cannot be fitted, or an option is out of its range.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastgd.plot
    >>> ax = fastgd.plot.learning_rates([1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [0.01, 0.1, 0.2])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['0.01', '0.1', '0.2, diverges']
    """
    if not len(rates):
        raise ValueError("rates is empty, but at least one learning rate is expected. Give [0.01, 0.1], for example.")
    moments = X if isinstance(X, Moments) else Moments.from_rows(X, y, sample_weight)
    model: dict[str, Any] = {"intercept": intercept, "loss": loss, "l2": l2, "standardize": standardize}
    run: dict[str, Any] = {"method": "gd", "max_iter": n_iter, "tol": 0, "history": True}
    with ignored(ConvergenceWarning), np.errstate(all="ignore"):  # the picture shows which of them diverge
        descents = [fit(moments, learning_rate=rate, **run, **model) for rate in rates]
    curves = [np.append(costs_of(descent.history), descent.cost) for descent in descents]
    limit = _stable_limit(moments, **model)
    ax = axes_of(ax)
    for i, (rate, cost) in enumerate(zip(rates, curves, strict=True)):
        label = f"{rate:.4g}" + (", diverges" if rate > limit else "")
        shade = DARK if i % 2 else MIDDLE
        ax.plot(np.arange(len(cost)), cost, label=label, linestyle=STYLES[i % len(STYLES)], color=shade)
    stable = [curve for curve, rate in zip(curves, rates, strict=True) if rate <= limit]
    scale_costs(ax, stable or curves)
    if stable:
        _show_between(ax, min(curve.min() for curve in stable), curves[0].item(0))
    ax.legend(title=f"learning rate\n(stable below {limit:.4g})", frameon=False)
    ax.set_xlabel("iteration")
    ax.set_ylabel("cost")
    return ax


def _values(function: Callable[[float], float], theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a function's values, infinite where Python's float overflows."""

    def value(t: float) -> float:
        try:
            return float(function(t))
        except OverflowError:
            return np.inf

    return np.array([value(t) if np.isfinite(t) else np.nan for t in theta.tolist()])


def _show_between(ax: Any, lowest: float, start: float) -> None:
    """Limit the scale to the costs between the lowest one and little more than that of the start."""
    if ax.get_yscale() == "log":
        ax.set_ylim(lowest / 2, 5 * start)
    elif start > lowest:
        ax.set_ylim(lowest - 0.05 * (start - lowest), start + 0.5 * (start - lowest))


def _stable_limit(moments: Moments, *, intercept: bool, loss: str, l2: float, standardize: bool) -> float:
    """Return 2 / lambda_max of the Hessian in the units of the descent."""
    mean, scatter, total = moments.mean[:-1], moments.scatter[:-1, :-1], moments.total_weight
    if standardize:
        std = np.sqrt(np.diagonal(scatter) / total)
        unit = np.where(std > 0, std, 1.0)
        scatter = scatter / unit / unit[:, np.newaxis]
        mean = np.zeros_like(mean) if intercept else mean / unit
    if intercept:
        mean, scatter = np.append(1.0, mean), np.pad(scatter, (1, 0))
    hessian = arguments.loss_scale(loss, total) * (scatter + total * np.outer(mean, mean))
    hessian += np.diag([0.0] * intercept + [2.0 * l2] * moments.n_features)
    return 2.0 / float(np.linalg.eigvalsh(hessian)[-1])
