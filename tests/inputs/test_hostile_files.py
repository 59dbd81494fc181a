"""Files that somebody else may have written: a right model, or an error with the file's name; no code runs, nothing is left."""

import dataclasses
import io
import json
import math
import os
import pickle
import subprocess
import sys
import tempfile
import time
import tracemalloc
import warnings
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastgd
from fastgd.saving.model_file import Content, ModelError, load, save

MODEL = Content("y", ["a", "größe"], 0.5, np.array([1.25, -3e-5]))
MOMENTS = dataclasses.replace(
    fastgd.Moments.from_rows([[1.0, 2.0], [2.0, 0.5], [4.0, 4.0]], [1.0, 2.0, 4.0]), feature_names=["a", "größe"]
)
ENTRIES = {
    "format": np.array("fastgd moments 1"),
    "n_samples": np.array(3),
    "total_weight": np.array(3.0),
    "mean": MOMENTS.mean,
    "scatter": MOMENTS.scatter,
    "feature_names": np.array(MOMENTS.feature_names),
}


pytestmark = pytest.mark.usefixtures("empty_folder")


def read_model(content):
    """Read bytes as a model, which is what the text says, or return None where they are refused as they should be."""
    model = read("m.json", content, load, ModelError)
    if model is not None:
        assert_is_what_the_text_says(model, content)
    return model


def read_moments(content):
    """Read bytes as moments, or return None where they are refused as they should be."""
    return read("m.npz", content, fastgd.Moments.load, (ValueError, OSError))


def read(name, content, reader, refusals):
    Path(name).write_bytes(content)
    result, told = None, name
    try:
        result = reader(name)
    except refusals as error:
        told = str(error)
    assert name in told
    assert os.listdir() == [name]
    os.unlink(name)
    return result


def assert_is_what_the_text_says(model, content):
    """Compare with what Python's own parser reads."""
    said = json.loads(content.decode("utf-8-sig"), parse_int=float)
    assert (model.target, model.features, model.intercept) == (said["target"], said["features"], said["intercept"])
    assert model.coef.tolist() == said["coef"]
    assert model.coef.dtype == np.float64
    assert len(model.coef) > 0
    assert model.target is None or (isinstance(model.target, str) and model.target)
    if model.features is not None:
        assert len(set(model.features)) == len(model.features) == len(model.coef)
        assert all(type(name) in (str, int, float) for name in model.features)
    assert all(map(math.isfinite, [*model.coef.tolist(), model.intercept]))


def written(write):
    with tempfile.TemporaryDirectory() as folder:
        write(path := Path(folder) / "m.npz")
        return path.read_bytes()


GOOD_JSON, GOOD_NPZ = written(partial(save, MODEL)), written(MOMENTS.save)


def damaged(content, stride=1):
    """Yield what one fault makes of a file: a bit flipped, a byte left out or doubled, the end cut off."""
    for i in range(0, len(content), stride):
        yield content[:i]
        yield content[:i] + content[i + 1 :]
        yield content[: i + 1] + content[i:]
        for bit in range(8):
            yield content[:i] + bytes([content[i] ^ (1 << bit)]) + content[i + 1 :]


def test_every_fault_of_one_byte_in_a_model_is_an_error_or_another_model(reached):
    models = [read_model(content) for content in damaged(GOOD_JSON)]
    reached("damaged model files", len(models))


def test_every_fault_of_one_byte_in_moments_is_an_error_or_changes_nothing(reached):
    found = [read_moments(content) for content in damaged(GOOD_NPZ, stride=5)]
    for moments in filter(None, found):
        assert (moments.n_samples, moments.total_weight) == (3, 3.0)
        assert moments.mean.tobytes() == MOMENTS.mean.tobytes()
        assert moments.scatter.tobytes() == MOMENTS.scatter.tobytes()
        assert moments.feature_names == ["a", "größe"]
    assert found.count(None) > 0.5 * len(found)
    reached("damaged files of moments", len(found))


FUZZED = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZED
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content):
    assert read_model(content) is None
    assert read_moments(content) is None
    assert read_moments(b"PK\x03\x04" + content) is None
    assert read_moments(b"\x93NUMPY" + content) is None


EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 20), st.binary(max_size=8)), min_size=1, max_size=6)


