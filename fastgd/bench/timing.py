"""The one-pass gradient compared with plain numpy, interleaved in one run, and the machine it ran on."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from timeit import timeit
from typing import Any, NamedTuple

import numba
import numpy as np

from fastgd import objective, reference
from fastgd.formatting import counted, table

# How long a function is run before it is timed, in seconds. Where threads share the work, the worker threads of numpy's BLAS
# spin for 0.12 s after a product, on the processor that the next function would use. Elsewhere, caches have to be filled.
_WARM_UP_ALONE, _WARM_UP_SHARED = 0.02, 0.15
_SHARED_VALUES = 1 << 16


class Comparison(NamedTuple):
    """The gradient's time at one size, by fastgd and by plain numpy."""

    n_samples: int
    """Rows."""
    n_features: int
    """Features."""
    numpy_seconds: float
    """Median time of one call of the faster of numpy's spellings."""
    fastgd_seconds: float
    """Median time of one call of `fastgd.gradient`."""
    ratio: float
    """Median over the rounds of numpy's time divided by fastgd's in the same round."""
    bandwidth: float
    """Bytes of X and y per second of fastgd's time."""


def compare(
    sizes: Sequence[tuple[int, int]], *, dtype: str = "float64", order: str = "C", seconds: float = 0.5
) -> list[Comparison]:
    """Time `fastgd.gradient` and plain numpy in turn.

    Each round times both spellings of numpy (``(X w - y) X`` and ``X^T (X w - y)``) and fastgd one after the other, each after
    some untimed calls; the ratio is the median over the rounds.

    Parameters
    ----------
    sizes : sequence of (int, int)
        n_samples and n_features.
    dtype : str
        The dtype of X and y.
    order : {"C", "F"}
        The layout of X.
    seconds : float
        How long to measure each size.

    Returns
    -------
    list of Comparison
        One for each size.
    """
    return [_comparison(n_samples, n_features, dtype, order, seconds) for n_samples, n_features in sizes]


def _comparison(n_samples: int, n_features: int, dtype: str, order: str, seconds: float) -> Comparison:
    """Time the gradient at one size."""
    rng = np.random.default_rng(0)
    X: Any = np.asarray(rng.standard_normal((n_samples, n_features)), dtype=dtype, order=order)  # type: ignore[call-overload]
    y = rng.standard_normal(n_samples).astype(dtype)
    w = rng.standard_normal(n_features)
    w_numpy = w.astype(dtype)
    functions: list[Callable[[], object]] = [
        lambda: (X.dot(w_numpy) - y).dot(X) * (2 / n_samples),
        lambda: reference.gradient(X, y, w_numpy),
        lambda: objective.gradient(X, y, w),
    ]
    for function in functions:
        function()
    warm_up = _WARM_UP_SHARED if X.size >= _SHARED_VALUES else _WARM_UP_ALONE
    rounds = take_rounds([partial(seconds_of, function) for function in functions], seconds, warm_up)
    numpy_times = [min(a, b) for a, b, _ in rounds]
    fastgd_times = [c for _, _, c in rounds]
    fastgd_seconds = statistics.median(fastgd_times)
    return Comparison(
        n_samples,
        n_features,
        statistics.median(numpy_times),
        fastgd_seconds,
        statistics.median(a / b for a, b in zip(numpy_times, fastgd_times, strict=True)),
        (X.nbytes + y.nbytes) / fastgd_seconds,
    )


def report(comparisons: Sequence[Comparison]) -> str:
    """Print comparisons as a table.

    Parameters
    ----------
    comparisons : sequence of Comparison
        What `compare` has found.

    Returns
    -------
    str
        The table.
    """
    rows = [
        [
            f"{c.n_samples:,}",
            f"{c.n_features:,}",
            _duration(c.numpy_seconds),
            _duration(c.fastgd_seconds),
            f"{c.ratio:.1f}x",
            f"{c.bandwidth / 1e9:.1f} GB/s",
        ]
        for c in comparisons
    ]
    return table(["rows", "features", "numpy", "fastgd", "faster", "fastgd reads"], rows)


def _duration(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"


def machine() -> str:
    """Describe what was measured on.

    Returns
    -------
    str
        Processor, cores, and versions of Python, numpy and numba.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return (
        f"{_processor()}, {counted(cores, 'core')}; "
        f"Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}"
    )


def take_rounds(timers: Sequence[Callable[[float], float]], seconds: float, warm_up: float) -> list[list[float]]:
    """Measure several functions in turn, so that a change in the machine's speed affects all of them.

    Parameters
    ----------
    timers : sequence of callable
        What times each of them, given the seconds of its warm-up; see `seconds_of`.
    seconds : float
        How long to go on; three rounds are taken in any case.
    warm_up : float
        For how many seconds to call each beforehand.

    Returns
    -------
    list of list of float
        The seconds of a call, by round and function.
    """
    rounds: list[list[float]] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rounds) < 3:
        rounds.append([timer(warm_up) for timer in timers])
    return rounds


def seconds_of(function: Callable[[], object], warm_up: float) -> float:
    """Time a call, after a warm-up of calls that are not timed.

    Parameters
    ----------
    function : callable
        What to call.
    warm_up : float
        For how many seconds to call it beforehand.

    Returns
    -------
    float
        Seconds of one call: the mean over a fifth as many calls as the warm-up took, at least one.
    """
    n_calls = 0
    start = time.perf_counter()
    while time.perf_counter() < start + warm_up:
        function()
        n_calls += 1
    n_calls = max(1, n_calls // 5)
    return timeit(function, number=n_calls) / n_calls


def _processor() -> str:
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
