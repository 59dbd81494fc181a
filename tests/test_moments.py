"""Moments, against exact sums and against the rows that they stand for."""

import copy
import io
import itertools
import pickle
from dataclasses import replace
from fractions import Fraction

import exact
import numpy as np
import pytest
from block_sizes import set_block_values

import fastgd
from fastgd.kernels.gram import entries, gram, order
from fastgd.rows.arrays import ArrayRows

U = 2.0**-53


def data(n_samples, n_features, seed=0, weighted=False, offset=0.0):
    rng = np.random.default_rng([n_samples, n_features, seed])
    X = rng.normal(size=(n_samples, n_features)) + offset
    return X, X.sum(axis=1) + rng.normal(size=n_samples), rng.uniform(0, 3, n_samples) if weighted else None


def assert_near(moments, expected, tolerance):
    """Compare each entry with the exact one, in units of what its column spreads."""
    total, mean, scatter = expected
    spread = np.sqrt(np.diagonal(scatter).astype(float))
    assert abs(moments.total_weight - total) <= tolerance * total
    assert (abs(exact.numbers(moments.mean) - mean) <= tolerance * spread + 2 * U * abs(mean)).all()
    assert (abs(exact.numbers(moments.scatter) - scatter) <= tolerance * np.outer(spread, spread)).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_features", [1, 2, 5, 6, 7, 13, 14, 15, 22, 30, 38])
def test_the_kernel_sums_whole_numbers_without_rounding(n_features, weighted):
    rng = np.random.default_rng(n_features)
    centre = rng.integers(-9, 9, n_features + 1).astype(float)
    for n_samples in (1, 2, 63, 64, 65, 200):
        z = rng.integers(-99, 99, (n_samples + 2, n_features + 1))
        s = rng.integers(0, 5, n_samples).astype(float) if weighted else None
        rows = np.column_stack([z[1:-1] - centre, np.ones(n_samples)])
        expected = (rows * (1.0 if s is None else s[:, np.newaxis])).T @ rows
        for dtype in "df":
            # Rows of NaN before and behind, and no room to spare for the sums.
            X = z[:, :-1].astype(dtype)
            X[[0, -1]] = np.nan
            y = z[1:-1, -1].astype(dtype)
            for by_columns in (False, True):
                given = np.ascontiguousarray(X.T) if by_columns else X
                memory = np.full(order(n_features) ** 2 + 2, np.nan)
                gram(by_columns)[dtype, dtype, weighted](given, 1, n_samples + 1, y, s, centre, 0.5, memory[1:-1])
                assert entries(memory[1:-1], n_features).tolist() == (0.5 * expected).tolist()
                assert np.isnan(memory[[0, -1]]).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_moments_are_exact_to_rounding_however_far_from_zero(offset, weighted):
    X, y, s = data(150, 3, weighted=weighted, offset=offset)
    assert_near(fastgd.Moments.from_rows(X, y, s), exact.moments(X, y, s), 1e-13)


def test_columns_that_drift_keep_their_digits():
    X = (1e9 + np.arange(300.0))[:, np.newaxis]
    y = np.linspace(-1.0, 1.0, 300) ** 3
    assert_near(fastgd.Moments.from_rows(X, y), exact.moments(X, y), 1e-13)


@pytest.mark.parametrize("value", [0.1, -1e8 / 3, 7.0])
def test_a_constant_has_a_spread_of_exactly_zero(value):
    X, y, s = data(5000, 2, weighted=True)
    X[:, 1] = value
    moments = fastgd.Moments.from_rows(X, y, s)
    assert moments.scatter[1].tolist() == [0.0, 0.0, 0.0]
    assert moments.mean[1] == value


@pytest.mark.parametrize("order_", "CF")
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", ">f8"])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_layout_and_dtype_has_the_moments_of_its_values(order_, dtype, weighted):
    X, y, s = data(120, 4, weighted=weighted)
    X = np.asarray(10 * X, dtype=dtype, order=order_)
    for given in (X, np.repeat(X, 2, axis=0)[::2]):
        assert_near(fastgd.Moments.from_rows(given, y, s), exact.moments(X, y, s), 1e-13)


