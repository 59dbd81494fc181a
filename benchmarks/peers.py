"""A comparison that others would accept: `fastgd.gradient` with numpy, scipy's BLAS, JAX, PyTorch and numexpr.

``python -m benchmarks.peers`` (`pip install '.[bench]'`) prints Markdown tables, and at their end where fastgd loses. All
compute the gradient of the mean squared error from the same X, y and w, without an intercept, in the layout that X has:

- Each peer may spell it in several ways. All of them are timed once, and the two fastest go on to the rounds, if they are
  close; the one with the least median counts. Buffers of n_samples are made beforehand and reused where a peer can do so.
- A round times every function once, one after the other, so that a change in the machine's speed meets all of them. Times are
  medians over the rounds; the ratio is the median of the best peer's time divided by fastgd's in the same round.
- Before it is timed, a function is run for a while: BLAS's idle threads spin for 0.12 s, on processors that the next one wants.
- JAX's threads cannot be changed within a process. For one thread it runs in a second process, which has one processor, and
  takes its turn in the rounds like the others.
- No table is printed if a result is wrong. float32 is added up in float64 by fastgd and in float32 by the others: a spelling
  that is off by more than a thousandth of the largest component is not timed, and is named below the table.
- The gradient as X'X w - X'y, with X'X and X'y made beforehand, is another computation (it squares the condition number, and
  the data must be seen before and never change). It has a table to itself, and is not counted.
"""

import argparse
import contextlib
import functools
import importlib
import importlib.util
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import fastgd
from fastgd.bench import timing
from fastgd.bench.timing import seconds_of, take_rounds

from . import peer_tables
from .peer_spellings import PEERS, Data, Problem, Spellings, fastgd_spellings, jax_spellings
from .peer_tables import ORDERS, Row, describe

VALUES_IN_CACHE = (1_000, 10_000, 131_072)
BYTES_OUT_OF_CACHE = 400_000_000
ALL_FEATURES = (1, 2, 3, 10, 16, 100, 1_000, 10_000)
SOME_FEATURES = (2, 100, 1_000)
TABLES = (("float64", "C"), ("float64", "F"), ("float32", "C"))

MOST_EXPANDED = 1_000  # features, for X'X
TOLERANCE = {"float64": 1e-6, "float32": 1e-3}
ROUNDING = 0.1  # what rounding may do to a float32 gradient at most; more is a wrong result
WARM_UP_SHARED, WARM_UP_ALONE = 0.15, 0.05
CLOSE = 1.5
ONE_PROCESSOR_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


# --- threads --------------------------------------------------------------------------------------------------------------


def processors() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def threads(n_threads: int, peers: Sequence[str]) -> Iterator[None]:
    """Give fastgd and the peers of this process so many threads; JAX has all of them."""
    for name in {"torch", "numexpr"} & {*peers}:
        importlib.import_module(name).set_num_threads(n_threads)
    fastgd.set_num_threads(n_threads)
    try:
        with threadpool_limits(n_threads, user_api="blas"):
            yield
    finally:
        fastgd.set_num_threads(None)


def one_processor() -> Executor:
    """Return a process of its own for JAX, which has one processor."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=spawn, initializer=_take_one_processor)


def _take_one_processor() -> None:
    os.sched_setaffinity(0, processors()[-1:])
    os.environ["XLA_FLAGS"] = ONE_PROCESSOR_FLAGS


_loaded: Spellings = {}  # in that process: the spellings of the problem at hand


def _load(problem: Problem) -> dict[str, Any]:
    """Return the result of each spelling."""
    _loaded.update(jax_spellings(Data(problem)))
    return {name: np.asarray(compute()) for name, compute in _loaded.items()}


def _unload() -> None:
    _loaded.clear()


def _seconds_alone(jax_alone: Executor, spelling: str, warm_up: float) -> float:
    return jax_alone.submit(_seconds_of_loaded, spelling, warm_up).result()


def _seconds_of_loaded(spelling: str, warm_up: float) -> float:
    return seconds_of(_loaded[spelling], warm_up)


# --- measuring ------------------------------------------------------------------------------------------------------------


class Entrant(NamedTuple):
    peer: str
    spelling: str
    seconds: Callable[[float], float]
    """One call's time, after a warm-up of so many seconds."""
    result: Any


