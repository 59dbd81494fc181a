"""Training sets that are passed as X, and whose rows need not all be in memory."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # as it needs numba
    from fastgd.rows.parts import PartedRows


class Source(ABC):
    """A training set that is passed as X: features, target and sample weights."""

    n_features: int
    """The number of features."""
    feature_names: list[Any] | None = None
    """The labels of the features; None if they have none, or before they are read."""
    one_shot: bool = False
    """Whether its rows can be read once only."""
    note: str = ""
    """A sentence for the message of a fit, or nothing."""

    @abstractmethod
    def rows(self, n_threads: int | None) -> "PartedRows":
        """Return the rows, to be summed by this number of threads."""
