"""Moments on disk, in numpy's ``.npz`` format without pickle: `Moments.save` writes them, `Moments.load` reads them."""

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import listed
from fastgd.saving.outputs import replaced

_FORMAT = "fastgd moments 1"
_ENTRIES = ["format", "mean", "n_samples", "scatter", "total_weight"]
_NAMES = "feature_names"
# The kinds of arrays that may hold labels, by numpy's characters: no objects, as these would need pickle.
_KINDS = "Ubiuf"
_ADVICE = "Files of moments are written by Moments.save."


def save(moments: Mapping[str, Any], file: str | os.PathLike[str] | BinaryIO) -> None:
    """Write the fields of `Moments` to a file; see `Moments.save`."""
    entries = {"format": _FORMAT, **moments}
    if entries[_NAMES] is None:
        del entries[_NAMES]
    else:
        entries[_NAMES] = _as_array(entries[_NAMES])
    if not isinstance(file, str | os.PathLike):
        np.savez(file, **entries)
        return
    path = os.fspath(file)
    with replaced(path if path.endswith(".npz") else path + ".npz") as temporary:
        np.savez(temporary, **entries)


def load(file: str | os.PathLike[str] | BinaryIO, check_labels: Callable[[NDArray[Any]], list[Any]]) -> dict[str, Any]:
    """Read the fields of `Moments` from a file, and check all of them; see `Moments.load`."""
    try:
        # Opened here, as numpy does not close a file that it could not read.
        opened = open(file, "rb") if isinstance(file, str | os.PathLike) else nullcontext(file)  # noqa: SIM115
        with opened as stream, np.load(stream, allow_pickle=False) as content:
            members = content.zip.infolist()
            names = sorted(member.filename for member in members)
            expected = [_NAMES, *_ENTRIES] if f"{_NAMES}.npy" in names else _ENTRIES
            # An entry that is not compressed is no larger than its file, whatever size it claims.
            sound = names == [f"{name}.npy" for name in expected] and not any(each.compress_type for each in members)
            entries = {name: content[name] for name in expected} if sound else {}
    except Exception as reason:  # zipfile and numpy raise several kinds
        if isinstance(reason, OSError) and reason.filename is not None:
            raise
        raise ValueError(f"{file} is no .npz file: {reason}. {_ADVICE}") from None
    try:
        if "format.npy" not in names:
            raise ValueError(f"its format is missing, but {_FORMAT!r} is expected")
        if not sound:
            raise ValueError(f"its entries are {str(names)[:200]}, but {_ENTRIES}, not compressed, are expected")
        return _checked(entries, check_labels)
    except ValueError as error:
        raise ValueError(f"{file} holds no moments: {error}. {_ADVICE}") from None


def _checked(entries: dict[str, Any], check_labels: Callable[[NDArray[Any]], list[Any]]) -> dict[str, Any]:
    """Return the fields that the entries of a file stand for; a ValueError says what is wrong with them."""
    if not all(isinstance(values, np.ndarray) for values in entries.values()):  # others come as bytes
        raise ValueError("not all of its entries are arrays")
    labels, said = entries.pop(_NAMES, None), entries.pop("format")
    if said.shape != () or str(said) != _FORMAT:
        raise ValueError(f"its format is {str(said)[:200]!r}, but {_FORMAT!r} is expected")
    shapes = {name: values.shape for name, values in entries.items()}
    n = entries["mean"].size
    if n < 2 or shapes != {"mean": (n,), "n_samples": (), "scatter": (n, n), "total_weight": ()}:
        raise ValueError(f"their shapes are {shapes}")
    n_samples, *floats = (entries[name] for name in ("n_samples", "total_weight", "mean", "scatter"))
    if any(values.dtype != np.float64 for values in floats) or n_samples.dtype.kind != "i":
        raise ValueError("not all of it is float64")
    if not all(np.isfinite(values).all() for values in floats):
        raise ValueError("not all of it is finite")
    if n_samples < 1 or entries["total_weight"] <= 0 or (np.diagonal(entries["scatter"]) < 0).any():
        raise ValueError("a number of rows, a weight or a square is negative")
    if labels is not None and (labels.ndim != 1 or labels.dtype.kind not in _KINDS or not 0 < len(labels) < n):
        raise ValueError(f"its feature_names have shape {labels.shape} and dtype {labels.dtype}")
    try:
        entries[_NAMES] = None if labels is None else check_labels(labels)
    except ValueError as error:
        raise ValueError(f"of its feature_names, {str(error)[:200]}") from None
    return entries | {name: entries[name].item() for name in ("n_samples", "total_weight")}


def _as_array(names: list[Any]) -> NDArray[Any]:
    """Return labels as an array that gives them back."""
    if not any(isinstance(name, tuple) for name in names):  # ragged ones are no array
        array = np.array(names)
        if array.dtype.kind in _KINDS and array.tolist() == names:
            return array
    raise TypeError(
        f"The features have the labels {listed(names)}, but a file of moments "
        "keeps text alone or numbers alone. Take the moments of a frame with other labels, X.columns.astype(str) if X "
        "is of pandas, or save dataclasses.replace(moments, feature_names=None)."
    )
