"""The cost of held-out folds over the penalty."""

from typing import Any

import numpy as np

from fastgd.fitting.cross_validation import CrossValidation
from fastgd.formatting import listed, shortened
from fastgd.plot.axes import ACCENT, DARK, LIGHT, MIDDLE, STYLES, axes_of, scale_costs, within

_MAX_FOLDS = 20
_MAX_SUBSETS = len(STYLES)


def penalty_curve(result: CrossValidation, *, ax: Any = None) -> Any:
    """Draw the cost of held-out folds over the penalty: the mean, its standard error, and each fold where these are few.

    Of subsets of features, the means of the best ones are drawn, six at most, and the standard error of the best.

    Parameters
    ----------
    result : CrossValidation
        What `cross_validate` returns, or ``GDRegressorCV.cross_validation_``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        Where it was drawn. The penalty is on a logarithmic scale, to the left of which a penalty of 0 stands.

    Raises
    ------
    TypeError
        If it is not the result of a cross-validation.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastgd.plot
    >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [1.0, 3.2, 4.9, 7.1, 8.8, 11.2]
    >>> ax = fastgd.plot.penalty_curve(fastgd.cross_validate(X, y, folds=3))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('l2', 'cost of held-out folds')
    """
    if not isinstance(result, CrossValidation):
        raise TypeError(
            f"result is a {type(result).__name__}, but a CrossValidation is expected. Give what cross_validate returns."
        )
    order = np.argsort(result.l2, kind="stable")
    l2, costs = result.l2[order], result.costs.reshape(-1, *result.costs.shape[-2:])[:, order]
    means, errors = (each.reshape(len(costs), -1)[:, order] for each in (result.mean_cost, result.standard_error))
    ranked = np.argsort(means.min(axis=1), kind="stable")[:_MAX_SUBSETS]
    best = ranked[0]
    ax = axes_of(ax)
    if result.features is None and costs.shape[2] <= _MAX_FOLDS:
        for i, fold in enumerate(costs[best].T):
            ax.plot(l2, within(fold), color=LIGHT, linewidth=0.8, label=None if i else "each fold")
    low, high = within(means[best] - errors[best]), within(means[best] + errors[best])
    ax.fill_between(l2, low, high, color=MIDDLE, alpha=0.2, linewidth=0, label="standard error")
    for subset, style in zip(ranked, STYLES, strict=False):
        ax.plot(
            l2,
            within(means[subset]),
            linestyle=style,
            color=MIDDLE if subset == best else DARK,
            label=_name(result, subset),
        )
    ax.axvline(result.best_l2, color=ACCENT, linestyle="--", linewidth=1, label=f"least: l2 = {result.best_l2:.4g}")
    positive = l2[l2 > 0]
    if len(positive) == len(l2):
        ax.set_xscale("log")
    elif len(positive):
        ax.set_xscale("symlog", linthresh=positive.min(), linscale=0.5)
        ax.set_xlim(left=-0.2 * positive.min())
    scale_costs(ax, [means[ranked].ravel(), low])
    ax.set_xlabel("l2")
    ax.set_ylabel("cost of held-out folds")
    ax.legend(frameon=False)
    return ax


def _name(result: CrossValidation, subset: int) -> str:
    """Return the label of a line: the features, or how many there are and the first of them."""
    if result.features is None:
        return "mean"
    features = result.features[subset]
    listing = shortened(listed(features, most=3, show=str))
    return listing if len(features) <= 3 else f"{len(features)}: {listing}"
