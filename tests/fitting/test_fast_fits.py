"""fit by moments and other fast methods: beside exact solutions, certified digits and other libraries' definitions."""

import exact
import nist
import numpy as np
import pytest
import threadpoolctl
from problems import centred_least_norm, features, scale_free, training_set

import fastgd
from fastgd.cli import demo
from fastgd.fitting.blas import one_blas_thread
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.compensated_rows import CompensatedRows
from fastgd.solvers.inverse_hessian import InverseHessian
from fastgd.solvers.preconditioned import preconditioned
from fastgd.solvers.quadratic import Objective

OPTIONS = [
    {},
    {"intercept": False},
    {"loss": "half_mse", "l2": 0.05},
    {"sample_weight": np.linspace(0, 3, 60)},
    {"sample_weight": np.linspace(0, 3, 60), "l2": 0.5, "intercept": False},
    {"theta0": [3.0, 1.0, -1.0, 2.0]},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_default_fit_has_all_digits_of_the_exact_solution(options, order, dtype):
    X, y = training_set(60, 3)
    X = np.array(X, dtype, order=order)
    result = fastgd.fit(X, y, **options)
    scale = 1 if options.get("loss") == "half_mse" else 2
    intercept, s, l2 = options.get("intercept", True), options.get("sample_weight"), options.get("l2", 0)
    expected = exact.least_squares(X, y, intercept=intercept, s=s, l2=l2, scale=scale)
    np.testing.assert_allclose(result.theta, expected, rtol=1e-14)
    assert (result.converged, result.verified, result.rank) == (True, True, len(expected))
    assert result.n_iter <= 5
    assert 0 <= result.gap <= 1e-25


@pytest.mark.parametrize("name", nist.SETS)
def test_certified_digits(name):
    (X, y, certified), expected = nist.SETS[name]
    intercept = not name.startswith("NoInt")
    for options in [{}] if intercept else [{}, {"method": "gd", "tol": 1e-15}]:
        result = fastgd.fit(X, y, intercept=intercept, **options)
        digits = min(demo.agreeing_digits(t, c) for t, c in zip(result.theta.tolist(), certified, strict=True))
        assert digits >= expected
        assert result.converged


@pytest.mark.parametrize("method", ["gd", "nesterov", "cg", "preconditioned"])
@pytest.mark.parametrize("precompute", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_method_finds_the_same_minimum(method, precompute, options):
    X, y = training_set(60, 3)
    X = X - X.mean(axis=0)
    options = {"max_iter": 5000, **options}
    best = fastgd.fit(X, y, **options).theta
    result = fastgd.fit(X, y, method=method, precompute=precompute, tol=1e-10, **options)
    assert result.converged
    assert result.verified
    np.testing.assert_allclose(result.theta, best, rtol=1e-8)


def test_faster_methods_take_fewer_iterations():
    X, y = training_set(500, 5)
    X = (X - X.mean(axis=0)) * np.linspace(1, 1.5, 5)
    ways = [{"method": "gd"}, {"method": "gd", "learning_rate": "optimal"}]
    ways += [{"method": method} for method in ("nesterov", "cg", "preconditioned")]
    counts = [fastgd.fit(X, y, tol=1e-8, max_iter=20_000, **way).n_iter for way in ways]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 5 * counts[2] > 5 * counts[3]
    assert counts[3] <= 8  # as many as there are parameters, and some for the rounding
    assert counts[-1] <= 4


def test_the_optimal_step_is_two_over_the_sum_of_the_extreme_eigenvalues():
    X, y = training_set()
    result = fastgd.fit(X, y, method="gd", learning_rate="optimal", max_iter=1, tol=0, history=True)
    values = np.linalg.eigvalsh(2 / len(y) * features(X).T @ features(X))
    step = -result.history["update"][0] / result.history["gradient"][0]
    np.testing.assert_allclose(step, 2 / (values[0] + values[-1]), rtol=1e-10)


@pytest.mark.parametrize("options", [{}, {"l2": 0.3}, {"standardize": True}], ids=str)
def test_the_exact_step_ends_where_the_gradient_is_at_right_angles(options):
    X, y = training_set()
    options = {"learning_rate": "exact", "max_iter": 120, "tol": 0, "history": True, "precompute": False, **options}
    history = fastgd.fit(X, y, method="gd", **options).history
    theta, gradient, cost = history["theta"], history["gradient"], history["cost"]
    assert (np.diff(cost[:50]) <= 1e-14 * cost[0]).all()
    if "standardize" in options:
        return
    cosines = (gradient[1:] * gradient[:-1]).sum(axis=1) / np.linalg.norm(gradient[1:], axis=1)
    assert (abs(cosines[:20]) < 1e-9 * np.linalg.norm(gradient[:20], axis=1)).all()
    l2 = options.get("l2", 0.0)
    for i in (0, 7, 50, 100):
        assert cost[i] == pytest.approx(fastgd.cost(X, y, theta[i], intercept=True, l2=l2), rel=1e-12)
    # After 50 steps the true gradient is taken, after those that were carried along.
    assert l2 or (gradient[50] == fastgd.gradient(X, y, theta[50], intercept=True)).all()


@pytest.mark.parametrize("precompute", [False, True])
@pytest.mark.parametrize("options", [{}, {"l2": 0.3}, {"intercept": False}], ids=str)
def test_conjugate_gradients_are_those_of_standardised_features(options, precompute):
    X, y = training_set(k=5)
    result = fastgd.fit(X, y, method="cg", max_iter=3, tol=0, precompute=precompute, history=True, **options)
    intercept, l2 = options.get("intercept", True), options.get("l2", 0.0)
    # The textbook's method on A u = b, with features over their size, about their means where an intercept stands for these.
    mean = X.mean(axis=0) if intercept else np.zeros(5)
    size = np.sqrt(2 * ((X - mean) ** 2).mean(axis=0) + 2 * l2)
    Z = np.column_stack(([np.ones(300)] if intercept else []) + [(X - mean) / size])
    if intercept:
        Z[:, 0] = 1 / np.sqrt(2)
    A = 2 / 300 * Z.T @ Z + np.diag(2 * l2 / np.concatenate(([np.inf] * intercept, size**2)))
    u = np.zeros(5 + intercept)
    r = p = 2 / 300 * Z.T @ y
    for i in range(3):
        coef = u[intercept:] / size
        theta = np.concatenate(([u[0] / np.sqrt(2) - mean @ coef] if intercept else [], coef))
        np.testing.assert_allclose(result.history["theta"][i], theta, rtol=1e-9, atol=1e-12)
        alpha = r @ r / (p @ A @ p)
        u, r, before = u + alpha * p, r - alpha * A @ p, r @ r
        p = r + r @ r / before * p


def test_conjugate_gradients_do_not_mind_units_and_offsets():
    X, y = training_set(k=6)
    plain = fastgd.fit(X, y, method="cg", precompute=False)
    factors, offsets = 10.0 ** np.arange(-6, 6, 2), np.array([0, 100, -1000, 0, 1e4, 3])
    moved = fastgd.fit((X + offsets) * factors, y, method="cg", precompute=False)
    assert moved.n_iter <= plain.n_iter + 1
    np.testing.assert_allclose(moved.coef * factors, plain.coef, rtol=1e-9)


def test_conjugate_gradients_leave_a_constant_to_the_intercept():
    X, y = training_set()
    result = fastgd.fit(np.column_stack((X, np.full(len(y), 7.0))), y, method="cg", precompute=False)
    assert result.converged
    assert result.coef[-1] == 0
    np.testing.assert_allclose(result.theta[:-1], fastgd.fit(X, y).theta, rtol=1e-9)


def test_conjugate_gradients_are_true_where_the_fit_ends():
    X, y = training_set(2000, 30, noise=1.0)
    X = X * np.logspace(0, 3, 30)
    result = fastgd.fit(X, y, method="cg", tol=1e-10, max_iter=3000, precompute=False)
    assert result.converged
    assert scale_free(X, y, result.theta) <= 1.01e-10
    gradient = fastgd.gradient(X, y, result.theta, intercept=True)
    np.testing.assert_allclose(result.gradient_norm, np.linalg.norm(gradient), rtol=1e-12)
    np.testing.assert_allclose(result.cost, fastgd.cost(X, y, result.theta, intercept=True), rtol=1e-12)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"l2": 0.1}, {"standardize": True}, {"method": "gd", "standardize": True, "tol": 1e-10, "max_iter": 9999}],
)
def test_moments_alone_can_be_fitted_to(intercept, options):
    X, y = training_set()
    s = np.linspace(0, 2, len(y))
    moments = fastgd.Moments.from_rows(X[:100], y[:100], s[:100]) + fastgd.Moments.from_rows(X[100:], y[100:], s[100:])
    result = fastgd.fit(moments, intercept=intercept, **options)
    expected = fastgd.fit(X, y, sample_weight=s, intercept=intercept, **options)
    np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-9)
    np.testing.assert_allclose(result.cost, expected.cost, rtol=1e-9)
    assert (result.converged, result.verified, result.n_passes) == (True, False, 0)
    assert "not verified" in result.message


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        (("moments", "y"), {}, TypeError, "which they hold already"),
        (("moments",), {"sample_weight": np.ones(300)}, TypeError, "which they hold already"),
        (("moments",), {"precompute": False}, ValueError, "no rows to pass over"),
        (("X",), {}, TypeError, "y is missing"),
    ],
)
def test_moments_come_without_y_and_rows_with_it(given, options, error, message):
    X, y = training_set()
    values = {"X": X, "y": y, "moments": fastgd.Moments.from_rows(X, y)}
    with pytest.raises(error, match=message):
        fastgd.fit(*(values[name] for name in given), **options)


