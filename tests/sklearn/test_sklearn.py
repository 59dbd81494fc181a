"""The estimator: scikit-learn's own checks, its tools around it, and other estimators' numbers."""

import pickle
import subprocess
import sys

import exact
import nist
import numpy as np
import problems
import pytest

import fastgd
from fastgd.cli import demo

sklearn = pytest.importorskip("sklearn", reason="the estimator is scikit-learn's")

from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LinearRegression, Ridge  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from fastgd.sklearn import GDRegressor  # noqa: E402


def training_set(n=400, k=5, n_targets=None):
    return problems.training_set(n, k, n_targets=n_targets)


CHECKED = [GDRegressor(), GDRegressor(method="cg"), GDRegressor(fit_intercept=False, precompute=False)]
MARK = parametrize_with_checks(CHECKED).mark


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(MARK.args[0], list(MARK.args[1]), **MARK.kwargs)  # 1.7 has a generator, pytest wants none
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_targets", [None, 1, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.2])
def test_coefficients_are_those_of_scikit_learn(n_targets, fit_intercept, weighted, l2):
    X, y = training_set(n_targets=n_targets)
    s = np.random.default_rng(1).integers(0, 4, len(X)) / 2 if weighted else None
    total = len(X) if s is None else s.sum()
    other = Ridge(alpha=l2 * total, solver="cholesky") if l2 else LinearRegression()
    other.set_params(fit_intercept=fit_intercept).fit(X, y, s)
    model = GDRegressor(l2=l2, fit_intercept=fit_intercept).fit(X, y, s)
    np.testing.assert_allclose(model.coef_, np.reshape(other.coef_, model.coef_.shape), rtol=1e-9)
    intercept = np.broadcast_to(other.intercept_, np.shape(model.intercept_))
    np.testing.assert_allclose(model.intercept_, intercept, atol=1e-9)
    assert model.coef_.shape == (5,) if n_targets is None else (n_targets, 5)
    assert model.predict(X).shape == y.shape
    np.testing.assert_allclose(model.predict(X), other.predict(X).reshape(y.shape), rtol=1e-9)
    assert model.score(X, y, s) == pytest.approx(other.score(X, y, s), rel=1e-12)


@pytest.mark.parametrize("layout", ["C", "F", "float32", "frame"])
@pytest.mark.parametrize("weighted", [False, True])
def test_several_targets_are_as_one_by_one(layout, weighted, monkeypatch):
    X, Y = training_set(n_targets=4)
    s = np.arange(len(X)) % 3 if weighted else None
    X = X.astype("f4") if layout == "float32" else np.array(X, order=layout if layout in "CF" else "F")
    given = pytest.importorskip("pandas").DataFrame(X, columns=list("abcde")) if layout == "frame" else X
    monkeypatch.setattr("fastgd.kernels.tuning.BLOCK_VALUES", 256)
    model = GDRegressor().fit(given, Y, s)
    for t, result in enumerate(model.result_):
        alone = fastgd.fit(X, Y[:, t], sample_weight=s)
        np.testing.assert_allclose(result.theta, alone.theta, rtol=1e-12)
        assert result.cost == pytest.approx(alone.cost, rel=1e-13)
        assert result.verified
        assert 2 <= result.n_passes <= alone.n_passes + 1  # moments of all targets are other sums
        residuals = X @ result.coef + result.intercept - Y[:, t]
        true = 2 * np.average(residuals[:, np.newaxis] * np.column_stack((np.ones(len(X)), X)), axis=0, weights=s)
        assert abs(result.gradient_norm - np.linalg.norm(true)) < 1e-13
        assert "verified" not in result.message


def test_several_targets_by_textbook_descent():
    X, Y = training_set(n_targets=2)
    options = {"method": "gd", "learning_rate": 0.005, "max_iter": 20, "tol": 0}
    for precompute in (True, False):
        model = GDRegressor(precompute=precompute, **options).fit(X, Y)
        for t in range(2):
            alone = fastgd.fit(X, Y[:, t], precompute=False, **options)
            np.testing.assert_allclose(model.result_[t].theta, alone.theta, rtol=1e-10)
            np.testing.assert_allclose(model.history_[t]["cost"][0], np.mean(Y[:, t] ** 2), rtol=1e-10)
    assert model.n_iter_ == 20


