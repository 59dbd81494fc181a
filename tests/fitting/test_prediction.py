"""Predictions and scores: the same from wherever the rows come, in one pass and bounded memory."""

import dataclasses
import os
import subprocess
import sys
from fractions import Fraction

import exact
import numpy as np
import pytest
import test_sources
from block_sizes import set_block_values
from test_sources import (
    CUTS,
    HOMES,
    K,
    N,
    as_csv,
    as_frames,
    as_function,
    as_generator,
    as_list,
    as_parquet,
    training_set,
)

import fastgd
from fastgd.kernels import tuning

small_chunks = test_sources.small_chunks  # a fixture, for all tests of this file


def fitted(names=None):
    X, y, _ = training_set()
    return dataclasses.replace(fastgd.fit(X, y), feature_names=names)


def r_squared(result, X, y, s=None):
    """Compute R^2 in rational numbers."""
    theta = exact.numbers([result.intercept, *result.coef])
    rows, y = exact.numbers(np.column_stack([np.ones(len(X)), X])), exact.numbers(y)
    s = [Fraction(1)] * len(y) if s is None else exact.numbers(s)
    h = [sum(a * b for a, b in zip(row, theta, strict=True)) for row in rows]
    mean = sum(a * b for a, b in zip(s, y, strict=True)) / sum(s)
    unexplained, total = (
        sum(w * (a - b) ** 2 for w, a, b in zip(s, y, other, strict=True)) for other in (h, [mean] * len(y))
    )
    return float(1 - unexplained / total)


@pytest.mark.parametrize("cuts", [CUTS, [1], []], ids=str)
@pytest.mark.parametrize("home", HOMES)
def test_predictions_are_the_same_wherever_the_rows_are(home, cuts, tmp_path):
    X, y, s = training_set()
    result = fitted()
    expected = [float(np.dot(row, result.coef)) + result.intercept for row in X]
    given, *_ = home(tmp_path, X, y, s, cuts)
    if home.__name__ == "as_sparse":
        np.testing.assert_allclose(result.predict(given), expected, rtol=1e-13)
    else:
        assert result.predict(given).tolist() == expected


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("home", HOMES)
def test_scores_are_the_same_wherever_the_rows_are(home, weighted, tmp_path):
    X, y, s = training_set(weighted)
    result = fitted()
    expected = r_squared(result, X, y + 1e3, s)
    assert result.score(*home(tmp_path, X, y + 1e3, s, CUTS)) == pytest.approx(expected, rel=1e-11)
    assert result.score(X, y, s) == pytest.approx(r_squared(result, X, y, s), rel=1e-12)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", ">f8", "f2"])
@pytest.mark.parametrize("n_features", [1, 3, 21, 130])
def test_a_row_has_the_same_bits_whatever_is_beside_it(n_features, dtype):
    rng = np.random.default_rng(n_features)
    X = (100 * rng.standard_normal((1001, n_features))).astype(dtype)
    result = dataclasses.replace(fitted(), coef=rng.standard_normal(n_features))
    whole = result.predict(X)
    np.testing.assert_allclose(whole, X.astype("f8") @ result.coef + result.intercept, rtol=1e-9, atol=1e-9)
    for given in (np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X[::-1][::-1]):
        assert result.predict(given).tobytes() == whole.tobytes()
    for i in (0, 1, 500, 1000):
        assert result.predict(X[i : i + 1]).tobytes() == whole[i : i + 1].tobytes()
        assert result.predict(X[i:]).tobytes() == whole[i:].tobytes()
        assert result.predict(X[i : i + 1].tolist()).tobytes() == whole[i : i + 1].tobytes()


# Columns by name.


