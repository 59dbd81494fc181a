"""fit: the iterates of the by-hand loop, an honest ending, and certified digits on real data."""

import dataclasses
import math
import os
import re
import signal
import sys
import threading
import time
from contextlib import nullcontext

import exact
import numpy as np
import problems
import pytest
from problems import features, scale_free

import fastgd
from fastgd import reference
from fastgd.fitting import prediction, problem
from fastgd.rows.blocks import Blocks
from fastgd.solvers.choose import precomputing_pays


def training_set(n=200, k=3):
    return problems.training_set(n, k, noise=0.1)


def gd_fit(*args, **options):
    return fastgd.fit(*args, **{"method": "gd", **options})


def hessian(X, scale, *, intercept=True, sample_weight=1.0):
    """The Hessian c X^T S X of the losses."""
    A = features(X, intercept)
    return scale * (A.T * sample_weight) @ A


OPTIONS = [
    {},
    {"intercept": False},
    {"loss": "half_mse"},
    {"loss": "sse", "learning_rate": 1e-4},
    {"sample_weight": np.linspace(0, 3, 200)},
    {"l2": 0.3},
    {"l2": 0.3, "intercept": False, "loss": "half_mse", "sample_weight": np.linspace(1, 2, 200)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
def test_every_iterate_is_that_of_the_loop_by_hand(options, layout):
    X, y = training_set()
    options = {"intercept": True, "learning_rate": 0.02, **options}
    start = np.arange(1.0, 4.0 + options["intercept"])
    result = gd_fit(layout(X), y, max_iter=50, tol=0, theta0=start, history=True, **options)
    history, path = result.history, reference.descend(X, y, start, n_iter=50, **options)
    np.testing.assert_allclose(history["theta"], path[:-1], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(result.theta, path[-1], rtol=1e-12)
    np.testing.assert_array_equal(history.theta, result.theta)
    np.testing.assert_array_equal(history["update"], np.diff([*history["theta"], result.theta], axis=0))
    del options["learning_rate"]
    for i in (0, 49):
        gradient = reference.gradient(X, y, path[i], **options)
        np.testing.assert_allclose(history["gradient"][i], gradient, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(history["cost"][i], reference.cost(X, y, path[i], **options), rtol=1e-12)
    np.testing.assert_allclose(result.cost, reference.cost(X, y, path[-1], **options), rtol=1e-12)


def test_a_zero_tolerance_runs_exactly_the_iterations_asked_for():
    result = gd_fit([1.0, 2.0], [1.0, 2.0], theta0=[0.0, 1.0], learning_rate=0.1, max_iter=7, tol=0)
    assert (result.n_iter, result.n_passes, result.converged) == (7, 8, False)  # one pass to begin with, one a step
    assert "7 iterations asked for" in result.message
    by_itself = gd_fit([1.0, 2.0], [1.0, 3.0], max_iter=3, tol=0)  # with the automatic learning rate, too
    assert "asked for" in by_itself.message


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("sample_weight", [None, np.linspace(0, 3, 200)])
def test_automatic_learning_rate_is_one_over_the_largest_eigenvalue(intercept, sample_weight):
    X, y = training_set()
    result = gd_fit(X, y, intercept=intercept, sample_weight=sample_weight, max_iter=1, tol=0, history=True)
    s = np.ones(len(y)) if sample_weight is None else sample_weight
    values = np.linalg.eigvalsh(hessian(X, 2 / s.sum(), intercept=intercept, sample_weight=s))
    step = -result.history["update"][0] / result.history["gradient"][0]
    np.testing.assert_allclose(step, 1 / values[-1], rtol=1e-10)
    np.testing.assert_allclose(result.condition, values[-1] / values[0], rtol=1e-8)


@pytest.mark.parametrize("options", [{}, {"l2": 0.05}, {"standardize": True}, {"intercept": False}], ids=str)
def test_converges_to_the_least_squares_solution(options):
    X, y = training_set()
    result = gd_fit(X, y, max_iter=20_000, tol=1e-12, **options)
    assert result.converged
    assert result.verified
    intercept = options.get("intercept", True)
    expected = exact.least_squares(X, y, intercept=intercept, l2=options.get("l2", 0))
    np.testing.assert_allclose(result.theta, expected, rtol=1e-9)
    np.testing.assert_array_equal(result.coef, result.theta[-3:])
    assert result.intercept == (result.theta[0] if intercept else 0.0)


def test_converged_means_the_scale_free_gradient_is_within_tol():
    X, y = training_set()
    tol = 1e-5
    result = gd_fit(X, y, tol=tol, max_iter=10_000, history=True)
    assert scale_free(X, y, result.theta) <= tol < scale_free(X, y, result.history["theta"][-1])
    assert f"tol={tol:g}" in result.message


def test_units_of_y_do_not_change_when_it_stops():
    X, y = training_set()
    counts = {gd_fit(X, y * 2.0**power, max_iter=10_000).n_iter for power in (-300, 0, 300)}
    assert len(counts) == 1


@pytest.mark.parametrize("precompute", [False, True])
def test_data_on_a_line_converge_by_their_residuals(precompute):
    result = gd_fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0], precompute=precompute)
    assert result.converged
    np.testing.assert_allclose(result.theta, [1, 2], atol=1e-7)


def test_data_on_a_line_far_from_zero_are_not_taken_for_fitted():
    # The residuals of theta = (1e9, 0) are already below 1e-8 of |y|, but not of its spread.
    x = np.arange(5.0)
    result = gd_fit(x, 1e9 + x, theta0=[1e9, 0.0], standardize=True, tol=1e-8)
    np.testing.assert_allclose(result.coef, [1.0], rtol=1e-6)


def test_the_rounding_floor_ends_a_descent_that_no_tolerance_could():
    X, y = training_set()
    result = gd_fit(X, y, tol=1e-300, max_iter=10_000)
    assert result.converged
    assert "rounding error" in result.message


def test_too_large_a_step_names_the_largest_stable_one():
    X, y = training_set()
    limit = 2 / np.linalg.eigvalsh(hessian(X, 2 / len(y)))[-1]
    with pytest.warns(fastgd.ConvergenceWarning, match="too large") as caught:
        result = gd_fit(X, y, learning_rate=5.0, max_iter=10_000)
    assert not result.converged
    assert np.isfinite(result.theta).all()
    assert result.n_iter < 10_000
    assert str(caught[0].message) == result.message
    assert f"2 / lambda_max = {limit:.4g}" in result.message
    assert "condition number" in result.message
    assert 'learning_rate="auto"' in result.message


@pytest.mark.parametrize(("share", "stable"), [(0.99, True), (1.01, False)])
def test_the_largest_stable_step_divides_descents_that_arrive_from_those_that_do_not(share, stable):
    X, y = training_set()
    limit = 2 / np.linalg.eigvalsh(hessian(X, 2 / len(y)))[-1]
    with nullcontext() if stable else pytest.warns(fastgd.ConvergenceWarning):
        result = gd_fit(X, y, learning_rate=share * limit, max_iter=5000)
    assert result.converged == stable


def test_divergence_is_told_even_with_zero_tolerance_and_before_overflow():
    X, y = training_set()
    with pytest.warns(fastgd.ConvergenceWarning, match="Diverged after 20 iterations"):
        result = gd_fit(X, y, learning_rate=5.0, max_iter=20, tol=0)
    assert result.n_iter == 20


def test_rounding_at_the_minimum_is_not_taken_for_divergence():
    for X, y in (training_set(), ([0.0, 1.0, 3.0], [0.1, 0.4, 1.0])):
        theta = gd_fit(X, y, tol=1e-300, max_iter=100_000).theta
        for max_iter in range(1, 12):
            assert gd_fit(X, y, theta0=theta, max_iter=max_iter, tol=0).message.startswith("Ran")


def test_running_out_of_iterations_says_what_to_try():
    X, y = training_set()
    with pytest.warns(fastgd.ConvergenceWarning, match="Not converged within max_iter=3") as caught:
        result = gd_fit(X, y, max_iter=3)
    assert (result.converged, result.n_iter) == (False, 3)
    assert "standardize=True" in str(caught[0].message)
    condition = np.linalg.cond(hessian(X, 1.0))
    assert f"condition number is {condition:.3g}" in result.message


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", [{}, {"standardize": True}, {"tol": 0}, {"theta0": [1.0, 0, 0, 0]}], ids=str)
def test_non_finite_input_is_refused_by_row_and_column(bad, options):
    X, y = training_set(n=9)
    for row, column in ((0, 2), (4, 0), (8, 1)):
        spoilt = X.copy()
        spoilt[row, column] = bad
        with pytest.raises(ValueError, match=rf"X in row {row}, column {column} "):
            gd_fit(spoilt, y, **options)
    y[5] = bad
    with pytest.raises(ValueError, match=r"y in row 5 "):
        gd_fit(X, y, **options)


def test_finite_numbers_that_overflow_are_not_called_non_finite():
    with pytest.warns(fastgd.ConvergenceWarning, match="Diverged"):
        gd_fit([1.0, 2.0], [1e200, -1e200], learning_rate=1e200, tol=0)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("sample_weight", [None, np.linspace(0, 3, 200)])
def test_standardize_descends_on_the_standardised_features(intercept, sample_weight):
    X, y = training_set()
    X = X * [1e-3, 1.0, 1e4] + [5.0, 0.0, -3e4] * np.full(3, intercept)
    mean = np.average(X, axis=0, weights=sample_weight)
    std = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=sample_weight))
    Z = (X - mean * intercept) / std
    options = {"intercept": intercept, "sample_weight": sample_weight, "l2": 0.01}
    start = np.arange(1.0, 4.0 + intercept)
    result = gd_fit(
        X, y, standardize=True, learning_rate=0.1, max_iter=30, tol=0, theta0=start, history=True, **options
    )
    history = result.history

    start_z = start.copy()
    start_z[intercept:] *= std
    if intercept:
        start_z[0] += mean @ start[1:]
    path = reference.descend(Z, y, start_z, learning_rate=0.1, n_iter=30, **options)
    np.testing.assert_allclose([*history["theta"], history.theta], path, rtol=1e-9)
    for i in (0, 29):
        expected = reference.gradient(Z, y, path[i], **options)
        np.testing.assert_allclose(history["gradient"][i], expected, rtol=1e-9, atol=1e-9 * abs(expected).max())
    path[:, intercept:] /= std
    if intercept:
        path[:, 0] -= path[:, 1:] @ mean
    np.testing.assert_allclose(history.path(), path, rtol=1e-9)
    np.testing.assert_allclose(result.theta, path[-1], rtol=1e-9)
    np.testing.assert_array_equal(history.path()[-1], result.theta)


