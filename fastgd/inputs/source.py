"""Training sets that are passed as X, and whose rows need not all be in memory."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # which needs numba, and the type alone does not
    from fastgd.rows.parts import PartedRows


class Source(ABC):
    """A training set that is passed as X: features, target and sample weights."""

    n_features: int
    """The number of features."""
    feature_names: list[Any] | None = None
    """The labels of the features, if they have any, and as far as they are known before rows are read."""
    one_shot: bool = False
    """Whether its rows can be read once only."""
    note: str = ""
    """What the message of a fit says of it, if anything."""

    @abstractmethod
    def rows(self, n_threads: int | None) -> "PartedRows":
        """Return the rows, to be summed by this number of threads."""
