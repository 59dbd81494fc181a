"""Rows in memory: every layout and dtype, in one block and in many."""

import weakref
from fractions import Fraction

import exact
import numpy as np
import pytest
from block_sizes import set_block_values

import fastgd
from fastgd.kernels import tuning
from fastgd.kernels.dense import dense
from fastgd.rows import memory
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.blocks import Blocks, Fold, pairwise, plan
from fastgd.rows.centred_moments import columns_of, moments_of, near_mean
from fastgd.rows.columns import Columns
from fastgd.rows.compensated_rows import CompensatedRows
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.layout import lies_by_columns
from fastgd.rows.short import short_pass
from fastgd.rows.sparse_rows import SparseRows
from fastgd.rows.target_rows import TargetRows
from fastgd.rows.weights import sampled, total_weight


@pytest.fixture(params=[1 << 20, 7, 1], ids=["one block", "many blocks", "a block for each row"])
def block_values(request, monkeypatch):
    set_block_values(monkeypatch, request.param)


@pytest.mark.parametrize("n_samples", [1, 2, 7, 8, 9, 100])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 8, 9, 1000])
def test_blocks_cover_each_row_once_in_order(n_samples, n_rows):
    blocks = Blocks(n_samples, n_rows)
    cuts = list(blocks)
    assert [row for start, stop in cuts for row in range(start, stop)] == list(range(n_samples))
    assert all(stop - start == n_rows for start, stop in cuts[:-1])
    assert 0 < cuts[-1][1] - cuts[-1][0] <= n_rows
    assert cuts == [blocks[i] for i in range(len(blocks))]


@pytest.mark.parametrize("by_columns", [False, True])
def test_blocks_have_rows_and_about_as_many_values_for_every_kernel(by_columns):
    for n_features in (*range(1, 2000), 10**4, 10**6):
        n_rows = dense(n_features, by_columns).block_rows(n_features)
        assert n_rows >= 1
        assert n_rows * n_features >= tuning.BLOCK_VALUES // 2
        assert n_rows * n_features <= 4 * tuning.BLOCK_VALUES or n_rows <= 2048


@pytest.mark.parametrize("order", "CF")
def test_a_row_may_have_more_values_than_a_block(order):
    X = np.array(np.arange(4)[:, np.newaxis] * np.arange(tuning.BLOCK_VALUES + 1.0), order=order)
    mean, _ = columns_of(ArrayRows(X, np.ones(4)))
    assert mean.tolist() == [*(1.5 * np.arange(tuning.BLOCK_VALUES + 1.0)), 1.0]


def tree(vectors):
    """Add a list of vectors in a binary tree: the largest complete subtree on the left, the rest on the right."""
    if len(vectors) == 1:
        return vectors[0]
    left = 1 << ((len(vectors) - 1).bit_length() - 1)
    return tree(vectors[:left]) + tree(vectors[left:])


def fold(vectors, order):
    fold = Fold(len(vectors))
    for i in order:
        fold.add(i, vectors[i].copy())
    return fold.total()


@pytest.mark.parametrize("n_blocks", range(1, 21))
def test_fold_adds_in_a_fixed_binary_tree_whatever_the_order(n_blocks):
    rng = np.random.default_rng(n_blocks)
    vectors = list(rng.normal(size=(n_blocks, 40)))
    orders = [range(n_blocks), range(n_blocks)[::-1], *(rng.permutation(n_blocks).tolist() for _ in range(5))]
    assert {fold(vectors, order).tobytes() for order in orders} == {tree(vectors).tobytes()}


@pytest.mark.parametrize("n_blocks", range(1, 40))
def test_neighbours_are_merged_in_their_order(n_blocks):
    """As moments and places are, and sums need not be: of two, the first comes first."""

    def tree_of(parts):
        left = 1 << ((len(parts) - 1).bit_length() - 1) if len(parts) > 1 else 0
        return (tree_of(parts[:left]), tree_of(parts[left:])) if left else parts[0]

    parts = list(map(str, range(n_blocks)))
    fold = Fold(n_blocks, lambda *both: both)
    for i in np.random.default_rng(n_blocks).permutation(n_blocks).tolist():
        fold.add(i, parts[i])
    assert fold.total() == pairwise(parts, lambda *both: both) == tree_of(parts)
    assert pairwise([], None) is None


