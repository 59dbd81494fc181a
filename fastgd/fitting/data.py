"""The data of a fit, checked and open: a training set, or moments."""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from fastgd.inputs import validation
from fastgd.inputs.source import Source
from fastgd.inputs.training_set import TrainingSet, open_training_set
from fastgd.kernels import tuning
from fastgd.moments import Moments
from fastgd.rows.rows import Rows


@dataclass(frozen=True)
class Data:
    """What is fitted."""

    given: TrainingSet | Moments
    """The training set, or the moments."""

    @property
    def rows(self) -> Rows | None:
        """The rows, if there are any."""
        return None if isinstance(self.given, Moments) else self.given.rows

    @property
    def rereadable(self) -> Rows | None:
        """The rows, if they can be read again after a pass."""
        return None if isinstance(self.given, Moments) or self.given.one_shot else self.given.rows

    @property
    def n_samples(self) -> int:
        """The number of rows; a very large one if it is not known."""
        return self.given.n_samples if isinstance(self.given, Moments) else self.given.rows.n_expected

    @property
    def n_features(self) -> int:
        """The number of features."""
        return self.given.n_features if isinstance(self.given, Moments) else self.given.rows.n_features

    @property
    def is_sparse(self) -> bool:
        """Whether the features are sparse."""
        return self.rows is not None and self.rows.is_sparse

    @property
    def is_cheap(self) -> bool:
        """Whether a pass over the rows costs next to nothing."""
        in_memory = self.rows is not None and self.rows.in_memory
        return in_memory and self.n_samples * self.n_features <= tuning.CHEAP_VALUES

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
