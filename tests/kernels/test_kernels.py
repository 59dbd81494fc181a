"""Each variant of each kernel, against exact sums over rows that lie between rows of NaN."""

import ctypes
import mmap
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import exact
import numpy as np
import pytest
from numba import types

from fastgd.kernels import jit
from fastgd.kernels.column_groups import column_groups
from fastgd.kernels.column_major import column_major
from fastgd.kernels.dense import dense
from fastgd.kernels.few import few_features
from fastgd.kernels.row_major import row_major
from fastgd.kernels.weights import compiled_sum_nonnegative
from fastgd.kernels.whole_rows import whole_rows

SCALE = 0.375
MARGIN = 3
GUARD = 64

# X and y, with and without sample weights; (f, d) comes from float32 features with a target of integers or float64. In the
# quick suite, where most of the time is what it takes to compile them, each number of features has the first one, each form of
# a kernel three, and one kernel all.
SOME_VARIANTS = [("d", "d", True), ("d", None, False), ("f", "f", False)]
OTHER_VARIANTS = [("d", "d", False), ("d", None, True), ("f", "f", True), ("f", "d", False), ("f", None, True)]
VARIANTS = SOME_VARIANTS + OTHER_VARIANTS


class Layout(NamedTuple):
    """A kernel and how it wants X."""

    name: str
    kernel: jit.Kernel
    by_columns: bool


def few(n_features, by_columns):
    return Layout("columns" if by_columns else "rows", few_features(n_features, by_columns), by_columns)


def groups(n_features):
    return Layout("groups", column_groups(n_features), True)


