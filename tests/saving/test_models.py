import dataclasses
import json
import os
import stat
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from stand_ins import NO_PERMISSION, NO_SPACE, raising

import fastgd
from fastgd.saving.model_file import ADVICE, Content, ModelError, load, save
from fastgd.saving.outputs import OutputError, check_writable, replacing, same_file, writing

MODEL = Content("y", ["a", "b, c"], 0.1, np.array([1 / 3, -5e-324]))
GOOD = {
    "format": "fastgd-model",
    "version": 1,
    "target": "y",
    "features": ["a", "b, c"],
    "intercept": 0.1,
    "coef": [1 / 3, -5e-324],
}


pytestmark = pytest.mark.usefixtures("empty_folder")


def files():
    return sorted(path.name for path in Path().iterdir())


def load_error():
    with pytest.raises(ModelError) as caught:
        load("m.json")
    return str(caught.value)


def test_what_is_written():
    save(MODEL, "m.json")
    assert json.loads(Path("m.json").read_text()) == GOOD
    assert files() == ["m.json"]


@pytest.mark.parametrize("value", [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308, 2.0**53 + 2])
def test_round_trip_is_exact(value):
    save(Content("größe", ['a "b"\n'], value, np.array([-value])), Path("m.json"))
    model = load(Path("m.json"))
    assert model.target == "größe"
    assert model.features == ['a "b"\n']
    assert repr(model.intercept) == repr(value)
    assert model.coef.dtype == np.float64
    assert repr(model.coef.item()) == repr(-value)


def test_written_by_hand():
    Path("m.json").write_text(json.dumps(GOOD | {"intercept": 3, "coef": [1, 2], "note": "x"}), encoding="utf-8-sig")
    model = load("m.json")
    assert model.intercept == 3.0
    assert model.coef.tolist() == [1.0, 2.0]


def test_permissions_stay():
    save(MODEL, "m.json")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(os.stat("m.json").st_mode) == 0o666 & ~umask
    os.chmod("m.json", 0o640)
    save(MODEL, "m.json")
    assert stat.S_IMODE(os.stat("m.json").st_mode) == 0o640


def test_link_stays_a_link():
    Path("folder").mkdir()
    Path("m.json").symlink_to("folder/real.json")
    save(MODEL, "m.json")
    assert Path("m.json").is_symlink()
    assert load("folder/real.json").target == "y"


@pytest.mark.parametrize("function", ["os.fsync", "os.replace", "builtins.open"])
@pytest.mark.parametrize(("problem", "error"), [(NO_SPACE, OutputError), (KeyboardInterrupt(), KeyboardInterrupt)])
def test_failure_leaves_the_old_model(function, problem, error, monkeypatch):
    Path("m.json").write_text("old")
    monkeypatch.setattr(function, raising(problem))
    with pytest.raises(type(problem)):
        save(MODEL, "m.json")
    with pytest.raises(error) as caught, writing("m.json"):
        save(MODEL, "m.json")
    if error is OutputError:
        assert str(caught.value) == "m.json cannot be written: No space left on device. Give another name."
    assert Path("m.json").read_text() == "old"
    assert files() == ["m.json"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_model_that_is_not_finite_is_not_saved(value):
    Path("m.json").write_text("old")
    for model in (MODEL._replace(intercept=value), MODEL._replace(coef=np.array([1.0, value]))):
        with pytest.raises(ModelError, match=r"^the model has coefficients that are not finite"):
            save(model, "m.json")
    assert Path("m.json").read_text() == "old"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (".", "is a directory"),
        ("none/m.json", "is in a directory that does not exist"),
        ("file/m.json", "is in a directory that does not exist"),
        ("/dev/null", "is not a regular file"),
    ],
)
def test_unwritable(path, problem):
    if path == "/dev/null" and not os.path.exists(path):
        pytest.skip("no /dev/null")
    Path("file").touch()
    for call in (check_writable, writing):
        with pytest.raises(OutputError) as caught, call(path) or nullcontext():
            pass
        assert str(caught.value) == (
            f"{path} {problem}, but the name of a file that can be written is expected. Give another name."
        )


@pytest.mark.parametrize(
    ("refused", "problem"), [("m.json", "read-only"), ("", "in a directory that cannot be written")]
)
def test_without_permission(refused, problem, monkeypatch):
    Path("m.json").touch()
    # By a stand-in, because root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: path != os.path.realpath(refused))
    with pytest.raises(OutputError, match=f"m.json is {problem}"):
        check_writable("m.json")


def test_writable():
    Path("old.json").touch()
    check_writable("old.json")
    check_writable("new.json")
    assert files() == ["old.json"]


def test_a_file_has_its_ending_while_it_is_written_and_stays_as_it_was_until_then():
    Path("p.png").write_text("old")
    with replacing("p.png") as temporary:
        assert temporary.endswith(".png")
        assert os.path.samefile(os.path.dirname(temporary), ".")
        Path(temporary).write_text("new")
        assert Path("p.png").read_text() == "old"
    assert Path("p.png").read_text() == "new"
    assert files() == ["p.png"]


