import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest

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


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def files():
    return sorted(path.name for path in Path().iterdir())


def load_error(text):
    if text is not None:
        Path("m.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelError) as caught:
        load("m.json")
    message = str(caught.value)
    assert "\n" not in message
    return message


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


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failure_leaves_the_old_model(function, problem, monkeypatch):
    def fail(*args):
        raise problem

    Path("m.json").write_text("old")
    monkeypatch.setattr(os, function, fail)
    expected = OutputError if isinstance(problem, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        save(MODEL, "m.json")
    if expected is OutputError:
        assert str(caught.value) == "m.json cannot be written: No space left on device. Give another name."
    assert Path("m.json").read_text() == "old"
    assert files() == ["m.json"]


def test_file_that_cannot_be_made(monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(OutputError, match=r"^m.json cannot be written: Permission denied\."):
        save(MODEL, "m.json")


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
        pytest.param(
            "/dev/null",
            "is not a regular file",
            marks=pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no /dev/null"),
        ),
    ],
)
def test_unwritable(path, problem):
    Path("file").touch()
    for call in (check_writable, lambda path: save(MODEL, path)):
        with pytest.raises(OutputError) as caught:
            call(path)
        assert str(caught.value) == (
            f"{path} {problem}, but the name of a file that can be written is expected. Give another name."
        )


@pytest.mark.parametrize(
    ("refused", "problem"), [("m.json", "m.json is read-only"), ("", "m.json is in a directory that cannot be written")]
)
def test_without_permission(refused, problem, monkeypatch):
    Path("m.json").touch()
    # By a stand-in, because root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: path != os.path.realpath(refused))
    with pytest.raises(OutputError, match=problem):
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


def test_a_file_that_was_not_finished_is_no_file():
    Path("old").write_text("old")

    def begin(path):
        with replacing(path) as temporary:
            Path(temporary).write_text("half of")
            raise RuntimeError

    for path in ("old", "new"):
        with pytest.raises(RuntimeError):
            begin(path)
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


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not JSON, but a model in JSON is expected (Expecting value: line 1, column 1)"),
        (
            '{"a": 1,\n}',
            "is not JSON, but a model in JSON is expected (Expecting property name enclosed in double quotes",
        ),
        (b"\xff\xfe{", "is not text in UTF-8, but a model in JSON is expected"),
        ("[" * 200_000, "is nested more deeply than a model can be"),
        ("[1, 2]", "holds [1.0, 2.0], but an object with format, version and so on is expected"),
        ('"' + "x" * 100 + '"', "holds '" + "x" * 36 + "..., but an object"),
        ("{}", "is not a model: its format is missing, but 'fastgd-model' is expected"),
        ('{"format": "other"}', "is not a model: its format is 'other', but 'fastgd-model' is expected"),
        (
            '{"format": "fastgd-model", "format": "fastgd-model"}',
            "has the key 'format' twice, but each is expected once",
        ),
        ('{"format": NaN}', "holds NaN, but finite numbers are expected"),
        ('{"format": -Infinity}', "holds -Infinity, but finite numbers are expected"),
    ],
    ids=range(11),
)
def test_not_a_model(text, problem):
    message = load_error(text)
    assert message.startswith(f"m.json {problem}")
    assert message.endswith(ADVICE)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
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
        ({"intercept": None}, "has intercept None, but a finite number is expected"),
        ({"intercept": False}, "has intercept False, but a finite number is expected"),
    ],
    ids=str,
)
def test_wrong_entry(change, problem):
    text = json.dumps(GOOD | change).replace('"HUGE"', "1" + "0" * 5000)  # more digits than Python makes an int of
    assert load_error(text) == f"m.json {problem}. {ADVICE}"


def test_number_too_large():
    text = json.dumps(GOOD).replace("0.1", "1e999")
    assert load_error(text) == f"m.json has intercept inf, but a finite number is expected. {ADVICE}"


@pytest.mark.parametrize("key", ["version", "target", "features", "intercept", "coef"])
def test_missing_entry(key):
    content = {k: v for k, v in GOOD.items() if k != key}
    assert load_error(json.dumps(content)) == f"m.json has no {key}, but a model has one. {ADVICE}"


def test_no_such_file():
    assert load_error(None) == f"there is no file m.json, but a model is expected. {ADVICE}"


def test_directory():
    Path("m.json").mkdir()
    assert load_error(None) == "m.json is a directory, but a model is expected. Give a file in it."


def test_file_that_cannot_be_read(monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert load_error(None) == "m.json cannot be read: Permission denied. Check the path and the permissions."
