"""Sparse rows: the sums, fits and predictions of the dense matrix, and nothing read out of bounds."""

import tracemalloc

import numpy as np
import pytest
from block_sizes import set_block_values

import fastgd
from fastgd.inputs import sparse
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.blocks import Blocks
from fastgd.rows.centred_moments import columns_of, moments_of
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.rows import rows_of
from fastgd.rows.sparse_rows import SparseRows

sp = pytest.importorskip("scipy.sparse", reason="sparse matrices are scipy's")


def random_csr(rng, n, k, density):
    """Make a matrix of normal numbers at random places; scipy's own function has changed its parameters."""
    places = np.unique(rng.integers(0, n * k, int(density * n * k)))
    return sp.csr_array((rng.standard_normal(len(places)), np.divmod(places, k)), shape=(n, k))


def training_set(n=300, k=6, density=0.3, seed=0, dtype=float):
    rng = np.random.default_rng(seed)
    X = random_csr(rng, n, k, density).astype(dtype)
    X.data[:] = rng.integers(-40, 40, X.nnz) / 8
    return X, X @ rng.standard_normal(k) + 1.5 + 0.3 * rng.standard_normal(n)


@pytest.fixture(params=[40, 1 << 17])
def block_values(request, monkeypatch):
    set_block_values(monkeypatch, request.param)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("dtype", "index"), [("d", np.int32), ("f", np.int64), ("h", np.int32)])
def test_sums_are_those_of_the_dense_matrix(dtype, index, weighted, block_values):
    X, y = training_set(k=7, dtype="f4")
    X = X.astype(dtype) if dtype != "h" else (X * 8).astype("h")
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    s = np.arange(300) % 3 / 2 if weighted else None
    dense = ArrayRows(X.toarray().astype(float), y, s)
    for n_threads in (1, 3):
        rows = rows_of(sparse.read(X), y, s, n_threads)
        for theta in (np.linspace(-1, 2, 7), np.linspace(-1, 2, 8)):
            np.testing.assert_allclose(rows.gradient(theta, 0.5), dense.gradient(theta, 0.5), rtol=1e-12, atol=1e-11)
            np.testing.assert_allclose(rows.product(theta), dense.product(theta), rtol=1e-12, atol=1e-11)
        for got, expected in zip(columns_of(rows), columns_of(dense), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)
        got, expected = moments_of(rows), moments_of(dense)
        np.testing.assert_allclose(got.mean, expected.mean, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(got.scatter, expected.scatter, atol=1e-12 * expected.scatter.max())
        assert got.total_weight == pytest.approx(expected.total_weight)


def test_any_number_of_threads_gives_the_same_bits(block_values):
    X, y = training_set(2000, 30)
    theta = np.linspace(-1, 1, 31)
    bits = {rows_of(sparse.read(X), y, None, n).gradient(theta).tobytes() for n in (1, 2, 3, 7, 16)}
    assert len(bits) == 1


@pytest.mark.parametrize("method", ["auto", "cg", "preconditioned", "gd", "nesterov"])
@pytest.mark.parametrize(
    "options",
    [{}, {"intercept": False}, {"l2": 0.1}, {"standardize": True}, {"sample_weight": np.arange(300) % 3}],
    ids=str,
)
def test_fits_are_those_of_the_dense_matrix(method, options):
    X, y = training_set()
    got, expected = fastgd.fit(X, y, method=method, **options), fastgd.fit(X.toarray(), y, method=method, **options)
    assert got.converged
    assert got.verified
    np.testing.assert_allclose(got.theta, expected.theta, rtol=1e-6 if method in ("gd", "nesterov") else 1e-10)
    np.testing.assert_allclose(got.predict(X), got.predict(X.toarray()), rtol=1e-12)
    assert got.score(X, y) == pytest.approx(expected.score(X.toarray(), y), abs=1e-9)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_every_format_is_read(form, kind):
    X, y = training_set(40)
    given = getattr(sp, f"{form}_{kind}")(X.toarray())
    theta = np.ones(6)
    np.testing.assert_allclose(fastgd.gradient(given, y, theta), fastgd.gradient(X.toarray(), y, theta), rtol=1e-12)


def test_places_that_are_there_twice_are_added():
    X = sp.csr_array((np.array([1.0, 2.0, 4.0]), np.array([0, 0, 1]), np.array([0, 2, 3])), shape=(2, 2))
    before = X.data.copy(), X.indices.copy(), X.indptr.copy()
    moments = fastgd.Moments.from_rows(X, [1.0, 2.0])
    expected = fastgd.Moments.from_rows([[3.0, 0.0], [0.0, 4.0]], [1.0, 2.0])
    np.testing.assert_allclose(moments.scatter, expected.scatter, atol=1e-14)
    _, std = columns_of(rows_of(sparse.read(X), np.array([1.0, 2.0])))
    np.testing.assert_allclose(std, [1.5, 2.0, 0.5], rtol=1e-14)
    for old, new in zip(before, (X.data, X.indices, X.indptr), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("part", "place", "value"),
    [
        ("indices", 3, 6),
        ("indices", 0, -1),
        ("indptr", 5, 10**6),
        ("indptr", 7, 0),
        ("indptr", -1, 10**6),
        ("indptr", 0, 1),
    ],
)
def test_indices_that_lead_out_of_the_matrix_are_refused(part, place, value):
    X, y = training_set(40)
    getattr(X, part)[place] = value
    with pytest.raises(ValueError, match=r"csr_array of shape .* whose indices do not describe it"):
        fastgd.gradient(X, y, np.ones(6))


@pytest.mark.parametrize(
    ("bad", "error", "text"),
    [
        (lambda X: X.astype(complex), TypeError, "X has dtype complex128"),
        (lambda X: X[:0], ValueError, r"shape \(0, 6\)"),
        (lambda X: X[:, :0], ValueError, r"shape \(300, 0\)"),
        (lambda X: X[:10], ValueError, "X has 10 rows, but y has 300"),
    ],
)
def test_what_cannot_be_fitted_is_named(bad, error, text):
    X, y = training_set()
    with pytest.raises(error, match=text):
        fastgd.fit(bad(X), y)


def test_a_sparse_target_is_refused():
    X, y = training_set()
    with pytest.raises(TypeError, match="y is a sparse"):
        fastgd.fit(X, sp.csr_array(y[:, np.newaxis]))


def test_constant_columns_are_left_to_the_intercept():
    X, y = training_set()
    wide = sp.csr_array(sp.hstack([X, np.full((300, 1), 0.1), np.zeros((300, 1))]))
    _, std = columns_of(rows_of(sparse.read(wide), y))
    assert std[6:8].tolist() == [0.0, 0.0]
    alone = fastgd.fit(X, y)
    with pytest.warns(fastgd.RankWarning, match="columns 6, 7 of X"):
        result = fastgd.fit(wide, y)
    np.testing.assert_allclose(result.coef[:6], alone.coef, rtol=1e-10)
    by_cg = fastgd.fit(wide, y, method="cg")
    np.testing.assert_allclose(by_cg.coef, [*alone.coef, 0, 0], rtol=1e-9)


def test_moments_of_a_constant_beside_others_are_exactly_zero():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal(300), np.full(300, 0.1), 1e9 * rng.standard_normal(300)])
    moments = moments_of(rows_of(sparse.read(sp.csr_array(X)), rng.standard_normal(300)))
    assert moments.scatter[1].tolist() == [0.0] * 4
    assert (np.diagonal(moments.scatter)[[0, 2, 3]] > 100).all()