def test_several_targets_keep_the_digits_of_correlated_columns():
    rng = np.random.default_rng(5)
    Q, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    X = rng.standard_normal((3000, 6)) @ (Q * np.logspace(0, -6, 6)) @ Q.T
    Y = X @ rng.standard_normal((6, 2)) + 1e-3 * rng.standard_normal((3000, 2))
    for t, result in enumerate(GDRegressor().fit(X, Y).result_):
        # A fit to few rows goes on in twice the precision where the next step would change more than 1e-13 of theta.
        expected = exact.least_squares(X, Y[:, t])
        np.testing.assert_allclose(result.theta, expected, atol=1e-13 * abs(expected).max())


@pytest.mark.filterwarnings("ignore::fastgd.ConvergenceWarning")
@pytest.mark.parametrize(
    "options",
    [{"method": "gd", "max_iter": 7, "tol": 0}, {"method": "cg", "max_iter": 2}, {"standardize": True, "l2": 0.5}],
    ids=str,
)
def test_several_targets_end_where_one_by_one_would(options):
    X, Y = training_set(n_targets=2)
    model = GDRegressor(**options).fit(X, Y)
    for t in range(2):
        np.testing.assert_allclose(model.coef_[t], fastgd.fit(X, Y[:, t], **options).coef, rtol=1e-9)


@pytest.mark.parametrize("n_targets", [None, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_partial_fits_are_one_fit(n_targets, weighted):
    X, y = training_set(n_targets=n_targets)
    s = np.random.default_rng(2).random(len(X)) if weighted else None
    whole = GDRegressor().fit(X, y, s)
    order = np.random.default_rng(3).permutation(len(X))
    for cuts in ([1, 2, 350], list(range(25, 400, 25))):
        model = GDRegressor()
        for rows in np.split(order, cuts):
            model.partial_fit(X[rows], y[rows], None if s is None else s[rows])
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-10)
        np.testing.assert_allclose(model.intercept_, whole.intercept_, rtol=1e-9)
        assert model.moments_.n_samples == 400
    model.fit(X, y, s)
    assert not hasattr(model, "moments_")  # a fit begins anew


def test_rows_that_do_not_go_with_those_before_change_nothing():
    X, y = training_set()
    model = GDRegressor().partial_fit(X, y)
    before = pickle.dumps(model)
    for bad_X, bad_y, text in (
        (X[:, :3], y, "X has 3 features"),
        (np.full_like(X, np.nan), y, "is NaN or infinite"),
        (X, np.column_stack((y, y)), "y has 2 targets, but those before had 1"),
    ):
        with pytest.raises(ValueError, match=text):
            model.partial_fit(bad_X, bad_y)
        assert pickle.dumps(model) == before


def test_pipelines_searches_and_cross_validation():
    X, y = training_set()
    pipeline = make_pipeline(StandardScaler(), GDRegressor())
    np.testing.assert_allclose(pipeline.fit(X, y).predict(X), LinearRegression().fit(X, y).predict(X), rtol=1e-9)
    search = GridSearchCV(pipeline, {"gdregressor__l2": [0.0, 10.0]}).fit(X, y)
    assert search.best_params_ == {"gdregressor__l2": 0.0}
    expected = cross_val_score(LinearRegression(), X, y)
    np.testing.assert_allclose(cross_val_score(GDRegressor(), X, y), expected, rtol=1e-9)


@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.processes), "threading"])
def test_two_jobs_at_once(backend):
    joblib = pytest.importorskip("joblib", reason="scikit-learn brings it")
    X, y = training_set(n=60_000, k=10)  # so much that a pass is shared among threads
    with joblib.parallel_backend(backend):
        scores = cross_val_score(GDRegressor(), X, y, n_jobs=2)
    np.testing.assert_allclose(scores, cross_val_score(LinearRegression(), X, y), rtol=1e-9)


