"""What "converged" says of columns far from zero, constants, and columns that nearly depend, by every method."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from exact import least_squares

import fastgd
from fastgd.sklearn import GDRegressor

METHODS = ("auto", "cg", "gd", "nesterov")
U = 2.0**-53


def batches(X, y):
    return fastgd.from_batches(lambda: ((X[i : i + 64], y[i : i + 64]) for i in range(0, len(y), 64)))


HOMES = {
    "rows": lambda X, y: (X, y),
    "columns": lambda X, y: (np.asfortranarray(X), y),
    "sparse": lambda X, y: (scipy.sparse.csr_array(X), y),
    "batches": lambda X, y: (batches(X, y),),
    "moments": lambda X, y: (fastgd.Moments.from_rows(X, y),),
}


def fitted(*args, **options):
    """Return a fit, and the categories of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fastgd.fit(*args, **options)
    return result, {warning.category for warning in caught}


def unexplained(X, y, result):
    """Return which share of the residuals the features still explain: the root of 1 - (smallest |r|^2 / |r|^2)."""
    centred, about_mean = X - X.mean(axis=0), y - y.mean()
    # X @ coef alone would be rounded as far from zero as the columns are.
    r = about_mean - centred @ result.coef
    r = r - (r.mean() - 0.0)
    explained = centred @ np.linalg.lstsq(centred, r)[0]
    return np.linalg.norm(explained) / np.linalg.norm(r)


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("standardize", [False, True])
def test_what_has_converged_is_the_minimum_however_far_columns_are_from_zero(method, standardize, home):
    n_judged = 0
    for power in (0, 2, 4, 5, 6, 7, 8):
        rng = np.random.default_rng(power)
        X = rng.standard_normal((300, 3)) * [1.0, 2.0, 0.5] + 10.0**power
        y = X @ [1.0, -2.0, 0.5] + 0.1 * rng.standard_normal(300)
        result, told = fitted(*HOMES[home](X, y), method=method, standardize=standardize)
        assert result.converged != (fastgd.ConvergenceWarning in told)
        if result.converged:
            n_judged += 1
            # tol is met by each of four columns, or a gradient is rounding, whose share of the residuals of 0.1 is this.
            rounding = 8 * U * 10.0**power * 10 / 0.1
            assert unexplained(X, y, result) <= 2 * max(1e-8, rounding) * np.sqrt(len(result.theta)), power
    # Steps of textbook descents are too small for columns far from zero, unless these are standardised.
    assert n_judged == 7 or not (standardize or method in ("auto", "cg"))


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("noise", [False, True])
def test_a_penalty_leaves_nothing_of_a_constant(method, standardize, home, noise):
    n_judged = 0
    for seed, constant in enumerate((0.3, 2020.0, 1.7e9, -7.7e7)):
        for l2 in (1e-10, 1e-8, 1e-2):
            rng = np.random.default_rng(seed)
            X = np.column_stack((rng.standard_normal((200, 2)), np.full(200, constant)))
            if noise:  # of the last digit
                X[rng.random(200) < 0.3, 2] = np.nextafter(constant, np.inf)
            y = X[:, 0] + 5.0 + 0.1 * rng.standard_normal(200)
            result, told = fitted(*HOMES[home](X, y), method=method, standardize=standardize, l2=l2)
            assert result.converged != (fastgd.ConvergenceWarning in told)
            if result.converged:
                n_judged += 1
                unit = X[:, :2].std(axis=0) if standardize else 1.0
                expected = least_squares(X[:, :2] / unit, y, l2=l2)
                np.testing.assert_allclose(result.coef[:2] * unit, expected[1:], atol=1e-7)
                assert abs(result.coef[2] * constant) <= 1e-7
    if method in ("auto", "cg") or (standardize and not noise):
        assert n_judged == 12


@pytest.mark.parametrize("method", ["auto", "cg"])
@pytest.mark.parametrize("standardize", [False, True])
def test_a_penalty_takes_a_constant_away_that_theta0_has(method, standardize):
    rng = np.random.default_rng(3)
    X = np.column_stack((rng.standard_normal((50, 2)), np.full(50, 1e6)))
    y = X[:, 0] + rng.standard_normal(50)
    result = fastgd.fit(X, y, l2=1e-9, method=method, standardize=standardize, theta0=[1.0, 2.0, 3.0, 4.0])
    assert (result.converged, result.coef[2]) == (True, 0.0)
    unit = X[:, :2].std(axis=0) if standardize else 1.0
    expected = least_squares(X[:, :2] / unit, y, l2=1e-9)
    np.testing.assert_allclose(result.theta[:3], np.r_[expected[0], expected[1:] / unit], atol=1e-9)


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("method", METHODS)
def test_columns_that_nearly_depend_are_never_fitted_badly_without_a_word(method, home):
    for power in range(5, 11):
        rng = np.random.default_rng(power)
        x, difference = rng.standard_normal((2, 300))
        X = np.column_stack((x, x + 10.0**-power * difference))
        y = difference + 0.1 * rng.standard_normal(300)
        result, told = fitted(*HOMES[home](X, y), method=method)
        known = told or "rank was not looked at" in result.message
        assert known or unexplained(X, y, result) <= 1e-3
        assert told <= {fastgd.RankWarning, fastgd.ConvergenceWarning}
        assert result.score(X, y) > -1e-6 or fastgd.ConvergenceWarning in told
        if method in ("gd", "nesterov"):
            assert told
            assert "preconditioned" in result.message
        elif home != "moments" and method == "auto":
            assert result.score(X, y) > 0.98


