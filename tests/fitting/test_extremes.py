"""Numbers near the ends of float64: right results where they can be told, infinite costs, and errors in the place of lies."""

import dataclasses
import itertools
from fractions import Fraction

import exact
import numpy as np
import pytest
from problems import features

import fastgd

from_rows = fastgd.Moments.from_rows

SMALL = 5e-324  # the least number above 0


def training_set(n=40, k=2, seed=0):
    rng = np.random.default_rng([n, k, seed])
    X = rng.uniform(0.5, 2.0, (n, k)) * rng.choice([-1.0, 1.0], (n, k))
    return X, X @ np.linspace(1.0, -2.0, k) + 0.5 + 0.1 * rng.standard_normal(n), rng.uniform(0.5, 2.0, n)


HOMES = {
    "rows": lambda X, y: (X, y),
    "columns": lambda X, y: (np.asfortranarray(X), y),
    "strided": lambda X, y: (np.repeat(X, 2, axis=0)[::2], np.repeat(y, 2)[::2]),
    "batches": lambda X, y: (fastgd.from_batches([(X[:7], y[:7]), (X[7:], y[7:])]), None),
    "sparse": lambda X, y: (pytest.importorskip("scipy.sparse", reason="they are scipy's").csr_array(X), y),
}


# What X, y and theta are multiplied with; no product of two of the numbers that are summed leaves float64.
WITHIN = [
    (1e150, 1e150, 1.0),
    (1e150, 1.0, 1e-150),
    (1e-150, 1.0, 1e150),
    (1e-150, 1e-150, 1.0),
    (1e-150, 1e150, 1e300),
    (1e300, 1.0, 1e-300),
    (1e-300, 1.0, 1e300),
    (1e-310, 1.0, 1.0),
    (1.0, 1e-310, 1e-310),
    (SMALL, 1.0, 1.0),
]


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
@pytest.mark.parametrize(("of_X", "of_y", "of_theta"), WITHIN)
@pytest.mark.parametrize("n_features", [1, 2, 9, 20])
def test_the_gradient_is_within_its_bound_at_both_ends_of_float64(home, of_X, of_y, of_theta, n_features):
    X, y, _ = training_set(k=n_features)
    X, y, theta = np.trunc(4 * X) * of_X, y * of_y, np.linspace(1.0, 2.0, n_features) * of_theta
    cost, gradient = exact.cost_and_gradient(X, y, theta)
    cost_bound, bound = exact.bounds(X, y, theta)
    # To each product and sum underflow may add half of the least number, once more multiplied with x or r.
    size = Fraction(float(abs(X).max())) + sum(Fraction(float(v)) for v in [abs(y).max(), *abs(X).max() * abs(theta)])
    floor = 4 * (2 + n_features) * (1 + size) * Fraction(SMALL)
    got_cost, got = fastgd.cost_and_gradient(*home(X, y), theta)
    assert exact.error(got, gradient, bound + floor) <= 1
    if cost < Fraction(np.finfo(float).max):
        assert exact.error(got_cost, cost, cost_bound + floor) <= 1


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
@pytest.mark.parametrize("intercept", [False, True])
def test_10_to_the_16_beside_1_is_within_the_bound(home, intercept):
    X, y, _ = training_set(k=3)
    X[:, 1] += 1e16
    X[::2, 2] *= -1e16
    y[3] = 1e16
    theta = np.array([1.0, 1e-16, 1.0, -1e-8])[not intercept :]
    _, gradient = exact.cost_and_gradient(X, y, theta)
    _, bound = exact.bounds(X, y, theta)
    assert exact.error(fastgd.gradient(*home(X, y), theta, intercept=intercept), gradient, bound) <= 1


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
@pytest.mark.parametrize("loss", ["mse", "sse"])
def test_a_cost_beyond_float64_is_infinite_and_its_gradient_right(home, loss):
    X, y, _ = training_set(k=2)
    y, theta = y * 1e200, np.array([1.0, 2.0])
    _, gradient = exact.cost_and_gradient(X, y, theta, loss=loss)
    _, bound = exact.bounds(X, y, theta, loss=loss)
    cost, got = fastgd.cost_and_gradient(*home(X, y), theta, loss=loss)
    assert cost == np.inf == fastgd.cost(*home(X, y), theta, loss=loss)
    assert exact.error(got, gradient, bound) <= 1


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
def test_a_sum_that_leaves_float64_when_it_is_scaled_is_infinite_without_a_warning(home):
    # The sum is multiplied with 2, and then with 0.5.
    for value, cost in ((3.3e153, 8 * 3.3e153**2), (3.5e153, np.inf)):
        got = fastgd.cost(*home(np.ones((8, 1)), np.full(8, value)), [0.0], loss="sse")
        assert got == pytest.approx(cost, rel=1e-15)