def test_sample_weights_are_routed():
    X, y = training_set()
    s = np.arange(len(X)) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        model = GDRegressor().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(model).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(pipeline.predict(X), LinearRegression().fit(X, y, s).predict(X), rtol=1e-9)


@pytest.mark.filterwarnings("ignore::fastgd.ConvergenceWarning")
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("n_targets", [None, 2])
def test_a_warm_start_goes_on(n_targets, intercept):
    X, y = training_set(n_targets=n_targets)
    options = {"method": "gd", "learning_rate": 0.01, "tol": 0, "fit_intercept": intercept}
    model = GDRegressor(max_iter=30, warm_start=True, **options).fit(X, y).fit(X, y)
    straight = GDRegressor(max_iter=60, **options).fit(X, y)
    np.testing.assert_allclose(model.coef_, straight.coef_, rtol=1e-9)
    # With another number of features there is nothing to go on from.
    anew = GDRegressor(max_iter=30, **options).fit(X[:, :2], y)
    np.testing.assert_array_equal(model.fit(X[:, :2], y).coef_, anew.coef_)


def test_frames_are_matched_by_scikit_learns_rules():
    X, y = training_set(k=4)
    frame = labelled(X, "years")[0].set_axis(list("abcd"), axis="columns")
    model = GDRegressor().fit(frame, y)
    assert model.feature_names_in_.tolist() == model.result_.feature_names == list("abcd")
    np.testing.assert_allclose(model.predict(frame), GDRegressor().fit(X, y).predict(X), rtol=1e-12)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("dcba")])
    with pytest.raises(TypeError, match="Column 'b' of X has dtype"):
        GDRegressor().fit(frame.assign(b="text"), y)


LABELS = {
    "years": [2021, 2019, 2022, 2020],
    "floats": [0.5, 3.0, 1.5, -1.0],
    "dates": ["2021-05-01", "2020-05-01", "2023-05-01", "2019-05-01"],
    "tuples": [("a", 1), ("b", 1), ("a", 2), ("b", 2)],
}


def labelled(X, kind):
    """Return a frame, and pandas, which makes it."""
    pd = pytest.importorskip("pandas", reason="labels come from data frames")
    pytest.importorskip("narwhals", reason="data frames need narwhals")
    labels = pd.to_datetime(LABELS[kind]) if kind == "dates" else pd.Index(LABELS[kind])
    return pd.DataFrame(X, columns=labels), pd


@pytest.mark.filterwarnings("ignore:X has feature names, but:UserWarning")  # scikit-learn's, as there were none
@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("n_targets", [None, 2])
@pytest.mark.parametrize("by_moments", [False, True])
def test_labels_that_are_no_text_are_matched(kind, n_targets, by_moments):
    X, y = training_set(k=4, n_targets=n_targets)
    frame, pd = labelled(X, kind)
    model = GDRegressor()
    fit = model.partial_fit if by_moments else model.fit
    fit(frame, y)
    assert not hasattr(model, "feature_names_in_")
    expected = LinearRegression().fit(X, y)
    for given in (frame, frame.iloc[:, [3, 1, 0, 2]], X):
        np.testing.assert_allclose(model.predict(given), expected.predict(X), rtol=1e-8)
        assert model.score(given, y) == pytest.approx(expected.score(X, y), rel=1e-12)
    before = pickle.dumps(model)
    for other in (frame.set_axis(list("abcd"), axis="columns"), pd.DataFrame(X)):
        with pytest.raises(ValueError, match=r"X has no column .*, but the fit had.*X\.to_numpy\(\)"):
            model.predict(other)
        if by_moments:
            with pytest.raises(ValueError, match=r"Moments of the columns .* cannot be added.*X\.to_numpy\(\)"):
                model.partial_fit(other, y)
            assert pickle.dumps(model) == before
    with pytest.raises(ValueError, match="X has 3 features"):
        model.predict(frame.iloc[:, :3])


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("n_targets", [None, 2])
@pytest.mark.parametrize("first", ["frame", "array"])
def test_partial_fits_match_labels_that_are_no_text(kind, n_targets, first):
    X, y = training_set(k=4, n_targets=n_targets)
    frame, _ = labelled(X, kind)
    turned = frame.iloc[:, [3, 1, 0, 2]]
    batches = (X[:100], frame[100:250], turned[250:]) if first == "array" else (frame[:100], turned[100:250], X[250:])
    model = GDRegressor()
    for batch, targets in zip(batches, np.split(y, [100, 250]), strict=True):
        model.partial_fit(batch, targets)
    expected = LinearRegression().fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-8)
    np.testing.assert_allclose(model.predict(turned), expected.predict(X), rtol=1e-8)
    results = model.result_ if n_targets else [model.result_]
    for result, coef in zip(results, np.atleast_2d(expected.coef_), strict=True):
        np.testing.assert_allclose(result.predict(turned), X @ coef + result.intercept, rtol=1e-8)
    model.fit(X, y)  # begins anew, without labels
    np.testing.assert_allclose(model.predict(turned.iloc[:, [2, 1, 3, 0]]), expected.predict(X), rtol=1e-8)


