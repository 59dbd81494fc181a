"""Quick checks of all that is compiled: each compiles a variant or two, and compares sums of whole numbers with numpy's.

What is read lies at a cliff, behind which to read is the end of the process, with NaN before; so does what is written. Memory
that is asked for ahead changes no sum: there kernels are compiled such that they write down what they ask for.
"""

import gc
import tempfile
from contextlib import contextmanager
from itertools import permutations, product

import exact
import numba
import numpy as np
import plain_kernels
import pytest
import test_parallel
from llvmlite import ir
from numba.core import config
from test_kernels import COLUMN_MAJOR, ROW_MAJOR, SCALE, at_a_cliff, few, groups, whole, whole_numbers

from fastgd.kernels import column_major, csr, jit, row_major, streams, tuning
from fastgd.kernels.column_stats import spread
from fastgd.kernels.compensated import compiled_compensated
from fastgd.kernels.gram import entries, gram, order
from fastgd.kernels.penalty import compiled_add_penalty
from fastgd.kernels.plain_sum import compiled_plain_sum
from fastgd.kernels.scores import Leverages, compiled_add_to_groups, pack
from fastgd.kernels.simd import Code, int64
from fastgd.kernels.weights import compiled_sum_nonnegative
from fastgd.rows.arrays import ArrayRows

N_BEFORE = 3


def behind_nans(values, dtype):
    """Return a copy at a cliff, with rows of NaN before it."""
    before = np.full((N_BEFORE, *values.shape[1:]), np.nan)
    return np.concatenate([before, values]).astype(dtype)


def room(n_sums):
    """Return memory at a cliff that holds NaN, and what lies before it, too."""
    memory = at_a_cliff(np.full(n_sums + 8, np.nan), "d")
    return memory[8:], memory[:8]


def floats(n_samples, n_features, intercept):
    """Return X, y, sample weights and theta, or a centre, that are whole numbers."""
    return (values.astype(float) for values in whole_numbers(n_samples, n_features, intercept))


def check_gradient(layout, n_features, intercept, kind, row_counts, n_behind=0):
    """Sum rows by a kernel, behind which there are so many of NaN."""
    x_dtype, y_dtype, weighted = kind
    for n_samples in row_counts:
        X, y, s, theta = floats(n_samples, n_features, intercept)
        rows = np.concatenate([behind_nans(X, x_dtype), np.full((n_behind, n_features), np.nan)])
        y, s = y if y_dtype else None, s if weighted else None
        sums, before = room(2 + n_features)
        layout.kernel[kind](
            at_a_cliff(rows.T if layout.by_columns else rows, x_dtype),
            N_BEFORE,
            N_BEFORE + n_samples,
            None if y is None else at_a_cliff(y, y_dtype),
            None if s is None else at_a_cliff(s, "d"),
            at_a_cliff(theta, "d"),
            SCALE,
            sums,
        )
        assert sums.tolist() == (SCALE * exact.sums(X, y, theta, s)).tolist()
        assert np.isnan(before).all()


