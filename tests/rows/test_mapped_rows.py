"""Memory maps: which are copied, and what is asked of the system before it is read."""

import mmap
import os

import numpy as np
import pytest

from fastgd.kernels import tuning
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.columns import Columns
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.mapped import Mapped, MappedRows
from fastgd.rows.rows import rows_of
from fastgd.rows.sparse_rows import SparseRows
from fastgd.rows.stream import chunk_rows

MEGABYTE = 1 << 20


class Watched(mmap.mmap):
    """A map that writes down what it is asked for."""

    asked: list

    def madvise(self, option, start, length):
        assert option == mmap.MADV_WILLNEED
        self.asked.append((start, start + length))


@pytest.fixture
def watched(tmp_path):
    """Return a maker of an array in a watched map, behind a header of so many bytes, and the map."""

    def make(shape, order, header):
        path = tmp_path / "values"
        path.write_bytes(bytes(header + 8 * shape[0] * shape[1]))
        with path.open("rb") as file:
            watch = Watched(file.fileno(), 0, access=mmap.ACCESS_READ)
        watch.asked = []
        values = np.frombuffer(watch, np.float64, offset=header)
        return values.reshape(shape, order=order), watch

    return make


def pages(ranges):
    """Return the numbers of the pages that ranges of bytes lie in."""
    return [page for start, stop in ranges for page in range(start // mmap.PAGESIZE, -(-stop // mmap.PAGESIZE))]


@pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="the system takes no advice")
@pytest.mark.parametrize("header", [0, 8, 4096, 5000])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_left", [2000, 8192])  # 64 KiB is worth asking for, less is not
def test_what_is_summed_next_is_asked_for_before(watched, order, header, n_left, monkeypatch):
    monkeypatch.setattr(tuning, "MAPPED_VALUES", 1 << 19)
    n_features = 3
    n_samples = 4 * chunk_rows(n_features, order == "F", 1 << 19) + n_left
    X, watch = watched((n_samples, n_features), order, header)
    y = np.zeros(n_samples)

    def bytes_of(start, stop):
        pieces = [(start * n_features, stop * n_features)]
        if order == "F":
            pieces = [(j * n_samples + start, j * n_samples + stop) for j in range(n_features)]
        pieces = [(header + 8 * low, header + 8 * high) for low, high in pieces]
        return [(low, high) for low, high in pieces if high - low >= 1 << 16]

    start, wanted = 0, []
    for part in Mapped(X, y, None).batches():
        stop = start + len(part.y)
        assert np.shares_memory(part.X, X[start:stop])
        if start == 0:
            assert stop < n_samples / 3
            wanted = bytes_of(0, stop)
        wanted += bytes_of(stop, min(2 * stop - start, n_samples))
        assert set(pages(watch.asked)) == set(pages(wanted))
        assert len(pages(watch.asked)) <= len(pages(wanted))
        for low, high in watch.asked:
            assert low % mmap.PAGESIZE == 0
            assert high - low <= MEGABYTE
        watch.asked.clear()
        start, wanted = stop, []
    assert start == n_samples


@pytest.mark.parametrize("dimensions", [1, 2])
def test_small_maps_are_copied(dimensions, tmp_path):
    shape = (tuning.COPIED_VALUES,) if dimensions == 1 else (tuning.COPIED_VALUES // 4, 4)
    more = (shape[0] + 1, *shape[1:])
    X = np.memmap(tmp_path / "X", np.float64, "w+", shape=more)
    y = np.zeros(more[0])
    assert tuning.COPIED_VALUES == 1 << 19
    assert type(rows_of(X[:-1], y[:-1])) is ArrayRows
    rows = rows_of(X, y)
    assert type(rows) is MappedRows
    assert (rows.n_features, rows.n_expected, rows.n_dropped) == (1 if dimensions == 1 else 4, len(y), 0)
    rows.gradient(np.zeros(rows.n_features))
    assert (rows.n_samples, rows.n_dropped) == (len(y), 0)


def test_a_small_map_that_was_cut_is_not_copied(tmp_path):
    X = np.memmap(tmp_path / "X", np.float64, "w+", shape=(10_000, 2))
    os.truncate(tmp_path / "X", 100)
    with pytest.raises(ValueError, match="it was cut"):
        rows_of(X, np.zeros(10_000))


def test_sparse_rows_in_a_map_that_was_cut_are_not_looked_at(tmp_path):
    numbers = np.arange(10_001)
    data = np.memmap(tmp_path / "data", np.float64, "w+", shape=(10_000,))
    csr = CSR(data, np.zeros(10_000, np.int64), numbers, (10_000, 1))
    SparseRows(csr, np.zeros(10_000))
    os.truncate(tmp_path / "data", 100)
    with pytest.raises(ValueError, match="it was cut"):
        SparseRows(csr, np.zeros(10_000))


def test_a_map_is_read_eight_million_values_at_a_time(tmp_path):
    n_samples = 2 << 23
    X = np.memmap(tmp_path / "X", np.int8, "w+", shape=(n_samples, 1))
    parts = list(Mapped(X, np.broadcast_to(0.0, n_samples), None).batches())
    assert [len(part.y) for part in parts] == [1 << 23] * 2


def test_a_copy_of_a_small_map_is_read_as_the_map_was(tmp_path):
    X = np.memmap(tmp_path / "X", np.float64, "w+", shape=(3, 40))
    X[:] = np.random.default_rng(0).integers(-9, 9, X.shape)
    y, s, theta = np.arange(40.0), np.arange(40.0) % 3, np.arange(4.0)
    expected = ArrayRows(np.array(X).T, y, s).gradient(theta)
    for each in (X.T, Columns([X[0], X[1], X[2]]), np.memmap(tmp_path / "X", np.float64, "r", shape=(3, 40)).T):
        rows = rows_of(each, y, s)
        assert type(rows) is ArrayRows
        assert rows.gradient(theta).tolist() == expected.tolist()
        X[:] += 1.0
        assert rows.gradient(theta).tolist() == expected.tolist()
        X[:] -= 1.0
