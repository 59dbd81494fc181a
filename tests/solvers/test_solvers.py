"""The parts of a descent: eigenvalues from products alone, and the test of convergence."""

from types import SimpleNamespace

import numpy as np
import pytest
from problems import centred_least_norm, features

from fastgd.rows.arrays import ArrayRows
from fastgd.rows.centred_moments import columns_of
from fastgd.rows.factor import factor_of
from fastgd.solvers.choose import moments_fit, precomputing_pays, preconditioning_pays
from fastgd.solvers.column_sizes import ColumnSizes
from fastgd.solvers.conditioning import largest_scaled_condition, smallest_scaled_condition
from fastgd.solvers.conjugate_gradient import conjugate_gradient, steepest_descent
from fastgd.solvers.inverse_hessian import FactorInverse, InverseHessian, uncorrelated_inverse
from fastgd.solvers.nesterov import nesterov
from fastgd.solvers.preconditioned import preconditioned, refinement
from fastgd.solvers.quadratic import Evaluation, Objective, Scales
from fastgd.solvers.step_size import _length, spectrum
from fastgd.solvers.stopping import GradientCriterion, Status, StepCriterion

OPTIONS = [
    {},
    {"l2": 0.1},
    {"standardize": True},
    {"standardize": True, "l2": 0.1},
    {"intercept": False},
    {"intercept": False, "l2": 0.1},
    {"intercept": False, "standardize": True},
]


def with_eigenvalues(values, seed=0):
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))
    return (q * np.array(values)) @ q.T


@pytest.mark.parametrize(
    "values", [[3.0], [1.0, 2.0], [1e-6, 1.0, 1e3], np.geomspace(1, 1e8, 12), np.linspace(1, 2, 32)]
)
def test_small_matrices_give_their_whole_spectrum(values):
    found, _ = spectrum_of(values)
    np.testing.assert_allclose(found.largest, max(values), rtol=1e-10)
    np.testing.assert_allclose(found.smallest, min(values), atol=1e-13 * max(values), rtol=1e-6)
    assert found.complete
    np.testing.assert_allclose(found.condition, max(values) / min(values), rtol=1e-5)


@pytest.mark.parametrize("values", [[2.0, 2.0, 2.0], [1.0, 1.0, 5.0, 5.0]])
def test_repeated_eigenvalues_end_it_early(values):
    found, n_products = spectrum_of(values)
    np.testing.assert_allclose([found.largest, found.smallest], [max(values), min(values)])
    assert found.complete
    assert n_products == len(set(values))


@pytest.mark.parametrize("values", [[0.0, 1.0, 2.0], [0.0], [0.0, 0.0]])
def test_a_singular_matrix_has_an_infinite_condition(values):
    found, _ = spectrum_of(values)
    assert found.smallest == 0
    assert found.condition == np.inf


@pytest.mark.parametrize("values", [np.linspace(0.1, 1, 300), np.geomspace(1e-4, 1, 100), np.r_[np.ones(99), 50.0]])
def test_large_matrices_take_few_products_and_bound_the_largest_from_just_above(values):
    found, n_products = spectrum_of(values)
    assert n_products <= 32
    assert max(values) * (1 - 1e-12) <= found.largest <= max(values) * 1.02
    assert found.smallest >= min(values) * (1 - 1e-9)


@pytest.mark.parametrize("values", [np.r_[np.ones(99), 50.0], np.linspace(0.1, 1, 100)], ids=["two", "many"])
def test_the_units_make_no_difference_to_a_spectrum(values):
    found = []
    for unit in (1.0, 2.0**40, 2.0**-40):
        of_unit, n_products = spectrum_of(values, unit)
        found.append((n_products, of_unit.largest / unit, of_unit.smallest / unit))
    assert found == [found[0]] * 3


def test_a_part_of_a_spectrum_has_its_smallest_value_found_so_far_and_says_that_it_is_a_part():
    # The smallest is far from the others, so found soon.
    found, _ = spectrum_of(np.r_[1e-4, np.linspace(0.5, 1, 299)])
    assert found.smallest == pytest.approx(1e-4, abs=1e-5)
    assert not found.complete


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_product_is_the_derivative_of_the_gradient(options):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((40, 3)) + 2, rng.standard_normal(40)
    objective, _ = make_objective(X, y, **options)
    theta, p = rng.standard_normal((2, objective.n_parameters))
    # the gradient is affine, so a difference over any distance is exact but for rounding
    difference = objective.evaluate(theta + p).gradient - objective.evaluate(theta).gradient
    np.testing.assert_allclose(objective.product(p), difference, rtol=1e-10, atol=1e-11)


def spectrum_of(values, unit=1.0):
    """Return the spectrum of a matrix with these eigenvalues, in such a unit, and how many products it took."""
    matrix, products = with_eigenvalues(values), []
    found = spectrum(lambda p: products.append(p) or unit * (matrix @ p), len(values))
    return found, len(products)


