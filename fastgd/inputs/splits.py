"""The folds of a cross-validation, as they are given: a number, groups, or what scikit-learn's splitters return."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.formatting import counted, listed
from fastgd.inputs import frames
from fastgd.inputs.groups import group_numbers
from fastgd.inputs.training_set import TrainingSet
from fastgd.rows.folds import Folds


def read_folds(folds: Any, groups: ArrayLike | None, X: Any, y: Any, training: TrainingSet) -> Folds:
    """Check the folds of a training set, and the groups of its rows if there are any; see `fastgd.cross_validate`."""
    is_number = isinstance(folds, str) or not (hasattr(folds, "split") or isinstance(folds, Iterable))
    if is_number:
        folds = arguments.fold_count(folds)
    if training.given is None and (groups is not None or not is_number):
        what = "groups were given" if is_number else f"folds is a {type(folds).__name__}"
        raise ValueError(
            f"{what}, but the rows of X, a {type(X).__name__}, are not in arrays. Give the number of folds only: row i is in "
            "fold i modulo that number."
        )
    n_samples = 0 if training.given is None else len(training.given[1])
    if groups is not None:
        frames.refuse_other_order(X=X, y=y, groups=groups)
    labels = None if groups is None else group_numbers(groups, n_samples)
    if not is_number:
        return _of_splits(folds, X, y, groups, n_samples)
    if labels is not None:
        return Folds(folds, _shared_out(labels, folds))
    if 0 < n_samples < folds:
        raise ValueError(
            f"folds={folds} was given, but X has {counted(n_samples, 'row')}, and each fold needs one. Give fewer folds."
        )
    return Folds(folds)


def _shared_out(labels: NDArray[np.intp], n_folds: int) -> NDArray[np.intp]:
    """Put groups into folds, the largest first, each into the fold that has the fewest rows."""
    sizes = np.bincount(labels)
    if len(sizes) < n_folds:
        raise ValueError(
            f"folds={n_folds} was given, but groups has {counted(len(sizes), 'group')}, and each fold needs one. Give fewer "
            "folds."
        )
    fold_of_group, n_rows = np.empty(len(sizes), np.intp), np.zeros(n_folds, np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of_group[group] = smallest = n_rows.argmin()
        n_rows[smallest] += sizes[group]
    return fold_of_group[labels]


def _of_splits(folds: Any, X: Any, y: Any, groups: Any, n_samples: int) -> Folds:
    """Read the test folds of a splitter, or of pairs of training and test rows, whose training rows must be all others."""
    splits = folds.split(X, y, groups) if hasattr(folds, "split") else folds
    labels = np.full(n_samples, -1, np.intp)
    number = 0
    for number, split in enumerate(splits, start=1):
        try:
            train, test = (np.asarray(part) for part in split)
        except (TypeError, ValueError):
            raise TypeError(
                "folds holds what is no pair of arrays, but pairs of training and test rows are expected, as a splitter of "
                "scikit-learn returns. Give these, or a number."
            ) from None
        train, test = _places(train, n_samples), _places(test, n_samples)
        if (labels[test] >= 0).any() or len(np.unique(test)) < len(test):
            raise ValueError(
                f"folds holds row {_repeated(labels, test)} in two test folds, or twice in one, but each row is held out once "
                "at most. Give KFold, GroupKFold or another splitter whose test folds do not overlap."
            )
        labels[test] = number - 1
        others = np.ones(n_samples, bool)
        others[test] = False
        if len(train) != n_samples - len(test) or not others[train].all() or len(np.unique(train)) < len(train):
            raise ValueError(
                f"folds holds a split of {counted(len(train), 'training row')} and {counted(len(test), 'test row')}, which are "
                f"not the {counted(n_samples, 'row')} of X, each once, but the training set of a fold is all others. Give "
                "KFold, GroupKFold or another splitter that leaves no row out."
            )
    if number < 2:
        raise ValueError(f"folds holds {counted(number, 'split')}, but at least 2 are expected.")
    labels[labels < 0] = number
    return Folds(number, labels)


def _places(rows: NDArray[Any], n_samples: int) -> NDArray[np.intp]:
    """Return rows, given by their numbers or by a mask, as numbers."""
    if rows.dtype == bool and rows.shape == (n_samples,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or (rows.size and not -1 < rows.min() <= rows.max() < n_samples):
        raise ValueError(
            f"folds holds rows {listed(rows.ravel().tolist())}, but numbers of rows from 0 to {n_samples - 1} are expected."
        )
    return rows.astype(np.intp, copy=False)


def _repeated(labels: NDArray[np.intp], test: NDArray[np.intp]) -> int:
    """Return a row that is in a test fold already, or twice in this one."""
    known = test[labels[test] >= 0]
    return int(known[0]) if len(known) else int(np.flatnonzero(np.bincount(test) > 1)[0])