def test_moments_of_constants_are_exactly_zero():
    constants = np.random.default_rng(3).random(40) * 10.0 ** np.arange(-20, 20)
    X = sp.csr_array(np.tile(constants, (300, 1)))
    moments = moments_of(rows_of(sparse.read(X), np.arange(300.0), np.linspace(0.1, 0.7, 300)))
    assert not moments.scatter[:40].any()


def test_nothing_is_densified():
    rng = np.random.default_rng(1)
    X = random_csr(rng, 20_000, 3_000, 0.002)
    y = X @ rng.standard_normal(3_000) + 0.01 * rng.standard_normal(20_000)
    fastgd.fit(X[:100], y[:100], method="cg", max_iter=1, tol=0)
    tracemalloc.start()
    result = fastgd.fit(X, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.converged
    assert peak < 20e6  # the dense matrix has 480 MB
    residuals = X @ result.coef + result.intercept - y
    norms = np.sqrt((X.multiply(X)).sum(axis=0)) * np.linalg.norm(residuals)
    assert (abs(X.T @ residuals) / norms).max() < 1e-11


def test_empty_columns_are_looked_at_in_a_few_rows_only():
    X = random_csr(np.random.default_rng(2), 2_000, 50_000, 1e-5)
    y = np.arange(2_000.0)
    tracemalloc.start()
    with pytest.warns(fastgd.ConvergenceWarning):
        fastgd.fit(X, y, method="cg", max_iter=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6  # a thousand rows have 400 MB


def test_the_estimator_takes_sparse_rows():
    pytest.importorskip("sklearn", reason="the estimator is scikit-learn's")
    from fastgd.sklearn import GDRegressor

    X, y = training_set()
    Y = np.column_stack((y, -2 * y + X[:, [0]].toarray().ravel()))
    for target in (y, Y):
        got, expected = GDRegressor().fit(X, target), GDRegressor().fit(X.toarray(), target)
        np.testing.assert_allclose(got.coef_, expected.coef_, rtol=1e-9)
        np.testing.assert_allclose(got.predict(X), expected.predict(X.toarray()), rtol=1e-9)
        piecewise = GDRegressor().partial_fit(X[:150], target[:150]).partial_fit(X[150:], target[150:])
        np.testing.assert_allclose(piecewise.coef_, expected.coef_, rtol=1e-9)


@pytest.mark.parametrize(
    ("n_samples", "n_values", "n_features", "n_rows"),
    [
        (1_000, 10_000, 10, 13_107),  # of 2^17 values
        (1_000, 10_000, 100_000, 40_000),  # of four for each sum
        (1_000, 10, 1, 131_072),
        (1_000, 0, 1, 131_072),
        (3, 1_000_000, 10, 1),
    ],
)
def test_blocks_have_as_many_values_as_are_worth_it(n_samples, n_values, n_features, n_rows, monkeypatch):
    found = []

    class Watched(Blocks):
        def __init__(self, *arguments):
            found.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr("fastgd.rows.sparse_rows.Blocks", Watched)
    stops = np.linspace(0, n_values, n_samples + 1).astype(np.int64)
    X = CSR(np.ones(n_values), np.zeros(n_values, np.int64), stops, (n_samples, n_features))
    sums = SparseRows(X, np.zeros(n_samples), None, 1).gradient(np.ones(n_features))
    assert sums[1] == n_values
    assert found == [(n_samples, n_rows)]