@pytest.mark.parametrize("path", ["old", "new"])
def test_a_file_that_was_not_finished_is_no_file(path):
    Path("old").write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:  # noqa: PT012
        Path(temporary).write_text("half of")
        raise RuntimeError
    assert files() == ["old"]
    assert Path("old").read_text() == "old"


def test_names_of_one_file():
    Path("a").touch()
    os.link("a", "hard")
    os.symlink("a", "soft")
    os.symlink("none", "dangling")
    for name in ("a", "./a", os.path.abspath("a"), "hard", "soft"):
        assert same_file("a", name)
    assert same_file("none", "dangling")
    Path("b").touch()
    assert not same_file("a", "b")
    assert not same_file("a", "none")
    assert not same_file("none", "nothing")


def as_file(content):
    """Return the bytes of a file: those given, or a good model with changes, from which `...` is left out."""
    if isinstance(content, dict):
        text = json.dumps({key: value for key, value in (GOOD | content).items() if value is not ...})
        content = text.replace('"HUGE"', "1" + "0" * 5000)  # more digits than Python makes an int of
    return content if isinstance(content, bytes) else content.encode()


NO_OBJECT = "but an object with format, version and so on is expected"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not JSON, but a model in JSON is expected (Expecting value: line 1, column 1)"),
        (
            '{"a": 1,\n2}',
            "is not JSON, but a model in JSON is expected (Expecting property name enclosed in double quotes: "
            "line 2, column 1)",
        ),
        (b"\xff\xfe{", "is not text in UTF-8, but a model in JSON is expected"),
        ("[" * 200_000, "is nested more deeply than a model can be"),
        ("[1, 2]", f"holds [1.0, 2.0], {NO_OBJECT}"),
        ('"' + "x" * 100 + '"', f"holds '{'x' * 36}..., {NO_OBJECT}"),
        ({"format": ...}, "is not a model: its format is missing, but 'fastgd-model' is expected"),
        ({"format": "other"}, "is not a model: its format is 'other', but 'fastgd-model' is expected"),
        (
            '{"format": "fastgd-model", "format": "fastgd-model"}',
            "has the key 'format' twice, but each is expected once",
        ),
        ({"format": np.nan}, "holds NaN, but finite numbers are expected"),
        ({"format": -np.inf}, "holds -Infinity, but finite numbers are expected"),
        ({"version": 2}, "has version 2, but this fastgd reads version 1: upgrade fastgd to read it"),
        ({"version": "HUGE"}, "has version inf, but this fastgd reads version 1: upgrade fastgd to read it"),
        ({"version": 0}, "has version 0.0, but 1 is expected"),
        ({"version": True}, "has version True, but 1 is expected"),
        ({"version": "1"}, "has version '1', but 1 is expected"),
        ({"target": ""}, "has target '', but the name of a column, or null, is expected"),
        ({"target": 1}, "has target 1.0, but the name of a column, or null, is expected"),
        ({"features": "ab"}, "has features 'ab', but a list with one entry per feature is expected"),
        ({"features": [], "coef": []}, "has features [], but a list with one entry per feature is expected"),
        ({"features": ["a", None]}, "has features[1] None, but the name of a column is expected"),
        ({"features": ["a", True]}, "has features[1] True, but the name of a column is expected"),
        ({"features": ["a", ["b"]]}, "has features[1] ['b'], but the name of a column is expected"),
        ({"features": ["a", "HUGE"]}, "has features[1] inf, but the name of a column is expected"),
        ({"features": [1, 1.0]}, "has the feature 1 twice, but different ones are expected"),
        ({"features": None, "coef": []}, "has coef [], but a list with one entry per feature is expected"),
        ({"features": ["a", "a"]}, "has the feature 'a' twice, but different ones are expected"),
        ({"features": ["a"]}, "has 1 feature and 2 coef, but one coef for each feature is expected"),
        ({"coef": {"a": 1}}, "has coef {'a': 1.0}, but a list with one entry per feature is expected"),
        ({"coef": [1, "2"]}, "has coef[1] '2', but a finite number is expected"),
        ({"coef": [True, 2]}, "has coef[0] True, but a finite number is expected"),
        ({"coef": [[1], 2]}, "has coef[0] [1.0], but a finite number is expected"),
        ({"coef": [1, "HUGE"]}, "has coef[1] inf, but a finite number is expected"),
        (json.dumps(GOOD).replace("0.1", "1e999"), "has intercept inf, but a finite number is expected"),
        ({"intercept": None}, "has intercept None, but a finite number is expected"),
        ({"intercept": False}, "has intercept False, but a finite number is expected"),
        *[({key: ...}, f"has no {key}, but a model has one") for key in GOOD if key != "format"],
    ],
    ids=lambda given: str(given)[:50],
)
def test_what_is_no_model_is_refused(content, problem):
    Path("m.json").write_bytes(as_file(content))
    assert load_error() == f"m.json {problem}. {ADVICE}"