def test_moments_answer_beyond_float64_with_infinity_or_refuse():
    X, y, _ = training_set()
    moments = fastgd.Moments.from_rows(X, y)
    assert moments.cost([1e200, 1.0]) == np.inf
    assert moments.cost([1e200, 1.0], l2=1.0) == np.inf
    assert abs(moments.gradient([1e308, 1.0])).max() == np.inf
    apart = [fastgd.Moments.from_rows(X + shift, y) for shift in (1e154, -1e154)]
    with pytest.raises(ValueError, match="exceed float64"):
        sum(apart)


# Powers of two that X or y is multiplied with, and whether the squares can still be told.
POWERS = {-1060: False, -1000: False, -520: False, -500: True, 0: True, 500: True, 512: False, 1010: False}
METHODS = [
    {},
    {"method": "cg"},
    {"method": "cg", "precompute": False},
    {"method": "gd", "standardize": True, "tol": 1e-12},
    {"method": "gd", "standardize": True, "tol": 1e-12, "precompute": False},
    {"method": "nesterov", "standardize": True, "tol": 1e-12},
]


@pytest.mark.parametrize("home", ["rows", "batches", "sparse"])
@pytest.mark.parametrize("options", METHODS, ids=str)
def test_a_fit_is_right_or_an_error_at_any_scale(home, options, reached):
    X, y, _ = training_set()
    X, y = np.trunc(16 * X), np.trunc(16 * y)  # of few digits, which stay there in the least numbers
    truth = np.linalg.lstsq(features(X), y)[0]
    for (of_X, X_is_told), (of_y, y_is_told) in itertools.product(POWERS.items(), repeat=2):
        given = HOMES[home](np.ldexp(X, of_X), np.ldexp(y, of_y))
        if X_is_told and y_is_told:
            result = fastgd.fit(*given, **options)
            assert result.converged
            np.testing.assert_allclose(np.ldexp(result.theta, [-of_y, *[of_X - of_y] * 2]), truth, rtol=1e-8)
        else:
            with pytest.raises(ValueError, match=r"The squares of (X|y) (exceed|fall below) float64.* power of ten"):
                fastgd.fit(*given, **options)
    reached("scales at which a fit was right or an error, for each method and home", len(POWERS) ** 2)


@pytest.mark.parametrize("options", [{}, {"method": "cg"}], ids=str)
def test_the_column_whose_squares_cannot_be_told_is_named(options):
    X, y, _ = training_set()
    frames = pytest.importorskip("pandas", reason="the frame is pandas'")
    for of_X, said in ((1e160, "X exceed float64 in column "), (1e-160, "X fall below float64 in column ")):
        spoilt = X * [1.0, of_X]
        with pytest.raises(ValueError, match=said + r"1\..* it by a power of ten"):
            fastgd.fit(spoilt, y, **options)
        with pytest.raises(ValueError, match=said + "'b'"):
            fastgd.fit(frames.DataFrame(spoilt, columns=["a", "b"]), y, **options)
    with pytest.raises(ValueError, match=r"y fall below float64\. Multiply it"):
        fastgd.fit(X, y * 1e-160, **options)


def test_what_is_too_small_to_be_squared_is_not_taken_for_zeros():
    X, y, _ = training_set()
    X[:, 1] = np.where(np.arange(len(y)) % 2, 1e-200, -1e-200)  # of mean 0 and, as far as squares tell, no spread
    with pytest.raises(ValueError, match="X fall below float64 in column 1"):
        fastgd.fit(X, y, method="cg")
    X[:, 1] = 0.0
    assert fastgd.fit(X, y, method="cg").coef[1] == 0.0


@pytest.mark.parametrize("weight", [1e-292, 1e-200, 1e300])
@pytest.mark.parametrize("options", METHODS, ids=str)
def test_only_ratios_of_weights_matter(options, weight):
    X, y, s = training_set()
    expected = fastgd.fit(X, y, sample_weight=s, **options)
    result = fastgd.fit(X, y, sample_weight=s * weight * 4, **options)
    assert result.converged
    np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-9)


@pytest.mark.parametrize(("of_X", "weight"), [(1e-160, 1e300), (1e-10, 1e-291)])
def test_neither_squares_nor_weighted_squares_may_fall_below_float64(of_X, weight):
    X, y, s = training_set()
    with pytest.raises(ValueError, match="The squares of X fall below float64 in column 0"):
        fastgd.fit(X * of_X, y, sample_weight=s * weight, method="cg")


@pytest.mark.parametrize("power", [-498, -300, 300, 498])
def test_a_step_size_is_found_at_any_scale(power):
    X, y, _ = training_set()
    base = fastgd.fit(X, y, intercept=False, method="gd", precompute=False)
    result = fastgd.fit(np.ldexp(X, power), y, intercept=False, method="gd", precompute=False)
    assert (result.converged, result.n_iter) == (True, base.n_iter)
    np.testing.assert_allclose(np.ldexp(result.theta, power), base.theta, rtol=1e-9)
    assert result.condition == pytest.approx(base.condition, rel=1e-6)