def paths(a_plan):
    """Return for each part the nodes above it, the last one's own parent included."""
    n_parts = len(a_plan.parts)
    result = []
    for part in range(n_parts):
        node, path = part, []
        while node < 2 * n_parts - 1:
            node = int(a_plan.parents[node])
            path.append(node)
        result.append(path)
    return result


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7, 16])
def test_a_plan_adds_the_parts_as_the_tree_is(n_threads):
    for n_blocks in (*range(1, 70), 255, 256, 257, 1000, 12_345):
        a_plan = plan(n_blocks, n_threads, 256)
        values = list(np.random.default_rng(n_blocks).normal(size=n_blocks))
        n_parts = len(a_plan.parts)
        nodes = {i: tree(values[p << level : (p + 1) << level]) for i, (level, p) in enumerate(a_plan.parts.tolist())}
        children = {}
        for node, parent in enumerate(a_plan.parents.tolist()):
            children.setdefault(parent, []).append(node)
        assert children.pop(2 * n_parts - 1) == [2 * n_parts - 2]
        for node in range(n_parts, 2 * n_parts - 1):  # children come before their parent
            left, right = children[node]
            nodes[node] = nodes[left] + nodes[right]
        assert nodes[2 * n_parts - 2] == tree(values)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_a_plan_has_slots_for_all_that_can_wait_at_a_time(n_threads):
    rng = np.random.default_rng(n_threads)
    for n_blocks in (1, 2, 3, 10, 64, 100, 1000, 12_345):
        a_plan = plan(n_blocks, n_threads, 256)
        way, most = paths(a_plan), 0
        for _ in range(20):
            waiting, at_work, next_part = set(), [], 0
            while next_part < len(way) or at_work:
                if next_part < len(way) and len(at_work) < n_threads:
                    at_work.append(next_part)
                    next_part += 1
                    continue
                # All but the oldest are quick in one run of two, so that as much waits for it as there can be.
                part = at_work.pop(rng.integers(len(at_work)) if _ % 2 else -1)
                most = max(most, len(waiting) + 1)
                for node in way[part]:
                    if node not in waiting:
                        waiting.add(node)
                        break
                    waiting.remove(node)
            assert len(waiting) == 1
        assert most + n_threads - 1 <= a_plan.n_slots or a_plan.n_slots == len(way)


@pytest.mark.parametrize(
    ("n_features", "by_columns"), [(1, False), (3, False), (7, True), (11, False), (17, False), (34, True)]
)
@pytest.mark.parametrize(("x_dtype", "y_dtype", "weighted"), [("d", "d", True), ("f", "f", False), ("d", None, False)])
def test_compiled_blocks_are_added_as_the_tree_is_whatever_the_cut(
    n_features, by_columns, x_dtype, y_dtype, weighted, monkeypatch
):
    kernel, kind = dense(n_features, by_columns), (x_dtype, y_dtype, weighted)
    rng = np.random.default_rng(n_features)
    for n_rows, n_samples in [(8, 5), (8, 104), (16, 500), (64, 512), (48, 49)]:
        rows = rng.normal(size=(n_samples, n_features)).astype(x_dtype)
        X = np.asfortranarray(rows) if by_columns else rows
        y = np.zeros(n_samples, x_dtype) if y_dtype is None else rng.normal(size=n_samples).astype(y_dtype)
        s = rng.uniform(size=n_samples) if weighted else None
        theta = rng.normal(size=1 + n_features)
        set_block_values(monkeypatch, n_rows * n_features)
        vectors = []
        for start, stop in Blocks(n_samples, kernel.block_rows(n_features)):
            sums = np.empty(2 + n_features)
            y_block, s_block = (
                None if values is None else values[start:stop] for values in (y if y_dtype else None, s)
            )
            kernel[kind](X.T if by_columns else X, start, stop, y_block, s_block, theta, 1.0, sums)
            vectors.append(sums)
        expected = tree(vectors)
        bound = exact.sums_bound(rows, y, theta, s)
        assert exact.error(expected, exact.sums(rows, y, theta, s), bound) <= 1
        for n_threads in (1, 2, 5):
            given = ArrayRows(X, y, s, n_threads)
            got = given.gradient(theta) if y_dtype else given.product(theta)
            assert got.tobytes() == expected.tobytes()


def test_fold_holds_one_vector_for_each_level_of_the_tree():
    fold, made = Fold(64), []
    for i in range(64):
        vector = np.ones(2)
        made.append(weakref.ref(vector))
        fold.add(i, vector)
        del vector
        assert sum(reference() is not None for reference in made) <= 7
    assert fold.total().tolist() == [64.0, 64.0]