def test_a_gradient_that_is_mostly_rounding_is_a_warning():
    for power, expected in ((10, set()), (13, {fastgd.ConvergenceWarning})):
        rng = np.random.default_rng(1)
        X = np.round(rng.standard_normal((100, 3)) * 16) / 16 + [10.0**power, 0.0, 0.0]
        y = X[:, 1] + rng.standard_normal(100)
        for method in ("cg", "gd"):
            result, told = fitted(X, y, method=method, standardize=method == "gd")
            assert told == expected
            assert ("column 0 of X" in result.message) == bool(expected)


def test_a_penalised_descent_by_its_condition_number_needs_no_word():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(60)
    y = x + rng.standard_normal(60)
    twice = np.column_stack((x, x))
    assert fitted(twice, y, method="gd")[1] == {fastgd.RankWarning}
    result, told = fitted(twice, y, method="gd", l2=0.1)
    assert (told, "rank" in result.message) == (set(), False)
    assert "rank" not in fastgd.fit(x, y, method="gd", learning_rate=0.1).message
    assert "rank was not looked at" in fastgd.fit(twice, y, method="gd", learning_rate=0.1).message
    assert fitted(np.ones(60), y, method="gd", learning_rate=0.1)[1] == {fastgd.RankWarning}
    assert fitted(np.ones(60), y, method="gd", learning_rate=0.1, l2=0.1, max_iter=5000)[1] == set()


def test_the_gap_is_not_told_where_moments_do_not_know_the_curvature():
    rng = np.random.default_rng(0)
    x, difference = rng.standard_normal((2, 300))
    X = np.column_stack((x, x + 1e-8 * difference))
    with pytest.warns(fastgd.RankWarning):
        assert fastgd.fit(X, difference, method="gd", precompute=True).gap is None
    X[:, 1] = x + 1e-2 * difference
    assert fastgd.fit(X, difference, method="cg", precompute=True).gap <= 1e-12


@pytest.mark.parametrize("learning_rate", [0.1, "auto", "exact"])
def test_a_descent_on_columns_a_little_way_from_zero_comes_to_rest(learning_rate):
    # Steps no longer change theta before the gradient about the means is down to the rounding of sums.
    X = np.array([[10.0], [11.0], [13.0]]) / 13.0
    result = fastgd.fit(X, [0.1, 0.4, 1.0], method="gd", learning_rate=learning_rate, max_iter=200_000, tol=1e-300)
    assert result.status == "rounding"
    exact = least_squares(X, np.array([0.1, 0.4, 1.0]))
    np.testing.assert_allclose(result.theta, exact, rtol=1e-9)


def test_the_cost_that_conjugate_gradients_update_is_not_read_below_its_digits():
    # y is so far from zero that its square has no digit of the residuals.
    for offset in (1e3, 1e6, 1e9):
        x = np.arange(40.0)
        y = offset + x + (-1.0) ** x
        result = fastgd.fit(x, y, method="cg")
        assert (result.converged, result.status != "residual") == (True, True)
        slope = sum((Fraction(a) - Fraction(39, 2)) * Fraction(b) for a, b in zip(x, y, strict=True))
        slope /= sum((Fraction(a) - Fraction(39, 2)) ** 2 for a in x)
        assert abs(result.coef[0] - float(slope)) <= 64 * U * offset


@pytest.mark.parametrize("offset", [1e3, 1e6, 1e7, 1e8])
@pytest.mark.parametrize("l2", [0.0, 1e-6])
def test_sparse_columns_far_from_zero_keep_the_digits_that_dense_ones_have(offset, l2):
    rng = np.random.default_rng(0)
    X = np.column_stack((offset + rng.standard_normal(200), rng.standard_normal(200), np.ones(200)))
    X[rng.random(200) < 0.7, 1] = 0.0
    y = 3.0 * (X[:, 0] - offset) + X[:, 1] + rng.standard_normal(200)
    S = scipy.sparse.csr_array(X)
    expected = least_squares(X[:, :2], y, l2=l2)
    model = GDRegressor(l2=l2)
    for i in range(0, 200, 50):
        model.partial_fit(S[i : i + 50], y[i : i + 50])
    moments = fastgd.Moments.from_rows(S, y)
    coefs = [model.coef_]
    for given in ((S, y), (moments,)):
        for options in ({}, {"method": "cg", "precompute": True}, {"method": "gd", "standardize": True}):
            if options.get("standardize") and l2:
                continue  # which is another problem
            coefs.append(fitted(*given, l2=l2, **options)[0].coef)
    for coef in coefs:
        # Merging moves each mean by roundings of the columns' size, beside their spread of 1.
        np.testing.assert_allclose(coef[:2], expected[1:], atol=max(1e-7, 100 * U * offset))
        assert abs(coef[2]) <= 1e-7
    exact = fastgd.Moments.from_rows(X, y)
    assert abs(moments.scatter - exact.scatter).max() <= 1e-9 * exact.scatter.max()


