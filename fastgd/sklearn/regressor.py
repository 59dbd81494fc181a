"""The scikit-learn estimator: `fastgd.fit` for pipelines, searches and cross-validation.

Its methods import what fits: a model that is loaded and predicts needs no compiler.
"""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.history import History
from fastgd.exceptions import Everyday, ignored
from fastgd.fitting.options import DEFAULTS, Options
from fastgd.fitting.prediction import hypothesis
from fastgd.fitting.result import FitResult
from fastgd.inputs.dask_set import by_partition, is_dask

try:
    from sklearn.base import BaseEstimator, MultiOutputMixin

    from fastgd.inputs import estimator_data
    from fastgd.sklearn.mixin import LinearMixin
except ImportError:
    raise ImportError(
        "fastgd.sklearn needs scikit-learn 1.7 or later. Install it with: pip install 'fastgd[sklearn]'"
    ) from None

__all__ = ["GDRegressor"]

# A history holds theta, gradient and update of each iteration; it is thinned to so many of them, 24 MB, or fewer.
_HISTORY_VALUES = 1_000_000
_SAME_IN_FIT = ("method", "learning_rate", "max_iter", "tol", "l2", "standardize")  # options of `fastgd.fit`, too


class GDRegressor(LinearMixin, MultiOutputMixin, BaseEstimator):
    """Linear least squares by gradient descent, one pass over the rows for each gradient.

    By default the solution to all the digits that the data hold, in two or three passes; with ``method="gd"`` the iterates of
    the textbook. See `fastgd.fit`, which describes the parameters in full.

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
        Whether to take the moments first, and compute gradients from them instead of the rows.
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
        How many iterations were run; the largest number of any target.
    rank_ : int or None
        How many features are independent, as in `sklearn.linear_model.LinearRegression`; None where it was not needed, as for
        methods other than ``"preconditioned"``. Dependent ones, common where categories are encoded, raise no warning there:
        the solution is the one of least norm, and the message of `result_` names the columns.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features,), object
        Their names, where X was a data frame whose names are text; they must then always come in this order. Labels of other
        types are matched, whatever their order.
    result_ : FitResult, or list of FitResult
        How the fit ended; one for each target where y is two-dimensional.
    history_ : History, or list of History
        The iterations, or as many of them as fit into 24 MB, in the units in which steps are taken.
    moments_ : Moments
        After `partial_fit`, those of all rows so far: of the columns of X, and then those of y.

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
        from fastgd.fitting import data, fit, multi_target

        X, y, s = estimator_data.check_training_set(self, X, y, sample_weight, reset=True)
        n_threads = estimator_data.check_n_jobs(self.n_jobs)
        starts = self._starts(y)
        options = self._options(precompute=self.precompute, theta0=None if starts is None else starts[0])
        with ignored(Everyday):
            if y.ndim == 1:
                results = [fit.fit_data(data.open_data(X, y, s, n_threads), options)]
            else:
                results = multi_target.fit_targets(X, y, options, sample_weight=s, theta0s=starts, n_threads=n_threads)
        self._keep(results, several=y.ndim == 2)
        self.__dict__.pop("moments_", None)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the hypothesis to these rows and all those of earlier calls.

        The moments of the rows are merged with those of the rows before: the result is that of one `fit` to all of them, in any
        order and in batches of any size, to the digits that moments hold. Columns of arrays are taken in their order, between
        data frames, too, about which scikit-learn then warns.

        Parameters
        ----------
        X, y, sample_weight
            These rows, as for `fit`.

        Returns
        -------
        GDRegressor
            Itself.

        Raises
        ------
        ValueError, TypeError
            If the data cannot be fitted, do not go with those before, or a parameter is out of its range.
        """
        from fastgd.fitting import data, fit, multi_target
        from fastgd.moments import Moments

        before: Moments | None = getattr(self, "moments_", None)
        X, y, s = estimator_data.check_training_set(self, X, y, sample_weight, reset=before is None)
        take_moments = Moments.from_rows if y.ndim == 1 else multi_target.moments_of_targets
        moments = take_moments(X, y, s, n_threads=estimator_data.check_n_jobs(self.n_jobs))
        n_targets = (*y.shape, 1)[1]
        if before is not None:
            estimator_data.refuse_other_targets(n_targets, len(before.mean) - self.n_features_in_)
            moments = before + moments
        options = self._options()
        with ignored(Everyday):
            apart = multi_target.of_each_target(moments, n_targets)
            results = [fit.fit_data(data.open_data(each), options) for each in apart]
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
        X = estimator_data.check_new_rows(self, X)
        if is_dask(X):
            return by_partition(X, self)
        first = self.result_[0] if isinstance(self.result_, list) else self.result_
        predictions = hypothesis(X, self.coef_, self.intercept_, first.feature_names)
        if not math.isfinite(predictions.sum()):  # as it is with any value that is not finite: 0 times inf is NaN
            estimator_data.refuse_non_finite(self, X)
        return predictions

    def _options(self, **others: Any) -> Options:
        """Return the options of a fit, with a history that is thinned to its share of memory."""
        # What is no number, and no method, is left for Options to refuse.
        n_iter = self.max_iter if isinstance(self.max_iter, int) else DEFAULTS.get(str(self.method), (1000, 0.0))[0]
        n_values = n_iter * (self.n_features_in_ + bool(self.fit_intercept))
        return Options(
            intercept=self.fit_intercept,
            history=max(1, -(-n_values // _HISTORY_VALUES)),
            progress=bool(self.verbose),
            **{name: getattr(self, name) for name in _SAME_IN_FIT},
            **others,
        )

    def _starts(self, y: Any) -> NDArray[np.float64] | None:
        """Return where each target's fit starts, or None for zeros."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        starts = np.atleast_2d(self.coef_)
        if self.fit_intercept:
            starts = np.column_stack((np.atleast_1d(self.intercept_), starts))
        expected = (*y.shape, 1)[1], self.n_features_in_ + bool(self.fit_intercept)
        return starts if starts.shape == expected else None

    def _keep(self, results: list[FitResult], *, several: bool) -> None:
        """Set the attributes that a fit leaves."""
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
