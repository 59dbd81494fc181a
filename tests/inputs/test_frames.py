"""Data frames: the same results as from arrays, to the bit, without a copy of the whole, and by the names of columns."""

import pickle
import subprocess
import sys
import tracemalloc
from decimal import Decimal

import numpy as np
import pytest
from block_sizes import set_block_values

import fastgd
from fastgd.inputs import frames, validation
from fastgd.rows.columns import Columns, Pieces, side_by_side

nw = pytest.importorskip("narwhals", reason="data frames need narwhals")
pd = pytest.importorskip("pandas", reason="the data frames of the tests are pandas' and polars'")
pl = pytest.importorskip("polars", reason="the data frames of the tests are pandas' and polars'")

NAMES = ["a", "b", "c"]


def training_set(n=500, dtype=float):
    rng = np.random.default_rng(0)
    X = rng.integers(-50, 50, (n, 3)).astype(dtype)
    return X, X @ [1.0, -2.0, 0.5] + rng.standard_normal(n)


def arrow():
    return pytest.importorskip("pyarrow", reason="for pyarrow's tables")


def in_chunks(X, *cuts):
    parts = np.split(X, cuts)
    return pl.concat([pl.from_numpy(part, schema=NAMES) for part in parts], rechunk=False)


MAKERS = {
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "pandas, one block": lambda X: pd.DataFrame(np.asfortranarray(X), columns=NAMES, copy=False),
    "pandas, row by row": lambda X: pd.DataFrame(np.ascontiguousarray(X), columns=NAMES, copy=False),
    "pandas, mixed": lambda X: pd.DataFrame({"a": X[:, 0], "b": X[:, 1].astype(np.int8), "c": X[:, 2].astype("f4")}),
    "pandas, nullable": lambda X: pd.DataFrame(X, columns=NAMES).astype("Float64"),
    "pandas, strided": lambda X: pd.DataFrame(np.repeat(X, 2, axis=0), columns=NAMES, copy=False).iloc[::2],
    "polars": lambda X: pl.from_numpy(np.asfortranarray(X), schema=NAMES),
    "polars, apart": lambda X: pl.DataFrame({name: X[:, j].copy() for j, name in enumerate(NAMES)}),
    "polars, in chunks": lambda X: in_chunks(X, 1, 200, 200, 201),
    "pyarrow": lambda X: arrow().table(dict(zip(NAMES, X.T.copy(), strict=True))),
    "pyarrow, a batch": lambda X: arrow().record_batch(dict(zip(NAMES, X.T.copy(), strict=True))),
    "pyarrow, a slice of a batch": lambda X: (
        arrow().record_batch(dict(zip(NAMES, np.append(X, X, axis=0).T.copy(), strict=True))).slice(0, len(X))
    ),
    "polars, mixed": lambda X: pl.DataFrame({"a": X[:, 0], "b": X[:, 1].astype(np.int64), "c": X[:, 2].astype("f4")}),
}


@pytest.fixture(params=MAKERS.values(), ids=MAKERS)
def make(request):
    return request.param


def test_every_frame_gives_the_bits_of_its_array(make, monkeypatch):
    set_block_values(monkeypatch, 64)
    X, y = training_set()
    frame, theta = make(X), np.array([0.1, 0.2, 0.3])
    columns = np.asfortranarray(X)
    gradients = [fastgd.gradient(array, y, theta).tobytes() for array in (X, columns)]
    assert fastgd.gradient(frame, y, theta).tobytes() in gradients
    expected, got = fastgd.fit(columns, y, precompute=False), fastgd.fit(frame, y, precompute=False)
    assert got.feature_names == NAMES
    assert got.theta == pytest.approx(expected.theta, rel=1e-12)
    np.testing.assert_allclose(got.predict(frame), got.predict(X), rtol=1e-12, atol=1e-12)
    assert got.score(frame, y) == pytest.approx(expected.score(X, y), rel=1e-12)
    moments = [fastgd.Moments.from_rows(values, y) for values in (frame, X, columns)]
    assert moments[0].mean == pytest.approx(np.append(X.mean(axis=0), y.mean()), abs=1e-12)
    centred = np.column_stack((X, y)) - np.append(X.mean(axis=0), y.mean())
    np.testing.assert_allclose(moments[0].scatter, centred.T @ centred, rtol=1e-11)
    assert moments[0].scatter.tobytes() in [each.scatter.tobytes() for each in moments[1:]]