def strided(X):
    return np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3]


def column_strided(X):
    return np.asfortranarray(np.repeat(X, 2, axis=0))[::2]


def reversed_rows(X):
    return X[::-1].copy()[::-1]


def reversed_columns(X):
    return np.asfortranarray(X[:, ::-1])[:, ::-1]


def big_endian(X):
    return X.astype(X.dtype.newbyteorder(">"))


def big_endian_columns(X):
    return np.asfortranarray(X).astype(X.dtype.newbyteorder(">"))


def unaligned(X):
    memory = np.zeros(X.nbytes + 1, dtype=np.uint8)
    result = memory[1:].view(X.dtype).reshape(X.shape)
    result[...] = X
    assert not result.flags.aligned
    return result


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


LAYOUTS = [
    np.ascontiguousarray,
    np.asfortranarray,
    strided,
    column_strided,
    reversed_rows,
    reversed_columns,
    big_endian,
    big_endian_columns,
    unaligned,
    read_only,
]


def whole_numbers(n_features, dtype=np.float64, n_samples=11):
    rng = np.random.default_rng(n_features)
    X = rng.integers(0, 2 if dtype == "?" else 50, (n_samples, n_features))
    return X.astype(dtype), rng.integers(-50, 50, n_samples).astype(np.float64), rng.integers(0, 5, n_samples) / 4


def assert_sums_are_exact(X, y, s, theta):
    """Check both passes: whole numbers are added without rounding, whatever the order."""
    rows = ArrayRows(X, y, s)
    values = np.asarray(X, dtype=np.float64)
    truth = exact.sums(values, y, theta, s)
    assert rows.gradient(theta).tolist() == truth.tolist()
    assert rows.gradient(theta, 0.375).tolist() == (0.375 * truth).tolist()
    assert rows.product(theta).tolist() == exact.sums(values, None, theta, s).tolist()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_features", [1, pytest.param(2, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_do_not_depend_on_the_layout(layout, dtype, n_features, weighted, block_values):
    X, y, s = whole_numbers(n_features, dtype)
    for theta in (np.arange(1.0, 1.0 + n_features), np.arange(-1.0, n_features)):
        assert_sums_are_exact(layout(X), y.astype(dtype), s if weighted else None, theta)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", [*"?bhilqBHILQefd", ">i2", ">f2"])
def test_sums_do_not_depend_on_the_dtype(dtype, order, block_values):
    X, y, s = whole_numbers(3, dtype)
    theta = np.array([3.0, -1.0, 2.0, -2.0])
    assert_sums_are_exact(np.array(X, order=order), y, s, theta)


@pytest.mark.parametrize("y_dtype", ["d", "f", "e", "b", ">f8", ">f4"])
@pytest.mark.parametrize("x_dtype", ["d", "f", "l"])
def test_X_y_and_weights_may_have_dtypes_and_strides_of_their_own(x_dtype, y_dtype, block_values):
    X, y, s = whole_numbers(3, x_dtype)
    theta = np.array([1.0, -2.0, 3.0])
    assert_sums_are_exact(X, y.astype(y_dtype), s.astype(np.float32), theta)
    assert_sums_are_exact(X, np.repeat(y, 2).astype(y_dtype)[::2], s[::-1].copy()[::-1], theta)


def test_a_float64_target_of_float32_features_keeps_its_digits(block_values):
    X, y = np.ones((3, 1), np.float32), np.array([1.0 + 2.0**-40, 1.0, 1.0])
    assert ArrayRows(X, y).gradient(np.array([1.0])).tolist() == [2.0**-80, -(2.0**-40), -(2.0**-40)]


