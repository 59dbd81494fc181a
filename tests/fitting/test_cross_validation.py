"""Cross-validation: the costs of fits by hand, one for each fold and penalty, wherever the rows are."""

import contextlib

import exact
import numpy as np
import problems
import pytest
import test_sources
from block_sizes import set_block_values

import fastgd
from fastgd.kernels import tuning

L2 = [0.0, 1e-3, 0.1, 3.0]


def training_set(n=203, k=4, *, weighted=False, seed=0):
    X, y = problems.training_set(n, k, seed=seed)
    return X, y, np.random.default_rng(seed + 1).integers(0, 4, n) / 2 if weighted else None


def costs_by_hand(X, y, of_row, l2, *, s=None, intercept=True, loss="mse", standardize=False):
    """Fit each penalty to the rows outside of each fold by LAPACK, on rows of the penalty below those of the data."""
    s = np.ones(len(y)) if s is None else s
    folds = range(of_row.max() + 1)
    costs = np.empty((len(l2), len(folds)))
    for fold in folds:
        rest, held = of_row != fold, of_row == fold
        total = s[rest].sum()
        mean = np.average(X[rest], axis=0, weights=s[rest]) if intercept else np.zeros(X.shape[1])
        y_mean = np.average(y[rest], weights=s[rest]) if intercept else 0.0
        unit = np.ones(X.shape[1])
        if standardize:
            about = X[rest] - np.average(X[rest], axis=0, weights=s[rest])
            unit = np.sqrt(np.average(about**2, axis=0, weights=s[rest]))
        # c of J = c/2 sum s r^2 + l2 |coef|^2
        c = {"mse": 2 / total, "half_mse": 1 / total, "sse": 2.0}[loss]
        root = np.sqrt(0.5 * c * s[rest])
        for i, penalty in enumerate(l2):
            A = np.concatenate(((X[rest] - mean) / unit * root[:, np.newaxis], np.sqrt(penalty) * np.eye(X.shape[1])))
            b = np.concatenate(((y[rest] - y_mean) * root, np.zeros(X.shape[1])))
            length = np.linalg.norm(A, axis=0)
            length[length == 0] = 1.0
            coef = np.linalg.lstsq(A / length, b, rcond=1e-12)[0] / length
            squares = s[held] @ ((X[held] - mean) / unit @ coef + y_mean - y[held]) ** 2
            costs[i, fold] = squares * {"mse": 1 / s[held].sum(), "half_mse": 0.5 / s[held].sum(), "sse": 1.0}[loss]
    return costs


@pytest.fixture(params=["few", "many"])
def size(request, monkeypatch):
    """Take folds one by one, as of few rows, or from one reading in many blocks."""
    if request.param == "many":
        set_block_values(monkeypatch, 30)
        monkeypatch.setattr(tuning, "MIN_SHARED_VALUES", 0)
        monkeypatch.setattr(tuning, "MIN_MOMENT_ROWS", 1)
        monkeypatch.setattr(tuning, "MOMENT_ROWS_PER_FEATURE", 1)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"intercept": False}, {"standardize": True}, {"standardize": True, "intercept": False}, {"loss": "sse"},
     {"loss": "half_mse"}],
    ids=str,
)  # fmt: skip
def test_costs_are_those_of_fits_by_hand(options, weighted, order):
    X, y, s = training_set(weighted=weighted)
    for n_folds in (2, 5, 7):
        result = fastgd.cross_validate(np.asarray(X, order=order), y, l2=L2, folds=n_folds, sample_weight=s, **options)
        expected = costs_by_hand(X, y, np.arange(len(y)) % n_folds, L2, s=s, **options)
        np.testing.assert_allclose(result.costs, expected, rtol=1e-11)
        best = expected.mean(axis=1).argmin()
        assert result.best_l2 == L2[best]
        np.testing.assert_allclose(result.mean_cost, expected.mean(axis=1), rtol=1e-11)
        np.testing.assert_allclose(result.standard_error, expected.std(axis=1, ddof=1) / np.sqrt(n_folds), rtol=1e-9)
        whole = fastgd.fit(X, y, sample_weight=s, l2=L2[best], **options)
        np.testing.assert_allclose(result.fit.theta, whole.theta, rtol=1e-10)
        assert result.fit.cost == pytest.approx(whole.cost, rel=1e-10)
        assert not result.fit.verified