def test_one_block_of_memory_is_read_where_it_is():  # as of pandas, below
    X, _ = training_set()
    frame = MAKERS["polars"](X)
    array, names = validation.features(frame)
    assert names == NAMES
    assert isinstance(array, np.ndarray)
    assert array.ctypes.data == frame["a"].to_numpy().ctypes.data
    np.testing.assert_array_equal(array, X)


@pytest.mark.parametrize("name", ["polars, apart", "polars, in chunks", "polars, mixed", "pandas, mixed"])
def test_columns_are_never_joined_as_a_whole(name):
    X, y = training_set(200_000)
    frame = MAKERS[name](X)
    fastgd.fit(frame, y)
    tracemalloc.start()
    fastgd.fit(frame, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.nbytes / 2 + 2e6


def test_float32_columns_stay_float32():
    X, y = training_set(dtype="f4")
    frame = MAKERS["polars, apart"](X)
    columns = Columns([frame[name].to_numpy() for name in NAMES])
    assert columns.dtype == np.float32
    np.testing.assert_array_equal(
        fastgd.gradient(frame, y, np.ones(3)), fastgd.gradient(np.asfortranarray(X), y, np.ones(3))
    )


@pytest.mark.parametrize("distance", [0, 16, -48])
def test_columns_at_regular_distances_are_one_array(distance):
    memory = np.arange(40.0)
    start = 20
    columns = [memory[start + j * distance // 8 :][:4] for j in range(3)]
    array = side_by_side(columns)
    assert isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array, np.column_stack(columns))
    assert np.shares_memory(array, memory)


def test_an_array_of_columns_keeps_their_memory():
    memory = np.arange(8.0)
    array = side_by_side([memory[:4], memory[4:]])
    del memory
    filler = [np.full(8, -1.0) for _ in range(100)]
    assert array.ravel(order="F").tolist() == list(range(8))
    assert len(filler) == 100


def test_columns_of_different_kinds_or_distances_are_gathered():
    memory = np.arange(40.0)
    for columns in (
        [memory[:4], memory[4:8], memory[9:13]],
        [memory[:4], memory[4:12:2]],
        [memory[:4], memory[4:8].astype("f4")],
        [memory[:4], memory[4:8].view(np.int64)],
    ):
        gathered = side_by_side(columns)
        assert isinstance(gathered, Columns)
        np.testing.assert_array_equal(gathered.gather(slice(1, 3)), [column[1:3] for column in columns])


def test_a_series_that_is_copied_as_a_whole_is_not_taken_for_its_memory():
    class Series:
        def __init__(self, values, copy):
            self.values, self.copy = values, copy

        def __len__(self):
            return len(self.values)

        def __getitem__(self, rows):
            return Series(self.values[rows], False)

        def to_native(self):
            return self

        def to_numpy(self):
            return self.values.copy() if self.copy else self.values

    values = np.arange(5.0)
    assert frames._in_place(Series(values, False)) is values
    assert frames._in_place(Series(values, True)) is None


def test_pieces_are_one_column():
    rng = np.random.default_rng(1)
    for _ in range(200):
        values = rng.standard_normal(rng.integers(1, 30))
        arrays = np.split(values, np.sort(rng.integers(0, len(values) + 1, rng.integers(0, 5))))
        pieces = Pieces([array for array in arrays if len(array)])
        assert len(pieces) == len(values)
        start, stop = np.sort(rng.choice(len(values) + 1, 2, replace=False))
        np.testing.assert_array_equal(pieces[slice(start, stop)], values[start:stop])
        chosen = np.sort(rng.choice(len(values), rng.integers(1, len(values) + 1), replace=False))
        np.testing.assert_array_equal(pieces[chosen], values[chosen])


def test_predict_finds_columns_by_name():
    X, y = training_set()
    result = fastgd.fit(pd.DataFrame(X, columns=NAMES), y)
    other = pl.from_numpy(X, schema=NAMES).select("c", pl.lit("text").alias("more"), "a", "b")
    np.testing.assert_allclose(result.predict(other), result.predict(X), rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match=r"X has no column 'b', but the fit had\. It has 'c', 'a'"):
        result.predict(other.select("c", "a"))


def test_a_fit_without_names_takes_columns_as_they_come():
    X, y = training_set()
    result = fastgd.fit(X, y)
    assert result.feature_names is None
    np.testing.assert_allclose(
        result.predict(pd.DataFrame(X, columns=NAMES)), result.predict(X), rtol=1e-12, atol=1e-12
    )
    with pytest.raises(ValueError, match="2 features, but the fit had 3"):
        result.predict(pd.DataFrame(X[:, :2]))


LABELS = {
    "text": NAMES,
    "years": [2021, 2019, 2020],
    "numbers in another order": [2, 0, 1],
    "small integers": np.array([5, 3, 4], dtype=np.int8),
    "objects of numpy": pd.Index([np.int64(5), np.float32(0.5), np.str_("c")], dtype=object),
    "floats, one missing": [0.5, np.nan, 1.5],
    "dates": pd.date_range("2020", periods=3),
    "dates, one missing": pd.DatetimeIndex(["2021", None, "2020"]),
    "periods": pd.period_range("2020", periods=3, freq="M"),
    "durations": pd.to_timedelta([3, 1, 2], unit="s"),
    "intervals": pd.interval_range(0, 3),
    "categories": pd.CategoricalIndex(NAMES),
    "tuples": pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]),
    "tuples, one missing": pd.MultiIndex.from_tuples([("a", 1.0), ("a", np.nan), ("b", 1.0)]),
    "mixed": pd.Index(["1", 1, pd.NA], dtype=object),
    "mixed with None": pd.Index([True, "a", None], dtype=object),
}

