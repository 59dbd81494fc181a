"""Rows that need not be in memory, with the blocks and chunks that users get: the bits of the array, in bounded memory."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

import fastgd
from fastgd.inputs.sparse import read
from fastgd.rows import parquet_rows
from fastgd.rows.blocks import Blocks
from fastgd.rows.part import Part
from fastgd.rows.rows import rows_of
from fastgd.rows.stream import chunk_rows, recut
from fastgd.rows.target_rows import TargetRows


def training_set(n_samples, n_features, order):
    rng = np.random.default_rng(n_samples)
    X = np.asarray(rng.standard_normal((n_samples, n_features)), order=order)
    return X, X @ np.arange(n_features) + rng.standard_normal(n_samples)


# Less than a block, more than one but few values, a chunk and some blocks, some chunks, blocks of other lengths by rows than by
# columns, and long rows.
SIZES = [(1_000, 3), (60_000, 5), (330_000, 3), (1_000_001, 3), (200_000, 21), (70_000, 40), (3_000, 2_000)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", SIZES)
def test_gradients_have_the_bits_of_the_array(shape, order, tmp_path):
    X, y = training_set(*shape, order)
    theta = np.linspace(-1, 1, shape[1])
    expected = fastgd.gradient(X, y, theta)
    edges = [0, *sorted(np.random.default_rng(0).integers(0, len(y), 20).tolist()), len(y)]
    batches = [(X[a:b], y[a:b]) for a, b in itertools.pairwise(edges)]
    np.save(tmp_path / "X.npy", X)
    for source, target in (
        (fastgd.from_batches(batches), None),
        (fastgd.from_batches([(X, y)]), None),
        (np.load(tmp_path / "X.npy", mmap_mode="r"), y),
    ):
        np.testing.assert_array_equal(fastgd.gradient(source, target, theta), expected)


@pytest.mark.parametrize("shape", SIZES[:-1])
def test_parquet_has_the_bits_of_the_array(shape, tmp_path):
    pa = pytest.importorskip("pyarrow", reason="for Parquet files")
    parquet = pytest.importorskip("pyarrow.parquet")
    X, y = training_set(*shape, "F")
    table = pa.table({f"x{j}": column for j, column in enumerate(X.T)} | {"y": y})
    theta = np.linspace(-1, 1, shape[1])
    expected = fastgd.gradient(X, y, theta)
    for rows in (997, 30_000, 10_000_000):
        parquet.write_table(table, tmp_path / "a.parquet", row_group_size=max(rows, len(y) // 300))
        source = fastgd.scan_parquet(tmp_path / "a.parquet", target="y")
        for n_threads in (1, 3):
            np.testing.assert_array_equal(fastgd.gradient(source, None, theta, n_threads=n_threads), expected)


def test_a_stream_is_read_two_million_values_at_a_time():
    X, y = np.broadcast_to(np.int8(0), (2 << 21, 1)), np.broadcast_to(0.0, 2 << 21)
    assert [len(part.y) for part in recut(iter([Part(X, y, None)]), 1)] == [1 << 21] * 2


def test_parquet_is_read_a_million_values_and_64_kilobytes_at_a_time(tmp_path, monkeypatch):
    pa = pytest.importorskip("pyarrow", reason="for Parquet files")
    parquet = pytest.importorskip("pyarrow.parquet")
    open_file, options, cuts = parquet.ParquetFile, [], []

    class Watched(Blocks):
        def __init__(self, n_samples, n_rows):
            cuts.append((n_samples, n_rows))
            super().__init__(n_samples, n_rows)

    monkeypatch.setattr(parquet_rows, "Blocks", Watched)
    summarise, n_threads = parquet_rows.summarise, []
    monkeypatch.setattr(
        parquet_rows, "summarise", lambda *given, **more: n_threads.append(given[2]) or summarise(*given, **more)
    )
    for n_features in (1, 50):
        table = pa.table({f"x{j}": np.arange(9.0) for j in range(n_features)} | {"y": np.ones(9)})
        parquet.write_table(table, tmp_path / "a.parquet")
        rows = fastgd.scan_parquet(tmp_path / "a.parquet", target="y").rows(1)
        with monkeypatch.context() as patch:
            patch.setattr(
                parquet, "ParquetFile", lambda path, **given: options.append(given) or open_file(path, **given)
            )
            rows.gradient(np.ones(n_features))
    # As columns lie, which have other blocks than rows.
    assert cuts == [(9, 1 << 20), (9, chunk_rows(50, True, 1 << 20))]
    assert chunk_rows(50, True, 1 << 20) != chunk_rows(50, False, 1 << 20)
    assert options == [{"buffer_size": 1 << 16, "pre_buffer": False}] * 2
    assert n_threads == [1, 1]  # of a chunk, as row groups have theirs


GROWTH = """
import sys
from pathlib import Path
import numpy as np
import fastgd, fastgd.fitting.fit

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