def edited(content, edits):
    """Put other bytes in the place of some."""
    for place, n_removed, put_in in edits:
        i = int(place * len(content))
        content = content[:i] + put_in + content[i + n_removed :]
    return content


@FUZZED
@given(EDITS)
def test_edited_models_are_errors_or_other_models(edits):
    read_model(edited(GOOD_JSON, edits))


@FUZZED
@given(EDITS)
def test_edited_moments_are_errors_or_moments(edits):
    moments = read_moments(edited(GOOD_NPZ, edits))
    if moments is not None:
        assert np.isfinite(moments.scatter).all()
        assert moments.scatter.shape == (moments.mean.size, moments.mean.size)


NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, -(10**4000), 1e308, True, None]))
VALUES = st.recursive(
    NUMBERS | st.text(max_size=3),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3),
)
KEYS = st.sampled_from(["format", "version", "target", "features", "intercept", "coef", "more"])


@FUZZED
@given(st.dictionaries(KEYS, NUMBERS | st.lists(NUMBERS, max_size=3) | VALUES, min_size=1, max_size=2))
def test_models_of_any_values_are_errors_or_what_they_say(changes):
    read_model(json.dumps(json.loads(GOOD_JSON) | changes).encode())


def test_a_model_is_read_in_the_time_that_its_length_takes():  # to compare each name with each would take minutes
    names = [f"x{i}" for i in range(100_000)]
    start = time.process_time()
    content = json.loads(GOOD_JSON) | {"features": names, "coef": [1.0] * len(names)}
    assert read_model(json.dumps(content).encode()).features == names
    assert read_model(json.dumps(content | {"features": [*names[:-1], "x0"]}).encode()) is None
    keys = ", ".join(f'"{name}": 1' for name in [*names, "x99999"])
    assert read_model(f"{{{keys}}}".encode()) is None
    assert time.process_time() - start < 20


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array))
    return file.getvalue()


