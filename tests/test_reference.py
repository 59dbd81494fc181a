"""The plain numpy forms agree with each other and with exact arithmetic."""

import exact
import numpy as np
import pytest

from fastgd import reference


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    return rng.standard_normal((20, 3)), rng.standard_normal(20), rng.standard_normal(3)


def test_all_forms_agree(data):
    X, y, w = data
    ones = np.ones(len(y))
    with_ones = np.column_stack((ones, X[:, :2]))
    x, line = X[:, 0], with_ones[:, :2]
    for A, got in (
        (with_ones, reference.gradient_three_weights(X[:, 0], X[:, 1], y, *w)),
        (with_ones, reference.gradient_k_weights(with_ones, y, w)),
        (with_ones, reference.gradient_matrix(with_ones, y, w)),
        (with_ones, reference.gradient(with_ones, y, w)),
        (with_ones, reference.gradient(X[:, :2], y, w, intercept=True)),
        (line, reference.gradient_two_weights(x, y, w[0], w[1])),
        (line, reference.gradient(x, y, w[:2], intercept=True)),
        (x, [reference.gradient_one_weight(x, y, w[0])]),
        (x, reference.gradient(x, y, w[:1])),
    ):
        _, expected = exact.cost_and_gradient(A, y, w[: A[0].size])
        np.testing.assert_allclose(got, expected.astype(float), rtol=1e-13)


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
        ahead, behind = (reference.cost(X, y, theta + step, **options) for step in (direction, -direction))
        difference = (ahead - behind) / 2
        np.testing.assert_allclose(reference.gradient(X, y, theta, **options)[j], difference, rtol=1e-12)


def test_descend_takes_the_steps_of_the_loop():
    x, y = np.array([1.0, 2.0]), np.array([3.0, 6.0])
    path = reference.descend(x, y, np.array([2.0]), learning_rate=0.5, n_iter=2, loss="half_mse")
    # gradient 1/2 sum (w x - y) x: -2.5 at 2, 2.5 * (w - 3) in general, so w goes 2, 3.25, 2.9375
    assert path.tolist() == [[2.0], [3.25], [2.9375]]