HOMES = {
    "one block": lambda X: pd.DataFrame(np.asfortranarray(X), copy=False),
    "apart": lambda X: pd.DataFrame({0: X[:, 0].astype("i1"), 1: X[:, 1], 2: X[:, 2].astype("f4")}),
    "nullable": lambda X: pd.DataFrame(X).astype("Float64"),
    "sparse": lambda X: pd.DataFrame({j: pd.arrays.SparseArray(X[:, j]) for j in range(3)}),
}


# Each kind of labels in one block, each place of columns with two kinds of labels; the others in the slow suite.
PAIRS = [
    pytest.param((label, home), marks=() if home == "one block" or label in ("text", "tuples") else pytest.mark.slow)
    for label in LABELS
    for home in HOMES
]


@pytest.fixture(params=PAIRS, ids="-".join)
def labelled(request):
    """Return a frame and a target."""
    label, home = request.param
    X, y = training_set()
    return HOMES[home](X).set_axis(LABELS[label], axis="columns"), y


def test_columns_are_found_by_labels_of_any_type(labelled):
    frame, y = labelled
    X, _ = training_set()
    result = pickle.loads(pickle.dumps(fastgd.fit(frame, y)))
    expected, score = fastgd.fit(X, y), fastgd.fit(X, y).score(X, y)
    more = pd.concat([frame, pd.DataFrame({"more": ["text"] * len(X)})], axis="columns")
    more.columns = [*frame.columns, "more"]
    assert result.predict(X) == pytest.approx(expected.predict(X), rel=1e-9)  # an array has no labels
    for other in (frame.iloc[:, [2, 0, 1]].copy(), frame.iloc[:, [1, 2, 0]], more.iloc[:, [3, 2, 1, 0]]):
        assert result.predict(other) == pytest.approx(expected.predict(X), rel=1e-9)
        assert result.score(other, y) == pytest.approx(score, rel=1e-9)
    with pytest.raises(ValueError, match=r"X has no column .*, but the fit had\. It has .*X\.to_numpy\(\)"):
        result.predict(frame.iloc[:, [2, 0]])
    for other, told in ((["a", "b", "d"], "'a', 'b', 'd'"), ([5, 6, 7], "5, 6, 7")):
        with pytest.raises(ValueError, match=rf"X has no column .*, but the fit had\. It has {told}\. "):
            result.predict(frame.set_axis(other, axis="columns"))


def test_batches_and_moments_are_matched_by_labels_of_any_type(labelled):
    frame, y = labelled
    X, _ = training_set()
    turned = frame.iloc[:, [2, 0, 1]]
    expected = fastgd.fit(X, y).theta
    batches = [(frame[:200], y[:200]), (turned[200:350], y[200:350]), (X[350:], y[350:])]
    for source in (batches, batches[::-1]):  # an array goes by the order of the first frame
        if source is not batches:
            source = [source[0], (frame[200:350], y[200:350]), (turned[:200], y[:200])]
        for given in (source, lambda source=source: iter(source), iter(source)):
            result = fastgd.fit(fastgd.from_batches(given))
            assert result.theta == pytest.approx(expected, rel=1e-9)
            assert result.feature_names == frames.labels(frame.columns)
            assert result.predict(turned) == pytest.approx(fastgd.fit(X, y).predict(X), rel=1e-7)
        moments = fastgd.Moments.from_rows(fastgd.from_batches(source))
        assert moments.feature_names == frames.labels(frame.columns)
        moments = [fastgd.Moments.from_rows(*batch) for batch in source]
        assert fastgd.fit(sum(moments)).theta == pytest.approx(expected, rel=1e-7)
        assert fastgd.fit(sum(moments)).predict(turned) == pytest.approx(fastgd.fit(X, y).predict(X), rel=1e-7)
    other = frame.set_axis(["a", "b", "d"], axis="columns")
    with pytest.raises(ValueError, match=r"Batch 1: X has no column .* It has 'a', 'b', 'd'"):
        fastgd.fit(fastgd.from_batches([(frame, y), (other, y)]))
    with pytest.raises(ValueError, match=r"Moments of the columns .* and of 'a', 'b', 'd' cannot be added"):
        fastgd.Moments.from_rows(frame, y) + fastgd.Moments.from_rows(other, y)


