"""Rows on a cluster of processes: the same bits whoever computes, and a fit that outlives its workers."""

import os
import signal
import time
from functools import partial

import numpy as np
import pytest

import fastgd
from fastgd.inputs.dask_set import DaskSet
from fastgd.kernels.dense import dense
from fastgd.rows import dask_rows
from fastgd.rows.blocks import added
from fastgd.rows.parts import merged

dask = pytest.importorskip("dask", reason="for dask")
array = pytest.importorskip("dask.array", reason="for dask")
frame = pytest.importorskip("dask.dataframe", reason="for dask")
distributed = pytest.importorskip("distributed", reason="for a cluster")
pandas = pytest.importorskip("pandas", reason="dask's data frames are of pandas'")

N, K = 6_000, 5

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of the cluster, which comes and goes
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills workers"),
]


def part(seed, n_rows):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, K)) * [1, 10, 0.1, 5, 2] + [0, 100, 0, -3, 1]
    return np.column_stack((X, X @ np.arange(K) + 3.0 + rng.standard_normal(n_rows)))


def training_set(n_parts=12):
    n_rows = N // n_parts
    parts = [array.from_delayed(dask.delayed(part)(i, n_rows), (n_rows, K + 1), float) for i in range(n_parts)]
    whole = array.concatenate(parts)
    return whole[:, :K], whole[:, K], np.concatenate([part(i, n_rows) for i in range(n_parts)])


@pytest.fixture
def synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


BY_ROWS = {"method": "gd", "precompute": False, "standardize": True, "max_iter": 3, "tol": 0}


def fitted(X, y):
    """Return the bits of fits by rows and by moments."""
    return fastgd.fit(X, y).theta.tobytes(), fastgd.fit(X, y, **BY_ROWS).theta.tobytes()


@pytest.mark.processes
def test_the_bits_do_not_depend_on_the_workers_and_a_fit_survives_one_that_is_killed():
    X, y, rows = training_set()
    options = {"threads_per_worker": 1, "dashboard_address": None, "memory_limit": 0}
    with distributed.LocalCluster(n_workers=2, **options) as cluster, distributed.Client(cluster) as client:
        bits = {fitted(X, y)}
        cluster.scale(3)
        client.wait_for_workers(3, timeout=60)
        dX, dy = client.persist([X, y])
        distributed.wait([dX, dy])
        bits.add(fitted(dX, dy))
        pids = set(client.run(os.getpid).values())

        def kill(state):
            if state.n_iter == 2:
                os.kill(client.run(os.getpid).popitem()[1], signal.SIGKILL)

        survived = fastgd.fit(dX, dy, callback=kill, **BY_ROWS).theta.tobytes()
        deadline = time.monotonic() + 60
        while pids <= set(client.run(os.getpid).values()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not pids <= set(client.run(os.getpid).values())  # it was killed, indeed
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler):
            bits.add(fitted(X, y))
    ((by_moments, by_rows),) = bits
    assert survived == by_rows
    expected = fastgd.fit(rows[:, :K], rows[:, K]).theta
    np.testing.assert_allclose(np.frombuffer(by_moments), expected, rtol=1e-12)


@pytest.mark.usefixtures("synchronous")
def test_a_task_has_one_thread_and_returns_nothing_as_long_as_the_rows(monkeypatch):
    """Watch what tasks return: a partition's come back as sums of its rows."""
    X, y, _ = training_set()
    sizes, n_threads = [], []
    of_partition, summarise = dask_rows._of_partition, dask_rows.summarise

    def watched(*arguments):
        summary = of_partition(*arguments)
        sizes.append(sum(np.size(number) for number in np.atleast_1d(summary.value[0])))
        return summary

    monkeypatch.setattr(dask_rows, "_of_partition", watched)
    monkeypatch.setattr(dask_rows, "summarise", lambda *given: n_threads.append(given[2]) or summarise(*given))
    rows = DaskSet(X, y).rows(None)
    rows.gradient(np.zeros(K))
    assert len(sizes) == 12
    assert n_threads == [1] * 12
    assert rows.n_samples == N
    assert max(sizes) <= K + 2


