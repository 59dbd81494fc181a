"""Pictures: what is drawn, beside the numbers that it stands for."""

import sys
import warnings
from functools import partial

import numpy as np
import pytest

import fastgd

matplotlib = pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")

from matplotlib import pyplot  # noqa: E402

from fastgd import plot  # noqa: E402


@pytest.fixture(autouse=True)
def leave_no_figures():
    pyplot.close("all")
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before
    pyplot.close("all")


def line(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 10, n)
    return x, 3 + 2 * x + rng.standard_normal(n)


def quietly(function, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastgd.ConvergenceWarning)
        return function(*args, **options)


def descent(X, y, **options):
    options = {"method": "gd", "learning_rate": 0.01, "max_iter": 25, "tol": 0, "history": True} | options
    return quietly(fastgd.fit, X, y, **options)


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_cost_curve_is_the_history():
    history = descent(*line()).history
    ax = plot.cost_curve(history)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), np.arange(25))
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), history["cost"])
    assert ax.get_yscale() == "linear"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("iteration", "cost")


def test_a_thinned_history_is_drawn_where_it_was():
    history = descent(*line(), history=10).history
    assert plot.cost_curve(history).lines[0].get_xdata().tolist() == [0, 10, 20]


def test_costs_over_many_decades_are_logarithmic():
    x = np.arange(5.0)
    assert plot.cost_curve(descent(x, 1 + 2 * x, learning_rate=0.1, max_iter=200).history).get_yscale() == "log"
    assert plot.cost_curve(fastgd.descend(lambda t: 2 * t, 3.0, cost=lambda t: t**2 - 5)).get_yscale() == "linear"


def test_a_history_without_costs_says_what_to_give():
    with pytest.raises(ValueError, match=r"The history has no cost.*cost=function"):
        plot.cost_curve(fastgd.descend(lambda t: 2 * t, 3.0))


def test_what_is_no_history_is_named():
    result = fastgd.fit(*line())
    draws = plot.cost_curve, partial(plot.path_1d, lambda t: t), partial(plot.cost_surface, *line())
    for draw in draws:
        with pytest.raises(TypeError, match=r"history is a FitResult, but a History is expected. Give fit"):
            draw(result)
    with pytest.raises(TypeError, match="history is a NoneType"):
        plot.cost_curve(result.history)


@pytest.mark.parametrize("rate", [0.1, 0.9, 1.05])
@pytest.mark.parametrize("theta0", [3.0, [3.0]])
def test_a_path_lies_on_its_function(rate, theta0):
    history = quietly(fastgd.descend, lambda t: 2 * t, theta0, learning_rate=rate, n_iter=6)  # 1.05 diverges
    ax = plot.path_1d(lambda t: t**2, history)
    curve, path, start, end = ax.lines
    thetas = 3 * (1 - 2 * rate) ** np.arange(7)
    np.testing.assert_allclose(path.get_xdata(), thetas, rtol=1e-12)
    np.testing.assert_allclose(path.get_ydata(), thetas**2, rtol=1e-12)
    np.testing.assert_allclose(curve.get_ydata(), np.square(curve.get_xdata()), rtol=1e-12)
    assert curve.get_xdata().min() < thetas.min() < thetas.max() < curve.get_xdata().max()
    assert (start.get_xdata()[0], end.get_xdata()[0]) == pytest.approx((3.0, thetas[-1]))
    assert labels(ax) == ["start", "end"]


def test_a_path_of_one_step_and_of_none_is_drawn():
    for n_iter in (0, 1):
        ax = plot.path_1d(lambda t: t**2, fastgd.descend(lambda t: 2 * t, 3.0, n_iter=n_iter))
        assert np.ptp(ax.lines[0].get_xdata()) > 0


def test_the_path_of_a_standardised_fit_is_drawn_in_the_units_of_x():
    x, y = line()
    x = 3 + 10 * np.asarray(x)
    options = {"standardize": True, "learning_rate": 0.3, "max_iter": 30}
    result = descent(x, y, **options)
    path = next(drawn for drawn in plot.cost_surface(x, y, result.history).lines if drawn.get_label() == "descent")
    np.testing.assert_allclose(path.get_xydata()[[0, -1]], [[0, 0], result.theta], rtol=1e-12)
    result = descent(x, y, intercept=False, **options)
    path = plot.path_1d(lambda t: fastgd.cost(x, y, [t]), result.history).lines[1]
    assert path.get_xdata()[-1] == pytest.approx(result.theta[0], rel=1e-12)
    np.testing.assert_allclose(path.get_ydata(), [*result.history["cost"], result.cost], rtol=1e-9)


