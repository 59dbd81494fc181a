"""The data of a fit, checked and open: a training set, or moments."""

from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastgd.inputs import validation
from fastgd.inputs.source import Source
from fastgd.inputs.training_set import TrainingSet, open_training_set
from fastgd.kernels import tuning
from fastgd.moments import Moments
from fastgd.rows.rows import Rows


class Data:
    """What is fitted.

    Attributes
    ----------
    given : TrainingSet or Moments
        The training set, or the moments.
    rows : Rows or None
        The rows, if there are any.
    rereadable : Rows or None
        The rows, if they can be read again after a pass.
    n_samples, n_features : int
        The shape of X; a very large n_samples if it is not known.
    is_sparse : bool
        Whether the features are sparse.
    is_cheap : bool
        Whether a pass over the rows costs next to nothing.
    """

    def __init__(self, given: TrainingSet | Moments) -> None:
        self.given = given
        self.rows: Rows | None = None
        self.rereadable: Rows | None = None
        if isinstance(given, Moments):
            self.n_samples, self.n_features = given.n_samples, given.n_features
        else:
            self.rows = given.rows
            self.rereadable = None if given.one_shot else given.rows
            self.n_samples, self.n_features = given.rows.n_expected, given.rows.n_features
        is_small = self.n_samples * self.n_features <= tuning.CHEAP_VALUES
        self.is_cheap = is_small and self.rows is not None and self.rows.in_memory
        self.is_sparse = self.rows is not None and self.rows.is_sparse

    @property
    def weights(self) -> NDArray[Any] | None:
        """The sample weights, if there are any, and rows in memory."""
        arrays = self.given.given if isinstance(self.given, TrainingSet) else None
        return None if arrays is None else arrays[2]

    def refuse_non_finite(self) -> None:
        """Raise a ValueError that names the first NaN or infinity, if there is one."""
        if self.rows is not None:
            place, need = self.rows.first_non_finite(), "a fit needs finite numbers"
            validation.refuse_non_finite(place, self.n_features, need, self.given.feature_names)


def open_data(
    X: ArrayLike | Moments | Source,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> Data:
    """Check and open what is to be fitted, given the arguments of `fastgd.fit`; it raises what that does."""
    if not isinstance(X, Moments):
        return Data(open_training_set(X, y, sample_weight, n_threads))
    if y is not None or sample_weight is not None:
        raise TypeError("Moments were given, and y or sample_weight, which they hold already. Give the moments only.")
    return Data(X)
