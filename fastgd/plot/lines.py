"""Rows of one feature, and the line that was fitted to them."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.fitting.result import FitResult
from fastgd.formatting import counted
from fastgd.inputs import validation
from fastgd.inputs.frames import are_numbers
from fastgd.plot.axes import ACCENT, DARK, LIGHT, axes_of, within

_MAX_POINTS = 10_000
_MAX_RESIDUALS = 50


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
    (values, target, _), *_ = validation.training_set(X, y, wanted=result.feature_names)
    n_samples = len(target)
    step = -(-n_samples // _MAX_POINTS)
    x = np.asarray(values[::step], dtype=float).reshape(-1)
    target = target[::step].astype(float)
    ax = axes_of(ax)
    shown = counted(n_samples, "row", ",") + (f", every {step:,}th shown" if step > 1 else "")
    ax.plot(x, target, ".", color=LIGHT if n_samples > _MAX_RESIDUALS else DARK, markersize=3 if step > 1 else 6,
            label=shown, rasterized=step > 1)  # fmt: skip
    slope, ends = result.coef.item(0), np.array([x.min(), x.max()])

    def on_line(x: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(over="ignore", invalid="ignore"):  # for a descent that diverged
            return within(result.intercept + slope * x)

    if n_samples <= _MAX_RESIDUALS:
        ax.vlines(x, target, on_line(x), color=LIGHT, linewidth=1, zorder=0)
    line = f"{slope:.4g} x"
    if len(result.theta) == 2:
        line = f"{result.intercept:.4g} {'-' if slope < 0 else '+'} {abs(slope):.4g} x"
    ax.plot(ends, on_line(ends), color=ACCENT, label=line)
    ax.legend(frameon=False)
    names = result.feature_names
    ax.set_xlabel("x" if names is None or are_numbers(names) else names[0])
    ax.set_ylabel("y")
    return ax