@pytest.mark.parametrize("l2", [0.0, 1e-3])
@pytest.mark.parametrize("method", METHODS)
def test_what_changes_by_less_than_rounding_counts_as_constant_and_it_is_said(method, l2):
    X = 1e15 + np.arange(20.0)
    result, told = fitted(X, np.arange(20.0), l2=l2, method=method)
    assert fastgd.RankWarning in told or fastgd.ConvergenceWarning in told
    assert result.coef[0] == 0.0 or method in ("gd", "nesterov")
    result, told = fitted(X - 1e15, np.arange(20.0), l2=1e-12, method=method, standardize=True)
    assert told == set()
    np.testing.assert_allclose(result.coef, [1.0], rtol=1e-7)


def test_the_estimator_tells_where_the_minimum_may_be_far_though_it_is_quiet_about_dummies():
    rng = np.random.default_rng(0)
    x, difference = rng.standard_normal((2, 200))
    near = np.column_stack((x, x + 1e-8 * difference))
    with pytest.warns(fastgd.RankWarning, match="minimum may be far"):
        GDRegressor(method="gd").fit(near, difference)
    near[:, 1] = x + 1e-6 * difference
    with pytest.warns(fastgd.RankWarning, match="of theta may be rounding"):
        GDRegressor().partial_fit(near, difference)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GDRegressor().fit(np.eye(4)[rng.integers(0, 4, 200)], difference)


@pytest.mark.parametrize(("of_x", "of_y"), [(1e11, 1e13), (1e12, 1e10), (1e13, 1e8), (1e8, 0.0)])
def test_moments_solve_what_is_far_from_zero_without_loss(of_x, of_y):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        Z = np.round(rng.standard_normal((200, 2)) * 256) / 256
        X = Z + np.array([of_x, 0.0])
        y = np.round((2 * Z[:, 0] + rng.standard_normal(200)) * 256) / 256 + of_y
        # Whole numbers of 1/256 and sums of these, but for means, which are rounded beside numbers as far from zero.
        expected = least_squares(X, y)[1:]
        result, told = fitted(fastgd.Moments.from_rows(X, y))
        assert told == set()
        np.testing.assert_allclose(result.coef, expected, atol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4, 1e5])
@pytest.mark.parametrize("start", [None, 1.0])
def test_conjugate_gradients_do_not_run_away_along_dependences(offset, start):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        one, other = np.eye(3)[rng.integers(0, 3, 200)], np.eye(4)[rng.integers(0, 4, 200)]
        both = (one[:, :, np.newaxis] * other[:, np.newaxis]).reshape(200, -1)
        X = np.column_stack((one, other, both))
        y = offset + X @ rng.standard_normal(X.shape[1]) + rng.standard_normal(200)
        result, told = fitted(X, y, method="cg", theta0=None if start is None else np.full(20, start))
        assert (result.converged, told) == (True, set())
        best = least_squares(both, y, intercept=False)
        np.testing.assert_allclose(result.predict(X), both @ best, atol=1e-9 * max(1.0, offset))
        assert abs(result.coef).max() <= 1e3 * max(10.0, offset)


def test_a_fit_does_not_converge_above_where_it_began():
    X, y = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0, 4.0])
    at = least_squares(X[:, :1], y)
    result, told = fitted(X[:, :1], y, method="gd", theta0=at)
    assert (result.converged, told) == (True, set())
    np.testing.assert_allclose(result.theta, at, rtol=1e-12)
    exact = fastgd.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], theta0=[1.0, 2.0])
    assert exact.converged


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("X", "y", "l2"),
    [
        (np.arange(4.0), np.full(4, 7.0), 0.0),
        (np.arange(10.0), np.ones(10), 0.0),
        (np.full(5, 2.0), np.full(5, 7.0), 1.0),
        ([3.0], [2.0], 1.0),
    ],
)
def test_a_constant_y_is_fitted_by_every_method(method, X, y, l2):
    result = fastgd.fit(X, y, method=method, l2=l2, max_iter=20_000)
    assert result.converged
    np.testing.assert_allclose(result.theta, [y[0], 0.0], atol=1e-7)