@pytest.mark.parametrize("dtype", ["f4", "i2", ">f8"])
def test_other_dtypes_are_read_as_what_they_hold(dtype, size):
    X, y, _ = training_set()
    X = (X * 8).astype(dtype)
    expected = costs_by_hand(X.astype(float), y, np.arange(len(y)) % 5, L2)
    np.testing.assert_allclose(fastgd.cross_validate(X, y, l2=L2).costs, expected, rtol=1e-11)


@pytest.mark.usefixtures("size")
def test_the_same_bits_for_any_number_of_threads():
    X, y, s = training_set(2003, weighted=True)
    one, three = (fastgd.cross_validate(X, y, l2=L2, sample_weight=s, n_threads=n).costs for n in (1, 3))
    np.testing.assert_array_equal(one, three)


@pytest.mark.usefixtures("size")
@pytest.mark.filterwarnings("ignore::fastgd.RankWarning")
@pytest.mark.parametrize("by_groups", [False, True])
def test_a_column_that_is_constant_in_a_training_set_is_left_to_the_intercept(by_groups):
    X, y, _ = training_set()
    X[:, 1] = 7.0  # of which fold 0 has all others
    X[np.arange(len(y)) % 5 == 0, 1] = np.linspace(1, 9, 41)
    X[:, 2] = np.arange(len(y)) % 5 == 0
    given = {"groups": np.arange(len(y)) % 5} if by_groups else {}
    expected = costs_by_hand(X, y, np.arange(len(y)) % 5, L2)
    got = fastgd.cross_validate(X, y, l2=L2, **given).costs
    np.testing.assert_allclose(np.sort(got, axis=1), np.sort(expected, axis=1), rtol=1e-10)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("spread", [1e-3, 1e-8])
def test_nearly_dependent_columns_have_the_digits_of_fits_to_the_rows(spread):
    X, y, _ = training_set()
    X[:, 3] = X[:, 0] - X[:, 1] + spread * X[:, 3]
    result = fastgd.cross_validate(X, y, l2=L2)
    expected = costs_by_hand(X, y, np.arange(len(y)) % 5, L2)
    for fold in range(5):
        held = np.arange(len(y)) % 5 == fold
        theta = exact.least_squares(X[~held], y[~held])
        expected[0, fold] = np.mean((problems.features(X[held]) @ theta - y[held]) ** 2)
    # Coefficients of the size of 1 / spread have lost as many digits to the rounding of the rows.
    np.testing.assert_allclose(result.costs, expected, rtol=max(1e-10, 100 * 2.0**-52 / spread))


@pytest.mark.usefixtures("size")
@pytest.mark.filterwarnings("ignore::fastgd.RankWarning")
@pytest.mark.parametrize("options", [{}, {"intercept": False}, {"standardize": True}], ids=str)
def test_dependent_columns_have_the_costs_of_least_norm(options):
    X, y, _ = training_set()
    category = np.arange(len(y)) // 3 % 4
    X = np.column_stack((X, category[:, np.newaxis] == np.arange(4), X[:, 0]))
    result = fastgd.cross_validate(X, y, l2=[0.0, 1e-10, 1e-3], **options)
    for fold in range(5):
        rest = np.arange(len(y)) % 5 != fold
        for i, l2 in enumerate(result.l2):
            fit = fastgd.fit(X[rest], y[rest], l2=l2, **options)
            cost = np.mean((fit.predict(X[~rest]) - y[~rest]) ** 2)
            assert result.costs[i, fold] == pytest.approx(cost, rel=1e-10)


