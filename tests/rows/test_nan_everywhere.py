"""One NaN or infinity in each place of small data: what comes out is what plain numpy says, in every kernel and sum."""

import itertools

import numpy as np
import pytest
from block_sizes import set_block_values

import fastgd
from fastgd.inputs.sparse import read
from fastgd.kernels.column_stats import spread
from fastgd.kernels.compensated import compiled_compensated
from fastgd.kernels.csr import compiled_csr, csr_gradient, csr_moments, csr_spread
from fastgd.kernels.gram import entries, gram, order
from fastgd.kernels.plain_sum import compiled_plain_sum
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.centred_moments import columns_of, moments_of
from fastgd.rows.columns import Columns
from fastgd.rows.compensated_rows import CompensatedRows
from fastgd.rows.sparse_rows import SparseRows
from fastgd.rows.target_rows import TargetRows

POISONS = [np.nan, np.inf, -np.inf]


def whole_numbers(n_samples, n_features, *, intercept=False, dtype=float):
    """Make odd numbers, of which no product is zero, and all sums are exact in any order."""
    rng = np.random.default_rng([n_samples, n_features])
    draw = lambda low, high, *shape: (2.0 * rng.integers(low, high, shape) + 1).astype(dtype)  # noqa: E731
    s = draw(0, 3, n_samples).astype(float)
    theta = draw(-4, 4, n_features + intercept).astype(float)
    return {"X": draw(-40, 40, n_samples, n_features), "y": draw(-40, 40, n_samples), "s": s, "theta": theta}


def poisoned(data, poison):
    """Put the poison into each place of each array, one after the other."""
    for name, values in data.items():
        for place in np.ndindex(values.shape):
            kept, values[place] = values[place], poison
            yield name
            values[place] = kept


def plain_gradient(X, y, s, theta):
    with np.errstate(invalid="ignore"):
        r = (X * theta[-X.shape[1] :]).sum(axis=1) + (theta[0] if len(theta) > X.shape[1] else 0.0) - y
        return np.array([(s * r * r).sum(), (s * r).sum(), *(s * r) @ X])


def plain_gram(X, y, s, centre):
    """Sum the products of each two columns by themselves: what poisons a column poisons no other."""
    with np.errstate(invalid="ignore"):
        z = np.vstack(((X - centre[:-1]).T, y - centre[-1], np.ones(len(y))))
        return (s * z * z[:, np.newaxis]).sum(axis=2)


def plain_spread(X, y, s, centre):
    with np.errstate(invalid="ignore"):
        z = np.column_stack((X, y)) - centre
        weighted = s[:, np.newaxis] * z
        return np.concatenate(([s.sum()], weighted.sum(axis=0), (weighted * z).sum(axis=0)))


SHAPES = [(9, 1), (3, 5), (67, 6), (9, 14), (10, 23)]


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("dtype", "df")
@pytest.mark.parametrize("poison", POISONS)
@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_products_of_columns(n, k, poison, dtype, by_columns, reached):
    data = whole_numbers(n, k, dtype=dtype)
    data["theta"] = np.arange(k + 1.0)
    n_places = 0
    for _ in poisoned(data, poison):
        X, y, s, centre = data.values()
        sums = np.full(order(k) ** 2, -1.0)
        given = np.ascontiguousarray(X.T) if by_columns else X
        gram(by_columns)[dtype, dtype, True](given, 0, n, y, s, centre, 1.0, sums)
        np.testing.assert_array_equal(entries(sums, k), plain_gram(X, y, s, centre))
        n_places += 1
    reached("places of a NaN in the products of columns, 67 rows of 6", n_places) if n == 67 else None


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("poison", POISONS)
@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_spreads_of_columns(n, k, poison, by_columns):
    data = whole_numbers(n, k)
    data["theta"] = np.arange(k + 1.0)
    for where in poisoned(data, poison):
        X, y, s, centre = data.values()
        sums = np.full(1 + 2 * (k + 1), -1.0)
        given = np.ascontiguousarray(X.T) if by_columns else X
        spread(by_columns)["d", "d", True](given, 0, n, y, s, centre, 1.0, sums)
        if where == "s":  # a row of no weight is not looked at, and NaN is none; the mean is the quotient by their sum
            assert not np.isfinite(sums[0])
        else:
            np.testing.assert_array_equal(sums, plain_spread(X, y, s, centre))