def measure(data: Data, n_threads: int, runners: Sequence[Entrant], peers: Sequence[str], seconds: float) -> Row | None:
    """Time fastgd, the first of the runners, and the peers at one size; None where no peer has a spelling for it."""
    fastgd_entrant, *entrants = runners
    with threads(n_threads, peers):
        warm_up = WARM_UP_ALONE if n_threads == 1 else WARM_UP_SHARED
        entrants = heat(entrants, warm_up)
        if not entrants:
            return None
        expanded, making = expand(data) if n_threads == len(processors()) else ([], 0.0)
        timers = [entrant.seconds for entrant in (fastgd_entrant, *entrants, *expanded)]
        rounds = take_rounds(timers, seconds, warm_up)
    fastgd_seconds, *medians = (statistics.median(times) for times in zip(*rounds, strict=True))
    expanded_seconds = medians.pop() if expanded else None
    times: dict[str, float] = {}
    for entrant, median in zip(entrants, medians, strict=True):
        times[entrant.peer] = min(median, times.get(entrant.peer, median))
    best = medians.index(min(medians))
    ratio = statistics.median(times[1 + best] / times[0] for times in rounds)
    winner = entrants[best]
    return Row(
        data.problem, n_threads, fastgd_seconds, times, winner.peer, winner.spelling, ratio, expanded_seconds, making
    )


def enter(data: Data, peers: Sequence[str]) -> list[Entrant]:
    """Return fastgd and then every spelling of the peers, each run once."""
    entrants = []
    for peer, spell in {"fastgd": fastgd_spellings, **{peer: PEERS[peer] for peer in peers}}.items():
        for spelling, compute in spell(data).items():
            result = np.asarray(compute())
            entrants.append(Entrant(peer, spelling, functools.partial(seconds_of, compute), result))
    return entrants


def enter_alone(problem: Problem, jax_alone: Executor) -> list[Entrant]:
    """Return JAX's spellings on one processor, each run once."""
    return [
        Entrant("jax", spelling, functools.partial(_seconds_alone, jax_alone, spelling), result)
        for spelling, result in jax_alone.submit(_load, problem).result().items()
    ]


def agreeing(problem: Problem, entrants: Sequence[Entrant]) -> tuple[list[Entrant], list[str]]:
    """Return the entrants that agree with the first, and which are too inexact in float32; exit if a result is wrong."""
    expected = entrants[0].result
    agree, left_out = [], []
    for entrant in entrants:
        error = np.abs(entrant.result - expected).max() / np.abs(expected).max()
        who = f"{entrant.peer}, `{entrant.spelling}`, at {describe(problem)}: {error:.0e} of the largest component off"
        if error <= TOLERANCE[problem.dtype]:
            agree.append(entrant)
        elif problem.dtype == "float32" and error <= ROUNDING:
            left_out.append(who)
        else:
            raise SystemExit(f"no table, for a result is wrong: {who}")
    return agree, left_out


def heat(entrants: Sequence[Entrant], warm_up: float) -> list[Entrant]:
    """Return the spellings that may be their peer's fastest: two of each peer, if they are close."""
    timed: dict[str, list[tuple[float, Entrant]]] = {}
    for entrant in entrants:
        timed.setdefault(entrant.peer, []).append((entrant.seconds(warm_up), entrant))
    chosen = []
    for spellings in timed.values():
        (fastest, winner), *others = sorted(spellings, key=lambda pair: pair[0])
        chosen += [winner, *(entrant for t, entrant in others[:1] if t <= CLOSE * fastest)]
    return chosen


def expand(data: Data) -> tuple[list[Entrant], float]:
    """Make X'X and X'y, if they are not too large, and return the gradient by them, and how long they took."""
    if data.X.shape[1] > MOST_EXPANDED:
        return [], 0.0
    start = time.perf_counter()
    G, b = data.XT.dot(data.X) * data.scale, data.XT.dot(data.y) * data.scale
    making = time.perf_counter() - start
    w = data.w

    def compute() -> Any:
        return G.dot(w) - b

    return [Entrant("numpy", "expanded", functools.partial(seconds_of, compute), compute())], making


def measure_problem(
    problem: Problem, peers: Sequence[str], jax_alone: Executor | None, seconds: float
) -> tuple[list[Row], list[str]]:
    """Measure one size at one and at all threads; say also which spellings are left out for their rounding."""
    data = Data(problem)
    entrants, left_out = agreeing(problem, enter(data, peers))
    alone: list[Entrant] = []
    if jax_alone is not None:
        (_, *alone), left_out_alone = agreeing(problem, [entrants[0], *enter_alone(problem, jax_alone)])
        left_out += [line for line in left_out_alone if line not in left_out]
    rows = []
    for n_threads in sorted({1, len(processors())}):
        print(f"{describe(problem)}, threads: {n_threads} ...", file=sys.stderr, flush=True)
        all_threads = n_threads == len(processors())
        runners = [entrant for entrant in entrants if all_threads or entrant.peer != "jax"]
        runners += alone if n_threads == 1 else []
        row = measure(data, n_threads, runners, peers, seconds)
        if row is not None:
            rows.append(row)
    if jax_alone is not None:
        jax_alone.submit(_unload).result()
    return rows, left_out


