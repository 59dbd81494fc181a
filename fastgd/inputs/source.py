"""Training sets that are given as a whole, and whose rows need not all be in memory."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # which needs numba, and the type alone does not
    from fastgd.rows.parts import PartedRows


class Source(ABC):
    """A training set that is given as a whole, in the place of X: features, target and sample weights."""

    n_features: int
    """The number of features."""
    feature_names: list[Any] | None = None
    """The labels of the features, if they have any."""
    one_shot: bool = False
    """Whether its rows can be read once only."""
    note: str = ""
    """What to say of it in the message of a fit, if anything."""

    @abstractmethod
    def rows(self, n_threads: int | None) -> "PartedRows":
        """Return the rows, to be summed on so many threads."""