def test_a_row_or_a_column_without_stride_is_read_as_what_it_shows(block_values):
    row, column = np.array([[1.0, 2.0, 3.0]]), np.array([[1.0], [2.0], [4.0], [-1.0], [3.0]])
    y = np.arange(5.0)
    for X in (np.broadcast_to(row, (5, 3)), np.broadcast_to(column, (5, 3)), np.broadcast_to(2.0, (5, 3))):
        assert_sums_are_exact(X, y, np.broadcast_to(2.0, 5), np.array([1.0, -2.0, 3.0]))


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_memory_maps_are_read_as_arrays_are(order, dtype, tmp_path, block_values):
    X, y, _ = whole_numbers(4, dtype)
    np.save(tmp_path / "X.npy", np.array(X, order=order))
    np.save(tmp_path / "y.npy", y)
    mapped = [np.load(tmp_path / name, mmap_mode="r") for name in ("X.npy", "y.npy")]
    assert_sums_are_exact(*mapped, None, np.array([1.0, -2.0, 3.0, 1.0]))


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("n_samples", [1, 3])
def test_a_single_row_and_more_features_than_rows(order, n_samples, block_values):
    X, y, s = whole_numbers(9, n_samples=n_samples)
    assert_sums_are_exact(np.array(X, order=order), y, s + 1, np.arange(10.0))


def test_one_dimensional_X_is_a_column(block_values):
    X, y, s = whole_numbers(1)
    for x in (X[:, 0], X[::-1, 0]):
        rows = ArrayRows(x, y, s)
        assert (rows.n_samples, rows.n_features) == (11, 1)
        assert rows.gradient(np.array([2.0])).tolist() == exact.sums(x, y, [2.0], s).tolist()


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
@pytest.mark.parametrize("n_features", [1, 2, 3, 5, 12, 20, 40])
def test_sums_over_several_blocks_of_real_size_are_exact(n_features, dtype, order):
    n_samples = 5 * dense(n_features, order == "F").block_rows(n_features) + 5
    rng = np.random.default_rng(n_features)
    X, y = rng.integers(-8, 9, (n_samples, n_features)), rng.integers(-8, 9, n_samples)
    theta = np.arange(1, n_features + 2)
    r = theta[0] + X @ theta[1:] - y
    got = ArrayRows(np.array(X, dtype=dtype, order=order), y.astype(dtype)).gradient(theta.astype(np.float64))
    assert got.tolist() == [r @ r, r.sum(), *(r @ X)]


@pytest.mark.parametrize("order", "CF")
def test_what_a_block_leaves_behind_its_sums_does_not_matter(order, block_values, monkeypatch):
    X, y, s = whole_numbers(5)
    empty = np.empty

    def full_of_large_numbers(*args, **kwargs):
        result = empty(*args, **kwargs)
        if result.dtype == np.float64:
            result.fill(1.7e308)
        return result

    monkeypatch.setattr(np, "empty", full_of_large_numbers)
    assert_sums_are_exact(np.array(X, order=order), y, s, np.arange(5.0))


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("n_features", [2, 12, 20, 40])
def test_a_short_pass_and_others_have_a_flag_and_a_least_weight_in_common(n_features, order):
    X, y, theta = np.ones((2, n_features), order=order), np.zeros(2), np.ones(n_features)
    for flag in (0, 1, None):
        assert short_pass(X, y, theta, flag, (1.0, False)) is None
    for n_samples, counts in ((0, False), (1, True)):
        assert (short_pass(X[:n_samples].copy(order), y[:n_samples], theta, False, (1.0, False)) is not None) is counts
    assert short_pass(X[:, :1].copy(), y, theta[:1], False, (1.0, False)) is not None
    assert short_pass(X[:, :0].copy(), y, theta[:0], False, (1.0, False)) is None
    for weight, counts in ((1e-290, True), (0.999e-290, False)):
        s = np.array([0.0, weight])
        assert (short_pass(X, y, theta, False, (1.0, True), s) is not None) is counts
        rows = fastgd.from_batches([(X, y, s)]).rows(1)
        if counts:
            assert rows.gradient(theta)[1] == n_features * weight
        else:
            with pytest.raises(ValueError, match="sample weights have the sum"):
                rows.gradient(theta)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("n_features", [2, 12, 20, 40])