def check_order(kernel, n_features, n_steps, n_lanes):
    """Add residuals up in these lanes, as many for each step that is unrolled; the bits of a sum are those of its order."""
    X, sums = np.zeros((205, n_features)), np.empty(2 + n_features)
    for seed in range(8):
        y = np.random.default_rng(seed).standard_normal(203)
        kernel["d", "d", False](X, 0, 203, y, None, np.zeros(n_features), 1.0, sums)
        lanes, done = np.zeros((n_steps, n_lanes)), 0
        for part in (lanes, lanes[:1]):
            while done + part.size <= 203:
                part -= y[done : done + part.size].reshape(part.shape)
                done += part.size
        lanes[0, : 203 - done] -= y[done:]
        possible = set()
        for a, *others in permutations(lanes):  # "reassoc" lets LLVM choose the order of what is left in the end
            for totals in (a + sum(others), sum(others, a)) if others else (a,):
                while totals.size > 1:
                    totals = totals[: totals.size // 2] + totals[totals.size // 2 :]
                possible.add(totals.item())
        assert sums[1] in possible


def check_moments(by_columns, n_features, kind, row_counts):
    """Multiply columns with each other by a kernel."""
    x_dtype, y_dtype, weighted = kind
    for n_samples in row_counts:
        X, y, s, centre = floats(n_samples, n_features, True)
        rows = behind_nans(X, x_dtype)
        sums, before = room(order(n_features) ** 2)
        gram(by_columns)[kind](
            at_a_cliff(rows.T if by_columns else rows, x_dtype),
            N_BEFORE,
            N_BEFORE + n_samples,
            at_a_cliff(y, y_dtype),
            at_a_cliff(s, "d") if weighted else None,
            at_a_cliff(centre, "d"),
            SCALE,
            sums,
        )
        z = np.column_stack([np.column_stack([X, y]) - centre, np.ones(n_samples)])
        expected = SCALE * ((z * s[:, np.newaxis] if weighted else z).T @ z)
        assert entries(sums, n_features).tolist() == expected.tolist()
        assert np.isnan(before).all()


def check_scores(by_columns, n_features, kind, row_counts):
    """Multiply columns with each other by a kernel, with the scores of rows as weights."""
    x_dtype, y_dtype, weighted = kind
    for n_samples, power in product(row_counts, (0, 1, 2)):
        X, y, s, centre = floats(n_samples, n_features, True)
        rng, theta = np.random.default_rng(n_samples), np.linspace(-1, 1, n_features + 1)
        root = 2e-5 * rng.standard_normal((n_features, n_features))
        packed = pack(theta, centre, Leverages(root, 1e4, power) if power else None)
        rows = behind_nans(X, x_dtype)
        sums, before = room(order(n_features) ** 2)
        gram(by_columns, scored=True)[kind](
            at_a_cliff(rows.T if by_columns else rows, x_dtype),
            N_BEFORE,
            N_BEFORE + n_samples,
            at_a_cliff(y, y_dtype),
            at_a_cliff(s, "d") if weighted else None,
            at_a_cliff(packed, "d"),
            SCALE,
            sums,
        )
        z = np.column_stack([np.column_stack([X, y]) - centre, np.ones(n_samples)])
        s = s if weighted else np.ones(n_samples)
        scores = s * (X @ theta[1:] + theta[0] - y)
        sizes = s * ((abs(X) + 2 * abs(centre[:-1])) @ abs(theta[1:]) + abs(theta[0]) + abs(y) + 2 * abs(centre[-1]))
        left = 1.0 - s * (1e-4 + ((z[:, :-2] @ root) ** 2).sum(axis=1)) if power else np.ones(n_samples)
        expected = SCALE * ((z * (scores**2 / left**power)[:, np.newaxis]).T @ z)
        bound = SCALE * ((abs(z) * (sizes**2 / left**power)[:, np.newaxis]).T @ abs(z))
        assert (abs(entries(sums, n_features) - expected) <= 1e-13 * bound).all()
        assert np.isnan(before).all()


def check_scores_of_groups():
    """Add scores to those of groups."""
    values, s = np.arange(12.0).reshape(4, 3), np.array([1.0, 0.0, 2.0, 1.0])
    sums, groups, theta = np.zeros((2, 3)), np.array([0, 0, 1, 0]), np.array([1.0, 2.0, -1.0])
    compiled_add_to_groups()(values, s, groups, theta, np.ones(2), sums)
    r = values[:, :2] @ theta[1:] + 1.0 - values[:, 2]
    scores = (s * r)[:, np.newaxis] * np.column_stack((np.ones(4), values[:, :2] - 1.0))
    assert sums.tolist() == [(scores[0] + scores[3]).tolist(), scores[2].tolist()]


@numba.njit
def products(X, length, n_streams, zeros, v, d):
    streams.products(X, zeros, v, d, (0, length, length, n_streams), (0, 0, 0, 0, 0))


@numba.njit
def sums_of_multiples(X, length, n_streams, zeros, c, g):
    streams.sums_of_multiples(X, zeros, c, g, (0, length, length, n_streams), (0, 0, 0, 0, 0))


def check_streams():
    """Read zeros for the streams that do not exist, whatever the other operands are there."""
    for n_streams in (1, 3, 8):
        X, _, _, _ = whole_numbers(n_streams, 20, False)
        X, zeros = at_a_cliff(X, "d"), np.zeros(24)
        v, d, c, g = (np.arange(1.0, 1 + n) for n in (24, 8, 8, 24))
        products(X, 20, n_streams, zeros, v, d)
        assert d.tolist() == [*(np.arange(1, 1 + n_streams) + X @ v[:20]), *range(1 + n_streams, 9)]
        sums_of_multiples(X, 20, n_streams, zeros, c, g)
        assert g.tolist() == [*(np.arange(1, 21) + c[:n_streams] @ X), 21, 22, 23, 24]


def check_spread(by_columns):
    """Sum the first and the second powers of columns."""
    X, y, s, centre = floats(50, 3, True)
    kernel, sums = spread(by_columns), np.full(9, np.nan)
    kernel["d", "d", True](X.T.copy() if by_columns else X, 0, 50, y, s, centre, SCALE, sums)
    z = np.column_stack([X, y]) - centre
    assert sums.tolist() == (SCALE * np.array([s.sum(), *(s @ z), *(s @ z**2)])).tolist()


def check_passes(kind, n_features=3):
    """Sum small blocks on two threads, in place."""
    x_dtype, y_dtype, weighted = kind
    X, y, s, theta = floats(1003, n_features, True)
    s = s if weighted else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "BLOCK_VALUES", 8 * n_features)
        patch.setattr(tuning, "MIN_SHARED_VALUES", 1)
        rows = ArrayRows(X.astype(x_dtype), y.astype(y_dtype), s, 2)
        gc.collect()  # the machine code stays
        for _ in range(20):
            assert rows.gradient(theta).tolist() == exact.sums(X, y, theta, s).tolist()


