"""What the estimators have in common."""

from typing import Any

from sklearn.base import RegressorMixin

from fastgd.inputs import estimator_data


class LinearMixin(RegressorMixin):
    """Scores, and what scikit-learn is to know of linear estimators."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the coefficient of determination, R^2, of the predictions.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`; of several targets, the mean of R^2 is taken.

        Returns
        -------
        float
            At most 1.

        Raises
        ------
        ValueError, TypeError
            As for `fit`.
        """
        return float(super().score(*estimator_data.check_scored(self, X, y, sample_weight)))

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn is to know: sparse matrices are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