def test_a_short_pass_is_what_one_thread_sums(n_features, order):
    n_short = max(dense(n_features, order == "F").block_rows(n_features), (tuning.MIN_SHARED_VALUES - 1) // n_features)
    for n_samples in (n_short, n_short + 1):
        X = np.ones((n_samples, n_features), order=order)
        y, theta = np.zeros(n_samples), np.ones(n_features)
        sums = short_pass(X, y, theta, False, (1.0, False))
        whole = [n_samples * n_features**2, *[n_samples * n_features] * (1 + n_features)]
        assert ArrayRows(X, y).gradient(theta).tolist() == whole
        assert sums.tolist() == whole if n_samples == n_short else sums is None


def test_the_total_weight_is_the_sum_over_all_blocks(block_values):
    _, _, s = whole_numbers(1)
    for weights in (s, s.astype(np.float32), np.repeat(s, 2)[::2], 4 * s.astype(np.int8)):
        assert total_weight(weights) == weights.sum()
    s[-1] = -0.25
    assert np.isnan(total_weight(s))


def test_sums_are_vectors_of_their_own(block_values):
    C, y, _ = whole_numbers(2)
    for X in (C, np.asfortranarray(C)):
        rows = ArrayRows(X, y)
        first = rows.gradient(np.ones(2))
        kept = first.tolist()
        rows.gradient(np.zeros(2))
        assert first.shape == (4,)
        assert first.base is None
        assert first.tolist() == kept


@pytest.mark.parametrize("order", "CF")
def test_first_and_second_powers_are_exact(order, block_values):
    X, y, s = whole_numbers(3)
    centre = np.array([7.0, -3.0, 11.0, 5.0])
    distances = np.column_stack([X, y]) - centre
    for weights in (None, s):
        counts = np.ones(11) if weights is None else s
        total, first, second = ArrayRows(np.array(X, order=order), y, weights).spread(centre)
        assert total == counts.sum()
        assert first.tolist() == (counts @ distances).tolist()
        assert second.tolist() == (counts @ distances**2).tolist()


class FewRows:
    """Rows of which a sample, moments and powers are known."""

    def __init__(self, n_features, sample=((0.0,),), moments=None, spreads=()):
        self.n_features, self.asked = n_features, []
        self._sample, self._moments, self._spreads = np.array(sample), moments, iter(spreads)

    def sample(self):
        self.asked.append("sample")
        return self._sample

    def moments(self, centre):
        return self._moments

    def spread(self, centre):
        self.asked.append("spread")
        return next(self._spreads)


def test_a_sample_has_a_thousand_rows_or_a_million_values(monkeypatch):
    asked = []
    monkeypatch.setattr(memory, "sampled", lambda n_samples, s, n: asked.append(n) or np.arange(1))
    for n_features, n_rows in ((1, 1000), (1048, 1000), (1049, 999), (1 << 20, 1), ((1 << 20) + 1, 1)):
        ArrayRows(np.broadcast_to(0.0, (2, n_features)), np.zeros(2)).sample()
        assert asked == [n_rows]
        asked.clear()


def test_the_centre_is_the_mean_of_the_sample_but_of_a_constant_its_value():
    sample = np.column_stack([[0.0, 2.0, 4.0], [0.1] * 3, [1.0, 1.0, 4.0]])
    assert near_mean(FewRows(2, sample)).tolist() == [2.0, 0.1, 2.0]


def test_powers_are_summed_again_where_the_mean_is_thirty_deviations_away_and_no_more():
    for distance, n_passes in ((29.9, 1), (30.0, 1), (30.1, 2)):
        total = 4.0  # of a variance of 1
        spread = total, np.array([total * distance]), np.array([total * (1.0 + distance**2)])
        for second in (spread, (total, np.array([0.0]), np.array([total]))):
            rows = FewRows(1, spreads=(spread, second, second))
            columns_of(rows)
            assert rows.asked == ["sample"] + ["spread"] * n_passes


def test_a_square_of_less_than_nothing_is_nothing():
    sums = np.array([[0.01, 0.0, 0.1], [0.0, 1.0, 0.0], [0.1, 0.0, 1.0]])
    assert sums[0, 0] - 0.1 * 0.1 < 0
    moments = moments_of(FewRows(1, sample=((0.0, 0.0),), moments=sums))
    assert np.diagonal(moments.scatter).tolist() == [0.0, 1.0]


def exact_columns(X, y, s):
    """Return exact means, and standard deviations to the last bit but one, of the features and of y."""
    values, s = exact.numbers(np.column_stack((X, y))), exact.numbers(s)
    total = Fraction(s.sum())
    mean = s @ values / total
    return mean, (s @ (values - mean) ** 2 / total).astype(np.float64) ** 0.5


def assert_columns_are_exact(X, y, s, mean, std):
    """Check both to 8 units in the last place of the values; the difference of two squares would lose half the digits."""
    got_mean, got_std = columns_of(ArrayRows(X, y, s))
    bound = 4 * np.spacing(max(np.abs(X).max(), np.abs(y).max()).astype(np.float64))
    assert np.abs(exact.numbers(got_mean) - mean).max() <= bound
    assert np.abs(got_std - std).max() <= bound


@pytest.mark.parametrize("offset", [0.0, 1e4, -1e8, 1e12])
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("weighted", [False, True])
def test_columns_far_from_zero_keep_the_digits_of_their_spread(offset, order, weighted, block_values):
    rng = np.random.default_rng(3)
    X, y = offset + rng.normal(size=(40, 3)), offset - rng.normal(size=40)
    s = rng.integers(0, 4, 40) / 2 if weighted else np.ones(40)
    truth = exact_columns(X, y, s)
    assert_columns_are_exact(np.array(X, order=order), y, s if weighted else None, *truth)


@pytest.mark.parametrize("dtype", ["d", "f", "e", "b", "?", ">f8"])
def test_columns_of_every_dtype(dtype, block_values):
    X, y, s = whole_numbers(2, dtype)
    assert_columns_are_exact(X, y.astype(np.float32), s, *exact_columns(X, y, s))


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, -1e15 / 7])
@pytest.mark.parametrize("order", "CF")
def test_a_constant_column_has_a_spread_of_exactly_zero(value, order, block_values):
    rng = np.random.default_rng(4)
    X, y, s = rng.normal(size=(40, 2)), np.full(40, value), rng.integers(0, 3, 40) * 0.7
    X[:, 1] = value
    for weights in (None, s):
        _, std = columns_of(ArrayRows(np.array(X, order=order), y, weights))
        assert std[0] > 0.5
        assert std[1:].tolist() == [0.0, 0.0]
    X[s == 0, 1] = 9.0
    _, std = columns_of(ArrayRows(np.array(X, order=order), y, s))
    assert std[1:].tolist() == [0.0, 0.0]


