"""cost, gradient and cost_and_gradient: against the exact objective, by hand, and at the edges of what is accepted."""

import math

import exact
import numpy as np
import pytest

import fastgd
from fastgd import objective
from fastgd.kernels import tuning
from fastgd.rows.short import short_pass

LOSSES = ["mse", "half_mse", "sse"]


def problem(n_samples, n_features, intercept):
    rng = np.random.default_rng([n_samples, n_features])
    X = rng.normal(size=(n_samples, n_features))
    y = rng.normal(size=n_samples)
    theta = rng.normal(size=n_features + intercept)
    s = rng.uniform(size=n_samples)
    return X, y, theta, s


def whole_numbers(intercept=False):
    """Make data of whole numbers, of which every layout and dtype holds the same values."""
    X = np.array([[1, 0], [1, 1], [0, 1], [1, 1], [0, 0], [1, 0], [1, 1]])
    y = np.array([1, 0, 1, 1, 0, 0, 1])
    return X, y, np.array([3, 1, 2] if intercept else [1, 2])


@pytest.mark.parametrize("l2", [0.0, 0.7])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_features", [1, 2, 3, 5])
def test_objective_is_the_exact_one(n_features, loss, intercept, weighted, l2):
    X, y, theta, s = problem(23, n_features, intercept)
    options = {"loss": loss, "sample_weight": s if weighted else None, "l2": l2}
    cost, gradient = exact.cost_and_gradient(X, y, theta, **options)
    cost_bound, gradient_bound = exact.bounds(X, y, theta, **options)
    options["intercept"] = intercept
    got = fastgd.cost_and_gradient(X, y, theta, **options)
    assert exact.error(got[0], cost, cost_bound) <= 1
    assert exact.error(got[1], gradient, gradient_bound) <= 1
    assert fastgd.cost(X, y, theta, **options) == got[0]
    assert fastgd.gradient(X, y, theta, **options).tobytes() == got[1].tobytes()


@pytest.mark.parametrize(
    ("options", "theta", "cost", "gradient"),
    # x = (1, 2, 3), y = (2, 4, 7): r = (0, 0, -1) for 2 x and (-1, -1, -2) for 1 + x - 2, that is -1 + 2 x
    [
        ({"loss": "sse"}, [2.0], 1.0, [-6.0]),
        ({"loss": "mse"}, [2.0], 1 / 3, [-2.0]),
        ({"loss": "half_mse"}, [2.0], 1 / 6, [-1.0]),
        ({}, [2.0], 1 / 3, [-2.0]),
        ({"loss": "sse", "intercept": True}, [-1.0, 2.0], 6.0, [-8.0, -18.0]),
        ({"loss": "mse", "intercept": True}, [-1.0, 2.0], 2.0, [-8 / 3, -6.0]),
        ({"loss": "sse", "sample_weight": [1, 1, 5]}, [2.0], 5.0, [-30.0]),
        ({"loss": "mse", "sample_weight": [1, 1, 2]}, [2.0], 0.5, [-3.0]),
        ({"loss": "half_mse", "sample_weight": [1, 1, 2]}, [2.0], 0.25, [-1.5]),
        ({"loss": "sse", "l2": 0.5}, [2.0], 3.0, [-4.0]),
        ({"loss": "sse", "l2": 0.5, "intercept": True}, [-1.0, 2.0], 8.0, [-8.0, -16.0]),
        ({"loss": "mse", "l2": 0.5, "sample_weight": [1, 1, 2]}, [2.0], 2.5, [-1.0]),
    ],
)
def test_objective_by_hand(options, theta, cost, gradient):
    got = fastgd.cost_and_gradient([1.0, 2.0, 3.0], [2.0, 4.0, 7.0], theta, **options)
    assert got[0] == pytest.approx(cost, rel=4e-16)
    assert got[1].tolist() == pytest.approx(gradient, rel=4e-16)


