"""How good and how sure a fit is, beside values that NIST certifies, statsmodels, and the formulas."""

import math
import pickle
import subprocess
import sys
import warnings

import nist
import numpy as np
import pytest
import scipy.sparse

import fastgd

sm = pytest.importorskip("statsmodels.api")

KINDS = ["HC0", "HC1", "HC2", "HC3"]


def digits(computed, certified):
    if certified == 0:
        return 15.0 if computed == 0 else -math.log10(abs(computed))
    if computed == certified:
        return 15.0
    return min(15.0, -math.log10(abs(computed - certified) / abs(certified)))


@pytest.mark.parametrize("name", nist.STATISTICS)
def test_statistics_have_the_digits_that_nist_certifies(name, reached):
    (X, y, certified), _ = nist.SETS[name]
    errors, residual_std, r_squared, f = nist.STATISTICS[name]
    n_features = (*X.shape, 1)[1]
    result = fastgd.fit(X, y, intercept=len(certified) > n_features)
    found = [min(map(digits, result.standard_errors, errors)), digits(result.residual_std, residual_std)]
    found += [digits(result.r_squared, r_squared)]
    if math.isfinite(f):  # where residuals are 0, or their rounding, F is infinite, or nearly so
        found += [digits(result.f_statistic, f)]
    # A standard deviation as certified has 15 digits; a condition number of 1e7 leaves half of them, at worst.
    assert min(found) >= (8 if name.startswith("Wampler") else 12 if name == "Longley" else 13)
    reached(f"digits of NIST's statistics, {name}", round(min(found), 1))


DATA = {
    "longley": (sm.datasets.longley, False),
    "stackloss": (sm.datasets.stackloss, False),
    "engel": (sm.datasets.engel, True),
    "copper": (sm.datasets.copper, True),
}


def loaded(name):
    module, weighted = DATA[name]
    data = module.load_pandas()
    X, y = data.exog.to_numpy(float), data.endog.to_numpy(float)
    return X, y, 1.0 / X[:, 0] if weighted else None


def by_statsmodels(X, y, s=None, *, intercept=True, **options):
    design = sm.add_constant(X, has_constant="add") if intercept else X
    return sm.WLS(y, design, weights=1.0 if s is None else s).fit(**options)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", DATA)
def test_classical_statistics_are_those_of_statsmodels(name, intercept):
    X, y, s = loaded(name)
    theirs = by_statsmodels(X, y, s, intercept=intercept)
    ours = fastgd.fit(X, y, sample_weight=s, intercept=intercept)
    # Longley's has the condition number 5e9: statsmodels' pseudoinverse of columns that are not scaled loses digits of it.
    close = {"rel": 1e-7 if name == "longley" and intercept else 1e-12}
    assert ours.n_samples == theirs.nobs
    assert ours.df_residual == theirs.df_resid
    assert ours.df_model == theirs.df_model + (0 if intercept else theirs.k_constant)
    assert ours.sum_of_squares == pytest.approx(theirs.ssr, **close)
    assert ours.standard_errors == pytest.approx(theirs.bse, **close)
    assert ours.t_values == pytest.approx(theirs.tvalues, **close)
    assert ours.p_values == pytest.approx(theirs.pvalues, rel=1e-6)
    assert ours.confidence_interval(0.9) == pytest.approx(theirs.conf_int(0.1), **close)
    assert ours.log_likelihood == pytest.approx(theirs.llf, **close)
    assert (ours.aic, ours.bic) == pytest.approx((theirs.aic, theirs.bic), **close)
    if intercept or not theirs.k_constant:
        assert ours.r_squared == pytest.approx(theirs.rsquared, **close)
        assert ours.adjusted_r_squared == pytest.approx(theirs.rsquared_adj, **close)
        assert ours.f_statistic == pytest.approx(theirs.fvalue, **close)
        assert ours.f_p_value == pytest.approx(theirs.f_pvalue, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name in DATA if name != "longley"])
def test_robust_covariances_are_those_of_statsmodels(name, kind):
    X, y, s = loaded(name)
    theirs = by_statsmodels(X, y, s, cov_type=kind).cov_params()
    ours = fastgd.fit(X, y, sample_weight=s, covariance=kind)
    sizes = np.sqrt(np.outer(np.diagonal(theirs), np.diagonal(theirs)))
    assert (abs(ours.covariance() - theirs) <= 1e-10 * sizes).all()
    assert ours.standard_errors == pytest.approx(np.sqrt(np.diagonal(theirs)), rel=1e-10)
    assert ours.evidence.kind == kind


