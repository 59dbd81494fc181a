"""Files that are written: checked before anything is computed, and replaced in one step."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from fastgd.formatting import printable

_PICTURES = (".png", ".pdf", ".svg")


class OutputError(ValueError):
    """A file cannot be written: one line that says what was found, what was expected and what to do."""


def check_writable(path: str | os.PathLike[str]) -> None:
    """Refuse a file that cannot be written; checked before a fit, whose result would be lost."""
    name, real = printable(path), os.path.realpath(path)
    folder = os.path.dirname(real)
    if os.path.exists(real) and not os.path.isfile(real):
        what = "is a directory" if os.path.isdir(real) else "is not a regular file"
    elif not os.path.isdir(folder):
        what = "is in a directory that does not exist"
    elif not os.access(folder, os.W_OK | os.X_OK):
        what = "is in a directory that cannot be written"
    elif os.path.exists(real) and not os.access(real, os.W_OK):
        what = "is read-only"
    else:
        return
    raise OutputError(f"{name} {what}, but the name of a file that can be written is expected. Give another name.")


def check_picture(path: str | os.PathLike[str]) -> None:
    """Refuse a picture that cannot be drawn, or cannot be written to this file."""
    check_writable(path)
    name = printable(path)
    if os.path.splitext(path)[1].lower() not in _PICTURES:
        raise OutputError(f"{name} is not the name of a picture. Give one that ends in {', '.join(_PICTURES)}.")
    try:
        from matplotlib.figure import Figure  # noqa: F401
    except ImportError:
        raise OutputError(f"{name} is drawn by matplotlib. Install it with: pip install 'fastgd[plot]'.") from None
    except ValueError as error:  # MPLBACKEND names an unknown backend
        raise OutputError(f"{name} is drawn by matplotlib, which cannot be imported: {error}.") from None


def same_file(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Return whether two names refer, or would refer, to one file."""
    if os.path.exists(path) and os.path.exists(other):
        return os.path.samefile(path, other)
    return os.path.realpath(path) == os.path.realpath(other)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise an `OutputError` where a file cannot be written within this context."""
    check_writable(path)
    try:
        yield
    except OSError as error:
        raise OutputError(f"{printable(path)} cannot be written: {error.strerror}. Give another name.") from None


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Write a file as `replaced` does, with an `OutputError` where that fails."""
    with writing(path), replaced(path) as temporary:
        yield temporary


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[str]:
    """Write a file: an older one of the same name is replaced in one step, or stays as it was if that fails.

    Yields the name of a new file beside it, with the same ending, to be written and closed within this context.
    """
    real = os.path.realpath(path)
    ending = os.path.splitext(real)[1]
    temporary = os.path.join(os.path.dirname(real), f".fastgd-{secrets.token_hex(8)}{ending}")
    try:
        yield temporary
        # Before it takes the name, the new file is complete, on the disk, and has its permissions.
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())
        if os.path.exists(real):
            shutil.copymode(real, temporary)
        os.replace(temporary, real)
    finally:
        if os.path.lexists(temporary):
            os.remove(temporary)