def test_a_frame_of_numbers_is_not_taken_for_one_of_names():
    X, y = training_set(k=4)
    frame, pd = labelled(X, "years")
    model = GDRegressor().fit(frame.set_axis(list("abcd"), axis="columns"), y)
    with (
        pytest.warns(UserWarning, match="X does not have valid feature names"),
        pytest.raises(ValueError, match=r"X has no column 'a', 'b', 'c', 'd', but the fit had\. It has 0, 1, 2, 3\."),
    ):
        model.predict(pd.DataFrame(X))
    with pytest.raises(TypeError, match="names are only supported if all input features have string names"):
        GDRegressor().fit(frame.set_axis(["a", 1, 2, 3], axis="columns"), y)


def test_several_targets_whose_moments_leave_float64_are_named_beside_labels():
    X, Y = training_set(k=4, n_targets=2)
    frame, _ = labelled(X, "years")
    model = GDRegressor().partial_fit(frame, Y)
    for far_X, far_Y, said in (
        (0.0, [0.0, 2e153], "y exceed float64 in column 1"),
        ([0.0, 2e153, 0.0, 0.0], 0.0, "X exceed float64 in column 2019"),
    ):
        with pytest.raises(ValueError, match=f"squares of {said}"):
            model.partial_fit(frame * 1e140 + far_X, Y * 1e140 + far_Y)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"method": "newton"}, "method='newton'"),
        ({"l2": -1.0}, "l2=-1.0"),
        ({"n_jobs": 0}, "n_jobs=0 was given, but a whole number other than 0"),
        ({"n_jobs": 2.0}, "n_jobs=2.0"),
        ({"n_jobs": True}, "n_jobs=True"),
        ({"max_iter": "many"}, "max_iter='many'"),
        ({"method": ["gd"]}, "method="),
        ({"learning_rate": "fast"}, "learning_rate='fast'"),
    ],
)
@pytest.mark.parametrize("n_targets", [None, 2])
def test_parameters_out_of_range_are_named(options, text, n_targets):
    with pytest.raises((ValueError, TypeError), match=text):
        GDRegressor(**options).fit(*training_set(n_targets=n_targets))


def test_n_jobs_counts_as_scikit_learn_does():
    X, y = training_set(n=60_000, k=10)
    bits = {GDRegressor(n_jobs=n_jobs).fit(X, y).coef_.tobytes() for n_jobs in (None, 1, 2, -1, np.int64(-1), -100)}
    assert len(bits) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_targets_that_are_not_finite_are_named(bad):
    X, Y = training_set(n_targets=3)
    Y[7, 2] = bad
    with pytest.raises(ValueError, match=r"y in row 7, column 2|Input y contains"):
        GDRegressor().fit(X, Y)