def write(folder, kind, **columns):
    pyarrow = pytest.importorskip("pyarrow", reason="for files of columns")
    table = pyarrow.table(columns)
    if kind == "csv":
        from pyarrow import csv

        csv.write_csv(table, folder / "new.csv")
        return fastgd.scan_csv, folder / "new.csv"
    from pyarrow import parquet

    parquet.write_table(table, folder / "new.parquet", row_group_size=7)
    return fastgd.scan_parquet, folder / "new.parquet"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_of_files_are_found_by_name(kind, tmp_path):
    X, y, _ = training_set()
    a, b, c = X.T.copy()
    result = fitted(["a", "b", "c"])
    scan, path = write(tmp_path, kind, c=c, other=["text"] * N, a=a, price=y, b=b)
    expected = result.predict(X)
    for source in (scan(path, features=["a", "b", "c"]), scan(path, target="price", features=["c", "b", "a"])):
        np.testing.assert_array_equal(result.predict(source), expected)
    source = scan(path, target="price", features=["b", "a"])
    assert result.score(source) == pytest.approx(r_squared(result, X, y), rel=1e-12)
    assert source.feature_names == ["b", "a"]  # as before
    assert fastgd.fit(source).feature_names == ["b", "a"]
    with pytest.raises(ValueError, match="has no column 'd'"):
        fitted(["a", "b", "d"]).predict(source)
    with pytest.raises(ValueError, match="has no column 'd'"):
        fitted(["a", "b", "d"]).score(source)
    with pytest.raises(ValueError, match="has no column 2019"):
        fitted(["a", "b", 2019]).predict(source)
    with pytest.raises(ValueError, match="'price' was asked for twice"):
        fitted(["a", "b", "price"]).score(source)
    with pytest.raises((TypeError, ValueError), match="olumn 'other'"):
        fitted(["a", "b", "other"]).predict(source)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_target_that_is_missing_is_not_missed(kind, tmp_path):
    X, y, _ = training_set()
    columns = dict(zip("abc", X.T.copy(), strict=True))
    result = fitted(["a", "b", "c"])
    scan, path = write(tmp_path, kind, **columns, y=[None, *y[1:].tolist()])
    np.testing.assert_array_equal(result.predict(scan(path, target="y")), result.predict(X))
    dropping = scan(path, target="y", drop_missing=True)
    np.testing.assert_array_equal(result.predict(dropping), result.predict(X))
    assert result.score(dropping) == pytest.approx(r_squared(result, X[1:], y[1:]), rel=1e-12)
    scan, path = write(tmp_path, kind, **columns)
    np.testing.assert_array_equal(result.predict(scan(path)), result.predict(X))
    for call in (
        fastgd.fit,
        result.score,
        fastgd.Moments.from_rows,
        lambda source: fastgd.cost(source, None, [1.0] * 3),
    ):
        with pytest.raises(ValueError, match=r"scanned without a target.*Name the column: target="):
            call(scan(path))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_without_a_feature_are_refused_or_have_no_prediction(kind, tmp_path):
    X, _, _ = training_set()
    scan, path = write(tmp_path, kind, a=X[:, 0].copy(), b=[None, *X[1:, 1].tolist()], c=X[:, 2].copy())
    result = fitted(["a", "b", "c"])
    with pytest.raises(ValueError, match=r"'b' of .* has a missing value"):
        result.predict(scan(path))
    np.testing.assert_array_equal(result.predict(scan(path, drop_missing=True)), result.predict(X)[1:])


@pytest.mark.parametrize("home", [as_list, as_frames, as_function, as_generator, as_parquet, as_csv])
def test_what_is_read_again_is_read_anew_and_a_generator_is_not(home, tmp_path):
    X, y, _ = training_set()
    source, *_ = home(tmp_path, X, y, None, CUTS)
    names = getattr(source, "feature_names", None)
    result = fitted(names)
    first = result.predict(source)
    if home is as_generator:
        for call in (result.predict, result.score, fastgd.fit):
            with pytest.raises(ValueError, match="gives them once, and have been read"):
                call(source)
    else:
        assert result.predict(source).tobytes() == first.tobytes()
        assert result.score(source) == pytest.approx(result.score(X, y), rel=1e-13)
        np.testing.assert_allclose(fastgd.fit(source).coef, result.coef, rtol=1e-8)


@pytest.mark.parametrize("method", ["predict", "score"])
def test_it_takes_one_pass(method):
    X, y, _ = training_set()
    n_calls = []
    source = fastgd.from_batches(lambda: n_calls.append(0) or iter([(X[:50], y[:50]), (X[50:], y[50:])]))
    getattr(fitted(), method)(source)
    assert len(n_calls) == 1