@pytest.mark.parametrize("labels", [np.arange, lambda n: [f"group {i}" for i in range(n)]])
def test_clustered_covariances_are_those_of_statsmodels(labels):
    data = sm.datasets.grunfeld.load_pandas().data
    X, y, firms = data[["value", "capital"]].to_numpy(float), data["invest"].to_numpy(float), data["firm"].to_numpy()
    _, numbers = np.unique(firms, return_inverse=True)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    for s in (None, weights):
        theirs = by_statsmodels(X, y, s, cov_type="cluster", cov_kwds={"groups": numbers}).cov_params()
        ours = fastgd.fit(X, y, sample_weight=s, groups=np.asarray(labels(numbers.max() + 1))[numbers])
        sizes = np.sqrt(np.outer(np.diagonal(theirs), np.diagonal(theirs)))
        assert (abs(ours.covariance() - theirs) <= 1e-10 * sizes).all()
        assert ours.p_values == pytest.approx(
            2 * (1 - __import__("scipy.stats").stats.t.cdf(abs(ours.t_values), numbers.max())), rel=1e-6, abs=1e-12
        )


# Many rows, in each home.


def some_rows(n_samples=6000, n_features=4):
    rng = np.random.default_rng(n_samples)
    X = (rng.standard_normal((n_samples, n_features)) + 2.0).astype(np.float32).astype(float)
    X[rng.random(X.shape) < 0.3] = 0.0
    y = X @ np.arange(n_features) + 1.0 + rng.standard_normal(n_samples) * (1.0 + abs(X[:, 0]))
    return X, y, rng.integers(1, 5, n_samples).astype(float)


def in_batches(X, y, s):
    def batches():
        for start in range(0, len(y), 1000):
            rows = slice(start, start + 1000)
            yield (X[rows], y[rows]) if s is None else (X[rows], y[rows], s[rows])

    return (fastgd.from_batches(batches),)


def in_parquet(X, y, s, folder):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {f"x{j}": X[:, j] for j in range(X.shape[1])} | {"y": y} | ({} if s is None else {"s": s})
    pq.write_table(pa.table(columns), folder / "rows.parquet", row_group_size=700)
    return (fastgd.scan_parquet(folder / "rows.parquet", target="y", sample_weight=None if s is None else "s"),)