def make_objective(X, y, *, intercept=True, l2=0.0, standardize=False):
    rows = ArrayRows(X, y)
    mean, std = columns_of(rows)
    scales = Scales(mean[:-1], std[:-1], mean[-1], std[-1], float(len(y)))
    options = {"n_features": X.shape[1], "intercept": intercept, "scale": 2 / len(y), "l2": l2}
    return Objective(rows, standardize=scales if standardize else None, **options), scales


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_original_units_and_back(options):
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((40, 3)) * [1, 10, 100] + 5, rng.standard_normal(40)
    objective, _ = make_objective(X, y, **options)
    theta = rng.standard_normal(objective.n_parameters)
    np.testing.assert_allclose(objective.units.to_rows(objective.units.from_rows(theta)), theta, rtol=1e-12)
    # The chain rule: a step in the original units changes the cost by gradient . step.
    at = objective.evaluate(objective.units.from_rows(theta))
    step = 1e-6 * rng.standard_normal(objective.n_parameters)
    ahead, behind = (objective.evaluate(objective.units.from_rows(theta + sign * step)).cost for sign in (1, -1))
    np.testing.assert_allclose(objective.units.gradient_to_rows(at.gradient) @ step, (ahead - behind) / 2, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"l2": 1e-3}, {"standardize": True}, {"intercept": False}], ids=str)
@pytest.mark.parametrize("tol", [1e-2, 1e-6, 1e-300])
def test_the_witness_denies_only_what_the_whole_test_denies(options, tol):
    """The quick look at one entry is a shortcut, not another criterion: along a descent both give the same verdicts."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((50, 4))
    y = X @ [1.0, -2.0, 0.5, 3.0] + rng.standard_normal(50)
    objective, scales = make_objective(X, y, **options)
    at = objective.evaluate(np.zeros(objective.n_parameters))
    quick = GradientCriterion(objective, ColumnSizes(objective, scales), tol)
    verdicts, denied = [], []
    for _ in range(400):
        whole = GradientCriterion(objective, ColumnSizes(objective, scales), tol)
        whole._witness_denies = lambda at: False
        verdicts.append(whole.check(at))
        denied.append(quick._witness_denies(at))
        assert quick.check(at) == verdicts[-1]
        at = objective.evaluate(at.theta - 0.2 * at.gradient)
    assert verdicts[0] is None
    assert denied.count(True) > 0.5 * verdicts.count("")
    assert verdicts[-1] == (Status.ROUNDING if tol == 1e-300 else Status.TOLERANCE)


def orthogonal(n_samples, n_features, seed=0):
    """Return columns at right angles, of mean zero, lengths of their own and, after that, means of their own."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(np.column_stack([np.ones(n_samples), rng.standard_normal((n_samples, n_features))]))
    return q[:, 1:] * rng.uniform(2, 50, n_features) + rng.uniform(-3, 3, n_features)


def features_of(objective, X):
    """Return the matrix whose product with a theta is the hypothesis of an objective."""
    units = np.eye(objective.n_parameters)
    return features(X, objective.intercept) @ np.column_stack([objective.units.to_rows(unit) for unit in units])