def test_batches_of_frames_are_matched_and_their_targets_may_be_unknown():
    pandas = pytest.importorskip("pandas", reason="for labels")
    X, y, _ = training_set()
    result = fitted(["a", "b", "c"])
    frame = pandas.DataFrame(X, columns=["a", "b", "c"]).assign(d="text")
    batches = fastgd.from_batches([(frame[["c", "d", "a", "b"]][:7], None), (frame[:0], None), (X[7:], "unknown")])
    np.testing.assert_array_equal(result.predict(batches), result.predict(X))
    batches = fastgd.from_batches([(frame[["c", "d", "a", "b"]][:7], y[:7]), (X[7:], y[7:])])
    assert result.score(batches) == pytest.approx(r_squared(result, X, y), rel=1e-12)


def test_a_generator_of_frames_is_scored_once():
    pandas = pytest.importorskip("pandas", reason="for labels")
    X, y, _ = training_set()
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    source = fastgd.from_batches((frame[i : i + 50], y[i : i + 50]) for i in range(0, N, 50))
    result = fitted(["a", "b", "c"])
    assert result.score(source) == pytest.approx(r_squared(result, X, y), rel=1e-12)
    for call in (result.predict, result.score, fastgd.fit):
        with pytest.raises(ValueError, match="gives them once, and have been read"):
            call(source)


def test_columns_of_dask_are_found_by_name():
    frame = pytest.importorskip("dask.dataframe", reason="for dask")
    pandas = pytest.importorskip("pandas", reason="for dask's data frames")
    X, y, s = training_set(weighted=True)
    table = frame.from_pandas(
        pandas.DataFrame(X, columns=["a", "b", "c"]).assign(text="text", y=y, s=s), npartitions=3, sort=False
    )
    result = fitted(["a", "b", "c"])
    np.testing.assert_array_equal(result.predict(table), result.predict(X))
    assert result.score(table, table["y"], table["s"]) == pytest.approx(r_squared(result, X, y, s), rel=1e-12)
    with pytest.raises(ValueError, match="X has no column 'd', but the fit had"):
        fitted(["a", "b", "d"]).score(table, table["y"])


X, Y, _ = training_set()


@pytest.mark.parametrize(
    ("batches", "error", "said"),
    [
        ([], ValueError, "The source has no rows"),
        ([(X[:0], Y[:0])], ValueError, "The source has no rows"),
        ([(X[:, :2], Y)], ValueError, r"X has shape \(203, 2\), that is 2 features, but the fit had 3"),
        ([X], TypeError, "Batch 0 is a ndarray, but"),
        ([(X,)], TypeError, "Batch 0 is a tuple of 1, but"),
        ([(X, Y), (X.astype(str), Y)], TypeError, "Batch 1: X has dtype"),
        ([(X[:, :, None], Y)], ValueError, "Batch 0: X has shape"),
    ],
)
def test_batches_that_cannot_be_predicted_are_refused(batches, error, said):
    with pytest.raises(error, match=said):
        fitted().predict(fastgd.from_batches(batches))


def test_sparse_batches_are_refused():
    sparse = pytest.importorskip("scipy.sparse", reason="sparse matrices are scipy's")
    with pytest.raises(TypeError, match="Batch 0: X is sparse"):
        fitted().predict(fastgd.from_batches([(sparse.csr_array(X), Y)]))


@pytest.mark.parametrize("given", [X[:, :2], fastgd.from_batches([(X[:, :2], Y)])], ids=["array", "batches"])
def test_scores_of_other_widths_are_refused(given):
    y = None if isinstance(given, fastgd.inputs.source.Source) else Y
    with pytest.raises(ValueError, match=r"^X has 2 features, but the fit had 3\. Give X of shape \(n_samples, 3\)\.$"):
        fitted().score(given, y)
    with pytest.raises(TypeError, match="Leave them out"):
        fitted().score(fastgd.from_batches([(X, Y)]), Y)
    with pytest.raises(TypeError, match="y is missing"):
        fitted().score(X)


# Scores.


@pytest.mark.parametrize("value", [0.1, -1e8 / 3, 7.0])
def test_a_constant_target_has_no_variance_in_any_number_of_blocks(value, monkeypatch):
    monkeypatch.setattr(tuning, "CACHED_VALUES", 30)
    flat = dataclasses.replace(fitted(), coef=np.zeros(K), intercept=value)
    y = np.full(N, value)
    for given in ((X, y), (fastgd.from_batches([(X[:50], y[:50]), (X[50:], y[50:])]),)):
        assert flat.score(*given) == 1.0
        assert fitted().score(*given) == 0.0
    for s in ((np.arange(N) >= 100).astype(float), np.arange(N) % 3.0):  # rows without weight do not matter
        assert flat.score(X, np.where(s, y, 1e9), s) == 1.0
        assert fitted().score(X, np.where(s, y, 1e9), s) == 0.0