@pytest.mark.parametrize("poison", POISONS)
@pytest.mark.parametrize(("n", "k", "intercept"), [(5, 1, False), (7, 3, True), (4, 9, True)])
def test_compensated_sums(n, k, intercept, poison):
    data = whole_numbers(n, k, intercept=intercept)
    for _ in poisoned(data, poison):
        X, y, s, theta = data.values()
        sums, errors = np.zeros((2, 2 + k))
        compiled_compensated()(np.column_stack((X, y)), s, theta, sums, errors)
        # The error terms of an infinity are NaN, which says as much.
        np.testing.assert_array_equal(np.isfinite(sums + errors), np.isfinite(plain_gradient(X, y, s, theta)))
        if np.isnan(poison):
            np.testing.assert_array_equal(np.isnan(sums + errors), np.isnan(plain_gradient(X, y, s, theta)))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("poison", POISONS)
@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 31, 32, 33, 67, 129, 257])
def test_a_plain_sum(n, poison, dtype):
    values = np.ones(n, dtype)
    for _ in poisoned({"values": values}, poison):
        np.testing.assert_array_equal(compiled_plain_sum(dtype)(values), poison)


@pytest.mark.parametrize(
    ("number", "index"),
    [("d", "i"), ("f", "l"), *(pytest.param(*kind, marks=pytest.mark.slow) for kind in ("dl", "fi"))],
)
@pytest.mark.parametrize("poison", POISONS)
def test_stored_values_of_sparse_rows(poison, number, index):
    n, k = 9, 5
    stored = np.random.default_rng(1).random((n, k)) < 0.5
    stored[3], stored[:, 2] = False, False
    X = whole_numbers(n, k, intercept=True)["X"]
    data = {"data": X[stored].astype(number)} | {
        name: whole_numbers(n, k, intercept=True)[name] for name in ("y", "s", "theta")
    }
    indices = np.nonzero(stored)[1].astype(index)
    indptr = np.append(0, stored.sum(axis=1).cumsum()).astype(index)
    for where in poisoned(data, poison):
        values, y, s, theta = data.values()
        dense = np.zeros((n, k))
        dense[stored] = values
        given = (values, indices, indptr), 0, n, y, s

        def sums(function, of, n_sums, given=given):
            result = np.full(n_sums, -1.0)
            compiled_csr(function, number, index, True, True)(*given, of, result)
            return result

        # What is not stored is not looked at, so that 0 times NaN is nothing there.
        terms = np.where(stored, dense, 1.0) * np.where(stored, theta[1:], 0.0)
        with np.errstate(invalid="ignore"):
            r = np.where(stored, terms, 0.0).sum(axis=1) + theta[0] - y
            gradient = np.where(stored, (s * r)[:, np.newaxis] * dense, 0.0).sum(axis=0)
            expected = [(s * r * r).sum(), (s * r).sum(), *gradient]
        np.testing.assert_array_equal(sums(csr_gradient, theta, 2 + k), expected)
        if where == "theta":
            continue
        columns = [*dense.T, y, np.ones(n)]
        there = [*stored.T, np.ones(n, bool), np.ones(n, bool)]
        with np.errstate(invalid="ignore"):
            expected = [
                [np.where(p & q, s * a * b, 0.0).sum() for b, q in zip(columns, there, strict=True)]
                for a, p in zip(columns, there, strict=True)
            ]
        moments = sums(csr_moments, np.zeros(k + 1), (k + 2) ** 2).reshape(k + 2, k + 2)
        moments[k:, :k] = moments[:k, k:].T  # as SparseRows completes it
        moments[k + 1, k] = moments[k, k + 1]
        np.testing.assert_array_equal(moments, expected)
        if where != "s":
            got = sums(csr_spread, np.zeros(k + 1), 3 * k + 3)[: 2 * k + 3]
            np.testing.assert_array_equal(
                got[1:], [*np.array(expected)[: k + 1, k + 1], *np.diagonal(expected)[: k + 1]]
            )


# Rows, in blocks of five, the last of which has three, on one thread and on three.


def of_stored_values(X, y, s, n_threads):
    matrix = pytest.importorskip("scipy.sparse", reason="sparse matrices are scipy's")
    return SparseRows(read(matrix.csr_array(X)), y, s, n_threads)


