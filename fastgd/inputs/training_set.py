"""Where a training set is: in memory, in mapped files, behind a source that gives its rows, or on a cluster."""

from os import PathLike
from typing import Any, NamedTuple

from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.inputs import validation
from fastgd.inputs.dask import DaskSet, is_dask
from fastgd.inputs.source import Source
from fastgd.rows.rows import Rows, rows_of


class Home(NamedTuple):
    """A checked training set, and what sums it up."""

    rows: Rows
    """The rows."""
    total_weight: float | None
    """The sum of their weights; None where it is not known before the first pass."""
    feature_names: list[Any] | None
    """The labels of the features, if they have any."""
    arrays: list[NDArray[Any] | None]
    """The arrays in memory that are read."""
    one_shot: bool
    """Whether the rows can be read once only."""


def home_of(X: Any, y: ArrayLike | None, sample_weight: ArrayLike | None, n_threads: int | None) -> Home:
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
    Home
        The training set.

    Raises
    ------
    TypeError
        If an argument is not of its type, y is missing, or there where the source holds it.
    ValueError
        If shapes do not fit together, or sample weights are out of range.
    """
    n_threads = arguments.thread_count(n_threads)
    if isinstance(X, Source):
        if y is not None or sample_weight is not None:
            raise TypeError(
                f"X is a {type(X).__name__}, which holds target and sample weights itself, but y or sample_weight was given, "
                "too. Leave them out."
            )
        return Home(X.rows(n_threads), None, X.feature_names, [], X.one_shot)
    if is_dask(X):
        return home_of(DaskSet(X, y, sample_weight), None, None, n_threads)
    if y is None and isinstance(X, str | PathLike):
        raise TypeError(
            f"X is {X!r}, a path, but rows are expected. Give fastgd.scan_parquet(path, target=...), or scan_csv."
        )
    if y is None:
        raise TypeError(
            "y is missing. Give the target of each row of X; only Moments and what from_batches, scan_parquet and scan_csv "
            "return come without one."
        )
    data = validation.training_set(X, y, sample_weight)
    rows = rows_of(data.X, data.y, data.sample_weight, n_threads)
    return Home(rows, data.total_weight, data.names, data.arrays(), one_shot=False)