@pytest.mark.parametrize("by_columns", [False, True])
def test_moments_are_the_same_bits_for_any_number_of_threads(by_columns, monkeypatch):
    set_block_values(monkeypatch, 100)
    X, y, s = data(700, 7, weighted=True)
    X = np.asarray(X, order="F" if by_columns else "C")
    first = fastgd.Moments.from_rows(X, y, s, n_threads=1)
    assert_near(first, exact.moments(X, y, s), 1e-13)
    for n_threads in (2, 3, 7, 16):
        again = fastgd.Moments.from_rows(X, y, s, n_threads=n_threads)
        assert again.scatter.tobytes() == first.scatter.tobytes()
        assert again.mean.tobytes() == first.mean.tobytes()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cuts", [[1], [60], [10, 11, 90]])
def test_added_moments_are_those_of_all_rows(cuts, weighted):
    X, y, s = data(100, 3, weighted=weighted, offset=1e6)
    X[50:] += 5.0
    rows = [slice(*ends) for ends in itertools.pairwise([0, *cuts, len(X)])]
    total = sum(fastgd.Moments.from_rows(X[i], y[i], None if s is None else s[i]) for i in rows)
    assert total.n_samples == len(X)
    assert_near(total, exact.moments(X, y, s), 1e-9)


@pytest.mark.parametrize("loss", ["mse", "half_mse", "sse"])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.7])
def test_cost_and_gradient_are_those_of_the_rows(loss, intercept, weighted, l2):
    X, y, s = data(90, 4, weighted=weighted, offset=3.0)
    theta = np.random.default_rng(1).normal(size=4 + intercept)
    moments = fastgd.Moments.from_rows(X, y, s)
    options = {"intercept": intercept, "loss": loss, "l2": l2}
    cost, expected = fastgd.cost_and_gradient(X, y, theta, sample_weight=s, **options)
    assert moments.cost(theta, **options) == pytest.approx(cost, rel=1e-12)
    gradient = moments.gradient(theta, **options)
    np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-11 * abs(expected).max())


@pytest.mark.parametrize("intercept", [False, True])
def test_the_product_with_the_hessian_is_that_of_the_rows(intercept):
    X, y, s = data(90, 4, weighted=True, offset=3.0)
    p = np.random.default_rng(1).normal(size=4 + intercept)
    moments = fastgd.Moments.from_rows(X, y, s).centred()
    np.testing.assert_allclose(moments.product(p), ArrayRows(X, y, s).product(p), rtol=1e-11, atol=1e-9)


def test_small_residuals_are_as_exact_as_large_ones():
    X, y, _ = data(30, 2)
    theta = np.array([0.5, 1.0, 1.5])
    cost = fastgd.cost(X, y, theta, intercept=True)
    for unit in (1.0, 2.0**-30):
        moments = fastgd.Moments.from_rows(X, unit * y)
        assert moments.cost(unit * theta, intercept=True) == pytest.approx(unit**2 * cost, rel=1e-13)


def test_saved_moments_come_back_to_the_bit(tmp_path):
    moments = fastgd.Moments.from_rows(*data(50, 3))
    moments.save(tmp_path / "moments.npz")
    for place in (tmp_path / "moments.npz", saved(moments)):
        again = fastgd.Moments.load(place)
        assert (again.n_samples, again.total_weight) == (50, 50.0)
        assert again.mean.tobytes() == moments.mean.tobytes()
        assert again.scatter.tobytes() == moments.scatter.tobytes()
    with np.load(tmp_path / "moments.npz", allow_pickle=False) as content:
        assert str(content["format"]) == "fastgd moments 1"


@pytest.mark.parametrize("names", [["a", "größe", "c"], [2021, 2019, -(2**63)], [0.5, -1.0, 1e300], [True, False]])
def test_saved_labels_come_back(names):
    moments = replace(fastgd.Moments.from_rows(*data(50, len(names))), feature_names=names)
    assert repr(fastgd.Moments.load(saved(moments)).feature_names) == repr(names)


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b", 1],
        ["a", "b", "ends with a zero\0"],
        [1, 2, 2**64 - 1],
        ["a", ("a", 2), ("b",)],
        [b"a", b"b", b"c"],
    ],
)
def test_labels_that_no_file_keeps_are_refused(names, tmp_path):
    moments = replace(fastgd.Moments.from_rows(*data(50, 3)), feature_names=names)
    with pytest.raises(TypeError, match=r"keeps text alone or numbers alone.*feature_names=None"):
        moments.save(tmp_path / "moments.npz")
    assert not [*tmp_path.iterdir()]
    replace(moments, feature_names=None).save(tmp_path / "moments.npz")


