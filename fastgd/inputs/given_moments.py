"""Numbers from elsewhere that are given as `Moments`, and moments that are added, checked."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.formatting import counted, listed
from fastgd.inputs import frames, validation

_HINT = "Give what Moments.from_rows gave, or load."

# The largest relative difference between two sums of the same products, added in different orders.
_ROUNDING = 1e-8


def check_moments(
    n_samples: object, total_weight: object, mean: ArrayLike, scatter: ArrayLike, feature_names: object
) -> tuple[int, float, NDArray[np.float64], NDArray[np.float64], list[Any] | None]:
    """Return the fields of `Moments`, each of its type; a TypeError or a ValueError says what they cannot be."""
    mean, scatter = _finite(mean, "mean"), _finite(scatter, "scatter")
    if mean.ndim != 1 or len(mean) < 2:
        raise ValueError(
            f"mean has shape {mean.shape}, but (n_features + 1,) is expected. Give the mean of each feature, of which "
            "there is at least one, and then that of y."
        )
    if scatter.shape != (len(mean), len(mean)):
        raise ValueError(
            f"scatter has shape {scatter.shape}, but mean has {len(mean)} entries, so {(len(mean),) * 2} is expected. "
            "Give both of the features and of y."
        )
    squares = np.diagonal(scatter)
    if (squares < 0).any():
        j = int((squares < 0).argmax())
        raise ValueError(
            f"scatter[{j}, {j}] is {squares[j]}, but it is a sum of squares, so a number >= 0 is expected. Correct it."
        )
    sizes = np.sqrt(squares)
    with np.errstate(over="ignore"):
        skew = abs(scatter - scatter.T) > _ROUNDING * sizes * sizes[:, np.newaxis]
    if skew.any():
        i, j = np.argwhere(skew)[0].tolist()
        raise ValueError(
            f"scatter[{i}, {j}] is {scatter[i, j]}, but scatter[{j}, {i}] is {scatter[j, i]}, and a symmetric array is "
            "expected. Give the sums of all products, of which each is there twice."
        )
    n_rows = arguments.count(n_samples, "n_samples", _HINT)
    if not n_rows:
        raise ValueError(f"n_samples=0 was given, but moments are of at least 1 row. {_HINT}")
    weight = arguments.number(total_weight, "total_weight", zero=False, hint=_HINT)
    names = None if feature_names is None else _labels(feature_names, len(mean) - 1)
    return n_rows, weight, mean, scatter, names


def refuse_other_features(n_features: int, names: list[Any] | None, n_others: int, others: list[Any] | None) -> None:
    """Refuse to add moments of other features, by their number and, where both have them, their labels."""
    if n_others != n_features:
        raise ValueError(
            f"Moments of {n_features} and of {counted(n_others, 'feature')} cannot be added. Take both of rows with the same "
            "columns."
        )
    if names is not None and others is not None and set(names) != set(others):
        raise ValueError(
            f"Moments of the columns {listed(names)} and of {listed(others)} cannot be added. Take both of frames with the "
            "same columns, or of arrays (X.to_numpy()), whose columns are taken in their order."
        )


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = validation.real_array(values, name).astype(np.float64)
    if not np.isfinite(array).all():
        place = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ValueError(
            f"{name}{place} is {array[tuple(place)]}, but moments are finite numbers. Take them of rows without NaN and inf."
        )
    return array


def _labels(names: object, n_features: int) -> list[Any]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"feature_names={names!r} was given, but a list of labels, or None, is expected.")
    labels = frames.labels(names)
    if len(labels) != n_features:
        raise ValueError(
            f"feature_names has {counted(len(labels), 'label')}, but mean is of {counted(n_features, 'feature')} and "
            "y. Give one for each feature, or None."
        )
    return labels
