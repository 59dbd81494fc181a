"""The kernels as plain Python: a model of each intrinsic, by the contract in its docstring, that checks every access.

What the intrinsics make is machine code; everything else in a kernel is Python, and runs as such once they are replaced. A
model reads and writes through `stretch`, so that an index outside of an array is an IndexError.
"""

import pkgutil
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from importlib import import_module
from unittest.mock import patch

import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic

import fastgd.kernels
from fastgd.kernels import mailbox
from fastgd.kernels.target import registers

LANES = 8

# What the kernels have asked for, each with how many numbers had been read from memory before: (reads, place).
asked: list[tuple[int, int]] = []
reads: list[tuple[int, int]] = []

# How many numbers they have taken memory for.
taken: list[int] = []


def stretch(values, at, n):
    """Return a view of n numbers from values.flat[at] on."""
    flat = values.reshape(-1)
    if not 0 <= at <= at + n <= flat.size:
        raise IndexError(f"{n} numbers from {at} on, of {flat.size}")
    return flat[at : at + n]


def rows_of(values, n_rows):
    return None if values is None else stretch(values, 0, n_rows).astype(np.float64)


def padded(n):
    return -(-n // LANES) * LANES


def write_gradient(rows, y, s, w, bias, sums):
    """Write what rows add to the gradient, by its definition."""
    n_features = rows.shape[1]
    r = rows @ stretch(w, 0, n_features) + bias
    if y is not None:
        r -= rows_of(y, len(rows))
    sr = r if s is None else rows_of(s, len(rows)) * r
    stretch(sums, 0, 2 + n_features)[:] = [sr @ r, sr.sum(), *(sr @ rows)]


def few_sum(X, y, s, w, sums, numbers, n_features, by_columns):
    at, stride, n_rows, bias = numbers
    if by_columns:
        rows = np.array([stretch(X, at + j * stride, n_rows) for j in range(n_features)], np.float64).T
    else:
        rows = stretch(X, at, n_rows * n_features).reshape(n_rows, n_features).astype(np.float64)
    write_gradient(rows, y, s, w, bias, sums)


def column_groups_sum(X, y, s, w, sums, numbers, n_features, n_in_group, n_steps):
    assert n_in_group >= 1
    assert n_steps >= 1
    few_sum(X, y, s, w, sums, numbers, n_features, by_columns=True)


def whole_rows_sum(X, y, s, w, sums, numbers, n_vectors):
    at, n_features, n_rows, n_free, bias = numbers
    assert (n_vectors - 1) * LANES < n_features <= n_vectors * LANES
    assert n_free <= n_rows
    assert not stretch(sums, 0, 2 + n_features).any()
    if n_free > 0:
        stretch(X, at + (n_free - 1) * n_features, n_vectors * LANES)
    rows = stretch(X, at, n_rows * n_features).reshape(n_rows, n_features).astype(np.float64)
    write_gradient(rows, y, s, w, bias, sums)


class Streams:
    """Eight streams; if only n_streams of them exist, nothing behind their end is read."""

    def __init__(self, X, at, stride, length, n_streams=None, zeros=None):
        there = LANES if n_streams is None else n_streams
        assert 0 <= there <= LANES
        assert zeros is None or not stretch(zeros, 0, length).any()
        self.values = np.zeros((LANES, padded(length)))
        for m in range(there):
            whole = stretch(X, at + m * stride, length if n_streams is not None else padded(length))
            self.values[m, :length] = whole[:length]
            reads.append((at + m * stride, length))


def multiply(streams, v, d):
    d = stretch(d, 0, LANES)
    d += streams.values @ stretch(v, 0, streams.values.shape[1])


def add_multiples(streams, c, g):
    g = stretch(g, 0, streams.values.shape[1])
    g += stretch(c, 0, LANES) @ streams.values


def products_and_sums(X, v, d, c, g, places, ahead):
    assert (v.size, d.size) == (g.size, c.size)
    *both, stride, length = places
    ask(X, length, ahead)
    first, second = (Streams(X, at, stride, length) for at in both)
    add_multiples(second, c, g)
    multiply(first, v, d)


def products(X, zeros, v, d, place, ahead):
    ask(X, place[2], ahead)
    multiply(Streams(X, *place, zeros), v, d)


def sums_of_multiples(X, zeros, c, g, place, ahead):
    ask(X, place[2], ahead)
    add_multiples(Streams(X, *place, zeros), c, g)


def ask(X, length, ahead):
    """Note which lines are asked for, a line of each stream at a time."""
    turn, near, far, step, spread = ahead
    for i in range(0, length if spread else 0, 64 // X.itemsize):
        first = (near if i < turn else far) + step * i
        asked.extend((len(reads), first + spread * m) for m in range(LANES))


def residuals(d, c, i, y, s, bias, n_rows, totals):
    assert d.size == c.size
    assert totals.size == 2 * LANES
    d, c = stretch(d, 0, LANES), stretch(c, 0, LANES)
    n = min(LANES, n_rows - i)
    r, sr = np.zeros((2, LANES))
    r[:n] = bias + d[:n]
    if y is not None:
        r[:n] -= stretch(y, i, n)
    sr[:n] = r[:n] if s is None else stretch(s, i, n) * r[:n]
    totals[:LANES] += sr * r
    totals[LANES:] += sr
    c[:], d[:] = sr, 0.0


def copy_square(columns, centre, Z, source, j, target):
    (at, stride, n_columns), (place, width) = source, target
    assert 1 <= n_columns <= LANES
    for m in range(n_columns):
        piece = stretch(columns, at + m * stride, LANES).astype(np.float64) - stretch(centre, j + m, 1)
        for lane in range(LANES):
            stretch(Z, place + lane * width + m, 1)[:] = piece[lane]


def copy_rows(X, start, n_features, n_rows, centre, Z, width):
    reads.append((start * n_features, n_rows * n_features))
    for i in range(n_rows):
        row = stretch(X, (start + i) * n_features, n_features).astype(np.float64)
        stretch(Z, i * width, n_features)[:] = row - stretch(centre, 0, n_features)


def add_tile(Z, W, C, X, place, fold, ahead, n_vectors):
    (n_rows, width, i, j), (fold, n_folds), (ask, pace) = place, fold, ahead
    n_numbers, lanes = 8 if registers().number == 32 else 4, registers().lanes
    assert 0 <= j <= width - n_numbers
    assert 0 <= i <= width - n_vectors * lanes
    asked.extend((len(reads), ask + row * pace) for row in range(n_rows))
    stop = (n_rows - 1) * n_folds + fold + 1 if n_rows else 0
    left, right = (stretch(values, 0, stop * width).reshape(stop, width)[fold::n_folds] for values in (Z, W))
    matrix = stretch(C, fold * width * width, width * width).reshape(width, width)
    tile = matrix[j : j + n_numbers, i : i + n_vectors * lanes]
    tile += left[:, j : j + n_numbers].T @ right[:, i : i + n_vectors * lanes]


def weigh(Z, s, W, n_rows, width):
    lines = stretch(Z, 0, n_rows * width).reshape(n_rows, width)
    stretch(W, 0, n_rows * width)[:] = (lines * stretch(s, 0, n_rows)[:, np.newaxis]).ravel()


def products_of_lines(Z, v, out, n_rows, width):
    n_read = padded(n_rows)
    stretch(out, 0, n_read)[:] = stretch(Z, 0, n_read * width).reshape(n_read, width) @ stretch(v, 0, width)


def square_lengths(Z, R, out, n_rows, width, n_features, n_columns):
    assert n_columns % (2 * LANES) == 0
    assert n_features <= n_columns
    n_read = padded(n_rows)
    root = stretch(R, 0, n_features * n_columns).reshape(n_features, n_columns)
    assert not np.tril(root, -1).any()
    lines = stretch(Z, 0, n_read * width).reshape(n_read, width)
    stretch(out, 0, n_read)[:] = ((lines[:, :n_features] @ root) ** 2).sum(axis=1)


def add(cells, i, amount):
    cell = stretch(cells, i, 1)
    before = cell[0]
    cell[0] += amount
    return before


def exchange(cells, i, value):
    cell = stretch(cells, i, 1)
    before = cell[0]
    cell[0] = value
    return before


def compare_and_swap(cells, i, expected, value):
    cell = stretch(cells, i, 1)
    if cell[0] != expected:
        return False
    cell[0] = value
    return True


def load_acquire(cells, i):
    return stretch(cells, i, 1)[0]


def sum_of_weights(s, n):
    s = stretch(s, 0, n)
    return np.nan if (s < 0).any() else float(s.sum())


def call_kernel(kernel, arguments):
    kernel(*arguments)


def call_job(job, environment, number):
    try:
        return job(environment, number)
    except MemoryError:
        return mailbox.ERROR


def write(environment, arguments):
    environment[:] = arguments


MODELS = {
    "blocks._call": call_kernel,
    "blocks._read": tuple,
    "blocks._write": write,
    "column_groups._sum": column_groups_sum,
    "few._sum": few_sum,
    "gram._add_tile": add_tile,
    "lines.copy_rows": copy_rows,
    "lines._copy_square": copy_square,
    "lines.weigh": weigh,
    "mailbox._call": call_job,
    "scores._products": products_of_lines,
    "scores._square_lengths": square_lengths,
    "signals.add": add,
    "signals.exchange": exchange,
    "signals.load_acquire": load_acquire,
    "signals.compare_and_swap": compare_and_swap,
    "streams.products": products,
    "streams.products_and_sums": products_and_sums,
    "streams.residuals": residuals,
    "streams.sums_of_multiples": sums_of_multiples,
    "weights._sum": sum_of_weights,
    "whole_rows._sum": whole_rows_sum,
}


@contextmanager
def uncompiled():
    """Let the kernels run as Python: models in the place of intrinsics, and functions in that of what numba made of them."""
    modules = [
        import_module(module.name) for module in pkgutil.iter_modules(fastgd.kernels.__path__, "fastgd.kernels.")
    ]
    asked.clear()
    reads.clear()
    taken.clear()
    empty, zeros = np.empty, np.zeros
    with ExitStack() as stack:
        # What nobody has written is no number, as it may be anything.
        stack.enter_context(patch.object(np, "empty", lambda *given, **options: noted(fill(empty(*given, **options)))))
        stack.enter_context(patch.object(np, "zeros", lambda *given, **options: noted(zeros(*given, **options))))
        for module in modules:
            for name, value in list(vars(module).items()):
                if (plain := _plain(value)) is not None:
                    stack.enter_context(patch.object(module, name, plain))
        yield


def noted(memory):
    taken.append(memory.size)
    return memory


def fill(memory):
    if memory.dtype.kind == "f":
        memory.fill(np.nan)
    return memory


def _plain(value):
    if isinstance(value, Dispatcher):
        return value.py_func
    if isinstance(value, _Intrinsic):
        return MODELS[f"{value.__module__.rpartition('.')[2]}.{value.__name__}"]
    return None


def variants(kernel):
    """Return what stands for a `Kernel`: its function, whatever is asked for."""
    return defaultdict(lambda: kernel.function)