def saved(moments, **changes):
    """Return a file of moments, of which some entries are others or missing."""
    file = io.BytesIO()
    moments.save(file)
    file.seek(0)
    entries = {**np.load(file), **changes}
    changed = io.BytesIO()
    np.savez(changed, **{name: value for name, value in entries.items() if value is not None})
    changed.seek(0)
    return changed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": None}, "its format is missing, but 'fastgd moments 1' is expected"),
        ({"format": "something else"}, "its format is 'something else', but 'fastgd moments 1' is expected"),
        ({"mean": None}, "entries"),
        ({"extra": 1.0}, "entries"),
        ({"mean": np.ones(3)}, "shapes"),
        ({"mean": np.ones(1), "scatter": np.ones((1, 1))}, "shapes"),
        ({"scatter": np.full((4, 4), np.nan)}, "finite"),
        ({"scatter": np.ones((4, 4), np.float32)}, "float64"),
        ({"n_samples": 50.0}, "float64"),
        ({"mean": np.array([None] * 4, dtype=object)}, "pickle"),
        ({"feature_names": np.array(["a", "b", None], dtype=object)}, "pickle"),
        ({"feature_names": np.array([])}, "feature_names have shape"),
        ({"feature_names": np.arange(4)}, "feature_names have shape"),
        ({"feature_names": np.ones((3, 1))}, "feature_names have shape"),
        ({"feature_names": np.array(["2020", "2021", "2022"], "M8[Y]")}, "feature_names have .* dtype datetime64"),
        ({"feature_names": np.array(["a", "b", "a"])}, "columns of the same name .'a', 2 times"),
        ({"feature_names": np.array(["a", "b", "c"]), "mean": None}, "entries"),
    ],
)
def test_other_files_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        fastgd.Moments.load(saved(fastgd.Moments.from_rows(*data(50, 3)), **changes))


def test_what_is_no_npz_file_is_refused(tmp_path):
    path = tmp_path / "text.npz"
    path.write_text("no moments")
    with pytest.raises(ValueError, match=r"text\.npz.*Moments\.save"):
        fastgd.Moments.load(path)
    with pytest.raises(FileNotFoundError):
        fastgd.Moments.load(tmp_path / "missing.npz")


def test_what_is_not_finite_is_named():
    X, y, _ = data(50, 3)
    X[20, 1] = np.nan
    with pytest.raises(ValueError, match="X in row 20, column 1"):
        fastgd.Moments.from_rows(X, y)
    X[20, 1], y[7] = 0.0, np.inf
    with pytest.raises(ValueError, match="y in row 7"):
        fastgd.Moments.from_rows(X, y)
    y[7] = 1e200
    with pytest.raises(ValueError, match="exceed float64"):
        fastgd.Moments.from_rows(X, y)


def test_the_tests_own_truth_is_right():
    total, mean, scatter = exact.moments([[1.0], [2.0], [4.0]], [0.0, 1.0, 0.0], [1.0, 1.0, 2.0])
    assert (total, mean.tolist()) == (4, [Fraction(11, 4), Fraction(1, 4)])
    assert scatter[0][0] == Fraction(27, 4)


