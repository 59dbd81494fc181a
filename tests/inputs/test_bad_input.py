"""What cannot be fitted, at every door and every position: a typed error that says what to do, and nothing is changed."""

import array
import hashlib
import re

import doors
import numpy as np
import pytest

import fastgd

WIDE = np.dtype(np.longdouble)


def masked(values):
    return np.ma.array(values, mask=np.arange(values.size).reshape(values.shape) == 1)


def with_none(values):
    return np.where(np.arange(values.size).reshape(values.shape) == 1, None, values)


def ragged(values):
    return [[1.0], *[[1.0, 2.0]] * (len(values) - 1)]


def sparse(values):
    matrix = pytest.importorskip("scipy.sparse", reason="sparse matrices are scipy's")
    return matrix.csr_array(values.reshape(len(values), -1))


def of_pandas(values, dtype):
    return pytest.importorskip("pandas", reason="the series is pandas'").Series(values, dtype=dtype)


MASKED = (TypeError, r"{name} is a masked array, but .* no missing values\. Drop .* {name}\.filled")
TEXT = (
    TypeError,
    r"{name} has dtype \S*[US]\d+, but real numbers are expected\. Give {name}\.astype\(float\) if the text",
)
DATE = (
    TypeError,
    r"{name} has dtype (datetime|timedelta)64\[s\], but real numbers .* as a number, say \({name} - {name}\[0\]",
)
OBJECT = (
    TypeError,
    r"{name} has dtype object, but real numbers are expected\. Give {name}\.astype\(float\) if every entry",
)
FIELDS = (TypeError, r"{name} has dtype .*(f0|V8).*, but real numbers are expected\. Give its fields as columns")
COMPLEX = (TypeError, r"{name} has dtype complex\d+, but real numbers .*Give {name}\.real")
TOO_WIDE = rf"{{name}} has dtype {WIDE}, but .* wider than float64.* give {{name}}\.astype\(numpy\.float64\)"
RAGGED = r"{name} is a list that numpy cannot turn into an array .* rows that all have the same"

