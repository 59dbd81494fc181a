"""Warnings, and the line to which they point."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Packages whose frames are not the user's: fastgd, and what calls its estimator.
_NOT_THE_USER = {"fastgd", "sklearn", "joblib"}


class Everyday(Warning):
    """Columns that depend on each other where nothing is wrong with the fit, as in most pipelines that encode categories."""


# Of one context, as `warnings.catch_warnings` would change what other threads are told.
_ignored: ContextVar[tuple[type[Warning], ...]] = ContextVar("_ignored", default=())


class ConvergenceWarning(UserWarning):
    """A descent that did not arrive: it ran out of iterations, or its steps were too large.

    The message says which, and what to try.
    """


class RankWarning(UserWarning):
    """Columns that depend on each other, so that the minimum is not at a single theta: the fit is the one of least norm.

    The message says which columns, and what to do.
    """


def warn(message: str, category: type[Warning], *, everyday: bool = False) -> None:
    """Warn at the user's line that called fastgd, directly or through scikit-learn.

    Parameters
    ----------
    message : str
        The warning.
    category : type
        Its category; nothing is said where it is ignored.
    everyday : bool
        Whether it is of `Everyday` things, too.
    """
    if category in _ignored.get() or (everyday and Everyday in _ignored.get()):
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_USER:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def ignored(*categories: type[Warning]) -> Iterator[None]:
    """Silence `warn` for some categories, in this thread only.

    Parameters
    ----------
    categories : type
        The categories.
    """
    token = _ignored.set((*_ignored.get(), *categories))
    try:
        yield
    finally:
        _ignored.reset(token)