HOMES = {
    "C": lambda X, y: (X, y),
    "F": lambda X, y: (np.asfortranarray(X), y),
    "float32": lambda X, y: (X.astype(np.float32), y),
    "sparse": lambda X, y: (pytest.importorskip("scipy.sparse").csr_array(X), y),
    "batches": lambda X, y: (fastgd.from_batches(lambda: [(X, y)]), None),
    "moments": lambda X, y: (fastgd.Moments.from_rows(X, y), None),
}


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("options", [{}, {"l2": 0.05}, {"loss": "half_mse"}], ids=str)
def test_each_update_in_a_history_is_minus_learning_rate_times_gradient(home, options, intercept, standardize):
    X, y = training_set()
    X, y = HOMES[home](X * ([1e-2, 1.0, 1e2] if standardize else 1.0) + 3 * intercept, y)
    options = {"learning_rate": 0.003, "intercept": intercept, "standardize": standardize, **options}
    result = gd_fit(X, y, max_iter=8, tol=0, history=True, **options)
    history = result.history
    np.testing.assert_array_equal(history.path()[-1], result.theta)
    thetas = np.vstack((history["theta"], history.theta))
    # What a step gives is rounded once, and its distance from theta again.
    bound = 2 * np.finfo(float).eps * abs(thetas).max()
    np.testing.assert_allclose(history["update"], -0.003 * history["gradient"], rtol=1e-15, atol=bound)
    np.testing.assert_array_equal(history["update"], np.diff(thetas, axis=0))
    assert abs(history["update"]).min() > 1e3 * bound


