"""Where rows come from that need not all be in memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastgd.rows.parts import PartedRows

_Array = NDArray[Any]


class Part(NamedTuple):
    """Some of the rows, in memory."""

    X: Any
    """Features, shape (n,) or (n, n_features), real; or Columns, or CSR."""
    y: _Array
    """Target, shape (n,), real."""
    sample_weight: _Array | None
    """Sample weights, shape (n,), real, or None."""


class Batches(Protocol):
    """What gives rows in their order, as often as it is asked for them, or once."""

    @property
    def n_features(self) -> int:
        """The number of features."""

    @property
    def n_expected(self) -> int | None:
        """The number of rows, if something is known of it."""

    @property
    def n_dropped(self) -> int:
        """How many rows were left out when it was last gone through, as they had missing values."""

    def batches(self) -> Iterator[Part]:
        """Go through the rows from the beginning, any number of them at a time."""


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
        """Return what sums the rows up, on so many threads."""