def test_a_column_that_is_constant_in_each_block_is_not_constant(monkeypatch):
    set_block_values(monkeypatch, 2)
    assert columns_of(ArrayRows(np.array([1.0, 1.0, 3.0, 3.0]), np.zeros(4)))[1].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("order", "CF")
def test_columns_keep_their_digits_where_a_sample_misleads_about_the_mean(order, block_values):
    rng = np.random.default_rng(5)
    X, y = 1e8 + rng.standard_normal((4000, 2)), rng.standard_normal(4000)
    X[::4] = rng.standard_normal((1000, 2)) / 1e3  # the rows that are looked at first
    X[2::4] = -1e8
    y[::4] = 1e9
    rows = ArrayRows(np.array(X, order=order), y, np.where(np.arange(4000) % 4, 1.0, 1e-12))
    mean, std = columns_of(rows)
    assert rows.n_passes == 2
    s = np.where(np.arange(4000) % 4, 1.0, 1e-12)
    true_mean, true_std = exact_columns(X, y, s)
    # However n numbers are added, their sum errs by at most n u of the sum of their sizes.
    bound = 4000 * 2.0**-53 * (s @ abs(np.column_stack((X, y)))) / s.sum()
    assert (abs(mean - true_mean.astype(np.float64)) <= bound).all()
    assert std == pytest.approx(true_std, rel=4000 * 2.0**-53)

    moments = moments_of(rows)
    assert rows.n_passes == 4
    exact = (np.column_stack((X, y)).astype(np.longdouble) - true_mean.astype(np.longdouble)) * np.sqrt(s)[
        :, np.newaxis
    ]
    sizes = np.sqrt(s.sum()) * true_std
    error = abs(moments.scatter - (exact.T @ exact).astype(float))
    assert (error <= 4000 * 2.0**-52 * np.outer(sizes, sizes)).all()


def test_several_targets_have_a_mean_and_a_spread_each():
    X, y, s = whole_numbers(3)
    Y = np.column_stack((y, 2 * y + 1))
    total, first, second = TargetRows(X, Y, s, 1).spread(np.full(5, 2.0))
    Z = np.column_stack((X, Y)) - 2.0
    assert (total, first.tolist(), second.tolist()) == (s.sum(), (s @ Z).tolist(), (s @ Z**2).tolist())


def test_columns_do_not_look_at_rows_of_zero_weight(block_values):
    X, y, s = whole_numbers(3)
    X[:4], y[:4], s[:4] = np.nan, np.inf, 0.0
    got, counts = columns_of(ArrayRows(X, y, s)), s > 0
    expected = exact_columns(X[counts], y[counts], s[counts])
    assert got[0] == pytest.approx(expected[0].astype(np.float64), rel=1e-14)
    assert got[1] == pytest.approx(expected[1], rel=1e-14)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["d", "f", "e", ">f4"])
