"""The groups of rows, as they are given: labels of any kind that can be sorted."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def group_numbers(groups: Any, n_samples: int) -> NDArray[np.int64]:
    """Check the group of each row, and return its number, from 0.

    Parameters
    ----------
    groups : array_like of shape (n_samples,)
        A label for each row: text, or numbers.
    n_samples : int
        The number of rows.

    Returns
    -------
    ndarray of shape (n_samples,), int64
        The numbers of the labels in their order.

    Raises
    ------
    TypeError
        If labels cannot be compared with each other.
    ValueError
        If there is another number of them, or one is missing.
    """
    labels = np.asarray(groups)
    if labels.shape != (n_samples,):
        raise ValueError(
            f"groups has shape {labels.shape}, but one group per row is expected, of shape ({n_samples},). Give the group of "
            "each row of X."
        )
    missing = np.asarray(labels != labels)  # a NaN, also in an array of objects
    if labels.dtype == object:
        missing = missing | np.array([label is None for label in labels])
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(
            f"groups has {labels[row]!r} in row {row}, but each row has a group. Drop such rows, or name one."
        )
    try:
        _, numbers = np.unique(labels, return_inverse=True)
    except TypeError:
        raise TypeError(
            "groups has labels that cannot be sorted, as numbers beside text. Give numbers, or text."
        ) from None
    return numbers.astype(np.int64, copy=False)