def test_a_history_tells_its_units():
    X, y = training_set()
    options = {"learning_rate": 0.1, "max_iter": 3, "tol": 0, "history": True}
    told = repr(gd_fit(X + 3, y, standardize=True, **options).history)
    assert re.search(r"^theta after 3 iterations: \[.*\], of the standardised features \(x - mean\) / std$", told, re.M)
    assert re.search(r"^theta in the units of X: \[", told, re.M)
    result = gd_fit(X, y, standardize=True, intercept=False, **options)
    assert ", of the standardised features x / std\n" in repr(result.history)
    assert f"units of X: [{', '.join(f'{value:.6g}' for value in result.theta)}]" in repr(result.history)
    assert "standardised" not in repr(gd_fit(X, y, **options).history)


def test_what_a_callback_sees_is_in_the_units_of_X():
    X, y = training_set()
    X = X * [1e-2, 1.0, 1e2] + 3
    seen = []
    options = {"standardize": True, "learning_rate": 0.1, "max_iter": 5, "tol": 0}
    result = gd_fit(X, y, callback=seen.append, **options)
    for state in seen:
        gradient = reference.gradient(X, y, state.theta, intercept=True)
        np.testing.assert_allclose(state.gradient, gradient, rtol=1e-9)
    assert state.theta.tolist() == result.theta.tolist()
    np.testing.assert_allclose(result.gradient_norm, np.linalg.norm(gradient), rtol=1e-9)


