"""Fitted lines on disk, as JSON: ``fastgd fit --save`` writes them, ``fastgd predict`` reads them."""

import json
import math
import os
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import counted, printable
from fastgd.saving.outputs import replacing

_FORMAT = "fastgd-model"
_VERSION = 1
_MOST_CHARACTERS = 40
_ADVICE = "Models are written by: fastgd fit DATA.csv --target COLUMN --save MODEL.json"


class ModelError(ValueError):
    """A model that cannot be read or kept: one line that says what was found, what was expected and what to do."""


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
    """Write a model. An older one of the same name is replaced in one step, or stays as it was if that fails.

    Parameters
    ----------
    model : Model
        The model.
    path : str or path-like
        Where to.

    Raises
    ------
    ModelError
        If the model is not finite.
    OutputError
        If the file cannot be written.
    """
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "target": model.target,
        "features": model.features,
        "intercept": model.intercept,
        "coef": model.coef.tolist(),
    }
    try:
        text = json.dumps(content, allow_nan=False, indent=2) + "\n"
    except ValueError:
        raise ModelError("the model has coefficients that are not finite, so it is not saved. Fit it anew.") from None
    with replacing(path) as temporary, open(temporary, "x", encoding="utf-8") as file:
        file.write(text)


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model, and check all of it.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    Model
        The model.

    Raises
    ------
    ModelError
        If the file cannot be read or is not a model of this version.
    """
    name = printable(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except FileNotFoundError:
        raise ModelError(f"there is no file {name}, but a model is expected. {_ADVICE}") from None
    except IsADirectoryError:
        raise ModelError(f"{name} is a directory, but a model is expected. Give a file in it.") from None
    except OSError as error:
        raise ModelError(f"{name} cannot be read: {error.strerror}. Check the path and the permissions.") from None
    except UnicodeDecodeError:
        raise ModelError(f"{name} is not text in UTF-8, but a model in JSON is expected. {_ADVICE}") from None
    try:
        # Whole numbers as floats: every number is then of one type, that of no boolean, and none is too long to parse.
        content = json.loads(text, parse_int=float, parse_constant=_refuse_constant, object_pairs_hook=_without_doubles)
        return _model(content)
    except json.JSONDecodeError as error:
        problem = (
            f"is not JSON, but a model in JSON is expected ({error.msg}: line {error.lineno}, column {error.colno})"
        )
    except RecursionError:
        problem = "is nested more deeply than a model can be"
    except ValueError as error:
        problem = str(error)
    raise ModelError(f"{name} {problem}. {_ADVICE}")


def _model(content: Any) -> Model:
    if not isinstance(content, dict):
        raise ValueError(f"holds {_shown(content)}, but an object with format, version and so on is expected")
    if content.get("format") != _FORMAT:
        found = _shown(content["format"]) if "format" in content else "missing"
        raise ValueError(f"is not a model: its format is {found}, but {_FORMAT!r} is expected")
    version = _entry(content, "version")
    if isinstance(version, float) and version > _VERSION:
        raise ValueError(
            f"has version {version:g}, but this fastgd reads version {_VERSION}: upgrade fastgd to read it"
        )
    if not isinstance(version, float) or version != _VERSION:
        raise ValueError(f"has version {_shown(version)}, but {_VERSION} is expected")
    target = _text(_entry(content, "target"), "target")
    features = [_text(value, f"features[{i}]") for i, value in enumerate(_list(content, "features"))]
    coef = [_number(value, f"coef[{i}]") for i, value in enumerate(_list(content, "coef"))]
    if len(coef) != len(features):
        raise ValueError(
            f"has {counted(len(features), 'feature')} and {len(coef)} coef, but one coef for each feature is expected"
        )
    if len(set(features)) < len(features):
        raise ValueError(f"has the feature {_shown(_first_double(features))} twice, but different ones are expected")
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


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"has {key} {_shown(value)}, but the name of a column is expected")
    return value


def _number(value: Any, key: str) -> float:
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError(f"has {key} {_shown(value)}, but a finite number is expected")
    return value


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"holds {constant}, but finite numbers are expected")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        double = _first_double([key for key, _ in pairs])
        raise ValueError(f"has the key {_shown(double)} twice, but each is expected once")
    return content


def _first_double(names: list[str]) -> str:
    return next(name for name, n in Counter(names).items() if n > 1)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 3] + "..."
