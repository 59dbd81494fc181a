"""Fitted models on disk, as JSON: `FitResult.save` writes them, `fastgd.load` reads them."""

import json
import math
import os
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import counted, listed, printable, shortened

_FORMAT = "fastgd-model"
_VERSION = 1
# Whole numbers up to this one are floats, too.
_LARGEST_WHOLE = 2**53
ADVICE = "Models are written by result.save(path), or: fastgd fit DATA.csv --target COLUMN --save MODEL.json"


class ModelError(ValueError):
    """A model cannot be read or saved: one line that says what was found, what was expected and what to do."""


class Content(NamedTuple):
    """What a file holds of a model."""

    target: str | None
    """The name of the target, if it has one."""
    features: list[Any] | None
    """The names of the features, text or numbers, all different; None if they have none."""
    intercept: float
    """The intercept; 0.0 if there is none."""
    coef: NDArray[np.float64]
    """The coefficients, shape (n_features,)."""


def save(content: Content, path: str | os.PathLike[str]) -> None:
    """Write a model; `ModelError` if it is not finite, a TypeError for names that come back as others, or an OSError."""
    from fastgd.saving.outputs import replaced  # not at the top, as reading a model should take little time

    if content.target is not None and not (isinstance(content.target, str) and content.target):
        raise TypeError(f"target={content.target!r} was given, but the name of the target, a text, is expected.")
    if wrong := [name for name in content.features or [] if not _comes_back(name)]:
        raise TypeError(
            f"The features have labels such as {listed(wrong, 1)}, but a file of a model keeps text and numbers. Fit a frame "
            "with other labels, X.columns.astype(str) if X is of pandas, or save dataclasses.replace(result, "
            "feature_names=None)."
        )
    entries = {"format": _FORMAT, "version": _VERSION} | content._asdict() | {"coef": content.coef.tolist()}
    try:
        text = json.dumps(entries, allow_nan=False, indent=2) + "\n"
    except ValueError:
        raise ModelError("the model has coefficients that are not finite, so it is not saved. Fit it anew.") from None
    with replaced(path) as temporary, open(temporary, "x", encoding="utf-8") as file:
        file.write(text)


def load(path: str | os.PathLike[str]) -> Content:
    """Read a model, and check all of it; `ModelError` if the file is anything but a model of this version, or an OSError."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            # Whole numbers as floats: all numbers have one type, which no boolean has, and none is too long to parse.
            content = json.load(file, parse_int=float, parse_constant=_not_finite, object_pairs_hook=_without_doubles)
        return _content(content)
    except UnicodeDecodeError:
        problem = "is not text in UTF-8, but a model in JSON is expected"
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        problem = f"is not JSON, but a model in JSON is expected ({error.msg}: {where})"
    except RecursionError:
        problem = "is nested more deeply than a model can be"
    except ValueError as error:
        problem = str(error)
    raise ModelError(f"{printable(path)} {problem}. {ADVICE}")


def _content(content: Any) -> Content:
    """Check the content of a file; a `ValueError` says what is wrong with the file."""
    if not isinstance(content, dict):
        raise ValueError(f"holds {_shown(content)}, but an object with format, version and so on is expected")
    if content.get("format") != _FORMAT:
        found = _shown(content["format"]) if "format" in content else "missing"
        raise ValueError(f"is not a model: its format is {found}, but {_FORMAT!r} is expected")
    version = _entry(content, "version")
    if isinstance(version, float) and version > _VERSION:
        upgrade = f"this fastgd reads version {_VERSION}: upgrade fastgd to read it"
        raise ValueError(f"has version {version:g}, but {upgrade}")
    if not isinstance(version, float) or version != _VERSION:
        raise ValueError(f"has version {_shown(version)}, but {_VERSION} is expected")
    target = _entry(content, "target")
    if target is not None and not (isinstance(target, str) and target):
        raise ValueError(f"has target {_shown(target)}, but the name of a column, or null, is expected")
    features = None
    if _entry(content, "features") is not None:
        features = [_label(value, f"features[{i}]") for i, value in enumerate(_list(content, "features"))]
        _refuse_doubles(features, "feature", "different ones are expected")
    coef = [_number(value, f"coef[{i}]") for i, value in enumerate(_list(content, "coef"))]
    if features is not None and len(coef) != len(features):
        raise ValueError(
            f"has {counted(len(features), 'feature')} and {len(coef)} coef, but one coef for each feature is expected"
        )
    return Content(target, features, _number(_entry(content, "intercept"), "intercept"), np.array(coef))


def _entry(content: dict[str, Any], key: str) -> Any:
    if key not in content:
        raise ValueError(f"has no {key}, but a model has one")
    return content[key]


def _list(content: dict[str, Any], key: str) -> list[Any]:
    values = _entry(content, key)
    if not isinstance(values, list) or not values:
        raise ValueError(f"has {key} {_shown(values)}, but a list with one entry per feature is expected")
    return values


def _label(value: Any, key: str) -> str | int | float:
    if isinstance(value, str):
        return value
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError(f"has {key} {_shown(value)}, but the name of a column is expected")
    return int(value) if value.is_integer() and abs(value) <= _LARGEST_WHOLE else value


def _comes_back(label: Any) -> bool:
    """Return whether a label is text or a number that is read as what was written."""
    if isinstance(label, bool) or not isinstance(label, int | float):
        return isinstance(label, str)
    return math.isfinite(label) if isinstance(label, float) else abs(label) <= _LARGEST_WHOLE


def _number(value: Any, key: str) -> float:
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError(f"has {key} {_shown(value)}, but a finite number is expected")
    return value


def _not_finite(constant: str) -> float:
    raise ValueError(f"holds {constant}, but finite numbers are expected")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_doubles([key for key, _ in pairs], "key", "each is expected once")
    return dict(pairs)


def _refuse_doubles(names: list[Any], what: str, expected: str) -> None:
    for name, n_times in Counter(names).items():
        if n_times > 1:
            raise ValueError(f"has the {what} {_shown(name)} twice, but {expected}")


def _shown(value: Any) -> str:
    return shortened(repr(value))