def hessian_of(objective):
    return np.column_stack([objective.product(unit) for unit in np.eye(objective.n_parameters)])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_column_norms_are_those_of_the_features_that_theta_belongs_to(options):
    X = orthogonal(50, 3)
    objective, scales = make_objective(X, X[:, 0] + 1.0, **options)
    sizes = ColumnSizes(objective, scales)
    norms, terms = sizes.norms, sizes.terms
    columns = features_of(objective, X)
    np.testing.assert_allclose(norms, np.linalg.norm(columns, axis=0), rtol=1e-12)
    unit = X.std(axis=0) if options.get("standardize") else np.ones(3)
    centre = abs(X.mean(axis=0)) if options.get("standardize") and objective.intercept else 0.0
    made_from = (np.sqrt((X**2).mean(axis=0)) + centre) / unit
    np.testing.assert_allclose(terms, np.sqrt(50) * np.r_[[1.0] * objective.intercept, made_from], rtol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("tol", [1e-3, 1e-30])
def test_a_point_is_a_minimum_up_to_the_tolerance_or_the_rounding_of_each_entry(tol, options):
    rng = np.random.default_rng(12)
    X, y = orthogonal(50, 3), 7.0 + rng.standard_normal(50)
    objective, scales = make_objective(X, y, **options)
    theta, residual_norm = rng.standard_normal(objective.n_parameters), 5.0
    columns = features_of(objective, X)
    centre = np.r_[[0.0], columns[:, 1:].mean(axis=0)] if objective.intercept else np.zeros(columns.shape[1])
    norms = np.linalg.norm(columns - centre, axis=0)
    terms = ColumnSizes(objective, scales).terms
    penalty = 2 * objective.l2 * abs(np.r_[[0.0] * objective.intercept, theta[objective.intercept :]])
    whole = np.where(penalty > 0, np.linalg.norm(penalty), 0.0)  # coefficients are rounded beside the largest
    limits = {
        "tolerance": tol * (objective.scale * norms * residual_norm + penalty),
        "rounding": 2.0**-53
        * (objective.scale * (norms * (terms @ abs(theta) + np.linalg.norm(y)) + 8 * terms * residual_norm) + whole),
    }["rounding" if tol < 1e-20 else "tolerance"]
    once = GradientCriterion(
        objective, ColumnSizes(objective, scales), tol
    )  # which remembers the entry that it saw last
    for j in range(objective.n_parameters):
        for share, expected in ((1.001, None), (0.999, "rounding" if tol < 1e-20 else "tolerance"), (1.001, None)):
            gradient = 0.5 * limits * rng.choice([-1, 1], len(limits))
            gradient[j] *= 2 * share
            gradient += centre * gradient[0]  # which are those about the means
            at = Evaluation(theta, 1.0, gradient, residual_norm)
            assert (
                once.check(at)
                == GradientCriterion(objective, ColumnSizes(objective, scales), tol).check(at)
                == expected
            )


@pytest.mark.parametrize("tol", [1e-3, 1e-30])
def test_the_witness_knows_a_penalty_that_outweighs_all(tol):
    X = orthogonal(20, 2)
    for l2 in (1e9, 1e12):
        objective, scales = make_objective(X, np.zeros(20), intercept=False, l2=l2)
        stopping = GradientCriterion(objective, ColumnSizes(objective, scales), tol)
        theta = np.array([2.0, 0.0])
        limit = max(tol, 2.0**-53) * 2 * l2 * 2.0
        for share, denied in ((1.001, True), (0.999, False)):
            assert stopping._witness_denies(Evaluation(theta, 1.0, np.array([share * limit, 0.0]), 1.0)) is denied


def test_residuals_of_nothing_are_a_minimum_and_infinite_ones_are_none():
    X = orthogonal(10, 2)
    for y, options, spread in (
        (np.full(10, 3.0), {}, 0.0),
        (np.arange(10.0), {}, np.sqrt(82.5)),
        (np.arange(10.0), {"intercept": False}, np.sqrt(285.0)),
    ):
        objective, scales = make_objective(X, y, **options)
        stopping = GradientCriterion(objective, ColumnSizes(objective, scales), 1e-3)
        theta = np.ones(objective.n_parameters)
        uphill = np.full(len(theta), 1e9)
        assert stopping.check(Evaluation(theta, 0.0, uphill, 0.999e-3 * spread)) is Status.RESIDUAL
        assert stopping.check(Evaluation(theta, 0.0, uphill, 1.001e-3 * spread + 1e-9)) is None
        assert stopping.check(Evaluation(theta, np.inf, 0 * uphill, np.inf)) is None
        penalised, _ = make_objective(X, y, l2=1.0, **options)
        assert (
            GradientCriterion(penalised, ColumnSizes(penalised, scales), 1e-3).check(
                Evaluation(theta, 0.0, uphill, 0.0)
            )
            is None
        )


@pytest.mark.parametrize("options", [each for each in OPTIONS if each.get("intercept", True)], ids=str)
def test_the_inverse_without_correlation_is_that_of_columns_at_right_angles(options):
    X = orthogonal(50, 3)
    objective, scales = make_objective(X, X[:, 0] + 1.0, **options)
    inverse = uncorrelated_inverse(objective, scales)
    product = np.column_stack([inverse(column) for column in hessian_of(objective)])
    np.testing.assert_allclose(product, np.eye(4), atol=1e-10)


def test_the_inverse_without_correlation_and_intercept_has_the_curvature_along_each_axis():
    X = orthogonal(50, 3)
    for options in ({}, {"l2": 0.1}, {"standardize": True}):
        objective, scales = make_objective(X, X[:, 0], intercept=False, **options)
        inverse = uncorrelated_inverse(objective, scales)
        np.testing.assert_allclose(inverse(np.diag(hessian_of(objective))), np.ones(3), rtol=1e-12)


def test_the_inverse_without_correlation_leaves_constant_columns_alone():
    X = np.column_stack([np.ones(20), np.arange(20.0)])
    objective, scales = make_objective(X, np.arange(20.0))
    step = uncorrelated_inverse(objective, scales)(np.array([0.0, 5.0, 1.0]))
    assert step[1] == 0
    assert np.isfinite(step).all()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("unit", [1.0, 2.0**-20])
@pytest.mark.parametrize("method", ["cg", "plain cg", "steepest"])
def test_what_is_carried_along_a_descent_is_true_to_rounding(method, unit, options):
    rng = np.random.default_rng(6)
    X = rng.standard_normal((60, 4)) + np.arange(4.0)
    y = unit * (X @ [1.0, -2.0, 0.5, 3.0] + rng.standard_normal(60))
    objective, scales = make_objective(X, y, **options)
    before = start = objective.evaluate(np.zeros(objective.n_parameters))
    solution = np.linalg.solve(hessian_of(objective), -start.gradient)
    inverse = uncorrelated_inverse(objective, scales) if method == "cg" else lambda gradient: gradient
    terms = ColumnSizes(objective, scales).terms
    steps = (
        steepest_descent(objective, start, terms)
        if method == "steepest"
        else conjugate_gradient(objective, start, inverse, terms)
    )
    for _, at in zip(range(60), steps, strict=False):
        true = objective.evaluate(at.theta)
        assert at.cost == pytest.approx(true.cost, rel=1e-11)
        assert at.residual_norm == pytest.approx(true.residual_norm, rel=1e-11)
        np.testing.assert_allclose(at.gradient, true.gradient, atol=1e-12 * abs(start.gradient).max())
        assert at.cost <= before.cost * (1 + 1e-12)
        before = at
    if method != "steepest":  # as many steps as there are parameters will do, but for rounding
        np.testing.assert_allclose(before.theta, solution, rtol=1e-7, atol=1e-9 * unit)


def test_conjugate_gradients_take_as_many_steps_as_there_are_parameters():
    rng = np.random.default_rng(7)
    X, y = rng.standard_normal((60, 5)) * [1, 2, 3, 4, 5], rng.standard_normal(60)
    objective, _ = make_objective(X, y, intercept=False)
    start = objective.evaluate(np.zeros(5))
    *_, (_, at) = zip(
        range(5),
        conjugate_gradient(objective, start, lambda gradient: gradient, np.zeros(objective.n_parameters)),
        strict=False,
    )
    np.testing.assert_allclose(at.theta, np.linalg.lstsq(X, y)[0], rtol=1e-8)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_penalty_and_its_derivative(options):
    objective, _ = make_objective(orthogonal(20, 3), np.arange(20.0), **options)
    theta, l2 = np.arange(2.0, 2.0 + objective.n_parameters), options.get("l2", 0.0)
    coef = theta[objective.intercept :]
    assert objective.penalty(theta) == pytest.approx(l2 * np.sum(coef**2))
    np.testing.assert_allclose(objective.penalty_gradient(theta), np.r_[[0.0] * objective.intercept, 2 * l2 * coef])


class Counted:
    """An objective of which it is known where it was evaluated, and that may be flat for all that products tell."""

    def __init__(self, objective, *, flat=False):
        self.n_evaluations, self.scale, self.penalty = 0, objective.scale, objective.penalty
        self._objective, self._flat = objective, flat

    def evaluate(self, theta):
        self.n_evaluations += 1
        return self._objective.evaluate(theta)

    def product(self, p):
        return 0.0 * p if self._flat else self._objective.product(p)


def test_what_is_carried_along_is_made_true_every_fifty_steps():
    columns = np.random.default_rng(6).standard_normal((60, 4)) * [1.0, 10.0, 100.0, 1000.0]  # a descent takes long
    objective, _ = make_objective(columns, np.arange(60.0))
    start = objective.evaluate(np.ones(5))
    counted = Counted(objective)
    steps = steepest_descent(counted, start, np.zeros(len(start.theta)))
    n_evaluations = [counted.n_evaluations for _ in zip(range(120), steps, strict=False)]
    assert n_evaluations == [0] * 49 + [1] * 50 + [2] * 21


def test_what_is_carried_along_is_made_true_where_little_of_it_is_left():
    # Of a gradient that came down to 1e-5 the rounding of the first one takes five digits.
    rng = np.random.default_rng(6)
    X = rng.standard_normal((60, 3))
    objective, scales = make_objective(X, 1e6 + X[:, 0] + 0.1 * rng.standard_normal(60))
    inverse = uncorrelated_inverse(objective, scales)
    start, counted = objective.evaluate(np.zeros(4)), Counted(objective)
    steps = conjugate_gradient(counted, start, inverse, ColumnSizes(objective, scales).terms)
    for _, at in zip(range(3), steps, strict=False):
        true = objective.evaluate(at.theta)
        np.testing.assert_allclose(at.gradient, true.gradient, atol=1e-3 * 0.1)
        assert at.residual_norm == pytest.approx(true.residual_norm, rel=1e-3)
    assert counted.n_evaluations >= 1


def test_there_is_no_step_where_the_cost_does_not_curve():
    objective, _ = make_objective(np.arange(6.0).reshape(3, 2), np.ones(3))
    start = objective.evaluate(np.ones(3))
    assert start.gradient.all()
    assert next(steepest_descent(Counted(objective, flat=True), start, np.ones(3))).theta.tolist() == [1.0] * 3


def test_a_constant_column_is_standardised_by_one():
    X = np.column_stack([np.full(5, 3.0), np.arange(5.0)])
    for intercept in (False, True):
        objective, _ = make_objective(X, np.ones(5), intercept=intercept, standardize=True)
        assert objective.units.to_rows(np.ones(2 + intercept))[intercept:].tolist() == [1.0, 1.0 / np.sqrt(2.0)]


def inverse_of(X, y, *, by_factor=False, **options):
    objective, scales = make_objective(X, y, **options)
    if by_factor:
        centre = np.append(scales.mean, scales.y_mean) if objective.intercept else None
        factor = factor_of(ArrayRows(X, y), centre)
        return objective, FactorInverse(objective, scales, factor, len(X))
    centred = X - X.mean(axis=0)
    return objective, InverseHessian.from_moments(objective, scales.mean, centred.T @ centred, float(len(X)))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("by_factor", [False, True])
def test_the_inverse_hessian_is_the_inverse_of_the_hessian(options, by_factor):
    rng = np.random.default_rng(8)
    X = rng.standard_normal((60, 4)) * [1, 10, 100, 1000] + [5, 4, 3, 2]
    objective, inverse = inverse_of(X, X[:, 0], by_factor=by_factor, **options)
    assert (inverse.trusted, inverse.exact) == (True, by_factor)
    hessian = hessian_of(objective)
    product = np.column_stack([inverse(column) for column in hessian])
    np.testing.assert_allclose(product, np.eye(objective.n_parameters), atol=1e-7)
    gradient = rng.standard_normal(objective.n_parameters)
    assert inverse.gap(gradient) == pytest.approx(0.5 * gradient @ np.linalg.solve(hessian, gradient), rel=1e-9)
    assert inverse.gap(0 * gradient) == 0.0
    assert inverse.rank == objective.n_parameters
    assert inverse.dependent.tolist() == []
    scaled = features_of(objective, X)[:, objective.intercept :]
    scaled = scaled - scaled.mean(axis=0) if objective.intercept else scaled
    gram = scaled.T @ scaled * objective.scale + 2 * objective.l2 * np.eye(4)
    gram /= np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
    assert 1 - 1e-12 <= inverse.condition / np.linalg.cond(gram) < 4


@pytest.mark.parametrize("n_features", [4, 200])
@pytest.mark.parametrize("by_factor", [False, True])
def test_dependent_columns_are_found_and_steps_stay_at_right_angles_to_what_changes_nothing(by_factor, n_features):
    rng = np.random.default_rng(9)
    X = rng.standard_normal((300, n_features))
    X[:, 3] = 2.0 * X[:, 1]
    objective, inverse = inverse_of(X, X[:, 0], by_factor=by_factor)
    assert inverse.dependent.tolist() == [1, 3]
    assert inverse.rank == n_features
    assert inverse.condition == np.inf
    nothing = np.zeros(n_features)
    nothing[[1, 3]] = 2.0, -1.0
    for _ in range(5):
        theta = rng.standard_normal(1 + n_features)
        theta[1:] -= (theta[1:] @ nothing) / 5.0 * nothing
        np.testing.assert_allclose(inverse(objective.product(theta)), theta, atol=1e-9)


@pytest.mark.parametrize("closeness", [1e-6, 1e-9, 1e-12])
def test_columns_that_nearly_depend_are_told_apart_by_a_factor(closeness):
    rng = np.random.default_rng(10)
    X = rng.standard_normal((80, 3))
    X[:, 2] = X[:, 0] + closeness * X[:, 2]
    objective, inverse = inverse_of(X, X[:, 0], by_factor=True)
    assert inverse.rank == 4
    assert inverse.dependent.tolist() == []
    assert 0.1 < inverse.condition * closeness**2 < 10
    start = objective.evaluate(np.zeros(4))
    # A step leaves as much of the hypothesis as the condition number times what rounds in a product: 80 rows of 3 columns.
    left = 80 * 3 * 2.0**-53 / closeness
    before = start.cost
    for _, at in zip(range(4), refinement(objective, start, inverse, None), strict=False):
        assert at.cost <= max(left**2 * before, (80 * 3 * 2.0**-53) ** 2 * objective.scale * X[:, 0] @ X[:, 0])
        before = at.cost


def test_a_factor_knows_a_direction_until_the_roundoff_of_its_columns():
    for mean, n_samples in ((0.0, 4), (0.0, 500), (0.0, 10**9), (1e6, 4)):
        floor = 2.0**-52 * max(2, min(n_samples, 1000))
        terms = 1e-14 * np.sqrt(2.0) * np.hypot(1.0, mean)
        objective = Objective(None, n_features=2, intercept=True, scale=1.0, l2=0.0)
        for size in (2.0, 0.5):
            least = size * max(np.sqrt(2.0) * floor, terms)
            # The small singular value of its features is `least`, nearly.
            factor = np.array([[1.0, 0, 0, 0], [0, 1.0, 1.0, 0], [0, 0, np.sqrt(2.0) * least, 0]])
            inverse = FactorInverse(objective, Scales(np.full(2, mean), np.ones(2), 0.0, 0.0, 1.0), factor, n_samples)
            assert inverse.rank == (3 if size > 1 else 2)
            assert inverse.dependent.tolist() == ([] if size > 1 else [0, 1])
            assert np.isfinite(inverse.condition) == (size > 1)


@pytest.mark.parametrize(("n_samples", "n_features"), [(5, 40), (30, 40), (1, 3)])
@pytest.mark.parametrize("intercept", [False, True])
def test_steps_from_a_factor_of_few_rows_lead_to_the_least_norm(n_samples, n_features, intercept):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((n_samples, n_features)) * np.linspace(1, 20, n_features) + 3.0
    y = rng.standard_normal(n_samples)
    objective, inverse = inverse_of(X, y, by_factor=True, intercept=intercept)
    assert inverse.rank == n_samples
    start = objective.evaluate(np.zeros(objective.n_parameters))
    *_, (_, at) = zip(range(4), refinement(objective, start, inverse, None), strict=False)
    expected = centred_least_norm(X, y, intercept=intercept)[intercept:]
    for theta in (at.theta, inverse.minimum(start.theta)):
        np.testing.assert_allclose(theta[int(intercept) :], expected, atol=1e-12 * abs(expected).max())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_preconditioned_steps_arrive_however_bad_the_inverse_is(options):
    rng = np.random.default_rng(11)
    X, y = rng.standard_normal((70, 4)) + 1.0, rng.standard_normal(70)
    objective, inverse = inverse_of(X, y, **options)
    start = objective.evaluate(np.zeros(objective.n_parameters))
    solution = np.linalg.solve(hessian_of(objective), -start.gradient)
    bad = np.diag(rng.uniform(0.2, 4.0, objective.n_parameters))
    for approximate, n_steps in ((inverse, 2), (lambda gradient: bad @ gradient, 2 * objective.n_parameters + 2)):
        for _, at in zip(range(n_steps), preconditioned(objective, start, approximate), strict=False):
            true = objective.evaluate(at.theta)
            assert (at.cost, at.gradient.tolist()) == (true.cost, true.gradient.tolist())
        np.testing.assert_allclose(at.theta, solution, rtol=1e-8, atol=1e-10)


def test_preconditioned_steps_stay_at_an_exact_minimum():
    X = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, -2.0]])
    objective, inverse = inverse_of(X, X @ [3.0, -1.0], intercept=False)
    start = objective.evaluate(np.array([3.0, -1.0]))
    assert start.gradient.tolist() == [0.0, 0.0]
    for _, at in zip(range(4), preconditioned(objective, start, inverse), strict=False):
        assert at.theta.tolist() == [3.0, -1.0]