def test_labels_are_told_as_python_has_them():
    X, y = training_set()
    names = {name: fastgd.fit(pd.DataFrame(X, columns=labels), y).feature_names for name, labels in LABELS.items()}
    assert repr(names["small integers"]) == "[5, 3, 4]"
    assert repr(names["objects of numpy"]) == "[5, 0.5, 'c']"
    assert repr(names["floats, one missing"]) == "[0.5, None, 1.5]"
    assert repr(names["tuples"]) == "[('a', 1), ('a', 2), ('b', 1)]"
    assert names["dates"] == [*pd.date_range("2020", periods=3)]
    nanoseconds = pd.Index([np.datetime64("2020-01-02", "ns"), np.timedelta64(5, "ns"), 1], dtype=object)
    assert fastgd.fit(pd.DataFrame(X, columns=nanoseconds), y).feature_names == [*nanoseconds]
    assert repr(names["mixed"]) == "['1', 1, None]"
    frame = pd.DataFrame(X, columns=np.array([2021, 2019, 2020]))
    assert "\n  2019 " in repr(fastgd.fit(frame, y))
    assert "\n  ('a', 2) " in repr(fastgd.fit(pd.DataFrame(X, columns=LABELS["tuples"]), y))
    frame[2022] = -frame[2019]
    with pytest.warns(fastgd.RankWarning, match="columns 2019, 2022 of X depend"):
        fastgd.fit(frame, y)
    moments = fastgd.Moments.from_rows(frame, y)
    with pytest.warns(fastgd.RankWarning, match="columns 2019, 2022 of X depend"):
        fastgd.fit(moments)
    with_nan = frame.copy()
    with_nan.loc[3, 2019] = np.nan
    with pytest.raises(ValueError, match=r"X in row 3, column 2019 .counted from 0. is NaN"):
        fastgd.fit(with_nan, y)
    with pytest.raises(TypeError, match="Column 2020 of X has dtype String"):
        fastgd.fit(frame.astype({2020: str}), y)
    frame[2020] = pd.array([None, *X[1:, 2]], "Float64")
    with pytest.raises(ValueError, match="Column 2020 of X has 1 missing value"):
        fastgd.fit(frame, y)


def test_numbers_from_zero_on_are_the_labels_of_an_array():
    X, y = training_set()
    result = fastgd.fit(pd.DataFrame(X), y)
    assert result.feature_names == [0, 1, 2]
    assert "\n  coef[0] " in repr(result)
    assert result.predict(pd.DataFrame(X)[[2, 0, 1]]) == pytest.approx(result.predict(X), rel=1e-12)
    for width in (2, 4):  # no column of an array can be told from others
        with pytest.raises(ValueError, match=f"{width} features, but the fit had 3"):
            result.predict(pd.DataFrame(np.ones((5, width))))


@pytest.mark.parametrize("labels", [["a", "a", "b"], [1, 1, 2], [1, True, 2], [np.nan, np.nan, 1.0]])
def test_labels_that_are_the_same_are_refused(labels):
    X, y = training_set()
    frame = pd.DataFrame(X).set_axis(pd.Index(labels, dtype=object), axis="columns")
    with pytest.raises(ValueError, match=r"columns of the same name \(.*, 2 times\)\. Rename them"):
        fastgd.fit(frame, y)


def test_labels_that_cannot_be_hashed_are_refused():
    X, y = training_set()
    labels = np.empty(3, dtype=object)
    labels[:] = [["a"], ["b"], ["c"]]
    with pytest.raises(TypeError, match=r"a column whose label cannot be told from others \(.*unhashable.*Rename it"):
        fastgd.fit(pd.DataFrame(X, columns=pd.Index(labels)), y)


