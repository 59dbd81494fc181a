"""Cross-validation: the penalty, and the features, whose fits cost least on rows that they have not seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.fitting.blas import one_blas_thread
from fastgd.fitting.data import Data
from fastgd.fitting.fold_search import Search, subsets_of
from fastgd.fitting.options import Options
from fastgd.fitting.result import FitResult
from fastgd.formatting import counted, listed, table
from fastgd.inputs.source import Source
from fastgd.inputs.splits import read_folds
from fastgd.inputs.training_set import open_training_set
from fastgd.moments import Moments
from fastgd.rows.folds import Folds
from fastgd.solvers.quadratic import Vector

_MAX_PRINTED = 12


@dataclass(frozen=True, repr=False, eq=False)
class CrossValidation:
    """The costs of held-out folds for each penalty, the penalty with the least, and the fit with it.

    Attributes
    ----------
    l2 : ndarray of shape (n_penalties,), float64
        The penalties.
    costs : ndarray of shape (n_penalties, n_folds) or (n_subsets, n_penalties, n_folds), float64
        The cost, without the penalty, of each fold under the hypothesis that was fitted to all others; with `features`, for
        each subset of these.
    features : list of list, or None
        The subsets of features, if they were given.
    best_l2 : float
        The penalty of the least mean cost.
    best_features : list or None
        The subset of the least mean cost, if subsets were given.
    fit : FitResult
        The fit of all rows, of these features with this penalty.

    Examples
    --------
    >>> import fastgd
    >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [1.0, 3.2, 4.9, 7.1, 8.8, 11.2]
    >>> fastgd.cross_validate(X, y, l2=[0.0, 0.01, 1.0], folds=3).costs.shape
    (3, 3)
    """

    l2: NDArray[np.float64]
    costs: NDArray[np.float64]
    features: list[list[Any]] | None
    best_l2: float
    best_features: list[Any] | None
    fit: FitResult

    def __post_init__(self) -> None:
        """Make the arrays read-only, as the best penalty follows from them."""
        for array in (self.l2, self.costs):
            array.flags.writeable = False

    @property
    def mean_cost(self) -> NDArray[np.float64]:
        """The mean of the costs over the folds, shape (n_penalties,) or (n_subsets, n_penalties)."""
        return np.asarray(self.costs.mean(axis=-1))

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """The standard error of `mean_cost`: the standard deviation (ddof 1) of the costs by the root of their number."""
        return np.asarray(self.costs.std(axis=-1, ddof=1) / np.sqrt(self.costs.shape[-1]))

    def __repr__(self) -> str:
        """Return the costs near the best one, and the fit."""
        costs = self.mean_cost.reshape(-1, len(self.l2))
        subset, best = np.unravel_index(costs.argmin(), costs.shape)
        tried = "1 penalty" if len(self.l2) == 1 else f"{len(self.l2)} penalties"
        if self.features is not None:
            tried = f"{counted(len(costs), 'subset')} of features and {tried}"
        error = self.standard_error.reshape(costs.shape)
        step = -(-len(self.l2) // _MAX_PRINTED)
        shown = np.arange(best % step, len(self.l2), step)
        rows = [
            [f"{self.l2[i]:.4g}", f"{costs[subset, i]:.6g}", f"{error[subset, i]:.2g}", "<- least" if i == best else ""]
            for i in shown
        ]
        of_features = "" if self.best_features is None else f", features {listed(self.best_features)}"
        return (
            f"Cross-validation of {tried} on {self.costs.shape[-1]} folds: the mean cost is least with "
            f"l2={self.best_l2:.6g}{of_features}.\n{table(['l2', 'cost', '+-', ''], rows)}\n{self.fit!r}"
        )


def cross_validate(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    *,
    l2: ArrayLike | str = "auto",
    folds: Any = 5,
    groups: ArrayLike | None = None,
    features: Sequence[Sequence[Any]] | None = None,
    intercept: bool = True,
    loss: str = "mse",
    standardize: bool = False,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> CrossValidation:
    """Find the penalty whose fits cost least on rows that they have not seen, from one pass over the rows.

    The pass takes the moments of each fold. Those of all other folds, added, are a training set; one eigendecomposition of
    these gives the minimum for every penalty, and the moments of the fold its cost. Costs are those of a `fit` to each training
    set. Where moments lack the digits for that (columns that depend on each other, or nearly; residuals far smaller than y),
    a second pass decomposes the rows of each fold by QR, if they can be read again.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples,), real, data frame, sparse matrix, or source
        The features, finite; whatever `fit` takes, except for moments.
    y : array_like of shape (n_samples,), real
        The target, finite; left out where X holds it.
    l2 : array_like of shape (n_penalties,), or "auto", default "auto"
        The penalties, >= 0, in any order. ``"auto"`` tries 100, from a ten-thousandth of the curvature that the feature with
        the smallest spread has to a thousand times that of the largest.
    folds : int, splitter, or iterable of (training rows, test rows), default 5
        How many folds, >= 2: row i, counted from 0 as rows come, is in fold i modulo `folds`, wherever the rows are. Or, for
        rows in arrays, a splitter of scikit-learn, or what its ``split`` returns; each training set must be all rows but those
        of the fold, and no row may be held out twice.
    groups : array_like of shape (n_samples,), optional
        The group of each row, in an array: rows of a group are held out together. The largest group comes first, and each is
        put into the fold that has the fewest rows so far. A splitter is given the groups.
    features : sequence of sequences, optional
        Subsets of features to choose from, each given by labels, where X has any, or by numbers from 0.
    intercept : bool, default True
        Whether the hypothesis has an intercept.
    loss : {"mse", "half_mse", "sse"}, default "mse"
        The loss, of the fits and of the rows held out.
    standardize : bool, default False
        Whether the penalty applies to standardised features: each training set has means and deviations of its own.
    sample_weight : array_like of shape (n_samples,), real, optional
        How much each row counts, in fits and in costs; finite, >= 0, some of it in each fold. 1 each by default.
    n_threads : int, optional
        How many threads a pass takes, >= 1; see `get_num_threads`. The result does not depend on it, to the bit.

    Returns
    -------
    CrossValidation
        The costs, the best penalty, and the fit of all rows with it. The fit is that of their moments, so it is not
        `verified`; where the second pass was needed, it is one of the rows.

    Raises
    ------
    TypeError, ValueError
        As for `fit`; and if penalties, folds, groups or features are not what is expected, or a fold has no weight.

    Examples
    --------
    >>> import fastgd
    >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [1.0, 3.2, 4.9, 7.1, 8.8, 11.2]
    >>> result = fastgd.cross_validate(X, y, l2=[0.0, 0.01, 1.0], folds=3)
    >>> result.best_l2, result.mean_cost.round(4)
    (0.0, array([0.0466, 0.0481, 1.2537]))
    """
    options = Options(intercept=intercept, loss=loss, standardize=standardize)
    penalties = None if isinstance(l2, str) and l2 == "auto" else arguments.penalties(l2)
    if isinstance(X, Moments):
        raise TypeError("X is Moments, which do not know of folds. Give the rows.")
    training = open_training_set(X, y, sample_weight, n_threads)
    return cross_validate_data(Data(training), read_folds(folds, groups, X, y, training), options, penalties, features)


def cross_validate_data(
    data: Data,
    folds: Folds,
    options: Options,
    penalties: Vector | None,
    features: Sequence[Sequence[Any]] | None = None,
) -> CrossValidation:
    """Cross-validate open data, as `cross_validate` does; without penalties, those of ``"auto"``."""
    with one_blas_thread(), np.errstate(all="ignore"):
        search = Search(data, folds, options, penalties)
        names, n_features = data.given.feature_names, data.n_features
        subsets = [np.arange(n_features)] if features is None else subsets_of(features, n_features, names)
        costs = np.array([search.costs(subset) for subset in subsets])
        means = costs.mean(axis=-1)
        best, at = (int(i) for i in np.unravel_index(means.argmin(), means.shape))
    best_l2 = search.hypotheses.l2.item(at)
    return CrossValidation(
        l2=search.hypotheses.l2,
        costs=costs[0] if features is None else costs,
        features=None if features is None else [list(each) for each in features],
        best_l2=best_l2,
        best_features=None if features is None else list(features[best]),
        fit=search.fit(subsets[best], replace(options, l2=best_l2)),
    )