# --- what there is --------------------------------------------------------------------------------------------------------


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def notes(peers: Sequence[str], jax_alone: Executor | None) -> list[str]:
    """Say what is skipped, and how JAX is held to one thread."""
    lines = [f"skipped: {peer} is not installed" for peer in PEERS if peer not in peers]
    if jax_alone is not None:
        lines.append(
            "JAX at one thread runs in a process of its own with one processor, its turn in the rounds being the same"
        )
    elif "jax" in peers and len(processors()) > 1:
        lines.append("skipped: jax at one thread: this system cannot give a process one processor")
    return lines


def versions(peers: Sequence[str]) -> str:
    names = [name for name in (*peers, "threadpoolctl") if name != "numpy" and installed(name)]
    return ", ".join(f"{name} {importlib.import_module(name).__version__}" for name in names)


# --- the command line -----------------------------------------------------------------------------------------------------


def default_sizes(dtype: str, order: str) -> list[tuple[int, int]]:
    everything = (dtype, order) == ("float64", "C")
    in_cache = [(v, k) for v in VALUES_IN_CACHE for k in (1, 3, 10, 100) if k > 1 or order == "C"]
    values = BYTES_OUT_OF_CACHE // np.dtype(dtype).itemsize
    out_of_cache = [(values, k) for k in (ALL_FEATURES if everything else SOME_FEATURES)]
    return [(-(-v // k), k) for v, k in in_cache + out_of_cache]


def quick_sizes(dtype: str, order: str) -> list[tuple[int, int]]:
    return [(1_000, 10)] if (dtype, order) == ("float64", "C") else [(43_690, 3) if order == "F" else (1_311, 100)]


def size(text: str) -> tuple[int, int]:
    n_samples, n_features = (int(part) for part in text.lower().split("x"))
    if min(n_samples, n_features) < 1:
        raise ValueError(text)
    return n_samples, n_features


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few small sizes, in less than a minute")
    parser.add_argument(
        "--seconds", type=float, help="for each measurement: a size at a number of threads (3; quick: 0.5)"
    )
    parser.add_argument("--dtype", choices=("float64", "float32"), help="only this dtype")
    parser.add_argument("--order", choices=("C", "F"), help="only row-major (C) or column-major (F)")
    parser.add_argument(
        "--size", type=size, action="append", metavar="ROWSxFEATURES", help="only this size; may be repeated"
    )
    args = parser.parse_args(argv)
    if args.seconds is None:
        args.seconds = 0.5 if args.quick else 3.0
    return args


def tables(args: argparse.Namespace) -> list[tuple[str, str]]:
    if args.dtype and args.order:
        return [(args.dtype, args.order)]
    if args.size:
        return [(args.dtype or "float64", args.order or "C")]
    return [(d, o) for d, o in TABLES if args.dtype in (None, d) and args.order in (None, o)]


def main(argv: Sequence[str] | None = None) -> None:
    args = arguments(argv)
    peers = [peer for peer in PEERS if installed(peer)]
    separate = "jax" in peers and len(processors()) > 1 and hasattr(os, "sched_setaffinity")
    jax_alone = one_processor() if separate else None
    print(f"{timing.machine()}; {versions(peers)}")
    for note in notes(peers, jax_alone):
        print(f"- {note}")
    sys.stdout.flush()
    sizes = quick_sizes if args.quick else default_sizes
    all_rows: list[Row] = []
    for dtype, order in tables(args):
        problems = [Problem(n, k, dtype, order) for n, k in args.size or sizes(dtype, order)]
        rows: list[Row] = []
        left_out: list[str] = []
        for problem in problems:
            measured, inexact = measure_problem(problem, peers, jax_alone, args.seconds)
            rows += measured
            left_out += inexact
        print(f"\n{dtype}, {ORDERS[order]}:\n")
        peer_tables.print_all(rows, peers)
        peer_tables.print_left_out(left_out)
        peer_tables.print_expanded(rows)
        sys.stdout.flush()
        all_rows += rows
    print("\nThe best peer's time in multiples of fastgd's:\n")
    peer_tables.print_summary(all_rows)
    peer_tables.print_losses(all_rows)
    if jax_alone is not None:
        jax_alone.shutdown()


if __name__ == "__main__":
    main()
