"""The scikit-learn estimator: `fastgd.fit` for pipelines, searches and cross-validation."""

try:
    from sklearn.utils.validation import validate_data as _since_version_1_6  # noqa: F401
except ImportError:
    raise ImportError(
        "fastgd.sklearn needs scikit-learn 1.7 or later. Install it with: pip install 'fastgd[sklearn]'"
    ) from None

from fastgd.sklearn.regressor import GDRegressor

__all__ = ["GDRegressor"]
