"""Where a training set is: in memory, in mapped files, behind a source that gives its rows, or on a cluster."""

from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.inputs import validation
from fastgd.inputs.dask_set import DaskSet, is_dask
from fastgd.inputs.source import Source
from fastgd.rows.columns import Columns
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.rows import Rows, rows_of


class TrainingSet(NamedTuple):
    """A training set, checked and open: its rows, and what is known of them."""

    rows: Rows
    """The rows."""
    source: Source | None = None
    """Where the rows come from, if not from arrays."""
    names: list[Any] | None = None
    """The labels of the features of arrays, if they have any."""
    given: validation.Arrays | None = None
    """X, y and sample weights, checked, where they are arrays."""

    @property
    def arrays(self) -> list[NDArray[Any] | None]:
        """The arrays in memory that are read."""
        if self.given is None:
            return []
        X, y, s = self.given
        return [*(X.arrays() if isinstance(X, Columns) else X[:3] if isinstance(X, CSR) else [X]), y, s]

    @property
    def feature_names(self) -> list[Any] | None:
        """The labels of the features, if they have any; of a source, as far as it has been read."""
        return self.names if self.source is None else self.source.feature_names

    @property
    def total_weight(self) -> float:
        """The sum of the sample weights; 0 before the first pass over rows that are not in memory."""
        return self.rows.total_weight

    @property
    def one_shot(self) -> bool:
        """Whether the rows can be read once only."""
        return self.source is not None and self.source.one_shot

    @property
    def note(self) -> str:
        """What to say of how the rows were read, if anything."""
        return "" if self.source is None else self.source.note


def open_training_set(
    X: Any, y: ArrayLike | None, sample_weight: ArrayLike | None, n_threads: int | None
) -> TrainingSet:
    """Check a training set, and open it.

    Parameters
    ----------
    X : array_like, data frame, sparse matrix, or Source
        The features; a source holds target and weights, too.
    y, sample_weight : array_like, optional
        Target and weights; none beside a source.
    n_threads : int, optional
        How many threads a pass may take.

    Returns
    -------
    TrainingSet
        The training set.

    Raises
    ------
    TypeError
        If an argument has the wrong type, y is missing, or y or sample_weight is given beside a source that holds it.
    ValueError
        If shapes do not fit together, or sample weights are out of range.
    """
    n_threads = arguments.thread_count(n_threads)
    if type(X) is not np.ndarray:
        if isinstance(X, Source):
            if y is not None or sample_weight is not None:
                raise TypeError(
                    f"X is a {type(X).__name__}, which holds target and sample weights itself, but y or sample_weight was "
                    "given, too. Leave them out."
                )
            return TrainingSet(X.rows(n_threads), X)
        if is_dask(X):
            return open_training_set(DaskSet(X, y, sample_weight), None, None, n_threads)
        if y is None and isinstance(X, str | PathLike):
            raise TypeError(
                f"X is {X!r}, a path, but rows are expected. Give fastgd.scan_parquet(path, target=...), or scan_csv."
            )
    if y is None:
        raise TypeError(
            "y is missing. Give the target of each row of X; only Moments and what from_batches, scan_parquet and scan_csv "
            "return come without one."
        )
    arrays, total_weight, names = validation.training_set(X, y, sample_weight)
    rows = rows_of(*arrays, n_threads)
    rows.total_weight = total_weight
    return TrainingSet(rows, None, names, arrays)
