"""Where settings are checked: numbers, words and switches that calls are given beside their data.

Errors are as in `fastgd.inputs.validation`, which checks the data.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

# A loss is J = c/2 sum s r^2: c, and whether it is divided by the total weight.
LOSSES = {"mse": (2.0, True), "half_mse": (1.0, True), "sse": (2.0, False)}


def loss_scale(loss: str, total_weight: float) -> float:
    """Return the factor c of a loss ``J = c/2 sum s r^2`` and its gradient ``c sum s r x``.

    Parameters
    ----------
    loss : str
        The loss.
    total_weight : float
        The sum of the sample weights.

    Returns
    -------
    float
        2 for ``"sse"``, 2 / total_weight for ``"mse"``, 1 / total_weight for ``"half_mse"``.

    Raises
    ------
    ValueError
        If there is no such loss.
    """
    scale, mean = LOSSES[choice(loss, "loss", tuple(LOSSES))]
    return scale / total_weight if mean else scale


def choice(value: object, name: str, choices: tuple[str, ...]) -> str:
    """Check one of a few words.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        What to call it in an error message.
    choices : tuple of str
        What is expected.

    Returns
    -------
    str
        The word.

    Raises
    ------
    ValueError
        If it is another.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise ValueError(f"{name}={value!r} was given, but one of {', '.join(map(repr, choices))} is expected.")


def thread_count(n_threads: object) -> int | None:
    """Check a number of threads.

    Parameters
    ----------
    n_threads : object
        What was given.

    Returns
    -------
    int or None
        The number, or None for the default.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is less than 1.
    """
    if n_threads is None or (type(n_threads) is int and n_threads >= 1):
        return n_threads
    whole = isinstance(n_threads, int | np.integer) and not isinstance(n_threads, bool)
    if whole and n_threads >= 1:  # type: ignore[operator]
        return int(n_threads)  # type: ignore[call-overload, no-any-return]
    raise (ValueError if whole else TypeError)(
        f"n_threads={n_threads!r} was given, but a whole number >= 1 is expected. Give None for all processors."
    )


def feature_counts(n_features: object) -> list[int]:
    """Check a number of features, or several.

    Parameters
    ----------
    n_features : object
        What was given.

    Returns
    -------
    list of int
        The numbers.

    Raises
    ------
    TypeError
        If they are not whole numbers.
    ValueError
        If one is less than 1.
    """
    counts: list[Any] = list(n_features) if isinstance(n_features, Iterable) else [n_features]
    for k in counts:
        whole = isinstance(k, int | np.integer) and not isinstance(k, bool)
        if not whole or k < 1:
            raise (ValueError if whole else TypeError)(
                f"n_features={k!r} was given, but whole numbers >= 1 are expected. Give None for any number."
            )
    return [int(k) for k in counts]


def float_dtypes(dtypes: object) -> list[str]:
    """Check the names of dtypes that kernels read.

    Parameters
    ----------
    dtypes : object
        What was given.

    Returns
    -------
    list of str
        The names.

    Raises
    ------
    TypeError
        If it is a string, or no iterable.
    ValueError
        If one is neither "float64" nor "float32".
    """
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
    """Check a truth value.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        What to call it in an error message.

    Returns
    -------
    bool
        The truth value.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(value, bool | np.bool):
        return bool(value)
    raise TypeError(f"{name}={value!r} was given, but True or False is expected.")


def switch_or_auto(value: object, name: str) -> bool | str:
    """Check a truth value, or ``"auto"``; errors are those of `switch`."""
    if isinstance(value, bool | np.bool):
        return bool(value)
    if isinstance(value, str) and value == "auto":
        return value
    raise TypeError(f'{name}={value!r} was given, but True, False or "auto" is expected.')


def number(value: object, name: str, *, zero: bool, hint: str) -> float:
    """Check a finite number that must not be negative.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        What to call it in an error message.
    zero : bool
        Whether it may be zero.
    hint : str
        What to do about it.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If it is out of range.
    """
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
    """Check the penalty on the squared coefficients; errors are those of `number`."""
    if type(l2) is float and 0.0 <= l2 < math.inf:
        return l2
    return number(l2, "l2", zero=True, hint="Give 0 for no penalty.")


def count(value: object, name: str, hint: str) -> int:
    """Check a whole number that must not be negative.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        What to call it in an error message.
    hint : str
        What to do about it.

    Returns
    -------
    int
        The number.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is negative.
    """
    expected = f"a whole number >= 0 is expected. {hint}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}={value!r} was given, but {expected}")
    if value < 0:
        raise ValueError(f"{name}={value!r} was given, but {expected}")
    return int(value)


def interval(value: object, name: str) -> int:
    """Check how often something is to be done.

    Parameters
    ----------
    value : object
        What was given: a truth value, or a number n for every n-th time.
    name : str
        What to call it in an error message.

    Returns
    -------
    int
        The number: 0 for never, 1 for always.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If it is negative.
    """
    if isinstance(value, bool | np.bool):
        return int(value)
    return count(value, name, "True stands for each time, False for never.")
