"""Rows that are in memory a part at a time, or in parts elsewhere: what the parts add, and in which order."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from operator import methodcaller
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.rows.arrays import ArrayRows
from fastgd.rows.blocks import added
from fastgd.rows.by_fold import ByFold
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.part import SMALLEST_TOTAL, Part
from fastgd.rows.sparse_rows import SparseRows
from fastgd.rows.weights import Observations, total_weight

_Array = NDArray[Any]
_Vector = NDArray[np.float64]


class Summary(NamedTuple):
    """What is known of rows after a pass over them."""

    value: Any
    """The sums; None where no row has weight, and nothing has to be said of that."""
    n_samples: int
    """How many rows there are."""
    total_weight: float
    """The sum of their weights."""
    non_finite: tuple[int, int] | None
    """Row and column of the first NaN or infinity, if it was looked for, because the sums were not finite."""
    observations: Observations = Observations(0, 0.0)
    """The rows that have weight."""


class ProgressListener(Protocol):
    """What is told how far a pass has come."""

    def begin(self, number: int, n_parts: int | None, unit: str) -> None:
        """Begin pass `number`, of so many parts."""

    def update(self, n_parts: int) -> None:
        """Take note that so many more parts are done; several threads may call."""

    def end(self) -> None:
        """End the pass."""


class ChunkRows(ArrayRows):
    """Rows of which there are more: they are cut into blocks as these would be among all."""

    __slots__ = ()

    is_chunk = True


class PartedRows(ABC):
    """A training set in parts, each of which is summed by itself.

    What the parts add is added in a fixed binary tree, the one of `fastgd.rows.blocks.Fold`: the same parts give the same
    bits, wherever they were summed, and parts of 2^m blocks each those of the whole in memory.

    Parameters
    ----------
    n_features : int
        The number of features.
    n_expected : int or None
        The number of rows, if something is known of it.

    Attributes
    ----------
    n_expected : int
        The number of rows, as far as it is known; a very large one where it is not.
    n_samples : int
        The number of rows; 0 before the first pass.
    total_weight : float
        The sum of their weights; 0 before the first pass.
    n_passes : int
        How many times the rows were read for a sum.
    n_dropped : int
        How many rows the last pass left out, as they had missing values.
    """

    n_parts: int | None = None
    unit = "row"
    in_memory = False
    is_sparse = False

    def __init__(self, n_features: int, n_expected: int | None) -> None:
        self.n_features = n_features
        self.n_expected = n_expected or sys.maxsize
        self.n_samples = 0
        self.total_weight = 0.0
        self.n_passes = 0
        self.n_dropped = 0
        self._listener: ProgressListener | None = None
        self._non_finite: tuple[int, int] | None = None
        self._observations = Observations(0, 0.0)

    @abstractmethod
    def _summarised(self, of_rows: Callable[[Any], Any], merge: Callable[[Any, Any], Any]) -> Summary | None:
        """Summarise each part, and merge the summaries in the fixed order; None where there is no row."""

    def reduce(self, of_rows: Callable[[Any], Any], merge: Callable[[Any, Any], Any]) -> Any:
        """Go over all rows once.

        Parameters
        ----------
        of_rows : callable
            What is taken of the rows of a part.
        merge : callable
            What makes one of two; the first may be overwritten.

        Returns
        -------
        object
            What was taken of all rows.

        Raises
        ------
        ValueError
            If there are no rows, other ones than in the pass before, or all without weight.
        """
        self.n_passes += 1
        if self._listener is not None:
            self._listener.begin(self.n_passes, self.n_parts, self.unit)
        try:
            summary = self._summarised(of_rows, merge)
        finally:
            if self._listener is not None:
                self._listener.end()
        n_samples = 0 if summary is None else summary.n_samples
        if self.n_samples and n_samples != self.n_samples:
            raise ValueError(
                f"The source of the rows gave {self.n_samples} of them in the first pass and {n_samples} in another. Give a "
                "source that does not change while it is read."
            )
        if summary is None:
            raise ValueError(
                "The source has no rows, but at least one is expected. Check where they were to come from."
            )
        if not SMALLEST_TOTAL <= summary.total_weight < np.inf:
            raise ValueError(
                f"The sample weights have the sum {summary.total_weight:g}, but one from {SMALLEST_TOTAL:g} on is expected. "
                "Correct the weights, or multiply all of them by a constant."
            )
        self.n_samples, self.total_weight, self._non_finite, self._observations = summary[1:]
        return summary.value

    def gradient(self, theta: _Vector, scale: float = 1.0) -> _Vector:
        """Sum what `MemoryRows.gradient` does, in one pass."""
        return self._scaled(methodcaller("gradient", theta), scale)

    def product(self, p: _Vector) -> _Vector:
        """Sum what `MemoryRows.product` does, in one pass."""
        return self._scaled(methodcaller("product", p), 1.0)

    def report_to(self, listener: ProgressListener | None) -> None:
        """Report how far each pass has come."""
        self._listener = listener

    def observations(self) -> Observations:
        """Return what `MemoryRows.observations` does, as the last pass counted."""
        return self._observations

    def first_non_finite(self) -> tuple[int, int] | None:
        """Return what `MemoryRows.first_non_finite` does, as the last pass found it."""
        return self._non_finite

    def _done(self, n_parts: int) -> None:
        if self._listener is not None:
            self._listener.update(n_parts)

    def _scaled(self, of_rows: Callable[[Any], _Vector], scale: float) -> _Vector:
        sums: _Vector = self.reduce(of_rows, added)
        with np.errstate(over="ignore", invalid="ignore"):  # an infinity is a result
            return sums * scale


def summarise(part: Part, of_rows: Callable[[Any], Any], n_threads: int | None, *, alone: bool = False) -> Summary:
    """Read a part.

    Parameters
    ----------
    part : Part
        The part; it may have no row.
    of_rows : callable
        What is taken of its rows.
    n_threads : int or None
        How many threads that may take.
    alone : bool
        Whether it may well be the only part.

    Returns
    -------
    Summary
        What is known of it.
    """
    X, y, s = part
    n_samples = len(y)
    rows = (SparseRows if isinstance(X, CSR) else ArrayRows if alone else ChunkRows)(X, y, s, n_threads)
    weight = float(n_samples) if s is None else total_weight(s)
    if s is not None and not 0.0 <= weight < np.inf:
        wrong = s[~(np.isfinite(s) & (s >= 0))]
        raise ValueError(
            f"A sample weight is {wrong[0] if wrong.size else weight}, but finite weights >= 0 are expected. Correct the "
            "weights, or drop such rows."
        )
    if weight == 0.0 and rows.first_non_finite() is None:
        return Summary(None, n_samples, weight, None)
    value = of_rows(rows)
    non_finite = None if _is_finite(value) else rows.first_non_finite()
    return Summary(value, n_samples, weight, non_finite, rows.observations())


def merged(first: Summary, then: Summary, merge: Callable[[Any, Any], Any]) -> Summary:
    """Join the summaries of neighbours.

    Parameters
    ----------
    first, then : Summary
        Those of some rows, and of the rows that follow.
    merge : callable
        What makes one value of two.

    Returns
    -------
    Summary
        That of both.
    """
    value, later = first.value, then.value
    if isinstance(later, ByFold):
        later = later.after(first.n_samples)
    if value is None or later is None:
        value = value if later is None else later
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # an infinity is a result
            value = merge(value, later)
    place = first.non_finite
    if place is None and then.non_finite is not None:
        place = first.n_samples + then.non_finite[0], then.non_finite[1]
    n_samples, total = first.n_samples + then.n_samples, first.total_weight + then.total_weight
    return Summary(value, n_samples, total, place, first.observations + then.observations)


def _is_finite(value: Any) -> bool:
    """Return whether all numbers in an array, or in a tuple of them, are finite; a None has none."""
    if isinstance(value, tuple):
        return all(map(_is_finite, value))
    return value is None or bool(np.isfinite(value).all())
