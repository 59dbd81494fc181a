"""Errors of files that cannot be opened."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fastgd.formatting import printable


@contextmanager
def opened(
    path: str | os.PathLike[str], expected: str, error: type[Exception], advice: str = "Check the path."
) -> Iterator[None]:
    """Raise `error`, with a message of one line, if the file cannot be opened or read within this context."""
    name = printable(path)
    try:
        yield
    except FileNotFoundError:
        raise error(f"there is no file {name}, but {expected} is expected. {advice}") from None
    except IsADirectoryError:
        raise error(f"{name} is a directory, but {expected} is expected. Give a file in it.") from None
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise error(f"{name} cannot be read: {reason}. Check the path and the permissions.") from None
