"""The estimator that finds its penalty: scikit-learn's own checks, and the choice that scikit-learn makes."""

import pickle

import numpy as np
import problems
import pytest

import fastgd

sklearn = pytest.importorskip("sklearn", reason="the estimator is scikit-learn's")

from sklearn.linear_model import Ridge  # noqa: E402
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from fastgd.sklearn import GDRegressor, GDRegressorCV  # noqa: E402

L2 = np.logspace(-4, 2, 30)
CHECKED = [GDRegressorCV(), GDRegressorCV(l2=[0.0, 1.0], cv=2, fit_intercept=False, standardize=True)]
MARK = parametrize_with_checks(CHECKED).mark


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(MARK.args[0], list(MARK.args[1]), **MARK.kwargs)  # 1.7 has a generator, pytest wants none
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)


def training_set():
    return problems.training_set(150, 40, noise=8.0)


@pytest.mark.parametrize("cv", [5, KFold(4, shuffle=True, random_state=0)], ids=str)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_choice_is_that_of_a_grid_search(cv, fit_intercept):
    X, y = training_set()
    model = GDRegressorCV(l2=L2, cv=cv, fit_intercept=fit_intercept).fit(X, y)
    by_grid = GridSearchCV(
        GDRegressor(fit_intercept=fit_intercept), {"l2": L2}, cv=cv, scoring="neg_mean_squared_error"
    ).fit(X, y)
    assert model.l2_ == by_grid.best_params_["l2"]
    assert L2[0] < model.l2_ < L2[-1]
    found = model.cross_validation_
    by_fold = [by_grid.cv_results_[f"split{i}_test_score"] for i in range(found.costs.shape[1])]
    np.testing.assert_allclose(found.costs, -np.transpose(by_fold), rtol=1e-10)
    np.testing.assert_allclose(model.coef_, by_grid.best_estimator_.coef_, rtol=1e-9)
    np.testing.assert_allclose(model.predict(X), by_grid.predict(X), rtol=1e-9)
    assert model.score(X, y) == pytest.approx(by_grid.best_estimator_.score(X, y), rel=1e-10)
    one = GDRegressor(l2=model.l2_, fit_intercept=fit_intercept)
    scores = cross_val_score(one, X, y, cv=cv, scoring="neg_mean_squared_error")
    np.testing.assert_allclose(found.costs[list(L2).index(model.l2_)], -scores, rtol=1e-10)


def test_the_costs_are_those_of_ridge():
    X, y = training_set()
    found = GDRegressorCV(l2=L2).fit(X, y).cross_validation_
    for i, (train, test) in enumerate(KFold(5).split(X)):
        for j in (0, 10, 29):
            other = Ridge(alpha=len(train) * L2[j]).fit(X[train], y[train])
            assert found.costs[j, i] == pytest.approx(np.mean((other.predict(X[test]) - y[test]) ** 2), rel=1e-10)


def test_groups_and_weights_are_routed():
    X, y = training_set()
    s, groups = np.arange(len(y)) % 3 + 1.0, np.arange(len(y)) // 10
    model = GDRegressorCV(l2=L2, cv=GroupKFold(3))
    expected = fastgd.cross_validate(X, y, l2=L2, folds=GroupKFold(3), groups=groups, sample_weight=s)
    np.testing.assert_array_equal(model.fit(X, y, s, groups).cross_validation_.costs, expected.costs)
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True, groups=True)
        pipeline = make_pipeline(model).fit(X, y, sample_weight=s, groups=groups)
    assert pipeline[-1].cross_validation_.costs.shape == (30, 3)


def test_frames_sparse_matrices_and_dask():
    X, y = training_set()
    by_array = GDRegressorCV(l2=L2).fit(X, y)
    pandas = pytest.importorskip("pandas", reason="for data frames")
    frame = pandas.DataFrame(X, columns=[f"x{j}" for j in range(40)])
    model = GDRegressorCV(l2=L2).fit(frame, y)
    np.testing.assert_allclose(model.cross_validation_.costs, by_array.cross_validation_.costs, rtol=1e-12)
    np.testing.assert_allclose(model.predict(frame), by_array.predict(X), rtol=1e-10)
    assert model.feature_names_in_[0] == "x0"
    sparse = pytest.importorskip("scipy.sparse", reason="for sparse matrices")
    model = GDRegressorCV(l2=L2).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(model.cross_validation_.costs, by_array.cross_validation_.costs, rtol=1e-11)
    da = pytest.importorskip("dask.array", reason="for dask")
    model = GDRegressorCV(l2=L2, cv=3).fit(da.from_array(X, chunks=(40, 40)), da.from_array(y, chunks=40))
    expected = fastgd.cross_validate(X, y, l2=L2, folds=3)
    np.testing.assert_allclose(model.cross_validation_.costs, expected.costs, rtol=1e-11)


def test_a_pickle_predicts():
    X, y = training_set()
    model = GDRegressorCV().fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert len(again.cross_validation_.l2) == 100


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"l2": 0.1}, TypeError, "several penalties are expected"),
        ({"l2": [-1.0]}, ValueError, r"l2\[0\]=-1.0"),
        ({"cv": ShuffleSplit(3, random_state=0)}, ValueError, "overlap|two test folds"),
        ({"cv": 1000}, ValueError, "n_splits=1000"),
        ({"n_jobs": 0}, ValueError, "n_jobs=0"),
        ({"fit_intercept": "yes"}, TypeError, "intercept='yes'"),
    ],
)
def test_parameters_out_of_range_are_named(options, error, text):
    with pytest.raises(error, match=text):
        GDRegressorCV(**options).fit(*training_set())


def test_several_targets_are_refused():
    X, y = training_set()
    with pytest.raises(ValueError, match="y should be a 1d array"):
        GDRegressorCV().fit(X, np.column_stack((y, y)))