HOMES = {
    "in place": ArrayRows,
    "by columns": lambda X, y, s, n: ArrayRows(np.asfortranarray(X), y, s, n),
    "float32": lambda X, y, s, n: ArrayRows(X.astype("f"), y.astype("f"), s, n),
    "converted": lambda X, y, s, n: ArrayRows(np.repeat(X, 2, axis=1)[:, ::2], y.astype(">f8"), s, n),
    "of columns": lambda X, y, s, n: ArrayRows(Columns([np.array(column) for column in X.T]), y, s, n),
    "of batches": lambda X, y, s, n: fastgd.from_batches([(X[:4], y[:4], s[:4]), (X[4:], y[4:], s[4:])]).rows(n),
    "of stored values": of_stored_values,
}


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("poison", POISONS[:2])
def test_every_block_of_rows(poison, home, n_threads, monkeypatch, reached):
    n, k = 23, 3
    set_block_values(monkeypatch, 15)
    monkeypatch.setattr("fastgd.kernels.tuning.STREAM_VALUES", 30)
    data = whole_numbers(n, k, intercept=True)
    s, theta = data.pop("s"), data.pop("theta")
    n_places = 0
    for where in poisoned(data, poison):
        X, y = data.values()
        rows = HOMES[home](X, y, s, n_threads)
        np.testing.assert_array_equal(rows.gradient(theta), plain_gradient(X, y, s, theta))
        bad = ~np.isfinite(np.column_stack((X, y))).all(axis=0)
        with np.errstate(invalid="ignore"):
            moments, (mean, std) = moments_of(rows), columns_of(rows)
        np.testing.assert_array_equal(~np.isfinite(mean), bad)
        np.testing.assert_array_equal(~np.isfinite(moments.mean), bad)
        np.testing.assert_array_equal(np.isnan(std), bad)
        np.testing.assert_array_equal(~np.isfinite(moments.scatter), bad | bad[:, np.newaxis])
        if where == "X":
            np.testing.assert_array_equal(rows.product(theta), plain_gradient(X, np.zeros(n), s, theta))
        n_places += 1
    reached("places of a NaN in blocks of rows, for each home and number of threads", n_places)


@pytest.mark.parametrize("poison", POISONS)
def test_every_block_of_rows_of_several_targets(poison, monkeypatch):
    n, k = 23, 3
    set_block_values(monkeypatch, 15)
    data = whole_numbers(n, k, intercept=True)
    s = data.pop("s")
    del data["theta"]
    data["y"] = np.column_stack((data["y"], -3 * data["y"]))
    for _ in poisoned(data, poison):
        X, Y = data.values()
        rows = TargetRows(X, Y, s, 3)
        bad = ~np.isfinite(np.column_stack((X, Y))).all(axis=0)
        np.testing.assert_array_equal(~np.isfinite(moments_of(rows).scatter), bad | bad[:, np.newaxis])


def test_every_row_of_twice_the_precision():
    data = whole_numbers(23, 3, intercept=True)
    s, theta = data.pop("s"), data.pop("theta")
    for _ in poisoned(data, np.nan):
        X, y = data.values()
        got = CompensatedRows(ArrayRows(X, y, s)).gradient(theta)
        np.testing.assert_array_equal(got, plain_gradient(X, y, s, theta))


@pytest.mark.parametrize("n_features", [1, 3, 17, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 9))])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
def test_every_place_of_what_the_public_functions_take(n_features, layout):
    data = whole_numbers(11, n_features, intercept=True)
    for poison in POISONS:
        for where in poisoned(data, poison):
            X, y, s, theta = data.values()
            options = {"intercept": True, "loss": "sse"} | ({} if where == "s" else {"sample_weight": s})
            expected = plain_gradient(X, y, np.ones(11) if where == "s" else s, theta)
            cost, gradient = fastgd.cost_and_gradient(layout(X), y, theta, **options)
            np.testing.assert_array_equal([cost, *gradient], [expected[0], *2 * expected[1:]])
            if where == "s":
                with pytest.raises(ValueError, match="sample_weight is"):
                    fastgd.gradient(layout(X), y, theta, sample_weight=s, intercept=True)


def arrays(X, y):
    return X, y


def batches(X, y):
    return fastgd.from_batches([(X[:4], y[:4]), (X[4:], y[4:])]), None


def sparse(X, y):
    return pytest.importorskip("scipy.sparse", reason="sparse matrices are scipy's").csr_array(X), y


def frame(X, y):
    pytest.importorskip("narwhals", reason="data frames need narwhals")
    pandas = pytest.importorskip("pandas", reason="the data frame is pandas'")
    return pandas.DataFrame(X, columns=["a", "b"]), y


@pytest.mark.parametrize("home", [arrays, batches, sparse, frame])
@pytest.mark.parametrize("options", [{}, {"method": "cg"}, {"method": "gd", "tol": 0}, {"precompute": False}], ids=str)
def test_a_fit_names_the_place_wherever_it_is(home, options, reached):
    data = whole_numbers(13, 2)
    X, y = data["X"], data["y"]
    places = list(itertools.product(range(13), range(3)))
    for row, column in places:
        values, place = (X, (row, column)) if column < 2 else (y, row)
        kept, values[place] = values[place], POISONS[(row + column) % 3]
        name = repr("ab"[column]) if home is frame and column < 2 else column
        told = f"y in row {row} " if column == 2 else f"X in row {row}, column {name} "
        with pytest.raises(ValueError, match=rf"^{told}.*is NaN or infinite, but a fit needs finite numbers"):
            fastgd.fit(*home(X, y), **options)
        values[place] = kept
    reached("places of a NaN that a fit has named, for each home and method", len(places))
