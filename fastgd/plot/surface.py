"""The cost over two parameters, and the path of a descent on it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.descent.history import History
from fastgd.exceptions import ConvergenceWarning, RankWarning, ignored
from fastgd.fitting.fit import fit
from fastgd.formatting import counted
from fastgd.moments import Moments
from fastgd.plot.axes import ACCENT, MAX_MARKERS, MIDDLE, axes_of, checked

# A direction without curvature is drawn as if it had this share of the other's; and a path is drawn up to this cost, so that
# the squares of distances in that direction do not exceed float64.
_FLATTEST = 1e-24
_HIGHEST = 1e250


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
        Where it was drawn; of a descent that diverged, what is no farther away than where the cost is 1e250.

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
    moments = X if isinstance(X, Moments) else Moments.from_rows(X, y, sample_weight)
    n_parameters = moments.n_features + intercept
    a, b = _two_of(parameters, n_parameters)
    with ignored(ConvergenceWarning, RankWarning):  # columns may depend on each other: any minimum will do
        minimum = fit(moments, intercept=intercept, loss=loss, l2=l2).theta
    lowest = moments.cost(minimum, intercept=intercept, loss=loss, l2=l2)
    # J(minimum + d) = J(minimum) + d.H d / 2, and a gradient at minimum + e_j is H e_j.
    unit = np.eye(n_parameters)
    base = moments.gradient(minimum, intercept=intercept, loss=loss, l2=l2)
    columns = [moments.gradient(minimum + unit[j], intercept=intercept, loss=loss, l2=l2) - base for j in (a, b)]
    (h_aa, h_ab), h_bb = columns[0][[a, b]], columns[1][b]

    centre = minimum[[a, b]]
    farthest = np.sqrt(_HIGHEST / max(h_aa + h_bb, 1.0))
    path = None if history is None else _path(history, (a, b), n_parameters, centre, farthest)
    reach = _reach(centre, path, (h_aa, h_bb))
    grid_a, grid_b = (np.linspace(c - r, c + r, 201) for c, r in zip(centre, reach, strict=True))
    da, db = np.meshgrid(grid_a - centre[0], grid_b - centre[1])
    cost = lowest + 0.5 * (h_aa * da**2 + 2 * h_ab * da * db + h_bb * db**2)

    ax = axes_of(ax)
    # Levels whose rings are equally far apart, as the bowl is quadratic.
    levels = np.unique(lowest + (cost.max() - lowest) * np.linspace(0, 1, 16)[1:] ** 2)
    ax.contour(grid_a, grid_b, cost, levels=levels, cmap="Greys_r", linewidths=0.8)
    ax.plot(*centre, marker="+", color=ACCENT, markersize=12, markeredgewidth=2, linestyle="none", label="minimum")
    if path is not None:
        few = len(path) <= MAX_MARKERS
        ax.plot(*path.T, color=MIDDLE, marker="o" if few else None, markersize=3, linewidth=1.2, label="descent")
    ax.legend(loc="best", frameon=False)
    ax.set_xlabel(rf"$\theta_{{{a}}}$" if a > 9 else rf"$\theta_{a}$")
    ax.set_ylabel(rf"$\theta_{{{b}}}$" if b > 9 else rf"$\theta_{b}$")
    ax.set_xlim(grid_a[0], grid_a[-1])
    ax.set_ylim(grid_b[0], grid_b[-1])
    return ax


def _two_of(parameters: tuple[int, int], n_parameters: int) -> tuple[int, int]:
    """Check the places of two parameters in theta."""
    places = tuple(parameters)
    if len(places) != 2 or places[0] == places[1] or not all(0 <= place < n_parameters for place in places):
        raise ValueError(
            f"parameters={parameters!r} was given, but two different places in theta are expected, "
            f"which has {n_parameters}. Give a pair of numbers from 0 to {n_parameters - 1}."
        )
    return places


def _path(
    history: History, places: tuple[int, int], n_parameters: int, centre: NDArray[np.float64], farthest: float
) -> NDArray[np.float64]:
    """Return the path of a descent in two parameters, without what is too far from the centre to be drawn."""
    if np.size(checked(history).theta) != n_parameters:
        raise ValueError(
            f"The history has {counted(np.size(history.theta), 'parameter')}, but theta has {n_parameters}. "
            "Give the options of the fit, intercept among them."
        )
    thetas = history.path()[:, list(places)]
    near: NDArray[np.float64] = thetas[(abs(thetas - centre) <= farthest).all(axis=1)]
    return near


def _reach(
    centre: NDArray[np.float64], path: NDArray[np.float64] | None, curvatures: tuple[float, float]
) -> NDArray[np.float64]:
    """Return how far to draw from the minimum: to the path's start, or where the bowl is as high in both directions."""
    round_bowl: NDArray[np.float64] = 1.0 / np.sqrt(np.maximum(curvatures, max(1e-300, _FLATTEST * max(curvatures))))
    if path is None or not len(path):
        return round_bowl * max(1.0, float(np.max(abs(centre) / round_bowl)))
    reach = 1.15 * abs(path - centre).max(axis=0)
    # A path straight along one axis has no extent along the other.
    width: NDArray[np.float64] = np.maximum(reach, 0.2 * round_bowl * float(np.max(reach / round_bowl)))
    return width