@pytest.mark.usefixtures("synchronous")
@pytest.mark.parametrize("n_parts", [1, 2, 6, 7, 8, 9, 20, 64, 65])
def test_partitions_are_merged_in_their_order(n_parts):
    rng = np.random.default_rng(n_parts)
    X, y = rng.standard_normal((3 * n_parts, 2)), rng.standard_normal(3 * n_parts)
    dX, dy = array.from_array(X.copy(), chunks=(3, 2)), array.from_array(y, chunks=3)
    got = fastgd.gradient(dX, dy, np.ones(2), loss="sse")
    np.testing.assert_allclose(got, fastgd.gradient(X, y, np.ones(2), loss="sse"), rtol=1e-12)
    X[-1, 1] = np.inf
    with pytest.raises(ValueError, match=f"X in row {3 * n_parts - 1}, column 1"):
        fastgd.fit(array.from_array(X, chunks=(3, 2)), dy)


@pytest.mark.usefixtures("synchronous")
def test_partitions_of_whole_blocks_have_the_bits_of_the_array():
    n = dense(3, False).block_rows(3)  # a partition of two blocks has few values, but there are more than those
    rng = np.random.default_rng(0)
    X, y, theta = rng.standard_normal((8 * n, 3)), rng.standard_normal(8 * n), np.ones(3)
    got = fastgd.gradient(array.from_array(X, chunks=(2 * n, 3)), array.from_array(y, chunks=2 * n), theta)
    assert got.tobytes() == fastgd.gradient(X, y, theta).tobytes()


def test_what_tasks_returned_can_be_merged_again():
    """A worker that was lost is not the only one that may ask for it."""
    summaries = [dask_rows.Summary(np.full(3, float(i)), 1, 1.0, None) for i in range(5)]
    for _ in range(2):
        whole = dask_rows._of_several(partial(merged, merge=added), summaries)
        np.testing.assert_array_equal(whole.value, np.full(3, 10.0))


def test_what_cannot_be_fitted_is_refused_in_words():
    X, y, _ = training_set()
    table = frame.from_pandas(pandas.DataFrame(part(0, 100), columns=[*"abcde", "y"]), npartitions=4)
    text = table.assign(a=table["a"].astype(str))
    in_memory = fastgd.fit(part(0, 100)[:, 0], part(0, 100)[:, K])
    compute = r"X is a dask DataFrame, whose rows are not in memory\. Give X\.compute\(\)\."
    for call, error, said in (
        (lambda: fastgd.fit(X, np.zeros(N)), TypeError, "y, a ndarray, is not of dask"),
        (lambda: fastgd.fit(X, y[:, None]), TypeError, "has 2 dimensions"),
        (lambda: fastgd.fit(X, None), TypeError, "y, a NoneType"),
        (lambda: fastgd.fit(X, y.rechunk(700)), ValueError, r"Cut them alike: y.rechunk\(X.chunks\[0\]\)"),
        (lambda: fastgd.fit(X.rechunk((500, 2)), y), ValueError, r"Give X.rechunk\({1: -1}\)"),
        (lambda: fastgd.fit(X[:, :, None], y), TypeError, "is expected"),
        (lambda: fastgd.fit(X, y, sample_weight=y[:600]), ValueError, "sample_weight has"),
        (lambda: fastgd.fit(text[["a", "b"]], text["y"]), TypeError, "Column 'a' of X has dtype"),
        (
            lambda: fastgd.fit(table[["a"]], table["y"].map_partitions(lambda y: y[1:])),
            ValueError,
            "25 rows of X, but 24 of y",
        ),
        (lambda: fastgd.fit(table[["a"]], table["y"].repartition(npartitions=2)), ValueError, "4 partitions"),
        (lambda: in_memory.predict(table[["a", "b"]]), ValueError, "that is 2 features, but the fit had 1"),
        (lambda: in_memory.score(table[["a", "b"]], table["y"]), ValueError, "^X has 2 features, but the fit had 1"),
        (lambda: in_memory.score(table[["a"]], np.ones(100)), TypeError, "y, a ndarray, is not of dask"),
        (
            lambda: fastgd.fit(fastgd.from_batches([(table[["a"]], table["y"])])),
            TypeError,
            rf"^Batch 0: {compute}$",
        ),
        (lambda: fastgd.fit(X.rechunk((-1, -1)), y), ValueError, r"1 partition \(rows: \d+\), but y has \d+ \(\d+, "),
    ):
        with pytest.raises(error, match=said):
            call()


