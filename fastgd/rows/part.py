"""Rows that are read some at a time: one such part, and what gives them."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

_Array = NDArray[Any]

# Sample weights of a smaller sum lose their digits to underflow when they are multiplied with residuals.
SMALLEST_TOTAL = 1e-290


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