def test_results_are_a_float_and_a_float64_array():
    X, y, theta, _ = problem(5, 2, False)
    cost, gradient = fastgd.cost_and_gradient(X.astype(np.float32), y.astype(np.float32), theta)
    assert type(cost) is type(fastgd.cost(X, y, theta)) is float
    assert type(gradient) is np.ndarray
    assert gradient.dtype == np.float64
    assert gradient.shape == theta.shape


@pytest.mark.parametrize("theta", [2, 2.0, np.float32(2), np.array(2.0), np.array(2)])
def test_a_scalar_theta_has_a_scalar_gradient(theta):
    got = fastgd.gradient([1.0, 2.0, 3.0], [2.0, 4.0, 7.0], theta, loss="sse")
    assert got.shape == ()
    assert got == -6.0


def big_endian(values):
    return values.astype(values.dtype.newbyteorder(">"))


def unaligned(values):
    memory = np.zeros(values.nbytes + 1, dtype=np.uint8)
    result = memory[1:].view(values.dtype).reshape(values.shape)
    result[...] = values
    assert not result.flags.aligned
    return result


def strided(values):
    wide = np.full(tuple(3 * length for length in values.shape), 99.0)
    wide[tuple([slice(1, None, 3)] * values.ndim)] = values
    return wide[tuple([slice(1, None, 3)] * values.ndim)]


def reversed_view(values):
    return values[::-1].copy()[::-1]


def read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


DTYPES = [*"?bhilqpBHILQPefd", ">f8", ">f4", ">i4", "<f8"]
FORMS = [np.ndarray.tolist, tuple, np.asfortranarray, strided, reversed_view, big_endian, unaligned, read_only]


def assert_exact(given, values, intercept=False):
    """Check cost and gradient of whole numbers, without weights (where the short path may be taken) and with them."""
    for weighted in (slice(0, 3), slice(0, 4)):
        names = ["X", "y", "theta", "sample_weight"][weighted]
        cost, gradient = exact.cost_and_gradient(**dict(zip(names, values[weighted], strict=True)), loss="sse")
        options = dict(zip(names, given[weighted], strict=True))
        got = fastgd.cost_and_gradient(**options, loss="sse", intercept=intercept)
        assert got[0] == cost == fastgd.cost(**options, loss="sse", intercept=intercept)
        assert got[1].tolist() == gradient.tolist()


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("where", range(4))
def test_every_real_dtype_is_accepted_everywhere(where, dtype, intercept):
    given = [values.astype(np.float64) for values in (*whole_numbers(intercept), np.array([1, 0, 1, 1, 1, 0, 1]))]
    given[where] = given[where].astype(dtype)
    assert_exact(given, [values.astype(np.float64) for values in given], intercept)


@pytest.mark.parametrize("dtype", ["i", "I", "l", "d"])
def test_whole_numbers_keep_more_digits_than_float32_has(dtype):
    X = np.array([[2**24 + 1, 3], [5, 2**24 + 3], [7, 2]], dtype)
    y = np.array([2**24 + 5, 1, 2**25 + 1], dtype)
    values = X, y, np.array([1.0, 2.0]), np.array([1.0, 2.0, 1.0])
    assert_exact(values, [each.astype(float) for each in values])