Y = [1.0, 2.0, 3.0]
DAYS = pd.date_range("2020", periods=3)
NO_NUMBERS = [
    (["x", "y", "z"], "String"),
    (pl.Series(["x", "y", "z"]), "String"),
    (pd.Categorical(["x", "y", "x"]), "Categ"),
    (DAYS, "Datetime"),
    (pl.Series(DAYS), "Datetime"),
    (pd.to_timedelta(Y), "Duration"),
    (
        [Decimal(1), Decimal(2), Decimal(3)],
        "Object, but real numbers are expected. Cast it to float if it holds numbers",
    ),
    (pd.Series([1, 2, 3.5], dtype=object), "Object.*Cast it"),
    ([1, None, "x"], "Object"),
    ([1j, 2j, 3j], "Unknown"),
    (pd.arrays.SparseArray([1j, 0, 0]), "Unknown"),
    (pd.interval_range(0, 3), "Unknown"),
]
SOME_MISSING = [
    (pl.Series([1, None, None]), "2 missing values"),
    (pl.Series([1, 2, None]).cast(pl.Decimal(10, 2)), "1 missing value,"),
    (pd.array([1, None, 2], "Int64"), "1 missing value,"),
    (pd.array([1.5, None, None], "Float64"), "2 missing values, but fastgd has none. Drop"),
    (pd.array([True, None, False], "boolean"), "1 missing value, but fastgd has none. Drop"),
]
NOT_FINITE = [[1, np.nan, 2], pl.Series([1.0, np.inf, 2.0]), pd.arrays.SparseArray([0.0, np.nan, 2.0], fill_value=0.0)]
BAD_COLUMNS = [
    *[(column, TypeError, f"Column 'odd' of X has dtype {dtype}") for column, dtype in NO_NUMBERS],
    *[(column, ValueError, f"Column 'odd' of X has {missing}") for column, missing in SOME_MISSING],
    *[(column, ValueError, "X in row 1, column 'odd' .counted from 0. is NaN or inf") for column in NOT_FINITE],
]


@pytest.mark.parametrize(("column", "error", "text"), BAD_COLUMNS, ids=[text for _, _, text in BAD_COLUMNS])
def test_a_column_that_cannot_be_fitted_is_named(column, error, text):
    frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    with pytest.raises(error, match=f"(?s){text}"):
        fastgd.fit(frame({"n": Y, "odd": column}), Y)


LAZY = r"polars LazyFrame, whose rows are not in memory. Give X.collect\(\)\.$"
BAD_FRAMES = [
    (lambda: pl.LazyFrame({"a": Y}), TypeError, LAZY),
    (lambda: arrow().record_batch([["x", "y", "z"]], ["a"]), TypeError, "Column 'a' of X has dtype String, but real"),
    (lambda: arrow().record_batch([[1.0, None, 2.0]], ["a"]), ValueError, "Column 'a' of X has 1 missing value"),
    (lambda: arrow().record_batch([Y, Y], ["a", "a"]), ValueError, "columns of the same name .*Rename them"),
    (lambda: pl.DataFrame({"a": []}), ValueError, "shape .0, 1., which has 0 rows"),
    (lambda: pd.DataFrame(np.empty((0, 2))), ValueError, "shape .0, 2., which has 0 rows"),
    (lambda: pd.DataFrame(index=range(3)), ValueError, "shape .3, 0., which has 0 features"),
    (lambda: pl.DataFrame({"a": [1.0]}), ValueError, "X has 1 row, but y has 3"),
]


@pytest.mark.parametrize(("make_bad", "error", "text"), BAD_FRAMES, ids=[text for _, _, text in BAD_FRAMES])
def test_what_cannot_be_fitted_is_told(make_bad, error, text):
    with pytest.raises(error, match=f"(?s){text}"):
        fastgd.fit(make_bad(), Y)


def test_not_a_number_goes_through_a_gradient():
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": [1.0, 2.0]})
    assert np.isnan(fastgd.gradient(frame, [1.0, 2.0], [1.0, 1.0])).all()


@pytest.mark.parametrize("name", ["pandas, one block", "polars, apart"])
def test_a_gradient_is_not_written_over_a_frame(name):
    X, y = training_set()
    frame = MAKERS[name](X)
    column = nw.from_native(frame, eager_only=True)["b"].to_numpy()
    out = np.frombuffer(column, count=3)
    with pytest.raises(ValueError, match="shares memory" if out.flags.writeable else "read-only"):
        fastgd.gradient(frame, y, np.ones(3), out=out)


def test_series_are_targets_and_weights():
    X, y = training_set()
    s = np.arange(500) % 3
    expected = fastgd.fit(X, y, sample_weight=s).theta
    for series in (pd.Series, pl.Series):
        np.testing.assert_array_equal(fastgd.fit(X, series(y), sample_weight=series(s)).theta, expected)


