"""The kernels' own Python, run as such: the truth is that of the compiled kernels, and every index is checked."""

from fractions import Fraction

import exact
import numpy as np
import plain_kernels
import pytest
import test_kernels
from test_kernels import exact_sums, whole_numbers

import fastgd.kernels.gram as gram_module
from fastgd.kernels import blocks, few, jit, lines, mailbox, tuning
from fastgd.kernels.column_groups import column_groups, stay_in_registers
from fastgd.kernels.column_major import column_major
from fastgd.kernels.column_stats import spread
from fastgd.kernels.compensated import compensated
from fastgd.kernels.csr import csr_gradient, csr_moments, csr_spread
from fastgd.kernels.dense import dense
from fastgd.kernels.gram import entries, gram, order
from fastgd.kernels.penalty import add_penalty
from fastgd.kernels.plain_sum import plain_sum
from fastgd.kernels.row_major import row_major
from fastgd.kernels.scores import Leverages, add_to_groups, pack
from fastgd.kernels.target import Registers
from fastgd.kernels.weights import sum_nonnegative
from fastgd.kernels.whole_rows import whole_rows
from fastgd.rows.blocks import plan

# X and y, and whether there are weights: each form of each argument once.
VARIANTS = [("d", "d", True), ("f", "f", False), ("f", None, True)]


@pytest.fixture(autouse=True)
def uncompiled():
    with plain_kernels.uncompiled():
        yield


def plain(layout):
    return layout._replace(kernel=plain_kernels.variants(layout.kernel))


def run(kernel, *arguments):
    """Call a kernel into sums that hold NaN and are guarded on both sides."""
    *inputs, n_sums = arguments
    memory = np.full(n_sums + 2, np.nan)
    kernel.function(*inputs, memory[1:-1])
    assert np.isnan(memory[[0, -1]]).all()
    return memory[1:-1]


@test_kernels.every_shape
def test_sums_over_whole_numbers_are_exact(layout, n_features, intercept, row_counts, reached):
    for x_dtype, y_dtype, weighted in VARIANTS:
        for n_samples in row_counts:
            X, y, s, theta = whole_numbers(n_samples, n_features, intercept)
            y, s = y if y_dtype else None, s if weighted else None
            got = test_kernels.run(plain(layout), X, y, s, theta, x_dtype=x_dtype, y_dtype=y_dtype)
            assert got.tolist() == exact_sums(n_samples, n_features, intercept, y is not None, weighted).tolist()
    reached(
        "training sets summed by kernels as plain Python, with every index checked", len(VARIANTS) * len(row_counts)
    )


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("n_features", [17, 31, 50, 120, 129, 131, 300])
def test_nothing_behind_the_last_row_is_read(n_features, intercept):
    kernel = dense(n_features, False)
    for dtype in "df":
        for n_samples in (1, 7, 8, 9, 15, 16, 17, 40):
            X, y, s, theta = whole_numbers(n_samples, n_features, intercept)
            for start in (0, min(2, n_samples - 1)):
                inputs = np.ascontiguousarray(X, dtype), start, n_samples, y[start:], s[start:], theta.astype(float)
                got = run(kernel, *inputs, 1.0, 2 + n_features)
                assert got.tolist() == exact.sums(X[start:], y[start:], theta, s[start:]).tolist()


