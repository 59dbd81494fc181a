"""What holds for any training set, through the public functions."""

import functools
from typing import Any, NamedTuple

import exact
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from problems import features, of_mixed_scales

import fastgd


class Problem(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    theta: np.ndarray
    options: dict[str, Any]

    def replace(self, options=None, **changes):
        return self._replace(options=self.options | (options or {}), **changes)


def numbers(draw, shape, dtype=np.float64):
    # Zero, or of a size whose products are far from the ends of float64: underflow is no rounding error.
    return of_mixed_scales(draw, shape, dtype, widths=(0, 9))


def weights(draw, n_samples):
    return abs(numbers(draw, n_samples)) + 2.0**-10


@st.composite
def problems(draw, *, min_rows=1, **fixed):
    n_features = draw(st.sampled_from([1, 2, 3, 7, 17, 33]))  # each is a kernel of its own to compile
    n_samples = draw(st.integers(min_rows, min(40, 120 // n_features)))
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    intercept = draw(st.booleans())
    options = {
        "intercept": intercept,
        "loss": draw(st.sampled_from(["mse", "half_mse", "sse"])),
        "sample_weight": weights(draw, n_samples) if draw(st.booleans()) else None,
        "l2": draw(st.sampled_from([0.0, 0.1])),
    }
    X = np.array(numbers(draw, (n_samples, n_features), dtype), order=draw(st.sampled_from("CF")))
    # Multiples of 1/8, so that a step of 1 from theta is taken without rounding.
    theta = np.trunc(800 * np.random.default_rng(draw(st.integers(0, 2**32))).uniform(-1, 1, n_features + intercept))
    return Problem(X, numbers(draw, n_samples, dtype), theta / 8, options | fixed)


def evaluate(problem):
    """Return cost and gradient as one vector of exact numbers."""
    cost, gradient = fastgd.cost_and_gradient(problem.X, problem.y, problem.theta, **problem.options)
    return exact.numbers([cost, *gradient])


def of_exact(function, problem):
    options = {name: value for name, value in problem.options.items() if name != "intercept"}
    cost, gradient = function(problem.X, problem.y, problem.theta, **options)
    return np.array([cost, *gradient], dtype=object)


bound = functools.partial(of_exact, exact.bounds)


def agree(got, expected, tolerance):
    return bool((abs(got - expected) <= tolerance).all())


@given(problems())
def test_rounding_stays_within_the_bound(problem):
    assert agree(evaluate(problem), of_exact(exact.cost_and_gradient, problem), bound(problem))


@given(problems(min_rows=2, loss="sse", l2=0.0), st.data())
def test_sums_add_over_a_split_of_the_rows(problem, data):
    cut = data.draw(st.integers(1, len(problem.X) - 1))
    s = problem.options["sample_weight"]
    parts = (
        problem.replace({"sample_weight": None if s is None else s[part]}, X=problem.X[part], y=problem.y[part])
        for part in (slice(None, cut), slice(cut, None))
    )
    assert agree(sum(map(evaluate, parts)), evaluate(problem), 2 * bound(problem))


@given(problems(), st.data())
def test_gradient_is_linear_in_y(problem, data):
    y1, y2 = problem.y, numbers(data.draw, len(problem.X), problem.y.dtype)
    total = problem.replace(y=y1.astype(np.float64) + y2)
    alone = [problem, problem.replace(y=y2), problem.replace(y=np.zeros_like(y1))]
    tolerance = sum(bound(each) for each in (total, *alone))
    first, second, none = (evaluate(each) for each in alone)
    assert agree((evaluate(total) + none)[1:], (first + second)[1:], tolerance[1:])


@given(problems(), st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter(problem, random):
    order = random.sample(range(len(problem.X)), len(problem.X))
    s = problem.options["sample_weight"]
    s = None if s is None else s[order]
    shuffled = problem.replace({"sample_weight": s}, X=problem.X[order], y=problem.y[order])
    assert agree(evaluate(shuffled), evaluate(problem), 2 * bound(problem))


@given(problems(), st.randoms(use_true_random=False))
def test_order_of_the_columns_is_that_of_the_gradient(problem, random):
    n_features = problem.X.shape[1]
    order = np.array(random.sample(range(n_features), n_features))
    first = len(problem.theta) - n_features
    places = np.r_[:first, first + order]
    shuffled = problem.replace(X=problem.X[:, order], theta=problem.theta[places])
    permuted = np.r_[0, 1 + places]
    assert agree(evaluate(shuffled), evaluate(problem)[permuted], 2 * bound(problem)[permuted])


@given(problems(), st.data())
def test_a_whole_weight_is_that_many_rows(problem, data):
    counts = data.draw(hnp.arrays(int, len(problem.X), elements=st.integers(0, 3)).filter(np.any))
    weighted = problem.replace({"sample_weight": counts})
    repeated = problem.replace({"sample_weight": None}, X=problem.X.repeat(counts, axis=0), y=problem.y.repeat(counts))
    assert agree(evaluate(weighted), evaluate(repeated), 2 * bound(repeated))


@given(problems(), st.data())
def test_a_row_of_zero_weight_is_no_row(problem, data):
    kept = data.draw(hnp.arrays(bool, len(problem.X)).filter(np.any))
    s = weights(data.draw, len(problem.X))
    without = problem.replace({"sample_weight": s[kept]}, X=problem.X[kept], y=problem.y[kept])
    assert agree(evaluate(problem.replace({"sample_weight": s * kept})), evaluate(without), 2 * bound(without))


@given(problems(), st.data())
def test_gradient_is_the_central_difference_of_the_cost(problem, data):
    # Of a parabola it is exact for any step, so the step is 1 and all that is left is rounding.
    j = data.draw(st.integers(0, len(problem.theta) - 1))
    step = np.eye(len(problem.theta))[j]
    ahead, behind = problem.replace(theta=problem.theta + step), problem.replace(theta=problem.theta - step)
    difference = (evaluate(ahead)[0] - evaluate(behind)[0]) / 2
    tolerance = bound(problem)[1 + j] + (bound(ahead)[0] + bound(behind)[0]) / 2
    assert abs(evaluate(problem)[1 + j] - difference) <= tolerance


@given(problems(sample_weight=None, l2=0.0, loss="sse"))
def test_gradient_is_zero_at_the_least_squares_solution(problem):
    X = problem.X.astype(np.float64)
    A = features(X, problem.options["intercept"])
    theta = np.linalg.lstsq(A, problem.y.astype(np.float64))[0]
    # A backward stable solver's theta is exact for an A that is off by a few n u |A|; that moves A^T r by
    # a few n u |A| (|A| |theta| + |y|), and drops singular values of that size.
    size = np.linalg.norm(A)
    terms = size * (size * np.linalg.norm(theta) + np.linalg.norm(problem.y))
    tolerance = 8 * max(A.shape) * np.finfo(float).eps * terms
    solved = problem.replace(theta=theta)
    assert agree(evaluate(solved)[1:], 0, bound(solved)[1:] + exact.numbers(tolerance))


powers = st.integers(-20, 20).map(lambda exponent: 2.0**exponent)


@given(problems(), powers, powers, powers)
def test_scaling_by_powers_of_two_is_exact(problem, a, b, c):
    s = problem.options["sample_weight"]
    by_weight = problem.options["loss"] == "sse" and s is not None
    of_theta = np.full(len(problem.theta), b)
    if problem.options["intercept"]:
        of_theta[0] = a * b
    l2 = a * a * problem.options["l2"] * (c if by_weight else 1.0)
    scaled = problem.replace(
        {"sample_weight": None if s is None else c * s, "l2": l2},
        X=problem.X * problem.X.dtype.type(a),
        y=problem.y * problem.y.dtype.type(a * b),
        theta=of_theta * problem.theta,
    )
    of_cost = (a * b) ** 2 * (c if by_weight else 1.0)
    factors = exact.numbers([of_cost, *(of_cost / of_theta)])
    assert evaluate(scaled).tolist() == (factors * evaluate(problem)).tolist()