def fit_warned(*args, **options):
    with pytest.warns(fastgd.RankWarning, match=r"^The rank is \d+ for") as caught:
        result = fastgd.fit(*args, **options)
    assert len(caught) == 1
    assert str(caught[0].message) in result.message
    assert caught[0].filename == __file__
    return result


def test_columns_that_depend_on_each_other_are_named_and_share():
    X, y = training_set(200, 4)
    X = np.column_stack((X, 2 * X[:, 1], X[:, 2] - 3 * X[:, 0]))
    result = fit_warned(X, y)
    assert (result.rank, result.condition, result.converged) == (5, np.inf, True)
    assert "rank is 5 for 7 parameters" in result.message
    assert "depend on each other" in result.message
    np.testing.assert_allclose(result.theta, centred_least_norm(X, y), rtol=1e-9)
    assert scale_free(X, y, result.theta) < 1e-12


def test_moments_alone_know_no_more_than_their_digits():
    X, y = training_set(200, 2)
    moments = fastgd.Moments.from_rows(np.column_stack((X, X @ [1.0, 2.0])), y)
    result = fit_warned(moments)
    assert (result.rank, result.verified) == (3, False)


def test_a_constant_column_is_named_and_gets_no_coefficient():
    X, y = training_set(200, 3)
    X[:, 1] = 7.0
    result = fit_warned(X, y)
    assert "column 1 of X is constant or zero" in result.message
    assert (result.coef[1], result.rank) == (0.0, 3)
    np.testing.assert_allclose(np.delete(result.theta, 2), fastgd.fit(np.delete(X, 1, axis=1), y).theta, rtol=1e-13)
    X[:, 2] = 0.0
    assert "columns 1, 2 of X depend on each other, or are constant" in fit_warned(X, y).message