def rated(rate, method="gd", **options):
    """Fit badly conditioned rows by a learning rate in units of 1 / lambda_max."""
    X, y = training_set()
    X = X * [1.0, 1.0, 0.05]
    values = np.linalg.eigvalsh(hessian(X, 2 / len(y)))
    return gd_fit(X, y, method=method, learning_rate=rate / values[-1], **options), values


@pytest.mark.filterwarnings("ignore::fastgd.ConvergenceWarning")
def test_the_learning_rate_that_is_advised_takes_fewer_iterations():
    slow, values = rated(0.1, max_iter=100)
    best = 2 / (values[0] + values[-1])
    assert f'or learning_rate="optimal", {best:.4g}.' in slow.message
    counts = [rated(rate, max_iter=100_000)[0].n_iter for rate in (0.1, best * values[-1], 1.9999)]
    assert counts[1] < min(counts[0], counts[2]) / 1.5
    assert 'learning_rate="optimal"' not in rated(best * values[-1], max_iter=100)[0].message
    slow, _ = rated(0.1, "nesterov", max_iter=30)
    assert f'or learning_rate="auto", {1 / values[-1]:.4g}.' in slow.message


@pytest.mark.filterwarnings("ignore::fastgd.ConvergenceWarning")
def test_momentum_makes_long_steps_unstable_sooner():
    # What the message names as the limit is one: just below it converges, and just above it walks away.
    below, values = rated(1.32, "nesterov", max_iter=100_000)
    above, _ = rated(1.36, "nesterov", max_iter=100_000)
    assert below.converged
    assert f"largest stable learning_rate is 4 / (3 lambda_max) = {4 / 3 / values[-1]:.4g}" in above.message
    assert above.message.startswith("Diverged")


def test_a_constant_column_is_fitted_and_its_neighbours_unharmed():
    X, y = training_set()
    X = np.column_stack((X, np.full(len(y), 0.1)))
    with pytest.warns(fastgd.RankWarning, match="or are constant"):
        result = gd_fit(X, y, standardize=True, tol=1e-12)
    assert result.converged
    np.testing.assert_allclose(result.predict(X), gd_fit(X[:, :3], y, standardize=True, tol=1e-12).predict(X[:, :3]))


def test_callback_sees_every_iteration_and_its_theta_continues_the_fit():
    X, y = training_set()
    states = []
    whole = gd_fit(X, y, learning_rate=0.05, max_iter=10, tol=0, callback=states.append)
    assert [state.n_iter for state in states] == list(range(1, 11))
    np.testing.assert_array_equal(states[-1].theta, whole.theta)
    for state in states:
        assert state.cost == fastgd.cost(X, y, state.theta, intercept=True)
        np.testing.assert_array_equal(state.gradient, fastgd.gradient(X, y, state.theta, intercept=True))
    rest = gd_fit(X, y, learning_rate=0.05, max_iter=6, tol=0, theta0=states[3].theta)
    np.testing.assert_array_equal(rest.theta, whole.theta)


def test_a_true_return_value_ends_the_fit():
    X, y = training_set()
    result = gd_fit(X, y, callback=lambda state: state.n_iter == 4)
    assert (result.n_iter, result.converged) == (4, False)
    assert "Ended by callback after 4" in result.message


