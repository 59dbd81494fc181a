import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from stand_ins import NO_PERMISSION, NO_SPACE, raising

from fastgd.saving.model_file import Model, ModelError, load, save
from fastgd.saving.outputs import OutputError, check_writable, replacing, same_file

ADVICE = "Models are written by: fastgd fit DATA.csv --target COLUMN --save MODEL.json"
MODEL = Model("y", ["a", "b, c"], 0.1, np.array([1 / 3, -5e-324]))
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
    save(Model("größe", ['a "b"\n'], value, np.array([-value])), Path("m.json"))
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
    with pytest.raises(error) as caught:
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
    for call in (check_writable, lambda path: save(MODEL, path)):
        with pytest.raises(OutputError) as caught:
            call(path)
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
        ({"target": ""}, "has target '', but the name of a column is expected"),
        ({"target": 1}, "has target 1.0, but the name of a column is expected"),
        ({"features": "ab"}, "has features 'ab', but a list with one entry per feature is expected"),
        ({"features": [], "coef": []}, "has features [], but a list with one entry per feature is expected"),
        ({"features": ["a", None]}, "has features[1] None, but the name of a column is expected"),
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


def test_what_cannot_be_read_is_refused(monkeypatch):
    assert load_error() == f"there is no file m.json, but a model is expected. {ADVICE}"
    Path("m.json").mkdir()
    assert load_error() == "m.json is a directory, but a model is expected. Give a file in it."
    monkeypatch.setattr("builtins.open", raising(NO_PERMISSION))
    assert load_error() == "m.json cannot be read: Permission denied. Check the path and the permissions."
