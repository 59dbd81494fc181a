"""Open whatever was passed as X and y: arrays, frames, sparse matrices, batches, files, dask collections."""

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
    """A training set, checked and open."""

    rows: Rows
    """The rows."""
    source: Source | None = None
    """The source of the rows, if they are not in arrays."""
    names: list[Any] | None = None
    """The labels of the columns of a data frame."""
    given: validation.Arrays | None = None
    """X, y and sample weights, checked, where they are arrays."""
    one_shot: bool = False
    """Whether the rows can be read once only."""
    note: str = ""
    """A sentence for the message of a fit, or nothing."""

    @property
    def arrays(self) -> list[NDArray[Any] | None]:
        """The arrays in memory that a pass reads."""
        if self.given is None:
            return []
        X, y, s = self.given
        return [*(X.arrays() if isinstance(X, Columns) else X[:3] if isinstance(X, CSR) else [X]), y, s]

    @property
    def feature_names(self) -> list[Any] | None:
        """The labels of the features; None if they have none, or before a source has read them."""
        return self.names if self.source is None else self.source.feature_names

    @property
    def total_weight(self) -> float:
        """The sum of the sample weights; 0 before the first pass over rows that are not in memory."""
        return self.rows.total_weight


def open_training_set(
    X: Any,
    y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    n_threads: int | None,
    wanted: list[Any] | None = None,
) -> TrainingSet:
    """Check a training set, and open it; a `Source` as X holds y and sample weights, too.

    Of labelled columns only those with the labels that are `wanted` are taken, in their order.
    The wrong kind of argument, or y beside a source, is a `TypeError`, and the wrong shape or weight a `ValueError`.
    """
    n_threads = arguments.thread_count(n_threads)
    if type(X) is not np.ndarray:
        if isinstance(X, Source):
            if y is not None or sample_weight is not None:
                raise TypeError(
                    f"X is a {type(X).__name__}, which holds target and sample weights itself, but y or sample_weight was "
                    "given, too. Leave them out."
                )
            X = X.selected(wanted)
            return TrainingSet(X.rows(n_threads), X, one_shot=X.one_shot, note=X.note)
        if is_dask(X):
            return open_training_set(DaskSet(X, y, sample_weight), None, None, n_threads, wanted)
        if y is None and isinstance(X, str | PathLike):
            raise TypeError(
                f"X is {X!r}, a path, but rows are expected. Give fastgd.scan_parquet(path, target=...), or scan_csv."
            )
    if y is None:
        raise TypeError(
            "y is missing. Give the target of each row of X; only Moments and what from_batches, scan_parquet and scan_csv "
            "return come without one."
        )
    arrays, total_weight, names = validation.training_set(X, y, sample_weight, wanted=wanted)
    rows = rows_of(*arrays, n_threads)
    rows.total_weight = total_weight
    return TrainingSet(rows, None, names, arrays)