def test_a_penalty_makes_dependent_columns_harmless():
    X, y = training_set(50, 2)
    X = np.column_stack((X, X[:, 0]))
    result = fastgd.fit(X, y, l2=0.1)
    np.testing.assert_allclose(result.theta, exact.least_squares(X, y, l2=0.1), rtol=1e-13)
    assert result.rank == 4


@pytest.mark.parametrize("gap", [1e-4, 1e-6, 1e-8])
def test_columns_that_nearly_depend_on_each_other_are_told_apart(gap):
    X, y = training_set(50, 2)
    X = np.column_stack((X, X[:, 0] + gap * np.random.default_rng(5).standard_normal(50)))
    result = fastgd.fit(X, y)
    expected = exact.least_squares(X, y)
    np.testing.assert_allclose(result.theta, expected, rtol=1e-12, atol=1e-15 * abs(expected).max())
    assert result.rank == 4


@pytest.mark.parametrize("shift", [1e4, 1e8])
def test_columns_far_from_zero_keep_their_digits(shift):
    X, y = training_set(60, 3)
    X = X + shift
    np.testing.assert_allclose(fastgd.fit(X, y).theta, exact.least_squares(X, y), rtol=1e-13)


@pytest.mark.parametrize("power", [-500, -200, 0, 200, 495])
def test_units_do_not_matter(power):
    X, y = training_set(60, 3)
    base = fastgd.fit(X, y)
    X[:, 1] = np.ldexp(X[:, 1], power)
    result = fastgd.fit(X, y)
    expected = base.theta.copy()
    expected[2] = np.ldexp(expected[2], -power)
    np.testing.assert_allclose(result.theta, expected, rtol=1e-14)


