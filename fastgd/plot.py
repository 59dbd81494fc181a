"""Pictures of gradient descent, for teaching: each function returns the matplotlib Axes that it has drawn on."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import validation
from fastgd.descent import History
from fastgd.exceptions import ConvergenceWarning
from fastgd.fitting import fit
from fastgd.moments import Moments
from fastgd.result import FitResult

__all__ = ["cost_curve", "cost_surface", "fit_line", "learning_rates", "path_1d"]

# Told apart in grey by their dashes, and by colours that differ in lightness.
_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_DARK, _MIDDLE, _LIGHT = "#1a1a2e", "#3366aa", "#9a9a9a"
_ACCENT = "#c8451b"

_MAX_POINTS = 10_000
_MAX_RESIDUALS = 50
_MAX_ARROWS = 30
_MAX_MARKERS = 200


def cost_curve(history: History, *, ax: Any = None) -> Any:
    """Draw the cost over the iterations.

    Parameters
    ----------
    history : History
        What ``fit(..., history=True)`` or ``descend(..., cost=...)`` has kept.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        Where it was drawn. The cost is on a logarithmic scale where it is positive and spans two decades.

    Raises
    ------
    ValueError
        If the history has no costs.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastgd.plot
    >>> history = fastgd.descend(lambda t: 2 * t, 3.0, cost=lambda t: t**2)
    >>> fastgd.plot.cost_curve(history).get_xlabel()
    'iteration'
    """
    iteration, cost = history["iteration"], _costs(history)
    ax = _axes(ax)
    few = len(cost) <= _MAX_MARKERS // 4
    ax.plot(iteration, cost, color=_MIDDLE, marker="o" if few else None, markersize=4)
    _scale_costs(ax, [cost])
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
        Where it was drawn.

    Raises
    ------
    ValueError
        If the descent has more than one parameter, or left the finite numbers.
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
    theta = np.append(history["theta"], history.theta)
    if np.size(history.theta) != 1:
        raise ValueError(
            f"The history has {np.size(history.theta)} parameters, but one is expected. "
            "Use cost_surface for two, and cost_curve for any number."
        )
    if not np.isfinite(theta).all():
        raise ValueError("The descent left the finite numbers. Draw fewer iterations, or a smaller learning rate.")
    values = np.array([float(function(float(t))) for t in theta])
    low, high = theta.min(), theta.max()
    margin = 0.15 * (high - low) or max(1.0, 0.1 * abs(low))
    # As much on the other side of the end as on that of the start, so that a valley is seen as one.
    reach = max(abs(theta[0] - theta[-1]), margin)
    grid = np.linspace(min(low, theta[-1] - 0.5 * reach) - margin, max(high, theta[-1] + 0.5 * reach) + margin, 400)
    ax = _axes(ax)
    ax.plot(grid, [float(function(float(t))) for t in grid], color=_LIGHT, zorder=1)
    ax.plot(theta, values, color=_MIDDLE, marker="o", markersize=4, linewidth=1, zorder=2)
    for i in range(min(len(theta) - 1, _MAX_ARROWS)):
        _arrow(ax, (theta[i], values[i]), (theta[i + 1], values[i + 1]))
    _ends(ax, (theta[0], values[0]), (theta[-1], values[-1]))
    ax.set_xlabel(r"$\theta$")
    ax.set_ylabel(r"$J(\theta)$")
    return ax


def cost_surface(
    X: ArrayLike | Moments,
    y: ArrayLike | None = None,
    history: History | None = None,
    *,
    parameters: tuple[int, int] = (0, 1),
    intercept: bool = True,
    loss: str = "mse",
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    ax: Any = None,
) -> Any:
    r"""Draw the contours of the cost over two parameters, and the path of a descent over them.

    The cost is exact, and from moments: however many rows there are, the picture takes one pass over them. All other
    parameters are those of the minimum.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples,), real, data frame or sparse matrix, or Moments
        The features. Moments stand for features, target and weights.
    y : array_like of shape (n_samples,), real
        The target.
    history : History, optional
        The descent, of ``fit(..., history=True)`` with the same options.
    parameters : tuple of (int, int), default (0, 1)
        Which two, by their places in theta.
    intercept : bool, default True
        Whether theta begins with an intercept.
    loss : {"mse", "half_mse", "sse"}, default "mse"
        The loss.
    sample_weight : array_like of shape (n_samples,), real, optional
        The sample weights.
    l2 : float, default 0.0
        The penalty.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        Where it was drawn.

    Raises
    ------
    TypeError, ValueError
        If the data cannot be fitted, or there are no such parameters.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastgd.plot
    >>> X, y = [1.0, 2.0, 3.0], [2.0, 4.0, 5.0]
    >>> history = fastgd.fit(X, y, method="gd", learning_rate=0.1, history=True).history
    >>> fastgd.plot.cost_surface(X, y, history).get_ylabel()
    '$\\theta_1$'
    """
    moments = X if isinstance(X, Moments) else Moments.from_rows(X, y, sample_weight)  # type: ignore[arg-type]
    n_parameters = moments.n_features + intercept
    a, b = _two_of(parameters, n_parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # columns may depend on each other: any minimum will do
        minimum = fit(moments, intercept=intercept, loss=loss, l2=l2).theta
    lowest = moments.cost(minimum, intercept=intercept, loss=loss, l2=l2)
    # J(minimum + d) = J(minimum) + d.H d / 2, and a gradient at minimum + e_j is H e_j.
    unit = np.eye(n_parameters)
    base = moments.gradient(minimum, intercept=intercept, loss=loss, l2=l2)
    columns = [moments.gradient(minimum + unit[j], intercept=intercept, loss=loss, l2=l2) - base for j in (a, b)]
    (h_aa, h_ab), h_bb = columns[0][[a, b]], columns[1][b]

    centre = minimum[[a, b]]
    path = None if history is None else _path(history, (a, b), n_parameters)
    reach = _reach(centre, path, (h_aa, h_bb))
    grid_a, grid_b = (np.linspace(c - r, c + r, 201) for c, r in zip(centre, reach, strict=True))
    da, db = np.meshgrid(grid_a - centre[0], grid_b - centre[1])
    cost = lowest + 0.5 * (h_aa * da**2 + 2 * h_ab * da * db + h_bb * db**2)

    ax = _axes(ax)
    # Equal steps in distance from the minimum, as a bowl is quadratic: rings that lie evenly.
    levels = np.unique(lowest + (cost.max() - lowest) * np.linspace(0, 1, 16)[1:] ** 2)
    ax.contour(grid_a, grid_b, cost, levels=levels, cmap="Greys_r", linewidths=0.8)
    ax.plot(*centre, marker="+", color=_ACCENT, markersize=12, markeredgewidth=2, linestyle="none", label="minimum")
    if path is not None:
        few = len(path) <= _MAX_MARKERS
        ax.plot(*path.T, color=_MIDDLE, marker="o" if few else None, markersize=3, linewidth=1.2, label="descent")
    ax.legend(loc="best", frameon=False)
    ax.set_xlabel(rf"$\theta_{{{a}}}$" if a > 9 else rf"$\theta_{a}$")
    ax.set_ylabel(rf"$\theta_{{{b}}}$" if b > 9 else rf"$\theta_{b}$")
    ax.set_xlim(grid_a[0], grid_a[-1])
    ax.set_ylim(grid_b[0], grid_b[-1])
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
        As of `fastgd.fit`; X may be Moments, and y None.
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
    moments = X if isinstance(X, Moments) else Moments.from_rows(X, y, sample_weight)  # type: ignore[arg-type]
    options: dict[str, Any] = {
        "intercept": intercept,
        "loss": loss,
        "l2": l2,
        "standardize": standardize,
        "method": "gd",
    }
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # that some of them diverge is what is shown
        descents = [fit(moments, learning_rate=r, max_iter=n_iter, tol=0, history=True, **options) for r in rates]
    limit = _stable_limit(moments, **options)
    ax = _axes(ax)
    curves = []
    for i, (rate, descent) in enumerate(zip(rates, descents, strict=True)):
        assert descent.history is not None
        cost = np.append(_costs(descent.history), descent.cost)
        curves.append(cost)
        label = f"{rate:.4g}" + (", diverges" if rate > limit else "")
        shade = _DARK if i % 2 else _MIDDLE
        ax.plot(np.arange(len(cost)), cost, label=label, linestyle=_STYLES[i % len(_STYLES)], color=shade)
    stable = [curve for curve, rate in zip(curves, rates, strict=True) if rate <= limit]
    _scale_costs(ax, stable or curves)
    if stable:
        _show_between(ax, min(curve.min() for curve in stable), curves[0].item(0))
    ax.legend(title=f"learning rate\n(stable below {limit:.4g})", frameon=False)
    ax.set_xlabel("iteration")
    ax.set_ylabel("cost")
    return ax


def fit_line(X: ArrayLike, y: ArrayLike, result: FitResult, *, ax: Any = None) -> Any:
    """Draw the rows of one feature, and the line that was fitted to them.

    Parameters
    ----------
    X : array_like of shape (n_samples,) or (n_samples, 1), real, or data frame
        The feature.
    y : array_like of shape (n_samples,), real
        The target.
    result : FitResult
        The fit.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        Where it was drawn: with residuals where there are few rows, and with some 10,000 of them where there are more.

    Raises
    ------
    TypeError, ValueError
        If X has more than one feature, or does not go with y.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastgd.plot
    >>> X, y = [1.0, 2.0, 3.0], [2.0, 4.0, 5.0]
    >>> ax = fastgd.plot.fit_line(X, y, fastgd.fit(X, y))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['3 rows', '0.6667 + 1.5 x']
    """
    if len(result.coef) != 1:
        raise ValueError(
            f"The fit has {len(result.coef)} features, but a line has one. Use cost_curve or cost_surface instead."
        )
    data = validation.training_set(X, y)
    n_samples = len(data.y)
    step = -(-n_samples // _MAX_POINTS)
    values: Any = data.X
    x = np.asarray(values[::step], dtype=float).reshape(-1)
    target = data.y[::step].astype(float)
    ax = _axes(ax)
    shown = f"{n_samples:,} rows" + (f", every {step:,}th shown" if step > 1 else "")
    ax.plot(x, target, ".", color=_LIGHT if n_samples > _MAX_RESIDUALS else _DARK, markersize=3 if step > 1 else 6,
            label=shown, rasterized=step > 1)  # fmt: skip
    slope, ends = result.coef.item(0), np.array([x.min(), x.max()])
    if n_samples <= _MAX_RESIDUALS:
        ax.vlines(x, target, result.intercept + slope * x, color=_LIGHT, linewidth=1, zorder=0)
    line = f"{slope:.4g} x"
    if len(result.theta) == 2:
        line = f"{result.intercept:.4g} {'-' if slope < 0 else '+'} {abs(slope):.4g} x"
    ax.plot(ends, result.intercept + slope * ends, color=_ACCENT, label=line)
    ax.legend(frameon=False)
    ax.set_xlabel(result.feature_names[0] if result.feature_names else "x")
    ax.set_ylabel("y")
    return ax


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("fastgd.plot needs matplotlib. Install it with: pip install 'fastgd[plot]'") from None
    return pyplot.subplots(layout="constrained")[1]


def _costs(history: History) -> NDArray[np.float64]:
    try:
        return history["cost"]
    except KeyError:
        raise ValueError(
            "The history has no cost. Give descend the function itself, too: descend(gradient, theta0, cost=function)."
        ) from None


def _scale_costs(ax: Any, curves: list[NDArray[np.float64]]) -> None:
    costs = np.concatenate(curves)
    costs = costs[np.isfinite(costs)]
    if costs.size and costs.min() > 0 and costs.max() > 100 * costs.min():
        ax.set_yscale("log")


def _show_between(ax: Any, lowest: float, start: float) -> None:
    """Leave out what lies far above the start."""
    if ax.get_yscale() == "log":
        ax.set_ylim(lowest / 2, 5 * start)
    elif start > lowest:
        ax.set_ylim(lowest - 0.05 * (start - lowest), start + 0.5 * (start - lowest))


def _arrow(ax: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "->", "color": _MIDDLE, "shrinkA": 3, "shrinkB": 3}
    ax.annotate("", end, start, arrowprops=style, zorder=2)


def _ends(ax: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.plot(*start, "s", color=_DARK, markersize=8, label="start", zorder=3)
    ax.plot(*end, "*", color=_ACCENT, markersize=12, label="end", zorder=3)
    ax.legend(frameon=False)


def _two_of(parameters: tuple[int, int], n_parameters: int) -> tuple[int, int]:
    places = tuple(parameters)
    if len(places) != 2 or places[0] == places[1] or not all(0 <= place < n_parameters for place in places):
        raise ValueError(
            f"parameters={parameters!r} was given, but two different places in theta are expected, "
            f"which has {n_parameters}. Give a pair of numbers from 0 to {n_parameters - 1}."
        )
    return places


def _path(history: History, places: tuple[int, int], n_parameters: int) -> NDArray[np.float64]:
    if np.size(history.theta) != n_parameters:
        raise ValueError(
            f"The history has {np.size(history.theta)} parameters, but theta has {n_parameters}. "
            "Give the options of the fit, intercept among them."
        )
    thetas = np.vstack((history["theta"], history.theta))[:, list(places)]
    finite: NDArray[np.float64] = thetas[np.isfinite(thetas).all(axis=1)]
    return finite


def _reach(
    centre: NDArray[np.float64], path: NDArray[np.float64] | None, curvatures: tuple[float, float]
) -> NDArray[np.float64]:
    """Return how far to draw from the minimum: to the path's start, or where the bowl is as high in both directions."""
    round_bowl: NDArray[np.float64] = 1.0 / np.sqrt(np.maximum(curvatures, 1e-300))
    if path is None or not len(path):
        return round_bowl * max(1.0, float(np.max(abs(centre) / round_bowl)))
    reach = 1.15 * abs(path - centre).max(axis=0)
    # A path straight along an axis leaves the other without a width.
    width: NDArray[np.float64] = np.maximum(reach, 0.2 * round_bowl * float(np.max(reach / round_bowl)))
    return width


def _stable_limit(
    moments: Moments, *, intercept: bool, loss: str, l2: float, standardize: bool, **_options: Any
) -> float:
    """Return 2 / lambda_max of the Hessian that the descent sees."""
    mean, scatter, total = moments.mean[:-1], moments.scatter[:-1, :-1], moments.total_weight
    if standardize:
        std = np.sqrt(np.diagonal(scatter) / total)
        unit = np.where(std > 0, std, 1.0)
        scatter = scatter / unit / unit[:, np.newaxis]
        mean = np.zeros_like(mean) if intercept else mean / unit
    if intercept:
        mean, scatter = np.append(1.0, mean), np.pad(scatter, (1, 0))
    hessian = validation.loss_scale(loss, total) * (scatter + total * np.outer(mean, mean))
    hessian += np.diag([0.0] * intercept + [2.0 * l2] * moments.n_features)
    return 2.0 / float(np.linalg.eigvalsh(hessian)[-1])
