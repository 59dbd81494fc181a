"""Rows that need not be in memory: wherever they are, the same coefficients, the same errors, the same bits."""

import io
import os
import shutil
from itertools import pairwise

import numpy as np
import pytest
from block_sizes import set_block_values

import fastgd
from fastgd.inputs.scan_csv import _Joined
from fastgd.kernels import tuning
from fastgd.kernels.dense import dense
from fastgd.rows import maps, parquet_columns, parquet_rows
from fastgd.rows.centred_moments import columns_of, moments_of
from fastgd.rows.part import Part
from fastgd.rows.parts import summarise
from fastgd.rows.rows import rows_of
from fastgd.rows.stream import chunk_rows, recut

N, K = 203, 3
NAMES = ["a", "b", "c"]


def training_set(weighted=False):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((N, K)) * [1.0, 30.0, 0.2] + [0.0, 5.0, -2.0]
    y = X @ [1.0, -2.0, 0.5] + 3.0 + 0.1 * rng.standard_normal(N)
    return X, y, rng.integers(0, 4, N) / 2 if weighted else None


def parts(X, y, s, cuts):
    """Cut rows before the rows `cuts`; without weights a part is (X, y)."""
    edges = [0, *cuts, len(y)]
    arrays = (X, y) if s is None else (X, y, s)
    return [tuple(array[a:b] for array in arrays) for a, b in pairwise(edges)]


def as_arrays(folder, X, y, s, cuts):
    return (X, y, s)


def as_columns(folder, X, y, s, cuts):
    return (np.asfortranarray(X), y, s)


def as_map(folder, X, y, s, cuts):
    maps = []
    for name, array in (("X", X), ("y", y), ("s", s)):
        if array is not None:
            np.save(folder / f"{name}.npy", array)
            maps.append(np.load(folder / f"{name}.npy", mmap_mode="r"))
    return (*maps, *[None] * (3 - len(maps)))


def as_list(folder, X, y, s, cuts):
    return (fastgd.from_batches(parts(X, y, s, cuts)), None, None)


def as_function(folder, X, y, s, cuts):
    return (fastgd.from_batches(lambda: iter(parts(X, y, s, cuts))), None, None)


def as_generator(folder, X, y, s, cuts):
    return (fastgd.from_batches(part for part in parts(X, y, s, cuts)), None, None)


def as_frames(folder, X, y, s, cuts):
    pandas = pytest.importorskip("pandas", reason="for data frames")
    batches = [(pandas.DataFrame(x, columns=NAMES[: X.shape[1]]), *rest) for x, *rest in parts(X, y, s, cuts)]
    return (fastgd.from_batches(batches), None, None)


def _tables(X, y, s, cuts):
    pyarrow = pytest.importorskip("pyarrow", reason="for files of columns")
    for x, *rest in parts(X, y, s, cuts):
        # Without the order of numpy's columns, which pyarrow would take for an order of its own.
        yield pyarrow.table(
            {
                name: np.array(column)
                for name, column in zip([*NAMES[: X.shape[1]], "y", "s"], [*x.T, *rest], strict=False)
            }
        )


def as_parquet(folder, X, y, s, cuts):
    parquet = pytest.importorskip("pyarrow.parquet", reason="for Parquet files")
    for i, table in enumerate(_tables(X, y, s, cuts)):
        parquet.write_table(table, folder / f"{i:04}.parquet", row_group_size=50)
    return (fastgd.scan_parquet(folder, target="y", sample_weight=None if s is None else "s"), None, None)


def as_csv(folder, X, y, s, cuts):
    pytest.importorskip("pyarrow", reason="for the fast reader")
    for i, table in enumerate(_tables(X, y, s, cuts)):
        rows = [",".join(table.column_names), *(",".join(map(repr, row.values())) for row in table.to_pylist())]
        (folder / f"{i:04}.csv").write_text("\n".join(rows) + "\n")
    return (fastgd.scan_csv(folder / "*.csv", target="y", sample_weight=None if s is None else "s"), None, None)


def as_sparse(folder, X, y, s, cuts):
    sparse = pytest.importorskip("scipy.sparse", reason="for sparse matrices")
    return (sparse.csr_array(X), y, s)


def as_dask_array(folder, X, y, s, cuts):
    array = pytest.importorskip("dask.array", reason="for dask")
    rows = tuple(int(n) for n in np.diff([0, *cuts, len(y)]))
    return (
        array.from_array(X, chunks=(rows, X.shape[1:] or ())) if X.ndim == 2 else array.from_array(X, chunks=(rows,)),
        array.from_array(y, chunks=(rows,)),
        None if s is None else array.from_array(s, chunks=(rows,)),
    )


def as_dask_frame(folder, X, y, s, cuts):
    frame = pytest.importorskip("dask.dataframe", reason="for dask")
    pandas = pytest.importorskip("pandas", reason="for dask's data frames")
    tables = [
        pandas.DataFrame(dict(zip([*NAMES[: X.shape[1]], "y", "s"], [*x.T, *rest], strict=False)))
        for x, *rest in parts(X, y, s, cuts)
    ]
    whole = frame.from_map(lambda i: tables[i], range(len(tables)), meta=tables[0].iloc[:0])
    return (whole[NAMES[: X.shape[1]]], whole["y"], None if s is None else whole["s"])