def test_which_way_to_take_is_a_matter_of_the_shape():
    # Up to which number of features it pays, of so many rows.
    for n_samples, most, sparse in (
        (10**6, 500, True),
        (10**6, 2000, False),
        (1000, 2000, False),
        (100, 200_000, False),
        (1 << 8, 1 << 14, True),
    ):
        assert preconditioning_pays(n_samples, most, sparse=sparse)
        assert not preconditioning_pays(n_samples, most + 1, sparse=sparse)
    assert preconditioning_pays(10**6, 10, sparse=False)
    assert not preconditioning_pays(2000, 2000, sparse=False)
    assert preconditioning_pays(2001, 2000, sparse=False)
    assert moments_fit(2000)
    assert not moments_fit(2001)
    # Moments take some passes' time: they do not pay for fewer answers, and do at last.
    for n_samples, n_features in ((10**6, 10), (10**7, 100), (10**6, 1000)):
        assert first_that_pays(n_samples, n_features) == 5 + n_features // 40
    # An answer of 500 features takes 60 us, a pass over 1,000 rows 153: the 15.5 passes of the moments and the one at the end
    # are worth 27.2 differences. One of 20 rows takes 3 us, and so less than any answer.
    assert first_that_pays(1000, 500) == 28
    assert first_that_pays(20, 1) is None