def test_a_save_that_fails_leaves_the_file_before(tmp_path, monkeypatch):
    before, after = (fastgd.Moments.from_rows([[1.0], [2.0], [4.0]], [n, 2.0, 3.0]) for n in (0.0, 1.0))
    before.save(tmp_path / "m.npz")

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    for function in ("os.fsync", "numpy.savez", "os.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(function, full)
            with pytest.raises(OSError, match="No space left"):
                after.save(tmp_path / "m.npz")
        assert [file.name for file in tmp_path.iterdir()] == ["m.npz"]
        np.testing.assert_array_equal(fastgd.Moments.load(tmp_path / "m.npz").mean, before.mean)
    after.save(str(tmp_path / "m"))  # to which .npz is added
    np.testing.assert_array_equal(fastgd.Moments.load(tmp_path / "m.npz").mean, after.mean)


def test_moments_can_be_summed():
    parts = [fastgd.Moments.from_rows([[1.0], [2.0]], [n, 2.0]) for n in (0.0, 1.0, 5.0)]
    assert sum(parts).n_samples == 6
    for add in (lambda: 1 + parts[0], lambda: parts[0] + 1):
        with pytest.raises(TypeError):
            add()
    with pytest.raises(ValueError, match="3 and of 2 features"):
        fastgd.Moments.from_rows(*data(50, 3)) + fastgd.Moments.from_rows(*data(50, 2))


GIVEN = {
    "n_samples": 5,
    "total_weight": 5.0,
    "mean": [1.0, 2.0, 3.0],
    "scatter": np.array([[2.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 4.0]]),
    "feature_names": ["a", "b"],
}
NAMES_EXPECTED = "but a list of labels, or None, is expected"


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"n_samples": -1}, ValueError, "n_samples=-1 was given"),
        ({"n_samples": 0}, ValueError, "n_samples=0 was given, but moments are of at least 1 row"),
        ({"n_samples": 5.0}, TypeError, "n_samples=5.0 was given, but a whole number"),
        ({"total_weight": 0.0}, ValueError, "total_weight=0.0 was given, but a finite number > 0"),
        ({"total_weight": -1.0}, ValueError, "total_weight=-1.0 was given"),
        ({"total_weight": np.nan}, ValueError, "total_weight=nan was given"),
        ({"total_weight": "5"}, TypeError, "total_weight='5' was given"),
        ({"mean": [[1.0, 2.0, 3.0]]}, ValueError, r"mean has shape \(1, 3\), but \(n_features \+ 1,\) is expected"),
        ({"mean": [1.0]}, ValueError, r"mean has shape \(1,\)"),
        ({"mean": 1.0}, ValueError, r"mean has shape \(\)"),
        ({"mean": [1.0, np.nan, 3.0]}, ValueError, r"mean\[1\] is nan, but moments are finite"),
        ({"mean": ["1", "2", "3"]}, TypeError, "mean has dtype"),
        ({"mean": [1.0, 2.0]}, ValueError, r"has shape \(3, 3\), but mean has 2 entries, so \(2, 2\) is expected"),
        ({"scatter": np.ones(3)}, ValueError, r"scatter has shape \(3,\)"),
        ({"scatter": np.eye(3) * 1j}, TypeError, "scatter has dtype complex128"),
        ({"scatter": np.diag([1.0, np.inf, 1.0])}, ValueError, r"scatter\[1, 1\] is inf"),
        ({"scatter": np.diag([1.0, 2.0, -0.5])}, ValueError, r"scatter\[2, 2\] is -0.5, but it is a sum of squares"),
        (
            {"scatter": GIVEN["scatter"] + 0.1 * np.eye(3, k=1)},
            ValueError,
            r"scatter\[0, 1\] is 1.1, but scatter\[1, 0\] is 1.0, and a symmetric array",
        ),
        ({"feature_names": ["a"]}, ValueError, "feature_names has 1 label, but mean is of 2 features and y"),
        ({"feature_names": ["a", "b", "y"]}, ValueError, "feature_names has 3 labels"),
        ({"feature_names": ["a", "a"]}, ValueError, "columns of the same name"),
        ({"feature_names": ["a", []]}, TypeError, "whose label cannot be told from others"),
        ({"feature_names": "ab"}, TypeError, NAMES_EXPECTED),
        ({"feature_names": 2}, TypeError, NAMES_EXPECTED),
    ],
    ids=str,
)
def test_numbers_that_are_no_moments_are_refused(changes, error, said):
    with pytest.raises(error, match=said):
        fastgd.Moments(**GIVEN | changes)
    with pytest.raises(error, match=said):
        replace(fastgd.Moments(**GIVEN), **changes)


