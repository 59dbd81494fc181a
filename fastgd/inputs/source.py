"""Training sets that are passed as X, and whose rows need not all be in memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import NDArray

from fastgd.rows.columns import Columns

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

    @abstractmethod
    def selected(self, wanted: list[Any] | None) -> Self:
        """Return a source with the features that have these labels, in their order; all of them in place for None."""


class OrderedSource(Source):
    """A source that gives its rows in order."""

    @abstractmethod
    def features(self, wanted: list[Any] | None) -> Iterator[NDArray[Any] | Columns]:
        """Go through what `selected` would have as features, some rows at a time; target and weights are not read."""