# What is no array of real numbers, wherever it is given; the error, and what its message says.
KINDS = {
    "masked": (masked, *MASKED),
    "masked, but nothing": (np.ma.array, *MASKED),
    "complex": (lambda v: v * 1j, *COMPLEX),
    "complex64": (lambda v: v.astype("F"), *COMPLEX),
    "longdouble": (lambda v: v.astype("g"), TypeError, TOO_WIDE),
    "datetime64": (lambda v: v.astype("M8[s]"), *DATE),
    "timedelta64": (lambda v: v.astype("m8[s]"), *DATE),
    "text": (lambda v: v.astype(str), *TEXT),
    "a text": (lambda v: "1.0", *TEXT),
    "bytes": (lambda v: v.astype("S"), *TEXT),
    "a list of text": (lambda v: ["1"] * len(v), *TEXT),
    "objects": (lambda v: v.astype(object), *OBJECT),
    "objects and None": (with_none, *OBJECT),
    "a list with None": (lambda v: [None, *v[1:].tolist()] if v.ndim == 1 else with_none(v).tolist(), *OBJECT),
    "whole numbers beyond all dtypes": (lambda v: [10**30] * len(v), *OBJECT),
    "a set": (lambda v: {1.0, 2.0}, *OBJECT),
    "a generator": (lambda v: iter([1.0, 2.0]), *OBJECT),
    "a mapping": (lambda v: {"a": 1.0}, *OBJECT),
    "structured": (lambda v: np.zeros(len(v), "f8,f8"), *FIELDS),
    "records": (lambda v: np.rec.array(np.zeros(len(v), "f8,f8")), *FIELDS),
    "void": (lambda v: v.view("V8"), *FIELDS),
    "ragged": (ragged, ValueError, RAGGED),
    "text in a series": (lambda v: of_pandas(["a"] * len(v), "str"), *OBJECT),
    "categories": (lambda v: of_pandas(["a"] * len(v), "category"), *OBJECT),
    "missing truth": (lambda v: of_pandas([True, None] * (len(v) // 2), "boolean"), *OBJECT),
}
if np.float64 == WIDE:
    del KINDS["longdouble"]

# What has a shape that does not fit: where, what it is made by, and what is said.
ROWS = r"X has shape .*: X has \d+ rows, but y has \d+\. Give one y for each row of X"
WEIGHTS = r"sample_weight has shape .*X has \d+ rows, so \(\d+,\) is expected\. Give one weight for each row"
SHAPES = [
    ("X", lambda v: v[:0], r"X has shape \(0, 2\), which has 0 rows, but at least 1 is expected\. Check how X was"),
    ("X", lambda v: [], r"X has shape \(0,\), which has 0 rows, but at least 1 is expected\. Check how X was"),
    ("X", lambda v: v[:, :0], r"X has shape \(6, 0\), which has 0 features, but at least 1 is expected\. Check how X"),
    ("X", lambda v: v[..., np.newaxis], r"X has shape \(6, 2, 1\), but \(n_samples, n_features\) .*Reshape it"),
    ("X", lambda v: 1.0, r"X has shape \(\), but \(n_samples, n_features\) .*Reshape it"),
    ("X", lambda v: v[:-1], ROWS),
    ("X", lambda v: np.repeat(v, 2, axis=0), ROWS),
    ("y", lambda v: v[:0], ROWS),
    ("y", lambda v: v[1:], ROWS),
    ("y", lambda v: np.append(v, 1.0), ROWS),
    ("y", lambda v: 1.0, r"y has shape \(\), but one target per row is expected, of shape \(6,\)"),
    ("y", lambda v: v[:, np.newaxis], r"y has shape \(6, 1\), but .*of shape \(6,\)\. Give y\.ravel\(\) instead"),
    ("y", lambda v: v[np.newaxis], r"y has shape \(1, 6\), but .*of shape \(6,\)\. Give y\.ravel\(\) instead"),
    ("y", lambda v: np.ones((6, 2)), r"y has shape \(6, 2\), but .*Fit several targets one at a time, or together by"),
    ("y", lambda v: v[:, np.newaxis, np.newaxis], r"y has shape \(6, 1, 1\), but one target per row is expected"),
    ("sample_weight", lambda v: v[:0], WEIGHTS),
    ("sample_weight", lambda v: v[1:], WEIGHTS),
    ("sample_weight", lambda v: np.append(v, 1.0), WEIGHTS),
    ("sample_weight", lambda v: 1.0, WEIGHTS),
    ("sample_weight", lambda v: v[:, np.newaxis], rf"{WEIGHTS}.*Give sample_weight\.ravel"),
    ("theta", lambda v: v[:0], r"{name} has shape \(0,\), but "),
    ("theta", lambda v: v[:, np.newaxis], r"{name} has shape \(2, 1\), but .*Give {name}\.ravel\(\)"),
    ("theta", lambda v: np.ones((2, 2)), r"{name} has shape \(2, 2\), but "),
]
TWO = r"but \(2,\) is expected: 2 features.*Give 2 numbers"
OF_ONE_LENGTH = [
    ("theta", lambda v: v[1:], rf"{{name}} has shape \(1,\), {TWO}"),
    ("theta", lambda v: np.append(v, 1.0), rf"{{name}} has shape \(3,\), {TWO}"),
    ("theta", lambda v: 1.0, rf"{{name}} has shape \(\), {TWO}"),
]

NEW = r"Give numpy\.empty\(\(2,\)\)"
OUTS = [
    (lambda v: np.empty(3), ValueError, rf"out has shape \(3,\), but theta and so the gradient have \(2,\)\. {NEW}"),
    (lambda v: np.empty((2, 1)), ValueError, rf"out has shape \(2, 1\), but theta .*{NEW}"),
    (lambda v: np.empty(2, "f"), TypeError, rf"out is an array of float32, but an array of float64 .*{NEW}"),
    (lambda v: np.empty(2, ">f8"), TypeError, rf"out is an array of >f8, but an array of float64 .*{NEW}"),
    (lambda v: np.empty(2, "q"), TypeError, rf"out is an array of int64, but an array of float64 .*{NEW}"),
    (lambda v: np.empty(2, "D"), TypeError, rf"out is an array of complex128, but an array of float64 .*{NEW}"),
    (lambda v: np.empty(2, object), TypeError, rf"out is an array of object, but an array of float64 .*{NEW}"),
    (np.ma.array, TypeError, rf"out is a MaskedArray, but an array of float64 is expected\. {NEW}"),
    (list, TypeError, rf"out is a list, but an array of float64 is expected\. {NEW}"),
    (
        lambda v: np.broadcast_to(v, 2),
        ValueError,
        r"out is read-only, but the gradient is to be written into it\. Give an array that can",
    ),
]


def fingerprint(value):
    """Return a hash of all bytes that an argument holds, and of how it holds them."""
    if isinstance(value, np.ma.MaskedArray):
        return fingerprint(value.data), fingerprint(np.ma.getmaskarray(value))
    if isinstance(value, np.ndarray):
        how = value.dtype, value.shape, value.strides, value.flags.writeable
        return hashlib.sha256(value.tobytes()).hexdigest(), how
    if hasattr(value, "indptr"):
        return [fingerprint(part) for part in (value.data, value.indices, value.indptr)]
    return repr(value)


def fingerprints(given):
    return {position: fingerprint(value) for position, value in given.items()}


def assert_refused(door, position, make, error, said):
    given = doors.good()
    given[position] = make(given[position])
    before = fingerprints(given)
    said = said.replace("{name}", re.escape(doors.DOORS[door].takes[position]))
    with pytest.raises(error, match=rf"(?s)^(Batch 0: )?{said}") as raised:
        doors.call(doors.DOORS[door], given)
    assert type(raised.value) is error
    assert fingerprints(given) == before


OTHER_PLACES = [place for place in doors.places(doors.DOORS) if place[1] != "out"]
WITH_OUT = [door for door, position in doors.places(doors.DOORS) if position == "out"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_array_of_real_numbers_is_refused_at_every_door_and_changes_nothing(kind, reached):
    for door, position in OTHER_PLACES:
        assert_refused(door, position, *KINDS[kind])
    reached("bad inputs: each kind at each door and position", len(OTHER_PLACES))


@pytest.mark.parametrize(("position", "make", "said"), SHAPES + OF_ONE_LENGTH)
def test_what_has_a_shape_that_does_not_fit_is_refused_at_every_door_and_changes_nothing(position, make, said):
    for door, each in doors.places(doors.DOORS):
        any_length = (door == "predict" and said is ROWS) or (
            door == "descend" and (position, make, said) in OF_ONE_LENGTH
        )
        if each == position and not any_length:
            assert_refused(door, position, make, ValueError, said)


@pytest.mark.parametrize("door", WITH_OUT)
@pytest.mark.parametrize(("make", "error", "said"), OUTS)
def test_an_out_that_cannot_receive_the_gradient_is_refused_and_keeps_what_it_holds(door, make, error, said):
    assert_refused(door, "out", make, error, said)


@pytest.mark.parametrize("door", WITH_OUT)
@pytest.mark.parametrize("overlap", ["X", "y", "theta", "sample_weight", "reversed theta", "memoryview y", "array y"])
def test_an_out_in_the_memory_of_an_input_is_refused_and_keeps_what_it_holds(door, overlap):
    memory = array.array("d", range(1, 13))
    view = np.frombuffer(memory)
    given = doors.good() | {"out": view[1:3]}
    if overlap == "X":
        given["X"] = view.reshape(6, 2)
    elif overlap == "reversed theta":
        given["theta"] = view[2:0:-1]
    elif overlap == "memoryview y":
        given["y"] = memoryview(view)[:6]
    elif overlap == "array y":
        given |= {"X": np.ones((12, 2)), "y": memory, "sample_weight": np.ones(12)}
    else:
        given[overlap] = view[: len(given[overlap])]
    with pytest.raises(
        ValueError, match=r"^out shares memory with an input, which would be .*Give an array of its own"
    ):
        doors.call(doors.DOORS[door], given)
    assert list(memory) == list(range(1, 13))


def strided(values):
    return np.repeat(values, 2, axis=-1)[..., ::2]


def reversed_view(values):
    return values[::-1].copy()[::-1]


FORMS = [np.asarray, np.asfortranarray, strided, reversed_view, lambda v: v.astype("f"), lambda v: v.astype("i")]


@pytest.mark.parametrize("form", FORMS)
def test_good_input_changes_at_no_door(form):
    for door in doors.DOORS.values():
        given = {position: form(value) for position, value in doors.good().items() if position != "out"}
        before = fingerprints(given)
        doors.call(door, given | {"out": strided(doors.good()["out"])})
        assert fingerprints(given) == before


@pytest.mark.parametrize("kind", ["Int64", "Float64"])
def test_what_is_missing_in_a_series_is_not_a_number(kind):
    missing = of_pandas([1.0, None, 2.0, 3.0, 4.0, 5.0], kind)
    polars = pytest.importorskip("polars", reason="the other series is polars'").Series([1.0, None, 2.0, 3.0, 4.0, 5.0])
    for series in (missing, polars):
        assert np.isnan(fastgd.cost(doors.X, series, doors.THETA))
        with pytest.raises(ValueError, match=r"^y in row 1 \(counted from 0\) is NaN or infinite.* Drop the row"):
            fastgd.fit(doors.X, series)
        with pytest.raises(ValueError, match=r"^sample_weight is nan in row 1, but finite .*Correct the weights"):
            fastgd.fit(doors.X, doors.Y, sample_weight=series)


# What scikit-learn says itself, and what it lets through: numbers in objects are its custom.
NOT_NUMBERS = (ValueError, r"dtype='numeric' is not compatible with arrays of bytes/strings")
OF_THE_ESTIMATOR = {
    "complex": (ValueError, "Complex data not supported"),
    "complex64": (ValueError, "Complex data not supported"),
    "text": NOT_NUMBERS,
    "a list of text": (ValueError, rf"{NOT_NUMBERS[1]}|Expected 2D array, got 1D array"),
    "bytes": NOT_NUMBERS,
    "void": NOT_NUMBERS,
    "ragged": (ValueError, "setting an array element with a sequence"),
    "objects": None,
    "objects and None": (ValueError, r"is NaN or infinite|contains NaN"),
}


@pytest.mark.skipif(doors.ESTIMATOR is None, reason="the estimator is scikit-learn's")
@pytest.mark.parametrize("kind", [*OF_THE_ESTIMATOR, "masked", "masked, but nothing", "datetime64", "timedelta64"])
def test_the_estimator_refuses_it_too_and_changes_nothing(kind):
    make, *refused = KINDS[kind]
    for name, position in doors.places(doors.ESTIMATOR):
        if name == "GDRegressor.score" and position != "X":
            continue  # which is scikit-learn's own
        given = doors.good()
        given[position] = make(given[position])
        before = fingerprints(given)
        expected = OF_THE_ESTIMATOR.get(kind, refused)
        if expected is None:
            doors.call(doors.ESTIMATOR[name], given)
        else:
            with pytest.raises(expected[0], match=expected[1].replace("{name}", position)):
                doors.call(doors.ESTIMATOR[name], given)
        assert fingerprints(given) == before


@pytest.mark.skipif(doors.ESTIMATOR is None, reason="the estimator is scikit-learn's")
@pytest.mark.parametrize("position", ["y", "sample_weight"])
def test_the_estimators_score_shows_nothing_behind_a_mask(position):
    with pytest.raises(TypeError, match=f"^{position} is a masked array"):
        doors.call(doors.ESTIMATOR["GDRegressor.score"], doors.good() | {position: masked(doors.good()[position])})


@pytest.mark.parametrize("position", ["y", "theta", "sample_weight"])
def test_a_sparse_matrix_in_the_place_of_a_vector_is_refused_at_every_door(position):
    said = r"{name} is a sparse csr_array, but a dense array is expected\. Give {name}\.toarray\(\)"
    for door, each in doors.places(doors.DOORS):
        if each == position:
            assert_refused(door, position, sparse, TypeError, said)
    assert_refused("fit of a batch", "X", sparse, TypeError, r"X is sparse\. Give X\.toarray\(\)")


def test_an_out_whose_memory_may_be_that_of_an_input_is_refused_where_it_would_take_long_to_tell():
    memory = np.zeros(60_000, np.uint8)
    X = np.ndarray((187, 7), float, memory, 174, (185, 1519))
    out = np.ndarray(7, float, memory, 2444, (8142,))
    with pytest.raises(np.exceptions.TooHardError):
        np.shares_memory(X, out, max_work=1000)
    with pytest.raises(ValueError, match=r"^out shares memory"):
        fastgd.gradient(X, np.zeros(187), np.zeros(7), out=out)
    assert not memory.any()
