"""What was taken of the rows of each fold, and how it is merged with that of the rows that follow."""

from collections.abc import Callable
from typing import Any


class ByFold(tuple[Any, ...]):
    """What was taken of each fold of some rows, None for one without weight; their row i is in fold i modulo the length."""

    __slots__ = ()

    def after(self, n_rows: int) -> "ByFold":
        """Return the same for rows before which there are so many: the number of a row is then larger by that."""
        shift = n_rows % len(self)
        return ByFold(self[-shift:] + self[:-shift])

    def merged(self, other: "ByFold", merge: Callable[[Any, Any], Any]) -> "ByFold":
        """Return what is made of both, fold by fold."""
        pairs = zip(self, other, strict=True)
        return ByFold(a if b is None else b if a is None else merge(a, b) for a, b in pairs)