def test_numbers_that_are_moments_are_taken():
    moments = fastgd.Moments(**GIVEN)
    assert repr(moments) == "Moments(n_samples=5, n_features=2, total_weight=5)"
    assert (moments.n_samples, moments.total_weight, moments.n_features) == (5, 5.0, 2)
    assert moments.mean.tolist() == GIVEN["mean"]
    assert moments.scatter.tolist() == GIVEN["scatter"].tolist()
    theta = np.array([0.5, -1.0])
    v = np.append(theta, -1.0)
    residual = v @ GIVEN["mean"]
    assert moments.cost(theta, loss="sse") == pytest.approx(v @ GIVEN["scatter"] @ v + 5.0 * residual**2, rel=1e-14)
    assert fastgd.Moments(**GIVEN | {"feature_names": np.array([2020, 2021])}).feature_names == [2020, 2021]


def test_a_number_is_a_theta_of_one_parameter():
    assert fastgd.Moments.from_rows([1.0, 2.0, 3.0], [2.0, 4.0, 7.0]).gradient(2.0, loss="sse").shape == ()


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e9])
@pytest.mark.parametrize("scale", [1e-140, 1.0, 1e140])
def test_moments_of_rows_are_moments(offset, scale):
    rng = np.random.default_rng(3)
    columns = offset + rng.standard_normal((500, 6)) * [1, 1e-3, 10, 0.1, 5, 1e-6]
    columns[:, 2] = 7.0
    parts = np.split(scale * columns, [9])
    halves = [fastgd.Moments.from_rows(part[:, :-1], part[:, -1]) for part in parts]
    for moments in (*halves, halves[0] + halves[1]):
        again = replace(moments, feature_names=list("abcde"))
        assert again.scatter.tobytes() == moments.scatter.tobytes()


def test_moments_of_several_targets_are_copied_with_their_labels():
    pandas = pytest.importorskip("pandas", reason="for labels")
    sklearn = pytest.importorskip("fastgd.sklearn", reason="for several targets", exc_type=ImportError)
    frame = pandas.DataFrame(np.random.default_rng(0).standard_normal((20, 2)), columns=["a", "b"])
    moments = sklearn.GDRegressor().partial_fit(frame, frame[["b", "a"]]).moments_
    again = pickle.loads(pickle.dumps(moments))
    assert (again.feature_names, again.scatter.tobytes()) == (["a", "b"], moments.scatter.tobytes())


def test_nobody_writes_into_moments():
    X, y = np.arange(12.0).reshape(6, 2), np.arange(6.0)
    moments = fastgd.Moments.from_rows(X, y)
    own = moments.scatter.copy()
    made = fastgd.Moments(6, 6.0, moments.mean, own)
    own[0] = 5.0
    assert made.scatter.tolist() == moments.scatter.tolist()
    copies = [copy.copy(moments), copy.deepcopy(moments), pickle.loads(pickle.dumps(moments))]
    for each in (moments, made, *copies, moments + moments, sum([moments, moments])):
        for array in (each.mean, each.scatter):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 5.0


# Some of the features.


def labelled(names=None, weighted=False):
    X, y, s = data(60, 4, weighted=weighted, offset=3.0)
    return X, y, s, replace(fastgd.Moments.from_rows(X, y, s), feature_names=names)


CHOSEN = [
    (list("abcd"), ["d", "b"], [3, 1]),
    (list("abcd"), [2], [2]),
    (list("abcd"), np.array([0, 3]), [0, 3]),
    (list("abcd"), ["c", 0], [2, 0]),
    (list("abcd"), dict.fromkeys("dcba"), [3, 2, 1, 0]),
    (None, range(1, 3), [1, 2]),
    (None, np.flatnonzero([True, False, True, False]), [0, 2]),
    ([2019, 2020, 2021, 2022], [2022, 2020], [3, 1]),
    ([3, 2, 1, 0], [0, 3], [3, 0]),
    ([True, "b", False, ("d", 1)], [False, ("d", 1)], [2, 3]),
]


