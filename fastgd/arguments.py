"""Checks of settings: the numbers, words and switches that a call takes beside its data.

Each function returns the setting, or raises a `TypeError` or `ValueError` like those of `fastgd.inputs.validation`, which
checks the data. `name` is the argument's name in the message, and `hint` the sentence that says what to do.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A loss is J = c/2 sum s r^2: c, and whether it is divided by the total weight.
LOSSES = {"mse": (2.0, True), "half_mse": (1.0, True), "sse": (2.0, False)}


def loss_scale(loss: str, total_weight: float) -> float:
    """Return the factor c of a loss ``J = c/2 sum s r^2`` and its gradient ``c sum s r x``."""
    scale, mean = LOSSES[choice(loss, "loss", tuple(LOSSES))]
    return scale / total_weight if mean else scale


def choice(value: object, name: str, choices: tuple[str, ...]) -> str:
    """Check that a value is one of a few words."""
    if isinstance(value, str) and value in choices:
        return value
    raise ValueError(f"{name}={value!r} was given, but one of {', '.join(map(repr, choices))} is expected.")


def thread_count(n_threads: object) -> int | None:
    """Check a number of threads; None stands for the default."""
    if n_threads is None or (type(n_threads) is int and n_threads >= 1):
        return n_threads
    return _whole_number(n_threads, "n_threads", 1, "a whole number >= 1 is expected. Give None for all processors.")


def feature_counts(n_features: object) -> list[int]:
    """Check a number of features, or an iterable of them."""
    counts: list[Any] = list(n_features) if isinstance(n_features, Iterable) else [n_features]
    expected = "whole numbers >= 1 are expected. Give None for any number."
    return [_whole_number(k, "n_features", 1, expected) for k in counts]


def float_dtypes(dtypes: object) -> list[str]:
    """Check the names of dtypes that kernels read: "float64" and "float32"."""
    if isinstance(dtypes, str) or not isinstance(dtypes, Iterable):
        raise TypeError(f"dtypes={dtypes!r} was given, but a list is expected. Give ['float64'], for example.")
    names = list(dtypes)
    for name in names:
        if name not in ("float64", "float32"):
            raise ValueError(
                f"dtypes has {name!r}, but 'float64' and 'float32' are expected: all other dtypes are read as these."
            )
    return names


def switch(value: object, name: str) -> bool:
    """Check a truth value."""
    if isinstance(value, bool | np.bool):
        return bool(value)
    raise TypeError(f"{name}={value!r} was given, but True or False is expected.")


def switch_or_auto(value: object, name: str) -> bool | str:
    """Check a truth value, or ``"auto"``."""
    if isinstance(value, bool | np.bool):
        return bool(value)
    if isinstance(value, str) and value == "auto":
        return value
    raise TypeError(f'{name}={value!r} was given, but True, False or "auto" is expected.')


def number(value: object, name: str, *, zero: bool, hint: str) -> float:
    """Check a finite number that is positive, or zero where `zero` allows it."""
    expected = f"a finite number {'>= 0' if zero else '> 0'} is expected. {hint}"
    try:
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        result = None
    if result is None or isinstance(value, str | bytes):
        raise TypeError(f"{name}={value!r} was given, but {expected}")
    if not (math.isfinite(result) and (result > 0 or (zero and result == 0))):
        raise ValueError(f"{name}={value!r} was given, but {expected}")
    return result


def penalty(l2: object) -> float:
    """Check the penalty on the squared coefficients."""
    if type(l2) is float and 0.0 <= l2 < math.inf:
        return l2
    return number(l2, "l2", zero=True, hint="Give 0 for no penalty.")


def penalties(l2: object) -> NDArray[np.float64]:
    """Check several penalties, of shape (n_penalties,)."""
    if isinstance(l2, str) or not isinstance(l2, Iterable):
        raise TypeError(
            f'l2={l2!r} was given, but several penalties are expected. Give a list, as numpy.logspace(-6, 3, 100), or "auto".'
        )
    found = [number(each, f"l2[{i}]", zero=True, hint="Give 0 for no penalty.") for i, each in enumerate(l2)]
    if not found:
        raise ValueError('l2 has no entry, but at least one penalty is expected. Give "auto" for a choice of them.')
    return np.array(found)


def fold_count(folds: object) -> int:
    """Check a number of folds."""
    return _whole_number(folds, "folds", 2, "a whole number >= 2 is expected, or a splitter of scikit-learn. Give 5.")


def count(value: object, name: str, hint: str) -> int:
    """Check a whole number that is not negative."""
    return _whole_number(value, name, 0, f"a whole number >= 0 is expected. {hint}")


def at_least_one(value: object, name: str) -> int:
    """Check a whole number that is positive."""
    return _whole_number(value, name, 1, "a whole number >= 1 is expected.")


def share(value: object, name: str, hint: str) -> float:
    """Check a number between 0 and 1."""
    result = number(value, name, zero=False, hint=hint)
    if result < 1.0:
        return result
    raise ValueError(f"{name}={value!r} was given, but a number between 0 and 1 is expected. {hint}")


def interval(value: object, name: str) -> int:
    """Check how often something is done: n for every n-th time; True stands for 1, False for never, 0."""
    if isinstance(value, bool | np.bool):
        return int(value)
    return count(value, name, "True stands for each time, False for never.")


def _whole_number(value: object, name: str, least: int, expected: str) -> int:
    """Check a whole number, at least `least`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if whole and value >= least:  # type: ignore[operator]
        return int(value)  # type: ignore[call-overload, no-any-return]
    raise (ValueError if whole else TypeError)(f"{name}={value!r} was given, but {expected}")