def whole(n_features):
    return Layout("whole", whole_rows(-(-n_features // 8)), False)


ROW_MAJOR = Layout("row_major", row_major, False)
COLUMN_MAJOR = Layout("column_major", column_major, True)


def shape_id(layout, n_features, intercept, row_counts=()):
    return f"{layout.name}-{'1+' if intercept else ''}{n_features}"


# Fewer than eight rows, remainders of eight, and of the steps that are unrolled.
FEW_ROWS = [*range(1, 10), 15, 16, 17, 31, 32, 33, 67]

# Layout, number of features, intercept, numbers of rows. The last ones take several panels, the last of which is partial.
SHAPES = [
    *((few(k, False), k, intercept, FEW_ROWS) for k in range(1, 9) for intercept in (False, True)),
    *((few(k, True), k, intercept, FEW_ROWS) for k in (2, 3, 7, 17, 32) for intercept in (False, True)),
    *((groups(k), k, intercept, [*FEW_ROWS, 192, 203]) for k in (1, 5, 17, 32) for intercept in (False, True)),
    *((whole(k), k, intercept, FEW_ROWS) for k in range(9, 18) for intercept in (False, True)),
    *((whole(k), k, k % 2 == 0, [1, 2, 3, 6, 7, 8, 25]) for k in (24, 31, 64, 65, 71, 72, 73, 100, 128)),
    *((ROW_MAJOR, k, intercept, FEW_ROWS) for k in (1, 8, 15, 16, 17, 24, 33) for intercept in (False, True)),
    *((ROW_MAJOR, 301, intercept, [7, 8, 25]) for intercept in (False, True)),
    *((COLUMN_MAJOR, k, intercept, FEW_ROWS) for k in (8, 9, 15, 16, 33) for intercept in (False, True)),
    (COLUMN_MAJOR, 9, True, [2048, 2049, 6151]),
    (COLUMN_MAJOR, 65, False, [1008, 1016, 3031]),
    (COLUMN_MAJOR, 1201, True, [192, 400]),
]
every_shape = pytest.mark.parametrize(
    ("layout", "n_features", "intercept", "row_counts"), SHAPES, ids=[shape_id(*shape) for shape in SHAPES]
)

# One for each form of each kernel, those of a file in each layout first.
FORMS = [
    (few(3, False), 3, True),
    (few(7, True), 7, True),
    (whole(11), 11, True),
    (ROW_MAJOR, 21, True),
    (COLUMN_MAJOR, 12, True),
    (few(1, False), 1, False),
    (few(1, False), 1, True),
    (few(2, False), 2, True),
    (whole(27), 27, False),
    (whole(75), 75, True),
    (ROW_MAJOR, 17, False),
]


def between_nans(values, dtype):
    """Return a read-only copy with NaN before and behind it, so that a row too many shows."""
    wide = np.full((len(values) + 2 * MARGIN, *values.shape[1:]), np.nan, dtype)
    wide[MARGIN:-MARGIN] = values
    wide.flags.writeable = False
    return wide


def run(layout, X, y, s, theta, *, x_dtype="d", y_dtype="d"):
    """Call a kernel on read-only input, into sums that hold NaN and are guarded on both sides."""
    n_samples, n_features = X.shape
    rows = between_nans(X, x_dtype)
    if layout.by_columns:
        rows = np.ascontiguousarray(rows.T)
    y, s, theta = (
        None if values is None else between_nans(values, dtype)[MARGIN:-MARGIN]
        for values, dtype in ((y, y_dtype), (s, "d"), (theta, "d"))
    )
    inputs = [values for values in (rows, y, s, theta) if values is not None]
    before = [values.tobytes() for values in inputs]
    kernel = layout.kernel
    memory = np.full(2 + n_features + 2 * GUARD, np.nan)
    sums = memory[GUARD:-GUARD]
    variant = kernel[x_dtype, None if y is None else y_dtype, s is not None]
    variant(rows, MARGIN, MARGIN + n_samples, y, s, theta, SCALE, sums)
    assert [values.tobytes() for values in inputs] == before
    assert np.isnan(memory[:GUARD]).all()
    assert np.isnan(memory[-GUARD:]).all()
    return sums


@cache
def whole_numbers(n_samples, n_features, intercept):
    """Make odd numbers, of which no term is zero, so small that float64 adds them without rounding in any order."""
    rng = np.random.default_rng([n_samples, n_features])
    X = 2 * rng.integers(-128, 128, (n_samples, n_features)) + 1
    y = 2 * rng.integers(-128, 128, n_samples) + 1
    s = 2 * rng.integers(0, 4, n_samples) + 1
    theta = 2 * rng.integers(-4, 4, n_features + intercept) + 1
    return X, y, s, theta


@cache
def exact_sums(n_samples, n_features, intercept, with_y, weighted):
    X, y, s, theta = whole_numbers(n_samples, n_features, intercept)
    return (SCALE * exact.sums(X, y if with_y else None, theta, s if weighted else None)).astype(np.float64)


@every_shape
@pytest.mark.parametrize(
    ("x_dtype", "y_dtype", "weighted"),
    [VARIANTS[0], *(pytest.param(*variant, marks=pytest.mark.slow) for variant in VARIANTS[1:])],
)
def test_sums_over_whole_numbers_are_exact(layout, n_features, intercept, row_counts, x_dtype, y_dtype, weighted):
    for n_samples in row_counts:
        X, y, s, theta = whole_numbers(n_samples, n_features, intercept)
        y, s = y if y_dtype else None, s if weighted else None
        got = run(layout, X, y, s, theta, x_dtype=x_dtype, y_dtype=y_dtype)
        assert got.tolist() == exact_sums(n_samples, n_features, intercept, y is not None, weighted).tolist()


@pytest.mark.parametrize(
    ("layout", "n_features", "intercept", "x_dtype", "y_dtype", "weighted"),
    [
        pytest.param(
            *form,
            *variant,
            marks=() if variant in SOME_VARIANTS or form == FORMS[0] else pytest.mark.slow,
            id="-".join(map(str, (shape_id(*form), *variant))),
        )
        for form in FORMS
        for variant in VARIANTS
    ],
)
def test_float32_is_summed_as_float64(layout, n_features, intercept, x_dtype, y_dtype, weighted):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(101, n_features)).astype(x_dtype)
    y = rng.normal(size=101).astype(y_dtype) if y_dtype else None
    s = rng.uniform(size=101) if weighted else None
    theta = rng.normal(size=n_features + intercept)
    got = run(layout, X, y, s, theta, x_dtype=x_dtype, y_dtype=y_dtype) / SCALE
    assert exact.error(got, exact.sums(X, y, theta, s), exact.sums_bound(X, y, theta, s)) <= 1


def test_a_line_through_the_origin_by_hand():
    # r = 2 x - y = (-1, 1, 3) for y = (3, 3, 3); s = (1, 2, 0.5)
    X, y, s = np.array([[1.0], [2.0], [3.0]]), np.full(3, 3.0), np.array([1.0, 2.0, 0.5])
    got = run(few(1, False), X, y, s, np.array([2.0])) / SCALE
    assert got.tolist() == [1 + 2 + 4.5, -1 + 2 + 1.5, -1 + 4 + 4.5]


@pytest.mark.parametrize(("layout", "n_features", "intercept"), FORMS, ids=[shape_id(*form) for form in FORMS])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n_samples", [3, 37])
@pytest.mark.parametrize(("x_dtype", "weighted"), [("d", True), ("f", False)])
def test_nan_and_inf_come_through_from_every_place(layout, n_features, intercept, poison, n_samples, x_dtype, weighted):
    data = [values.astype(np.float64) for values in whole_numbers(n_samples, n_features, intercept)]
    for values in data if weighted else data[:2] + data[3:]:
        for place in np.ndindex(values.shape):
            values[place], kept = poison, values[place]
            X, y, s, theta = data
            with np.errstate(invalid="ignore"):
                r = X @ theta[-n_features:] + (theta[0] if intercept else 0.0) - y
                sr = s * r if weighted else r
                expected = [(sr * r).sum(), sr.sum(), *(sr[:, np.newaxis] * X).sum(axis=0)]
            got = run(layout, X, y, s if weighted else None, theta, x_dtype=x_dtype, y_dtype=x_dtype)
            np.testing.assert_array_equal(got, expected)
            values[place] = kept


@pytest.mark.parametrize("n_samples", [0, *FEW_ROWS])
def test_the_sum_of_weights_is_nan_for_a_negative_one_in_any_place(n_samples):
    add = compiled_sum_nonnegative()
    s = np.random.default_rng(n_samples).integers(0, 9, n_samples) / 4
    assert add(s) == s.sum()
    for i, kept in enumerate(s.copy()):
        for wrong, expected in (
            (-0.25, np.nan),
            (-np.inf, np.nan),
            (np.nan, np.nan),
            (np.inf, np.inf),
            (-0.0, s.sum() - kept),
        ):
            s[i] = wrong
            np.testing.assert_equal(add(s), expected)
        s[i] = kept


@pytest.mark.parametrize("variant", [VARIANTS[0], pytest.param(("f", "f", False), marks=pytest.mark.slow)], ids=str)
def test_every_kernel_is_the_same_function(variant):
    x_dtype, y_dtype, weighted = variant
    by_rows = [(k, False) for k in (*range(1, 34), 100, 129)]
    for k, by_columns in by_rows + [(k, True) for k in (1, 2, 3, 7, 17, 32, 33, 100)]:
        X, y, s, theta = whole_numbers(29, k, True)
        layout = Layout("dense", dense(k, by_columns), by_columns)
        got = run(layout, X, y, s if weighted else None, theta, x_dtype=x_dtype, y_dtype=y_dtype)
        assert got.tolist() == exact_sums(29, k, True, True, weighted).tolist()


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="takes a page away by mprotect")
@pytest.mark.parametrize("forms_only", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_nothing_is_read_behind_the_end_of_data_nor_written_behind_the_end_of_what_a_kernel_works_in(forms_only):
    # In a process of its own, as the page behind the data is taken away: to read it is the end of the process. So is what
    # glibc's malloc finds overwritten, where there is its debugging library; where there is none, ld.so says so and goes on.
    environment = {**os.environ, "LD_PRELOAD": "libc_malloc_debug.so.0", "GLIBC_TUNABLES": "glibc.malloc.check=3"}
    code = f"import sys; sys.path[:] = {sys.path!r}; import test_kernels as t; t.read_up_to_the_end({forms_only})"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def read_up_to_the_end(forms_only):
    """Sum data at a cliff: float64 of all shapes, and float32, perhaps where only a form of a kernel has it compiled."""
    forms = [layout for layout, *_ in FORMS]
    for layout, k, intercept, row_counts in SHAPES:
        for dtype, weighted in (("d", True), ("f", False)):
            if dtype == "f" and forms_only and layout not in forms:
                continue
            for n_samples in row_counts:
                X, y, s, theta = whole_numbers(n_samples, k, intercept)
                X, y = at_a_cliff(X.T if layout.by_columns else X, dtype), at_a_cliff(y, dtype)
                s = at_a_cliff(s, "d") if weighted else None
                sums = np.empty(2 + k)
                variant = layout.kernel[dtype, dtype, weighted]
                variant(X, 0, n_samples, y, s, theta.astype(np.float64), SCALE, sums)
                assert sums[: 2 + k].tolist() == exact_sums(n_samples, k, intercept, True, weighted).tolist()


def at_a_cliff(values, dtype):
    """Return a copy behind which there is a page that must not be read."""
    n_bytes = values.size * np.dtype(dtype).itemsize
    n_pages = -(-n_bytes // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (n_pages + 1) * mmap.PAGESIZE)
    pages = np.frombuffer(memory, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    address = ctypes.c_void_p(pages.ctypes.data + n_pages * mmap.PAGESIZE)
    assert libc.mprotect(address, mmap.PAGESIZE, 0) == 0
    copy = pages[n_pages * mmap.PAGESIZE - n_bytes : n_pages * mmap.PAGESIZE].view(dtype).reshape(values.shape)
    copy[...] = values
    return copy


def test_a_variant_is_compiled_once():
    assert row_major["d", "d", False] is row_major["d", "d", False]


def is_nan(x):
    return x != x


def is_infinite(x):
    return x == np.inf


@pytest.mark.parametrize(("question", "value"), [(is_nan, np.nan), (is_infinite, np.inf)])
def test_the_compiler_may_not_assume_that_nan_and_inf_do_not_occur(question, value):
    # The flags nnan and ninf answer both with False; in the kernels themselves they happen to do no harm yet.
    assert jit.compile_cached(question, types.boolean(types.float64))(value)


def test_no_flag_lets_the_compiler_change_the_order_of_sums_or_assume_that_nan_and_inf_do_not_occur():
    # Which of them it makes use of depends on the compiler's version: other tests would not see each.
    assert "fastmath" not in jit.FLAGS
    assert "fastmath" not in jit.HELPER_FLAGS


BOUNDS_CHECKED = """
import sys
import numpy as np, pytest
from fastgd.kernels import csr

# The checks are there: a column that theta does not have is noticed.
rows = np.ones(1), np.array([9], np.int32), np.array([0, 1], np.int32)
with pytest.raises(IndexError):
    csr.compiled_csr(csr.csr_gradient, "d", "i", False, False)(rows, 0, 1, None, None, np.zeros(2), np.zeros(4))
names = "kernels/test_kernels", "rows/test_sparse", "test_moments", "rows/test_rows", "rows/test_parallel"
quick = [f"tests/{name}.py" for name in names]
slow = ["-m", "slow", "tests/kernels/test_kernels.py::test_sums_over_whole_numbers_are_exact"]
sys.exit(any(pytest.main(["-n0", "-q", "-p", "no:cacheprovider", *which]) for which in (quick, slow)))
"""


@pytest.mark.slow
@pytest.mark.processes
def test_no_index_leaves_its_array_where_compiled_code_checks_that(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", BOUNDS_CHECKED],
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


@pytest.mark.parametrize("n_features", [4, 9, 32])
@pytest.mark.parametrize("kind", SOME_VARIANTS)
def test_columns_have_the_same_bits_in_groups_as_in_registers(n_features, kind):
    x_dtype, y_dtype, weighted = kind
    rng = np.random.default_rng(1)
    for n_samples in (1, 8, 203, 1000):
        X = rng.standard_normal((n_features, n_samples + 5)).astype(x_dtype)
        y = rng.standard_normal(n_samples).astype(y_dtype) if y_dtype else None
        given = X, 3, 3 + n_samples, y, rng.random(n_samples) if weighted else None, rng.standard_normal(n_features + 1)
        results = np.empty((2, 2 + n_features))
        for layout, sums in zip((few(n_features, True), groups(n_features)), results, strict=True):
            layout.kernel[kind](*given, 0.7, sums)
        np.testing.assert_array_equal(*results)


def test_a_variant_that_other_threads_find_has_its_address():
    published = []

    class Watched(jit.Kernel):
        def __setitem__(self, kind, variant):
            super().__setitem__(kind, variant)
            published.append(self.address(kind))  # as a thread does that looks right now

    kernel = Watched(few_features(1, False).function)
    assert kernel.address(("d", "d", False)) == published[0] != 0