def test_paths_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="2 parameters, but one is expected"):
        plot.path_1d(lambda t: t**2, fastgd.descend(lambda t: 2 * t, [3.0, 1.0]))
    with np.errstate(over="ignore"):
        far = quietly(fastgd.descend, lambda t: 2 * t, 3.0, learning_rate=1e200, n_iter=3)
    for function in (lambda t: t**2, lambda t: float(np.square(t))):  # of which one raises OverflowError
        with (
            np.errstate(over="ignore"),
            pytest.raises(ValueError, match=r"left the numbers that can be drawn, up to 1e300.*smaller"),
        ):
            plot.path_1d(function, far)


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({}, (0, 1)),
        ({}, (3, 1)),
        ({"intercept": False, "loss": "sse"}, (0, 2)),
        ({"l2": 0.3, "loss": "half_mse", "sample_weight": np.arange(60) % 3}, (1, 2)),
    ],
    ids=str,
)
def test_contours_are_the_cost(options, places, monkeypatch):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((60, 3)) * [1, 2, 0.5] + 1
    y = X @ [1.0, -2.0, 3.0] + rng.standard_normal(60)
    drawn = {}

    def contour(self, a, b, cost, levels, **kwargs):
        drawn.update(a=a, b=b, cost=cost, levels=levels)

    monkeypatch.setattr(matplotlib.axes.Axes, "contour", contour)
    history = descent(X, y, **options).history
    ax = plot.cost_surface(X, y, history, parameters=places, **options)
    minimum = fastgd.fit(X, y, **options).theta
    known = {"intercept": True} | options
    for i, j in ((0, 0), (13, 170), (200, 77)):
        theta = minimum.copy()
        theta[list(places)] = drawn["a"][j], drawn["b"][i]
        assert drawn["cost"][i, j] == pytest.approx(fastgd.reference.cost(X, y, theta, **known), rel=1e-9)
    assert (np.diff(drawn["levels"]) > 0).all()
    assert drawn["levels"][0] > fastgd.reference.cost(X, y, minimum, **known)
    cross, path = ax.lines
    np.testing.assert_allclose([cross.get_xdata()[0], cross.get_ydata()[0]], minimum[list(places)], rtol=1e-9)
    thetas = np.vstack((history["theta"], history.theta))[:, places]
    np.testing.assert_array_equal(np.column_stack(path.get_data()), thetas)
    low, high = np.transpose([ax.get_xlim(), ax.get_ylim()])
    assert ((low < thetas) & (thetas < high)).all()  # the whole path is seen


def test_a_surface_of_moments_needs_no_rows():
    x, y = line()
    by_rows, by_moments = plot.cost_surface(x, y), plot.cost_surface(fastgd.Moments.from_rows(x, y))
    assert by_rows.get_xlim() == by_moments.get_xlim()
    assert len(by_moments.lines) == 1


@pytest.mark.parametrize("places", [(0, 0), (0, 2), (-1, 0), (0,)])
def test_parameters_that_are_not_there_are_named(places):
    with pytest.raises(ValueError, match="two different places in theta are expected, which has 2"):
        plot.cost_surface(*line(), parameters=places)


def test_a_history_of_another_fit_is_refused():
    with pytest.raises(ValueError, match="history has 1 parameter, but theta has 2"):
        plot.cost_surface(*line(), descent(*line(), intercept=False).history)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_the_stable_limit_is_that_of_the_hessian(standardize, intercept, l2):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((50, 2)) * [1, 3] + 2
    y = X @ [1.0, 2.0] + 1
    Z = (X - X.mean(axis=0) * intercept) / X.std(axis=0) if standardize else X
    A = np.column_stack((np.ones(50), Z)) if intercept else Z
    H = 2 / 50 * A.T @ A + np.diag([0.0] * intercept + [2 * l2] * 2)
    limit = 2 / np.linalg.eigvalsh(H)[-1]
    rates, options = (0.9 * limit, 1.1 * limit), {"standardize": standardize, "intercept": intercept, "l2": l2}
    ax = plot.learning_rates(X, y, rates, n_iter=8, **options)
    assert ax.get_legend().get_title().get_text() == f"learning rate\n(stable below {limit:.4g})"
    assert labels(ax) == [f"{0.9 * limit:.4g}", f"{1.1 * limit:.4g}, diverges"]
    for rate, curve in zip(rates, ax.lines, strict=True):
        result = descent(X, y, learning_rate=rate, max_iter=8, precompute=False, **options)
        np.testing.assert_allclose(curve.get_ydata(), [*result.history["cost"], result.cost], rtol=1e-8)


