"""The plain numpy forms agree with each other and with exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from fastgd import reference


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    return rng.standard_normal((20, 3)), rng.standard_normal(20), rng.standard_normal(3)


def exact_mse_gradient(X, y, w):
    """Differentiate 1/n sum (w . x - y)^2 by each weight, in rational arithmetic."""
    n = len(y)
    residuals = [
        sum(Fraction(a) * Fraction(b) for a, b in zip(row, w, strict=True)) - Fraction(t)
        for row, t in zip(X.tolist(), y.tolist(), strict=True)
    ]
    return [
        float(Fraction(2, n) * sum(r * Fraction(x) for r, x in zip(residuals, X[:, j].tolist(), strict=True)))
        for j in range(X.shape[1])
    ]


def test_all_forms_agree(data):
    X, y, w = data
    ones = np.ones(len(y))
    with_ones = np.column_stack((ones, X[:, :2]))
    expected = exact_mse_gradient(with_ones, y, w.tolist())
    for got in (
        reference.gradient_three_weights(X[:, 0], X[:, 1], y, *w),
        reference.gradient_k_weights(with_ones, y, w),
        reference.gradient_matrix(with_ones, y, w),
        reference.gradient(with_ones, y, w),
        reference.gradient(X[:, :2], y, w, intercept=True),
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_one_and_two_weights(data):
    X, y, w = data
    x = X[:, :1]
    np.testing.assert_allclose(
        reference.gradient_one_weight(X[:, 0], y, w[0]), exact_mse_gradient(x, y, w[:1]), rtol=1e-13
    )
    line = np.column_stack((np.ones(len(y)), x))
    expected = exact_mse_gradient(line, y, w[:2])
    np.testing.assert_allclose(reference.gradient_two_weights(X[:, 0], y, w[0], w[1]), expected, rtol=1e-13)
    np.testing.assert_allclose(reference.gradient(X[:, 0], y, w[:2], intercept=True), expected, rtol=1e-13)
    np.testing.assert_allclose(reference.gradient(X[:, 0], y, w[:1]), exact_mse_gradient(x, y, w[:1]), rtol=1e-13)


def test_by_hand():
    # r = (2 - 3, 4 - 6) = (-1, -2); sum r^2 = 5, sum r x = -1 - 4 = -5, with weights 1 and 3: 13 and -13
    x, y, w, s = np.array([1.0, 2.0]), np.array([3.0, 6.0]), np.array([2.0]), np.array([1.0, 3.0])
    assert reference.cost(x, y, w, loss="sse") == 5
    assert reference.cost(x, y, w) == 2.5
    assert reference.cost(x, y, w, loss="half_mse") == 1.25
    assert reference.cost(x, y, w, loss="sse", sample_weight=s, l2=0.5) == 13 + 0.5 * 4
    assert reference.cost(x, y, w, sample_weight=s) == 13 / 4
    assert reference.gradient(x, y, w, loss="sse").tolist() == [-10]
    assert reference.gradient(x, y, w, loss="half_mse", sample_weight=s).tolist() == [-13 / 4]
    assert reference.gradient(x, y, w, loss="sse", sample_weight=s, l2=0.5).tolist() == [-26 + 2]
    # the intercept is not penalised: r = (1 + 2 - 3, 1 + 4 - 6) = (0, -1)
    theta = np.array([1.0, 2.0])
    assert reference.cost(x, y, theta, intercept=True, loss="sse", l2=0.5) == 1 + 2
    assert reference.gradient(x, y, theta, intercept=True, loss="sse", l2=0.5).tolist() == [-2, -4 + 2]


@pytest.mark.parametrize("loss", ["sse", "mse", "half_mse"])
@pytest.mark.parametrize("intercept", [False, True])
def test_the_gradient_is_the_derivative_of_the_cost(data, loss, intercept):
    X, y, _ = data
    theta = np.array([0.5, -1.0, 2.0, 0.25][not intercept :])
    options = {"loss": loss, "intercept": intercept, "sample_weight": np.linspace(0, 2, len(y)), "l2": 0.3}
    for j, direction in enumerate(np.eye(len(theta))):
        # A quadratic's central difference is its derivative, whatever the step: a large one rounds least.
        difference = (
            reference.cost(X, y, theta + direction, **options) - reference.cost(X, y, theta - direction, **options)
        ) / 2
        np.testing.assert_allclose(reference.gradient(X, y, theta, **options)[j], difference, rtol=1e-12)


def test_descend_takes_the_steps_of_the_loop():
    x, y = np.array([1.0, 2.0]), np.array([3.0, 6.0])
    path = reference.descend(x, y, np.array([2.0]), learning_rate=0.5, n_iter=2, loss="half_mse")
    # gradient 1/2 sum (w x - y) x: -2.5 at 2, 2.5 * (w - 3) in general, so w goes 2, 3.25, 2.9375
    assert path.tolist() == [[2.0], [3.25], [2.9375]]