@pytest.mark.parametrize("tol", [0, 1e-8])
def test_a_fit_that_diverges_beyond_float64_says_so(tol):
    X, y, _ = training_set()
    options = {"method": "gd", "learning_rate": 1.0, "tol": tol}
    with pytest.warns(fastgd.ConvergenceWarning, match=r"Diverged .* 2 / lambda_max = \S+e-30\d") as told:
        fastgd.fit(X * 1e150, y, **options)
    assert len(told) == 1
    if tol == 0:
        said = r"Diverged .* squares of X exceed float64.*Divide X by a power"
        with pytest.warns(fastgd.ConvergenceWarning, match=said):
            fastgd.fit(X * 1e160, y, **options)


@pytest.mark.filterwarnings("ignore::fastgd.ConvergenceWarning")
@pytest.mark.parametrize("options", METHODS, ids=str)
@pytest.mark.parametrize("start", [1e200, 1e308])
def test_a_start_near_the_end_of_float64_is_not_called_the_minimum(options, start):
    X, y, _ = training_set()
    truth = np.linalg.lstsq(features(X), y)[0]
    for l2 in (0.0, 1e300):
        result = fastgd.fit(X, y, theta0=[start] * 3, l2=l2, **options)
        assert not result.converged or (l2 == 0.0 and result.theta == pytest.approx(truth, rel=1e-4))


@pytest.mark.parametrize("power", [-900, -500, 500, 900])
def test_a_score_does_not_depend_on_the_unit_of_y(power):
    X, y, s = training_set()
    result = fastgd.fit(X, y)
    scaled = dataclasses.replace(result, coef=np.ldexp(result.coef, power), intercept=np.ldexp(result.intercept, power))
    for weights in (None, s, np.arange(len(y)) % 2):
        expected = result.score(X, y, weights)
        assert 0.9 < expected < 1.0
        assert scaled.score(X, np.ldexp(y, power), weights) == pytest.approx(expected, rel=1e-12)
    assert result.score(X, np.ldexp(y, power)) < 0.5
    assert np.isinf(dataclasses.replace(result, coef=np.array([1e308, 1e308])).predict([[9.0, 9.0]])).all()


def test_where_the_curvature_exceeds_float64_a_fit_says_what_to_change():
    X, y, _ = training_set()
    said = r"^The curvature, .* exceeds float64, .* a smaller l2, or give a learning"
    for method in ("gd", "nesterov"):
        with pytest.raises(ValueError, match=said):
            fastgd.fit(X, y, method=method, learning_rate="auto", l2=1.7e308)


def test_several_targets_are_refused_where_their_squares_exceed_float64():
    sklearn = pytest.importorskip("fastgd.sklearn", reason="for scikit-learn")
    X, y, _ = training_set()
    for a, b, where in ((1e160, 1.0, "X exceed float64 in column 0"), (1.0, 1e160, "y exceed float64 in column 1")):
        with pytest.raises(ValueError, match=rf"^The squares of {where}\. Divide it by a power of ten"):
            sklearn.GDRegressor().fit(a * X, np.column_stack([y, b * y]))


DOORS = {
    "fit": fastgd.fit,
    "cg": lambda X, y: fastgd.fit(X, y, method="cg"),
    "precompute": lambda X, y: fastgd.fit(X, y, method="gd", precompute=True, standardize=True, tol=1e-12),
    "gd": lambda X, y: fastgd.fit(X, y, method="gd", precompute=False, standardize=True, tol=1e-12),
    "moments": lambda X, y: fastgd.fit(from_rows(X, y)),
    "sum": lambda X, y: fastgd.fit(from_rows(X[:1], y[:1]) + from_rows(X[1:], y[1:])),
    "stream": lambda X, y: fastgd.fit(fastgd.from_batches([(X, y)])),
    "sparse": lambda X, y: fastgd.fit(*HOMES["sparse"](X, y)),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("size", [1e160, 1e300])
def test_what_is_advised_where_squares_exceed_float64_works(door, column, size):
    X, y, _ = training_set()
    expected = fastgd.fit(X, y).theta
    table = np.column_stack((X, y))
    table[:, column] *= size
    where = f"X exceed float64 in column {column}" if column < 2 else "y exceed float64"
    with pytest.raises(ValueError, match=rf"^The squares of {where}\. Divide it by a power of ten\.$"):
        door(table[:, :2], table[:, 2])
    table[:, column] /= size  # as it says
    np.testing.assert_allclose(door(table[:, :2], table[:, 2]).theta, expected, rtol=1e-8)


@pytest.mark.parametrize("size", [1e10, 1e150, 1e200, 1e300])
def test_a_fit_finds_back_from_any_start_even_one_of_an_infinite_cost(size):
    X, y, _ = training_set()
    expected = fastgd.fit(X, y)
    for data in ((X, y), (fastgd.Moments.from_rows(X, y),), (fastgd.from_batches([(X, y)]),)):
        result = fastgd.fit(*data, theta0=np.full(3, size))
        np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-9)
        assert (result.converged, result.rank) == (True, 3)