def test_what_cannot_be_read_is_an_error_of_the_system(monkeypatch):
    with pytest.raises(FileNotFoundError):
        fastgd.load("m.json")
    Path("folder").mkdir()
    with pytest.raises(IsADirectoryError):
        fastgd.load("folder")
    monkeypatch.setattr("builtins.open", raising(NO_PERMISSION))
    with pytest.raises(PermissionError):
        fastgd.load("m.json")


# What a fit saves, and what is loaded.


def training_set():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3))
    return X, X @ [1.0, -2.0, 0.5] + 3.0 + rng.standard_normal(50)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("target", [None, "price"])
def test_a_fit_of_arrays_comes_back_to_the_bit(intercept, target):
    X, y = training_set()
    result = fastgd.fit(X, y, intercept=intercept)
    result.save(Path("m.json"), target=target)
    model = fastgd.load("m.json")
    assert isinstance(model, fastgd.Model)
    assert (model.feature_names, model.target, model.intercept) == (None, target, result.intercept)
    assert model.coef.tobytes() == result.coef.tobytes()
    assert model.predict(X).tobytes() == result.predict(X).tobytes()
    assert model.score(X, y) == result.score(X, y)
    model.save("again.json")  # with its target
    assert Path("again.json").read_bytes() == Path("m.json").read_bytes()


@pytest.mark.parametrize(
    "names", [["größe", 'b, "c"', ""], [2019, 2021, 2020], [0.5, -1, 1e300], ["a", 1, 2.5], [0, 1, 2]]
)
def test_columns_are_matched_by_labels_that_come_back(names):
    pandas = pytest.importorskip("pandas", reason="for labels")
    X, y = training_set()
    frame = pandas.DataFrame(X, columns=pandas.Index(names, dtype=object))
    result = fastgd.fit(frame, y)
    result.save("m.json")
    model = fastgd.load("m.json")
    assert model.feature_names == result.feature_names == names
    np.testing.assert_array_equal(model.predict(frame), result.predict(X))
    if names != [0, 1, 2]:
        np.testing.assert_array_equal(model.predict(frame.iloc[:, ::-1]), result.predict(X))
        with pytest.raises(ValueError, match="X has no column"):
            model.predict(frame.iloc[:, :2])


def test_a_model_prints_its_parameters():
    save(MODEL, "m.json")
    assert (
        repr(fastgd.load("m.json"))
        == "Model of 'y'\n  intercept  0.1\n  a          0.3333333333\n  b, c       -4.940656458e-324"
    )
    save(Content(None, None, 1.0, np.arange(30.0)), "m.json")
    lines = repr(fastgd.load("m.json")).splitlines()
    assert (lines[0], lines[2], lines[-1]) == ("Model", "  coef[0]    0", "  ...        and 20 more, in coef")


def test_nobody_writes_into_a_model():
    save(MODEL, "m.json")
    model = fastgd.load("m.json")
    with pytest.raises(ValueError, match="read-only"):
        model.coef[0] = 1.0
    with pytest.raises(AttributeError):
        model.intercept = 1.0


@pytest.mark.parametrize(
    "names", [[True, False], [("a", 1), ("a", 2)], [None, "a"], ["a", 2**53 + 1], ["a", float("inf")]]
)
def test_labels_that_no_model_keeps_are_refused(names):
    moments = dataclasses.replace(
        fastgd.Moments.from_rows(training_set()[0][:, :2], training_set()[1]), feature_names=names
    )
    result = fastgd.fit(moments)
    with pytest.raises(
        TypeError, match=r"^The features have labels such as .* keeps text and numbers.*feature_names=None"
    ):
        result.save("m.json")
    assert files() == []
    dataclasses.replace(result, feature_names=None).save("m.json")
    assert fastgd.load("m.json").feature_names is None


@pytest.mark.parametrize("target", [1, "", ["y"]])
def test_a_target_is_a_name(target):
    with pytest.raises(TypeError, match=r"^target=.* was given, but the name of the target, a text, is expected\.$"):
        fastgd.fit(*training_set()).save("m.json", target=target)


def test_a_fit_that_cannot_be_saved_says_why():
    result = fastgd.fit(*training_set())
    with pytest.raises(FileNotFoundError):
        result.save("none/m.json")
    with pytest.raises(ValueError, match="not finite"):
        dataclasses.replace(result, intercept=np.inf).save("m.json")
    assert files() == []


LIGHT = """
import sys
import fastgd
model = fastgd.load("m.json")
assert model.predict([[1.0, 2.0]]).tolist() == [0.1 + 1 / 3 - 1e-323]
heavy = {"numba", "sklearn", "scipy", "pandas", "pyarrow", "dask", "narwhals", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
print(len(sys.modules))
"""


@pytest.mark.processes
def test_a_model_is_loaded_and_predicts_by_numpy_alone():
    save(MODEL, "m.json")
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
