"""Ctrl-C at random moments: each call ends soon, and the next one is right."""

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import interrupted
import numpy as np
import pytest

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to another process"),
]

SOON = 0.25  # seconds


def seconds_to_interrupt(calls, n_times, folder):
    """Interrupt calls at random moments, in one process; return how long each took to end."""
    rng = np.random.default_rng(len(calls[0]))
    command = [sys.executable, Path(interrupted.__file__), ";".join(calls), str(n_times), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        seconds = []
        try:
            for _ in range(n_times * len(calls)):
                assert process.stdout.readline() == "begins\n"
                time.sleep(rng.uniform(0, 0.3))
                sent = time.monotonic()
                process.send_signal(signal.SIGINT)
                caught, right = process.stdout.readline().split()
                assert right == "True"
                seconds.append(float(caught) - sent)
        finally:
            process.kill()
    return seconds


@pytest.mark.slow
def test_ctrl_c_stops_any_call_within_a_quarter_of_a_second(tmp_path, reached):
    n_times = -(-200 // len(interrupted.CALLS))
    found = {call: seconds_to_interrupt([call], n_times, tmp_path) for call in interrupted.CALLS}
    for call, seconds in found.items():
        print(f"{call}: median {np.median(seconds):.3f} s, longest {max(seconds):.3f} s")
    longest = max(map(max, found.values()))
    reached("moments at which calls were interrupted", sum(map(len, found.values())))
    reached("seconds to interrupt a call, at most", f"{longest:.3f}")
    reached("seconds to interrupt a call, median", f"{np.median([*itertools.chain(*found.values())]):.3f}")
    assert longest < SOON


# Of each way in which a call hears of it: between blocks in compiled code, between parts in Python, in a solver, in pyarrow.
OF_EACH_WAY = ["passes on 7 threads", "strided rows", "moments on one thread", "conjugate gradients", "parquet files"]


def test_the_next_call_is_right_after_an_interrupt(tmp_path):
    assert len(seconds_to_interrupt(OF_EACH_WAY, 1, tmp_path)) == len(OF_EACH_WAY)