def first_that_pays(n_samples, n_features):
    """Return the least number of answers for which moments pay, if there is one."""
    return next((n for n in range(1, 1000) if precomputing_pays(n_samples, n_features, n)), None)


def correlated(*closeness, n_features):
    """Return correlations of columns of which each two of the first make an eigenvalue so small beside the largest."""
    correlations = np.eye(n_features)
    for i, each in enumerate(closeness):
        correlations[2 * i, 2 * i + 1] = correlations[2 * i + 1, 2 * i] = (1 - each) / (1 + each)
    return correlations


def inverse_of_moments(scatter, noise=1.0):
    objective = Objective(None, n_features=len(scatter), intercept=True, scale=1.0, l2=0.0)
    return InverseHessian.from_moments(objective, np.zeros(len(scatter)), scatter, 1.0, noise=noise)


@pytest.mark.parametrize(("n_features", "least"), [(4, 1e-14), (50, 1e-14), (100, 2e-14), (200, 4e-14)])
def test_what_moments_know_of_an_eigenvalue_ends_where_their_rounding_begins(n_features, least):
    for closeness, known in ((1.6 * least, True), (0.7 * least, False)):
        inverse = inverse_of_moments(correlated(closeness, 0.0, n_features=n_features))
        assert inverse.rank == n_features - (not known)
        assert inverse.condition == np.inf
        assert inverse.dependent.tolist() == [0, 1] * (not known) + [2, 3]
    for closeness, known in ((1.6e-14, True), (0.7e-14, False)):
        inverse = inverse_of_moments(correlated(closeness, n_features=2))
        assert inverse.rank == 2 + known
        assert np.isfinite(inverse.condition) == known