def test_descents_that_overflow_leave_the_others_readable():
    x, y = line()
    ax = plot.learning_rates(x, y, [0.01, 1e150], n_iter=30)
    assert ax.get_ylim()[1] < 2 * np.mean(y**2)
    assert plot.learning_rates(x, y, [1.0], n_iter=5).get_ylim()[1] > 0  # nothing but a diverging one
    with pytest.raises(ValueError, match="rates is empty"):
        plot.learning_rates(x, y, [])


# A descent with costs of 1e3, 3e7, 2e12 and so on: after 60 iterations it is at 3e287, and after 64 it has no finite cost.
FAR_X = np.linspace(40, 60, 50)
FAR_Y = 2 * FAR_X + 1


def far_descent(n_iter, X=FAR_X, **options):
    return descent(X, FAR_Y, learning_rate=0.05, max_iter=n_iter, **options)


def finite(values):
    return values[np.isfinite(values)]


@pytest.mark.parametrize("n_iter", [60, 61, 62, 63, 64, 200])
@pytest.mark.parametrize("intercept", [True, False])
def test_costs_up_to_the_end_of_float64_are_drawn(n_iter, intercept):
    result = far_descent(n_iter, intercept=intercept)
    rates = plot.learning_rates(FAR_X, FAR_Y, [0.05], n_iter=n_iter, intercept=intercept)
    for ax in (plot.cost_curve(result.history), rates):
        ax.figure.canvas.draw()
        drawn = finite(ax.lines[0].get_ydata())
        assert drawn.max() > 1e287
        low, high = ax.get_ylim()
        assert low < drawn.min() < drawn.max() < high
        assert ax.get_yscale() == "log"
        seen = [tick for tick in ax.get_yticks() if low < tick < high]
        assert len(seen) > 4
        exponents = np.log10(ax.get_yticks())
        np.testing.assert_allclose(exponents, exponents.round(), atol=1e-9)
        assert ax.get_yticklabels()[0].get_text() == rf"$\mathdefault{{10^{{{round(exponents[0])}}}}}$"


@pytest.mark.parametrize(
    ("costs", "scale"),
    [
        ([-1.0, 5.0, 9e307], "linear"),
        ([-1.7e308, 1.7e308], "linear"),
        ([-1.7e308, -1.7e308], "linear"),
        ([-np.inf, 3.0, np.nan, -1e305], "linear"),
        ([1e-323, 1e308], "log"),
        ([1e3, 1e200, 1e290, np.inf], "log"),
        ([1.7e308, 1.7e308], "log"),
        ([1.6e250, 1.7e250], "log"),
        ([np.inf, np.inf], "linear"),
    ],
    ids=str,
)
def test_any_costs_are_drawn(costs, scale):
    given = iter([*costs, 0.0])
    history = quietly(fastgd.descend, lambda t: t, 1.0, n_iter=len(costs), cost=lambda _: next(given))
    ax = plot.cost_curve(history)
    ax.figure.canvas.draw()
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), costs)
    low, high = ax.get_ylim()
    assert low < high
    assert ax.get_yscale() == scale
    shown = [cost for cost in costs if 1e-307 <= abs(cost) <= 1e300]
    assert all(low <= cost <= high for cost in shown)


def test_what_a_descent_that_diverges_can_be_drawn_of_is_drawn():
    ends = []
    for n_iter in (20, 200):
        result = far_descent(n_iter, intercept=False)
        ax = plot.path_1d(lambda t: fastgd.cost(FAR_X, FAR_Y, [t]), result.history)
        ax.figure.canvas.draw()
        path = ax.lines[1]
        np.testing.assert_array_equal(path.get_xdata(), result.history.path().ravel()[: len(path.get_xdata())])
        assert finite(path.get_ydata()).size == len(path.get_xdata()) > 20
        ends.append(labels(ax)[1])
    assert ends == ["end", "last that can be drawn"]
    assert path.get_ydata()[-1] > 1e290


@pytest.mark.parametrize("more", [FAR_X**2, 0 * FAR_X], ids=["square", "zero"])
@pytest.mark.parametrize("n_iter", [20, 60, 200])
def test_a_surface_shows_what_it_can_of_a_descent_that_diverges(more, n_iter):
    X = np.column_stack((FAR_X, more))
    history = far_descent(n_iter, X, intercept=False).history
    ax = plot.cost_surface(X, FAR_Y, history, intercept=False)
    ax.figure.canvas.draw()
    path = ax.lines[1].get_xydata()
    np.testing.assert_array_equal(path, history.path()[: len(path)])
    assert len(path) >= 15
    levels = ax.collections[0].levels
    assert len(levels) == 15
    assert np.isfinite(levels).all()