def test_a_callback_hears_numpys_warnings():
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        gd_fit([1.0, 2.0], [1.0, 3.0], max_iter=1, tol=0, callback=lambda state: np.ones(1) / 0.0)


def test_a_callback_that_spoils_its_theta_spoils_nothing():
    X, y = training_set()

    def spoil(state):
        state.theta[:] = np.nan
        state.gradient[:] = np.nan

    spoilt, whole = (gd_fit(X, y, learning_rate=0.05, max_iter=5, tol=0, callback=each) for each in (spoil, None))
    np.testing.assert_array_equal(spoilt.theta, whole.theta)


def test_ctrl_c_ends_a_long_fit():
    X, y = training_set()
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        gd_fit(X, y, max_iter=10**9, tol=0)
    assert time.monotonic() - start < 5


def test_progress_shows_a_bar_for_long_work_only(capfd, monkeypatch):
    X, y = training_set()
    gd_fit(X, y, max_iter=10, tol=0)  # loads and compiles, which takes long
    gd_fit(X, y, max_iter=10, tol=0, progress=True)
    assert "iteration" not in capfd.readouterr().err
    monkeypatch.setattr("fastgd.fitting.progress._DELAY", 0)
    gd_fit(X, y, max_iter=3000, tol=0, progress=True, callback=lambda state: time.sleep(1e-4))
    shown = capfd.readouterr().err
    assert "/3000" in shown
    assert "cost=" in shown


def test_the_import_of_tqdm_is_no_part_of_long_work(capfd, monkeypatch):
    from tqdm.auto import tqdm

    class Slow:
        def __getattr__(self, name):
            time.sleep(0.6)
            return tqdm

    X, y = training_set()
    gd_fit(X, y, max_iter=10, tol=0)
    monkeypatch.setitem(sys.modules, "tqdm.auto", Slow())
    monkeypatch.setattr("fastgd.fitting.progress._DELAY", 0.5)
    gd_fit(X, y, max_iter=10, tol=0, progress=True)
    assert "iteration" not in capfd.readouterr().err


def test_the_last_bar_of_a_fit_that_ended_early_is_full(capfd, monkeypatch):
    monkeypatch.setattr("fastgd.fitting.progress._DELAY", 0)
    gd_fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], max_iter=100_000, progress=True)
    bars = [bar for bar in capfd.readouterr().err.split("\r") if "%" in bar]
    assert "100%" in bars[-1]