def npz(compression=zipfile.ZIP_STORED, **changes):
    """Return a file of moments of which some entries, as bytes or arrays, are others."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, value in (ENTRIES | changes).items():
            if value is not None:
                archive.writestr(
                    name if "." in name else f"{name}.npy", value if isinstance(value, bytes) else npy(value)
                )
    return file.getvalue()


def with_header(text, data=b""):
    text = text.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


class Intruder:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return (exec, ("open('intruder', 'w').close()",))


def pickled_array():
    file = io.BytesIO()
    np.lib.format.write_array(file, np.array([Intruder()] * 3, dtype=object), allow_pickle=True)
    return file.getvalue()


def test_an_intruder_would_do_its_work():
    pickle.loads(pickle.dumps(Intruder()))
    assert os.listdir() == ["intruder"]


@pytest.mark.parametrize("name", [*ENTRIES, "more"])
def test_no_object_in_an_entry_is_unpickled(name):
    assert read_moments(npz(**{name: pickled_array()})) is None
    assert read_moments(npz(**{name: pickle.dumps(Intruder())})) is None
    header = with_header("{'descr': '|O', 'fortran_order': False, 'shape': ()}", pickle.dumps(Intruder()))
    assert read_moments(npz(**{name: header})) is None


@pytest.mark.parametrize("make", [pickled_array, lambda: pickle.dumps(Intruder()), lambda: pickle.dumps(Intruder(), 0)])
def test_no_object_in_the_place_of_a_file_is_unpickled(make):
    assert read_moments(make()) is None
    assert read_model(make()) is None


HEADERS = [
    "{'descr': __import__('os').system('touch intruder'), 'fortran_order': False, 'shape': (3,)}",
    "__import__('os').system('touch intruder')",
    "[open('intruder', 'w') for _ in (1,)]",
    "(" * 5000 + ")" * 5000,
    "-" * 9000 + "1",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}" + " " * 60_000,
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3, -1)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (True, 3)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3.0,)}",
    "{'descr': '<f8', 'fortran_order': 7, 'shape': (3,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), 'more': 1}",
    "{'descr': '<f8', 'fortran_order': False}",
    "{'descr': '<f99999999', 'fortran_order': False, 'shape': (3,)}",
    "{'descr': 'nonsense', 'fortran_order': False, 'shape': (3,)}",
    "{'descr': ('<f8', (2147483647,)), 'fortran_order': False, 'shape': (3,)}",
    "{'descr': [('a', '<f8'), ('a', '<f8')], 'fortran_order': False, 'shape': (3,)}",
    "{'descr': '|V1000000000', 'fortran_order': False, 'shape': ()}",
    "\x00\xff",
    "",
]


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
@pytest.mark.parametrize("name", ["mean", "format"])
def test_no_header_of_an_entry_does_harm(name, header):
    content = with_header(header, MOMENTS.mean.tobytes())
    assert read_moments(npz(**{name: content})) is None
    assert read_moments(content) is None


OTHERS = {
    "single": {"mean": MOMENTS.mean.astype("f")},
    "big-endian": {"scatter": MOMENTS.scatter.astype(">f8")},
    "complex": {"total_weight": np.array(3j)},
    "dates": {"mean": MOMENTS.mean.astype("M8[s]")},
    "text": {"mean": MOMENTS.mean.astype(str)},
    "fields": {"mean": np.zeros(3, "f8,f8")},
    "three dimensions": {"scatter": np.ones((3, 3, 1))},
    "no dimension": {"mean": np.array(1.0)},
    "no entries": {"mean": np.empty(0), "scatter": np.empty((0, 0))},
    "no rows": {"n_samples": np.array(0)},
    "a truth value of rows": {"n_samples": np.array(True)},
    "negative rows": {"n_samples": np.array(-3)},
    "several numbers of rows": {"n_samples": np.array([3, 3])},
    "negative weight": {"total_weight": np.array(-1.0)},
    "no weight": {"total_weight": np.array(0.0)},
    "NaN weight": {"total_weight": np.array(np.nan)},
    "an infinite mean": {"mean": np.array([1.0, np.inf, 0.0])},
    "negative squares": {"scatter": -MOMENTS.scatter},
    "formats": {"format": np.array(["fastgd moments 1"])},
    "bytes": {"format": np.array(b"fastgd moments 1")},
    "no array": {"mean": b"not an array"},
    "nothing": {"mean": b""},
    "two in one": {"mean": npy(MOMENTS.mean) + npy(MOMENTS.mean), "format": None},
    "a name that leads elsewhere": {"../intruder.npy": MOMENTS.mean},
    "an absolute name": {"/intruder.npy": MOMENTS.mean},
    "a name in the place of another": {"mean": None, "../mean.npy": MOMENTS.mean},
    "a name without its ending": {"mean": None, "mean.": MOMENTS.mean},
    "a name with a zero": {"mean.npy\0.npy": MOMENTS.mean},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_other_entries_are_refused(changes):
    assert read_moments(npz(**changes)) is None
    assert not Path("../intruder.npy").exists()


def test_an_entry_that_is_there_twice_is_refused():
    file = io.BytesIO(npz())
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("mean.npy", npy(MOMENTS.mean * 2))
    assert read_moments(file.getvalue()) is None


def test_entries_in_columns_are_the_same_moments():
    moments = read_moments(npz(scatter=np.asfortranarray(MOMENTS.scatter)))
    assert moments.scatter.tobytes() == MOMENTS.scatter.tobytes()
    np.testing.assert_array_equal(moments.gradient([1.0, 2.0]), MOMENTS.gradient([1.0, 2.0]))


@pytest.mark.parametrize("name", ["scatter", "more"])
def test_what_would_inflate_is_not_inflated(name):
    content = npz(zipfile.ZIP_DEFLATED, **{name: bytes(1 << 26)})
    assert len(content) < 1 << 17
    tracemalloc.start()
    assert read_moments(content) is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="memory is not counted so there")
def test_a_size_that_is_only_claimed_is_not_taken():
    for n_values in (1 << 27, 1 << 30, 1 << 45):
        content = with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({n_values},)}}", bytes(80))
        Path(f"entry{n_values}.npz").write_bytes(npz(mean=content))
        Path(f"whole{n_values}.npz").write_bytes(content)
    Path("good.npz").write_bytes(GOOD_NPZ)
    code = """
import os, resource, fastgd
fastgd.Moments.load("good.npz")
os.remove("good.npz")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in os.listdir():
    try: fastgd.Moments.load(name)
    except ValueError as error: assert name in str(error)
    else: raise SystemExit(name)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 50_000 * (1024 if sys.platform == "darwin" else 1)