@pytest.mark.parametrize("form", [*FORMS, "map"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("where", range(4))
def test_every_form_of_an_array_is_accepted_everywhere(where, form, dtype, tmp_path):
    def mapped(values):
        np.save(tmp_path / "values.npy", values)
        return np.load(tmp_path / "values.npy", mmap_mode="r")

    form = mapped if form == "map" else form
    values = [each.astype(dtype) for each in (*whole_numbers(), np.array([1, 2, 3, 1, 2, 0, 1]))]
    values[2] = values[2].astype(np.float64)
    assert_exact([form(each) if place == where else each for place, each in enumerate(values)], values)


def test_short_path_takes_views_of_arrays_but_none_of_maps(tmp_path):
    """What a map shows can be cut off: the general path looks at its file first."""
    X, y, theta, s = problem(31, 3, False)
    whole = {"X": X, "y": y, "theta": theta, "s": s}
    for name, array in whole.items():
        room = np.zeros((40, *array.shape[1:]))
        view = room[5 : 5 + len(array)]
        view[:] = array
        np.save(tmp_path / f"{name}.npy", array)
        mapped = np.load(tmp_path / f"{name}.npy", mmap_mode="r+")
        buffer = np.frombuffer(bytearray(array.tobytes())).reshape(array.shape)
        for given, taken in (
            (array, True),
            (view, True),
            (mapped, False),
            (np.asarray(mapped), False),
            (np.asarray(mapped)[:], False),
            (np.asarray(mapped).view(np.ndarray), False),
            (buffer, False),  # it may be a map's, too
            (array.astype("f4"), False),
            (array.astype(">f8"), False),
            (array[::2], False),
            (array.tolist(), False),
        ):
            arguments = whole | {name: given}
            sums = short_pass(arguments["X"], arguments["y"], arguments["theta"], False, (1.0, False), arguments["s"])
            assert (sums is not None) is taken, (name, given)


def test_one_dimensional_X_is_one_feature():
    x, y = np.array([1.0, 2.0, 4.0]), [1.0, 0.0, 3.0]
    for theta, intercept in (([0.5], False), ([1.0, 2.0], True)):
        flat, column = (fastgd.gradient(X, y, theta, intercept=intercept) for X in (x, x[:, np.newaxis]))
        assert flat.tolist() == column.tolist()


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, np.squeeze])
@pytest.mark.parametrize("n_features", [1, 2, 3, 7, 17, 33])
@pytest.mark.parametrize(("dtype", "weighted"), [(np.float64, True), (np.float32, False)])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("others", [{}, {"l2": 0.3, "n_threads": 1}])
def test_short_path_and_general_path_give_the_same_bits(
    n_features, dtype, layout, intercept, weighted, loss, others, monkeypatch
):
    X, y, theta, s = problem(31, n_features, intercept)
    X, y, s = layout(X.astype(dtype)), y.astype(dtype), s if weighted else None
    assert short_pass(X, y, theta, intercept, (2.0, True), s) is not None
    options = {"intercept": intercept, "loss": loss, "sample_weight": s} | others

    def results():
        out = [fastgd.cost(X, y, theta, **options)]
        for where in ({}, {"out": np.empty_like(theta)}):
            cost, gradient = fastgd.cost_and_gradient(X, y, theta, **options, **where)
            out += [cost, gradient.tobytes(), fastgd.gradient(X, y, theta, **options, **where).tobytes()]
        return out

    short = results()
    monkeypatch.setattr(objective, "short_pass", lambda *args: None)
    assert results() == short


def test_it_makes_no_difference_to_weighted_rows_that_a_number_of_threads_is_given():
    rng, theta = np.random.default_rng(0), np.ones(1)
    for n_samples in range(tuning.BLOCK_VALUES + 1, tuning.MIN_SHARED_VALUES, 30_000):
        X, y, s = rng.random((3, n_samples))
        gradients = {fastgd.gradient(X, y, theta, sample_weight=s, n_threads=n).tobytes() for n in (None, 1, 2)}
        assert len(gradients) == 1


@pytest.mark.parametrize("n_features", [1, 3, 20])
@pytest.mark.parametrize("intercept", [False, True])
def test_a_penalty_adds_its_rounded_multiple_of_each_coefficient(n_features, intercept):
    X, y, theta, _ = problem(31, n_features, intercept)
    plain = fastgd.gradient(X, y, theta, intercept=intercept)
    plain[intercept:] += 2.0 * 0.3 * theta[intercept:]
    assert fastgd.gradient(X, y, theta, intercept=intercept, l2=0.3).tobytes() == plain.tobytes()


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"l2": -1.0}, "l2=-1.0 was given"),
        ({"l2": np.nan}, "l2=nan was given"),
        ({"n_threads": 0}, "n_threads=0 was given"),
        ({"out": np.empty(3)}, "out has shape"),
        ({"out": "theta"}, "out shares memory"),
        ({"out": "y"}, "out shares memory"),
        ({"out": "view"}, "out shares memory"),
    ],
)
@pytest.mark.parametrize("call", [fastgd.gradient, fastgd.cost_and_gradient])
def test_options_beside_arrays_that_need_no_conversion_are_checked(call, option, error):
    X, y, theta = np.ones((2, 2)), np.zeros(2), np.ones(2)
    arrays = {"theta": theta, "y": y, "view": X[0]}
    option = {name: arrays.get(value, value) if isinstance(value, str) else value for name, value in option.items()}
    with pytest.raises(ValueError, match=error):
        call(X, y, theta, **option)
    for array, value in ((X, 1.0), (y, 0.0), (theta, 1.0)):
        assert (array == value).all()


