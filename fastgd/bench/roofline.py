"""The roof: how fast this machine reads memory, and how close to that the gradient comes.

A gradient reads each value of X and y once. The roof is the speed of a plain sum over the same bytes, on as many threads; a
share of 1 means that the arithmetic costs nothing. All are run in turn, so that a change in the machine's speed affects all.
"""

import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from timeit import repeat, timeit
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import counted, markdown, table
from fastgd.kernels import tuning
from fastgd.kernels.plain_sum import compiled_plain_sum
from fastgd.rows import parallel
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.threads import get_num_threads

FEATURES = (1, 2, 3, 5, 8, 10, 16, 32, 50, 64, 100, 128, 200, 256, 500, 1000, 2000, 5000, 10000)
DTYPES = ("float64", "float32")
ORDERS = ("C", "F")

# Too large for any cache, even the third-level caches of large machines; and no power of two, which would put the columns of
# column-major X into the same few places of each cache.
N_BYTES = 600_000_000

# The features and sizes for which speed is followed from cache to memory.
_SPEED_FEATURES = (1, 3, 10, 100)
_SMALLEST = 1200  # divisible by all of them


class Share(NamedTuple):
    """How close the passes over one training set come to the roof."""

    dtype: str
    """The dtype of X and y."""
    order: str
    """The layout of X: "C" is row-major, "F" column-major."""
    n_threads: int
    """How many threads read."""
    n_features: int
    """Features."""
    roof: float
    """Bytes per second of a plain sum over X."""
    gradient: float
    """Bytes of X and y per second of the gradient, divided by the roof."""
    product: float
    """Bytes of X per second of the product with the Hessian, divided by the roof."""


class Speed(NamedTuple):
    """The speed of the gradient over one training set."""

    n_threads: int
    """How many threads may be used."""
    n_features: int
    """Features."""
    n_values: int
    """Values of X, row-major float64."""
    seconds: float
    """Median time of one pass."""

    @property
    def bandwidth(self) -> float:
        """Bytes of X and y per second."""
        return 8 * self.n_values * (1 + 1 / self.n_features) / self.seconds


def shares(
    n_features: Sequence[int] = FEATURES,
    dtypes: Sequence[str] = DTYPES,
    orders: Sequence[str] = ORDERS,
    n_threads: Sequence[int] | None = None,
    *,
    n_bytes: int = N_BYTES,
    n_rounds: int = 7,
) -> Iterator[Share]:
    """Measure the shares of the roof, out of cache.

    Parameters
    ----------
    n_features : sequence of int
        Numbers of features.
    dtypes, orders : sequence of str
        Dtypes and layouts.
    n_threads : sequence of int, optional
        Numbers of threads; 1 and all by default.
    n_bytes : int
        How many bytes X has.
    n_rounds : int
        How often each is measured; medians are reported.

    Yields
    ------
    Share
        One for each combination.
    """
    memory = np.empty(n_bytes, np.uint8)  # one for all: its speed depends on where the system has put it
    for dtype in dtypes:
        values = _values(memory, dtype)
        for order, threads, k in itertools.product(orders, _default_threads(n_threads), n_features):
            yield _share(values, order, threads, k, n_rounds)


def _share(values: NDArray[Any], order: str, n_threads: int, n_features: int, n_rounds: int) -> Share:
    """Measure the share of the roof for one training set, made of these values."""
    n_samples = len(values) // n_features
    used = values[: n_samples * n_features]
    X = used.reshape(n_samples, n_features) if order == "C" else used.reshape(n_features, n_samples).T
    y = np.ones(n_samples, values.dtype)
    rows, theta = ArrayRows(X, y, None, n_threads), np.full(n_features, 1e-3)
    times = _rounds(
        [lambda: _read(used, n_threads), lambda: rows.gradient(theta), lambda: rows.product(theta)], n_rounds
    )
    roof, gradient, product = zip(*times, strict=True)
    return Share(
        values.dtype.name,
        order,
        n_threads,
        n_features,
        used.nbytes / statistics.median(roof),
        _median_ratio(roof, gradient) * (used.nbytes + y.nbytes) / used.nbytes,
        _median_ratio(roof, product),
    )


