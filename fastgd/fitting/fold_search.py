"""The search of a cross-validation: one pass over the folds, and the costs of every penalty and subset of features."""

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import arguments
from fastgd.fitting.data import Data
from fastgd.fitting.fit import fit_data
from fastgd.fitting.fold_costs import Factors, Hypotheses, costs_by_factors, costs_by_moments, of_others, scales_of
from fastgd.fitting.options import Options
from fastgd.fitting.problem import Inverses, Work, noise_of
from fastgd.fitting.result import FitResult
from fastgd.formatting import listed
from fastgd.inputs import validation
from fastgd.inputs.training_set import TrainingSet
from fastgd.moments import Moments
from fastgd.rows.centred_moments import CentredMoments
from fastgd.rows.factor import merged_factors
from fastgd.rows.folds import Folds, factors_of_folds, moments_of_folds
from fastgd.rows.selected_rows import SelectedRows
from fastgd.solvers.quadratic import Vector

# The penalties of "auto": how many there are, and from which share of the smallest to which multiple of the largest curvature.
_N_PENALTIES, _LEAST, _MOST = 100, 1e-4, 1e3


class Search:
    """The passes of a cross-validation, and the costs of subsets of the features."""

    def __init__(self, data: Data, folds: Folds, options: Options, penalties: Vector | None) -> None:
        assert data.rows is not None
        self._data, self._rows, self._folds = data, data.rows, folds
        self._of_sets = moments_of_folds(data.rows, folds)
        self._factors: Factors | None = None
        self._whole = reduce(CentredMoments.merged, [each for each in self._of_sets if each is not None])
        if not np.isfinite(self._whole.scatter).all():
            data.refuse_non_finite()
            validation.refuse_overflow(self._whole.scatter, data.n_features, data.given.feature_names)
        for i, each in enumerate(self._of_sets[: folds.number]):
            if each is None:
                raise ValueError(
                    f"Fold {i} of {folds.number} (counted from 0) has no row with weight, but at least one is expected. "
                    "Give fewer folds, or other weights."
                )
        self._training = of_others(self._of_sets, folds.number, CentredMoments.merged)
        if penalties is None:
            penalties = _automatic(self._whole, options)
        self.hypotheses = Hypotheses(options.intercept, options.loss, options.standardize, penalties)

    def costs(self, subset: NDArray[np.intp]) -> Vector:
        """Return the costs of a subset of the features, shape (n_penalties, n_folds)."""
        columns = np.append(subset, len(self._whole.mean) - 1)
        costs = np.empty((len(self.hypotheses.l2), self._folds.number))
        for fold in range(self._folds.number):
            held_out, training = _select(self._of_sets[fold], columns), _select(self._training[fold], columns)
            noise = noise_of(self._data, training)
            costs[:, fold], trusted = costs_by_moments(held_out, training, self.hypotheses, noise)
            doubtful = np.flatnonzero(~trusted)
            if len(doubtful) and self._data.rereadable is not None:
                factors = self._all_factors().select(columns, intercept=self.hypotheses.intercept)
                costs[doubtful, fold] = costs_by_factors(fold, factors, (held_out, training), self.hypotheses, doubtful)
        return costs

    def fit(self, subset: NDArray[np.intp], options: Options) -> FitResult:
        """Fit all rows with a subset of the features: by their moments, or by the rows if costs needed these."""
        columns, names = np.append(subset, len(self._whole.mean) - 1), self._data.given.feature_names
        whole, names = _select(self._whole, columns), None if names is None else [names[j] for j in subset]
        if self._factors is None:
            moments = Moments._made(self._rows.n_samples, whole.total_weight, whole.mean, whole.scatter, names)
            return fit_data(Data(moments), options)
        data, factor = self._data, self._factors.select(columns, intercept=options.intercept).whole
        if len(subset) < data.n_features or whole is not self._whole:
            rows: Any = SelectedRows(self._rows, subset)
            data = Data(TrainingSet(rows, names=names))
        # Both passes are made: the moments and the factor, about their means, are those of all sets of rows.
        work = Work(lambda _: whole, lambda _, __: factor, Inverses())
        return fit_data(data, replace(options, method="preconditioned", precompute=True), work)

    def _all_factors(self) -> Factors:
        if self._factors is None:
            centre = self._whole.mean if self.hypotheses.intercept else None
            of_sets = factors_of_folds(self._rows, self._folds, centre)
            others = of_others(of_sets, self._folds.number, merged_factors)
            whole = reduce(merged_factors, [each for each in of_sets if each is not None])
            self._factors = Factors(of_sets[: len(others)], others, whole, self._whole.mean, self._rows.n_samples)
        return self._factors


def _select(moments: Any, columns: NDArray[np.intp]) -> CentredMoments:
    """Return the moments of some of the columns."""
    if len(columns) == len(moments.mean) and (columns[:-1] < columns[1:]).all():
        return moments  # type: ignore[no-any-return]
    return CentredMoments(moments.total_weight, moments.mean[columns], moments.scatter[np.ix_(columns, columns)])


def subsets_of(features: Any, n_features: int, names: list[Any] | None) -> list[NDArray[np.intp]]:
    """Return subsets of features, given by labels or numbers, as numbers; see `fastgd.cross_validate`."""
    if isinstance(features, str) or not isinstance(features, Iterable):
        raise TypeError(f"features={features!r} was given, but a list of lists is expected. Give [['a', 'b'], ['a']].")
    subsets = []
    for subset in features:
        if isinstance(subset, str) or not isinstance(subset, Iterable):
            raise TypeError(f"features holds {subset!r}, but a list of features is expected. Give [['a', 'b'], ['a']].")
        places = [_place(each, n_features, names) for each in subset]
        if not places or len(set(places)) < len(places):
            raise ValueError(
                f"features holds {list(subset)!r}, but one feature or more is expected, each once. Give others."
            )
        subsets.append(np.array(places, np.intp))
    if not subsets:
        raise ValueError("features is empty, but one subset of the features or more is expected. Leave it out for all.")
    return subsets


def _place(feature: Any, n_features: int, names: list[Any] | None) -> int:
    """Return the number of a feature, given by its label or its number."""
    if names is not None and feature in names:
        return names.index(feature)
    if isinstance(feature, int | np.integer) and not isinstance(feature, bool) and 0 <= feature < n_features:
        return int(feature)
    known = f"numbers from 0 to {n_features - 1}" if names is None else f"labels of X ({listed(names)})"
    raise ValueError(f"features holds {feature!r}, but {known} are expected. Correct it.")


def _automatic(whole: CentredMoments, options: Options) -> Vector:
    """Return the penalties of ``"auto"``: from where the least curvature outweighs them to where they outweigh the largest."""
    variances = np.diagonal(whole.scatter)[:-1] / whole.total_weight
    if options.standardize:
        variances = np.ones(1)
    elif options.intercept:
        variances = variances[~scales_of(whole).constant]
    else:
        variances = variances + whole.mean[:-1] ** 2
    variances = np.append(variances[variances > 0], [] if variances.any() else 1.0)
    # Half the curvature c S of the loss: l2 is what it is compared with.
    half = 0.5 * arguments.loss_scale(options.loss, whole.total_weight) * whole.total_weight
    return half * np.geomspace(_LEAST * variances.min(), _MOST * variances.max(), _N_PENALTIES)