def test_unknown_chunk_sizes_are_fine():
    values = pandas.DataFrame(part(0, 100), columns=[*"abcde", "y"])
    table = frame.from_pandas(values, npartitions=3)
    X, y = table[list("abcde")].to_dask_array(), table["y"].to_dask_array()
    assert np.isnan(X.shape[0])
    np.testing.assert_allclose(fastgd.fit(X, y).theta, fastgd.fit(values[list("abcde")], values["y"]).theta, rtol=1e-12)
    kept = table[table["a"] > 0]  # partitions of any length
    result = fastgd.fit(kept[list("abcde")], kept["y"])
    there = values[values["a"] > 0]
    np.testing.assert_allclose(result.theta, fastgd.fit(there[list("abcde")], there["y"]).theta, rtol=1e-12)
    assert result.feature_names == list("abcde")


def test_a_partition_of_another_width_than_it_was_said_to_have_is_refused():
    X, y, _ = training_set(2)
    narrow = X.map_blocks(lambda block: block[:, :3], dtype=float, chunks=X.chunks)
    with pytest.raises(
        ValueError, match=r"^Partition [01] holds ndarray of shape .3000, 3., but one with 5 columns is"
    ):
        fastgd.fit(narrow, y)


SPARSE = ["dense", "csr_matrix", "csr_array", "csc_array", "coo_array"]


@pytest.mark.usefixtures("synchronous")
@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_may_be_sparse(kind, weighted):
    sparse = pytest.importorskip("scipy.sparse", reason="for sparse matrices")
    rng = np.random.default_rng(3)
    X = rng.standard_normal((600, 4)) * (rng.random((600, 4)) < 0.3)
    y, s = X @ [1.0, 2.0, 3.0, 4.0] + rng.standard_normal(600), (np.arange(600.0) % 3 if weighted else None)
    as_kind = getattr(sparse, kind, lambda block: block)
    chunks = (100, 250, 0, 1, 249)
    dX = array.from_array(X, chunks=(chunks, 4)).map_blocks(lambda x: x if len(x) == 250 else as_kind(x))
    dy, ds = (None if v is None else array.from_array(v, chunks=(chunks,)) for v in (y, s))
    theta = np.ones(4)
    got = fastgd.gradient(dX, dy, theta, sample_weight=ds)
    np.testing.assert_allclose(got, fastgd.gradient(X, y, theta, sample_weight=s), rtol=1e-12)
    for options in ({}, {"method": "gd", "precompute": False, "standardize": True}, {"method": "cg"}):
        expected = fastgd.fit(X, y, sample_weight=s, **options)
        np.testing.assert_allclose(fastgd.fit(dX, dy, sample_weight=ds, **options).theta, expected.theta, rtol=1e-6)
    Z = X.copy()
    Z[420, 2] = np.nan
    dZ = array.from_array(Z, chunks=(chunks, 4)).map_blocks(as_kind)
    with pytest.raises(ValueError, match="X in row 420, column 2"):
        fastgd.fit(dZ, dy, sample_weight=ds)


