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
    """A training set, or moments."""

    training_set: TrainingSet | None
    """The training set; None where moments were given."""
    n_samples: int
    """The number of rows; a very large one where it is not known."""
    n_features: int
    """The number of features."""
    given: Moments | None = None
    """The moments that were given."""

    @property
    def rows(self) -> Rows | None:
        """The rows, if there are any."""
        return None if self.training_set is None else self.training_set.rows

    @property
    def has_rows(self) -> bool:
        """Whether there are rows that can be read again after a pass."""
        return self.training_set is not None and not self.training_set.one_shot

    @property
    def is_sparse(self) -> bool:
        """Whether the features are sparse."""
        return self.rows is not None and self.rows.is_sparse

    @property
    def is_cheap(self) -> bool:
        """Whether a pass over the rows costs next to nothing."""
        return (
            self.has_rows
            and self.rows is not None
            and self.rows.in_memory
            and self.n_samples * self.n_features <= tuning.CHEAP_VALUES
        )

    @property
    def feature_names(self) -> list[object] | None:
        """The labels of the features, if they have any."""
        known = self.given if self.training_set is None else self.training_set
        return None if known is None else known.feature_names

    @property
    def total_weight(self) -> float:
        """``sum s``; 0 before the first pass over rows that are not in memory."""
        known = self.given if self.training_set is None else self.training_set
        return 0.0 if known is None else known.total_weight

    @property
    def n_passes(self) -> int:
        """How many times the rows were read."""
        return 0 if self.rows is None else self.rows.n_passes

    def refuse_non_finite(self) -> None:
        """Refuse a number that is not finite, naming the first one.

        Raises
        ------
        ValueError
            If there is one.
        """
        if self.rows is not None:
            place, need = self.rows.first_non_finite(), "a fit needs finite numbers"
            validation.refuse_non_finite(place, self.n_features, need, self.feature_names)


def open_data(
    X: ArrayLike | Moments | Source,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    n_threads: int | None = None,
) -> Data:
    """Check and open what is to be fitted.

    Parameters
    ----------
    X, y, sample_weight, n_threads
        As for `fastgd.fit`.

    Returns
    -------
    Data
        The training set, or the moments.

    Raises
    ------
    TypeError, ValueError
        As for `fastgd.fit`.
    """
    if not isinstance(X, Moments):
        training_set = open_training_set(X, y, sample_weight, n_threads)
        rows = training_set.rows
        return Data(training_set, rows.n_expected, rows.n_features)
    if y is not None or sample_weight is not None:
        raise TypeError("Moments were given, and y or sample_weight, which they hold already. Give the moments only.")
    return Data(None, X.n_samples, X.n_features, X)