def run(code):
    """Run code in an interpreter of its own."""
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True)


@pytest.mark.processes
def test_without_scikit_learn_it_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None\nimport fastgd\n"
    code += "try: from fastgd.sklearn import GDRegressor\nexcept ImportError as error: print(error)"
    assert "pip install 'fastgd[sklearn]'" in run(code).stdout


def one_hot(n=120):
    rng = np.random.default_rng(6)
    kind, x = rng.permutation(np.arange(n) % 4), rng.standard_normal(n)
    return np.column_stack((np.eye(4)[kind], x)), kind + 2 * x + rng.standard_normal(n)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_targets", [None, 2])
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_dependent_columns_are_told_by_the_rank_alone(fit_intercept, n_targets, partial, as_sparse):
    X, y = one_hot()  # warnings are errors
    y = y if n_targets is None else np.column_stack((y, -2 * y))
    expected = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    given = pytest.importorskip("scipy.sparse").csr_array(X) if as_sparse else X
    model = GDRegressor(fit_intercept=fit_intercept)
    model = model.partial_fit(given, y) if partial else model.fit(given, y)
    assert model.rank_ == expected.rank_ == 5 - fit_intercept
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-8)
    message = (model.result_ if n_targets is None else model.result_[1]).message
    assert ("rank is 5 for 6 parameters" in message) is fit_intercept
    assert GDRegressor(method="cg").fit(X, y).rank_ is None


def test_the_estimator_warns_of_no_convergence_at_the_users_line():
    X, y = training_set(n_targets=2)
    model = GDRegressor(method="gd", max_iter=2)
    calls = [
        lambda: model.fit(X, y[:, 0]),
        lambda: model.fit(X, y),
        lambda: clone(model).partial_fit(X, y[:, 0]),
        lambda: make_pipeline(StandardScaler(), model).fit(X, y[:, 0]),
        lambda: cross_val_score(model, X, y[:, 0]),
    ]
    for call in calls:
        with pytest.warns(fastgd.ConvergenceWarning, match=r"^Not converged within max_iter=2") as caught:
            call()
        assert {(each.filename, each.lineno) for each in caught} == {(__file__, call.__code__.co_firstlineno)}


@pytest.mark.processes
def test_a_warning_without_a_user_is_at_the_outermost_line():
    """As in a worker process of joblib's, whose frames are all others'."""
    code = "from fastgd import exceptions\n__name__ = 'joblib.worker'\nexceptions.warn('so', exceptions.RankWarning)"
    assert "<string>:3: RankWarning: so" in run("import warnings; warnings.simplefilter('always'); " + code).stderr


@pytest.mark.parametrize("n_targets", [None, 2])
@pytest.mark.parametrize("weight", [2, 0.25, np.float32(2), np.int64(3)])
def test_one_number_is_the_weight_of_each_row(n_targets, weight):
    X, y = training_set(n_targets=n_targets)
    expected = LinearRegression().fit(X, y, weight)
    model = GDRegressor().fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-9)
    np.testing.assert_array_equal(GDRegressor().fit(X, y, np.full(len(X), weight)).coef_, model.coef_)
    assert model.score(X, y, weight) == pytest.approx(expected.score(X, y), rel=1e-12)
    joined = GDRegressor().partial_fit(X[:300], y[:300], weight).partial_fit(X[300:], y[300:], weight)
    np.testing.assert_allclose(joined.coef_, expected.coef_, rtol=1e-9)
    assert joined.moments_.total_weight == pytest.approx(400 * weight)


@pytest.mark.parametrize("weight", [-1.0, 0, np.nan, np.inf])
def test_a_weight_of_each_row_is_positive(weight):
    X, y = training_set()
    model = GDRegressor().fit(X, y)
    for call in (model.fit, model.partial_fit, model.score):
        with pytest.raises(ValueError, match=r"sample_weight=\S+ was given, but a finite number > 0 .*for each row"):
            call(X, y, weight)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_intercept_has_the_type_of_scikit_learns(fit_intercept):
    X, y = training_set()
    model = GDRegressor(fit_intercept=fit_intercept).fit(X, y)
    assert model.intercept_.shape == ()
    assert model.intercept_.dtype == np.float64
    assert bool(model.intercept_) is fit_intercept


