import os
import signal
from collections import defaultdict

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")  # pictures are drawn where there is no screen

# A shell starts what runs in the background deaf to Ctrl-C, and tests that send it would wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline, because a first call may compile for a second; derandomised, because CI must fail twice or not at all.
settings.register_profile("fastgd", deadline=None, derandomize=True)
settings.load_profile("fastgd")

_REACHED = "reached: "


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """Run the test in an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def reached(record_property):
    """Return what takes the name of a figure and the figure that a test has reached; they are printed at the end.

    Whole numbers of the same name, of several tests, are added up.
    """
    return lambda name, figure: record_property(_REACHED + name, figure)


def pytest_terminal_summary(terminalreporter):
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    figures = defaultdict(list)
    for report in reports:
        if getattr(report, "when", None) == "call":
            for name, figure in report.user_properties:
                if name.startswith(_REACHED):
                    figures[name.removeprefix(_REACHED)].append(figure)
    if figures:
        terminalreporter.section("figures that docs/guarantees.md records")
    for name, found in sorted(figures.items()):
        total = f"{sum(found):,}" if all(isinstance(figure, int) for figure in found) else ", ".join(map(str, found))
        terminalreporter.write_line(f"{name}: {total}")
