"""Text: tables, lists, numbers of things, names of files, and long texts cut short."""

import os
from collections.abc import Callable, Sequence
from html import escape
from typing import Any


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns to the right, two spaces apart.

    Parameters
    ----------
    header : sequence of str
        The names of the columns.
    rows : sequence of sequence of str
        The cells.

    Returns
    -------
    str
        One line for the header and one for each row.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, as `table` takes it."""
    return "\n".join([markdown_row(header), "|---" * len(header) + "|", *map(markdown_row, rows)])


def markdown_row(cells: Sequence[str]) -> str:
    """Return a line of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]], lines: Sequence[str] = ()) -> str:
    """Return a table in HTML, as `table` takes it, and lines of text below it."""
    cells = [f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in header)}</tr>"]
    cells += [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    return "".join(["<table>", *cells, "</table>", *(f"<div>{escape(line)}</div>" for line in lines)])


def counted(n: int, noun: str, form: str = "") -> str:
    """Write a number and what it counts, in the singular or the plural.

    Parameters
    ----------
    n : int
        How many.
    noun : str
        The word for one of them, whose plural takes an s.
    form : str
        How the number is written, as for `format`.

    Returns
    -------
    str
        "1 row", "2 rows".
    """
    return f"{n:{form}} {noun if n == 1 else noun + 's'}"


def listed(items: Sequence[Any], most: int = 5, show: Callable[[Any], str] = repr) -> str:
    """List things, or the first of them.

    Parameters
    ----------
    items : sequence
        The things.
    most : int
        How many to list.
    show : callable
        What makes text of one.

    Returns
    -------
    str
        "'a', 'b'", or "'a', 'b', ..." where there are more.
    """
    return ", ".join(map(show, items[:most])) + ", ..." * (len(items) > most)


def printable(path: str | os.PathLike[str]) -> str:
    """Return the name of a file in a form that can be printed on one line.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    str
        Its name.
    """
    name = os.fspath(path)
    return name if name and name.isprintable() else repr(name)


def shortened(text: str) -> str:
    """Return a text of at most 40 characters: its beginning and three dots, if it is longer."""
    return text if len(text) <= 40 else text[:37] + "..."