def without_memory(X, start, stop, y, s, theta, scale, sums):
    """Be a kernel that has no memory for what it works in."""
    if start >= 0:
        raise MemoryError


def check_a_kernel_without_memory():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "MIN_SHARED_VALUES", 1)
        rows = ArrayRows(np.ones((40, 1)), np.ones(40), None, 2)
        patch.setattr(rows, "_kernel", jit.Kernel(without_memory, lambda n_features: 8))
        with pytest.raises(MemoryError):
            rows.gradient(np.ones(2))


def check_threads():
    """Hand jobs over, take them back, and let one of two threads be without memory."""
    for n_threads in (1, 2, 3):
        test_parallel.test_a_job_is_called_by_each_thread_until_there_is_no_more(n_threads)
    for culprit in (0, 1):
        test_parallel.test_a_thread_without_memory_is_told(culprit)
    test_parallel.test_a_worker_that_has_not_begun_is_let_off()
    test_parallel.test_a_mailbox_fills_a_line_of_the_cache()


def check_signals():
    """Add, exchange, compare and swap, and load, from several threads."""
    test_parallel.test_adding_from_several_threads_loses_nothing_and_gives_each_its_own_number()
    test_parallel.test_exchanging_from_several_threads_keeps_each_value_once()
    test_parallel.test_replacing_succeeds_for_one_of_several_threads_only()
    test_parallel.test_looking_rests_on_processors_that_have_an_instruction_for_it()
    test_parallel.test_looking_changes_nothing()


def check_room_for_arguments():
    with pytest.MonkeyPatch.context() as patch:
        test_parallel.test_arguments_of_a_pass_that_take_more_than_their_place_are_not_written(patch)


def check_compensated_sums():
    """Sum three residuals whose sum is lost without error terms."""
    y = np.array([-1e16, -1.0, 1e16])
    sums, errors = np.zeros((2, 3))
    compiled_compensated()(np.column_stack([np.zeros(3), y]), np.ones(3), np.zeros(1), sums, errors)
    assert sums[1] + errors[1] == 1.0