def test_a_target_that_a_line_meets_is_met():
    X, _ = training_set(60, 3)
    y = X @ [1.0, 2.0, 3.0] - 4.0
    result = fastgd.fit(X, y)
    assert result.converged
    np.testing.assert_allclose(result.theta, [-4.0, 1.0, 2.0, 3.0], rtol=1e-13)


def test_a_target_of_zeros():
    X, _ = training_set(60, 3)
    result = fastgd.fit(X, np.zeros(60))
    assert (result.theta.tolist(), result.cost, result.converged, result.verified) == ([0.0] * 4, 0.0, True, True)
    assert (result.n_iter, result.n_passes) == (0, 2)  # the moments, and the pass that verifies them


def test_a_target_at_right_angles_to_the_features():
    X = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]) + 1e6
    y = np.array([1.0, -1.0, -1.0, 1.0]) * 1e-3
    result = fastgd.fit(X, y)
    assert result.cost == fastgd.cost(X, y, result.theta, intercept=True)
    assert abs(result.coef).max() < 1e-18


def test_a_start_at_the_minimum_stays_there():
    X, y = training_set()
    first = fastgd.fit(X, y)
    second = fastgd.fit(X, y, theta0=first.theta)
    np.testing.assert_allclose(second.theta, first.theta, rtol=1e-14, atol=2.0**-53 * abs(first.theta).max())
    assert second.n_iter <= 2  # a last unit may still be gained, and then it is seen that steps no longer shrink


def test_a_preconditioned_fit_has_the_same_bits_for_any_number_of_threads():
    X, y = training_set(300_000, 5)
    results = {fastgd.fit(X, y, n_threads=n).theta.tobytes() for n in (1, 2, 3, 7)}
    assert len(results) == 1
    assert scale_free(X, y, fastgd.fit(X, y).theta) < 1e-12


def test_the_gap_is_what_the_cost_is_above_its_minimum():
    X, y = training_set()
    lowest = fastgd.fit(X, y).cost
    with pytest.warns(fastgd.ConvergenceWarning):
        result = fastgd.fit(X, y, method="gd", precompute=True, max_iter=30)
    np.testing.assert_allclose(result.gap, result.cost - lowest, rtol=1e-9)
    assert fastgd.fit(X, y, method="cg", precompute=False).gap is None


@pytest.mark.parametrize("method", ["cg", "preconditioned"])
def test_too_few_iterations_say_what_to_try(method):
    X, y = training_set()
    with pytest.warns(fastgd.ConvergenceWarning, match="Try a larger max_iter") as caught:
        fastgd.fit(X, y, method=method, max_iter=1)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("every", [1, 3, 10])
def test_a_history_can_be_thinned(every):
    X, y = training_set()
    options = {"method": "gd", "max_iter": 95, "tol": 0, "learning_rate": 0.01}
    whole = fastgd.fit(X, y, history=True, **options).history
    thin = fastgd.fit(X, y, history=every, **options).history
    for column in ("theta", "gradient", "cost"):
        np.testing.assert_array_equal(thin[column], whole[column][::every])
    np.testing.assert_array_equal(thin["update"], np.diff([*thin["theta"], thin.theta], axis=0))
    np.testing.assert_array_equal(thin.theta, whole.theta)
    assert thin["iteration"].tolist() == list(range(0, 95, every))
    assert "theta after 95 iterations" in repr(thin)


@pytest.mark.parametrize("history", [-1, 1.5, "yes"])
def test_a_bad_history_is_told(history):
    with pytest.raises((TypeError, ValueError), match="history"):
        fastgd.fit([1.0, 2.0], [1.0, 2.0], history=history)


@pytest.mark.parametrize(
    ("method", "learning_rate", "message"),
    [
        ("cg", 0.1, "finds the size of its steps itself"),
        ("preconditioned", "exact", "finds the size of its steps itself"),
        ("nesterov", "optimal", 'needs a number or "auto"'),
    ],
)
def test_a_step_size_that_a_method_does_not_have_is_told(method, learning_rate, message):
    with pytest.raises(ValueError, match=message):
        fastgd.fit([1.0, 2.0], [1.0, 2.0], method=method, learning_rate=learning_rate)


def test_auto_is_to_the_letter_where_a_learning_rate_is_given():
    X, y = training_set()
    options = {"learning_rate": 0.01, "max_iter": 7, "tol": 0}
    assert (fastgd.fit(X, y, **options).theta == fastgd.fit(X, y, method="gd", **options).theta).all()


