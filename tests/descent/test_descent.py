"""descend: the worked examples of the courses, to the bit, and what it says when a step is too large."""

import csv
import math

import numpy as np
import pytest

import fastgd


def by_hand(gradient, theta, learning_rate, n_iter):
    """Run the loop of the textbooks in plain Python, on a float or on a list of floats."""
    rows = []
    for _ in range(n_iter):
        g = gradient(theta)
        if isinstance(theta, list):
            after = [t - learning_rate * d for t, d in zip(theta, g, strict=True)]
            update = [a - t for a, t in zip(after, theta, strict=True)]
        else:
            after = theta - learning_rate * g
            update = after - theta
        rows.append((theta, g, update))
        theta = after
    return rows, theta


@pytest.mark.parametrize(
    ("gradient", "start", "learning_rate", "n_iter"),
    [
        (lambda t: 2 * t, 3.0, 0.1, 10),
        (lambda w: 2 * w, -5.6, 0.1, 10),
        (lambda t: 4 * t**3 - 3, 0.7, 0.01, 50),
        (lambda t: math.cos(t), 1.0, 0.5, 40),
        (lambda t: [2 * t[0], 2 * t[1]], [3.0, -1.7], 0.1, 12),  # J = theta1^2 + theta2^2
        # Coupled: one after the other would differ.
        (lambda t: [2 * (t[0] + t[1]) + 2 * t[0], 2 * (t[0] + t[1])], [3.0, -1.7], 0.1, 12),
    ],
)
def test_every_row_is_bitwise_that_of_the_loop_in_plain_python(gradient, start, learning_rate, n_iter):
    history = fastgd.descend(gradient, start, learning_rate=learning_rate, n_iter=n_iter)
    rows, final = by_hand(gradient, start, learning_rate, n_iter)
    assert list(zip(*(history[name].tolist() for name in ("theta", "gradient", "update")), strict=True)) == rows
    if isinstance(start, list):
        assert history.theta.tolist() == final
    else:
        assert history.theta == final
        assert isinstance(history.theta, float)


def test_the_table_is_that_of_the_textbook():
    history = fastgd.descend(lambda t: 2 * t, 3.0, learning_rate=0.1, n_iter=3, cost=lambda t: t * t)
    assert str(history) == (
        "iteration  theta  gradient  update    cost\n"
        "        0      3         6    -0.6       9\n"
        "        1    2.4       4.8   -0.48    5.76\n"
        "        2   1.92      3.84  -0.384  3.6864\n"
        "theta after 3 iterations: 1.536"
    )
    history = fastgd.descend(lambda w: 2 * w, -5.6, cost=lambda w: w**2)
    assert str(history).splitlines()[1].split() == ["0", "-5.6", "-11.2", "1.12", "31.36"]


def test_a_long_table_is_cut_in_the_middle():
    lines = str(fastgd.descend(lambda t: 2 * t, [3.0, 1.0], learning_rate=0.01, n_iter=100)).splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == [*map(str, range(10)), "...", *map(str, range(95, 100))]


def test_many_parameters_are_printed_by_their_largest():
    history = fastgd.descend(lambda t: 2 * t, [1.0, -2.0, 3.0, -4.0], learning_rate=0.25, n_iter=1)
    assert str(history).splitlines()[:2] == [
        "iteration  max|theta|  max|gradient|  max|update|",
        "        0           4              8            2",
    ]


def test_a_learning_rate_of_2_walks_away_and_says_so():
    with pytest.warns(fastgd.ConvergenceWarning, match="learning_rate=2 is too large") as caught:
        history = fastgd.descend(lambda t: 2 * t, 3.0, learning_rate=2, n_iter=5)
    assert history["theta"].tolist() == [3, -9, 27, -81, 243]
    message = str(caught[0].message)
    assert "from 6 to 486" in message
    assert "below 1 is stable" in message  # 2 / J'' with J'' = 2
    assert str(history).endswith(message)


def test_a_rising_cost_is_walking_away_even_if_the_gradient_does_not_turn():
    with pytest.warns(fastgd.ConvergenceWarning, match="too large"):
        fastgd.descend(lambda t: -1.0, 0.0, n_iter=3, cost=lambda t: t)  # the gradient's sign is wrong


@pytest.mark.parametrize("gradient", [lambda t: 1e200 * t, lambda t: 4 * t**3])
def test_leaving_the_range_of_float64_ends_it_early(gradient):
    with pytest.warns(fastgd.ConvergenceWarning, match="left the range of float64"):
        history = fastgd.descend(gradient, 3.0, learning_rate=2, n_iter=50)
    assert len(history) < 50


def test_growth_on_the_way_down_from_a_plateau_is_no_divergence():
    fastgd.descend(lambda t: -math.exp(-t * t), -2.0, learning_rate=0.3, n_iter=4)  # warnings are errors