def check_sparse_gradient(number, with_y, weighted):
    """Sum rows of which every other value is stored; what is only read, may be read-only."""
    X, y, s, theta = floats(40, 6, True)
    X[:, ::2] = 0.0
    data, indices, indptr = X[:, 1::2].astype(number).ravel(), np.tile([1, 3, 5], 40), np.arange(0, 121, 3)
    inputs = [data, indices.astype(np.int32), indptr.astype(np.int32)]
    for values in inputs:
        values.flags.writeable = False
    y, s, sums = y if with_y else None, s if weighted else None, np.full(8, np.nan)
    csr.compiled_csr(csr.csr_gradient, number, "i", with_y, weighted)(tuple(inputs), 0, 40, y, s, theta, sums)
    assert sums.tolist() == exact.sums(X, y, theta, s).tolist()


def check_plain_sum(dtype):
    values = np.arange(100, dtype=dtype)
    assert compiled_plain_sum(dtype)(values) == 4950


def check_penalty():
    """Add a penalty whose products are rounded before they are added: 0.1 (1 + 2^-52) lies between two numbers."""
    sums, theta = np.array([7.0, 8.0, -0.1]), np.array([5.0, 1.0 + 2.0**-52])
    assert compiled_add_penalty()(sums, theta, 0.05) == 0.05 * (theta[1] * theta[1])
    assert sums.tolist() == [7.0, 8.0, 2.0 * 0.05 * theta[1] - 0.1]


def check_weights():
    add = compiled_sum_nonnegative()
    for n in (1, 7, 8, 31, 32, 33, 64, 75):
        s = np.arange(1.0, n + 1)
        assert add(at_a_cliff(s, "d")) == s.sum()
        for i in {0, n // 2, n - 1}:
            below = s.copy()
            below[i] = -0.5
            assert np.isnan(add(at_a_cliff(below, "d")))
            below[i] = np.nan
            assert np.isnan(add(at_a_cliff(below, "d")))


@contextmanager
def noted_asking():
    """Let kernels that are compiled now write down which addresses they ask for, and for how near a cache."""
    log = np.zeros(1 << 16, np.int64)
    usual, integers = Code._call, ir.IntType(64).as_pointer()

    def call(self, name, result, *arguments):
        if name != "llvm.prefetch.p0":
            return usual(self, name, result, *arguments)
        address, to_read, locality, data = arguments
        assert (to_read.constant, data.constant) == (0, 1)
        n_noted = int64(log.ctypes.data).inttoptr(integers)
        n = self.add(self.load(n_noted), int64(2))
        self.store(n, n_noted)
        self.store(int64(locality.constant), self.gep(n_noted, [n]))
        return self.store(self.ptrtoint(address, ir.IntType(64)), self.gep(n_noted, [self.add(n, int64(1))]))

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Code, "_call", call)
        patch.setattr(config, "CACHE_DIR", folder)
        yield log


def asked_for(kernel, kind, *arguments):
    """Return how far from the beginning of X the addresses are, in bytes, and for which levels of the cache they are."""
    X, *others = arguments
    with noted_asking() as log:
        jit.Kernel(kernel.function)[kind](X, *others)
    noted = log[2 : 2 + log[0]].reshape(-1, 2)
    return (noted[:, 1] - X.ctypes.data).tolist(), set(4 - noted[:, 0])


def check_lines(layout, n_features, dtype, n_rows, n_ahead):
    """Ask for each line so many bytes ahead, so many rows at a time."""
    X = np.ones((40, n_features), dtype)
    inputs = X, 0, 32, None, None, np.ones(n_features), SCALE  # which may be read beyond their end
    asked, levels = asked_for(layout.kernel, (dtype, None, False), *inputs, np.empty(2 + n_features))
    lines = np.arange(0, X[:n_rows].nbytes, 64)
    assert asked == [n_ahead + i * X[0].nbytes + line for i in range(0, 32, n_rows) for line in lines]
    assert levels == {1}