def test_compensated_sums_are_those_of_twice_the_precision():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((50, 3)) * 10.0 ** rng.integers(-8, 8, (50, 3))
    y, s = rng.standard_normal(50), rng.uniform(size=50)
    theta = rng.standard_normal(4)
    y += X @ theta[1:] + theta[0]  # so that residuals cancel
    rows = CompensatedRows(ArrayRows(X, y, s))
    for got, target in ((rows.gradient(theta, 1.0), y), (rows.product(theta), None)):
        np.testing.assert_allclose(got, exact.sums(X, target, theta, s).astype(float), rtol=1e-14)


def inverse_hessian(X, *, scatter=None):
    mean = X.mean(axis=0)
    scatter = (X - mean).T @ (X - mean) if scatter is None else scatter
    objective = Objective(ArrayRows(X, X[:, 0]), n_features=X.shape[1], intercept=True, scale=2.0, l2=0.0)
    return InverseHessian.from_moments(objective, mean, scatter, len(X))


def test_steps_leave_no_gradient_though_the_hessian_is_ill_conditioned():
    rng = np.random.default_rng(1)
    Q, _ = np.linalg.qr(rng.standard_normal((20, 20)))
    X = rng.standard_normal((400, 20)) @ (Q * np.logspace(0, -5, 20)) @ Q.T
    X -= X.mean(axis=0)
    inverse = inverse_hessian(X)
    assert 1e9 < inverse.condition < 1e13
    hessian = 2.0 * features(X).T @ features(X)
    gradient = hessian @ rng.standard_normal(21)
    left = hessian @ inverse(gradient) - gradient
    assert abs(left).max() <= 1e-14 * abs(gradient).max()  # without refinement, 3e-8


def test_a_poor_inverse_takes_as_many_passes_as_there_are_parameters():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((200, 8)) @ rng.standard_normal((8, 8))
    y = rng.standard_normal(200)
    scatter = np.diag(np.full(8, 200.0))
    objective = Objective(ArrayRows(X, y), n_features=8, intercept=True, scale=2.0, l2=0.0)
    inverse = inverse_hessian(X, scatter=scatter)
    descent = preconditioned(objective, objective.evaluate(np.zeros(9)), inverse)
    points = [next(descent).theta for _ in range(14)]
    assert min(scale_free(X, y, theta) for theta in points[:6]) > 1e-6
    assert scale_free(X, y, points[9]) < 1e-14  # after steps along nine directions
    assert min(scale_free(X, y, theta) for theta in points) < 1e-11


def test_blas_has_its_threads_back_when_the_last_fit_ends():
    controller = threadpoolctl.ThreadpoolController().select(user_api="blas")

    def n_threads():
        return [library["num_threads"] for library in controller.info()]

    with controller.limit(limits=2):
        before = n_threads()
        with one_blas_thread():
            with one_blas_thread():
                assert set(n_threads()) <= {1}
            assert set(n_threads()) <= {1}
        assert n_threads() == before


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5, 1e7])
@pytest.mark.parametrize("streamed", [False, True])
def test_many_rows_far_from_zero_keep_the_digits_of_the_slopes(offset, streamed):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400_000, 3)) + offset
    y = X @ [1.0, -2.0, 3.0] + rng.standard_normal(400_000)
    # The truth: centred in long double, and refined until nothing is left of the gradient.
    Z = np.column_stack((X, y)).astype(np.longdouble)
    Z -= Z.mean(axis=0)
    gram = (Z[:, :-1].T @ Z[:, :-1]).astype(np.float64)
    expected = np.zeros(3, np.longdouble)
    for _ in range(4):
        expected += np.linalg.solve(gram, (Z[:, :-1].T @ (Z[:, -1] - Z[:, :-1] @ expected)).astype(np.float64))
    if streamed:
        batches = [(X[i : i + 7777], y[i : i + 7777]) for i in range(0, len(y), 7777)]
        result = fastgd.fit(fastgd.from_batches(lambda: iter(batches)))
    else:
        result = fastgd.fit(X, y)
    assert result.n_passes == 2
    # A row's products round by u times the offset; of n rows the slope has the mean of that, and the sums' own k u.
    bound = 2.0**-53 * (16 + 6 * offset / np.sqrt(len(y)))
    np.testing.assert_allclose(result.coef, expected.astype(np.float64), rtol=bound)