@pytest.mark.processes
@pytest.mark.parametrize("by", ["pickle", "joblib"])
def test_loaded_models_predict_without_numba(by, tmp_path):
    library = pytest.importorskip(by, reason="scikit-learn brings joblib")
    models = []
    for n_targets in (None, 2):
        X, y = training_set(n_targets=n_targets)
        models += [GDRegressor().partial_fit(X, y), make_pipeline(StandardScaler(), GDRegressor()).fit(X, y)]
    path = tmp_path / "models"
    with open(path, "wb") as file:
        library.dump(models, file)
    code = (
        f"import sys, {by}, numpy as np\n"
        f"for model in {by}.load(open({str(path)!r}, 'rb')):\n"
        "    y = model.predict(np.ones((2, 5)))\n"
        "    print(y.tolist(), model.score(np.eye(5), np.eye(5)[:, :2] if y.ndim > 1 else np.eye(5)[:, 0]) < 1)\n"
        "import fastgd.sklearn\nprint(*{'numba', 'llvmlite', 'dask'} & {*sys.modules})"
    )
    expected = [f"{model.predict(np.ones((2, 5))).tolist()} True" for model in models]
    assert run(code).stdout.splitlines() == [*expected, ""]


def test_a_column_of_targets_has_the_digits_of_each():
    (X, y, certified), _ = nist.SETS["Wampler4"]
    X, y = np.asarray(X).reshape(len(y), -1), np.asarray(y)
    one, several = GDRegressor().fit(X, y), GDRegressor().fit(X, np.column_stack((y, 2 * y, X[:, 0])))
    column = GDRegressor().fit(X, y[:, np.newaxis])
    assert column.coef_[0].tobytes() == one.coef_.tobytes()
    for theta in (one.result_.theta, several.result_[0].theta, several.result_[1].theta / 2):
        assert min(demo.agreeing_digits(t, c) for t, c in zip(theta.tolist(), certified, strict=True)) >= 14
    assert {result.rank for result in (one.result_, column.result_[0], *several.result_)} == {6}


def test_several_targets_know_columns_that_nearly_agree():
    rng = np.random.default_rng(0)  # two timestamps 20 ms apart
    start = 1.7e9 + np.sort(rng.uniform(0, 1e6, 50))
    X = np.column_stack((start, start + 0.02 * (1 + rng.random(50))))
    Y = rng.standard_normal((50, 2))
    together = GDRegressor().fit(X, Y)
    for t in range(2):
        apart = GDRegressor().fit(X, Y[:, t])
        assert apart.result_.rank == together.result_[t].rank == 3
        np.testing.assert_allclose(together.coef_[t], apart.coef_, rtol=1e-6)
        expected = np.linalg.lstsq(X - X.mean(axis=0), Y[:, t] - Y[:, t].mean(), rcond=1e-14)[1].item()
        assert apart.result_.cost * 50 == pytest.approx(expected, rel=1e-9)


def test_a_score_is_told_of_what_a_fit_would_take():
    X, y = problems.training_set(60, 3)
    model = GDRegressor().fit(X, y)
    weight = np.linspace(1, 2, 60)
    residual, distance = y - model.predict(X), y - np.average(y, weights=weight)
    assert model.score(X, y, weight) == pytest.approx(1 - weight @ residual**2 / (weight @ distance**2), rel=1e-12)
    dates = np.datetime64("2020-01-01", "D") + np.arange(60)
    for wrong in ((X, dates), (X, dates - dates[0]), (X, y, -weight), (X, y, dates), (X, y, np.full(60, np.nan))):
        with pytest.raises((TypeError, ValueError)):
            model.score(*wrong)
        with pytest.raises((TypeError, ValueError)):
            model.fit(*wrong)
