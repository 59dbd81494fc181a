"""Training sets of dask: arrays and data frames whose partitions are summed on the workers that hold them."""

import math
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import counted, listed
from fastgd.inputs import frames, validation
from fastgd.inputs.source import Source
from fastgd.rows.part import Part

if TYPE_CHECKING:
    from fastgd.rows.parts import PartedRows


def is_dask(values: object) -> bool:
    """Return whether a value is a collection of dask."""
    return hasattr(values, "__dask_graph__")


class DaskSet(Source):
    """A training set of dask collections: X of shape (n_samples, n_features) or (n_samples,), y and sample weights.

    X is an array, whose blocks may be sparse, or a data frame; y and sample weights are arrays or series.
    """

    def __init__(self, X: Any, y: Any, sample_weight: Any = None) -> None:
        columns = {"y": y} if sample_weight is None else {"y": y, "sample_weight": sample_weight}
        for name, values in columns.items():
            n_dimensions = getattr(values, "ndim", None) if is_dask(values) else None
            if n_dimensions != 1:
                what = "is not of dask" if n_dimensions is None else f"has {n_dimensions} dimensions"
                raise TypeError(
                    f"X is a collection of dask, but {name}, a {type(values).__name__}, {what}. Give a dask array or series "
                    "with one number for each row of X."
                )
        if getattr(X, "ndim", 0) not in (1, 2):
            raise TypeError(
                f"X is a dask {type(X).__name__}, but an array of shape (n_samples, n_features) or a data frame is expected."
            )
        if not hasattr(X, "npartitions") or (hasattr(X, "numblocks") and X.ndim == 2 and X.numblocks[1] > 1):
            raise ValueError(
                f"X is cut between its columns, into {X.numblocks[1]} parts, but each row is needed whole. Give "
                "X.rechunk({1: -1})."
            )
        for name, values in columns.items():
            _check_partitions(X, values, name)
        is_frame = hasattr(X, "columns")
        self.n_features = (*X.shape, 1)[1] if X.ndim == 2 else 1
        self.feature_names = frames.labels(X.columns) if is_frame else None
        rows = None if is_frame else X.shape[0]
        self._n_expected = None if rows is None or math.isnan(rows) else int(rows)
        self._partitions = _partitions_of(X, list(columns.values()))

    def selected(self, wanted: list[Any] | None) -> Self:
        """Return the training set with the features that have these labels; each partition is selected on its worker."""
        if self.feature_names is None or frames.places(self.feature_names, wanted) is None:
            return self
        assert wanted is not None
        chosen = copy(self)
        chosen.feature_names, chosen.n_features = wanted, len(wanted)
        return chosen

    def rows(self, n_threads: int | None) -> "PartedRows":
        """Return the rows; a partition takes one thread of its worker, whatever `n_threads` is."""
        from fastgd.rows.dask_rows import DaskRows  # not at the top: it needs numba

        read = partial(_checked, n_features=self.n_features, names=self.feature_names)
        return DaskRows(self._partitions, read, self.n_features, self._n_expected)


def by_partition(X: Any, model: Any) -> NDArray[np.float64]:
    """Predict each partition on its worker by the model's `predict`, and return all predictions in memory."""
    from dask.delayed import delayed

    partitions = _delayed(X.rechunk({1: -1}) if hasattr(X, "rechunk") else X)
    shared, of_partition = delayed(model, traverse=False), delayed(_predicted, pure=False)
    predictions = delayed(list)([of_partition(shared, part) for part in partitions]).compute()
    predictions = [each for each in predictions if each is not None]
    if not predictions:
        raise ValueError(
            "X is a collection of dask that has 0 rows, but at least 1 is expected. Check how X was selected."
        )
    return np.concatenate(predictions)


def _predicted(model: Any, X: Any) -> NDArray[np.float64] | None:
    return model.predict(X) if X.shape[0] else None


def _delayed(values: Any) -> list[Any]:
    parts = values.to_delayed()
    return parts.ravel().tolist() if isinstance(parts, np.ndarray) else list(parts)


def _partitions_of(X: Any, columns: list[Any]) -> list[tuple[Any, ...]]:
    """Return the contents of each partition as delayed objects."""
    if all(hasattr(values, "map_partitions") for values in (X, *columns)):
        # In one expression: separately, dask might read each file twice, and cut the collections into different partitions.
        meta = X._meta.iloc[:, 0] if X.ndim == 2 else X._meta
        packed = X.map_partitions(_packed, *columns, meta=meta, align_dataframes=False, enforce_metadata=False)
        return [(partition,) for partition in packed.to_delayed()]
    return list(zip(*map(_delayed, (X, *columns)), strict=True))


def _packed(*values: Any) -> tuple[Any, ...]:
    return values


def _check_partitions(X: Any, values: Any, name: str) -> None:
    """Check that the partitions of two collections have the same lengths, as far as these are known."""
    ours, theirs = (getattr(each, "chunks", [(math.nan,) * each.npartitions])[0] for each in (X, values))
    if len(ours) != len(theirs) or any(a != b for a, b in zip(ours, theirs, strict=True) if a == a and b == b):
        raise ValueError(
            f"X has {counted(len(ours), 'partition')} (rows: {_shown(ours)}), but {name} has {len(theirs)} ({_shown(theirs)}). "
            f"Cut them alike: {name}.rechunk(X.chunks[0]) for arrays, or take both from one data frame."
        )


def _shown(chunks: tuple[float, ...]) -> str:
    return listed(chunks, show=lambda n: "?" if n != n else str(n))


def _checked(number: int, *values: Any, n_features: int, names: list[Any] | None) -> Part:
    """Check a partition, on its worker."""
    columns = values[0] if len(values) == 1 else values
    lengths = [each.shape[0] for each in columns]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"Partition {number} has {counted(lengths[0], 'row')} of X, but {lengths[1]} of y"
            + (f" and {counted(lengths[2], 'sample weight')}" if len(lengths) > 2 else "")
            + ". Cut the collections at the same rows."
        )
    if not lengths[0]:
        return Part(np.empty((0, n_features)), np.empty(0), None)
    part, _ = validation.part_of_training_set(columns, names, f"Partition {number}")
    if (*part.X.shape, 1)[1] != n_features:
        raise ValueError(
            f"Partition {number} holds {type(columns[0]).__name__} of shape {part.X.shape}, but one with "
            f"{counted(n_features, 'column')} is expected."
        )
    return part