def test_swinging_towards_the_minimum_is_no_divergence():
    history = fastgd.descend(lambda t: 2 * t, 1.0, learning_rate=0.9, n_iter=5)
    assert history.message == ""
    np.testing.assert_allclose(history["theta"], (-0.8) ** np.arange(5))


def test_a_function_that_changes_its_argument_changes_nothing():
    def gradient(theta):
        g = 2 * theta
        theta[:] = 99
        return g

    assert fastgd.descend(gradient, [4.0], learning_rate=0.25, n_iter=2)["theta"].tolist() == [[4], [2]]


def test_a_gradient_that_reuses_its_array_is_kept_right():
    buffer = np.empty(1)

    def gradient(theta):
        buffer[:] = 2 * theta
        return buffer

    assert fastgd.descend(gradient, [4.0], learning_rate=0.25, n_iter=3)["gradient"].tolist() == [[8], [4], [2]]


def test_rows_can_be_gone_through():
    history = fastgd.descend(lambda theta: 2 * theta, 4.0, learning_rate=0.25, n_iter=2, cost=lambda theta: theta**2)
    assert list(history) == [
        {"iteration": 0, "theta": 4.0, "gradient": 8.0, "update": -2.0, "cost": 16.0},
        {"iteration": 1, "theta": 2.0, "gradient": 4.0, "update": -1.0, "cost": 4.0},
    ]
    assert "theta after 1 iteration: " in str(fastgd.descend(lambda theta: 2 * theta, 4.0, n_iter=1))


def test_no_iterations_is_an_empty_table():
    for start, shape in ((3, (0,)), ([3, 4], (0, 2))):
        history = fastgd.descend(lambda t: t, start, n_iter=0, cost=lambda t: 0.0)
        assert len(history) == 0
        assert history["update"].shape == shape
        assert "after 0 iterations" in str(history)


def test_columns_by_name():
    history = fastgd.descend(lambda t: 2 * t, [1.0, 2.0], n_iter=4, cost=lambda t: float(t @ t))
    columns = history.to_dict()
    assert list(columns) == [
        "iteration", "theta[0]", "theta[1]", "gradient[0]", "gradient[1]", "update[0]", "update[1]", "cost",
    ]  # fmt: skip
    assert all(values.shape == (4,) for values in columns.values())
    np.testing.assert_array_equal(columns["gradient[1]"], history["gradient"][:, 1])
    with pytest.raises(KeyError, match=r"'slope'.*'theta', 'gradient', 'update', 'cost'"):
        history["slope"]


def test_csv_keeps_every_digit(tmp_path):
    history = fastgd.descend(lambda t: 2 * t, -5.6, learning_rate=1 / 3, n_iter=7)
    history.to_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["iteration", "theta", "gradient", "update"]
    assert [float(row[1]) for row in rows] == history["theta"].tolist()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((3, 1.0), {}, TypeError, "gradient is a int"),
        ((lambda t: t, 1.0), {"cost": 3}, TypeError, "cost is a int"),
        ((lambda t: t, [[1.0]]), {}, ValueError, r"theta0 has shape \(1, 1\)"),
        ((lambda t: t, []), {}, ValueError, r"theta0 has shape \(0,\)"),
        ((lambda t: t, "a"), {}, TypeError, "theta0 has dtype <U1"),
        ((lambda t: t, 1j), {}, TypeError, "theta0 has dtype complex128"),
        ((lambda t: t, 1.0), {"learning_rate": 0}, ValueError, "learning_rate=0"),
        ((lambda t: t, 1.0), {"learning_rate": "fast"}, TypeError, "learning_rate='fast'"),
        ((lambda t: t, 1.0), {"learning_rate": math.nan}, ValueError, "learning_rate=nan"),
        ((lambda t: t, 1.0), {"n_iter": -1}, ValueError, "n_iter=-1"),
        ((lambda t: t, 1.0), {"n_iter": 2.5}, TypeError, r"n_iter=2\.5"),
        ((lambda t: [t], 1.0), {}, ValueError, r"gradient\(theta\) has shape \(1,\), but \(\) is expected"),
        ((lambda t: 1.0, [1.0, 2.0]), {}, ValueError, r"gradient\(theta\) has shape \(\), but \(2,\) is expected"),
        ((lambda t: None, 1.0), {}, TypeError, "gradient has dtype object"),
        ((lambda t: t, 1.0), {"cost": lambda t: [1.0]}, ValueError, r"cost\(theta\) has shape \(1,\)"),
    ],
)
def test_bad_input_says_what_to_do(arguments, options, error, message):
    with pytest.raises(error, match=message):
        fastgd.descend(*arguments, **options)


def test_an_error_in_the_users_function_comes_through():
    with pytest.raises(ZeroDivisionError):
        fastgd.descend(lambda t: 1 / 0, 1.0)