def test_nobody_writes_into_a_result_or_its_history():
    result = gd_fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], history=True)
    history = result.history
    for array in (result.theta, result.coef, history.theta, *history.to_dict().values(), history["theta"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5.0


def test_progress_without_tqdm_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"pip install 'fastgd\[progress\]'"):
        gd_fit([1.0, 2.0], [1.0, 2.0], progress=True)


def test_the_result_prints_in_a_few_lines():
    result = gd_fit([0.0, 1.0], [1.0, 3.0], theta0=[1.0, 2.0])
    assert repr(result).splitlines() == [
        "Converged after 0 iterations: the residuals are within tol=1e-08 of the spread of y.",
        "  intercept   1",
        "  coef[0]     2",
        "  cost        0",
        "  |gradient|  0",
    ]
    named = dataclasses.replace(result, feature_names=["hours"])
    assert "  hours       2" in repr(named).splitlines()
    wide = dataclasses.replace(result, coef=np.arange(30.0), theta=np.arange(31.0))
    assert len(repr(wide).splitlines()) < 16
    assert "and 20 more" in repr(wide)


def test_predict_and_score():
    X, y = training_set()
    result = gd_fit(X, y, standardize=True)
    expected = X @ result.coef + result.intercept
    for given in (X, np.asfortranarray(X), X.astype(np.float32).astype(np.float64), X[::-1]):
        np.testing.assert_allclose(result.predict(given), given @ result.coef + result.intercept)
    np.testing.assert_allclose(result.predict([[1, 2, 3]]), [result.coef @ [1, 2, 3] + result.intercept])
    s = np.linspace(0, 1, len(y))
    score = 1 - np.sum(s * (y - expected) ** 2) / np.sum(s * (y - np.average(y, weights=s)) ** 2)
    np.testing.assert_allclose(result.score(X, y, s), score, rtol=1e-12)
    with pytest.raises(ValueError, match=r"\(200, 2\), that is 2 features, but the fit had 3"):
        result.predict(X[:, :2])
    constant = gd_fit([1.0, 2.0], [5.0, 5.0], theta0=[5.0, 0.0])
    assert constant.score([1.0, 2.0], [5.0, 5.0]) == 1.0
    assert constant.score([1.0, 2.0], [4.0, 4.0]) == 0.0


def test_inputs_are_not_changed():
    X, y = training_set()
    s, start = np.linspace(1, 2, len(y)), np.ones(4)
    before = [a.copy() for a in (X, y, s, start)]
    gd_fit(X, y, sample_weight=s, theta0=start, standardize=True, max_iter=5, tol=0)
    assert not np.shares_memory(gd_fit(X, y, sample_weight=s, theta0=start, max_iter=0, tol=0).theta, start)
    for array, copy in zip((X, y, s, start), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "sgd"}, ValueError, "method='sgd'.*'auto', 'gd'"),
        ({"loss": "mae"}, ValueError, "loss='mae'.*'mse', 'half_mse', 'sse'"),
        ({"loss": ["mse"]}, ValueError, "loss="),
        ({"learning_rate": 0}, ValueError, "learning_rate=0"),
        ({"learning_rate": -0.1}, ValueError, "learning_rate=-0.1"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate='fast'.*\"auto\""),
        ({"max_iter": -1}, ValueError, "max_iter=-1"),
        ({"max_iter": 1.5}, TypeError, "max_iter=1.5"),
        ({"tol": -1e-3}, ValueError, "tol=-0.001"),
        ({"tol": math.nan}, ValueError, "tol=nan"),
        ({"l2": -1}, ValueError, "l2=-1"),
        ({"theta0": [1.0]}, ValueError, r"theta0 has shape \(1,\), but \(2,\)"),
        ({"theta0": [1.0, math.nan]}, ValueError, r"theta0\[1\] is nan"),
        ({"intercept": "no"}, TypeError, "intercept='no'"),
        ({"standardize": 1}, TypeError, "standardize=1"),
        ({"sample_weight": [1.0, -1.0, 1.0]}, ValueError, r"sample_weight is -1\.0 in row 1"),
        ({"callback": 3}, TypeError, "callback is a int"),
    ],
    ids=str,
)
def test_bad_options_say_what_to_do(options, error, message):
    with pytest.raises(error, match=message):
        gd_fit([1.0, 2.0, 4.0], [1.0, 2.0, 3.0], **options)


@pytest.mark.parametrize(("n_samples", "n_features", "n_blocks"), [(1000, 3, 0), (70_000, 1, 2), (50_000, 3, 3)])
def test_predictions_are_made_in_few_blocks(n_samples, n_features, n_blocks, monkeypatch):
    made = []
    monkeypatch.setattr(prediction, "Blocks", lambda *args: made.append(Blocks(*args)) or made[-1])
    fitted = gd_fit(np.eye(n_features), np.ones(n_features), max_iter=1, tol=0)
    X = np.ones((n_samples, n_features))
    np.testing.assert_allclose(fitted.predict(X), X @ fitted.coef + fitted.intercept)
    assert sum(len(blocks) for blocks in made) == n_blocks


def correlated(n_samples, n_features, seed=0):
    rng = np.random.default_rng([n_samples, n_features, seed])
    X = rng.normal(size=(n_samples, n_features)) @ rng.normal(size=(n_features, n_features)) + 3.0
    return X, X @ rng.normal(size=n_features) + rng.normal(size=n_samples), rng.uniform(0, 2, n_samples)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("learning_rate", [0.003, "auto"])
def test_moments_give_the_iterates_of_the_rows(intercept, standardize, l2, learning_rate):
    X, y, s = correlated(200, 4)
    options = {"intercept": intercept, "standardize": standardize, "l2": l2, "learning_rate": learning_rate}
    options |= {"sample_weight": s, "max_iter": 30, "tol": 0, "history": True}
    by_rows, by_moments = (gd_fit(X, y, precompute=choice, **options) for choice in (False, True))
    assert (by_moments.n_iter, by_moments.n_passes, by_moments.verified) == (30, 2, True)
    for column in ("theta", "gradient", "update", "cost"):
        expected = by_rows.history[column]
        np.testing.assert_allclose(by_moments.history[column], expected, rtol=1e-9, atol=1e-9 * abs(expected).max())