@pytest.mark.parametrize("rate", [1e130, 1e301, 1e302, 1e303])
def test_rows_are_drawn_though_their_line_is_far_off(rate):
    result = descent(FAR_X, FAR_Y, learning_rate=rate, max_iter=1)
    assert abs(result.coef[0]) > 1e130
    ax = plot.fit_line(FAR_X, FAR_Y, result)
    ax.figure.canvas.draw()
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), FAR_Y)


def test_rates_are_told_apart_without_colours():
    ax = plot.learning_rates(*line(), [0.001, 0.002, 0.005, 0.01])
    styles = {
        (str(curve.get_linestyle()), curve._dash_pattern[1] and tuple(curve._dash_pattern[1])) for curve in ax.lines
    }
    assert len(styles) == 4


@pytest.mark.parametrize("intercept", [True, False])
def test_a_line_goes_through_its_predictions(intercept):
    x, y = line()
    result = fastgd.fit(x, y, intercept=intercept)
    ax = plot.fit_line(x, y, result)
    points, drawn = ax.lines
    np.testing.assert_array_equal(np.column_stack(points.get_data()), np.column_stack((x, y)))
    np.testing.assert_allclose(drawn.get_ydata(), result.predict(drawn.get_xdata()), rtol=1e-12)
    residuals = np.array(ax.collections[0].get_segments())
    np.testing.assert_allclose(np.sort(residuals[:, :, 1], axis=1), np.sort(np.column_stack((y, result.predict(x)))))
    assert labels(ax)[0] == "40 rows"


def test_of_many_rows_some_are_drawn():
    x, y = line(1_000_001)
    ax = plot.fit_line(x, y, fastgd.fit(x, y))
    assert len(ax.lines[0].get_xdata()) == 9901
    assert labels(ax)[0] == "1,000,001 rows, every 101th shown"
    assert not ax.collections


def test_a_frame_gives_its_name():
    pd = pytest.importorskip("pandas", reason="names come from data frames")
    pytest.importorskip("narwhals", reason="data frames need narwhals")
    x, y = line()
    frame = pd.DataFrame({"hours": x})
    assert plot.fit_line(frame, y, fastgd.fit(frame, y)).get_xlabel() == "hours"


def test_labels_of_any_type_are_shown_and_matched():
    pd = pytest.importorskip("pandas", reason="labels come from data frames")
    pytest.importorskip("narwhals", reason="data frames need narwhals")
    x, y = line()
    for label, shown in ((2020, "2020"), (("a", 1), "('a', 1)"), (0, "x")):  # 0: of an array
        frame = pd.DataFrame({label: x})
        result = fastgd.fit(frame, y)
        assert plot.fit_line(frame, y, result).get_xlabel() == shown
        two = pd.DataFrame({0: -x, 1: x}).set_axis(pd.Index(["more", label], tupleize_cols=False), axis="columns")
        drawn = plot.fit_line(two, y, result).lines[0]
        assert drawn.get_xdata().tolist() == x.tolist()
    with pytest.raises(ValueError, match="X has no column 0, but the fit had"):
        plot.fit_line(pd.DataFrame({1: x}), y, result)


def test_a_line_has_one_feature():
    X = np.ones((4, 2)) * np.arange(4)[:, np.newaxis] ** [1, 2]
    with pytest.raises(ValueError, match="The fit has 2 features, but a line has one"):
        plot.fit_line(X, np.arange(4), fastgd.fit(X, [1.0, 2.0, 0.0, 1.0]))


def test_axes_that_are_given_are_drawn_on():
    x, y = line()
    result = descent(x, y)
    quadratic = fastgd.descend(lambda t: 2 * t, 3.0)
    for draw in (
        partial(plot.cost_curve, result.history),
        partial(plot.path_1d, lambda t: t**2, quadratic),
        partial(plot.cost_surface, x, y),
        partial(plot.learning_rates, x, y, [0.01]),
        partial(plot.fit_line, x, y, result),
    ):
        _, given = pyplot.subplots()
        n_figures = len(pyplot.get_fignums())
        assert draw(ax=given) is given
        assert given.lines
        assert len(pyplot.get_fignums()) == n_figures


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'fastgd\[plot\]'"):
        plot.path_1d(lambda t: t**2, fastgd.descend(lambda t: 2 * t, 3.0))


def test_descents_from_the_minimum_are_drawn():
    assert plot.learning_rates(np.array([1.0, -1.0, 1.0]), np.zeros(3), [0.1], n_iter=3).get_yscale() == "linear"