def test_the_first_value_that_is_not_finite_is_found(order, bad, dtype, block_values):
    X, y = np.zeros((6, 3), dtype, order=order), np.zeros(6)
    rows = ArrayRows(X, y)
    assert rows.first_non_finite() is None
    for row in range(5, -1, -1):
        y[row] = bad
        assert rows.first_non_finite() == (row, 3)
        for column in (2, 1, 0):
            X[row, column] = bad
            assert rows.first_non_finite() == (row, column)


def test_whole_numbers_are_finite(block_values):
    assert ArrayRows(np.ones((4, 2), np.int64), np.ones(4, bool)).first_non_finite() is None


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["d", "f", "h"])
def test_rows_are_never_modified(order, dtype, block_values):
    X, y, s = whole_numbers(4, dtype)
    X, y = np.array(X, order=order), y.astype(dtype)
    theta = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    before = [values.tobytes() for values in (X, y, s, theta)]
    rows = ArrayRows(X, y, s)
    rows.gradient(theta)
    rows.product(theta)
    columns_of(rows)
    rows.first_non_finite()
    assert [values.tobytes() for values in (X, y, s, theta)] == before


@pytest.mark.parametrize("n_at_once", [1, 4, 256])
@pytest.mark.parametrize("n_threads", [1, 2, 3, 7, 16, 64, 1000])
def test_a_plan_cuts_blocks_into_aligned_parts_and_joins_them_two_by_two(n_threads, n_at_once):
    for n_blocks in [*range(1, 300), 1000, 1023, 1024, 1025, 12_345]:
        parts, parents, n_slots = a_plan = plan(n_blocks, n_threads, n_at_once)
        assert plan(n_blocks, n_threads, n_at_once) is a_plan
        levels, places = parts.T
        sizes = 1 << levels
        assert (places * sizes).tolist() == [0, *np.cumsum(sizes)[:-1].tolist()]  # all blocks, once and in order
        assert sizes.sum() == n_blocks
        assert sizes[0] <= n_at_once  # or Ctrl-C waits for long
        assert (np.diff(sizes) <= 0).all()
        if n_threads == 1:  # as few parts as can be
            assert len(parts) == n_blocks // n_at_once + (n_blocks % n_at_once).bit_count()
        else:  # each a small share of what is left, so that no thread waits long for another
            left = n_blocks - np.cumsum(sizes) + sizes
            assert ((sizes == 1) | (2 * n_threads * sizes <= left)).all()
            assert sizes[-1] == 1
            assert len(parts) >= min(n_blocks, 4 * n_threads)  # at least some for each thread
            assert n_blocks < 100 or len(parts) <= max(2 * n_blocks // n_at_once, 40 * n_threads)
        n_nodes = 2 * len(parts) - 1
        assert sorted(parents[:-1].tolist()) == sorted([*range(len(parts), n_nodes)] * 2)
        assert parents[-1] == n_nodes
        height = [0] * (n_nodes + 1)
        for node in range(n_nodes):  # children come before their parents
            assert parents[node] > node
            height[parents[node]] = max(height[parents[node]], 1 + height[node])
        assert n_slots == min(len(parts), (n_threads + 1) * height[n_nodes - 1] + n_threads)
        for array in (parts, parents):  # they are kept for the next pass
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0


def test_each_look_at_the_rows_is_one_pass():
    X, y = np.arange(12.0).reshape(6, 2), np.arange(6.0)
    csr = CSR(np.ones(6), np.zeros(6, np.int32), np.arange(7, dtype=np.int32), (6, 2))
    both = np.column_stack([y, y])
    for make, looks in (
        (lambda: ArrayRows(X, y), "gradient product moments spread blocks"),
        (lambda: ArrayRows(X[:, ::-1], y), "gradient product moments spread blocks"),
        (lambda: SparseRows(csr, y), "gradient product moments spread blocks"),
        (lambda: fastgd.from_batches([(X, y)]).rows(1), "gradient product"),
        (lambda: TargetRows(X, both), "gradient product"),
    ):
        given = {
            "gradient": [np.zeros(2)],
            "product": [np.zeros(2)],
            "moments": [np.zeros(3)],
            "spread": [np.zeros(3)],
        }
        rows = make()
        assert rows.n_passes == 0
        for n, look in enumerate(looks.split(), 1):
            answer = getattr(rows, look)(*given.get(look, []))
            if look == "blocks":
                list(answer)
            assert rows.n_passes == n, look


def test_which_arrays_lie_column_by_column():
    X = np.arange(24.0).reshape(4, 6)
    for array in (X.T, X.T[:, :2], X.T[::-1], X.T[:, ::-1], X[::2].T, Columns([X[0], X[1]])):
        assert lies_by_columns(array)
    assert Columns([X[0], X[1]]).ndim == 2
    single = X.astype("f4")
    for columns, dtype in (((single[0],) * 2, "f4"), ((single[0], X[0]), "f8"), ((X[0], single[0]), "f8")):
        assert Columns(columns).dtype == dtype
    for array in (
        X,
        X[0, np.newaxis],
        X[:, :2],
        X[::-1],
        X[:, ::2],
        X[:, :1],
        X.T[:, :1],
        X[0],
        np.broadcast_to(1.0, (4, 6)),
    ):
        assert not lies_by_columns(array)


@pytest.mark.parametrize("dtype", ["?", "i4", "u4", "i8", "f2", "f4", ">f4", "f8", ">f8"])
def test_only_float32_is_read_as_float32(dtype):
    rows = ArrayRows(np.ones((3, 2), dtype), np.ones(3, dtype))
    single = np.dtype(dtype).newbyteorder("=") == np.float32
    assert rows._x_dtype == (np.float32 if single else np.float64)
    assert rows._in_place is (dtype in ("f4", "f8"))


def test_a_sample_is_of_neighbours_at_regular_distances():
    for n_samples, n, expected in (
        (1000, 100, [*range(50), *range(500, 550)]),
        (120, 100, [*range(50), *range(60, 110)]),
        (101, 200, [*range(101)]),
        (10, 3, [0, 1, 2]),
        (5, 1, [0]),
        (130, 150, [*range(130)]),
        (151, 150, [*range(50), *range(51, 101), *range(102, 151)]),
    ):
        assert sampled(n_samples, None, n).tolist() == expected
    s = np.arange(1000) % 3 - 1.0
    s[s < 0] = 0
    assert sampled(1000, s, 100).tolist() == [i for i in [*range(50), *range(500, 550)] if s[i]]
    s = np.zeros(1000)
    s[700:702] = 1.0, 2.0
    assert sampled(1000, s, 100).tolist() == [701]


def test_sums_are_not_scaled_unless_that_is_asked_for():
    X, y, theta = np.arange(12.0).reshape(6, 2), np.arange(6.0) ** 2, np.array([1.0, -2.0])
    csr = CSR(X.ravel(), np.tile(np.arange(2, dtype=np.int32), 6), np.arange(0, 13, 2, dtype=np.int32), (6, 2))
    expected = exact.sums(X, y, theta).astype(float)
    rows = ArrayRows(X, y), SparseRows(csr, y), fastgd.from_batches([(X, y)]).rows(1), CompensatedRows(ArrayRows(X, y))
    for each in (*rows, moments_of(rows[0])):
        np.testing.assert_allclose(each.gradient(theta), expected, rtol=1e-13)
        np.testing.assert_allclose(each.gradient(theta, 0.5), 0.5 * expected, rtol=1e-13)


@pytest.mark.parametrize(("n_features", "n_rows"), [(2, 1 << 15), (10, 6553), (1 << 16, 1), (70_000, 1)])
@pytest.mark.parametrize("weighted", [False, True])
def test_dense_copies_of_blocks_stay_in_cache(n_features, n_rows, weighted):
    n_samples = n_rows + 2
    X = np.zeros((n_samples, n_features))
    X[np.arange(n_samples), np.arange(n_samples) % n_features] = np.arange(n_samples)
    y = np.arange(float(n_samples))
    s = y % 3 if weighted else None
    places = np.arange(n_samples, dtype=np.int32)
    csr = CSR(y, places % np.int32(n_features), np.arange(n_samples + 1, dtype=np.int32), X.shape)
    for rows in (ArrayRows(X, y, s), SparseRows(csr, y, s)):
        values, weights = zip(*rows.blocks(), strict=True)
        assert [len(each) for each in values][:2] == [n_rows, min(n_rows, 2)]
        assert np.concatenate(values).tolist() == np.column_stack([X, y]).tolist()
        assert np.concatenate(weights).tolist() == (s if weighted else np.ones(n_samples)).tolist()