def speeds(n_threads: Sequence[int] | None = None, *, n_bytes: int = N_BYTES, n_rounds: int = 7) -> Iterator[Speed]:
    """Measure the speed of `MemoryRows.gradient` from the first-level cache to memory, for row-major float64.

    Parameters
    ----------
    n_threads : sequence of int, optional
        Numbers of threads; 1 and all by default.
    n_bytes : int
        The largest size of X.
    n_rounds : int
        How often each is measured; medians are reported.

    Yields
    ------
    Speed
        One for each number of threads and features and each size.
    """
    values = _values(np.empty(n_bytes, np.uint8), "float64")
    sizes = list(itertools.takewhile(len(values).__ge__, (_SMALLEST << 2 * i for i in itertools.count())))
    for threads, k, n_values in itertools.product(_default_threads(n_threads), _SPEED_FEATURES, sizes):
        X = values[:n_values].reshape(-1, k)
        gradient = partial(ArrayRows(X, np.ones(len(X)), None, threads).gradient, np.full(k, 1e-3))
        n_calls = max(1, tuning.BLOCK_VALUES // n_values)
        _, *seconds = repeat(gradient, number=n_calls, repeat=1 + n_rounds)  # the first round fills the caches
        yield Speed(threads, k, n_values, statistics.median(seconds) / n_calls)


def report(measured: Sequence[Share]) -> str:
    """Print shares as a Markdown table, one line for each number of features.

    Parameters
    ----------
    measured : sequence of Share
        What `shares` has yielded.

    Returns
    -------
    str
        The table: the share of the gradient and, after a slash, that of the product.
    """
    columns = list(dict.fromkeys((s.dtype, s.order, s.n_threads) for s in measured))
    cells = {(s.dtype, s.order, s.n_threads, s.n_features): f"{s.gradient:.2f} / {s.product:.2f}" for s in measured}
    names = [f"{dtype} {order}, {counted(n, 'thread')}" for dtype, order, n in columns]
    roofs = [f"{statistics.median(s.roof for s in measured if s[:3] == column) / 1e9:.1f} GB/s" for column in columns]
    features = sorted({s.n_features for s in measured})
    lines = [[f"{k:,}", *(cells.get((*column, k), "") for column in columns)] for k in features]
    return markdown(["features", *names], [["roof", *roofs], *lines])


def draw(measured: Sequence[Share], followed: Sequence[Speed], path: str) -> None:
    """Draw the share of the roof over the number of features, and the speed over the number of values.

    Parameters
    ----------
    measured : sequence of Share
        What `shares` has yielded.
    followed : sequence of Speed
        What `speeds` has yielded.
    path : str
        The PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for dtype, order, n_threads in dict.fromkeys((s.dtype, s.order, s.n_threads) for s in measured):
        line = [s for s in measured if s[:3] == (dtype, order, n_threads)]
        style = {"color": "C0" if dtype == "float64" else "C1", "linestyle": "-" if order == "C" else "--"}
        label = f"{dtype}, {'rows' if order == 'C' else 'columns'}, {counted(n_threads, 'thread')}"
        marker = "o" if n_threads == 1 else "s"
        left.plot([s.n_features for s in line], [s.gradient for s in line], marker=marker, ms=4, label=label, **style)
    left.axhline(1.0, color="0.6", linewidth=1)
    left.set(xscale="log", ylim=(0, None), xlabel="features", ylabel="share of the read roof", title="Out of cache")
    left.legend(fontsize=7)
    for n_threads, k in dict.fromkeys(s[:2] for s in followed):
        curve = [s for s in followed if s[:2] == (n_threads, k)]
        speed = [s.bandwidth / 1e9 for s in curve]
        style = {"color": f"C{_SPEED_FEATURES.index(k)}", "linestyle": ":" if n_threads == 1 else "-"}
        label = f"{counted(k, 'feature')}, {counted(n_threads, 'thread')}"
        right.plot([s.n_values for s in curve], speed, label=label, **style)
    right.set(
        xscale="log", ylim=(0, None), xlabel="values of X", ylabel="GB/s", title="From cache to memory, float64, rows"
    )
    right.legend(fontsize=7)
    figure.savefig(path, dpi=120)


def describe(followed: Sequence[Speed]) -> str:
    """Print speeds as a table.

    Parameters
    ----------
    followed : sequence of Speed
        What `speeds` has yielded.

    Returns
    -------
    str
        The table: GB/s of X and y over the number of values, for each number of features.
    """
    columns = list(dict.fromkeys(s[:2] for s in followed))
    cells = {(s.n_threads, s.n_features, s.n_values): f"{s.bandwidth / 1e9:.1f}" for s in followed}
    header = ["values", *(f"{k}, {counted(n, 'thread')}" for n, k in columns)]
    sizes = sorted({s.n_values for s in followed})
    return table(header, [[f"{n:,}", *(cells[(*column, n)] for column in columns)] for n in sizes])


def _default_threads(n_threads: Sequence[int] | None) -> Sequence[int]:
    return tuple(dict.fromkeys((1, get_num_threads()))) if n_threads is None else n_threads


def _values(memory: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    """Fill memory with random numbers, the same few over and over, as their values make no difference."""
    few = np.random.default_rng(0).standard_normal(1 << 16).astype(dtype)
    values = memory[: memory.size // few.itemsize * few.itemsize].view(dtype)
    for start in range(0, len(values), len(few)):
        values[start : start + len(few)] = few[: len(values) - start]
    return values


def _read(values: NDArray[Any], n_threads: int) -> None:
    """Sum an array on several threads, each of which takes the next eight blocks."""
    add, n_values = compiled_plain_sum(values.dtype.name), 8 * tuning.BLOCK_VALUES
    parallel.share(lambda start: add(values[start : start + n_values]), range(0, len(values), n_values), n_threads)


def _rounds(functions: Sequence[Callable[[], object]], n_rounds: int) -> list[list[float]]:
    """Time a call of each function in turn, round after round, after one call that is not timed."""
    for function in functions:
        function()
    return [[timeit(function, number=1) for function in functions] for _ in range(n_rounds)]


def _median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))
