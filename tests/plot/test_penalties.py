"""The picture of a cross-validation, beside its numbers."""

import numpy as np
import problems
import pytest

import fastgd

matplotlib = pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")

from matplotlib import pyplot  # noqa: E402

from fastgd import plot  # noqa: E402


@pytest.fixture(autouse=True)
def leave_no_figures():
    yield
    pyplot.close("all")


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_lines_are_the_costs_in_the_order_of_the_penalties():
    X, y = problems.training_set(60, 3)
    result = fastgd.cross_validate(X, y, l2=[1.0, 0.01, 10.0])
    ax = plot.penalty_curve(result)
    order = [1, 0, 2]
    *folds, mean, best = ax.lines
    for fold, line in enumerate(folds):
        np.testing.assert_array_equal(line.get_xdata(), [0.01, 1.0, 10.0])
        np.testing.assert_array_equal(line.get_ydata(), result.costs[order, fold])
    np.testing.assert_array_equal(mean.get_ydata(), result.mean_cost[order])
    assert best.get_xdata()[0] == result.best_l2
    assert len(folds) == 5
    corners = ax.collections[0].get_paths()[0].vertices
    for edge in (result.mean_cost - result.standard_error, result.mean_cost + result.standard_error):
        assert all(np.isclose(corners[:, 1], value, rtol=1e-12).any() for value in edge)
    assert labels(ax) == ["each fold", "standard error", "mean", f"least: l2 = {result.best_l2:.4g}"]
    assert (ax.get_xscale(), ax.get_yscale()) == (
        "log",
        "log" if result.costs.max() > 100 * result.costs.min() else "linear",
    )


def test_no_penalty_has_a_place_on_the_scale():
    X, y = problems.training_set(60, 3)
    ax = plot.penalty_curve(fastgd.cross_validate(X, y, l2=[0.0, 0.1, 1.0]))
    assert ax.get_xscale() == "symlog"
    assert ax.get_xlim()[0] < 0
    assert plot.penalty_curve(fastgd.cross_validate(X, y, l2=[0.0])).get_xscale() == "linear"


def test_subsets_are_lines_and_the_best_six_are_drawn():
    X, y = problems.training_set(60, 8)
    result = fastgd.cross_validate(X, y, features=[range(j) for j in range(1, 9)])
    ax = plot.penalty_curve(result)
    assert len(ax.lines) == 7
    first = ax.lines[0].get_ydata()
    np.testing.assert_array_equal(first, result.mean_cost[result.features.index(result.best_features)])
    assert labels(ax)[1] == f"{len(result.best_features)}: 0, 1, 2, ..."
    few = fastgd.cross_validate(X, y, features=[[0, 1], [2]])
    assert {"0, 1", "2"} < set(labels(plot.penalty_curve(few)))


def test_many_folds_are_not_drawn_one_by_one():
    X, y = problems.training_set(60, 3)
    assert len(plot.penalty_curve(fastgd.cross_validate(X, y, folds=30)).lines) == 2


def test_what_is_no_result_is_refused():
    with pytest.raises(TypeError, match="result is a ndarray, but a CrossValidation is expected"):
        plot.penalty_curve(np.zeros(3))