@pytest.mark.usefixtures("size")
def test_residuals_far_smaller_than_y_keep_their_digits():
    X, y, _ = training_set()
    y = X @ [1.0, -2.0, 3.0, 0.5] + 1e-7 * y
    # Costs are squares of residuals, each of which has the rounding of y.
    rtol = 8 * 2.0**-52 * abs(y).max() / 1e-7
    result = fastgd.cross_validate(X, y, l2=[0.0, 1e-9])
    np.testing.assert_allclose(result.costs, costs_by_hand(X, y, np.arange(len(y)) % 5, [0.0, 1e-9]), rtol=rtol)
    assert result.fit.verified


@pytest.mark.usefixtures("size")
def test_columns_of_any_size_and_far_from_zero():
    X, y, _ = training_set()
    offset = np.array([0.0, 1e8, 1.0, -1e4])
    X = X * [1.0, 1e6, 1e-5, 1e3] + offset
    result = fastgd.cross_validate(X, y, l2=[0.0, 1e-8, 1e-2])
    # The differences are exact. The means are not: those of a column whose mean is 1e5 deviations lack five digits.
    expected = costs_by_hand(X - offset, y, np.arange(len(y)) % 5, [0.0, 1e-8, 1e-2])
    np.testing.assert_allclose(result.costs, expected, rtol=8 * 2.0**-52 * 1e5)


def test_more_features_than_rows():
    X, y, _ = training_set(30, 40)
    got = fastgd.cross_validate(X, y, l2=[1e-6, 1.0], folds=3).costs
    np.testing.assert_allclose(got, costs_by_hand(X, y, np.arange(30) % 3, [1e-6, 1.0]), rtol=1e-9)


HOMES = [
    test_sources.as_columns, test_sources.as_map, test_sources.as_list, test_sources.as_function, test_sources.as_frames,
    test_sources.as_generator, test_sources.as_parquet, test_sources.as_csv, test_sources.as_sparse,
    test_sources.as_dask_array, test_sources.as_dask_frame,
]  # fmt: skip


@pytest.fixture
def small_chunks(monkeypatch):
    """Let small data take many chunks of some blocks, and read them through a map however few there are."""
    set_block_values(monkeypatch, 30)
    for name in ("STREAM_VALUES", "PARQUET_VALUES", "MAPPED_VALUES"):
        monkeypatch.setattr(tuning, name, 100)
    monkeypatch.setattr(tuning, "COPIED_VALUES", 0)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dependent", [False, True])
def test_costs_are_those_of_arrays_wherever_the_rows_are(home, weighted, dependent, tmp_path):
    if dependent and home is test_sources.as_generator:
        pytest.skip("a generator is read once")
    X, y, s = training_set(k=3, weighted=weighted)
    if dependent:
        X[:, 2] = 2 * X[:, 0] + 1e-6 * X[:, 2]
    if weighted:
        s[:77] = 0.0  # so that some parts have no weight
    given = home(tmp_path, X, y, s, [13, 26, 101, 101, 150])
    try:
        import dask
    except ImportError:
        context = contextlib.nullcontext()
    else:
        context = dask.config.set(scheduler="synchronous")
    with context:
        result = fastgd.cross_validate(*given[:2], l2=[1e-9, 0.1], folds=4, sample_weight=given[2])
    expected = costs_by_hand(X, y, np.arange(len(y)) % 4, [1e-9, 0.1], s=s)
    np.testing.assert_allclose(result.costs, expected, rtol=1e-9 if dependent else 1e-11)
    assert result.fit.verified == dependent
    whole = fastgd.fit(X, y, sample_weight=s, l2=result.best_l2)
    np.testing.assert_allclose(result.fit.theta, whole.theta, rtol=1e-9 if dependent else 1e-11)