@pytest.mark.parametrize(("names", "chosen", "places"), CHOSEN, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_some_features_have_the_moments_of_their_columns(names, chosen, places, weighted):
    X, y, s, moments = labelled(names, weighted)
    few = moments.select(chosen)
    assert (few.n_samples, few.total_weight) == (60, moments.total_weight)
    assert_near(few, exact.moments(X[:, places], y, s), 1e-13)
    result = fastgd.fit(few)
    expected = None if names is None else [names[j] for j in places]
    assert few.feature_names == result.feature_names == expected
    np.testing.assert_allclose(result.theta, fastgd.fit(X[:, places], y, sample_weight=s).theta, rtol=1e-9)


def test_names_of_some_features_travel_into_files_and_predictions():
    pandas = pytest.importorskip("pandas", reason="for labels")
    X, y, _, _ = labelled()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    few = fastgd.Moments.load(saved(fastgd.Moments.from_rows(frame, y).select(["d", "a"])))
    assert few.feature_names == ["d", "a"]
    expected = fastgd.fit(X[:, [3, 0]], y).predict(X[:, [3, 0]])
    np.testing.assert_allclose(fastgd.fit(few).predict(frame), expected, rtol=1e-9)
    again = few + fastgd.Moments.from_rows(frame[["a", "d"]], y)
    assert (again.feature_names, again.n_samples) == (["d", "a"], 120)


def test_nobody_writes_into_moments_of_some_features():
    moments = labelled()[3].select([1])
    with pytest.raises(ValueError, match="read-only"):
        moments.mean[0] = 5.0


def test_several_targets_stay_beside_some_features():
    X, y, _, _ = labelled()
    moments = replace(fastgd.Moments.from_rows(X, y), feature_names=list("abcd"))
    targets = fastgd.Moments._made(60, 60.0, moments.mean, moments.scatter, ["a", "b", "c"])  # d is a target, too
    few = targets.select([2, "a"])
    assert few.mean.tolist() == moments.mean[[2, 0, 3, 4]].tolist()
    with pytest.raises(ValueError, match="position 3, but there are 3 features"):
        targets.select([3])


LIST = "but a list of names or positions of features is expected"


@pytest.mark.parametrize(
    ("names", "chosen", "error", "said"),
    [
        (list("abcd"), "a", TypeError, rf"features='a' was given, {LIST}\. Give \['a'\]\."),
        (None, 2, TypeError, rf"features=2 was given, {LIST}\. Give \[2\]\."),
        (None, None, TypeError, rf"features=None was given, {LIST}\.$"),
        (None, [], ValueError, "but at least one feature is expected"),
        (list("abcd"), ["a", "c", "a"], ValueError, "features has 'a' twice, but each is expected once"),
        (list("abcd"), [0, "a"], ValueError, "features has 0 and 'a', which are one feature"),
        (None, [1, 1], ValueError, "features has 1 twice"),
        (list("abcd"), ["a", "e"], ValueError, r"There is no feature 'e', but 'a', 'b', 'c', 'd'\. Correct the name"),
        ([2019, 2020, 2021, 2022], [0], ValueError, "There is no feature 0, but 2019, 2020, 2021, 2022"),
        ([2019, 2020, 2021, 2022], ["2019"], ValueError, "There is no feature '2019'"),
        (None, ["a"], ValueError, "features has 'a', but these features have no names, as those of an array. Give pos"),
        (None, [4], ValueError, "the position 4, but there are 4 features. Give one from 0 to 3; positions are not"),
        (
            list("abcd"),
            [-1],
            ValueError,
            "the position -1, but .* or one of the names 'a', 'b', .* not counted from the end",
        ),
        (None, [1.0], ValueError, "features has 1.0, but these features have no names"),
        (list("abcd"), [["a"]], TypeError, rf"features has \['a'\], {LIST}"),
        (None, [True, False, True, False], TypeError, rf"features has True, {LIST}.*numpy.flatnonzero\(mask\)"),
        ([0, 1, 2, 3], np.array([True, False, False, False]), TypeError, "features has True"),
    ],
    ids=str,
)
def test_features_that_cannot_be_chosen_are_refused(names, chosen, error, said):
    with pytest.raises(error, match=said):
        labelled(names)[3].select(chosen)