@pytest.mark.parametrize("n_features", [129, 136, 300])
def test_row_major_works_in_three_rows_and_column_major_in_two_and_three_panels(n_features):
    X = np.ones((20, n_features))
    plain_kernels.taken.clear()
    run(row_major, X, 0, 20, None, None, np.zeros(n_features), 1.0, 2 + n_features)
    padded = -(-n_features // 8) * 8
    assert 32 + 3 * padded in plain_kernels.taken
    plain_kernels.taken.clear()
    for n_samples, panel in ((20, 24), (5, 8)):
        columns = np.ascontiguousarray(X[:n_samples].T)
        run(column_major, columns, 0, n_samples, None, None, np.zeros(n_features), 1.0, 2 + n_features)
        assert 16 + 2 * padded + 3 * panel in plain_kernels.taken


@pytest.mark.parametrize("weighted", [False, True])
def test_second_moments_copy_no_more_rows_than_there_are(weighted):
    for start, n_samples, n_copied in ((0, 3, 3), (5, 3, 3), (1, 341, 341), (2, 400, 341)):
        X, s = np.ones((start + n_samples, 22)), np.ones(n_samples) if weighted else None
        plain_kernels.taken.clear()
        gram(False).function(X, start, start + n_samples, X[start:, 0], s, np.ones(23), 1.0, np.ones(24**2))
        assert plain_kernels.taken == [n_copied * 24 + 8] * (1 + weighted)


def test_the_kernel_is_chosen_by_the_number_of_features():
    for n_features in (1, tuning.FEW_FEATURES):
        assert dense(n_features, False) is few.few_features(n_features, False)
    for n_features in range(1, tuning.FEW_COLUMNS + 1):
        few_or_groups = few.few_features(n_features, True), column_groups(n_features)
        assert dense(n_features, True) is few_or_groups[not stay_in_registers(n_features)]
    assert stay_in_registers(3)
    assert not stay_in_registers(tuning.FEW_COLUMNS)
    assert tuning.FEW_FEATURES < tuning.FEW_COLUMNS
    assert dense(tuning.FEW_FEATURES + 1, False) is whole_rows(-(-(tuning.FEW_FEATURES + 1) // 8))
    assert dense(tuning.FEW_COLUMNS + 1, True) is column_major
    assert dense(tuning.WHOLE_FEATURES, False) is whole_rows(tuning.WHOLE_FEATURES // 8)
    assert dense(tuning.WHOLE_FEATURES + 1, False) is row_major


def test_what_a_kernel_is_not_told_it_takes_from_gradients():
    def function():
        pass

    usual = jit.Kernel(function)
    assert usual.function is function
    assert (usual.block_rows(10), usual.n_sums(10)) == (tuning.BLOCK_VALUES // 10, 12)
    assert usual.blocks_at_once(10) == 256
    other = jit.Kernel(function, lambda k: 7 * k, lambda k: k**2, lambda k: 1000)
    assert (other.block_rows(10), other.n_sums(10)) == (70, 100)
    assert other.blocks_at_once(10) == 256 * tuning.BLOCK_VALUES // (70 * 10 * 1000)
    assert jit.Kernel(function, lambda k: 1 << 40).blocks_at_once(1) == 1


def whole_rows_between_nans(n_samples, n_features, dtype):
    """Return rows (x, y) of whole numbers, their X between rows of NaN, and y."""
    z = np.random.default_rng([n_samples, n_features]).integers(-99, 99, (n_samples, n_features + 1))
    X = np.full((n_samples + 2, n_features), np.nan, dtype)
    X[1:-1] = z[:, :-1]
    return z, X, z[:, -1].astype(dtype)


def weights(n_samples, weighted):
    return np.random.default_rng(n_samples).integers(0, 5, n_samples).astype(float) if weighted else None


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("n_features", [1, 6, 7, 14, 15, 22, 38])
def test_second_moments_of_whole_numbers_are_exact(n_features, by_columns):
    centre = np.random.default_rng(n_features).integers(-9, 9, n_features + 1).astype(float)
    for n_samples, dtype, weighted in [(1, "d", False), (7, "f", True), (64, "d", True), (65, "d", False)]:
        z, X, y = whole_rows_between_nans(n_samples, n_features, dtype)
        s = weights(n_samples, weighted)
        rows = np.column_stack([z - centre, np.ones(n_samples)])
        expected = (rows * (1.0 if s is None else s[:, np.newaxis])).T @ rows
        given = np.ascontiguousarray(X.T) if by_columns else X
        got = run(gram(by_columns), given, 1, n_samples + 1, y, s, centre, 0.5, order(n_features) ** 2)
        assert entries(got, n_features).tolist() == (0.5 * expected).tolist()


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("n_features", [1, 6, 7, 14, 15, 22, 38])
def test_products_of_scores_are_exact_for_whole_numbers_and_right_with_leverages(n_features, by_columns):
    rng = np.random.default_rng(n_features)
    centre = rng.integers(-9, 9, n_features + 1).astype(float)
    for n_samples, dtype, weighted, intercept in [
        (1, "d", False, 1),
        (7, "f", True, 0),
        (64, "d", True, 1),
        (65, "d", False, 0),
    ]:
        z, X, y = whole_rows_between_nans(n_samples, n_features, dtype)
        s, theta = weights(n_samples, weighted), rng.integers(-3, 4, n_features + intercept).astype(float)
        rows = np.column_stack([z - centre, np.ones(n_samples)])
        given = np.ascontiguousarray(X.T) if by_columns else X
        scores = (1.0 if s is None else s) * (
            z[:, :-1] @ theta[-n_features:] + (theta[0] if intercept else 0) - z[:, -1]
        )
        for rank, power in [(0, 0), (n_features, 1), (n_features, 2), (max(1, n_features - 2), 2)]:
            leverages = Leverages(rng.standard_normal((n_features, rank)) * 1e-4, 1e3, power) if rank else None
            packed = pack(theta, centre, leverages)
            got = run(gram(by_columns, scored=True), given, 1, n_samples + 1, y, s, packed, 0.5, order(n_features) ** 2)
            if leverages is None:
                expected = (rows * scores[:, np.newaxis] ** 2).T @ rows
                assert entries(got, n_features).tolist() == (0.5 * expected).tolist()
                continue
            h = (1.0 if s is None else s) * (1e-3 + ((rows[:, :-2] @ leverages.root) ** 2).sum(axis=1))
            expected = (rows * (scores**2 / (1 - h) ** power)[:, np.newaxis]).T @ rows
            sizes = (abs(rows) * (scores**2)[:, np.newaxis]).T @ abs(rows)
            assert (abs(entries(got, n_features) - 0.5 * expected) <= 1e-13 * sizes).all()


def test_a_row_with_the_leverage_one_makes_products_of_scores_nan():
    packed = pack(np.ones(2), np.zeros(2), Leverages(np.full((1, 1), 0.5), 2.0, 1))
    X, y = np.array([[1.0], [2.0**0.5], [0.0]]), np.zeros(3)
    sums = run(gram(False, scored=True), X, 0, 3, y, None, packed, 1.0, order(1) ** 2)
    assert np.isnan(entries(sums, 1)).any()


def test_scores_are_added_to_those_of_their_groups():
    rng = np.random.default_rng(0)
    values, s = rng.integers(-9, 9, (50, 4)).astype(float), rng.integers(0, 3, 50).astype(float)
    values[s == 0] = np.nan
    groups, mean = rng.integers(0, 5, 50), np.array([1.0, 2.0, 3.0])
    for theta in (np.array([1.0, -2.0, 3.0]), np.array([4.0, 1.0, -2.0, 3.0])):
        sums = np.zeros((5, 4))
        for rows in (slice(0, 20), slice(20, 50)):
            add_to_groups(values[rows], s[rows], groups[rows], theta, mean, sums)
        r = values[:, :-1] @ theta[-3:] + (theta[0] if len(theta) > 3 else 0) - values[:, -1]
        scores = (s * r)[:, np.newaxis] * np.column_stack((np.ones(50), values[:, :-1] - mean))
        assert sums.tolist() == [scores[(groups == group) & (s > 0)].sum(axis=0).tolist() for group in range(5)]


@pytest.mark.parametrize("registers", [(2, 16), (4, 16), (2, 32), (4, 32), (8, 32)])
def test_tiles_of_any_processor_cover_the_second_moments_once(registers, monkeypatch):
    for module in (gram_module, plain_kernels):
        monkeypatch.setattr(module, "registers", lambda: Registers(*registers))
    kernel = gram.__wrapped__(False)
    for n_features in (1, 6, 14, 22, 38, 46):
        z, X, y = whole_rows_between_nans(9, n_features, "d")
        rows = np.column_stack([z, np.ones(9)])
        got = run(kernel, X, 1, 10, y, None, np.zeros(n_features + 1), 1.0, order(n_features) ** 2)
        assert entries(got, n_features).tolist() == (rows.T @ rows).tolist()


@pytest.mark.parametrize(("n_features", "n_rows"), [(6, 1024), (14, 512), (22, 341), (38, 204), (100, 78), (200, 64)])
def test_rows_are_copied_so_many_at_a_time_and_asked_for_while_those_before_are_multiplied(n_features, n_rows):
    X = np.ones((2 * n_rows + 9, n_features))
    width = order(n_features)
    run(gram(False), X, 1, len(X), X[1:, 0], None, np.zeros(n_features + 1), 1.0, width**2)
    assert plain_kernels.reads == [
        ((1 + first) * n_features, min(n_rows, len(X) - 1 - first) * n_features) for first in (0, n_rows, 2 * n_rows)
    ]
    assert width * 8 * n_rows <= 1 << 16 or n_rows == 64
    for i, (place, length) in enumerate(plain_kernels.reads[1:], 1):
        asked = {at // 8 for n_reads, at in plain_kernels.asked if n_reads == i}
        wanted = set(range(place // 8, (place + length - 1) // 8 + 1))
        assert len(wanted - asked) <= 1
        assert i == 2 or len(asked - wanted) <= 1  # there are fewer of the last
    assert max(at for _, at in plain_kernels.asked) < X.size


def test_columns_are_not_asked_for():
    columns = np.ones((22, 700))
    run(gram(True), columns, 0, 700, columns[0], None, np.zeros(23), 1.0, 24**2)
    assert max(at for _, at in plain_kernels.asked) < 341 * 8  # all are of the beginning, which is there


def test_copies_begin_with_a_line_of_the_cache():
    for n in (1, 7, 8, 9, 1000):
        for _ in range(5):
            zeros = lines.zero_lines(n)
            assert zeros.ctypes.data % 64 == 0
            assert zeros.tolist() == [0] * n


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("n_features", [1, 5])
def test_first_and_second_powers_of_whole_numbers_are_exact_and_rows_of_no_weight_are_not_looked_at(
    n_features, by_columns
):
    centre = np.random.default_rng(n_features).integers(-9, 9, n_features + 1).astype(float)
    for n_samples, dtype, weighted in [(0, "d", True), (1, "d", False), (9, "f", True), (9, "d", False)]:
        z, X, y = whole_rows_between_nans(n_samples, n_features, dtype)
        s = weights(n_samples, weighted)
        kept = np.ones(n_samples) if s is None else s
        X[1:-1][kept == 0] = np.nan
        y[kept == 0] = np.nan
        distances = z - centre
        expected = [kept.sum(), *(kept @ distances), *(kept @ distances**2)]
        given = np.ascontiguousarray(X.T) if by_columns else X
        kernel = spread(by_columns)
        got = run(kernel, given, 1, n_samples + 1, y, s, centre, 0.5, kernel.n_sums(n_features))
        assert got.tolist() == (0.5 * np.array(expected)).tolist()


def sparse(n_samples, n_features, index):
    """Return a matrix of whole numbers, half of them zeros, and its compressed form."""
    rng = np.random.default_rng([n_samples, n_features])
    X = rng.integers(-9, 9, (n_samples, n_features)) * rng.integers(0, 2, (n_samples, n_features))
    rows, places = np.nonzero(X)
    ends = np.searchsorted(rows, np.arange(n_samples + 1)).astype(index)
    return X, (X[rows, places].astype(float), places.astype(index), ends)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("with_y", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_sparse_gradients_are_those_of_dense_rows(intercept, with_y, weighted):
    X, csr = sparse(40, 5, np.int32)
    for start, stop in ((0, 40), (3, 17), (5, 5)):
        _, y, s, theta = whole_numbers(stop - start, 5, intercept)
        y, s = y if with_y else None, s if weighted else None
        sums = np.full(7, np.nan)
        csr_gradient(csr, start, stop, y, s, theta.astype(float), sums)
        expected = exact.sums(X[start:stop], y, theta, s) if stop > start else np.zeros(7)
        assert sums.tolist() == expected.tolist()


@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_moments_are_those_of_dense_rows_before_the_centre_is_taken_off(weighted):
    for start, stop in ((0, 40), (3, 17), (5, 5)):
        X, csr = sparse(40, 5, np.int64)
        _, y, _, centre = whole_numbers(stop - start, 5, True)
        y, s = y.astype(float), weights(stop - start, weighted)
        kept = np.ones(stop - start) if s is None else s
        z = np.column_stack([X[start:stop], y, np.ones(stop - start)])
        sums = np.full(49, np.nan)
        csr_moments(csr, start, stop, y, s, centre, sums)
        expected = (z * kept[:, np.newaxis]).T @ z
        expected[5:, :5] = expected[6, 5] = 0.0  # what lies left of the diagonal there is for the caller
        assert sums.reshape(7, 7).tolist() == expected.tolist()

        for i in np.flatnonzero(kept == 0):  # nobody looks at rows of no weight
            csr[0][csr[2][start + i] : csr[2][start + i + 1]] = y[i] = np.nan
        sums = np.full(18, np.nan)
        csr_spread(csr, start, stop, y, s, centre, sums)
        is_stored = np.column_stack([X[start:stop] != 0, np.ones(stop - start)])
        distances = (z[:, :6] - centre) * is_stored
        expected = [kept.sum(), *(kept @ distances), *(kept @ distances**2), *(kept @ is_stored)[:5]]
        assert sums.tolist() == expected


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("noise", [0.0, 1.0, 1e9])  # residuals that are nothing but rounding, and those that are not
def test_compensated_sums_have_twice_the_digits(noise, intercept):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((30, 3)) * 10.0 ** rng.integers(-8, 8, (30, 3))
    theta, s = rng.standard_normal(3 + intercept), rng.uniform(size=30)
    y = noise * rng.standard_normal(30) + X @ theta[-3:] + (theta[0] if intercept else 0.0)
    sums, errors = np.zeros((2, 5))
    for rows in (slice(0, 11), slice(11, 30)):
        compensated(np.column_stack([X, y])[rows], s[rows], theta, sums, errors)
    truth, size = exact.sums(X, y, theta, s), exact.sums(abs(X), -abs(y), abs(theta), s)
    twice = [Fraction(total) + Fraction(error) for total, error in zip(sums, errors, strict=True)]
    assert abs(float(sums[0] / truth[0]) - 1) < 1e-14
    assert max(abs(twice[j] - truth[j]) / size[j] for j in range(1, 5)) < 2.0**-94
    assert noise or max(abs(Fraction(sums[j]) - truth[j]) / abs(truth[j]) for j in range(1, 5)) < 2.0**-50


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_plain_sum_is_in_its_own_dtype(dtype):
    total = plain_sum(np.arange(7, dtype=dtype))
    assert (total, total.dtype) == (21, dtype)
    assert plain_sum(np.zeros(0, dtype)).dtype == dtype


@pytest.mark.parametrize("intercept", [False, True])
def test_a_penalty_is_added_to_cost_and_gradient_without_the_intercept(intercept):
    sums, theta = np.array([7.0, 8.0, 1.0, 2.0]), np.array([5.0] * intercept + [3.0, -1.0])
    assert add_penalty(sums, theta, 0.5) == 5.0
    assert sums.tolist() == [7.0, 8.0, 4.0, 1.0]


def test_the_sum_of_weights_is_nan_for_a_negative_one():
    assert sum_nonnegative(np.array([0.5, 0.0, 1.25])) == 1.75
    assert np.isnan(sum_nonnegative(np.array([0.5, -0.25, 1.25])))
    assert np.isnan(sum_nonnegative(np.array([-1.0, -1.0])))
    assert sum_nonnegative(np.zeros(0)) == 0
    weights = np.arange(100.0)
    assert sum_nonnegative(weights) == 4950
    weights[70] = -1.0
    assert np.isnan(sum_nonnegative(weights))


def pass_over(n_rows, n_samples, n_threads, n_at_once=256):
    """Prepare a pass of a kernel that sums 1, X and s y."""
    parts, parents, n_slots = plan(-(-n_samples // n_rows), n_threads, n_at_once)
    cells = blocks.new_cells(len(parts), n_slots)
    stacks, slots = np.full((1 + n_threads, 1 + parts[0, 0], 3), np.nan), np.full((n_slots, 3), np.nan)

    def count(X, start, stop, y, s, theta, scale, sums):
        assert (scale, theta) == (1.0, 7.0)
        sums[:] = [stop - start, X[start:stop].sum(), 0 if s is None else s @ y]

    X, values = np.arange(n_samples), np.arange(n_samples) % 5
    weighted = n_samples % 2 == 0
    y, s = (values, values + 1) if weighted else (None, None)
    expected = [n_samples, X.sum(), values @ (values + 1) if weighted else 0]
    environment = [None] * 7
    how, memory = (n_samples, n_rows, parts, parents), (cells, stacks, slots)
    blocks.prepare(environment, count, X, y, s, 7.0, how, memory)
    return environment, cells, slots, len(parts), expected


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_a_pass_adds_each_block_once_whichever_thread_takes_its_part(n_threads):
    rng = np.random.default_rng(n_threads)
    for n_rows, n_samples in [(1, 1), (1, 13), (3, 37), (8, 64), (9, 200), (50, 49), (1, 700)]:
        environment, cells, slots, n_parts, expected = pass_over(n_rows, n_samples, n_threads)
        assert cells.size == blocks.REST + 2 * n_parts + len(slots)
        while blocks.work(environment, int(rng.integers(n_threads))) == mailbox.MORE:
            assert cells[blocks.TAKEN] <= n_parts
        assert cells[blocks.TAKEN] == n_parts + 1
        assert blocks.whole(cells, slots, n_parts).tolist() == expected
        result = cells[blocks.REST + 2 * n_parts - 1] - 1
        assert np.flatnonzero(cells[blocks.REST + 2 * n_parts :]).tolist() == [result]


def test_the_calling_thread_returns_after_each_part_and_the_others_when_all_are_taken():
    for number, n_calls in ((0, 4), (1, 1)):
        environment, *_ = pass_over(1, 12, 1, n_at_once=4)
        answers = [blocks.work(environment, number) for _ in range(n_calls)]
        assert answers == [mailbox.MORE] * (n_calls - 1) + [mailbox.DONE]


def test_a_pass_that_is_abandoned_ends_before_the_next_block():
    environment, cells, *_ = pass_over(1, 12, 1)
    counts = []

    def count(*_):
        counts.append(1)
        if len(counts) == 3:
            blocks.abandon(cells)

    environment[0] = count
    assert blocks.work(environment, 1) == mailbox.DONE
    assert blocks.work(environment, 0) == mailbox.DONE
    assert len(counts) == 3


def new_mailbox():
    box = np.zeros(mailbox.LENGTH, object)  # jobs are functions here, not addresses
    box[mailbox.FAILED] = 7
    return box


def test_a_worker_does_a_job_until_there_is_no_more_and_goes_to_sleep():
    calls = []

    def job(environment, number):
        calls.append((environment, number))
        return mailbox.MORE if len(calls) < 3 else mailbox.DONE

    box = new_mailbox()
    assert not mailbox.submit(box, job, "where", 4, 0)
    assert box[mailbox.STATE] == mailbox.SUBMITTED
    assert mailbox.worker_loop(box) is False
    assert calls == [("where", 4)] * 3
    assert (box[mailbox.STATE], box[mailbox.FAILED]) == (mailbox.ASLEEP, 0)
    assert mailbox.join(box, 0)
    assert mailbox.submit(box, job, "where", 4, 0)  # it must be woken up
    assert mailbox.join(box, 0)
    assert box[mailbox.STATE] == mailbox.FREE
    assert len(calls) == 3  # it was let off


def test_a_worker_without_memory_says_so_and_the_next_job_clears_it():
    def job(environment, number):
        raise MemoryError

    box = new_mailbox()
    mailbox.submit(box, job, 0, 1, 0)
    assert mailbox.worker_loop(box) is False
    assert box[mailbox.FAILED] == 1
    mailbox.submit(box, job, 0, 1, 0)
    assert box[mailbox.FAILED] == 0
    assert mailbox.run(job, 0, 0) == mailbox.ERROR
    assert mailbox.run(lambda *arguments: arguments, 5, 6) == (5, 6)


def test_a_worker_without_a_job_is_busy_in_python_until_it_comes_back():
    box = new_mailbox()
    mailbox.submit(box, 0, 0, 1, 3)
    assert mailbox.worker_loop(box) is True
    assert box[mailbox.STATE] == mailbox.BUSY
    assert not mailbox.join(box, 0)
    assert not mailbox.join(box, 100)
    assert mailbox.worker_loop(box) is False
    assert mailbox.join(box, 0)


def test_a_worker_and_whoever_waits_for_it_look_as_often_as_they_were_told(monkeypatch):
    looks = []

    def load_acquire(cells, i):
        looks.append(i)
        if len(looks) == 5:
            cells[mailbox.STATE] = {mailbox.FREE: mailbox.SUBMITTED, mailbox.BUSY: mailbox.FREE}[cells[mailbox.STATE]]
        return cells[i]

    monkeypatch.setattr(mailbox, "load_acquire", load_acquire)
    box = new_mailbox()
    mailbox.submit(box, lambda *_: mailbox.DONE, 0, 1, 4)
    mailbox.join(box, 0)
    assert mailbox.worker_loop(box) is False
    assert looks == [mailbox.STATE] * 4  # in vain: it sleeps
    looks.clear()
    mailbox.submit(box, 0, 0, 1, 9)
    box[mailbox.STATE] = mailbox.FREE
    assert mailbox.worker_loop(box) is True
    assert len(looks) == 5
    looks.clear()
    assert mailbox.join(box, 9)
    assert len(looks) == 5
    looks[:] = [0] * 10
    box[mailbox.STATE] = mailbox.BUSY
    assert not mailbox.join(box, 3)
    assert len(looks) == 14


def test_a_worker_that_is_rung_while_it_lies_down_gets_up(monkeypatch):
    box = new_mailbox()
    calls = []

    def compare_and_swap(cells, i, expected, value):
        if value == mailbox.ASLEEP and not calls:
            calls.append("rung")
            mailbox.submit(cells, lambda *_: calls.append("done") or mailbox.DONE, 0, 1, 0)
        return plain_kernels.compare_and_swap(cells, i, expected, value)

    monkeypatch.setattr(mailbox, "compare_and_swap", compare_and_swap)
    assert mailbox.worker_loop(box) is False
    assert calls == ["rung", "done"]
    assert box[mailbox.STATE] == mailbox.ASLEEP


@pytest.mark.parametrize(("dtype", "n_features"), [("d", 300), ("f", 130), ("f", 600)])
def test_rows_beyond_the_cache_are_asked_for_once_before_they_are_read(dtype, n_features, monkeypatch):
    monkeypatch.setattr(tuning, "CACHED_BYTES", -1)
    X = np.ones((80, n_features), dtype)
    run(row_major, X, 0, 80, None, None, np.zeros(n_features), 1.0, 2 + n_features)
    per_line = 64 // X.itemsize
    when = {}
    for n_reads, place in plain_kernels.asked:
        when.setdefault(place // per_line, n_reads)
    # The first rows, and what is asked for in the beginning, come too late.
    first = (8 * n_features + 8192 // X.itemsize) // per_line + 1
    n_lines = X.size // per_line
    for i, (place, length) in enumerate(plain_kernels.reads):
        call = max(n_reads for n_reads, _ in plain_kernels.asked if n_reads <= i)
        for line in range(max(first, place // per_line), min(n_lines, (place + length) // per_line)):
            # What a call cannot ask for well before it reads it has been asked for in the one before.
            begins = n_features * X.itemsize > 896 and 0 <= (line * per_line - place) * X.itemsize < 2048 - 64
            assert when[line] < call if begins else when[line] <= call
    assert n_lines - first < len(plain_kernels.asked) < 1.5 * n_lines


@pytest.mark.parametrize(
    ("dtype", "n_features", "n_samples", "n_bytes"),
    [
        ("d", 100, 2000, (1 << 18) // 100),
        ("d", 700, 320, 384),
        ("f", 1208, 1200, 1536),
        ("f", 48, 800, (1 << 18) // 48),
    ],
)
def test_columns_are_read_in_panels_alike_and_asked_for_before(dtype, n_features, n_samples, n_bytes, monkeypatch):
    monkeypatch.setattr(tuning, "CACHED_BYTES", -1)
    start, length = 32, n_samples + 32
    columns = np.ones((n_features, length), dtype)
    run(column_major, columns, start, length, None, None, np.zeros(n_features), 1.0, 2 + n_features)
    firsts = sorted({place % length - start for place, _ in plain_kernels.reads})
    (panel,) = set(np.diff([*firsts, firsts[-1] + firsts[1] if len(firsts) > 1 else n_samples]))
    assert panel % 8 == 0
    assert panel * columns.itemsize < n_bytes + 8 * columns.itemsize  # which stay in cache
    assert (len(firsts) - 1) * n_bytes < n_samples * columns.itemsize  # no more of them than it takes
    assert panel - 8 < -(-n_samples // len(firsts))  # the last is as long as the others, nearly

    per_line = 64 // columns.itemsize
    when = {}
    for n_reads, place in plain_kernels.asked:
        when.setdefault(place // per_line, n_reads)
    first_read = {}
    for i, (place, n_here) in enumerate(plain_kernels.reads):
        for line in range(place // per_line, (place + n_here) // per_line):
            first_read.setdefault(line, i)
    late = [line for line, i in first_read.items() if when.get(line, i + 1) > i]
    assert all(line * per_line % length < start + 1024 // columns.itemsize for line in late)  # the beginning of all
    assert len(late) <= 8 * 1024 // 64
    assert max(place for _, place in plain_kernels.asked) < columns.size + 2 * panel
    assert len(plain_kernels.asked) < 2.5 * len(first_read)


@pytest.mark.parametrize(("n_samples", "asks"), [(900, False), (1000, True)])
def test_what_fits_into_cache_is_not_asked_for(n_samples, asks):
    X = np.ones((n_samples, 136))
    assert (X.nbytes > tuning.CACHED_BYTES) is asks
    for kernel, given in ((row_major, X), (column_major, np.ascontiguousarray(X.T))):
        plain_kernels.asked.clear()
        run(kernel, given, 0, n_samples, None, None, np.zeros(136), 1.0, 138)
        assert (len(plain_kernels.asked) > 0) is asks


def test_an_index_outside_of_what_a_kernel_may_touch_is_an_error():
    values = np.zeros(10)
    for at, n in ((-1, 2), (0, 11), (10, 1), (5, -1)):
        with pytest.raises(IndexError):
            plain_kernels.stretch(values, at, n)
