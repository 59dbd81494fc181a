"""The scikit-learn estimator: `fastgd.fit` for pipelines, searches and cross-validation.

What fits is imported by the methods that do: a model that is loaded and predicts needs no compiler.
"""

import math
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from fastgd import arguments
from fastgd.descent.history import History
from fastgd.exceptions import RankWarning, ignored
from fastgd.fitting.result import FitResult, hypothesis
from fastgd.formatting import counted
from fastgd.inputs import frames, validation
from fastgd.inputs.dask_set import DaskSet, by_partition, is_dask
from fastgd.rows.maps import check, mapped_files

if TYPE_CHECKING:
    from fastgd.fitting.options import Options

try:
    import joblib
    from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_array,
        check_consistent_length,
        check_is_fitted,
        validate_data,
    )
except ImportError:
    raise ImportError(
        "fastgd.sklearn needs scikit-learn 1.7 or later. Install it with: pip install 'fastgd[sklearn]'"
    ) from None

__all__ = ["GDRegressor"]

# A history holds theta, gradient and update of each iteration; it is thinned to so many of them, 24 MB, or fewer.
_HISTORY_VALUES = 1_000_000


class GDRegressor(RegressorMixin, MultiOutputMixin, BaseEstimator):
    """Linear least squares by gradient descent, one pass over the rows for each gradient.

    By default the solution to all the digits that the data hold, in two or three passes; with ``method="gd"`` the iterates of
    the textbook. See `fastgd.fit`, whose words the parameters are.

    Parameters
    ----------
    method : {"auto", "gd", "nesterov", "cg", "preconditioned"}, default "auto"
        How to descend.
    fit_intercept : bool, default True
        Whether the hypothesis has an intercept, which is never penalised.
    learning_rate : float, "auto", "optimal" or "exact", default "auto"
        The size of a step of ``"gd"`` or ``"nesterov"``.
    max_iter : int, optional
        How many iterations to run at most; the method's own by default.
    tol : float, optional
        The tolerance of the scale-free gradient; the method's own by default.
    l2 : float, default 0.0
        The penalty ``l2 |coef|^2`` on the mean squared error: `sklearn.linear_model.Ridge` with ``alpha = n_samples * l2``.
    standardize : bool, default False
        Whether to descend on standardised features; `learning_rate` and `l2` then apply to these.
    precompute : bool or "auto", default "auto"
        Whether the moments are taken first, and answer instead of the rows.
    warm_start : bool, default False
        Whether `fit` starts from the solution of the call before, if there was one with as many features and targets.
    n_jobs : int, optional
        How many threads a pass takes; -1 for all processors. None for `fastgd.get_num_threads`, all by default. The result does
        not depend on it, to the bit.
    verbose : int, default 0
        Whether to show a progress bar for long fits.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features), float64
        The coefficients; two-dimensional where y is.
    intercept_ : numpy.float64, or ndarray of shape (n_targets,), float64
        The intercept; 0.0 if there is none.
    n_iter_ : int
        How many iterations were run; the most of any target.
    rank_ : int or None
        How many features are independent, as in `sklearn.linear_model.LinearRegression`: of dependent ones, which are everyday
        where categories are encoded, nothing is said, and the solution is the one of least norm. None where it was not
        needed, as for methods other than ``"preconditioned"``; `result_` has a message that names the columns.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features,), object
        Their names, where X was a data frame with text for names, which come in the same order ever after. Labels of other
        types are matched, whatever their order.
    result_ : FitResult, or list of FitResult
        How the fit ended; one for each target where y is two-dimensional.
    history_ : History, or list of History
        The iterations, or as many of them as fit into 24 MB, in the units in which steps are taken.
    moments_ : Moments
        After `partial_fit`, those of all rows so far; X's columns and then those of y.

    See Also
    --------
    fastgd.fit : the function behind it.

    Examples
    --------
    >>> from fastgd.sklearn import GDRegressor
    >>> model = GDRegressor().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> model.predict([[10.0]]).round(6)
    array([21.])
    """

    def __init__(
        self,
        *,
        method: str = "auto",
        fit_intercept: bool = True,
        learning_rate: float | str = "auto",
        max_iter: int | None = None,
        tol: float | None = None,
        l2: float = 0.0,
        standardize: bool = False,
        precompute: bool | str = "auto",
        warm_start: bool = False,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.method = method
        self.fit_intercept = fit_intercept
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.l2 = l2
        self.standardize = standardize
        self.precompute = precompute
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the hypothesis.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
            The features, finite. Read in place where they are float64 or float32 in memory. A dask array or data frame is
            fitted on its workers; `y` and `sample_weight` are then of dask, too, and there is one target.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The target, or several.
        sample_weight : array-like of shape (n_samples,) or float, optional
            How much each row counts, >= 0; a number counts for each.

        Returns
        -------
        GDRegressor
            Itself.

        Raises
        ------
        ValueError, TypeError
            If the data cannot be fitted, or a parameter is out of its range.

        Warns
        -----
        ConvergenceWarning
            If the fit did not converge within `max_iter` iterations, or diverged.
        """
        from fastgd.fitting.data import open_data
        from fastgd.fitting.fit import fit_data
        from fastgd.fitting.multi_target import fit_targets

        starts = self._starts()
        X, y, s = self._training_set(X, y, sample_weight, reset=True)
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        n_parameters = self.n_features_in_ + bool(self.fit_intercept)
        if starts is not None and starts.shape != (n_targets, n_parameters):
            starts = None
        n_threads = _n_threads(self.n_jobs)
        with ignored(RankWarning):
            if y.ndim == 1:
                options = self._options(
                    n_parameters, precompute=self.precompute, theta0=None if starts is None else starts[0]
                )
                results = [fit_data(open_data(X, y, s, n_threads), options)]
            else:
                options = self._options(n_parameters, precompute=self.precompute)
                results = fit_targets(X, y, options, sample_weight=s, theta0s=starts, n_threads=n_threads)
        self._keep(results, several=y.ndim == 2)
        self.__dict__.pop("moments_", None)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the hypothesis to these rows and all those of earlier calls.

        The moments of the rows are merged with those of the rows before: the result is that of one `fit` to all of them, in any
        order and in batches of any size, to the digits that moments hold. The columns of an array are taken in their order,
        among frames too, of which scikit-learn then warns.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
            The features, finite.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The target, or several.
        sample_weight : array-like of shape (n_samples,) or float, optional
            How much each row counts, >= 0; a number counts for each.

        Returns
        -------
        GDRegressor
            Itself.

        Raises
        ------
        ValueError, TypeError
            If the data cannot be fitted, do not go with those before, or a parameter is out of its range.
        """
        from fastgd.fitting.data import open_data
        from fastgd.fitting.fit import fit_data
        from fastgd.fitting.multi_target import moments_of_targets, of_each_target
        from fastgd.moments import Moments

        before: Moments | None = getattr(self, "moments_", None)
        X, y, s = self._training_set(X, y, sample_weight, reset=before is None)
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        n_threads = _n_threads(self.n_jobs)
        if y.ndim == 1:
            moments = Moments.from_rows(X, y, s, n_threads=n_threads)
        else:
            moments = moments_of_targets(X, y, s, n_threads=n_threads)
        if before is not None:
            n_before = len(before.mean) - self.n_features_in_
            if n_before != n_targets:
                raise ValueError(
                    f"y has {counted(n_targets, 'target')}, but those before had {n_before}. Give as many, or call "
                    "fit to begin anew."
                )
            moments = before + moments
        n_parameters = self.n_features_in_ + bool(self.fit_intercept)
        options = self._options(n_parameters)
        with ignored(RankWarning):
            results = [fit_data(open_data(each), options) for each in of_each_target(moments, n_targets)]
        self._keep(results, several=y.ndim == 2)
        self.moments_ = moments
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict the target.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
            The features, finite.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets), float64
            The predictions.

        Raises
        ------
        ValueError
            If X has other features, or a value is not finite.
        NotFittedError
            If there was no fit.
        """
        check_is_fitted(self)
        _look_at(X=X)
        X = self._features(X, reset=False)
        if is_dask(X):
            return by_partition(X, self)
        predictions = hypothesis(X, self.coef_, self.intercept_, self._labels)
        if not math.isfinite(predictions.sum()):  # as it is with any value that is not finite: 0 times inf is NaN
            check_array(X, accept_sparse=True, dtype="numeric", input_name="X", estimator=self)
        return predictions

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the coefficient of determination, R^2, of the predictions.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
            The features, finite.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The target; of several, the mean of R^2 is taken.
        sample_weight : array-like of shape (n_samples,) or float, optional
            How much each row counts, >= 0; a number counts for each.

        Returns
        -------
        float
            At most 1.

        Raises
        ------
        ValueError, TypeError
            If X has other features, a value is not finite, or shapes do not fit together.
        NotFittedError
            If there was no fit.
        """
        _look_at(X=X, y=y, sample_weight=sample_weight)
        if isinstance(sample_weight, Real):
            sample_weight = _each(sample_weight, y)
        return float(super().score(X, y, sample_weight))

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn should know."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def _labels(self) -> list[Any] | None:
        """The labels of the columns that were fitted, be they text or not."""
        result = self.result_[0] if isinstance(self.result_, list) else self.result_
        return result.feature_names

    def _features(self, X: Any, *, reset: bool) -> Any:
        """Check X; a data frame stays one, so that it is read where it lies, and so does what is not in memory."""
        if is_dask(X):
            if getattr(X, "ndim", 0) != 2:
                raise ValueError(
                    f"X is a dask {type(X).__name__}, but one of shape (n_samples, n_features) is expected."
                )
            # The empty frame that dask keeps knows the names.
            validate_data(self, X._meta if hasattr(X, "columns") else X, skip_check_array=True, reset=reset)
            return X
        if frames.is_frame(X):
            validate_data(self, X, skip_check_array=True, reset=reset)
            return X
        # Values that are not finite are found by the fit, without a pass of their own.
        return validate_data(self, X, accept_sparse=True, dtype="numeric", ensure_all_finite=False, reset=reset)

    def _training_set(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> tuple[Any, Any, Any]:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None. Give the target."
            )
        _look_at(X=X, y=y, sample_weight=sample_weight)
        if is_dask(X):
            X = self._features(X, reset=reset)
            DaskSet(X, y, sample_weight)  # refuses what is not of dask, and several targets
            return X, y, sample_weight
        if isinstance(sample_weight, Real):
            sample_weight = _each(sample_weight, y)
        elif sample_weight is not None:  # dates, text and wider floats would be made numbers of
            options = {"ensure_2d": False, "ensure_all_finite": False, "ensure_min_samples": 0}
            sample_weight = check_array(sample_weight, dtype="numeric", input_name="sample_weight", **options)
            validation.real_array(sample_weight, "sample_weight")
        X = self._features(X, reset=reset)
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y", estimator=self)
        check_consistent_length(X, y)
        return X, y, None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)

    def _options(self, n_parameters: int, **others: Any) -> "Options":
        from fastgd.fitting.options import DEFAULTS, Options

        # What is no number, and no method, is for fit to refuse.
        n_iter = self.max_iter if isinstance(self.max_iter, int) else DEFAULTS.get(str(self.method), (1000, 0.0))[0]
        return Options(
            intercept=self.fit_intercept,
            method=self.method,
            learning_rate=self.learning_rate,
            max_iter=self.max_iter,
            tol=self.tol,
            l2=self.l2,
            standardize=self.standardize,
            history=max(1, -(-n_iter * n_parameters // _HISTORY_VALUES)),
            progress=bool(self.verbose),
            **others,
        )

    def _starts(self) -> NDArray[np.float64] | None:
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        coef = np.atleast_2d(self.coef_)
        return np.column_stack((np.atleast_1d(self.intercept_), coef)) if self.fit_intercept else coef

    def _keep(self, results: list[FitResult], *, several: bool) -> None:
        coef = np.array([result.coef for result in results])
        intercept = np.array([result.intercept for result in results])
        self.coef_: NDArray[np.float64] = coef if several else coef[0]
        self.intercept_: NDArray[np.float64] | np.float64 = intercept if several else intercept[0]
        self.result_: FitResult | list[FitResult] = results if several else results[0]
        histories = [result.history for result in results]
        self.history_: History | list[History | None] | None = histories if several else histories[0]
        rank = results[0].rank
        self.rank_ = None if rank is None else rank - bool(self.fit_intercept)
        self.n_iter_ = max(1, *(result.n_iter for result in results))


def _look_at(**given: Any) -> None:
    """Refuse what scikit-learn would read without a word: the values behind a mask, and maps of files that were cut."""
    for name, values in given.items():
        validation.refuse_mask(values, name)
    check(mapped_files(*(values for values in given.values() if isinstance(values, np.ndarray))))


def _each(weight: Real, y: Any) -> NDArray[np.float64]:
    """Return a weight that is given as a number as that of each row."""
    number = arguments.number(weight, "sample_weight", zero=False, hint="Or give one weight for each row.")
    weights: NDArray[np.float64] = _check_sample_weight(number, y, dtype=np.float64)
    return weights


def _n_threads(n_jobs: int | None) -> int | None:
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