@pytest.mark.usefixtures("small_chunks")
def test_rows_that_are_dropped_are_not_counted(tmp_path):
    pandas = pytest.importorskip("pandas", reason="for the file")
    X, y, _ = training_set(k=3)
    X[::7, 1] = np.nan
    kept = np.isfinite(X).all(axis=1)
    frame = pandas.DataFrame(X, columns=list("abc")).assign(y=y)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=20)
    expected = costs_by_hand(X[kept], y[kept], np.arange(kept.sum()) % 5, L2)
    for scan, name in ((fastgd.scan_csv, "rows.csv"), (fastgd.scan_parquet, "rows.parquet")):
        rows = scan(tmp_path / name, target="y", drop_missing=True)
        np.testing.assert_allclose(fastgd.cross_validate(rows, l2=L2).costs, expected, rtol=1e-11)


def as_itself(X, folder=None):
    return X


def as_frame(X, folder=None):
    return pytest.importorskip("pandas", reason="for data frames").DataFrame(X, columns=list("abcd"))


def as_polars(X, folder=None):
    polars = pytest.importorskip("polars", reason="for data frames in pieces")
    frame = polars.DataFrame(X[:90], schema=list("abcd"))
    return polars.concat([frame, polars.DataFrame(X[90:], schema=list("abcd"))], rechunk=False)


def as_csr(X, folder=None):
    return pytest.importorskip("scipy.sparse", reason="for sparse matrices").csr_array(X)