def in_map(X, y, s, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r"), y, s


HOMES = {
    "rows": lambda X, y, s, _: (X, y, s),
    "columns": lambda X, y, s, _: (np.asfortranarray(X), y, s),
    "float32": lambda X, y, s, _: (X.astype(np.float32), y, s),
    "strided": lambda X, y, s, _: (np.repeat(X, 2, axis=1)[:, ::2], y, s),
    "sparse": lambda X, y, s, _: (scipy.sparse.csr_array(X), y, s),
    "frame": lambda X, y, s, _: (__import__("pandas").DataFrame(X), y, s),
    "map": in_map,
    "batches": lambda X, y, s, _: in_batches(X, y, s),
    "parquet": in_parquet,
}


@pytest.mark.parametrize("kind", ["classical", *KINDS])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("home", HOMES)
def test_statistics_of_rows_in_each_home(home, weighted, kind, tmp_path):
    X, y, s = some_rows()
    s = s if weighted else None
    given = HOMES[home](X, y, s, tmp_path)
    ours = fastgd.fit(*given[:2], sample_weight=given[2] if len(given) > 2 else None, covariance=kind)
    theirs = by_statsmodels(X, y, s, cov_type="nonrobust" if kind == "classical" else kind)
    assert ours.standard_errors == pytest.approx(theirs.bse, rel=1e-10)
    assert ours.n_samples == len(y)
    assert (ours.r_squared, ours.log_likelihood) == pytest.approx((theirs.rsquared, theirs.llf), rel=1e-10)
    if home in ("batches", "parquet"):
        assert ours.n_passes == 2  # none of them for the errors alone


@pytest.mark.parametrize("home", ["array", "client"])
def test_statistics_of_partitions(home):
    da = pytest.importorskip("dask.array")
    X, y, s = some_rows()
    collections = [da.from_array(values, chunks=(1500, -1)[: values.ndim]) for values in (X, y, s)]
    for kind in ("classical", "HC3"):
        ours = fastgd.fit(collections[0], collections[1], sample_weight=collections[2], covariance=kind)
        theirs = by_statsmodels(X, y, s, cov_type="nonrobust" if kind == "classical" else kind)
        assert ours.standard_errors == pytest.approx(theirs.bse, rel=1e-10)
        assert ours.log_likelihood == pytest.approx(theirs.llf, rel=1e-10)


@pytest.mark.parametrize("options", [{"method": "cg"}, {"method": "gd", "precompute": True}, {"standardize": True}])
def test_statistics_do_not_depend_on_the_method(options):
    X, y, s = some_rows()
    for kind in ("classical", "HC2"):
        expected = fastgd.fit(X, y, sample_weight=s, covariance=kind)
        found = fastgd.fit(X, y, sample_weight=s, covariance=kind, **options)
        assert found.standard_errors == pytest.approx(expected.standard_errors, rel=1e-7)
        assert found.f_statistic == pytest.approx(expected.f_statistic, rel=1e-10)


def test_rows_without_weight_do_not_count():
    X, y, s = some_rows(200)
    s[::3] = 0.0
    ours, kept = fastgd.fit(X, y, sample_weight=s), s > 0
    theirs = by_statsmodels(X[kept], y[kept], s[kept])
    assert ours.n_samples == kept.sum()
    assert ours.standard_errors == pytest.approx(theirs.bse, rel=1e-10)
    assert ours.log_likelihood == pytest.approx(theirs.llf, rel=1e-10)


def test_moments_give_what_their_rows_do():
    X, y, _ = some_rows()
    expected, found = fastgd.fit(X, y), fastgd.fit(fastgd.Moments.from_rows(X, y))
    for name in ("standard_errors", "r_squared", "f_statistic", "log_likelihood", "aic"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)
    with pytest.raises(ValueError, match=r'covariance="HC0" was given.*Moments have no rows.*Give rows'):
        fastgd.fit(fastgd.Moments.from_rows(X, y), covariance="HC0")


def test_only_what_the_data_determine_has_a_standard_error():
    rng = np.random.default_rng(0)
    colours, x = np.eye(3)[rng.integers(0, 3, 60)], rng.standard_normal((60, 1))
    y = colours @ [1.0, 2.0, 3.0] + x[:, 0] + rng.standard_normal(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastgd.RankWarning)
        for n_times in (1, 500):  # few rows, and many
            X, target = np.tile(np.hstack((colours, x)), (n_times, 1)), np.tile(y, n_times)
            for kind in ("classical", "HC1"):
                result = fastgd.fit(X, target, covariance=kind)
                full = fastgd.fit(X[:, 1:], target, covariance=kind)
                assert np.isnan(result.standard_errors).tolist() == [True] * 4 + [False]
                assert result.standard_errors[-1] == pytest.approx(full.standard_errors[-1], rel=1e-9)
                assert result.df_residual == full.df_residual
                assert "depend on each other" in result.standard_errors_note
                assert "depend on each other" in result.summary()
            # Without an intercept there is nothing that they depend on.
            assert not np.isnan(fastgd.fit(X, target, intercept=False).standard_errors).any()
        constant = fastgd.fit(np.hstack((x, np.full((60, 1), 5.0))), y)
        assert np.isnan(constant.standard_errors).tolist() == [True, False, True]


@pytest.mark.parametrize("options", [{"l2": 0.1}, {"method": "gd", "learning_rate": 1e-3, "max_iter": 3}])
@pytest.mark.filterwarnings("ignore::fastgd.ConvergenceWarning")
def test_what_has_no_standard_errors_says_why(options):
    X, y, _ = some_rows()
    result = fastgd.fit(X, y, **options)
    assert result.standard_errors is result.t_values is result.p_values is None
    assert result.covariance() is result.confidence_interval() is result.df_residual is result.aic is None
    assert ("penalty" if "l2" in options else "did not converge") in result.standard_errors_note
    assert result.standard_errors_note in result.summary()
    assert result.r_squared == pytest.approx(result.score(X, y), rel=1e-10)


@pytest.mark.parametrize("intercept", [True, False])
def test_r_squared_is_known_without_the_sizes_of_columns(intercept):
    X, y, s = some_rows()
    s[::7] = 0.0
    for weights in (None, s):
        options = {"sample_weight": weights, "intercept": intercept}
        result = fastgd.fit(X, y, method="gd", learning_rate=1e-3, max_iter=3, tol=0, **options)
        weight = np.ones(len(y)) if weights is None else weights
        centre = np.average(y, weights=weight) if intercept else 0.0
        assert result.total_sum_of_squares == pytest.approx(weight @ (y - centre) ** 2, rel=1e-12)


def test_a_method_without_moments_takes_them_on_request():
    X, y, _ = some_rows()
    options = {"method": "gd", "precompute": False, "learning_rate": "optimal", "tol": 1e-12}
    assert 'Give covariance="classical"' in fastgd.fit(X, y, **options).standard_errors_note
    found, expected = fastgd.fit(X, y, covariance="classical", **options), fastgd.fit(X, y)
    assert found.standard_errors == pytest.approx(expected.standard_errors, rel=1e-8)
    assert np.isnan(fastgd.fit(X[:5], y[:5]).standard_errors).all()  # no degree of freedom is left


def test_a_row_of_leverage_one_has_no_hc3():
    X = np.zeros((50, 2))
    X[:, 0], X[7, 1] = np.arange(50), 1.0
    y = np.random.default_rng(0).standard_normal(50)
    result = fastgd.fit(X, y, covariance="HC3")
    assert np.isnan(result.standard_errors).all()
    assert "leverage 1" in result.standard_errors_note
    assert np.isfinite(fastgd.fit(X, y, covariance="HC1").standard_errors).all()


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", ["classical", "HC3"])
def test_intervals_of_predictions_are_those_of_statsmodels(kind, intercept):
    X, y, s = some_rows(500)
    new = X[:40] + 0.5
    for weights in (None, s):
        theirs = by_statsmodels(
            X, y, weights, intercept=intercept, cov_type="nonrobust" if kind == "classical" else kind, use_t=True
        )
        design = sm.add_constant(new, has_constant="add") if intercept else new
        expected = theirs.get_prediction(design).summary_frame(alpha=0.1)
        result = fastgd.fit(X, y, sample_weight=weights, intercept=intercept, covariance=kind)
        columns = {f"x{j}": new[:, j] for j in range(4)}
        homes = [new, np.asfortranarray(new), scipy.sparse.csr_array(new), __import__("pandas").DataFrame(columns)]
        homes.append(fastgd.from_batches([(new[:7], None), (new[7:], None)]))
        for home in homes:
            found = result.predict(home, interval=0.9)
            assert found.mean.tolist() == result.predict(new).tolist() or scipy.sparse.issparse(home)
            assert found.mean == pytest.approx(expected["mean"].to_numpy(), rel=1e-10)
            ends = expected[["mean_ci_lower", "mean_ci_upper"]].to_numpy()
            assert found.mean_interval == pytest.approx(ends, rel=1e-9)
            if kind == "classical":
                ends = expected[["obs_ci_lower", "obs_ci_upper"]].to_numpy()
                assert found.observation_interval == pytest.approx(ends, rel=1e-9)
            else:
                assert found.observation_interval is None


def test_intervals_are_of_what_the_data_determine():
    X, y, _ = some_rows(500)
    X = np.column_stack((X, X[:, 0] + X[:, 1]))
    with pytest.warns(fastgd.RankWarning):
        result = fastgd.fit(X, y)
    found = result.predict(np.vstack((X[:5], X[:5] + np.eye(5)[4])), interval=0.95)
    smaller = fastgd.fit(X[:, :4], y).predict(X[:5, :4], interval=0.95)
    assert found.mean_interval[:5] == pytest.approx(smaller.mean_interval, rel=1e-9)
    assert np.isnan(found.mean_interval[5:]).all()
    with pytest.raises(ValueError, match=r"no standard errors\. With a penalty"):
        fastgd.fit(X, y, l2=1.0).predict(X, interval=0.95)
    with pytest.raises(ValueError, match="interval=95 was given"):
        result.predict(X, interval=95)
    with pytest.raises(TypeError, match=r"Give X\.compute"):
        result.predict(pytest.importorskip("dask.array").from_array(X), interval=0.9)


def test_an_f_test_is_that_of_statsmodels():
    X, y, s = some_rows(300)
    large, small = fastgd.fit(X, y, sample_weight=s), fastgd.fit(X[:, [1, 3]], y, sample_weight=s)
    found = large.f_test(small)
    f, p, df = by_statsmodels(X, y, s).compare_f_test(by_statsmodels(X[:, [1, 3]], y, s))
    assert (found.statistic, found.p_value, found.df_numerator) == pytest.approx((f, p, df), rel=1e-9)
    assert found.df_denominator == large.df_residual
    for other, match in [
        (large, "a smaller model has more of both"),
        (fastgd.fit(X[:99], y[:99]), "nested models have the same rows"),
        (fastgd.fit(X[:, :1], y, sample_weight=s, l2=1.0), "no residual degrees of freedom"),
    ]:
        with pytest.raises(ValueError, match=match):
            large.f_test(other)


GROUPS = np.repeat(np.arange(20), 10)
BAD = [
    ({"covariance": "HC4"}, "one of 'auto', 'classical', 'HC0'"),
    ({"covariance": "cluster"}, "no groups. Give the group of each row"),
    ({"groups": GROUPS, "covariance": "HC0"}, 'covariance="HC0", which does not use them'),
    ({"groups": GROUPS[:-1]}, r"groups has shape \(199,\), but one group per row is expected, of shape \(200,\)"),
    ({"groups": np.zeros(200)}, "puts all rows into one"),
    ({"groups": np.where(GROUPS == 3, np.nan, GROUPS)}, "groups has .*nan.* in row 30"),
    ({"groups": [None, *"ab" * 99, "a"]}, "groups has None in row 0"),
]


@pytest.mark.parametrize(("options", "match"), BAD)
def test_bad_options_say_what_to_do(options, match):
    X, y, _ = some_rows(200)
    with pytest.raises(ValueError, match=match):
        fastgd.fit(X, y, **options)


@pytest.mark.parametrize("call", [fastgd.fit, fastgd.cross_validate])
def test_groups_are_paired_with_rows_by_their_position_and_labels_in_another_order_refused(call):
    pd = pytest.importorskip("pandas")
    X, y, _ = some_rows(200)
    series = pd.Series(GROUPS)
    call(pd.DataFrame(X), y, groups=series)
    with pytest.raises(ValueError, match="groups has the index of X in another order"):
        call(pd.DataFrame(X), y, groups=series[::-1])


def test_groups_need_rows_in_memory_and_residuals_rows_that_are_read_twice():
    X, y, _ = some_rows(200)
    with pytest.raises(ValueError, match="groups are known of rows in memory only"):
        fastgd.fit(*in_batches(X, y, None), groups=GROUPS)
    with pytest.raises(ValueError, match="the rows can be read once only"):
        fastgd.fit(fastgd.from_batches(iter([(X, y)])), covariance="HC0")
    for level in (0.0, 1.0, 95, "0.9"):
        with pytest.raises((TypeError, ValueError), match=r"level=.*Give 0\.95 for 95 percent"):
            fastgd.fit(X, y).confidence_interval(level)


def test_a_result_is_pickled_with_its_statistics():
    X, y, _ = some_rows(200)
    result = fastgd.fit(X, y, covariance="HC1")
    assert pickle.loads(pickle.dumps(result)).summary() == result.summary()


def test_without_scipy_only_what_needs_it_is_missing():
    code = (
        "import sys; sys.modules['scipy'] = None; import fastgd, pytest\n"
        "result = fastgd.fit([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 1.0, 2.0])\n"
        "assert result.standard_errors is not None and result.f_statistic is not None\n"
        "assert 'std. error' in result.summary() and 'need scipy' in result.summary()\n"
        "with pytest.raises(ImportError, match='fastgd.stats'): result.p_values\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_notebooks_show_tables():
    X, y, _ = some_rows(200)
    result = fastgd.fit(X, y, method="gd", history=True, max_iter=2000)
    for shown in (result._repr_html_(), result.history._repr_html_()):
        assert shown.count("<table>") == shown.count("</table>") == 1
        assert shown.count("<tr>") == shown.count("</tr>")
    names = __import__("pandas").DataFrame({"<b>": X[:, 0]})
    assert "&lt;b&gt;" in fastgd.fit(names, y)._repr_html_()
