"""The parts of a descent: eigenvalues from products alone, and the test of convergence."""

import numpy as np
import pytest

from fastgd.rows.arrays import ArrayRows
from fastgd.rows.moments import columns_of
from fastgd.solvers.objective import Objective, Scales
from fastgd.solvers.step_size import spectrum
from fastgd.solvers.stopping import Stopping


def with_eigenvalues(values, seed=0):
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))
    return (q * values) @ q.T


@pytest.mark.parametrize(
    "values", [[3.0], [1.0, 2.0], [1e-6, 1.0, 1e3], np.geomspace(1, 1e8, 12), np.linspace(1, 2, 32)]
)
def test_small_matrices_give_their_whole_spectrum(values):
    matrix = with_eigenvalues(np.array(values))
    found = spectrum(lambda p: matrix @ p, len(values))
    np.testing.assert_allclose(found.largest, max(values), rtol=1e-10)
    np.testing.assert_allclose(found.smallest, min(values), atol=1e-13 * max(values), rtol=1e-6)
    assert found.complete
    np.testing.assert_allclose(found.condition, max(values) / min(values), rtol=1e-5)


@pytest.mark.parametrize("values", [[2.0, 2.0, 2.0], [1.0, 1.0, 5.0, 5.0]])
def test_repeated_eigenvalues_end_it_early(values):
    matrix = with_eigenvalues(np.array(values))
    products = []
    found = spectrum(lambda p: products.append(p) or matrix @ p, len(values))
    np.testing.assert_allclose([found.largest, found.smallest], [max(values), min(values)])
    assert found.complete
    assert len(products) == len(set(values))


@pytest.mark.parametrize("values", [[0.0, 1.0, 2.0], [0.0], [0.0, 0.0]])
def test_a_singular_matrix_has_an_infinite_condition(values):
    matrix = with_eigenvalues(np.array(values))
    found = spectrum(lambda p: matrix @ p, len(values))
    assert found.smallest == 0
    assert found.condition == np.inf


@pytest.mark.parametrize("values", [np.linspace(0.1, 1, 300), np.geomspace(1e-4, 1, 100), np.r_[np.ones(99), 50.0]])
def test_large_matrices_take_few_products_and_bound_the_largest_from_just_above(values):
    matrix = with_eigenvalues(values)
    products = []
    found = spectrum(lambda p: products.append(p) or matrix @ p, len(values))
    assert len(products) <= 32
    assert max(values) * (1 - 1e-12) <= found.largest <= max(values) * 1.02
    assert found.smallest >= min(values) * (1 - 1e-9)


@pytest.mark.parametrize("options", [{}, {"l2": 0.1}, {"standardize": True}, {"intercept": False}], ids=str)
def test_the_product_is_the_derivative_of_the_gradient(options):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((40, 3)) + 2, rng.standard_normal(40)
    objective, _ = make_objective(X, y, **options)
    theta, p = rng.standard_normal((2, objective.n_parameters))
    # the gradient is affine, so a difference over any distance is exact but for rounding
    difference = objective.evaluate(theta + p).gradient - objective.evaluate(theta).gradient
    np.testing.assert_allclose(objective.product(p), difference, rtol=1e-10, atol=1e-11)


def make_objective(X, y, *, intercept=True, l2=0.0, standardize=False):
    rows = ArrayRows(X, y)
    mean, std = columns_of(rows)
    scales = Scales(mean[:-1], std[:-1], mean[-1], std[-1], float(len(y)))
    objective = Objective(
        rows,
        n_features=X.shape[1],
        intercept=intercept,
        scale=2 / len(y),
        l2=l2,
        standardize=scales if standardize else None,
    )
    return objective, scales


@pytest.mark.parametrize("options", [{}, {"l2": 0.1}, {"standardize": True}, {"intercept": False}], ids=str)
def test_original_units_and_back(options):
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((40, 3)) * [1, 10, 100] + 5, rng.standard_normal(40)
    objective, _ = make_objective(X, y, **options)
    theta = rng.standard_normal(objective.n_parameters)
    np.testing.assert_allclose(objective.original(objective.from_original(theta)), theta, rtol=1e-12)
    # The chain rule: a step in the original units changes the cost by gradient . step.
    at = objective.evaluate(objective.from_original(theta))
    step = 1e-6 * rng.standard_normal(objective.n_parameters)
    ahead, behind = (objective.evaluate(objective.from_original(theta + sign * step)).cost for sign in (1, -1))
    np.testing.assert_allclose(objective.original_gradient(at.gradient) @ step, (ahead - behind) / 2, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"l2": 1e-3}, {"standardize": True}, {"intercept": False}], ids=str)
@pytest.mark.parametrize("tol", [1e-2, 1e-6, 1e-300])
def test_the_witness_denies_only_what_the_whole_test_denies(options, tol):
    """The quick look at one entry is a shortcut, not another criterion: along a descent both give the same verdicts."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((50, 4))
    y = X @ [1.0, -2.0, 0.5, 3.0] + rng.standard_normal(50)
    objective, scales = make_objective(X, y, **options)
    at = objective.evaluate(np.zeros(objective.n_parameters))
    quick = Stopping(objective, scales, tol)
    verdicts = []
    for _ in range(400):
        whole = Stopping(objective, scales, tol)
        whole._witness_denies = lambda at: False
        verdicts.append(whole.arrived(at))
        assert quick.arrived(at) == verdicts[-1]
        at = objective.evaluate(at.theta - 0.2 * at.gradient)
    assert verdicts[0] == ""
    assert verdicts[-1] == ("rounding" if tol == 1e-300 else "tolerance")