@pytest.mark.parametrize("theta", [[1.0, 2.0], np.array([1.0, 2.0])])
@pytest.mark.parametrize(
    "call", [fastgd.gradient, lambda *given, **options: fastgd.cost_and_gradient(*given, **options)[1]]
)
def test_out_receives_the_gradient_and_is_returned(call, theta):
    X, y, _, s = problem(6, 2, False)
    out = np.full(4, np.nan)[::2]
    assert call(X, y, theta, sample_weight=s, l2=0.5, out=out) is out
    assert out.tolist() == fastgd.gradient(X, y, theta, sample_weight=s, l2=0.5).tolist()
    scalar = np.empty(())
    assert call(X[:, 0], y, 1.5, out=scalar) is scalar
    assert scalar == fastgd.gradient(X[:, 0], y, 1.5)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("where", range(3))
def test_nan_and_inf_come_through(where, dtype, layout, poison):
    given = [values.copy() for values in problem(7, 2, False)[:3]]
    given[where][-1] = poison
    X, y, theta = given
    cost, gradient = fastgd.cost_and_gradient(np.array(X, dtype, order=layout), y.astype(dtype), theta)
    assert math.isnan(cost) if math.isnan(poison) else not math.isfinite(cost)
    assert not np.isfinite(gradient).any()


@pytest.mark.parametrize("layout", ["C", "F"])
def test_infinities_of_both_signs_in_different_blocks_come_through_without_a_warning(layout):
    n_samples = tuning.BLOCK_VALUES + 1
    X = np.ones((n_samples, 2), order=layout)
    X[0, 0], X[-1, 0] = np.inf, -np.inf
    cost, gradient = fastgd.cost_and_gradient(X, np.ones(n_samples), [1.0, 1.0])
    assert cost == np.inf
    assert gradient[0] == np.inf
    assert np.isnan(gradient[1])


def test_a_penalty_beyond_float64_is_infinite_without_a_warning():
    cost, gradient = fastgd.cost_and_gradient([[1.0, 1.0]], [1.0], [1e200, 1e200], l2=1e200)
    assert cost == np.inf
    assert gradient.tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("tiny", [1e-290, 2.0**-900, 1e290])
def test_weights_count_by_their_ratios_however_small(tiny):
    assert fastgd.cost([1.0], [0.0], [3.0], sample_weight=[tiny]) == pytest.approx(9.0, rel=1e-15)


X, y, theta = np.ones((3, 2)), np.ones(3), np.ones(2)
sparse = type("csr_array", (), {"toarray": None, "nnz": 1, "shape": (3, 2)})()