@pytest.mark.usefixtures("synchronous")
@pytest.mark.parametrize("kind", ["text", "years", "dates", "tuples"])
def test_columns_of_partitions_are_found_by_labels_of_any_type(kind):
    pytest.importorskip("sklearn", reason="the estimator is scikit-learn's")
    from fastgd.sklearn import GDRegressor

    labels = {
        "text": [*"abcde"],
        "years": [2021, 2019, 2020, 2018, 2022],
        "dates": pandas.date_range("2020", periods=K),
        "tuples": pandas.MultiIndex.from_tuples([(i % 2, i) for i in range(K)]),
    }[kind]
    X, y = (rows := part(0, 300))[:, :K], rows[:, K]
    values, targets = pandas.DataFrame(X, columns=labels), pandas.Series(y)
    turned = values.iloc[:, [4, 2, 0, 3, 1]]
    expected = fastgd.fit(X, y)

    def of_parts(*parts):
        return frame.from_delayed([dask.delayed(each) for each in parts], meta=parts[0].iloc[:0], verify_meta=False)

    dX, dy = of_parts(values[:200], turned[200:]), of_parts(targets[:200], targets[200:])
    result = fastgd.fit(dX, dy)
    np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-9)
    np.testing.assert_allclose(result.predict(turned), expected.predict(X), rtol=1e-9)
    wrong = of_parts(values[:200], turned[200:].set_axis(range(5, 10), axis="columns"))
    with pytest.raises(ValueError, match=r"Partition 1: X has no column"):
        fastgd.fit(wrong, dy)
    if kind != "text":  # which scikit-learn wants in the order of the fit
        model = GDRegressor().partial_fit(values, y).partial_fit(of_parts(turned[:200], values[200:]), dy)
        np.testing.assert_allclose(model.coef_, expected.coef, rtol=1e-9)
        np.testing.assert_allclose(model.predict(of_parts(turned, values)), np.tile(expected.predict(X), 2), rtol=1e-9)
        with pytest.raises(ValueError, match="X has no column"):
            model.predict(wrong)


@pytest.mark.usefixtures("synchronous")
@pytest.mark.parametrize("kind", ["array", "frame", "sparse"])
def test_the_estimator_fits_and_predicts_collections(kind):
    pytest.importorskip("sklearn", reason="the estimator is scikit-learn's")
    from sklearn.linear_model import LinearRegression

    from fastgd.sklearn import GDRegressor

    rows = part(1, 200)
    X, y, s = rows[:, :K], rows[:, K], np.arange(200.0) % 4
    expected = LinearRegression().fit(X, y, s)
    dX, dy, ds = (array.from_array(each, chunks=(60, *each.shape[1:])) for each in (X, y, s))
    cut = dX.rechunk((60, 2))
    if kind == "sparse":
        sparse = pytest.importorskip("scipy.sparse", reason="for sparse matrices")
        dX = cut = dX.map_blocks(sparse.csr_array)
    if kind == "frame":
        table = frame.from_pandas(pandas.DataFrame(rows, columns=[*"abcde", "y"]).assign(s=s), npartitions=3)
        dX, dy, ds, cut = table[list("abcde")], table["y"], table["s"], table[table["a"] > table["a"].min()][[*"abcde"]]
    for model in (GDRegressor().fit(dX, dy, ds), GDRegressor().partial_fit(dX, dy, ds)):
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
        assert (model.n_features_in_, model.rank_) == (K, K)
        assert getattr(model, "feature_names_in_", np.array([])).tolist() == [*"abcde"] * (kind == "frame")
        np.testing.assert_allclose(model.predict(dX), expected.predict(X), rtol=1e-9)
        kept = X[:, 0] > X[:, 0].min() if kind == "frame" else slice(None)
        np.testing.assert_allclose(model.predict(cut), expected.predict(X[kept]), rtol=1e-9)
        assert model.score(dX, dy, ds) == pytest.approx(expected.score(X, y, s), rel=1e-12)
    nothing = dX[dX["a"] != dX["a"]] if kind == "frame" else dX[:0]
    wrong = dX[["a", "b"]] if kind == "frame" else dX[:, :2]
    for call, error, said in (
        (lambda: model.fit(dX, y), TypeError, "y, a ndarray, is not of dask. Give a dask array or series"),
        (lambda: model.fit(dX, dy, 2.0), TypeError, "sample_weight, a float, is not of dask"),
        (lambda: model.fit(dX, dX), TypeError, "has 2 dimensions"),
        (lambda: model.fit(dy, dy), ValueError, r"of shape \(n_samples, n_features\) is expected"),
        (lambda: model.predict(nothing), ValueError, "0 rows"),
        (lambda: model.predict(wrong), ValueError, "(?s)has 2 features|feature names should match"),
    ):
        with pytest.raises(error, match=said):
            call()
