"""The sums of each fold, from one reading of the rows: exactly those of the rows alone."""

import numpy as np
import pytest
from block_sizes import set_block_values

from fastgd.kernels import tuning
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.by_fold import ByFold
from fastgd.rows.centred_moments import moments_of
from fastgd.rows.columns import Columns
from fastgd.rows.folds import Folds, factors_of_folds, moments_of_folds


def whole_numbers(n, k, dtype="f8", weighted=False):
    rng = np.random.default_rng(n + k)
    X, y = rng.integers(-9, 10, (n, k)).astype(dtype), rng.integers(-9, 10, n).astype(dtype)
    return X, y, rng.integers(0, 3, n).astype(float) if weighted else None


@pytest.mark.parametrize("k", [1, 5, 6, 7, 23, 40])
@pytest.mark.parametrize("layout", ["C", "F", "converted", "columns"])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("weighted", [False, True])
def test_interleaved_sums_are_exact(k, layout, dtype, weighted, monkeypatch):
    set_block_values(monkeypatch, 64 * k)
    monkeypatch.setattr(tuning, "MIN_SHARED_VALUES", 0)
    monkeypatch.setattr(tuning, "MIN_MOMENT_ROWS", 8)
    monkeypatch.setattr(tuning, "MOMENT_ROWS_PER_FEATURE", 1)
    for n in (1, 4, 401, 2000):
        X, y, s = whole_numbers(n, k, dtype, weighted)
        given = {
            "C": X,
            "F": np.asfortranarray(X),
            "converted": np.repeat(X, 2, axis=1)[:, ::2],
            "columns": Columns([*X.T]),
        }
        for n_folds in (2, 3, 5, 100, 1000):
            Z = np.column_stack((X - 1, y + 2, np.ones(n))).astype(float)
            centre = np.append(np.ones(k), -2.0)
            sums = ArrayRows(given[layout], y, s, 2).moments_of_folds(centre, n_folds)
            assert len(sums) == n_folds
            for fold in {*range(min(7, n_folds)), n_folds - 1}:
                rows = Z[fold::n_folds]
                weight = np.ones(len(rows)) if s is None else s[fold::n_folds]
                np.testing.assert_array_equal(sums[fold], (rows * weight[:, np.newaxis]).T @ rows)


@pytest.mark.parametrize("layout", ["C", "F", "columns"])
@pytest.mark.parametrize("labelled", [False, True])
def test_chosen_rows_are_those_of_a_copy(layout, labelled, monkeypatch):
    set_block_values(monkeypatch, 30)
    X, y, s = whole_numbers(203, 3, weighted=True)
    given = {"C": X, "F": np.asfortranarray(X), "columns": Columns([*X.T])}[layout]
    of_row = np.random.default_rng(0).integers(0, 4, 203) if labelled else np.arange(203) % 4
    folds = Folds(4, of_row) if labelled else Folds(4)
    rows = ArrayRows(given, y, s, 2)
    moments, factors = moments_of_folds(rows, folds), factors_of_folds(rows, folds, None)
    assert rows.n_passes == 2
    for fold in range(4):
        here = of_row == fold
        expected = moments_of(ArrayRows(X[here], y[here], s[here]))
        np.testing.assert_allclose(moments[fold].mean, expected.mean, rtol=1e-13)
        np.testing.assert_allclose(moments[fold].scatter, expected.scatter, rtol=1e-13, atol=1e-10)
        square = np.column_stack((X, y))[here].T @ (np.column_stack((X, y))[here] * s[here][:, np.newaxis])
        np.testing.assert_allclose(factors[fold].T @ factors[fold], square, rtol=1e-13, atol=1e-10)
    if labelled:
        assert moments[4] is None


def test_folds_are_counted_from_the_first_row_of_all():
    first, then = ByFold("abc"), ByFold("xyz")  # four rows, then others
    assert first.merged(then.after(4), lambda a, b: a + b) == ("az", "bx", "cy")
    assert ByFold((None, 1)).merged(ByFold((2, None)), max) == (2, 1)
    assert then.after(3) == then.after(0) == then
    assert then.after(5).after(-5) == then


def test_a_column_that_is_constant_in_a_fold_has_a_spread_of_zero_there(monkeypatch):
    monkeypatch.setattr(tuning, "MIN_SHARED_VALUES", 0)
    X, y = np.random.default_rng(0).standard_normal((2, 300))
    X[1::3] = 0.1
    first, second, _ = moments_of_folds(ArrayRows(X, y), Folds(3))
    assert second.scatter[0].tolist() == [0.0, 0.0]
    assert second.mean[0] == 0.1
    assert first.scatter[0, 0] > 1
