"""Views without a stride show more values than there is memory for: they are read block by block, to the right answer."""

import tracemalloc

import numpy as np
import pytest

import fastgd


def evaluated(X, y, theta, **options):
    """Return cost, gradient and the most memory that was taken, in MB."""
    fastgd.cost_and_gradient(np.ones((3, *X.shape[1:]), X.dtype), np.ones(3, y.dtype), theta, **options)  # compiles
    tracemalloc.start()
    cost, gradient = fastgd.cost_and_gradient(X, y, theta, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return cost, gradient.tolist(), peak / 1e6


# Rows of ones, theta of sum 2 and y = 3: r = -1, exactly, and so is every sum of whole numbers below 2^53.
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8])
@pytest.mark.parametrize("shape", [(2**21 + 8, 1), (2**21 + 8,), (70_000, 40), (6_000, 2_000)])
def test_one_value_shown_often_is_read_block_by_block(shape, dtype):
    X, y = np.broadcast_to(dtype(1), shape), np.broadcast_to(dtype(3), shape[0])
    n_features = (*shape, 1)[1]
    theta = np.full(n_features, 2.0 / n_features)
    theta[0] += 2.0 - theta.sum()
    cost, gradient, n_megabytes = evaluated(X, y, theta)
    assert cost == pytest.approx(1.0, rel=1e-12)
    assert gradient == pytest.approx([-2.0] * n_features, rel=1e-12)
    assert n_megabytes < 32


def test_one_row_or_one_column_shown_often_is_read_block_by_block():
    row, n = np.array([1.0, -2.0, 4.0]), 2**20 + 3
    rows = np.broadcast_to(row, (n, 3))
    assert evaluated(rows, np.zeros(n), [1.0, 1.0, 1.0])[:2] == (9.0, (6.0 * row).tolist())
    ones = np.ones(n)
    columns = np.broadcast_to(ones[:, np.newaxis], (n, 3))
    cost, gradient, n_megabytes = evaluated(columns, ones, [0.0, 1.0, 2.0, 4.0], intercept=True)
    assert (cost, gradient) == (36.0, [12.0] * 4)
    assert n_megabytes < 32
    moments = fastgd.Moments.from_rows(rows, np.broadcast_to(7.0, n), np.broadcast_to(0.5, n))
    assert moments.mean.tolist() == [*row, 7.0]
    assert not moments.scatter.any()
    assert fastgd.fit(moments, intercept=False, l2=1.0).predict(rows[:4]).tolist() == pytest.approx([7.0 * 21 / 22] * 4)


def test_more_than_2_to_the_31_rows_are_all_counted():
    n = 2**31 + 8
    X, y = np.broadcast_to(np.float32(1), (n, 1)), np.broadcast_to(np.float32(3), n)
    assert evaluated(X, y, [2.0], loss="sse")[:2] == (n, [-2.0 * n])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_more_than_2_to_the_31_values_in_wide_rows_are_all_counted(dtype):
    n, k = 70_000, 40_000
    X, y = np.broadcast_to(dtype(1), (n, k)), np.broadcast_to(dtype(3), n)
    theta = np.zeros(k)
    theta[-1] = 2.0
    cost, gradient, n_megabytes = evaluated(X, y, theta, loss="sse")
    assert (cost, gradient) == (n, [-2.0 * n] * k)
    assert n_megabytes < 500  # a block has some hundred rows, which is little beside the 22 GB shown
