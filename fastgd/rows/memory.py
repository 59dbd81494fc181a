"""What all rows in memory answer."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.kernels.scores import Leverages
from fastgd.rows import threads
from fastgd.rows.blocks import Blocks
from fastgd.rows.weights import Observations, observations, sampled

_Array = NDArray[Any]
_Vector = NDArray[np.float64]


class MemoryRows(ABC):
    """A training set in memory.

    Attributes
    ----------
    n_samples, n_features : int
        The shape of X.
    n_passes : int
        How many times the rows were read for a sum.
    total_weight : float
        The sum of the sample weights, where it was checked; else 0.
    """

    __slots__ = ("_n_threads", "n_features", "n_passes", "n_samples", "total_weight")

    in_memory = True
    n_dropped = 0
    _s: _Array | None
    _y: _Array

    def __init__(self, n_samples: int, n_features: int, n_threads: int | None) -> None:
        self.n_samples = n_samples
        self.n_features = n_features
        self.n_passes = 0
        self.total_weight = 0.0
        self._n_threads = n_threads

    @property
    def n_expected(self) -> int:
        """How many rows there are."""
        return self.n_samples

    @property
    def has_weight(self) -> bool:
        """Whether any row has some; those without may hold anything but NaN and infinities."""
        return self._s is None or bool(self._s.any())

    @property
    def n_threads(self) -> int:
        """How many threads a pass takes."""
        return threads.effective(self._n_threads)

    def observations(self) -> Observations:
        """Count the rows that have weight."""
        return observations(self.n_samples, self._s)

    def spread_of_target(self) -> tuple[float, float]:
        """Return the mean of y, and ``sum s (y - mean)^2``."""
        total = first = squares = 0.0
        for start, stop in Blocks(self.n_samples, tuning.CACHED_VALUES):
            y, s = self._target(start, stop)
            total, first = total + float(s.sum()), first + float(s @ y)
        mean = first / total
        for start, stop in Blocks(self.n_samples, tuning.CACHED_VALUES):
            y, s = self._target(start, stop)
            y -= mean
            squares += float(s @ (y * y))
        return mean, squares

    def report_to(self, listener: object) -> None:  # noqa: B027 (what all of them share)
        """Report nothing: a pass is too short."""

    @abstractmethod
    def gradient(self, theta: _Vector, scale: float = 1.0) -> _Vector:
        """Sum the residuals and what each row adds to the gradient, in one pass.

        Parameters
        ----------
        theta : ndarray of shape (n_features,) or (1 + n_features,), float64, contiguous
            The parameters.
        scale : float
            What the sums are multiplied with.

        Returns
        -------
        ndarray of shape (2 + n_features,), float64
            ``scale * (sum s r^2, sum s r, sum s r x_1, ..., sum s r x_k)``.
        """

    @abstractmethod
    def product(self, p: _Vector) -> _Vector:
        """Sum what each row adds to the product of the Hessian with a vector, in one pass; y is not read.

        Parameters
        ----------
        p : ndarray of shape (n_features,) or (1 + n_features,), float64, contiguous
            The vector.

        Returns
        -------
        ndarray of shape (2 + n_features,), float64
            ``(sum s (x.p)^2, sum s (x.p), sum s (x.p) x_1, ..., sum s (x.p) x_k)``.
        """

    @abstractmethod
    def moments(self, centre: _Vector) -> _Array:
        """Sum the products of every column with every other, in one pass.

        Parameters
        ----------
        centre : ndarray of shape (n_features + 1,), float64, contiguous
            What is taken off each feature and, last, off y before: the nearer to their means, the more digits are kept.

        Returns
        -------
        ndarray of shape (n_features + 2, n_features + 2), float64
            The sum of ``s z z^T`` with ``z = (x - centre of x, y - centre of y, 1)``, symmetric.
        """

    @abstractmethod
    def spread(self, centre: _Vector) -> tuple[float, _Vector, _Vector]:
        """Sum the first and the second powers of each column, in one pass.

        Parameters
        ----------
        centre : ndarray of shape (n_features + 1,), float64, contiguous
            See `moments`.

        Returns
        -------
        total_weight : float
            ``sum s``.
        first, second : ndarray of shape (n_features + 1,), float64
            The sums of ``s (z - centre)`` and of ``s (z - centre)^2`` with ``z = (x, y)``.
        """

    @abstractmethod
    def products_of_scores(self, theta: _Vector, centre: _Vector, leverages: Leverages | None) -> _Array:
        """Sum the products of every column with every other, weighted by the square of the row's score, in one pass.

        Parameters
        ----------
        theta : ndarray of shape (n_features,) or (1 + n_features,), float64
            The parameters.
        centre : ndarray of shape (n_features + 1,), float64
            See `moments`.
        leverages : Leverages or None
            What squares are corrected by.

        Returns
        -------
        ndarray of shape (n_features + 2, n_features + 2), float64
            What `moments` returns, with ``(s r)^2``, or ``(s r)^2 / (1 - h)^power`` with the leverage h of the row, in the
            place of s; NaN where a row has the leverage 1.
        """

    def sample(self) -> _Vector:
        """Take some rows from all over the training set, but none of no weight.

        Returns
        -------
        ndarray of shape (n, n_features + 1), float64
            Their features and, last, their y; n is 1 to `tuning.SAMPLED_ROWS`.
        """
        n = max(1, min(tuning.SAMPLED_ROWS, tuning.SAMPLED_VALUES // self.n_features))
        return self._values(sampled(self.n_samples, self._s, n))

    def blocks(self) -> Iterator[tuple[_Vector, _Vector]]:
        """Go through the rows, some at a time.

        Yields
        ------
        values : ndarray of shape (n, n_features + 1), float64
            Features and, last, y; a copy.
        s : ndarray of shape (n,), float64
            Their sample weights, 1 each without.
        """
        self.n_passes += 1
        for start, stop in Blocks(self.n_samples, max(1, tuning.CACHED_VALUES // self.n_features)):
            yield self.block(start, stop)

    def predicted(self, coef: _Vector, intercept: float) -> Iterator[tuple[_Vector, _Vector, _Vector]]:
        """Go through the rows, some at a time, and predict them.

        Parameters
        ----------
        coef : ndarray of shape (n_features,), float64, contiguous
            The coefficients.
        intercept : float
            The intercept.

        Yields
        ------
        h, y, s : ndarray of shape (n,), float64
            The hypothesis, the targets and the sample weights, 1 each without.
        """
        for values, s in self.blocks():
            yield np.vecdot(values[:, :-1], coef) + intercept, values[:, -1], s

    @abstractmethod
    def chosen(self, rows: slice | NDArray[np.intp]) -> "MemoryRows":
        """Return some of the rows, given by a slice or by ascending indices, as rows of their own."""

    @abstractmethod
    def block(self, start: int, stop: int) -> tuple[_Vector, _Vector]:
        """Return rows start to stop as `blocks` does."""

    @abstractmethod
    def first_non_finite(self) -> tuple[int, int] | None:
        """Find the first row that holds a NaN or an infinity.

        Returns
        -------
        tuple of (int, int), or None
            Row and column, both from 0, y being column n_features; None where every value is finite.
        """

    def _target(self, start: int, stop: int) -> tuple[_Vector, _Vector]:
        """Return copies of y and the weights of some rows, but of those of no weight, which may be infinite."""
        y = self._y[start:stop].astype(np.float64)
        if self._s is None:
            return y, np.ones(len(y))
        s = self._s[start:stop].astype(np.float64)
        return y[s > 0], s[s > 0]

    @abstractmethod
    def _values(self, rows: Any) -> _Vector:
        """Return a copy of the features of rows, given by a slice or indices, with y as its last column."""
