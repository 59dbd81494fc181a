"""What the command line says on standard error, in its own words."""

import re
import sys

from fastgd.formatting import counted

# Options of the library in a message, with or without a value; and quoted text, which may be the name of a column.
_OPTION = re.compile(
    r"""\b(method|loss|learning_rate|max_iter|tol|standardize|l2)=["']?([\w.+-]*\w)["']?"""
    r"""|\b(learning_rate|max_iter|tol|l2)\b|'[^']*'|"[^"]*\""""
)


class InputError(ValueError):
    """Input that cannot be used."""


def say(text: str) -> None:
    """Write one line to standard error, even if the text has line breaks."""
    print("fastgd:", *text.split(), file=sys.stderr)


def report_dropped(n_dropped: int) -> None:
    """Say how many rows were dropped, if there are any."""
    if n_dropped:
        say(f"{counted(n_dropped, 'row')} with missing values dropped")


def as_options(text: str) -> str:
    """Write ``--max-iter 5`` for ``max_iter=5`` and so on in a message of the library; quoted text stays as it is."""
    return _OPTION.sub(_as_option, text)


def _as_option(found: re.Match[str]) -> str:
    option, value, alone = found.groups()
    if option is None and alone is None:
        return found[0]
    return f"--{(option or alone).replace('_', '-')} {'' if value in (None, 'True') else value}".rstrip()