def test_what_moments_find_is_verified_on_the_rows():
    X, y, s = correlated(300, 3)
    result = gd_fit(X, y, sample_weight=s, standardize=True, precompute=True, max_iter=100_000)
    assert result.converged
    assert result.cost == pytest.approx(fastgd.cost(X, y, result.theta, intercept=True, sample_weight=s), rel=1e-15)
    r = X @ result.coef + result.intercept - y
    assert (abs((s * r) @ X) <= 1e-7 * np.sqrt((s * r) @ r) * np.sqrt(s @ X**2)).all()


def test_where_moments_lack_the_digits_the_descent_goes_on_over_the_rows(monkeypatch):
    X, y, _ = correlated(300, 3)
    moments_of = problem.moments_of

    def rough(rows):
        moments = moments_of(rows)
        return moments._replace(scatter=moments.scatter * (1 + 1e-4 * np.eye(4)))

    monkeypatch.setattr(problem, "moments_of", rough)
    options = {"standardize": True, "max_iter": 100_000}
    result = gd_fit(X, y, precompute=True, **options)
    exact = gd_fit(X, y, precompute=False, **options)
    assert result.converged
    assert result.n_passes > 2
    np.testing.assert_allclose(result.theta, exact.theta, rtol=1e-4)


def test_many_rows_are_summed_up_first_and_few_are_not():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100_000, 5)), rng.normal(size=100_000)
    assert gd_fit(X, y).n_passes == 2
    assert gd_fit(X[:100], y[:100]).n_passes > 2
    assert gd_fit(X, y, max_iter=2, tol=0, learning_rate=0.1).n_passes == 3


def test_precomputing_pays_the_more_rows_and_answers_there_are():
    assert not precomputing_pays(10**9, 100, 0)
    assert not precomputing_pays(100, 3, 10**6)
    assert precomputing_pays(10**6, 100, 10)
    for n_features in (1, 30, 1000):
        by_answers = [precomputing_pays(10**7, n_features, n) for n in range(100)]
        by_rows = [precomputing_pays(10**n, n_features, 100) for n in range(10)]
        assert by_answers == sorted(by_answers)
        assert by_rows == sorted(by_rows)
        assert by_answers[-1]
        assert by_rows[-1]


@pytest.mark.parametrize("precompute", [True, "auto"])
def test_a_fit_by_moments_names_what_is_not_finite(precompute, monkeypatch):
    monkeypatch.setattr(problem, "precomputing_pays", lambda *_: True)
    X, y, _ = correlated(50, 3)
    X[20, 1] = np.nan
    with pytest.raises(ValueError, match=r"X in row 20, column 1.*a fit needs finite numbers"):
        gd_fit(X, y, precompute=precompute)


def test_squares_beyond_float64_are_left_to_the_rows(monkeypatch):
    monkeypatch.setattr(problem, "precomputing_pays", lambda *_: True)
    X, y, _ = correlated(50, 1)
    y = y * 1e155
    with pytest.raises(ValueError, match="squares of y exceed float64"):
        gd_fit(X, y, precompute=True)
    assert gd_fit(X, y, learning_rate=1e-3, max_iter=2, tol=0).n_passes > 2


@pytest.mark.parametrize("precompute", ["yes", 1, None, np.array("auto")])
def test_precompute_is_a_truth_value_or_auto(precompute):
    with pytest.raises(TypeError, match=r'precompute=.*"auto"'):
        gd_fit([1.0, 2.0], [1.0, 2.0], precompute=precompute)


@pytest.mark.parametrize(("precompute", "n_passes"), [(False, 1 + 1 + 3 + 4), (True, 1 + 1)])
def test_every_pass_over_the_rows_is_counted(precompute, n_passes):
    X, y, _ = correlated(100, 3)
    with pytest.warns(fastgd.ConvergenceWarning):  # which takes the spectrum, for what it has to say
        result = gd_fit(X, y, learning_rate=1e-6, max_iter=3, precompute=precompute)
    assert result.n_passes == n_passes