def test_frames_without_narwhals_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals.stable.v1", None)
    with pytest.raises(ImportError, match=r"pip install 'fastgd\[frames\]'"):
        fastgd.fit(pd.DataFrame({"a": [1.0, 2.0]}), [1.0, 2.0])


@pytest.mark.processes
def test_arrays_do_not_import_narwhals():
    code = "import sys, numpy, fastgd; fastgd.fit(numpy.ones((3, 1)), numpy.ones(3)); print('narwhals' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("make", [pl.Series, lambda values: pd.array(values, dtype="bool[pyarrow]")])
def test_a_column_of_bits_is_one_of_zeros_and_ones(make):
    bits = np.random.default_rng(0).integers(0, 2, 300_000).astype(bool)
    frame = pl.DataFrame if make is pl.Series else pd.DataFrame
    numbers, theta = np.column_stack([bits, np.arange(300_000.0)]), np.array([0.5, 2.0])
    given = frame({"bit": make(bits), "n": numbers[:, 1]})
    y = numbers @ [1.0, 2.0]
    assert fastgd.gradient(given, y, theta).tobytes() == fastgd.gradient(numbers, y, theta).tobytes()


@pytest.mark.parametrize("library", [pd, pl])
def test_dependent_columns_are_named(library):
    x = np.arange(30.0)
    frame = library.DataFrame({"width": x, "length": np.sin(x), "height": 2 * x})
    with pytest.warns(fastgd.RankWarning, match=r"rank is 3 for 4 parameters: columns 'width', 'height' of X depend"):
        fastgd.fit(frame, np.cos(x))
    many = library.DataFrame({f"x{j}": x for j in range(7)})
    with pytest.warns(fastgd.RankWarning, match=r"columns 'x0', 'x1', 'x2', 'x3', 'x4', \.\.\. of X"):
        fastgd.fit(many, np.cos(x))


def in_sparse_columns(X, **more):
    return pd.DataFrame({name: pd.arrays.SparseArray(X[:, j], **more) for j, name in enumerate(NAMES)})


AS_FLOATS = {
    "polars decimals": lambda X: pl.from_numpy(X, schema=NAMES).cast(pl.Decimal(12, 2)),
    "polars decimals, in chunks": lambda X: in_chunks(X, 1, 200).cast(pl.Decimal(12, 2)),
    "arrow decimals": lambda X: pl.from_numpy(X, schema=NAMES).cast(pl.Decimal(12, 2)).to_arrow(),
    "pandas decimals": lambda X: (
        pl.from_numpy(X, schema=NAMES).cast(pl.Decimal(12, 2)).to_pandas(use_pyarrow_extension_array=True)
    ),
    "pandas sparse": in_sparse_columns,
    "pandas sparse about 1": lambda X: in_sparse_columns(X, fill_value=1.0),
    "pandas sparse and dense": lambda X: in_sparse_columns(X).assign(b=X[:, 1]),
    "pandas sparse float32": lambda X: in_sparse_columns(X.astype("f4")),
}


@pytest.mark.parametrize("make", AS_FLOATS.values(), ids=AS_FLOATS)
def test_numbers_in_other_clothes_are_read_as_floats(make, monkeypatch):
    set_block_values(monkeypatch, 64)
    X, y = training_set()
    X *= 0.25 * (abs(X) > 20)
    frame, columns = make(X), np.asfortranarray(X)
    for theta in (np.array([0.1, 0.2, 0.3]), np.ones(3)):
        assert fastgd.gradient(frame, y, theta).tobytes() == fastgd.gradient(columns, y, theta).tobytes()
    result = fastgd.fit(frame, y)
    np.testing.assert_allclose(result.theta, fastgd.fit(columns, y).theta, rtol=1e-12)
    np.testing.assert_array_equal(result.predict(frame), result.predict(columns))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_decimals_and_integers_of_more_digits_become_the_nearest_floats(library):
    values = ["0.10", "-12345678901234.56", "99999999999.99", "1.15"]
    frame = pl.DataFrame({"a": values}).cast(pl.Decimal(20, 2))
    frame = frame.to_pandas(use_pyarrow_extension_array=True) if library == "pandas" else frame
    array, _ = validation.features(frame)
    assert array.gather(slice(0, 4)).tolist() == [[float(value) for value in values]]
    whole = pl.DataFrame({"a": [3, -(2**100)]}, schema={"a": pl.Int128})
    assert validation.features(whole)[0].gather(slice(0, 2)).tolist() == [[3.0, -(2.0**100)]]