HOMES = [
    as_arrays, as_columns, as_map, as_list, as_function, as_generator, as_frames, as_parquet, as_csv, as_sparse, as_dask_array,
    as_dask_frame,
]  # fmt: skip
CUT = [as_list, as_function, as_generator, as_frames, as_parquet, as_csv, as_dask_array, as_dask_frame]
CUTS = [100, 150]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Let small data take many chunks of some blocks, and read them through a map however few there are."""
    set_block_values(monkeypatch, 30)
    for name in ("STREAM_VALUES", "PARQUET_VALUES", "MAPPED_VALUES"):
        monkeypatch.setattr(tuning, name, 100)
    monkeypatch.setattr(tuning, "COPIED_VALUES", 0)


@pytest.fixture(autouse=True, scope="module")
def in_this_process():
    """Let dask compute here, without threads."""
    try:
        import dask
    except ImportError:
        yield
    else:
        with dask.config.set(scheduler="synchronous"):
            yield


@pytest.fixture
def pa():
    return pytest.importorskip("pyarrow", reason="for files of columns")


@pytest.fixture
def parquet():
    return pytest.importorskip("pyarrow.parquet", reason="for Parquet files")


def reach_of_tol(X, y, s, theta, tol):
    """Bound how far theta is from the minimum where ``|x_j . r| <= tol |x_j| |r|``, entry by entry."""
    root = np.ones(len(y)) if s is None else np.sqrt(s)
    A = np.column_stack((np.ones(len(y)), X)) * root[:, np.newaxis]
    r = A @ theta - y * root
    return tol * abs(np.linalg.inv(A.T @ A)) @ np.linalg.norm(A, axis=0) * np.linalg.norm(r)


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"intercept": False},
        {"l2": 0.3, "loss": "sse"},
        {"method": "cg"},
        {"method": "gd", "standardize": True, "tol": 1e-12},
        {"method": "nesterov", "standardize": True, "tol": 1e-12, "loss": "half_mse"},
        {"method": "cg", "precompute": False},
        {"method": "gd", "standardize": True, "tol": 1e-12, "precompute": False},
        {"method": "gd", "learning_rate": 1e-4, "max_iter": 20, "tol": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_fits_are_those_of_arrays(home, options, weighted, tmp_path):
    if home is as_generator and options.get("precompute") is False:
        pytest.skip("a generator is read once")
    data = training_set(weighted)
    X, y, s = home(tmp_path, *data, CUTS)
    got = fastgd.fit(X, y, sample_weight=s, **options)
    expected = fastgd.fit(data[0], data[1], sample_weight=data[2], **options)
    few = got.n_iter < 10 and got.verified
    # Each of two conjugate gradients may end as far from the minimum as gradients within tol leave it.
    end = 2 * reach_of_tol(*data, expected.theta, 1e-12) if options.get("method") == "cg" else 0.0
    difference = abs(got.theta - expected.theta)
    assert (difference <= (1e-12 if few else 1e-9) * abs(expected.theta) + end).all()
    assert got.cost == pytest.approx(expected.cost, rel=1e-11 if got.verified else 1e-9)
    assert got.converged == expected.converged
    assert got.verified == (home is not as_generator)
    if options.get("tol") == 0:
        assert (got.n_iter, got.history) == (expected.n_iter, None)


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("weighted", [False, True])
def test_cost_gradient_and_moments_are_those_of_arrays(home, weighted, tmp_path):
    data, theta = training_set(weighted), np.array([1.0, -0.5, 2.0, 0.25])

    def rows():
        X, y, s = home(tmp_path, *data, CUTS)
        return (X, y), s

    for loss in ("mse", "half_mse", "sse"):
        options = {"intercept": True, "loss": loss, "l2": 0.5}
        args, s = rows()
        cost, gradient = fastgd.cost_and_gradient(*args, theta, sample_weight=s, **options)
        expected = fastgd.cost_and_gradient(*data[:2], theta, sample_weight=data[2], **options)
        assert cost == pytest.approx(expected[0], rel=1e-12)
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-12)
        args, s = rows()
        assert fastgd.cost(*args, theta, sample_weight=s, **options) == cost
        args, s = rows()
        np.testing.assert_array_equal(fastgd.gradient(*args, theta, sample_weight=s, **options), gradient)
    args, s = rows()
    got, expected = fastgd.Moments.from_rows(*args, s), fastgd.Moments.from_rows(*data)
    assert (got.n_samples, got.total_weight) == (N, pytest.approx(expected.total_weight))
    np.testing.assert_allclose(got.mean, expected.mean, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(got.scatter, expected.scatter, rtol=1e-12, atol=1e-12 * expected.scatter.max())


@pytest.mark.parametrize("home", [as_map, as_list, as_function, as_frames, as_parquet, as_csv])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_gradients_have_the_bits_of_the_array_however_the_rows_are_cut(home, n_threads, tmp_path):
    data, theta = training_set(), np.array([1.0, -0.5, 2.0, 0.25])
    by_columns = home in (as_frames, as_parquet, as_csv)
    X = np.asfortranarray(data[0]) if by_columns else data[0]
    expected = fastgd.gradient(X, data[1], theta, intercept=True)
    for number, cuts in enumerate([[], CUTS, range(1, N), [0, 0, 7, 7, N], [N - 1], range(0, N, 20)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        source, y, _ = home(folder, *data, cuts)
        got = fastgd.gradient(source, y, theta, intercept=True, n_threads=n_threads)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_batching_gives_the_same_bits_in_any_dtype(dtype, order):
    X, y, s = training_set(weighted=True)
    X, y = np.asarray(X * 8, dtype, order=order), (y * 8).astype(dtype)
    theta, bits = np.array([1.0, -0.5, 2.0]), set()
    for cuts in ([], CUTS, range(1, N), [0, 7, 7, 190]):
        source = fastgd.from_batches([tuple(map(np.array, part)) for part in parts(X, y, s, cuts)])
        bits.add(fastgd.gradient(source, None, theta).tobytes() + fastgd.fit(source).theta.tobytes())
    assert len(bits) == 1


def test_a_wider_dtype_later_loses_no_digit():
    X, y, _ = training_set()
    X[:20] = X[:20].astype("f4")
    mixed = fastgd.from_batches(
        [(X[:13].astype("f4"), y[:13]), (X[13:17], y[13:17]), (X[17:20].astype("f4"), y[17:20]), (X[20:], y[20:])]
    )
    np.testing.assert_allclose(fastgd.gradient(mixed, None, np.ones(3)), fastgd.gradient(X, y, np.ones(3)), rtol=1e-14)


@pytest.mark.parametrize("home", CUT)
@pytest.mark.parametrize("cuts", [[0], [0, 0, 50, 50, N], range(1, N, 40), [N - 1]], ids=str)
def test_empty_and_one_row_batches_make_no_difference(home, cuts, tmp_path):
    data = training_set(weighted=True)
    X, y, s = home(tmp_path, *data, cuts)
    got = fastgd.fit(X, y, sample_weight=s)
    np.testing.assert_allclose(got.theta, fastgd.fit(*data[:2], sample_weight=data[2]).theta, rtol=1e-12)


@pytest.mark.parametrize("home", HOMES)
def test_rows_without_weight_do_not_count_and_there_may_be_one_feature(home, tmp_path):
    X, y, s = training_set(weighted=True)
    s[:160] = 0.0
    for n_features, rtol in ((K, 1e-11), (1, 1e-12)):
        folder = tmp_path / str(n_features)
        folder.mkdir()
        expected = fastgd.fit(X[160:, :n_features], y[160:], sample_weight=s[160:])
        given = home(folder, X[:, :n_features], y, s, CUTS)
        np.testing.assert_allclose(fastgd.fit(*given[:2], sample_weight=given[2]).theta, expected.theta, rtol=rtol)


@pytest.mark.parametrize("home", [as_list, as_function, as_generator, as_parquet, as_csv, as_dask_array, as_dask_frame])
def test_no_rows_at_all_are_refused(home, tmp_path):
    X, y, _s = home(tmp_path, np.empty((0, K)), np.empty(0), None, [0])
    for call in (lambda: fastgd.fit(X, y), lambda: fastgd.gradient(X, y, np.zeros(K))):
        with pytest.raises(ValueError, match=r"no rows|0 rows|been read|no .*batches"):
            call()


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("row", "column"), [(N - 1, 0), (0, 2), (120, K)])
def test_what_is_not_finite_is_refused_with_its_place_and_goes_through_to_gradients(home, value, row, column, tmp_path):
    X, y, _ = training_set()
    (y[row : row + 1] if column == K else X[row : row + 1, column])[:] = value
    data = X, y, None, CUTS
    X, y, _s = home(tmp_path, *data)
    with pytest.raises(ValueError, match=r"NaN or infinite|missing") as raised:
        fastgd.fit(X, y)
    told = str(raised.value)
    if "missing" in told:  # NaN is what CSV has for missing values
        assert home is as_csv
        assert f"row {row - max(cut for cut in [0, *CUTS] if cut <= row)}" in told
        assert f"{[*NAMES, 'y'][column]!r}" in told
    else:
        assert f"in row {row}" in told
        assert ("y in" if column == K else "X in") in told
        X, y, _s = home(tmp_path, *data)
        gradient = fastgd.gradient(X, y, np.ones(K))
        assert (np.isnan(gradient) if np.isnan(value) else ~np.isfinite(gradient)).all()
    assert "Fill" in told or "fill" in told


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, None])
def test_bad_weights_are_refused(home, bad, tmp_path):
    X, y, s = training_set(weighted=True)
    if bad is None:
        s[:] = 0.0
    else:
        s[N - 1] = bad
    X, y, s = home(tmp_path, X, y, s, CUTS)
    with pytest.raises(ValueError, match=r"weight|missing"):
        fastgd.fit(X, y, sample_weight=s)


@pytest.mark.parametrize("home", HOMES)
def test_what_is_not_finite_is_not_hidden_by_weights(home, tmp_path):
    X, y, s = training_set(weighted=True)
    s[:160], X[30, 1] = 0.0, np.inf
    X, y, s = home(tmp_path, X, y, s, CUTS)
    if home is not as_generator:
        assert np.isnan(fastgd.gradient(X, y, np.ones(K), sample_weight=s)).any()
    with pytest.raises(ValueError, match="X in row 30, column"):
        fastgd.fit(X, y, sample_weight=s)


@pytest.mark.parametrize("home", HOMES)
def test_squares_beyond_float64_are_refused(home, tmp_path):
    X, y, _ = training_set()
    X, y, _s = home(tmp_path, X * 1e160, y, None, CUTS)
    with pytest.raises(ValueError, match="exceed float64"):
        fastgd.fit(X, y, method="preconditioned")


@pytest.mark.parametrize("home", HOMES)
def test_a_constant_column_is_named_everywhere(home, tmp_path):
    X, y, _ = training_set()
    X[:, 1] = 7.0
    data = X, y
    X, y, _s = home(tmp_path, X, y, None, CUTS)
    with pytest.warns(fastgd.RankWarning, match="rank is 3 for 4 parameters"):
        got = fastgd.fit(X, y)
    with pytest.warns(fastgd.RankWarning):
        expected = fastgd.fit(*data)
    np.testing.assert_allclose(got.theta, expected.theta, rtol=1e-9)


@pytest.mark.parametrize("home", [as_list, as_function, as_parquet, as_csv])
@pytest.mark.parametrize("options", [{"y": np.ones(N)}, {"sample_weight": np.ones(N)}])
def test_target_and_weights_are_given_once(home, options, tmp_path):
    source, *_ = home(tmp_path, *training_set(), CUTS)
    with pytest.raises(TypeError, match="Leave them out"):
        fastgd.fit(source, **options)
    with pytest.raises(TypeError, match="y is missing"):
        fastgd.fit(np.ones((N, K)))
    with pytest.raises(TypeError, match="not in memory, but an array is expected"):
        fastgd.fit(fastgd.from_batches([(source, np.ones(N))]))


# Batches.


def test_a_batch_of_another_width_is_refused():
    X, y, _ = training_set()
    source = fastgd.from_batches([(X[:5], y[:5]), (X[5:9, :2], y[5:9])])
    with pytest.raises(ValueError, match="Batch 1 has 2 features, but the first had 3"):
        fastgd.fit(source)


@pytest.mark.parametrize(
    ("batch", "error", "said"),
    [
        (3, TypeError, "Batch 1 is a int, but (X, y) or (X, y, sample_weight) is expected"),
        ((1, 2, 3, 4), TypeError, "Batch 1 is a tuple of 4"),
        ((np.ones((2, 3)), np.ones(3)), ValueError, "Batch 1: X has shape (2, 3) and y has shape (3,)"),
        ((np.ones((2, 3)), ["a", "b"]), TypeError, "Batch 1: y has dtype <U1"),
        ((np.ones((2, 3)), np.ones(2), np.ones(2)), ValueError, "Batch 1 is a tuple of 3, but the first was one of 2"),
        (([[1.0], [1.0, 2.0]], np.ones(2)), ValueError, "Batch 1: X is a list that numpy cannot turn into an array"),
    ],
    ids=str,
)
def test_what_is_no_batch_is_refused(batch, error, said):
    with pytest.raises(error) as raised:
        fastgd.fit(fastgd.from_batches([(np.ones((2, 3)), np.ones(2)), batch]))
    assert said in str(raised.value)


def test_weights_of_none_are_no_weights():
    X, y, s = training_set(weighted=True)
    source = fastgd.from_batches([(X[:0], y[:0], None), (X[:100], y[:100]), (X[100:], y[100:], None)])
    assert fastgd.gradient(source, None, np.ones(K)).tobytes() == fastgd.gradient(X, y, np.ones(K)).tobytes()
    for given, told in (
        ([None, s[100:]], "of 3, but the first was one of 2"),
        ([s[:100], None], "of 2, but the first"),
    ):
        source = fastgd.from_batches([(X[:100], y[:100], given[0]), (X[100:], y[100:], given[1])])
        with pytest.raises(ValueError, match=told):
            fastgd.gradient(source, None, np.ones(K))


def test_sparse_batches_are_refused():
    sparse = pytest.importorskip("scipy.sparse", reason="for sparse matrices")
    with pytest.raises(TypeError, match="Batch 0: X is sparse"):
        fastgd.fit(fastgd.from_batches([(sparse.eye_array(3).tocsr(), np.ones(3))]))


@pytest.mark.parametrize("source", [3, np.ones((3, 3)), "file.csv", None, {"X": 1}])
def test_what_gives_no_batches_is_refused(source):
    with pytest.raises(TypeError, match="but an iterable of"):
        fastgd.from_batches(source)
    with pytest.raises(TypeError, match="but an iterable of"):
        fastgd.fit(fastgd.from_batches(lambda: 3))


def test_columns_of_frames_are_found_by_their_names():
    pandas = pytest.importorskip("pandas", reason="for data frames")
    X, y, _ = training_set()
    first, second = pandas.DataFrame(X[:90], columns=NAMES), pandas.DataFrame(X[90:], columns=NAMES)[["c", "a", "b"]]
    result = fastgd.fit(fastgd.from_batches([(first, y[:90]), (second, y[90:])]))
    assert result.feature_names == NAMES
    np.testing.assert_allclose(result.theta, fastgd.fit(X, y).theta, rtol=1e-12)
    with pytest.raises(ValueError, match="Batch 1: X has no column 'b'"):
        fastgd.fit(fastgd.from_batches([(first, y[:90]), (second.drop(columns="b"), y[90:])]))


def test_a_function_is_called_once_for_each_pass():
    X, y, _ = training_set()
    n_calls = 0

    def batches():
        nonlocal n_calls
        n_calls += 1
        yield from parts(X, y, None, CUTS)

    result = fastgd.fit(fastgd.from_batches(batches))
    assert n_calls == result.n_passes == 2


def test_a_generator_serves_one_pass():
    X, y, _ = training_set()
    source = fastgd.from_batches(iter(parts(X, y, None, CUTS)))
    with pytest.raises(ValueError, match="can be read once only"):
        fastgd.fit(source, method="gd", precompute=False)
    result = fastgd.fit(source, method="gd", learning_rate=1e-4, max_iter=1, tol=0)  # which has lost nothing by that
    assert "could be read once only, so the result is not verified" in result.message
    assert (result.n_passes, result.verified) == (1, False)
    for call in (lambda: fastgd.fit(source), lambda: fastgd.cost(source, None, np.zeros(3))):
        with pytest.raises(ValueError, match="gives them once, and have been read"):
            call()


@pytest.mark.parametrize("n_left", [2, 0])
def test_rows_that_come_and_go_are_noticed(n_left):
    X, y, _ = training_set()
    batches = parts(X, y, None, CUTS)
    passes = iter([batches, batches[:n_left]])
    with pytest.raises(ValueError, match=f"gave 203 of them in the first pass and {75 * n_left} in another"):
        fastgd.fit(fastgd.from_batches(lambda: next(passes)))


def test_what_a_generator_raises_is_raised():
    def batches():
        yield np.ones((3, 2)), np.ones(3)
        raise ConnectionError("the data base is gone")

    with pytest.raises(ConnectionError, match="the data base is gone"):
        fastgd.fit(fastgd.from_batches(batches))


def test_columns_that_drift_have_their_means_and_spreads():
    X, y, s = training_set(weighted=True)
    X += np.linspace(0, 1000, N)[:, np.newaxis] ** 2
    source = fastgd.from_batches(parts(X, y, s, CUTS)).rows(None)
    mean, std = columns_of(source)
    Z = np.column_stack((X, y))
    np.testing.assert_allclose(mean, np.average(Z, axis=0, weights=s), rtol=1e-13)
    np.testing.assert_allclose(std, np.sqrt(np.average((Z - mean) ** 2, axis=0, weights=s)), rtol=1e-12)
    moments = moments_of(source)
    np.testing.assert_allclose(moments.scatter, (Z - mean).T * s @ (Z - mean), rtol=1e-9, atol=1e-9)
    assert source.n_passes == 2


def test_chunks_are_cut_alike(monkeypatch):
    rows = np.arange(1000)
    for sizes in ([1000], [1] * 1000, [0, 999, 1], [333, 0, 667], [59, 61, 880]):
        edges = np.cumsum([0, *sizes])
        batches = ((rows[a:b, np.newaxis], rows[a:b], None) for a, b in pairwise(edges))
        chunks = [(chunk.X.copy(), chunk.y.copy()) for chunk in recut(batches, 1)]
        assert {len(y) for _, y in chunks[:-1]} == {chunk_rows(1, False, 100)}
        np.testing.assert_array_equal(np.concatenate([y for _, y in chunks]), rows)
        np.testing.assert_array_equal(np.concatenate([x for x, _ in chunks]).ravel(), rows)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("by_columns", [False, True])
def test_a_chunk_is_part_of_a_batch_or_a_copy_that_lies_as_the_first_did(dtype, by_columns):
    n_rows = chunk_rows(4, by_columns, 100)
    X = np.ones((3 * n_rows, 4), dtype, order="F" if by_columns else "C")
    for sizes, in_place in (([3 * n_rows], [True] * 3), ([2 * n_rows - 1, n_rows + 1], [True, False, True])):
        edges = np.cumsum([0, *sizes])
        chunks = recut((Part(X[a:b], np.ones(b - a), None) for a, b in pairwise(edges)), 4)
        for chunk, shares in zip(chunks, in_place, strict=True):
            assert (len(chunk.y), chunk.X.dtype) == (n_rows, dtype)
            assert np.shares_memory(chunk.X, X) is shares
            assert chunk.X.flags.f_contiguous is (by_columns and not shares)
            assert abs(chunk.X.strides[0]) == (X.itemsize if by_columns else 4 * X.itemsize)


def test_nothing_is_known_of_parts_before_the_first_pass():
    rows = fastgd.from_batches([(np.ones((3, 1)), np.ones(3))]).rows(1)
    assert (rows.n_samples, rows.total_weight, rows.n_passes, rows.n_dropped) == (0, 0.0, 0, 0)
    rows.gradient(np.ones(1))
    assert (rows.n_samples, rows.total_weight, rows.n_passes, rows.n_dropped) == (3, 3.0, 1, 0)


# Memory maps.


def test_small_maps_are_copied_and_large_ones_are_not(tmp_path, monkeypatch):
    X, y, s = as_map(tmp_path, *training_set(weighted=True), [])
    expected = fastgd.fit(*training_set()[:2], sample_weight=training_set(True)[2]).theta
    for n_values in (0, 1 << 20):
        monkeypatch.setattr(tuning, "COPIED_VALUES", n_values)
        for x in (X, np.asarray(X), X[:], X[::-1][::-1]):
            np.testing.assert_allclose(fastgd.fit(x, np.asarray(y), sample_weight=s).theta, expected, rtol=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("which", ["X", "y", "s"])
def test_a_map_whose_file_was_cut_is_an_error(which, mode, order, tmp_path):
    arrays = dict(zip("Xys", training_set(weighted=True), strict=True))
    arrays["X"] = np.asarray(arrays["X"], order=order)
    path = tmp_path / "file.npy"
    np.save(path, arrays[which])
    arrays[which] = np.load(path, mmap_mode=mode)
    views = {name: np.asarray(array)[1:][::-1][::-1] for name, array in arrays.items()}
    os.truncate(path, path.stat().st_size - 8)
    for call in (
        lambda: fastgd.fit(arrays["X"], arrays["y"], sample_weight=arrays["s"]),
        lambda: fastgd.gradient(arrays["X"], arrays["y"], np.zeros(3), sample_weight=arrays["s"]),
        lambda: fastgd.gradient(views["X"], views["y"], np.zeros(3), sample_weight=views["s"]),
        lambda: fastgd.Moments.from_rows(arrays["X"], arrays["y"], arrays["s"]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"is mapped into memory up to byte \d+, but ends at byte \d+: it was cut"):
            call()


def test_a_map_of_the_end_of_a_file(tmp_path):
    X, y, _ = training_set()
    (tmp_path / "X").write_bytes(b"x" * 10_000 + X.tobytes())
    mapped_X = np.memmap(tmp_path / "X", np.float64, "r", 10_000, X.shape)
    np.testing.assert_allclose(fastgd.fit(mapped_X, y).theta, fastgd.fit(X, y).theta, rtol=1e-12)
    os.truncate(tmp_path / "X", 10_000 + X.nbytes - 8)
    with pytest.raises(ValueError, match="it was cut"):
        fastgd.fit(mapped_X, y)


def test_a_map_that_is_cut_between_passes_is_an_error(tmp_path):
    X, y, _ = as_map(tmp_path, *training_set(), [])

    def cut(state):
        os.truncate(tmp_path / "X.npy", 1000)

    with pytest.raises(ValueError, match="it was cut"):
        fastgd.fit(X, y, method="gd", learning_rate=1e-4, precompute=False, callback=cut)


def test_a_map_of_a_file_that_is_gone_is_read(tmp_path):
    X, y, _ = as_map(tmp_path, *training_set(), [])
    os.unlink(tmp_path / "X.npy")
    np.testing.assert_allclose(fastgd.fit(X, y).theta, fastgd.fit(*training_set()[:2]).theta, rtol=1e-12)


def test_what_is_not_mapped_has_no_file(tmp_path):
    X, *_ = as_map(tmp_path, *training_set(), [])
    for array in (X, X[3:], X.T, np.asarray(X), X.reshape(-1)[5:]):
        assert maps.mapped_file(array).n_bytes == os.stat(tmp_path / "X.npy").st_size
    for array in (np.ones(3), X.copy(), np.frombuffer(b"12345678"), np.ones((3, 3))[1:, 1:]):
        assert maps.mapped_file(array) is None


def test_batches_that_are_maps(tmp_path):
    X, y, _ = as_map(tmp_path, *training_set(), [])
    source = fastgd.from_batches([(X[:100], y[:100]), (X[100:], y[100:])])
    np.testing.assert_allclose(fastgd.fit(source).theta, fastgd.fit(*training_set()[:2]).theta, rtol=1e-12)


# Files.


def test_parquet_reads_what_is_asked_for(tmp_path, pa, parquet):
    X, y, s = training_set(weighted=True)
    table = pa.table(
        {
            "text": ["x"] * N,
            "y": y,
            "b": X[:, 1],
            "a": X[:, 0].astype("f4"),
            "n": np.arange(N),
            "t": X[:, 2] > -2,
            "s": s,
        }
    )
    parquet.write_table(table, tmp_path / "data.parquet")
    with pytest.raises(TypeError, match=r"Column 'text' of .*data.parquet is of type string"):
        fastgd.scan_parquet(tmp_path / "data.parquet", target="y")
    source = fastgd.scan_parquet(
        tmp_path / "data.parquet", target="y", features=["a", "t", "n", "b"], sample_weight="s"
    )
    assert (source.n_features, source.feature_names) == (4, ["a", "t", "n", "b"])
    result = fastgd.fit(source)
    columns = np.column_stack((X[:, 0].astype("f4"), X[:, 2] > -2, np.arange(N), X[:, 1]))
    np.testing.assert_allclose(result.theta, fastgd.fit(columns, y, sample_weight=s).theta, rtol=1e-11)
    assert result.feature_names == ["a", "t", "n", "b"]
    assert repr(source) == "ParquetScan(1 file, 4 features, target='y')"


def test_float32_columns_stay_float32(tmp_path):
    X, y, _ = training_set()
    source, *_ = as_parquet(tmp_path, X.astype("f4"), y, None, CUTS)
    expected = fastgd.gradient(np.asfortranarray(X.astype("f4")), y, np.ones(3))
    np.testing.assert_array_equal(fastgd.gradient(source, None, np.ones(3)), expected)


def test_a_file_of_other_dtypes_loses_no_digit(tmp_path):
    X, y, _ = training_set()
    for name in ("narrow", "wide"):
        (tmp_path / name).mkdir()
    as_parquet(tmp_path / "wide", X[:90], y[:90], None, [])
    as_parquet(tmp_path / "narrow", X[90:].astype("f4"), y[90:], None, [])
    source = fastgd.scan_parquet([tmp_path / "wide", tmp_path / "narrow"], target="y")
    X[90:] = X[90:].astype("f4")
    np.testing.assert_allclose(fastgd.gradient(source, None, np.ones(3)), fastgd.gradient(X, y, np.ones(3)), rtol=1e-14)


@pytest.mark.parametrize("scan", ["parquet", "csv"])
def test_files_are_found(scan, tmp_path, monkeypatch):
    data = training_set()
    {"parquet": as_parquet, "csv": as_csv}[scan](tmp_path, *data, CUTS)
    take = {"parquet": fastgd.scan_parquet, "csv": fastgd.scan_csv}[scan]
    expected, files = fastgd.fit(*data[:2]).theta, sorted(tmp_path.glob(f"*.{scan}"))
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path, str(tmp_path), ".", f"*.{scan}", f"**/*.{scan}", files, [str(file) for file in files]):
        np.testing.assert_allclose(fastgd.fit(take(path, target="y")).theta, expected, rtol=1e-12)
    os.rename(files[0], tmp_path / f"[a]*.{scan}")  # a name that looks like a pattern
    assert fastgd.Moments.from_rows(take(tmp_path / f"[a]*.{scan}", target="y")).n_samples == 100
    (tmp_path / "[folder]").mkdir()
    os.rename(files[1], tmp_path / "[folder]" / files[1].name)
    assert fastgd.Moments.from_rows(take(tmp_path / "[folder]", target="y")).n_samples == 50
    for path, said in (
        ("none*", "There is no file none"),
        (tmp_path / "none", "There is no file"),
        ([], "An empty list"),
    ):
        with pytest.raises(FileNotFoundError, match=said):
            take(path, target="y")
    with pytest.raises(TypeError, match="path=3 was given, but a file, a folder"):
        take(3, target="y")
    for path in (str(tmp_path), tmp_path):
        with pytest.raises(TypeError, match=r"a path, but rows are expected\. Give fastgd"):
            fastgd.fit(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="in the folder"):
        take(tmp_path / "empty", target="y")


@pytest.mark.parametrize(("home", "scan"), [(as_parquet, fastgd.scan_parquet), (as_csv, fastgd.scan_csv)])
def test_a_file_given_twice_counts_twice(home, scan, tmp_path):
    X, y, _ = training_set()
    home(tmp_path, X, y, None, CUTS)
    first, *others = sorted(tmp_path.iterdir())
    twice = fastgd.Moments.from_rows(scan([first, *others, first], target="y"))
    n = CUTS[0]
    expected = fastgd.Moments.from_rows(np.concatenate((X, X[:n])), np.append(y, y[:n]))
    assert twice.n_samples == len(y) + n
    np.testing.assert_allclose(twice.scatter, expected.scatter, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("scan", [fastgd.scan_parquet, fastgd.scan_csv])
def test_columns_that_some_files_lack_are_left_out_and_it_is_said(scan, tmp_path, pa, parquet):
    def write(name, **columns):
        if scan is fastgd.scan_parquet:
            parquet.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        else:
            rows = [",".join(map(repr, row)) for row in zip(*columns.values(), strict=True)]
            (tmp_path / f"{name}.csv").write_text("\n".join([",".join(columns), *rows, ""]))

    values = [1.0, 2.0, 4.0]
    write("1", a=values, y=[2.0, 3.0, 5.0])
    write("2", a=values, b=values, c=values, y=[2.0, 3.0, 5.0])
    result = fastgd.fit(scan(tmp_path, target="y"))
    assert result.feature_names == ["a"]
    assert "'b', 'c': not in " in result.message
    assert "not in" not in fastgd.fit(scan(tmp_path, target="y", features=["a"])).message
    if scan is fastgd.scan_parquet:  # whose files tell how many rows they have: one without any does not count
        write("0", a=pa.array([], pa.float64()), z=pa.array([], pa.float64()))
        assert fastgd.fit(scan(tmp_path, target="y")).feature_names == ["a"]


def test_folders_are_expanded_and_what_their_names_say_is_told(tmp_path, pa, parquet):
    table = pa.table({"a": [1.0, 2.0, 4.0], "y": [2.0, 3.0, 5.0]})
    for part in ("jan.parquet/0.parquet", "feb.parquet/0.parquet", "mar.parquet"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        parquet.write_table(table, tmp_path / part)
    for path in (tmp_path, tmp_path / "*.parquet"):
        assert fastgd.Moments.from_rows(fastgd.scan_parquet(path, target="y")).n_samples == 9
    (tmp_path / "by" / "year=2024" / "k=1").mkdir(parents=True)
    parquet.write_table(table, tmp_path / "by" / "year=2024" / "k=1" / "0.parquet")
    message = fastgd.fit(fastgd.scan_parquet(tmp_path / "by", target="y")).message
    assert "'k', 'year': what the names of folders say is not read." in message


@pytest.mark.parametrize("home", [as_parquet, as_csv])
@pytest.mark.parametrize("change", ["vanishes", "changes", "is another one of its size and time"])
def test_a_file_that_changes_is_an_error(home, change, tmp_path):
    source, *_ = home(tmp_path, *training_set(), CUTS)
    last = max(tmp_path.iterdir())

    def act(state):
        if change == "vanishes":
            last.unlink()
        elif change.startswith("is another"):
            shutil.copy2(last, tmp_path / "copy")
            os.replace(tmp_path / "copy", last)
        else:
            last.write_bytes(last.read_bytes() + b"\n")

    expected = (FileNotFoundError, "is not there") if change == "vanishes" else (ValueError, "was changed since")
    with pytest.raises(expected[0], match=expected[1]):
        fastgd.fit(source, method="gd", learning_rate=1e-4, precompute=False, callback=act)
    with pytest.raises(expected[0], match=expected[1]):
        fastgd.cost(source, None, np.zeros(3))


@pytest.mark.parametrize("home", [as_parquet, as_csv])
@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"target": "z"}, ValueError, "has no column 'z'. It has 'a', 'b', 'c', 'y'"),
        ({"features": ["a", "z"]}, ValueError, "has no column 'z'"),
        ({"features": ["a", "a"]}, ValueError, "The column 'a' was asked for twice"),
        ({"features": ["y"]}, ValueError, "The column 'y' was asked for twice"),
        ({"features": "ab"}, TypeError, "but a list of names is expected"),
        ({"features": []}, ValueError, "no features"),
        ({"sample_weight": "z"}, ValueError, "has no column 'z'"),
    ],
    ids=str,
)
def test_columns_that_are_not_there(home, options, error, said, tmp_path):
    home(tmp_path, *training_set(), CUTS)
    scan = fastgd.scan_parquet if home is as_parquet else fastgd.scan_csv
    with pytest.raises(error) as raised:
        scan(tmp_path, **({"target": "y"} | options))
    assert said in str(raised.value)


@pytest.mark.parametrize("home", [as_parquet, as_csv])
def test_a_file_of_other_columns(home, tmp_path):
    data = training_set()
    home(tmp_path, *data, CUTS)
    (tmp_path / "one").mkdir()
    home(tmp_path / "one", data[0][:, :2], data[1], None, [])
    scan = fastgd.scan_parquet if home is as_parquet else fastgd.scan_csv
    with pytest.raises(ValueError, match=r"one.* has no column 'c'"):
        scan([tmp_path, tmp_path / "one"], target="y", features=NAMES)
    assert scan([tmp_path, tmp_path / "one"], target="y", features=["b", "a"]).n_features == 2


@pytest.mark.parametrize("home", [as_parquet, as_csv])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_missing_values_are_refused_or_left_out(home, n_threads, tmp_path, pa):
    X, y, s = training_set(weighted=True)
    gone = [3, 4, 110, 149, 202]
    columns = {name: list(values) for name, values in zip([*NAMES, "y", "s"], [*X.T, y, s], strict=True)}
    for row, name in zip(gone, ["a", "b", "c", "s", "y"], strict=True):
        columns[name][row] = None
    table = pa.table(columns)
    edges = [0, *CUTS, N]
    if home is as_parquet:
        parquet = pytest.importorskip("pyarrow.parquet")
        for i, (a, b) in enumerate(pairwise(edges)):
            parquet.write_table(table.slice(a, b - a), tmp_path / f"{i}.parquet", row_group_size=17)
        scan = fastgd.scan_parquet
    else:
        csv = pytest.importorskip("pyarrow.csv")
        for i, (a, b) in enumerate(pairwise(edges)):
            csv.write_csv(table.slice(a, b - a), tmp_path / f"{i}.csv")
        scan = fastgd.scan_csv
    with pytest.raises(ValueError, match=r"Column 'a' of .*0\.(csv|parquet) has a missing value in row 3"):
        fastgd.fit(scan(tmp_path, target="y", sample_weight="s"), n_threads=1)
    result = fastgd.fit(scan(tmp_path, target="y", sample_weight="s", drop_missing=True), n_threads=n_threads)
    keep = np.setdiff1d(np.arange(N), gone)
    np.testing.assert_allclose(result.theta, fastgd.fit(X[keep], y[keep], sample_weight=s[keep]).theta, rtol=1e-12)
    assert "5 rows with missing values left out" in result.message
    everywhere = scan(tmp_path, target="y", features=["a"], drop_missing=True)
    assert fastgd.Moments.from_rows(everywhere).n_samples == N - 2


def test_whole_numbers_beside_missing_ones_are_rounded_as_numpy_does(pa):
    values, missing = parquet_columns.numbers_of(pa.array([2**60 + 1, None, 3]))
    assert values[[0, 2]].tolist() == [2.0**60, 3.0]
    assert missing.tolist() == [False, True, False]


@pytest.mark.parametrize("chunk", [1 << 20, 16])  # all of some row groups at a time, or some rows of one
def test_a_missing_value_is_found_in_its_row_group(chunk, tmp_path, monkeypatch, pa, parquet):
    monkeypatch.setattr("fastgd.rows.parquet_rows.chunk_rows", lambda *_: chunk)
    a = [*range(77), None, *range(22)]
    parquet.write_table(pa.table({"a": a, "y": [1.0] * 100}), tmp_path / "a.parquet", row_group_size=50)
    with pytest.raises(ValueError, match=r"Column 'a' of .*a.parquet has a missing value in row 27 of row group 1 "):
        fastgd.fit(fastgd.scan_parquet(tmp_path, target="y"))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_small_row_groups_are_read_together_from_a_file_that_is_opened_once(
    n_threads, tmp_path, monkeypatch, pa, parquet
):
    monkeypatch.setattr(tuning, "PARQUET_VALUES", 100 * K)
    X, y, s = training_set(weighted=True)
    for i, (a, b) in enumerate(((0, 40), (40, 41), (41, N))):
        columns = dict(zip([*NAMES, "y", "s"], [*map(np.array, X[a:b].T), y[a:b], s[a:b]], strict=True))
        parquet.write_table(pa.table(columns), tmp_path / f"{i}.parquet", row_group_size=2)
    opened, decoded, make = [], [], parquet.ParquetFile

    class Watched(make):
        def __init__(self, path, **options):
            super().__init__(path, **options)
            opened.append(self)

        def iter_batches(self, *arguments, row_groups, **options):
            decoded.append(row_groups)
            return super().iter_batches(*arguments, row_groups=row_groups, **options)

    source = fastgd.scan_parquet(tmp_path, target="y", sample_weight="s")
    monkeypatch.setattr(parquet, "ParquetFile", Watched)
    got = fastgd.gradient(source, None, np.ones(K), n_threads=n_threads)
    np.testing.assert_array_equal(got, fastgd.gradient(np.asfortranarray(X), y, np.ones(K), sample_weight=s))
    assert 3 <= len(opened) <= 3 * n_threads
    assert all(file.closed for file in opened)
    assert sum(map(len, decoded)) == 20 + 1 + 81
    largest = chunk_rows(K, True, 100 * K) // 8 // 2
    assert largest > 1
    assert {len(numbers) for numbers in decoded} >= {1, largest}
    assert max(map(len, decoded)) == largest


def test_files_without_a_whole_row(tmp_path, pa, parquet):
    parquet.write_table(pa.table({"a": [None, 1.0] * 100, "y": [1.0, float("nan")] * 100}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="no rows"):
        fastgd.fit(fastgd.scan_parquet(tmp_path, target="y", drop_missing=True))


def test_what_is_no_parquet_file(tmp_path, pa):
    (tmp_path / "a.parquet").write_text("PAR0")
    with pytest.raises(ValueError, match=r"a.parquet is no Parquet file"):
        fastgd.scan_parquet(tmp_path / "a.parquet", target="y")


def test_a_damaged_parquet_file_is_an_error(tmp_path):
    source, *_ = as_parquet(tmp_path, *training_set(), [])
    (file,) = tmp_path.iterdir()
    content, stat = bytearray(file.read_bytes()), file.stat()
    content[4:2000] = b"\xff" * 1996
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as if nothing had happened
    with pytest.raises((ValueError, OSError)):
        fastgd.fit(source)


MISSING = "Column 'a' of .* has a missing value in row 1"
NO_END = r"a\.csv after row 0: a row has more than 64 bytes, or a quote is not closed\. Correct"


@pytest.mark.parametrize(
    ("text", "said", "block", "options"),
    [
        *(
            (text, said, 1 << 22, {})
            for text, said in [
                ("a,y\n1,2\n3,x\n", "column 'y'"),
                ("a,y\n1,2\n3\n", "columns"),
                ("a,y\n1,2\n,3\n", MISSING),
                *(
                    (f"a,y\n1,2\n{cell},3\n", MISSING)
                    for cell in ("NA", "None", "#N/A", "n/a", "<NA>", "#N/A N/A", "-nan", "-1.#IND", '"#NA"')
                ),
                ("a,y\n", "no rows"),
                # Files without a whole header.
                ('"a\n,y\n1,2\n', "is no header"),
                ("", "a.csv is empty, but a header line and rows are expected"),
                ("\ufeff", "a.csv is empty"),
                ("\n\r\n\n", "a.csv is empty"),
                ("a,y,\n1,2,\n3,4,\n", r"a.csv, line 1: column 3 has no name\. Name it, or delete the column"),
                ("\n\na,y,\n1,2,\n", "a.csv, line 3: column 3 has no name"),
                ("a,y\n1,2,\n3,4,\n", "Expected 2 columns, got 3"),
                ("gr\udcf6sse,y\n1,2\n", "is no header of a CSV file"),
            ]
        ),
        # A quote that is not closed swallows no rows.
        *(
            (text, r"a\.csv", block, {"features": ["a"], "drop_missing": True})
            for block in (64, 1 << 22)
            for text in [
                'a,y,t\n1,2,"x\n3,4,z\n5,6,z\n',
                't,a,y\n"x",1,2\n"x,3,4\nz,5,6\n',
                'a,y,t\n1,2,x\n3,4,"',
                'a,y,t\n1,2,x\n,,"z\n3,4,z',
            ]
        ),
        ('a,y,t\n1,2,"x\n' + "3,4,z\n" * 50, NO_END, 64, {"features": ["a"]}),
        ("a,y,t\n1,2," + "x" * 300 + "\n3,4,z\n", NO_END, 64, {"features": ["a"]}),
    ],
    ids=repr,
)
def test_bad_csv(text, said, block, options, tmp_path, monkeypatch, pa):
    monkeypatch.setattr(tuning, "CSV_BLOCK_BYTES", block)
    (tmp_path / "a.csv").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=said):
        fastgd.fit(fastgd.scan_csv(tmp_path, target="y", **options))


@pytest.mark.parametrize("scan", ["parquet", "csv"])
@pytest.mark.parametrize("names", ["aay", "ayy"])
def test_columns_of_one_name_are_refused(scan, names, tmp_path, pa, parquet):
    path = tmp_path / f"data.{scan}"
    if scan == "parquet":
        parquet.write_table(pa.Table.from_arrays([pa.array([1.0, 2.0])] * 3, names=list(names)), path)
    else:
        path.write_text(f"{','.join(names)}\n1,1,1\n2,2,2\n")
    take = {"parquet": fastgd.scan_parquet, "csv": fastgd.scan_csv}[scan]
    with pytest.raises(ValueError, match=r"Rename one"):
        take(path, target="y")
    with pytest.raises(ValueError, match=rf"has more than one column '{names[1]}'\. Rename one, or choose"):
        take(path, target="y", features=["a"])


@pytest.mark.parametrize("block", [64, 1 << 22])
def test_lines_within_quotes_and_empty_ones(block, tmp_path, monkeypatch, pa):
    monkeypatch.setattr(tuning, "CSV_BLOCK_BYTES", block)
    X, y, _ = training_set()
    rows = [
        f'"{i}\n\n,""x""\r\n",{a!r},{b!r}\n' for i, (a, b) in enumerate(zip(X[:, 0].tolist(), y.tolist(), strict=True))
    ]
    for start in ("", "\ufeff", "\n\r\n\n", "\ufeff\n"):
        (tmp_path / "a.csv").write_bytes((start + '"t\nu",a ,"y"\n' + "\n".join(rows)).encode())
        result = fastgd.fit(fastgd.scan_csv(tmp_path, target="y", features=["a"]))
        np.testing.assert_allclose(result.theta, fastgd.fit(X[:, 0], y).theta, rtol=1e-12)


def test_a_file_goes_on_in_another():  # as pyarrow reads them, in a thread of its own
    joined = _Joined(io.BytesIO(b"abcde"), io.BytesIO(b""), io.BytesIO(b"fg"))
    assert joined.readable()
    assert [joined.read(3) for _ in range(5)] == [b"abc", b"de", b"fg", b"", b""]
    assert _Joined(io.BytesIO(b"abcde"), io.BytesIO(b"fg")).read() == b"abcde"


@pytest.mark.parametrize("text", ["a,y,t\n1,2,ä\n3,4,ö\n", "a,y,\n1,2,\n3,4,\n"])
def test_what_nobody_asks_for_need_not_be_utf8_nor_have_a_name(text, tmp_path, pa):
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    assert fastgd.fit(fastgd.scan_csv(tmp_path, target="y", features=["a"])).coef.round(9) == 1.0


def test_a_column_without_values_in_one_of_several_files(tmp_path, pa, parquet):
    X, y, _ = training_set()
    single = pa.array(X[:, 0].astype("f4"))
    parquet.write_table(pa.table({"a": single, "y": y}), tmp_path / "1.parquet")
    for name, kind in (
        ("0", pa.null()),
        ("2", pa.string()),
    ):  # an empty frame's, whose columns are of no type, or of any
        empty = pa.array([], kind)
        parquet.write_table(pa.table({"a": empty, "y": empty}), tmp_path / f"{name}.parquet")
    expected = fastgd.gradient(np.asfortranarray(X[:, :1].astype("f4")), y, [1.0])
    np.testing.assert_array_equal(fastgd.gradient(fastgd.scan_parquet(tmp_path, target="y"), None, [1.0]), expected)
    parquet.write_table(pa.table({"a": pa.nulls(3), "y": [1.0, 2.0, 3.0]}), tmp_path / "3.parquet")
    with pytest.raises(ValueError, match=r"Column 'a' of .*3.parquet has a missing value in row 0 of row group 0"):
        fastgd.fit(fastgd.scan_parquet(tmp_path, target="y"))
    source = fastgd.scan_parquet(tmp_path, target="y", drop_missing=True)
    np.testing.assert_allclose(fastgd.gradient(source, None, [1.0]), expected, rtol=1e-14)
    assert "3 rows with missing values left out" in fastgd.fit(source).message
    parquet.write_table(pa.table({"a": pa.nulls(3, pa.string()), "y": [1.0, 2.0, 3.0]}), tmp_path / "3.parquet")
    with pytest.raises(TypeError, match=r"Column .a. of .*3.parquet is of type string"):
        fastgd.scan_parquet(tmp_path, target="y", drop_missing=True)
    for name in "13":
        (tmp_path / f"{name}.parquet").unlink()
    with pytest.raises(ValueError, match="no rows"):
        fastgd.fit(fastgd.scan_parquet(tmp_path, target="y"))


def test_without_pyarrow(monkeypatch, tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n1,2\n")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    for scan in (fastgd.scan_csv, fastgd.scan_parquet):
        with pytest.raises(ImportError, match=r"pip install 'fastgd\[parquet\]'"):
            scan(tmp_path / "a.csv", target="y")


@pytest.mark.parametrize("home", [as_parquet, as_csv, as_map, as_list])
def test_each_pass_can_be_watched(home, tmp_path, monkeypatch, capsys):
    pytest.importorskip("tqdm", reason="for the bar")
    monkeypatch.setattr("fastgd.fitting.progress._DELAY", 0.0)
    X, y, _s = home(tmp_path, *training_set(), CUTS)
    fastgd.fit(X, y, progress=True)
    told = capsys.readouterr().err
    assert "pass 1" in told
    assert "pass 2" in told
    fastgd.fit(*home(tmp_path, *training_set(), CUTS)[:2])
    assert capsys.readouterr().err == ""


# Checkpoints.


@pytest.mark.parametrize("home", [as_parquet, as_function, as_map])
def test_a_fit_goes_on_where_it_was_left(home, tmp_path):
    data = training_set()
    X, y, _ = home(tmp_path, *data, CUTS)
    options = {"method": "gd", "learning_rate": 1e-3, "tol": 0, "precompute": False}
    states = []

    def save(state):
        states.append(state)
        np.save(tmp_path / "theta.npy", state.theta)
        return state.n_iter == 6

    fastgd.fit(X, y, max_iter=10, callback=save, **options)
    assert [state.n_iter for state in states] == [1, 2, 3, 4, 5, 6]
    resumed = fastgd.fit(X, y, max_iter=4, theta0=np.load(tmp_path / "theta.npy"), **options)
    np.testing.assert_array_equal(resumed.theta, fastgd.fit(X, y, max_iter=10, **options).theta)


def test_moments_of_parts_are_those_of_the_whole(tmp_path):
    data = training_set(weighted=True)
    as_parquet(tmp_path, *data, CUTS)
    for file in sorted(tmp_path.glob("*.parquet")):
        source = fastgd.scan_parquet(file, target="y", sample_weight="s")
        fastgd.Moments.from_rows(source).save(tmp_path / f"{file.name}.npz")
    total = sum(fastgd.Moments.load(file) for file in tmp_path.glob("*.npz"))
    assert total.n_samples == N
    np.testing.assert_allclose(
        fastgd.fit(total).theta, fastgd.fit(data[0], data[1], sample_weight=data[2]).theta, rtol=1e-10
    )


def test_batches_say_what_they_are_made_of():
    assert repr(fastgd.from_batches([])) == "from_batches([])"


def test_a_row_group_is_decoded_on_several_threads_where_there_are_few(tmp_path, monkeypatch, pa, parquet):
    decode, asked = parquet.ParquetFile.iter_batches, set()

    def watched(*arguments, use_threads, **options):
        asked.add(use_threads)
        return decode(*arguments, use_threads=use_threads, **options)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", watched)
    table = pa.table({"a": np.arange(60.0), "y": np.ones(60)})
    for n_groups, n_threads, several in ((1, 1, False), (1, 2, True), (3, 2, True), (4, 2, False), (5, 2, False)):
        parquet.write_table(table, tmp_path / "a.parquet", row_group_size=60 // n_groups)
        asked.clear()
        fastgd.gradient(fastgd.scan_parquet(tmp_path / "a.parquet", target="y"), None, [1.0], n_threads=n_threads)
        assert asked == {several}


@pytest.mark.parametrize("home", [as_parquet, as_function, as_map])
def test_a_pass_tells_what_it_is_through_with(home, tmp_path):
    events = []

    class Watch:
        def begin(self, number, n_parts, unit):
            events.append((number, n_parts, unit))

        def update(self, n_parts):
            events.append(n_parts)

        def end(self):
            events.append("end")

    X, y, _ = home(tmp_path, *training_set(), CUTS)
    rows = X.rows(2) if y is None else rows_of(X, y)
    rows.report_to(Watch())
    n_parts, n_expected, unit = N, N if home is as_map else None, "row"
    if home is as_parquet:
        n_parts = n_expected = sum(-(-len(part) // 50) for part in np.split(np.arange(N), CUTS))
        unit = "row group"
    for number in (1, 2):
        rows.gradient(np.zeros(rows.n_features))
        begin, *updates, end = events
        assert begin == (number, n_expected, unit)
        assert len(updates) > 1
        assert sum(updates) == n_parts
        assert end == "end"
        events.clear()


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ([0.5, 0.0, -1.0, np.nan], "-1.0"),
        ([0.5, np.nan, 1.0, -1.0], "nan"),
        ([1.0, np.inf], "inf"),
        ([1e308] * 3, "inf"),
    ],
)
def test_the_first_weight_that_is_none_is_told(weights, told):
    part = Part(np.ones((len(weights), 1)), np.ones(len(weights)), np.array(weights))
    with pytest.raises(ValueError, match=f"^A sample weight is {told}, but finite weights >= 0 are expected"):
        summarise(part, lambda rows: rows.gradient(np.ones(1)), 1)


def test_a_pass_over_files_works_in_as_much_memory_as_is_in_use_at_a_time(tmp_path, monkeypatch):
    source, *_ = as_parquet(tmp_path, *training_set(), CUTS)
    made, make = [], parquet_rows._Chunk
    monkeypatch.setattr(parquet_rows, "_Chunk", lambda *arguments: made.append(0) or make(*arguments))
    many, open_chunks = [], parquet_rows._Chunks
    monkeypatch.setattr(parquet_rows, "_Chunks", lambda *arguments: many.append(open_chunks(*arguments)) or many[-1])
    rows = source.rows(1)
    rows.gradient(np.zeros(K))
    assert N / chunk_rows(K, True, 100) > 4
    assert len(made) == 1
    (chunks,) = many
    assert not chunks._open
    assert not chunks._to_come


@pytest.mark.parametrize("by_columns", [False, True])
def test_a_chunk_is_a_block_or_as_many_as_a_power_of_two_and_fit(by_columns):
    for n_features in (1, 3, 40, 3000):
        block = dense(n_features, by_columns).block_rows(n_features)
        assert chunk_rows(n_features, by_columns, 1) == chunk_rows(n_features, by_columns, block * n_features) == block
        for n_values in (3 * block * n_features, 1000 * block * n_features):
            n_blocks, rest = divmod(chunk_rows(n_features, by_columns, n_values), block)
            assert rest == 0
            assert n_blocks.bit_count() == 1
            assert n_blocks * block * n_features <= n_values < 2 * n_blocks * block * n_features


@pytest.mark.parametrize("missing", [False, True])
def test_decimals_of_parquet_are_the_nearest_floats(tmp_path, missing, pa, parquet):
    from decimal import Decimal

    from fastgd.inputs.files import read_table

    rng = np.random.default_rng(0)
    cents = rng.integers(-(10**6), 10**6, (3, 400))
    x, z, y = (pa.array([Decimal(int(c)).scaleb(-2) for c in column], pa.decimal128(20, 2)) for column in cents)
    x = pa.concat_arrays([x.slice(0, 399), pa.array([None], x.type)]) if missing else x
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"x": x, "z": z.cast(pa.decimal256(40, 2)), "y": y}), path)
    X, y = (cents[:2] / 100).T, cents[2] / 100  # the nearest, as are divisions
    if missing:
        X, y = X[:-1], y[:-1]
    theta = np.array([0.3, 0.7])
    scan = fastgd.scan_parquet(path, target="y", drop_missing=missing)
    assert fastgd.gradient(scan, None, theta).tobytes() == fastgd.gradient(np.asfortranarray(X), y, theta).tobytes()
    table = read_table(str(path), None, missing, target="y")
    np.testing.assert_array_equal(table.values, np.column_stack((X, y)))