def check_that_columns_are_not_asked_for(n_features):
    inputs = np.ones((n_features, 40)), 0, 32, None, None, np.ones(n_features), SCALE
    asked, _ = asked_for(few(n_features, True).kernel, ("d", None, False), *inputs, np.empty(2 + n_features))
    assert asked == []


def check_what_streams_ask_for(module, n_samples, n_features, dtype):
    """Ask for what the model of each intrinsic does, beyond what is taken to be in cache."""
    kernel = getattr(module, module.__name__.rpartition(".")[2])
    X = np.ones((n_samples, n_features), dtype)
    inputs = X.T.copy() if module is column_major else X, 0, n_samples, None, None, np.ones(n_features), SCALE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "CACHED_BYTES", -1)
        asked, levels = asked_for(kernel, (dtype, None, False), *inputs, np.empty(2 + n_features))
        with plain_kernels.uncompiled():
            kernel.function(*inputs, np.empty(2 + n_features))
    expected = [place * X.itemsize for _, place in plain_kernels.asked]
    assert expected
    assert (asked, levels) == (expected, {2})


def check_that_what_is_in_cache_is_not_asked_for():
    inputs = np.ones((40, 130)), 0, 40, None, None, np.ones(130), SCALE
    asked, _ = asked_for(row_major.row_major, ("d", None, False), *inputs, np.empty(132))
    assert asked == []


def check_what_moments_ask_for(by_columns, n_features):
    X = np.ones((700, n_features))
    inputs = X.T.copy() if by_columns else X, 0, 700, X[:, 0].copy(), None, np.ones(n_features + 1), SCALE
    kernel, sums = gram(by_columns), np.empty(order(n_features) ** 2)
    asked, levels = asked_for(kernel, ("d", "d", False), *inputs, sums)
    with plain_kernels.uncompiled():
        kernel.function(*inputs, sums)
    assert (asked, levels) == ([place * X.itemsize for _, place in plain_kernels.asked], {2})


EIGHTS = [1, 3, 7, 8, 9, 17, 40]