def test_a_matrix_with_a_negative_eigenvalue_is_not_inverted():
    inverse = inverse_of_moments(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert (inverse.rank, inverse.condition, inverse.trusted) == (2, np.inf, False)


def test_moments_are_trusted_up_to_a_condition_number_that_their_noise_lowers():
    for condition, noise, trusted in (
        (0.8e14, 1.0, True),
        (1.2e14, 1.0, False),
        (1e10, 0.8e4, True),
        (1e10, 1.2e4, False),
    ):
        # Of two columns the condition number is the same in both norms.
        inverse = inverse_of_moments(correlated(1 / condition, n_features=2), noise)
        assert inverse.trusted == trusted
        assert inverse.rank == (3 if trusted else 2)


def test_features_that_take_part_in_a_dependence_are_named():
    for share, named in ((0.25, [0, 1, 2]), (1e-3, [0, 1, 2]), (1e-5, [0, 2])):
        rotated = np.array([1.0, share]) / np.hypot(1.0, share)  # the third feature, made of the first two
        scatter = np.eye(3)
        scatter[:2, 2] = scatter[2, :2] = rotated
        assert inverse_of_moments(scatter).dependent.tolist() == named


class Accepts:
    """A test of convergence that accepts any point of a finite cost."""

    def __init__(self, norms, y_norm, mean=None):
        self.sizes = SimpleNamespace(norms=np.array(norms), y_norm=y_norm, mean=mean, spreads=np.array(norms))

    def check(self, at):
        return Status.TOLERANCE if at.cost < np.inf else None


def refined_by(steps, theta, norms, y_norm=0.0, *, mean=None, every_digit=False):
    """Return what a refined test says of points with these next steps, and what it keeps."""
    refined = StepCriterion(Accepts(norms, y_norm, mean), lambda gradient: gradient, every_digit=every_digit)
    points = [Evaluation(np.array(theta), 0.0, np.array(step), 1.0) for step in steps]
    verdicts = [refined.check(at) for at in points]
    return verdicts, next(i for i, at in enumerate(points) if at is refined.best), refined.error


def test_a_descent_goes_on_while_its_next_step_changes_the_hypothesis_and_shrinks():
    # By sixteen units of roundoff of |X| |theta| + |y|, which is 1 x 3 + 2 x 0 + 2 = 5.
    for step, ends in ((79 * 2.0**-53, True), (81 * 2.0**-53, False)):
        assert refined_by([[step, 0.0]], [3.0, 0.0], [1.0, 2.0], 2.0)[0] == ["tolerance" if ends else None]
        assert refined_by([[0.0, step / 2]], [3.0, 0.0], [1.0, 2.0], 2.0)[0] == ["tolerance" if ends else None]
    # With an intercept it is what changes at the mean: an intercept that makes up for a slope changes nothing.
    mean = np.array([1e6])
    assert refined_by([[-1e6 * 1e-14, 1e-14]], [3.0, 1.0], [1.0, 1.0], mean=mean)[0] == [None]
    assert refined_by([[-1e6 * 1e-15, 1e-15]], [3.0, 1.0], [1.0, 1.0], mean=mean)[0] == ["tolerance"]
    assert refined_by([[1e6 * 1e-15, 1e-15]], [3.0, 1.0], [1.0, 1.0], mean=mean)[0] == [None]
    steps = [[1.0, -8.0], [-1.0, 3.0], [0.0, 1.6]]  # less than half of the one before, and then not
    verdicts, best, error = refined_by(steps, [1.0, 4.0], [1.0, 1.0])
    assert verdicts == [None, None, "tolerance"]
    assert best == 2
    assert error == 0.4
    verdicts, best, error = refined_by([[1.0, 2.0], [3.0, 0.0]], [1.0, 4.0], [1.0, 1.0])
    assert verdicts == [None, "tolerance"]
    assert best == 0  # whose step was the smallest
    assert error == 1.0
    verdicts, best, _ = refined_by([[4.0], [2.0], [2.0]], [1.0], [1.0])
    assert verdicts == [None, "tolerance", "tolerance"]  # half is not less than half
    assert best == 1  # the first of two
    with np.errstate(invalid="ignore"):  # as a fit does; nothing is no more than a share of nothing
        assert refined_by([[0.0]], [0.0], [1.0])[0] == ["tolerance"]


def test_a_point_that_is_not_accepted_is_not_refined():
    refined = StepCriterion(Accepts([1.0], 0.0), lambda gradient: gradient, every_digit=False)
    assert refined.check(Evaluation(np.ones(1), np.inf, np.zeros(1), 1.0)) is None
    assert refined.best is None


def test_a_descent_goes_on_until_each_digit_is_there():
    for share, ends in ((1.9, True), (2.1, False)):
        step = [0.0, share * 2.0**-53 * 1e-5]
        assert refined_by([step], [1.0, 1e-5], [1.0, 1.0], every_digit=True)[0] == ["tolerance" if ends else None]


def test_what_adds_next_to_nothing_to_the_hypothesis_needs_no_digits():
    # 1e-6 of the hypothesis of 1 x 10 + 2 x 0 = 10, by 2, is what an entry of theta is taken for at least.
    assert refined_by([[0.0, 1e-6]], [10.0, 0.0], [1.0, 2.0])[2] == pytest.approx(1e-6 / (1e-6 * 10 / 2))


def test_a_length_has_no_square_that_leaves_float64():
    for unit in (1.0, 2.0**-1000, 2.0**1000):
        assert _length(unit * np.array([0.0, 3.0, -4.0])) == 5.0 * unit
    assert _length(np.zeros(3)) == 0.0
    assert _length(np.array([1.0, -np.inf])) == np.inf


def test_nesterov_is_the_recursion_of_its_papers():
    """With t of 1, (1 + sqrt(5))/2, ... and begun anew where a step leads uphill, in the words of the papers."""
    X = np.array([[1.0, 0.0], [0.0, 10.0], [1.0, 1.0]])
    objective, _ = make_objective(X, np.array([1.0, 2.0, 3.0]), intercept=False)
    rate = 0.9 / np.linalg.eigvalsh(hessian_of(objective))[-1]
    start = objective.evaluate(np.zeros(2))
    before = y = start.theta
    t, n_restarts = 1.0, 0
    for _, at in zip(range(60), nesterov(objective, start, rate), strict=False):
        gradient = objective.evaluate(y).gradient
        x = y - rate * gradient
        if gradient @ (x - before) > 0:
            t = 1.0
            n_restarts += 1
        following = (1 + np.sqrt(1 + 4 * t**2)) / 2
        y = x + (t - 1) / following * (x - before)
        before, t = x, following
        np.testing.assert_allclose(at.theta, y, rtol=1e-12, atol=1e-14)
        assert at.cost == objective.evaluate(at.theta).cost
    assert n_restarts > 1


@pytest.mark.parametrize("options", [*OPTIONS, {"l2": 1e6}], ids=str)
@pytest.mark.parametrize("far", [0.0, 3.0])
def test_a_condition_number_in_any_units_bounds_that_of_columns_of_the_same_length(options, far):
    rng = np.random.default_rng(5)
    for closeness in (1.0, 1e-2, 1e-4):
        X = rng.standard_normal((40, 3))
        X[:, 2] = X[:, 0] + closeness * X[:, 2]
        X = (X + far) * [1.0, 10.0, 0.1]
        objective, scales = make_objective(X, X[:, 0], **options)
        condition = np.linalg.cond(hessian_of(objective))
        lower = smallest_scaled_condition(objective, ColumnSizes(objective, scales), condition)
        upper = largest_scaled_condition(objective, condition)
        columns = features_of(objective, X)
        if objective.intercept:
            columns[:, 1:] -= columns[:, 1:].mean(axis=0)
        scaled = objective.scale * columns.T @ columns + np.diag(objective.penalty_curvature())
        unit = np.sqrt(np.diagonal(scaled))
        assert lower <= np.linalg.cond(scaled / unit / unit[:, np.newaxis]) * 1.001
        assert upper >= np.linalg.cond(scaled / unit / unit[:, np.newaxis]) * 0.999


def test_constants_have_no_length_that_counts_for_a_condition_number():
    X = np.column_stack((np.arange(6.0), np.full(6, 1e300)))
    objective, scales = make_objective(np.where(X == 1e300, 5.0, X), X[:, 0])
    sizes = ColumnSizes(objective, scales)
    assert smallest_scaled_condition(objective, sizes, np.inf) == largest_scaled_condition(objective, np.inf) == np.inf
    assert smallest_scaled_condition(objective, sizes, 100.0) > 1e-3


@pytest.mark.parametrize("tol", [1e-3, 1e-12])
def test_a_penalised_constant_counts_by_its_penalty_alone(tol):
    X = orthogonal(30, 2)
    X[:, 1] = 1e3
    objective, scales = make_objective(X, X[:, 0], l2=1e-3)
    criterion = GradientCriterion(objective, ColumnSizes(objective, scales), tol)
    # Whatever rounding leaves of the sums about the mean, a constant is not to explain more than this of y's spread.
    for share, rounding, expected in (
        (0.9, 1e-3, "tolerance"),
        (1.1, 0.0, None),
        (0.9, 1e3, "tolerance"),
        (1.1, 1.0, None),
    ):
        theta = np.array([1.0, 1.0, share * tol * X[:, 0].std() / 1e3])
        gradient = np.array([0.0, 0.0, rounding])
        at = Evaluation(theta, 1.0, gradient, 5.0)
        assert (
            criterion.check(at)
            == GradientCriterion(objective, ColumnSizes(objective, scales), tol).check(at)
            == expected
        )
    assert criterion.blur(Evaluation(theta, 1.0, gradient, 5.0))[2] == 0.0