def batches(n):
    def generate():
        for i in range(n):
            X = np.random.default_rng(i).standard_normal((10_000, 10))
            yield X, X.sum(axis=1)
    return generate

sizes = []
for n in (40, 400):
    if sys.argv[1] == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq
        names = [*(f"x{j}" for j in range(10)), "y"]
        with pq.ParquetWriter("rows.parquet", pa.schema([(name, pa.float64()) for name in names])) as writer:
            for X, y in batches(n)():
                writer.write_table(pa.table(dict(zip(names, [*X.T.copy(), y]))), row_group_size=10_000)
        source = fastgd.scan_parquet("rows.parquet", target="y")
    else:
        source = fastgd.from_batches(batches(n))
    fastgd.fit(source)
    sizes.append(peak())
print(sizes[1] - sizes[0])
"""


@pytest.mark.processes
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's list of sizes")
@pytest.mark.parametrize("home", ["batches", pytest.param("parquet", marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_rows(home, tmp_path):
    if home == "parquet":
        pytest.importorskip("pyarrow", reason="for Parquet files")
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, home], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=300
    )
    # The long one has 350 MB, of which the short one has a tenth.
    assert int(done.stdout) < 60e6


def test_several_targets_of_a_map_whose_file_was_cut(tmp_path):
    sklearn = pytest.importorskip("fastgd.sklearn", reason="scikit-learn's estimator takes several targets")
    X, y = training_set(5_000, 3, "C")
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    Y = np.column_stack((y, -y))
    expected = sklearn.GDRegressor().fit(X, Y).coef_
    np.testing.assert_allclose(sklearn.GDRegressor().fit(mapped, Y).coef_, expected, rtol=1e-12)
    rows = TargetRows(mapped, Y)
    os.truncate(tmp_path / "X.npy", 200)
    for call in (
        lambda: rows.moments(np.zeros(5)),
        lambda: TargetRows(mapped, Y),
        lambda: sklearn.GDRegressor().fit(mapped, Y),
        lambda: sklearn.GDRegressor().fit(mapped, y),
        lambda: sklearn.GDRegressor().partial_fit(mapped, y),
    ):
        with pytest.raises(ValueError, match="it was cut"):
            call()


@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
def test_a_sparse_matrix_whose_file_was_cut(part, tmp_path):
    sparse = pytest.importorskip("scipy.sparse", reason="sparse matrices are scipy's")
    X, y = training_set(5_000, 3, "C")
    matrix = sparse.csr_array(X)
    expected = fastgd.gradient(matrix, y, np.ones(3))
    np.save(tmp_path / "part.npy", getattr(matrix, part))
    setattr(matrix, part, np.load(tmp_path / "part.npy", mmap_mode="r"))
    np.testing.assert_array_equal(fastgd.gradient(matrix, y, np.ones(3)), expected)
    rows = rows_of(read(matrix), y)
    os.truncate(tmp_path / "part.npy", 200)
    for call in (
        lambda: rows.gradient(np.ones(3)),
        lambda: fastgd.fit(matrix, y),
        lambda: fastgd.fit(matrix.tocsr(), y),
    ):
        with pytest.raises(ValueError, match="it was cut"):
            call()
