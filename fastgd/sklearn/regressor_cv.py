"""The scikit-learn estimator that finds its penalty by cross-validation.

Its methods import what fits: a model that is loaded and predicts needs no compiler.
"""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import check_cv
from sklearn.utils.validation import column_or_1d

from fastgd import arguments
from fastgd.exceptions import Everyday, ignored
from fastgd.fitting.options import Options
from fastgd.fitting.result import FitResult
from fastgd.inputs import estimator_data
from fastgd.inputs.dask_set import is_dask
from fastgd.sklearn.mixin import LinearMixin
from fastgd.sklearn.regressor import GDRegressor

if TYPE_CHECKING:
    from fastgd.fitting.cross_validation import CrossValidation


class GDRegressorCV(LinearMixin, BaseEstimator):
    """Linear least squares with the penalty that costs least on held-out folds, found in one pass over the rows.

    The choice is that of `sklearn.model_selection.GridSearchCV` over the `l2` of `GDRegressor`, by the mean squared error. See
    `fastgd.cross_validate`, which describes how it is found.

    Parameters
    ----------
    l2 : array-like of shape (n_penalties,), or "auto", default "auto"
        The penalties to choose from; 100 that suit the features by default.
    cv : int, splitter or iterable, default 5
        A number of folds, as for `sklearn.model_selection.KFold`, neighbouring rows being held out together (of dask, row i is
        in fold i modulo `cv`); a splitter whose training sets are all rows but those of the fold; or pairs of training and
        test rows.
    fit_intercept : bool, default True
        Whether the hypothesis has an intercept, which is never penalised.
    standardize : bool, default False
        Whether the penalty applies to standardised features.
    n_jobs : int, optional
        How many threads a pass takes, as of `GDRegressor`.

    Attributes
    ----------
    l2_ : float
        The penalty that was chosen.
    coef_ : ndarray of shape (n_features,), float64
        The coefficients of the fit of all rows with it.
    intercept_ : numpy.float64
        The intercept; 0.0 if there is none.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of shape (n_features,), object
        Their names, where X was a data frame whose names are text.
    cross_validation_ : CrossValidation
        The mean squared errors by penalty and fold, and their means and standard errors.
    result_ : FitResult
        How the fit ended.

    Examples
    --------
    >>> from fastgd.sklearn import GDRegressorCV
    >>> X = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]
    >>> model = GDRegressorCV(l2=[0.0, 1.0, 10.0], cv=3).fit(X, [1.0, 3.2, 4.9, 7.1, 8.8, 11.2])
    >>> model.l2_, model.predict([[6.0]]).round(1)
    (0.0, array([13.]))
    """

    def __init__(
        self,
        *,
        l2: ArrayLike | str = "auto",
        cv: Any = 5,
        fit_intercept: bool = True,
        standardize: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.l2 = l2
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Choose the penalty, and fit all rows with it.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
            The features, finite, as for `GDRegressor`.
        y : array-like of shape (n_samples,)
            The target.
        sample_weight : array-like of shape (n_samples,) or float, optional
            How much each row counts, in fits and in errors, >= 0.
        groups : array-like of shape (n_samples,), optional
            The group of each row, for a splitter that takes these.

        Returns
        -------
        GDRegressorCV
            Itself.

        Raises
        ------
        ValueError, TypeError
            If the data cannot be fitted, or a parameter is out of its range.
        """
        from fastgd.fitting.cross_validation import cross_validate_data
        from fastgd.fitting.data import Data
        from fastgd.inputs.splits import read_folds
        from fastgd.inputs.training_set import open_training_set

        X, y, s = estimator_data.check_training_set(self, X, y, sample_weight, reset=True)
        folds = self.cv
        if not is_dask(X):
            y = column_or_1d(y, warn=True)
            folds = check_cv(self.cv, y, classifier=False)
        options = Options(intercept=self.fit_intercept, standardize=self.standardize)
        penalties = None if isinstance(self.l2, str) and self.l2 == "auto" else arguments.penalties(self.l2)
        training = open_training_set(X, y, s, estimator_data.check_n_jobs(self.n_jobs))
        with ignored(Everyday):
            found = cross_validate_data(Data(training), read_folds(folds, groups, X, y, training), options, penalties)
        self.cross_validation_: CrossValidation = found
        self.result_: FitResult = found.fit
        self.l2_ = found.best_l2
        self.coef_: NDArray[np.float64] = found.fit.coef.copy()
        self.intercept_ = np.float64(found.fit.intercept)
        return self

    predict = GDRegressor.predict