def as_mapped(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def as_columns(X, folder=None):
    return np.asfortranarray(X)


IN_MEMORY = [as_itself, as_columns, as_frame, as_polars, as_csr, as_mapped]


@pytest.mark.parametrize("kind", IN_MEMORY)
@pytest.mark.parametrize("small", [False, True])
def test_folds_by_groups_by_splitters_and_by_number(kind, small, request, tmp_path):
    if small:
        request.getfixturevalue("small_chunks")
    model_selection = pytest.importorskip("sklearn.model_selection", reason="for splitters")
    X, y, s = training_set(weighted=True)
    if kind is as_csr:
        X[abs(X) < 0.5] = 0.0
    given = kind(X, tmp_path)
    n, rng = len(y), np.random.default_rng(5)
    # No two groups have the same size, as ties are broken in another way than by GroupKFold.
    groups = rng.permutation(np.repeat(np.arange(12), [5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 38]))
    some = np.where(rng.random(n) < 0.2, -1, rng.integers(0, 3, n))
    for splitter in (
        model_selection.KFold(4),
        model_selection.KFold(4, shuffle=True, random_state=0),
        model_selection.GroupKFold(4),
        model_selection.LeaveOneGroupOut(),
        model_selection.PredefinedSplit(some),
    ):
        given_groups = groups if "Group" in type(splitter).__name__ else None
        splits = list(splitter.split(X, y, given_groups))
        if splitter.__class__.__name__ == "PredefinedSplit":  # others are never held out
            splits = [(np.setdiff1d(np.arange(n), test), test) for _, test in splits]
        of_row = np.full(n, -1)
        for i, (_, test) in enumerate(splits):
            of_row[test] = i
        expected = costs_by_hand(X, y, of_row, L2, s=s)
        for folds in (splitter, splits, iter(splits)):
            result = fastgd.cross_validate(given, y, l2=L2, folds=folds, groups=given_groups, sample_weight=s)
            np.testing.assert_allclose(result.costs, expected, rtol=1e-10)
        if isinstance(splitter, model_selection.GroupKFold):
            result = fastgd.cross_validate(given, y, l2=L2, folds=4, groups=groups, sample_weight=s)
            np.testing.assert_allclose(result.costs, expected, rtol=1e-10)
    by_number = fastgd.cross_validate(given, y, l2=L2, folds=3, sample_weight=s)
    np.testing.assert_allclose(by_number.costs, costs_by_hand(X, y, np.arange(n) % 3, L2, s=s), rtol=1e-10)


def test_groups_are_shared_out_from_the_largest():
    X, y, _ = training_set(40)
    groups = np.repeat(["a", "b", "c", "d", "e"], [4, 16, 2, 10, 8])
    of_row = np.repeat([0, 0, 0, 1, 1], [4, 16, 2, 10, 8])  # b 16; d 10; e 10 + 8; a 16 + 4; c 18 + 2
    of_row[groups == "c"] = 1
    result = fastgd.cross_validate(X, y, l2=L2, folds=2, groups=groups)
    np.testing.assert_allclose(result.costs, costs_by_hand(X, y, of_row, L2), rtol=1e-11)


@pytest.mark.parametrize("hard", [False, True])
def test_subsets_of_features_are_as_alone(hard):
    X, y, _ = training_set()
    if hard:
        X[:, 3] = X[:, 0] + 1e-6 * X[:, 3]
    features = [[0, 1, 2, 3], [3, 0], [2], [1, 2, 3]]
    got = fastgd.cross_validate(X, y, l2=L2, features=features)
    for costs, subset in zip(got.costs, features, strict=True):
        expected = costs_by_hand(X[:, subset], y, np.arange(len(y)) % 5, L2)
        np.testing.assert_allclose(costs, expected, rtol=1e-9 if hard else 1e-11)
    best = np.unravel_index(got.mean_cost.argmin(), got.mean_cost.shape)
    assert (got.best_features, got.best_l2) == (features[best[0]], L2[best[1]])
    assert got.features == features
    assert got.costs.shape == (4, 4, 5)
    alone = fastgd.fit(X[:, got.best_features], y, l2=got.best_l2)
    np.testing.assert_allclose(got.fit.theta, alone.theta, rtol=1e-9 if hard else 1e-11)
    assert got.fit.cost == pytest.approx(alone.cost, rel=1e-11)
    assert got.fit.verified is hard
    frame = as_frame(X)
    named = fastgd.cross_validate(frame, y, l2=L2, features=[[list("abcd")[j] for j in subset] for subset in features])
    np.testing.assert_array_equal(named.costs, got.costs)
    assert named.fit.feature_names == named.best_features
    assert f"features {', '.join(map(repr, named.best_features))}" in repr(named)
    np.testing.assert_allclose(named.fit.predict(frame), alone.predict(X[:, got.best_features]), rtol=1e-8)


@pytest.mark.parametrize("options", [{}, {"standardize": True}, {"loss": "sse"}, {"loss": "half_mse"}], ids=str)
def test_automatic_penalties_reach_from_none_to_all(options):
    X, y, _ = training_set()
    X *= [1.0, 1e-3, 1e2, 5.0]
    result = fastgd.cross_validate(X, y, **options)
    assert len(result.l2) == 100
    of_row = np.arange(len(y)) % 5
    without = costs_by_hand(X, y, of_row, [0.0], **options).mean()
    constant = costs_by_hand(np.ones((len(y), 1)), y, of_row, [0.0], loss=options.get("loss", "mse")).mean()
    assert result.mean_cost[0] == pytest.approx(without, rel=1e-3)
    assert result.mean_cost[-1] == pytest.approx(constant, rel=1e-2)
    assert result.fit.cost < constant


def test_what_is_printed():
    X, y, _ = training_set()
    text = repr(fastgd.cross_validate(X, y, l2=np.logspace(-3, 3, 100)))
    assert text.startswith("Cross-validation of 100 penalties on 5 folds: the mean cost is least with l2=")
    assert text.count("<- least") == 1
    assert 10 < len(text.splitlines()) < 30
    assert "of 1 penalty on 3 folds" in repr(fastgd.cross_validate(X, y, l2=[1.0], folds=3))


def test_results_are_read_only():
    X, y, _ = training_set()
    result = fastgd.cross_validate(X, y, l2=L2)
    for array in (result.l2, result.costs):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


BAD = [
    ({"l2": 0.1}, TypeError, "several penalties are expected"),
    ({"l2": "best"}, TypeError, "several penalties are expected"),
    ({"l2": []}, ValueError, "l2 has no entry"),
    ({"l2": [1.0, -1.0]}, ValueError, r"l2\[1\]=-1.0 was given"),
    ({"l2": [np.nan]}, ValueError, r"l2\[0\]=.*nan.* was given"),
    ({"folds": 1}, ValueError, "folds=1 was given, but a whole number >= 2"),
    ({"folds": 2.5}, TypeError, "folds=2.5 was given"),
    ({"folds": True}, TypeError, "folds=True was given"),
    ({"folds": 21}, ValueError, "folds=21 was given, but X has 20 rows"),
    ({"folds": "five"}, TypeError, "folds='five' was given"),
    ({"folds": [1, 2]}, TypeError, "no pair of arrays"),
    ({"folds": [(np.arange(10), np.arange(10, 20))]}, ValueError, "holds 1 split, but at least 2"),
    ({"folds": [(np.arange(9), np.arange(10, 20))]}, ValueError, "9 training rows and 10 test rows"),
    ({"folds": [(np.arange(1, 11), np.arange(10, 20))]}, ValueError, "not the 20 rows of X, each once"),
    ({"folds": [(np.arange(10), np.arange(10, 20))] * 2}, ValueError, "row 10 in two test folds"),
    ({"folds": [(np.arange(19), [19, 19])]}, ValueError, "row 19 in two test folds, or twice in one"),
    ({"folds": [(np.arange(10), np.arange(10, 21))]}, ValueError, "numbers of rows from 0 to 19 are expected"),
    ({"folds": [(np.arange(10), np.arange(10) + 0.5)]}, ValueError, "numbers of rows from 0 to 19 are expected"),
    ({"groups": np.zeros(19)}, ValueError, r"groups has shape \(19,\)"),
    ({"groups": np.arange(20) % 4}, ValueError, "groups has 4 groups"),
    ({"groups": np.array([1, "a"] * 10, dtype=object)}, TypeError, "cannot be sorted"),
    ({"features": [0, 1]}, TypeError, "features holds 0, but a list"),
    ({"features": "ab"}, TypeError, "features='ab' was given"),
    ({"features": ["ab"]}, TypeError, "features holds 'ab'"),
    ({"features": []}, ValueError, "features is empty"),
    ({"features": [[]]}, ValueError, "one feature or more is expected"),
    ({"features": [[0, 0]]}, ValueError, "one feature or more is expected, each once"),
    ({"features": [[4]]}, ValueError, "features holds 4, but numbers from 0 to 3"),
    ({"features": [["a"]]}, ValueError, "features holds 'a', but numbers from 0 to 3"),
    ({"features": [[True]]}, ValueError, "features holds True"),
    ({"loss": "mae"}, ValueError, "loss='mae'"),
    ({"intercept": 1}, TypeError, "intercept=1"),
    ({"sample_weight": np.arange(20) % 5}, ValueError, "Fold 0 of 5 .* has no row with weight"),
]


@pytest.mark.parametrize(("options", "error", "text"), BAD, ids=str)
def test_bad_arguments_are_refused(options, error, text):
    X, y, _ = training_set(20)
    with pytest.raises(error, match=text):
        fastgd.cross_validate(X, y, **options)


def test_bad_data_are_refused():
    X, y, _ = training_set(20)
    with pytest.raises(TypeError, match="X is Moments"):
        fastgd.cross_validate(fastgd.Moments.from_rows(X, y))
    rows = fastgd.from_batches([(X, y)])
    for options in ({"groups": np.arange(20)}, {"folds": [(np.arange(10), np.arange(10, 20))] * 2}):
        with pytest.raises(ValueError, match=r"are not in arrays. Give the number of folds only"):
            fastgd.cross_validate(rows, **options)
    with pytest.raises(ValueError, match=r"Fold 20 of 25 .* has no row"):
        fastgd.cross_validate(rows, folds=25)
    X[7, 2] = np.nan
    for given in ((X, y), (fastgd.from_batches([(X, y)]), None)):
        with pytest.raises(ValueError, match=r"X in row 7, column 2 .* is NaN or infinite"):
            fastgd.cross_validate(*given)
    with pytest.raises(ValueError, match="exceed float64"):
        fastgd.cross_validate(np.nan_to_num(X) * 1e160, y)
