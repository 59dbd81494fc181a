"""The tables that the comparison with others prints, in Markdown."""

from collections.abc import Sequence
from typing import NamedTuple

from fastgd.formatting import counted, markdown

from .peer_spellings import Problem

ORDERS = {"C": "row-major", "F": "column-major"}


class Row(NamedTuple):
    problem: Problem
    n_threads: int
    fastgd_seconds: float
    times: dict[str, float]
    """Of each peer's best spelling."""
    best_peer: str
    best_spelling: str
    ratio: float
    """Of the best peer's time to fastgd's."""
    expanded_seconds: float | None
    making: float
    """Seconds for X'X and X'y."""

    @property
    def size(self) -> list[str]:
        return [f"{self.problem.n_samples:,}", f"{self.problem.n_features:,}", str(self.n_threads)]


def describe(problem: Problem) -> str:
    n, k, dtype, order = problem
    return f"{n:,} x {k:,}, {dtype}, {ORDERS[order]}"


def microseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:,.1f} us"


def print_all(rows: Sequence[Row], peers: Sequence[str]) -> None:
    header = ["n_samples", "n_features", "threads", "fastgd", "GB/s", "best peer", "its spelling", "its time"]
    lines = []
    for row in rows:
        line = [*row.size, microseconds(row.fastgd_seconds), f"{row.problem.read_bytes / row.fastgd_seconds / 1e9:.1f}"]
        line += [row.best_peer, f"`{row.best_spelling}`", microseconds(row.times[row.best_peer]), f"{row.ratio:.2f}"]
        lines.append([*line, *(microseconds(row.times.get(peer)) for peer in peers)])
    print(markdown([*header, "best peer / fastgd", *peers], lines))


def print_summary(rows: Sequence[Row]) -> None:
    """Print the ratios alone: the best peer's time in multiples of fastgd's."""
    columns = sorted({row.n_threads for row in rows})
    cells = {(row.problem, row.n_threads): f"{row.ratio:.2f} ({row.best_peer})" for row in rows}
    lines = []
    for problem in dict.fromkeys(row.problem for row in rows):
        n, k, dtype, order = problem
        ratios = [cells.get((problem, n_threads), "") for n_threads in columns]
        lines.append([f"{n:,}", f"{k:,}", dtype, ORDERS[order], *ratios])
    print(markdown(["n_samples", "n_features", "dtype", "X", *(counted(n, "thread") for n in columns)], lines))


def print_left_out(left_out: Sequence[str]) -> None:
    if left_out:
        print("\nLeft out, as they add up too many numbers in float32:\n")
        print("\n".join(f"- {line}" for line in left_out))


def print_expanded(rows: Sequence[Row]) -> None:
    lines = [
        [*row.size, *map(microseconds, (row.fastgd_seconds, row.expanded_seconds, row.making))]
        for row in rows
        if row.expanded_seconds is not None
    ]
    if lines:
        print(
            "\nNot counted, as it is another computation: numpy's `G.dot(w) - b` with G = 2/n X'X and b = 2/n X'y given.\n"
        )
        header = ["n_samples", "n_features", "threads", "fastgd", "`G.dot(w) - b`", "making G and b, once"]
        print(markdown(header, lines))


def print_losses(rows: Sequence[Row]) -> None:
    losses = sorted((row for row in rows if row.ratio < 1), key=lambda row: row.ratio)
    print("\nfastgd loses at:\n" if losses else "\nfastgd is nowhere slower.")
    for row in losses:
        where = f"{describe(row.problem)}, threads: {row.n_threads}"
        print(f"- {where}: {row.best_peer} takes {row.ratio:.3g} of fastgd's time")
