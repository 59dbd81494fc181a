"""Each variant of each kernel, against exact sums over rows that lie between rows of NaN."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

import exact
import numba
import numpy as np
import pytest
from fastgd.kernels.line import one_weight, two_weights
from numba import types

from fastgd.kernels import jit
from fastgd.kernels.column_major import column_major
from fastgd.kernels.row_major import many_features, three_features, two_features
from fastgd.kernels.weights import compiled_sum_nonnegative

SCALE = 0.375
MARGIN = 3
GUARD = 4096  # more than a panel, so that a stray write stays within memory that is looked at

# X and y, with and without sample weights; (f, d) comes from float32 features with a target of integers or float64.
VARIANTS = [
    ("d", "d", False),
    ("d", "d", True),
    ("d", None, False),
    ("d", None, True),
    ("f", "f", False),
    ("f", "f", True),
    ("f", "d", False),
    ("f", None, True),
]


def shape_id(kernel, n_features, intercept, row_counts=()):
    return f"{kernel.function.__name__}-{'1+' if intercept else ''}{n_features}"


# The remainders of four rows and of the vector lanes, and more.
FEW_ROWS = [*range(1, 10), 67]

# Kernel, number of features, intercept, numbers of rows. The last ones take more than two panels, the last of which is
# partial, or have features past the limit of prefetching.
SHAPES = [
    (one_weight, 1, False, FEW_ROWS),
    (two_weights, 1, True, FEW_ROWS),
    *((two_features, 2, intercept, FEW_ROWS) for intercept in (False, True)),
    *((three_features, 3, intercept, FEW_ROWS) for intercept in (False, True)),
    *((many_features, k, intercept, FEW_ROWS) for k in (1, 4, 5, 7, 8, 9, 16, 17, 33) for intercept in (False, True)),
    *((many_features, 513, intercept, [3, 4, 9]) for intercept in (False, True)),
    *((column_major, k, intercept, FEW_ROWS) for k in (1, 2, 3, 4, 6, 8) for intercept in (False, True)),
    *((column_major, 5, intercept, [2048, 2049, 4099]) for intercept in (False, True)),
    *((column_major, 33, intercept, [496, 500, 1001]) for intercept in (False, True)),
    *((column_major, 299, intercept, [1, 64, 150]) for intercept in (False, True)),
]
every_shape = pytest.mark.parametrize(
    ("kernel", "n_features", "intercept", "row_counts"), SHAPES, ids=[shape_id(*shape) for shape in SHAPES]
)

# One shape for each loop of each kernel.
FEW_SHAPES = [
    (one_weight, 1, False),
    (two_weights, 1, True),
    (two_features, 2, True),
    (three_features, 3, True),
    (many_features, 5, True),
    (many_features, 17, False),
    (column_major, 6, True),
]
each_kernel = pytest.mark.parametrize(
    ("kernel", "n_features", "intercept"), FEW_SHAPES, ids=[shape_id(*shape) for shape in FEW_SHAPES]
)


def between_nans(values, dtype):
    """Return a read-only copy with NaN before and behind it, so that a row too many shows."""
    wide = np.full((len(values) + 2 * MARGIN, *values.shape[1:]), np.nan, dtype)
    wide[MARGIN:-MARGIN] = values
    wide.flags.writeable = False
    return wide


def run(kernel, X, y, s, theta, *, x_dtype="d", y_dtype="d"):
    """Call a kernel on read-only input, into sums that hold NaN and are guarded on both sides."""
    n_samples, n_features = X.shape
    rows = between_nans(X, x_dtype)
    if kernel is column_major:
        rows = np.ascontiguousarray(rows.T)
    y, s, theta = (
        None if values is None else between_nans(values, dtype)[MARGIN:-MARGIN]
        for values, dtype in ((y, y_dtype), (s, "d"), (theta, "d"))
    )
    inputs = [values for values in (rows, y, s, theta) if values is not None]
    before = [values.tobytes() for values in inputs]
    size = 2 + n_features + kernel.workspace
    memory = np.full(size + 2 * GUARD, np.nan)
    sums = memory[GUARD:-GUARD]
    variant = kernel[x_dtype, None if y is None else y_dtype, s is not None]
    variant(rows, MARGIN, MARGIN + n_samples, y, s, theta, SCALE, sums)
    assert [values.tobytes() for values in inputs] == before
    assert np.isnan(memory[:GUARD]).all()
    assert np.isnan(memory[-GUARD:]).all()
    return sums[: 2 + n_features]


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
@pytest.mark.parametrize(("x_dtype", "y_dtype", "weighted"), VARIANTS)
def test_sums_over_whole_numbers_are_exact(kernel, n_features, intercept, row_counts, x_dtype, y_dtype, weighted):
    for n_samples in row_counts:
        X, y, s, theta = whole_numbers(n_samples, n_features, intercept)
        y, s = y if y_dtype else None, s if weighted else None
        got = run(kernel, X, y, s, theta, x_dtype=x_dtype, y_dtype=y_dtype)
        assert got.tolist() == exact_sums(n_samples, n_features, intercept, y is not None, weighted).tolist()


@each_kernel
@pytest.mark.parametrize(("x_dtype", "y_dtype", "weighted"), VARIANTS)
def test_float32_is_summed_as_float64(kernel, n_features, intercept, x_dtype, y_dtype, weighted):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(101, n_features)).astype(x_dtype)
    y = rng.normal(size=101).astype(y_dtype) if y_dtype else None
    s = rng.uniform(size=101) if weighted else None
    theta = rng.normal(size=n_features + intercept)
    got = run(kernel, X, y, s, theta, x_dtype=x_dtype, y_dtype=y_dtype) / SCALE
    assert exact.error(got, exact.sums(X, y, theta, s), exact.sums_bound(X, y, theta, s)) <= 1


def test_a_line_through_the_origin_by_hand():
    # r = 2 x - y = (-1, 1, 3) for y = (3, 3, 3); s = (1, 2, 0.5)
    X, y, s = np.array([[1.0], [2.0], [3.0]]), np.full(3, 3.0), np.array([1.0, 2.0, 0.5])
    got = run(one_weight, X, y, s, np.array([2.0])) / SCALE
    assert got.tolist() == [1 + 2 + 4.5, -1 + 2 + 1.5, -1 + 4 + 4.5]


@each_kernel
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n_samples", [3, 37])
@pytest.mark.parametrize(("x_dtype", "weighted"), [("d", True), ("f", False)])
def test_nan_and_inf_come_through_from_every_place(kernel, n_features, intercept, poison, n_samples, x_dtype, weighted):
    data = [values.astype(np.float64) for values in whole_numbers(n_samples, n_features, intercept)]
    for values in data if weighted else data[:2] + data[3:]:
        for place in np.ndindex(values.shape):
            values[place], kept = poison, values[place]
            X, y, s, theta = data
            with np.errstate(invalid="ignore"):
                r = X @ theta[-n_features:] + (theta[0] if intercept else 0.0) - y
                sr = s * r if weighted else r
                expected = [(sr * r).sum(), sr.sum(), *(sr[:, np.newaxis] * X).sum(axis=0)]
            got = run(kernel, X, y, s if weighted else None, theta, x_dtype=x_dtype, y_dtype=x_dtype)
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


def test_a_variant_is_compiled_once():
    assert one_weight["d", "d", False] is one_weight["d", "d", False]


def double(x):
    return 2.0 * x


SIGNATURE = types.float64(types.float64)


@pytest.fixture
def cache_dir(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def no_folder_can_be_written(cache_dir, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError("read-only file system")

    shutil.rmtree(cache_dir)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)


def the_disk_is_full(cache_dir, monkeypatch):
    def refuse(*args):
        raise OSError("no space left on device")

    shutil.rmtree(cache_dir)
    monkeypatch.setattr("os.replace", refuse)


def the_index_is_damaged(cache_dir, monkeypatch):
    overwrite(cache_dir, "*.nbi")


def the_code_is_damaged(cache_dir, monkeypatch):
    overwrite(cache_dir, "*.nbc")


def overwrite(folder, pattern):
    files = list(Path(folder).rglob(pattern))
    assert files
    for file in files:
        file.write_bytes(b"damaged")


def test_compiled_code_is_kept_on_disk(cache_dir):
    jit.compile_cached(double, SIGNATURE)
    again = jit.compile_cached(double, SIGNATURE)
    assert sum(again.stats.cache_hits.values()) == 1


@pytest.mark.parametrize(
    "damage", [no_folder_can_be_written, the_disk_is_full, the_index_is_damaged, the_code_is_damaged]
)
def test_a_cache_that_does_not_work_costs_one_warning_and_not_the_call(damage, cache_dir, monkeypatch):
    jit.compile_cached(double, SIGNATURE)
    damage(cache_dir, monkeypatch)
    monkeypatch.setattr(jit, "_warned", False)
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR") as warned:
        compiled = [jit.compile_cached(double, SIGNATURE) for _ in range(2)]
    assert len(warned) == 1
    assert [function(3.0) for function in compiled] == [6.0, 6.0]


def is_nan(x):
    return x != x


def is_infinite(x):
    return x == np.inf


@pytest.mark.parametrize(("question", "value"), [(is_nan, np.nan), (is_infinite, np.inf)])
def test_the_compiler_may_not_assume_that_nan_and_inf_do_not_occur(question, value, cache_dir):
    # The flags nnan and ninf answer both with False; in the kernels themselves they happen to do no harm yet.
    assert jit.compile_cached(question, types.boolean(types.float64))(value)


def test_what_is_wrong_with_a_kernel_is_not_blamed_on_the_cache(cache_dir):
    with pytest.raises(numba.core.errors.TypingError):
        jit.compile_cached(lambda x: x.nothing, SIGNATURE)


def test_no_flag_lets_the_compiler_assume_that_nan_and_inf_do_not_occur():
    # Which of them it makes use of depends on the compiler's version: the tests above would not see each.
    assert isinstance(jit.FLAGS["fastmath"], set)
    assert not jit.FLAGS["fastmath"] & {"fast", "nnan", "ninf"}
