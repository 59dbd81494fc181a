"""Fitted models on disk, as JSON: ``fastgd fit --save`` writes them, ``fastgd predict`` reads them."""

import json
import math
import os
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import counted, printable, shortened
from fastgd.saving.opening import opened
from fastgd.saving.outputs import replacing

_FORMAT = "fastgd-model"
_VERSION = 1
_ADVICE = "Models are written by: fastgd fit DATA.csv --target COLUMN --save MODEL.json"


class ModelError(ValueError):
    """A model cannot be read or saved: one line that says what was found, what was expected and what to do."""


class Model(NamedTuple):
    """A fitted line with the names of its columns."""

    target: str
    """The name of the target."""
    features: list[str]
    """The names of the features, all different."""
    intercept: float
    """The intercept; 0.0 if there is none."""
    coef: NDArray[np.float64]
    """The coefficients, shape (n_features,)."""


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model; `ModelError` if it is not finite, `OutputError` if the file cannot be written."""
    content = {"format": _FORMAT, "version": _VERSION} | model._asdict() | {"coef": model.coef.tolist()}
    try:
        text = json.dumps(content, allow_nan=False, indent=2) + "\n"
    except ValueError:
        raise ModelError("the model has coefficients that are not finite, so it is not saved. Fit it anew.") from None
    with replacing(path) as temporary, open(temporary, "x", encoding="utf-8") as file:
        file.write(text)


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model, and check all of it; `ModelError` if the file is anything but a model of this version."""
    try:
        with opened(path, "a model", ModelError, _ADVICE), open(path, encoding="utf-8-sig") as file:
            # Whole numbers as floats: all numbers have one type, which no boolean has, and none is too long to parse.
            content = json.load(file, parse_int=float, parse_constant=_not_finite, object_pairs_hook=_without_doubles)
        return _model(content)
    except ModelError:  # from `opened`
        raise
    except UnicodeDecodeError:
        problem = "is not text in UTF-8, but a model in JSON is expected"
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        problem = f"is not JSON, but a model in JSON is expected ({error.msg}: {where})"
    except RecursionError:
        problem = "is nested more deeply than a model can be"
    except ValueError as error:
        problem = str(error)
    raise ModelError(f"{printable(path)} {problem}. {_ADVICE}")


def _model(content: Any) -> Model:
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
    target = _text(_entry(content, "target"), "target")
    features = [_text(value, f"features[{i}]", nameless=True) for i, value in enumerate(_list(content, "features"))]
    coef = [_number(value, f"coef[{i}]") for i, value in enumerate(_list(content, "coef"))]
    if len(coef) != len(features):
        raise ValueError(
            f"has {counted(len(features), 'feature')} and {len(coef)} coef, but one coef for each feature is expected"
        )
    _refuse_doubles(features, "feature", "different ones are expected")
    return Model(target, features, _number(_entry(content, "intercept"), "intercept"), np.array(coef))


def _entry(content: dict[str, Any], key: str) -> Any:
    if key not in content:
        raise ValueError(f"has no {key}, but a model has one")
    return content[key]


def _list(content: dict[str, Any], key: str) -> list[Any]:
    values = _entry(content, key)
    if not isinstance(values, list) or not values:
        raise ValueError(f"has {key} {_shown(values)}, but a list with one entry per feature is expected")
    return values


def _text(value: Any, key: str, *, nameless: bool = False) -> str:
    if not isinstance(value, str) or not (value or nameless):
        raise ValueError(f"has {key} {_shown(value)}, but the name of a column is expected")
    return value


def _number(value: Any, key: str) -> float:
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError(f"has {key} {_shown(value)}, but a finite number is expected")
    return value


def _not_finite(constant: str) -> float:
    raise ValueError(f"holds {constant}, but finite numbers are expected")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_doubles([key for key, _ in pairs], "key", "each is expected once")
    return dict(pairs)


def _refuse_doubles(names: list[str], what: str, expected: str) -> None:
    for name, n_times in Counter(names).items():
        if n_times > 1:
            raise ValueError(f"has the {what} {_shown(name)} twice, but {expected}")


def _shown(value: Any) -> str:
    return shortened(repr(value))
