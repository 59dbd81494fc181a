"""The scikit-learn estimators: `fastgd.fit` and `fastgd.cross_validate` for pipelines and searches."""

from fastgd.sklearn.regressor import GDRegressor
from fastgd.sklearn.regressor_cv import GDRegressorCV

__all__ = ["GDRegressor", "GDRegressorCV"]
