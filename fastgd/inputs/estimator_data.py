"""What the scikit-learn estimator is given, checked by scikit-learn, and for what that would read without complaint."""

from numbers import Real
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from fastgd import arguments
from fastgd.formatting import counted
from fastgd.inputs import frames, validation
from fastgd.inputs.dask_set import DaskSet, is_dask
from fastgd.rows.maps import check, mapped_files


def check_training_set(estimator: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> tuple[Any, Any, Any]:
    """Return X, y and the sample weights, checked; with `reset` X says which features the estimator has."""
    if y is None:
        name = type(estimator).__name__
        raise ValueError(f"This {name} estimator requires y to be passed, but the target y is None. Give the target.")
    refuse_hidden(X=X, y=y, sample_weight=sample_weight)
    if is_dask(X):
        X = check_features(estimator, X, reset=reset)
        DaskSet(X, y, sample_weight)  # refuses what is not of dask, and several targets
        return X, y, sample_weight
    sample_weight = each_weight(sample_weight, y)
    if sample_weight is not None:  # as dates, text and wider floats would be converted
        options = {"ensure_2d": False, "ensure_all_finite": False, "ensure_min_samples": 0}
        sample_weight = check_array(sample_weight, dtype="numeric", input_name="sample_weight", **options)
        validation.real_array(sample_weight, "sample_weight")
    X = check_features(estimator, X, reset=reset)
    y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y", estimator=estimator)
    check_consistent_length(X, y)
    return X, y, None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)


def check_scored(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return X, y and the sample weights of which a fitted estimator is to tell its score, checked."""
    check_is_fitted(estimator)
    if is_dask(X):
        refuse_hidden(X=X, y=y, sample_weight=sample_weight)
        return X, y, each_weight(sample_weight, y)
    X, y, s = check_training_set(estimator, X, y, sample_weight, reset=False)
    if s is not None:
        validation.total_weight(s, len(s))
    return X, validation.real_array(y, "y"), s


def check_features(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return X, checked; data frames and rows that are not in memory stay what they are."""
    if is_dask(X):
        if getattr(X, "ndim", 0) != 2:
            raise ValueError(f"X is a dask {type(X).__name__}, but one of shape (n_samples, n_features) is expected.")
        # The empty frame that dask keeps has the names.
        validate_data(estimator, X._meta if hasattr(X, "columns") else X, skip_check_array=True, reset=reset)
        return X
    if frames.is_frame(X):
        validate_data(estimator, X, skip_check_array=True, reset=reset)
        return X
    # The fit finds values that are not finite, without a pass of their own.
    return validate_data(estimator, X, accept_sparse=True, dtype="numeric", ensure_all_finite=False, reset=reset)


def check_new_rows(estimator: Any, X: Any) -> Any:
    """Return X, checked, of which a fitted estimator is to predict."""
    check_is_fitted(estimator)
    refuse_hidden(X=X)
    return check_features(estimator, X, reset=False)


def refuse_non_finite(estimator: Any, X: Any) -> None:
    """Refuse NaN and infinities in X, in scikit-learn's words."""
    check_array(X, accept_sparse=True, dtype="numeric", input_name="X", estimator=estimator)


def refuse_other_targets(n_targets: int, n_before: int) -> None:
    """Refuse another number of targets than earlier calls of `partial_fit` had."""
    if n_before != n_targets:
        raise ValueError(
            f"y has {counted(n_targets, 'target')}, but those before had {n_before}. Give as many, or call fit to begin anew."
        )


def refuse_hidden(**given: Any) -> None:
    """Refuse values behind a mask, and maps of files that were cut, both of which scikit-learn would read."""
    for name, values in given.items():
        validation.refuse_mask(values, name)
    check(mapped_files(*(values for values in given.values() if isinstance(values, np.ndarray))))


def each_weight(sample_weight: Any, y: Any) -> Any:
    """Return a weight that is given as a number as that of each row, and others as they are."""
    if not isinstance(sample_weight, Real):
        return sample_weight
    weight = arguments.number(sample_weight, "sample_weight", zero=False, hint="Or give one weight for each row.")
    weights: NDArray[np.float64] = _check_sample_weight(weight, y, dtype=np.float64)
    return weights


def check_n_jobs(n_jobs: int | None) -> int | None:
    """Return scikit-learn's number of jobs as a number of threads."""
    if n_jobs is None:
        return None
    whole = isinstance(n_jobs, int | np.integer) and not isinstance(n_jobs, bool)
    if not whole or n_jobs == 0:
        raise (ValueError if whole else TypeError)(
            f"n_jobs={n_jobs!r} was given, but a whole number other than 0 is expected. Give -1 for all processors, or None "
            "for what fastgd.get_num_threads says."
        )
    return int(n_jobs) if n_jobs > 0 else max(1, int(joblib.cpu_count()) + 1 + int(n_jobs))