@pytest.mark.parametrize("n_values", [3, 30, 1 << 16])
@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_a_mean_far_from_zero_costs_no_digits(offset, n_values, monkeypatch):
    monkeypatch.setattr(tuning, "CACHED_VALUES", n_values)
    y = offset + np.arange(N) ** 2.0
    s = np.arange(N) % 3.0
    flat = dataclasses.replace(fitted(), coef=np.zeros(K), intercept=offset + 1e4)
    tolerance = 1e-12 + 2.0**-50 * offset / np.std(y)  # blocks are merged by their means, which are rounded
    assert flat.score(X, y, s) == pytest.approx(r_squared(flat, X, y, s), rel=tolerance)


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("place", [(0, 0), (70, 2), (N - 1, K)])
def test_nan_comes_out_of_a_score(home, place, tmp_path):
    if home in (as_csv, as_parquet):
        pytest.skip("files have no NaN but missing values, which are refused")
    values = np.column_stack((X, Y))
    values[place] = np.nan
    values[5, 0] = np.inf
    assert np.isnan(fitted().score(*home(tmp_path, values[:, :K], values[:, K], None, CUTS)))


def test_wide_sparse_rows_are_not_made_dense():
    sparse = pytest.importorskip("scipy.sparse", reason="sparse matrices are scipy's")
    n_features = 1_000_000
    rng = np.random.default_rng(0)
    columns = rng.integers(0, n_features, 2000)
    wide = sparse.csr_array((np.ones(2000, np.float32), (np.repeat(np.arange(500), 4), columns)), (500, n_features))
    coef = rng.standard_normal(n_features)
    result = dataclasses.replace(fitted(), coef=coef, intercept=0.5)
    h = wide @ coef + 0.5
    y = h + rng.standard_normal(500)
    expected = 1 - np.sum((y - h) ** 2) / np.sum((y - y.mean()) ** 2)
    assert result.score(wide, y) == pytest.approx(expected, rel=1e-9)


GROWTH = """
import sys
from pathlib import Path
import numpy as np
import fastgd

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

def batches(n):
    def generate():
        for i in range(n):
            X = np.random.default_rng(i).standard_normal((10_000, 10))
            yield X, X.sum(axis=1)
    return generate

def source(n):
    if sys.argv[1] == "batches":
        return fastgd.from_batches(batches(n))
    import pyarrow as pa
    import pyarrow.parquet as pq
    names = [*(f"x{j}" for j in range(10)), "y"]
    with pq.ParquetWriter("rows.parquet", pa.schema([(name, pa.float64()) for name in names])) as writer:
        for X, y in batches(n)():
            writer.write_table(pa.table(dict(zip(names, [*X.T.copy(), y]))), row_group_size=10_000)
    return fastgd.scan_parquet("rows.parquet", target="y")

result = fastgd.fit(*next(batches(1)()))
sizes = []
for n in (40, 400):
    rows = source(n)
    assert len(result.predict(rows)) == 10_000 * n
    assert result.score(rows) > 0.999
    sizes.append(peak())
print(sizes[1] - sizes[0])
"""


@pytest.mark.processes
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's list of sizes")
@pytest.mark.parametrize("home", ["batches", "parquet"])
def test_memory_does_not_grow_with_the_rows(home, tmp_path):
    if home == "parquet":
        pytest.importorskip("pyarrow", reason="for Parquet files")
    command = [sys.executable, "-c", GROWTH, home]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=300)
    # The long one has 350 MB, of which the short one has a tenth, and 32 MB of predictions, twice while they are joined.
    assert int(done.stdout) < 110e6


def test_blocks_of_any_size_give_the_same_score(monkeypatch):
    result = fitted()
    expected = result.score(X, Y)
    for n_values in (1, 7, 1000):
        set_block_values(monkeypatch, n_values)
        monkeypatch.setattr(tuning, "CACHED_VALUES", n_values)
        assert result.score(X, Y) == pytest.approx(expected, rel=1e-13)