def test_the_estimator_reads_sparse_columns_as_scikit_learn_does():
    pytest.importorskip("sklearn", reason="the estimator is scikit-learn's")
    from sklearn.linear_model import LinearRegression

    from fastgd.sklearn import GDRegressor

    kind = pd.Series(list("abcd") * 30)
    frame = pd.get_dummies(kind, sparse=True, drop_first=True)
    y = np.arange(120.0) % 7
    expected = LinearRegression().fit(frame, y)
    model = GDRegressor().fit(frame, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-12)
    np.testing.assert_allclose(model.predict(frame), expected.predict(frame), atol=1e-12)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u1", "bool"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_frame_of_one_block_is_its_array(dtype, order):
    X = np.array(training_set()[0] > 0, dtype=dtype, order=order)
    frame = pd.DataFrame(X, columns=NAMES, copy=False)
    for given in (frame, frame[::3], frame[5:6]):
        array, _ = validation.features(given)
        assert np.shares_memory(array, X)
        np.testing.assert_array_equal(array, given.to_numpy())
    later = frame.assign(d=X[:, 0])  # two blocks of a dtype
    array, _ = validation.features(later)
    assert isinstance(array, Columns)
    assert len(array.arrays()) == 4
    assert np.shares_memory(array.arrays()[0], X) or order == "C"


def n_calls(function):
    """Count the calls of Python functions, as a clock would be off."""
    events = []
    sys.setprofile(lambda _frame, event, _argument: events.append(event))
    try:
        function()
    finally:
        sys.setprofile(None)
    return events.count("call")


def test_a_frame_of_one_block_costs_the_same_for_any_number_of_columns():
    few, many = (pd.DataFrame(np.ones((5, k)), columns=[f"x{j}" for j in range(k)]) for k in (10, 1000))
    for frame in (few, many):
        frames.read(frame)
    assert n_calls(lambda: frames.read(many)) < n_calls(lambda: frames.read(few)) + 1200  # each name is looked at


def test_many_chunks_cost_what_few_do():
    few, many = (in_chunks(np.ones((5_000, 3)), *range(0, 5_000, step)) for step in (1_000, 10))
    assert many.n_chunks() > 400
    assert n_calls(lambda: frames.read(many)) < 2 * n_calls(lambda: frames.read(few))
    table = many.to_arrow()
    assert n_calls(lambda: frames.read(table)) < 2 * n_calls(lambda: frames.read(many))


def test_chunks_of_a_table_of_arrow_are_read_in_place():
    X, y = training_set(5_000)
    table = in_chunks(X, 1_000, 1_001, 3_000).to_arrow()
    assert table["a"].num_chunks == 4
    array, _ = validation.features(table)
    first = table["a"].chunk(0).to_numpy()
    assert array._columns[0][slice(0, 10)].ctypes.data == first.ctypes.data
    np.testing.assert_allclose(fastgd.fit(table, y).theta, fastgd.fit(X, y).theta, rtol=1e-12)


def calls_in_order(X, y, s):
    """Return calls that pair rows of frames by their position."""
    return {
        "fit": lambda: fastgd.fit(X, y, sample_weight=s),
        "one feature": lambda: fastgd.fit(X["a"], y, sample_weight=s),
        "an array": lambda: fastgd.fit(X.to_numpy(), y, sample_weight=s),
        "cost": lambda: fastgd.cost(X, y, [1.0, 1.0, 1.0], sample_weight=s),
        "moments": lambda: fastgd.Moments.from_rows(X, y, s),
        "batches": lambda: fastgd.fit(fastgd.from_batches([(X, y, s)])),
        "score": lambda: fastgd.fit(X.to_numpy(), np.asarray(y)).score(X, y, s),
    }


ROW_LABELS = {
    "numbers": np.arange(20) * 3,
    "dates": pd.date_range("2020-01-01", periods=20, tz="Europe/Berlin"),
    "text": [*"abcdefghijklmnopqrst"],
    "twice": np.arange(20) // 2,
    "floats": np.append(np.linspace(0, 1, 19), np.nan),
}