# Arguments, error, and what its message says: what was given, what is expected, what to do.
REJECTED = {
    "theta too short": ((X, y, theta), {"intercept": True}, ValueError, ["(2,)", "(3,)", "intercept first"]),
    "None": ((X, None, theta), {}, TypeError, ["y is missing"]),
    "sparse": ((sparse, y, theta), {}, TypeError, ["csr_array", "dense", "X.toarray()"]),
    "negative weight": ((X, y, theta), {"sample_weight": [1, -2, 1]}, ValueError, ["-2", "row 1", ">= 0"]),
    "NaN weight": ((X, y, theta), {"sample_weight": [1, 1, np.nan]}, ValueError, ["nan", "row 2", "finite"]),
    "infinite weight": ((X, y, theta), {"sample_weight": [np.inf, 1, 1]}, ValueError, ["inf", "row 0", "finite"]),
    "zero weights": (
        (X, y, theta),
        {"sample_weight": [0] * 3},
        ValueError,
        ["zero in every row", "Correct the weights"],
    ),
    "endless weights": ((X, y, theta), {"sample_weight": [1e308] * 3}, ValueError, ["the sum inf", "multiply"]),
    "vanishing weights": ((X, y, theta), {"sample_weight": [1e-310] * 3}, ValueError, ["the sum 3e-310", "multiply"]),
    "unknown loss": ((X, y, theta), {"loss": "mae"}, ValueError, ["'mae'", "'mse'", "'half_mse'", "'sse'"]),
    "no loss": ((X, y, theta), {"loss": None}, ValueError, ["None", "'mse'"]),
    "a list of losses": ((X, y, theta), {"loss": ["mse"]}, ValueError, ["['mse']", "'half_mse'"]),
    "negative l2": ((X, y, theta), {"l2": -1.0}, ValueError, ["l2=-1.0", ">= 0"]),
    "NaN l2": ((X, y, theta), {"l2": math.nan}, ValueError, ["l2=nan", "finite"]),
    "infinite l2": ((X, y, theta), {"l2": math.inf}, ValueError, ["l2=inf", "finite"]),
    "text l2": ((X, y, theta), {"l2": "1"}, TypeError, ["l2='1'", "number"]),
    "empty l2": ((X, y, theta), {"l2": ""}, TypeError, ["l2=''", "number"]),
    "l2=None": ((X, y, theta), {"l2": None}, TypeError, ["l2=None", "Give 0"]),
    "vector l2": ((X, y, theta), {"l2": np.ones(2)}, TypeError, ["l2=", "number"]),
    "intercept=2": ((X, y, np.ones(4)), {"intercept": 2}, (TypeError, ValueError), ["intercept=2", "True"]),
    "text intercept": ((X, y, np.ones(3)), {"intercept": "yes"}, (TypeError, ValueError), ["intercept='yes'", "True"]),
    "intercept=None": ((X, y, theta), {"intercept": None}, (TypeError, ValueError), ["intercept=None", "True"]),
}


@pytest.mark.parametrize("call", [fastgd.cost, fastgd.gradient, fastgd.cost_and_gradient])
@pytest.mark.parametrize(("arguments", "options", "error", "said"), REJECTED.values(), ids=REJECTED)
def test_what_cannot_be_fitted_is_refused_in_words(call, arguments, options, error, said):
    with pytest.raises(error) as raised:
        call(*arguments, **options)
    assert [words for words in said if words not in str(raised.value)] == []


@pytest.mark.parametrize("n_threads", [2, np.int64(2), np.uint8(2)])
def test_numbers_of_threads_may_be_numpys_and_out_receives_the_gradient_of_batches(n_threads):
    X, y, theta = np.arange(8.0).reshape(4, 2), np.arange(4.0), np.array([1.0, -2.0])
    expected = fastgd.gradient(X, y, theta)
    out = np.empty(2)
    source = fastgd.from_batches([(X[:3], y[:3]), (X[3:], y[3:])])
    assert fastgd.gradient(source, None, theta, n_threads=n_threads, out=out) is out
    assert out.tolist() == fastgd.gradient(X, y, theta, n_threads=n_threads).tolist() == expected.tolist()


def test_an_out_between_the_columns_of_X_is_not_refused_for_being_near():
    memory = np.ones((3, 3))
    out = np.empty(2)
    assert fastgd.gradient(memory[:, :2], y, theta, out=out) is out
    column = np.ones((2, 2))
    assert fastgd.gradient(column[:, :1], [1.0, 1.0], [1.0], out=column[:1, 1]).tolist() == [0.0]


def test_a_penalised_cost_is_finite_up_to_the_end_of_float64():
    X, theta = np.array([[1e-300], [0.0]]), [1.3e154]  # 1.69e308, whose double is not
    assert fastgd.cost(X, np.zeros(2), theta, l2=1.0) == 1.3e154**2
    assert fastgd.cost_and_gradient(X, np.zeros(2), theta, l2=1.0)[0] == 1.3e154**2
    assert fastgd.cost(X, np.zeros(2), [1.4e154], l2=1.0) == np.inf