# By the module whose functions are compiled: the name of each check, and what it calls with what.
CHECKS = {
    "few": {
        "few-rows-1": (check_gradient, few(1, False), 1, False, ("d", "d", True), [*EIGHTS, 67]),
        "few-rows-2": (check_gradient, few(2, False), 2, True, ("f", "f", False), [*EIGHTS, 67]),
        "few-rows-3": (check_gradient, few(3, False), 3, True, ("d", None, True), EIGHTS),
        "few-rows-6": (check_gradient, few(6, False), 6, True, ("d", "d", False), EIGHTS),
        "few-rows-8": (check_gradient, few(8, False), 8, False, ("f", "d", True), EIGHTS),
        "few-columns-2": (check_gradient, few(2, True), 2, True, ("d", "d", True), [*EIGHTS, 67]),
        "few-columns-7": (check_gradient, few(7, True), 7, False, ("f", None, False), EIGHTS),
        "few-order-1": (check_order, few(1, False).kernel, 1, 4, 8),
        "few-order-2": (check_order, few(2, False).kernel, 2, 2, 8),
        "few-order-3": (check_order, few(3, False).kernel, 3, 2, 8),
        "few-order-4": (check_order, few(4, False).kernel, 4, 1, 8),
        "few-rows-3-ask": (check_lines, few(3, False), 3, "d", 8, 4096),
        "few-rows-4-ask": (check_lines, few(4, False), 4, "f", 8, 4096),
        "few-columns-3-ask": (check_that_columns_are_not_asked_for, 3),
    },
    "column_groups": {
        "groups-9": (check_gradient, groups(9), 9, True, ("d", "d", True), [*EIGHTS, 203]),
        "groups-30": (check_gradient, groups(30), 30, False, ("f", None, False), [*EIGHTS, 203]),
        "groups-order-4": (check_order, groups(4).kernel, 4, 1, 8),
    },
    "whole_rows": {
        "whole-11": (check_gradient, whole(11), 11, True, ("d", "d", True), EIGHTS),
        "whole-16": (check_gradient, whole(16), 16, False, ("f", "f", False), EIGHTS, 2),
        "whole-27": (check_gradient, whole(27), 27, True, ("d", None, True), EIGHTS, 2),
        "whole-75": (check_gradient, whole(75), 75, True, ("f", "d", False), EIGHTS),
        "whole-order-24": (check_order, whole(24).kernel, 24, 1, 4),
        "whole-order-32": (check_order, whole(32).kernel, 32, 1, 2),
        "whole-24-ask": (check_lines, whole(24), 24, "d", 1, 8192),
        "whole-80-ask": (check_lines, whole(80), 80, "f", 1, 8192),
    },
    "row_major": {
        "row-major-21": (check_gradient, ROW_MAJOR, 21, True, ("d", "d", True), EIGHTS),
        "row-major-17": (check_gradient, ROW_MAJOR, 17, True, ("f", None, False), EIGHTS, 2),
        "streams": (check_streams,),
        "row-major-in-cache": (check_that_what_is_in_cache_is_not_asked_for,),
        "row-major-302-ask": (check_what_streams_ask_for, row_major, 40, 302, "d"),
        "row-major-630-ask": (check_what_streams_ask_for, row_major, 40, 630, "f"),
    },
    "column_major": {
        "column-major-12": (check_gradient, COLUMN_MAJOR, 12, True, ("d", "d", True), EIGHTS),
        "column-major-33": (check_gradient, COLUMN_MAJOR, 33, True, ("f", None, False), EIGHTS),
        "column-major-65-ask": (check_what_streams_ask_for, column_major, 1100, 65, "d"),
        "column-major-panels": (check_gradient, COLUMN_MAJOR, 65, False, ("d", "d", True), [1008, 3031]),
    },
    "gram": {
        "gram-rows-22": (check_moments, False, 22, ("d", "d", True), [1, 9, 350]),
        "gram-rows-6": (check_moments, False, 6, ("f", "f", False), [1, 9]),
        "gram-columns-13": (check_moments, True, 13, ("d", "d", False), [1, 7, 8, 17]),
        "gram-columns-38": (check_moments, True, 38, ("f", "d", True), [1, 9, 210]),
        "gram-rows-22-ask": (check_what_moments_ask_for, False, 22),
    },
    "scores": {
        "scores-rows-22": (check_scores, False, 22, ("d", "d", True), [1, 9, 350]),
        "scores-rows-38": (check_scores, False, 38, ("f", "f", False), [1, 9]),
        "scores-columns-13": (check_scores, True, 13, ("d", "d", False), [1, 7, 8, 17]),
        "scores-groups": (check_scores_of_groups,),
    },
    "blocks": {
        "passes": (check_passes, ("d", "d", True)),
        "passes-float32": (check_passes, ("f", "f", False)),
        "no-memory": (check_a_kernel_without_memory,),
        "no-room": (check_room_for_arguments,),
    },
    "compensated": {"compensated": (check_compensated_sums,)},
    "csr": {
        "csr-d": (check_sparse_gradient, "d", True, False),
        "csr-f": (check_sparse_gradient, "f", False, True),
    },
    "plain_sum": {
        "plain-sum-float64": (check_plain_sum, "float64"),
        "plain-sum-float32": (check_plain_sum, "float32"),
    },
    "penalty": {"penalty": (check_penalty,)},
    "weights": {"weights": (check_weights,)},
    "column_stats": {"spread-rows": (check_spread, False), "spread-columns": (check_spread, True)},
    "mailbox": {"threads": (check_threads,), "signals": (check_signals,)},
}

NAMES = {name: call for checks in CHECKS.values() for name, call in checks.items()}


def run(name):
    """Make a check of this name."""
    check, *arguments = NAMES[name]
    check(*arguments)
