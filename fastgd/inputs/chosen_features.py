"""Features that are chosen by their names or positions."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastgd.formatting import counted, listed, shortened

_EXPECTED = "a list of names or positions of features is expected"


def places(chosen: object, names: list[Any] | None, n_features: int) -> list[int]:
    """Return the places of features, at least one and each once, that are given by their labels or positions.

    Whole numbers are positions, from 0, unless the features are labelled by numbers. `names` are the labels, if there are any.
    """
    if isinstance(chosen, str | bytes) or not isinstance(chosen, Iterable):
        hint = f" Give [{chosen!r}]." if isinstance(chosen, str | int) else ""
        raise TypeError(f"features={chosen!r} was given, but {_EXPECTED}.{hint}")
    wanted = list(chosen.tolist() if isinstance(chosen, np.ndarray) else chosen)
    if not wanted:
        raise ValueError(f"features={chosen!r} was given, but at least one feature is expected. Name it.")
    place_of = {name: j for j, name in enumerate(names or [])}
    by_number = any(isinstance(name, int | float) for name in place_of)
    by_switch = any(isinstance(name, bool) for name in place_of)
    found: dict[int, Any] = {}
    for entry in wanted:
        if isinstance(entry, bool | np.bool) and not by_switch:
            raise TypeError(
                f"features has {entry}, but {_EXPECTED}. In the place of a mask, give numpy.flatnonzero(mask)."
            )
        is_position = isinstance(entry, int | np.integer) and not by_number
        j = _position(entry, n_features, names) if is_position else _place(entry, place_of)
        if j in found:
            both = f"{entry!r} twice" if entry == found[j] else f"{found[j]!r} and {entry!r}, which are one feature"
            raise ValueError(f"features has {both}, but each is expected once. Leave one out.")
        found[j] = entry
    return list(found)


def _position(entry: Any, n_features: int, names: list[Any] | None) -> int:
    if 0 <= entry < n_features:
        return int(entry)
    named = "" if names is None else f", or one of the names {listed(names, 10)}"
    raise ValueError(
        f"features has the position {entry}, but there are {counted(n_features, 'feature')}. Give one from 0 to "
        f"{n_features - 1}{named}; positions are not counted from the end, where the target is."
    )


def _place(entry: Any, place_of: dict[Any, int]) -> int:
    try:
        if entry in place_of:
            return place_of[entry]
    except TypeError:
        raise TypeError(f"features has {shortened(repr(entry))}, but {_EXPECTED}.") from None
    if place_of:
        raise ValueError(f"There is no feature {entry!r}, but {listed([*place_of], 10)}. Correct the name.")
    raise ValueError(
        f"features has {shortened(repr(entry))}, but these features have no names, as those of an array. Give positions, "
        "from 0."
    )
