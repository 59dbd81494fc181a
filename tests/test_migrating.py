"""What docs/migrating.rst says, line by line, held against scikit-learn."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from problems import features, scale_free
from test_sklearn import training_set

import fastgd

sklearn = pytest.importorskip("sklearn", reason="the page is about scikit-learn")

from sklearn.linear_model import LinearRegression, Ridge, SGDRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.fixes import parse_version  # noqa: E402

from fastgd.sklearn import GDRegressor  # noqa: E402

PAGE = (Path(__file__).parent.parent / "docs" / "migrating.rst").read_text(encoding="utf-8")
EPS = np.finfo(float).eps


def standardised(**shape):
    X, y = training_set(**shape)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def frame_of(library, columns, names):
    pytest.importorskip("narwhals", reason="data frames need narwhals")
    frames = pytest.importorskip(library, reason="the frames are its own")
    make = frames.table if library == "pyarrow" else frames.DataFrame
    return make(dict(zip(names, columns, strict=True)))


def peak(call):
    """Return the most memory that a call takes, in bytes."""
    call()
    tracemalloc.start()
    call()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


# From LinearRegression.


@pytest.mark.parametrize("n_targets", [None, 2])
def test_the_lines_that_change(n_targets):
    X, y = training_set(n_targets=n_targets)
    before, after = ("".join(re.findall(rf"^   {sign}(.*\n)", PAGE, flags=re.MULTILINE)) for sign in ("-", r"\+"))
    old, new = {"X": X, "y": y}, {"X": X, "y": y}
    exec(before, old)
    exec(after, new)
    assert [type(each["model"]).__name__ for each in (old, new)] == ["LinearRegression", "GDRegressor"]
    np.testing.assert_allclose(new["model"].coef_, old["model"].coef_, rtol=1e-12)
    np.testing.assert_allclose(new["model"].intercept_, old["model"].intercept_, rtol=1e-11)


@pytest.mark.parametrize("shape", [(10, 30), (5, 400), (30, 31)])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_targets", [None, 2])
def test_more_columns_than_rows_have_the_least_norm_told_by_the_rank_alone(shape, fit_intercept, n_targets):
    X, y = training_set(*shape, n_targets=n_targets)
    expected = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    model = GDRegressor(fit_intercept=fit_intercept).fit(X, y)  # warnings are errors
    assert model.rank_ == expected.rank_ == shape[0] - fit_intercept
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-12)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-9)
    shortest = X - fit_intercept * X.mean(axis=0)  # its rows span what the least norm is made of
    coef = np.atleast_2d(model.coef_).T
    np.testing.assert_allclose(np.linalg.pinv(shortest) @ (shortest @ coef), coef, atol=1e-12)


def test_a_fit_says_which_columns_depend_on_each_other():
    X, y = training_set()
    X[:, 3] = X[:, 0] - 2 * X[:, 1]
    with pytest.warns(fastgd.RankWarning, match="columns 0, 1, 3 of X depend on each other"):
        fastgd.fit(X, y)


@pytest.mark.skipif(parse_version(sklearn.__version__) < parse_version("1.9"), reason="what 1.9 has brought")
@pytest.mark.parametrize("near", [False, True])
def test_directions_that_are_small_are_told_apart(near):
    X, y = training_set(k=2)
    X = np.column_stack((X[:, 0], X[:, 0] + 1e-7 * X[:, 1])) if near else X * [1e7, 1.0]
    y = y + X[:, 0] / abs(X[:, 0]).max()
    model, other, wider = GDRegressor().fit(X, y), LinearRegression(tol=1e-15).fit(X, y), LinearRegression().fit(X, y)
    assert (model.rank_, other.rank_, wider.rank_) == (2, 2, 1)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-6)
    if near:
        assert wider.coef_[0] == pytest.approx(wider.coef_[1], rel=1e-4)
    else:
        assert abs(wider.coef_[1]) < 1e-6 * abs(model.coef_[1])


# From Ridge and SGDRegressor.


def test_a_penalty_has_the_same_size_as_those_of_scikit_learn():
    X, y = standardised(n=300, k=3)
    s = np.random.default_rng(2).integers(1, 4, len(X)).astype(float)
    ridge = Ridge(alpha=30.0).fit(X, y, s)
    np.testing.assert_allclose(GDRegressor(l2=30.0 / s.sum()).fit(X, y, s).coef_, ridge.coef_, rtol=1e-9)
    # At the minimum 1/(2n) sum r^2 + a/2 |coef|^2 has no gradient; an average of late steps is within a few per cent of it.
    a = 0.5
    other = SGDRegressor(alpha=a, average=10_000, max_iter=200, tol=None, random_state=0).fit(X, y)
    coef = GDRegressor(l2=a).fit(X, y).coef_
    np.testing.assert_allclose(X.T @ (X @ coef - (y - y.mean())) / len(y) + a * coef, 0.0, atol=1e-12)
    np.testing.assert_allclose(other.coef_, coef, rtol=0.05)
    assert abs(GDRegressor(l2=a / 2).fit(X, y).coef_ / coef - 1).min() > 0.1


def test_there_is_one_loss():
    assert "loss" not in GDRegressor().get_params()
    X, y = training_set()
    squares = np.linalg.lstsq(features(X), y)[0]
    np.testing.assert_allclose(GDRegressor().fit(X, y).result_.theta, squares, rtol=1e-10)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_half_of_eta0_is_the_same_step(fit_intercept, alpha):
    X, y = np.array([[1.5, -2.0]]), np.array([3.0])  # of one row both have the same gradient
    options = {"max_iter": 3, "fit_intercept": fit_intercept}
    other = SGDRegressor(learning_rate="constant", eta0=0.1, alpha=alpha, tol=None, **options).fit(X, y)
    model = GDRegressor(method="gd", learning_rate=0.1 / 2, l2=alpha, tol=0, **options).fit(X, y)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-14)
    np.testing.assert_allclose(model.intercept_, other.intercept_.item(), rtol=1e-14)


def test_an_iteration_takes_one_gradient_of_all_rows():
    X, y = training_set()
    options = {"method": "gd", "learning_rate": 0.01, "tol": 0, "precompute": False}
    fits = [GDRegressor(max_iter=max_iter, **options).fit(X, y) for max_iter in (10, 30)]
    assert [model.n_iter_ for model in fits] == [10, 30]
    assert fits[1].result_.n_passes - fits[0].result_.n_passes == 20
    other = SGDRegressor(max_iter=10, tol=None, random_state=0).fit(X, y)
    assert (other.n_iter_, other.t_ - 1) == (10, 10 * len(X))  # an epoch is a step for each row


@pytest.mark.parametrize("method", ["gd", "nesterov", "cg"])
@pytest.mark.parametrize("tol", [1e-3, 1e-8])
def test_tol_is_a_bound_on_the_gradient(method, tol):
    X, y = training_set()
    X -= X.mean(axis=0)
    options = {"method": method, "precompute": False}
    model = GDRegressor(tol=tol, **options).fit(X, y)
    assert scale_free(X, y, model.result_.theta) <= tol
    before = GDRegressor(max_iter=model.n_iter_ - 1, tol=0, **options).fit(X, y)
    assert scale_free(X, y, before.result_.theta) > tol


def test_no_tol_is_the_methods_own_and_zero_takes_every_iteration():
    X, y = standardised()
    every, own = (GDRegressor(method="gd", max_iter=200, tol=tol).fit(X, y) for tol in (0, None))
    assert every.n_iter_ == 200 == SGDRegressor(max_iter=200, tol=None, random_state=0).fit(X, y).n_iter_
    assert own.n_iter_ < 100
    assert own.result_.converged


@pytest.mark.filterwarnings("ignore::fastgd.ConvergenceWarning")  # of the first few rows
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_batches_of_any_size_in_any_order_are_one_fit(l2, fit_intercept):
    X, y = training_set(n=60)
    options = {"fit_intercept": fit_intercept, "l2": l2}
    expected = GDRegressor(**options).fit(X, y)
    for order in (np.arange(60), np.arange(60)[::-1], np.random.default_rng(0).permutation(60)):
        for size in (1, 7, 60):
            model = GDRegressor(**options)
            for rows in np.split(order, range(size, 60, size)):
                model.partial_fit(X[rows], y[rows])
            np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-11)
            np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-11)


def test_rows_that_are_given_twice_count_twice_and_those_of_a_fit_do_not():
    X, y = training_set()
    twice = GDRegressor().partial_fit(X, y).partial_fit(X[:100], y[:100])
    expected = LinearRegression().fit(X, y, 1.0 + (np.arange(len(X)) < 100))
    np.testing.assert_allclose(twice.coef_, expected.coef_, rtol=1e-10)
    after = GDRegressor().fit(X, y).partial_fit(X[:100], y[:100])
    np.testing.assert_allclose(after.coef_, LinearRegression().fit(X[:100], y[:100]).coef_, rtol=1e-10)


@pytest.mark.parametrize("digits", [2, 3, 4, 5])
def test_columns_that_agree_cost_batches_twice_as_many_digits(digits):
    X, y = standardised(k=3)
    X[:, 2] = X[:, 0] + 10.0**-digits * X[:, 2]
    whole, batches = GDRegressor().fit(X, y), GDRegressor().partial_fit(X[::2], y[::2]).partial_fit(X[1::2], y[1::2])
    error = np.linalg.norm(batches.coef_ - whole.coef_) / np.linalg.norm(whole.coef_)
    lost = EPS * 10.0 ** (2 * digits)
    assert lost / 100 < error < 100 * lost


@pytest.mark.parametrize(
    "options",
    [{}, {"method": "gd", "standardize": True}, {"method": "nesterov", "standardize": True}, {"method": "cg"}],
)
def test_nothing_is_drawn(options):
    X, y = training_set(n=60_000)
    state = np.random.get_state()[1].tobytes()  # noqa: NPY002
    fits = [GDRegressor(n_jobs=n_jobs, **options).fit(X, y) for n_jobs in (None, None, 1, 3)]
    assert len({model.result_.theta.tobytes() for model in fits}) == 1
    assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002
    assert len({SGDRegressor(random_state=i).fit(X[:100], y[:100]).coef_.tobytes() for i in range(2)}) == 2


def test_without_a_penalty_there_is_no_need_of_a_scaler():
    X, y = training_set()
    X = X * np.logspace(-4, 4, 5) + np.logspace(-4, 4, 5)
    scaled = make_pipeline(StandardScaler(), LinearRegression()).fit(X, y)
    np.testing.assert_allclose(GDRegressor().fit(X, y).predict(X), scaled.predict(X), rtol=1e-9)
    textbook = GDRegressor(method="gd", standardize=True, precompute=False).fit(X, y)
    assert textbook.result_.converged
    np.testing.assert_allclose(textbook.predict(X), scaled.predict(X), rtol=1e-5)
    with pytest.warns(fastgd.ConvergenceWarning, match="Not converged"):
        GDRegressor(method="gd", precompute=False).fit(X, y)


@pytest.mark.parametrize("method", ["auto", "gd", "cg"])
def test_a_penalty_behind_a_scaler_is_one_on_standardised_features(method):
    X, y = training_set()
    X *= np.logspace(-2, 2, 5)
    scaled = make_pipeline(StandardScaler(), Ridge(alpha=0.1 * len(X))).fit(X, y).predict(X)
    model = GDRegressor(l2=0.1, standardize=True, method=method, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.predict(X), scaled, rtol=1e-7)
    assert abs(GDRegressor(l2=0.1).fit(X, y).predict(X) / scaled - 1).max() > 0.01


# Data frames and sparse matrices.


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_are_read_without_a_copy_and_their_labels_are_known(library):
    X, y = training_set(n=200_000, k=4)
    frame, turned, theta = (
        frame_of(library, X.T.copy(), "abcd"),
        frame_of(library, X.T[[3, 1, 0, 2]], "dbac"),
        np.arange(4.0),
    )
    for call in (
        lambda: fastgd.gradient(frame, y, theta),
        lambda: fastgd.fit(frame, y),
        lambda: GDRegressor().fit(frame, y),
    ):
        assert peak(call) < X.nbytes / 2 + 2e6
    result, model = fastgd.fit(frame, y), GDRegressor().fit(frame, y)
    expected = LinearRegression().fit(X, y)
    for coef in (result.coef, model.coef_):
        np.testing.assert_allclose(coef, expected.coef_, rtol=1e-9)
    np.testing.assert_allclose(result.predict(turned), expected.predict(X), rtol=1e-9)
    assert result.score(turned, y) == pytest.approx(expected.score(X, y), rel=1e-9)
    for estimator in (model, LinearRegression().fit(frame, y)) if library == "pandas" else (model,):
        with pytest.raises(ValueError, match="Feature names must be in the same order as they were in fit"):
            estimator.predict(turned)
    as_they_come = fastgd.reference.gradient(X[:, [3, 1, 0, 2]], y, theta)
    np.testing.assert_allclose(fastgd.gradient(turned, y, theta), as_they_come, rtol=1e-9)


def test_the_estimator_finds_labels_that_are_no_text():
    X, y = training_set(k=4)
    frame = frame_of("pandas", X.T, [2021, 2019, 2022, 2020])
    model = GDRegressor().fit(frame, y)
    np.testing.assert_allclose(model.predict(frame[[2019, 2020, 2021, 2022]]), model.predict(X), rtol=1e-12)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("call", ["fit", "gradient", "the estimator"])
def test_nulls_text_and_nan_are_refused_with_the_label(library, call):
    y = np.array([1.0, 2.0, 4.0])
    call_of = {
        "fit": lambda X: fastgd.fit(X, y),
        "gradient": lambda X: fastgd.gradient(X, y, np.ones(2)),
        "the estimator": lambda X: GDRegressor().fit(X, y),
    }[call]
    values = np.array([[1.0, 2.0], [3.0, 5.0], [6.0, np.nan]])
    frames = pytest.importorskip(library)
    for bad, error in (([1, None, 3], ValueError), (["x", "y", "z"], TypeError)):
        bad = bad if library == "polars" else frames.array(bad)
        with pytest.raises(error, match="Column 'b' of X has"):
            call_of(frame_of(library, [values[:, 0], bad], "ab"))
    frame = frame_of(library, values.T.copy(), "ab")
    if call == "gradient":
        assert np.isnan(call_of(frame)).all()
        assert np.isnan(call_of(values)).all()
    else:
        with pytest.raises(ValueError, match=r"X in row 2, column 'b' .*is NaN or infinite"):
            call_of(frame)


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_stored_values_alone_are_read(form):
    matrices = pytest.importorskip("scipy.sparse", reason="sparse matrices are scipy's")
    X, theta = matrices.random(50_000, 200, density=0.02, random_state=0, format=form), np.zeros(200)
    y = X @ np.ones(200) + np.random.default_rng(0).standard_normal(50_000)
    stored = X.nnz * (8 + 4)  # a copy in rows, on the way to which scipy holds another, and as much again for sums
    of_gradient = peak(lambda: fastgd.gradient(X, y, theta))
    assert of_gradient < 3 * stored < X.shape[0] * X.shape[1] * 8 / 10
    assert peak(lambda: GDRegressor().fit(X, y)) < 3 * stored
    expected = fastgd.reference.gradient(X.toarray(), y, theta)
    np.testing.assert_allclose(fastgd.gradient(X, y, theta), expected, rtol=1e-9)
    if form == "csr":
        assert of_gradient < X.data.nbytes / 2