@pytest.mark.parametrize("call", calls_in_order(None, None, None))
@pytest.mark.parametrize("labels", ROW_LABELS.values(), ids=ROW_LABELS)
def test_rows_with_the_labels_of_others_are_not_paired_by_position(call, labels):
    X, y = training_set(20)
    X, y = pd.DataFrame(X, columns=NAMES, index=labels), pd.Series(y, index=labels)
    s = pd.Series(np.linspace(1, 2, 20), index=labels)
    order = np.random.default_rng(0).permutation(20)
    for wrong in ((y.iloc[order], s), (y, s.iloc[order])):
        with pytest.raises(ValueError, match=r"(y|sample_weight) has the index of (X|y) in another order.*\.loc\["):
            calls_in_order(X, *wrong)[call]()
    if call not in ("an array", "score"):
        with pytest.raises(ValueError, match=r"sample_weight has the index of X in another order"):
            calls_in_order(X, y.to_numpy(), s.iloc[order])[call]()
    calls_in_order(X, y, s)[call]()
    calls_in_order(X.iloc[order], y.iloc[order], s.iloc[order])[call]()


OTHER_ROW_LABELS = {
    "none": np.asarray,
    "a list": list,
    "the next": lambda y: y.rename(lambda i: i + 1),
    "all the same": lambda y: y.set_axis([7] * 20),
    "text": lambda y: y.set_axis(pd.Index([f"{i}" for i in range(20)][::-1])),
    "arrow": lambda y: y.set_axis(pd.Index(range(20), dtype="int64[pyarrow]")),
    "nullable": lambda y: y.set_axis(pd.Index(range(20), dtype="Int64")),
    "two levels": lambda y: y.set_axis(pd.MultiIndex.from_product([range(4), range(5)])),
    "periods": lambda y: y.set_axis(pd.period_range("2020", periods=20, freq="D")),
    "intervals": lambda y: y.set_axis(pd.interval_range(0, 20)),
    "mixed": lambda y: y.set_axis(pd.Index(["a", 1, *range(2, 20)], dtype=object)),
    "lists": lambda y: y.set_axis(pd.Index([[i] for i in range(20)])),
    "categories": lambda y: y.set_axis(pd.CategoricalIndex([*"ab"] * 10)),
}


@pytest.mark.parametrize("of_y", OTHER_ROW_LABELS)
@pytest.mark.parametrize("of_x", OTHER_ROW_LABELS)
def test_rows_with_other_labels_are_paired_by_position(of_x, of_y):
    arrow()
    X, y = training_set(20)
    expected = fastgd.fit(X, y).theta
    frame, target = pd.DataFrame(X, columns=NAMES), pd.Series(y)
    without = of_x in ("none", "a list")
    X = frame.to_numpy() if without else frame.set_axis(OTHER_ROW_LABELS[of_x](target).index)
    np.testing.assert_array_equal(fastgd.fit(X, OTHER_ROW_LABELS[of_y](target)).theta, expected)


def test_labels_that_differ_are_told_apart_in_little_memory():
    X, y = np.ones((1_000_000, 1)), np.ones(1_000_000)
    frame, target = pd.DataFrame(X), pd.Series(y, index=np.arange(1_000_000)[::-1] + 5)
    fastgd.gradient(frame, target, [1.0])
    tracemalloc.start()
    fastgd.gradient(frame, target, [1.0])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 12_000_000  # the labels as an array, and a look at each, but no table of them


def test_the_estimator_pairs_by_position_as_others_of_scikit_learn_do():
    sklearn = pytest.importorskip("sklearn", reason="for the estimator")
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    from fastgd.sklearn import GDRegressor

    X, y = training_set(20)
    order = np.random.default_rng(0).permutation(20)
    frame = pd.DataFrame({**dict(zip(NAMES, X.T, strict=True)), "y": y}).iloc[order]
    with sklearn.config_context(transform_output="pandas"):  # which numbers the rows of y anew
        model = TransformedTargetRegressor(GDRegressor(), transformer=StandardScaler()).fit(frame[NAMES], frame["y"])
    np.testing.assert_allclose(model.predict(frame[NAMES]), fastgd.fit(X, y).predict(X)[order], rtol=1e-9)


def test_a_column_of_another_byte_order_is_read():
    X, y = training_set(20)
    frame = pd.DataFrame({"a": X[:, 0].astype(">f8"), "b": X[:, 1].astype(">i4"), "c": X[:, 2]})
    np.testing.assert_allclose(fastgd.fit(frame, y).theta, fastgd.fit(X, y).theta, rtol=1e-12)


def test_masked_rows_are_refused_one_by_one():
    X, y = training_set(5)
    rows = [np.ma.masked_array(x, mask=x > 10) for x in X]
    for refused in (lambda: fastgd.fit(rows, y), lambda: fastgd.fit(X, [np.ma.masked, *y[1:]])):
        with pytest.raises(TypeError, match="masked"):
            refused()
