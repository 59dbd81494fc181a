import contextlib
import csv
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd import arguments
from fastgd.cli import commands, parser
from fastgd.fitting import fit
from fastgd.fitting.options import DEFAULTS, STEPS
from fastgd.saving import model_file

# y = 1 + 2 a - 3 b exactly, in a scale in which gradient descent arrives at once.
EXACT = "a,b,y\n1,0,3\n0,1,-2\n-1,0,-1\n0,-1,4\n"


@pytest.fixture(autouse=True)
def _in_folder_with_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("PYTHONWARNINGS", "PYTHONUNBUFFERED"):  # a buffer that fails at the very end is the harder case
        monkeypatch.delenv(name, raising=False)
    Path("data.csv").write_text(EXACT)


def succeeds(capsys, *argv):
    status = parser.main(list(argv))
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    return out


def fails(capsys, *argv):
    status = parser.main(list(argv))
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert err.startswith("fastgd: error: ")
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    return err.removeprefix("fastgd: error: ").removesuffix("\n")


def process(*argv, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "fastgd", *argv], capture_output=True, text=True, encoding="utf-8", timeout=120, **kwargs
    )


# What is printed and written.


def test_fit_prints_the_result_with_the_names_of_the_features(capsys):
    out = succeeds(capsys, "fit", "data.csv", "--target", "y")
    table = np.genfromtxt("data.csv", delimiter=",", skip_header=1)
    result = fastgd.fit(table[:, :2].copy(), table[:, 2].copy())
    lines = out.splitlines()
    assert lines[0] == result.message.replace("tol=", "--tol ")
    assert [line.split()[0] for line in lines[1:]] == ["intercept", "a", "b", "cost", "|gradient|"]
    assert [float(line.split()[1]) for line in lines[1:4]] == pytest.approx([1.0, 2.0, -3.0], abs=1e-6)


def test_fit_passes_its_options_on(capsys, monkeypatch):
    given = {}

    def fit_noting(X, y, **options):
        given.update(options, X=X, y=y)
        return real_fit(X, y)

    real_fit = fit.fit
    monkeypatch.setattr(fit, "fit", fit_noting)
    succeeds(capsys, "fit", "data.csv", "--target", "y")
    assert given["X"].names == ["a", "b"]
    assert given["X"].X.tolist() == [[1, 0], [0, 1], [-1, 0], [0, -1]]
    assert given["y"].tolist() == [3, -2, -1, 4]
    assert given["X"].X.flags.c_contiguous
    assert given["y"].flags.c_contiguous
    defaults = {
        "method": "auto",
        "loss": "mse",
        "learning_rate": "auto",
        "max_iter": None,
        "tol": None,
        "standardize": False,
        "l2": 0.0,
        "intercept": True,
        "history": False,
    }
    assert {k: v for k, v in given.items() if k not in "Xy"} == defaults
    options = "--features b --method gd --loss sse --learning-rate 0.1 --max-iter 7 --tol 1e-3 --l2 2"
    succeeds(capsys, "fit", "data.csv", "--target", "y", *options.split(), "--standardize", "--no-intercept")
    assert given["X"].X.tolist() == [[0], [1], [0], [-1]]
    assert {k: v for k, v in given.items() if k not in "Xy"} == {
        "method": "gd",
        "loss": "sse",
        "learning_rate": 0.1,
        "max_iter": 7,
        "tol": 1e-3,
        "standardize": True,
        "l2": 2.0,
        "intercept": False,
        "history": False,
    }


def test_a_result_as_json(capsys):
    text = succeeds(capsys, "fit", "data.csv", "--target", "y", "--json", "--l2", "0.1")
    content = json.loads(text)
    result = fastgd.fit([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], [3.0, -2.0, -1.0, 4.0], l2=0.1)
    assert content["target"] == "y"
    assert content["coef"] == dict(zip("ab", result.coef.tolist(), strict=True))
    for name in (
        "intercept",
        "cost",
        "gradient_norm",
        "n_iter",
        "n_passes",
        "rank",
        "status",
        "converged",
        "verified",
    ):
        assert content[name] == getattr(result, name)
    assert content["message"] == result.message.replace("tol=", "--tol ")


def test_what_is_not_finite_is_null_in_json(capsys):
    arguments = "--target y --method gd --learning-rate 1e300 --json"
    assert parser.main(["fit", "data.csv", *arguments.split()]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["cost"] is None
    assert (content["status"], content["converged"]) == ("diverged", False)


def test_json_is_json_whatever_the_terminal_can_show():
    Path("data.csv").write_text('größe,"a ""b"", c",目標\n1,0,2\n2,5,3\n3,1,4\n', encoding="utf-8")
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = process("fit", "data.csv", "--target", "目標", "--json", env=ascii_only)
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(done.stdout)
    assert (content["target"], list(content["coef"])) == ("目標", ["größe", 'a "b", c'])


def test_a_history_is_written(capsys):
    succeeds(capsys, *shlex.split("fit data.csv --target y --method gd --max-iter 3 --tol 0 --history h.csv"))
    lines = Path("h.csv").read_text().splitlines()
    assert lines[0].startswith("iteration,theta[0],theta[1],theta[2],gradient[0]")
    assert [line.partition(",")[0] for line in lines[1:]] == ["0", "1", "2"]


def draws(capsys, options, path="p.png"):
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    return succeeds(capsys, *shlex.split(f"fit data.csv --target y --plot {path} {options}"))


@pytest.mark.parametrize(
    "options", ["--features a", "--learning-rate 0.1", "--method gd --learning-rate 0.1 --max-iter 2 --tol 0"]
)
def test_a_picture_is_drawn(options, capsys):
    draws(capsys, options)
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("path", "start"), [("p.pdf", b"%PDF"), ("p.svg", b"<?xml"), ("P.PNG", b"\x89PNG")])
def test_a_picture_is_what_its_name_says(path, start, capsys):
    draws(capsys, "--features a", path)
    assert Path(path).read_bytes().startswith(start)


def test_what_is_drawn(capsys, monkeypatch):
    figures = []
    figure = pytest.importorskip("matplotlib.figure", reason="pictures are drawn by matplotlib").Figure
    monkeypatch.setattr(figure, "savefig", lambda self, path, **_: Path(path).touch() or figures.append(self))
    Path("data.csv").write_text("a,b,y\n0,0,1\n1,0,3\n2,1,5\n".replace("a", "$\\frac", 1))  # no formula, but a name
    draws(capsys, r"--features '$\frac'")
    draws(capsys, "--method gd --max-iter 5 --tol 0 --history h.csv")
    line, curve = (figure.axes[0] for figure in figures)
    assert (line.get_xlabel(), line.get_ylabel()) == ("$\\frac", "y")
    assert not line.xaxis.label.get_parse_math()
    assert {(0, 1), (1, 3), (2, 5)} == set(zip(*line.lines[0].get_data(), strict=True))
    with open("h.csv", encoding="utf-8") as file:
        costs = [float(row["cost"]) for row in csv.DictReader(file)]
    assert len(costs) == 5
    assert curve.lines[0].get_ydata().tolist() == costs


def test_a_formula_that_is_a_name_is_drawn(capsys):
    Path("data.csv").write_text(r"$\nonsense{$,y" + "\n0,1\n1,3\n")
    draws(capsys, "")
    assert Path("p.png").exists()


@pytest.mark.parametrize(
    "options", ["--method gd --learning-rate 100", "--features a --method gd --learning-rate 1e200"]
)
def test_a_descent_that_diverges_is_drawn_quietly(options, capsys):
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    assert parser.main(shlex.split(f"fit data.csv --target y --plot p.png {options}")) == 1
    assert capsys.readouterr().err == "fastgd: error: the descent diverged.\n"
    assert Path("p.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "2 features and --method auto, which takes a step or two. Give --method gd"),
        ("--method preconditioned", "2 features and --method preconditioned, which takes a step or two"),
        ("--method gd --max-iter 1", "2 features and --max-iter 1. Give a larger one"),
        ("--method cg --learning-rate 0.1", "--learning-rate 0.1 was given, but --method cg finds"),
    ],
)
def test_a_picture_of_nothing_is_refused_before_the_fit(options, said, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    monkeypatch.setattr(fit, "fit", None)
    assert said in fails(capsys, *shlex.split(f"fit data.csv --target y --plot p.png {options}"))
    assert not Path("p.png").exists()


@pytest.mark.parametrize(("options", "status"), [("--method cg", 2), ("--learning-rate 1e300", 1)])
def test_a_fit_of_one_iteration_has_no_curve(options, status, capsys):
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    assert parser.main(shlex.split(f"fit data.csv --target y --plot p.png --json --history h.csv {options}")) == status
    out, err = capsys.readouterr()
    assert json.loads(out)["n_iter"] == 1
    assert err.endswith("error: the fit ended after less than two iterations, so there is no curve to draw to p.png.\n")
    assert Path("h.csv").exists()
    assert not Path("p.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--target y --target a", "argument --target: was given twice, but one is expected (see fastgd fit --help)"),
        ("--target y --features a --features b", "argument --features: was given twice"),
        ("--target y --max-iter 3 --tol 0 --max-iter 4", "argument --max-iter: was given twice"),
        ("--target y --feature a", "unrecognized arguments: --feature a (see fastgd fit --help)"),
        (
            "--target y --features a b",
            "unrecognized arguments: b (see fastgd fit --help; names of columns are separated by commas)",
        ),
        ("--targt y", "the following arguments are required: --target"),
    ],
)
def test_options_that_go_astray_are_named(capsys, arguments, said):
    assert said in fails(capsys, "fit", "data.csv", *arguments.split())


def test_an_option_of_no_command_is_named(capsys):
    assert fails(capsys, "--verbose") == "unrecognized arguments: --verbose (see fastgd --help)"


@pytest.mark.parametrize(("mark", "what"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_columns_that_commas_do_not_separate_are_told(capsys, mark, what):
    Path("other.csv").write_text(EXACT.replace(",", mark))
    hint = f"It seems to have {what} between its columns, but commas are expected: write it so."
    assert fails(capsys, "fit", "other.csv", "--target", "y").endswith(hint)
    assert hint not in fails(capsys, "fit", "data.csv", "--target", "z")
    pytest.importorskip("pyarrow", reason="scans files")
    with pytest.raises(ValueError, match=rf"has no column 'y'\. .* {hint}$"):
        fastgd.scan_csv("other.csv", target="y")


def an_npz():
    content = io.BytesIO()
    np.savez(content, a=np.ones((3, 2)))
    return content.getvalue()


def an_array(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x93NUM", b"no array", an_npz(), an_array(np.ones((40, 3)))[:300], an_array(np.array([[None, 1.0]]))],
    ids=["empty", "a magic cut short", "text", "npz", "cut short", "objects"],
)
def test_what_is_no_array_is_refused(capsys, content):
    Path("data.npy").write_bytes(content)
    said = fails(capsys, "fit", "data.npy", "--target", "0")
    assert said.startswith("data.npy is no array that can be read (")
    assert said.endswith("). Write it by numpy.save.")
    assert "pickle" not in said  # which would run what is in the file


@pytest.mark.parametrize("columns", ["x", "x,z"])
@pytest.mark.parametrize("n_iter", [30, 60, 200])
def test_a_descent_that_diverges_is_drawn(capsys, columns, n_iter):
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    rows = [f"{x},{x % 3},{2 * x + 1}\n" for x in range(40, 61)]
    Path("far.csv").write_text("x,z,y\n" + "".join(rows))
    options = f"--features {columns} --method gd --learning-rate 0.05 --max-iter {n_iter}"
    assert parser.main(shlex.split(f"fit far.csv --target y --plot p.png {options}")) == 1
    assert "diverged" in capsys.readouterr().err
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_without_matplotlib_is_refused_at_once(capsys, monkeypatch):
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    assert fails(capsys, *shlex.split("fit nofile.csv --target y --plot p.png")) == (
        "p.png is drawn by matplotlib. Install it with: pip install 'fastgd[plot]'."
    )
    monkeypatch.setattr("fastgd.bench.roofline.shares", None)
    assert "pip install 'fastgd[plot]'" in fails(capsys, "bench", "--png", "p.png")


def test_a_backend_that_there_is_not():
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    done = process(*shlex.split("fit data.csv --target y --plot p.png"), env=os.environ | {"MPLBACKEND": "none-such"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fastgd: error: p.png is drawn by matplotlib, which cannot be imported: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["p", "p.txt", "png"])
def test_a_picture_that_is_none_by_its_name(name, capsys):
    expected = f"{name} is not the name of a picture. Give one that ends in .png, .pdf, .svg."
    assert fails(capsys, *shlex.split(f"fit data.csv --target y --features a --plot {name}")) == expected
    assert fails(capsys, "bench", "--png", name) == expected


@pytest.mark.parametrize("name", ["data.csv", "./data.csv", "hard.csv", "soft.csv"])
@pytest.mark.parametrize("option", ["--save", "--history", "--plot"])
def test_outputs_never_replace_the_data(option, name, capsys):
    os.link("data.csv", "hard.csv")
    os.symlink("data.csv", "soft.csv")
    before = Path("data.csv").read_text()
    assert "would replace its data" in fails(capsys, "fit", "data.csv", "--target", "y", option, name)
    assert Path("data.csv").read_text() == before


@pytest.mark.parametrize("option", ["--save", "--history", "--plot"])
def test_outputs_are_checked_before_the_data_are_read(option, capsys):
    assert "directory that does not exist" in fails(capsys, "fit", "none.csv", "--target", "y", option, "no/such.png")


@pytest.mark.parametrize(("one", "other"), [("save", "history"), ("save", "plot"), ("history", "plot")])
def test_outputs_do_not_replace_each_other(one, other, capsys):
    os.symlink("o.png", "same.png")
    told = fails(capsys, *shlex.split(f"fit data.csv --target y --{one} o.png --{other} same.png"))
    assert told == f"--{one} and --{other} are both o.png. Give each a name of its own."
    assert not Path("o.png").exists()


@pytest.mark.parametrize(("option", "path"), [("save", "o.json"), ("history", "o.csv"), ("plot", "o.png")])
def test_an_output_that_fails_stays_as_it_was_and_the_result_is_printed(option, path, capsys, monkeypatch):
    if option == "plot":
        pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    Path(path).write_text("old")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert parser.main(["fit", "data.csv", "--target", "y", "--features", "a", f"--{option}", path]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split() == ["intercept", "1"]
    assert err == f"fastgd: error: {path} cannot be written: No space left on device. Give another name.\n"
    assert Path(path).read_text() == "old"
    assert sorted(os.listdir()) == ["data.csv", path]


@pytest.mark.parametrize("ending", [".parquet", ".npy"])
def test_other_files_give_the_same(ending, capsys):
    values = np.array([[1, 0, 3], [0, 1, -2], [-1, 0, -1], [0, -1, 4.0]])
    if ending == ".parquet":
        pa = pytest.importorskip("pyarrow", reason="Parquet files are read by pyarrow")
        from pyarrow import parquet

        parquet.write_table(pa.table(dict(zip("aby", values.T, strict=True))), "data.parquet")
    else:
        np.save("data.npy", values.view([(name, float) for name in "aby"])[:, 0])
    expected = succeeds(capsys, *shlex.split("fit data.csv --target y --save m.json"))
    assert succeeds(capsys, "fit", f"data{ending}", "--target", "y") == expected
    predicted = succeeds(capsys, "predict", "m.json", "data.csv")
    assert succeeds(capsys, "predict", "m.json", f"data{ending}") == predicted


def test_choices_are_those_of_the_library():
    assert ("auto", *DEFAULTS) == parser.METHODS
    assert tuple(arguments.LOSSES) == parser.LOSSES
    assert STEPS == parser.STEPS


def test_predict_writes_every_digit(capsys):
    coef = np.array([1 / 3, 1e-20])
    model_file.save(model_file.Model("y", ["b", "a"], 0.1, coef), "m.json")
    Path("new.csv").write_text('a,"text, long",b\n1e18,"x, y",3\n-2e300,,0.5\n')
    assert succeeds(capsys, "predict", "m.json", "new.csv") == (
        "predicted_y\n" + "".join(f"{float(np.array(row) @ coef + 0.1)!r}\n" for row in [[3, 1e18], [0.5, -2e300]])
    )


def test_predict_quotes_the_name_of_the_target(capsys):
    model_file.save(model_file.Model('say "y", now', ["a"], 0.0, np.array([2.0])), "m.json")
    assert succeeds(capsys, "predict", "m.json", "data.csv") == '"predicted_say ""y"", now"\n2.0\n0.0\n-2.0\n0.0\n'


def test_predict_without_missing_values_has_no_lines(capsys):
    model_file.save(model_file.Model("y", ["a"], 0.0, np.array([2.0])), "m.json")
    out = succeeds(capsys, "predict", "m.json", "data.csv", "--drop-missing")
    assert out == "predicted_y\n2.0\n0.0\n-2.0\n0.0\n"


@pytest.mark.parametrize(("rows", "said"), [("1\nNA\n\n3\n", "2 rows"), ("1\nNA\n3\n", "1 row")])
def test_predict_with_dropped_rows_says_which_are_left(rows, said, capsys):
    model_file.save(model_file.Model("y", ["a"], 0.5, np.array([2.0])), "m.json")
    Path("new.csv").write_text("a\n" + rows)
    assert parser.main(["predict", "m.json", "new.csv", "--drop-missing"]) == 0
    out, err = capsys.readouterr()
    assert err == f"fastgd: {said} with missing values dropped\n"
    assert out == f"line,predicted_y\n2,2.5\n{2 + rows[:-2].count(chr(10))},6.5\n"


def test_fit_drops_rows(capsys):
    Path("data.csv").write_text(EXACT + "5,,5\n,5,5\n1,1,null\n")
    status = parser.main(["fit", "data.csv", "--target", "y", "--drop-missing", "--save", "m.json"])
    assert (status, capsys.readouterr().err) == (0, "fastgd: 3 rows with missing values dropped\n")
    assert model_file.load("m.json").coef == pytest.approx([2, -3], abs=1e-6)


@pytest.mark.parametrize("options", [[], ["--no-intercept"], ["--features", ' "x, 3", x1 ']])
def test_fit_save_predict_against_lstsq(options, capsys):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = X @ [1.0, -2.0, 0.5] + 3.0 + rng.standard_normal(200)
    with open("train.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x1", "y", "größe", "x, 3"])
        writer.writerows(np.insert(X, 1, y, axis=1).tolist())
    used = X[:, [2, 0]] if "--features" in options else X
    matrix = used if "--no-intercept" in options else np.column_stack((np.ones(200), used))
    theta = np.linalg.lstsq(matrix, y)[0]
    succeeds(capsys, "fit", "train.csv", "--target", "y", "--tol", "1e-12", "--save", "m.json", *options)

    model = model_file.load("m.json")
    assert model.target == "y"
    assert model.features == (["x, 3", "x1"] if "--features" in options else ["x1", "größe", "x, 3"])
    assert model.coef == pytest.approx(theta[-used.shape[1] :], rel=1e-10)
    assert model.intercept == (0.0 if "--no-intercept" in options else pytest.approx(theta[0], rel=1e-10))
    out = succeeds(capsys, "predict", "m.json", "train.csv")
    names, *predictions = csv.reader(io.StringIO(out))
    assert names == ["predicted_y"]
    assert np.array(predictions, dtype=float)[:, 0] == pytest.approx(matrix @ theta, rel=1e-9, abs=1e-10)


def test_fit_that_needs_more_iterations_fails_and_is_saved(capsys):
    arguments = ["fit", "data.csv", "--target", "y", "--learning-rate", "0.01", "--max-iter", "3"]
    assert parser.main(arguments) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == (
        "Not converged within --max-iter 3 iterations, --tol 1e-08. --learning-rate was 0.01. The largest stable "
        "--learning-rate is 2 / lambda_max = 1; the Hessian's condition number is 2. Try --method preconditioned, a larger "
        "--max-iter, --standardize, or --learning-rate optimal, 0.6667."
    )
    assert err == "fastgd: error: the descent did not converge.\n"
    arguments[5] = "optimal"  # as advised
    assert parser.main(arguments) == 1
    assert "--learning-rate was 0.6667. " in capsys.readouterr().out
    assert parser.main([*arguments, "--save", "m.json"]) == 1
    assert (
        capsys.readouterr().err == "fastgd: error: the descent did not converge, but the model was saved to m.json.\n"
    )
    assert Path("m.json").exists()
    succeeds(capsys, *arguments, "--tol", "0")  # as many iterations as were asked for


def test_a_warning_is_a_line(capsys, monkeypatch):
    monkeypatch.setattr(parser, "_run", lambda argv: warnings.warn("no cache\nhere", RuntimeWarning, stacklevel=1) or 0)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert parser.main([]) == 0
    assert capsys.readouterr().err == "fastgd: warning: no cache here\n"


def test_columns_that_depend_on_each_other_are_named_once(capsys):
    Path("data.csv").write_text("a,max_iter,b,y\n1,2,0,3\n0,0,1,-2\n-1,-2,0,-1\n0,0,-1,4\n")
    for options in ([], ["--json"]):
        out = succeeds(capsys, "fit", "data.csv", "--target", "y", *options)
        assert out.count("The rank is 3 for 4 parameters: columns 'a', 'max_iter' of X depend on each other") == 1
        assert "Leave a column out, or give a small --l2." in out


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ('Try learning_rate="auto", standardize=True.', "Try --learning-rate auto, --standardize."),
        ("method='cg' or loss='mse', tol=0, l2=0.5.", "--method cg or --loss mse, --tol 0, --l2 0.5."),
        ("a larger max_iter, or a larger tol.", "a larger --max-iter, or a larger --tol."),
        ("The method, the loss, cosl2, tolerance", "The method, the loss, cosl2, tolerance"),
        ("""columns 'tol', "it's l2=3", 'max_iter=5'.""", """columns 'tol', "it's l2=3", 'max_iter=5'."""),
    ],
)
def test_options_are_told_as_the_command_line_spells_them(told, expected):
    assert commands.as_options(told) == expected


@pytest.mark.parametrize("max_iter", ["3", "1000"])
def test_fit_that_diverges_is_not_saved(max_iter, capsys):
    arguments = ["fit", "data.csv", "--target", "y", "--learning-rate", "10", "--max-iter", max_iter]
    assert parser.main([*arguments, "--save", "m.json"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("Diverged after ")
    assert err == "fastgd: error: the descent diverged, so no model was saved to m.json.\n"
    assert not Path("m.json").exists()
    assert parser.main(arguments) == 1
    assert capsys.readouterr().err == "fastgd: error: the descent diverged.\n"


def test_result_is_printed_even_if_the_model_cannot_be_written(capsys, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    assert parser.main(["fit", "data.csv", "--target", "y", "--save", "m.json"]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("Converged")
    assert err == "fastgd: error: m.json cannot be written: No space left on device. Give another name.\n"


@pytest.mark.parametrize("argv", [[], ["demo"]])
def test_demo(argv, capsys, monkeypatch):
    monkeypatch.setattr("fastgd.cli.demo.run", lambda: print("shown"))
    assert succeeds(capsys, *argv) == "shown\n"


# Input that cannot be used.


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--bad", "unrecognized arguments: --bad (see fastgd --help)"),
        ("fit", "the following arguments are required: DATA, --target (see fastgd fit --help)"),
        ("fit data.csv", "the following arguments are required: --target (see fastgd fit --help)"),
        ("fit none.csv --target y", "there is no file none.csv, but a CSV file is expected. Check the path."),
        ("fit . --target y", ". is a directory, but a CSV file is expected. Give a file in it."),
        ("fit data.csv --target z", "data.csv has no column 'z', but 'a', 'b', 'y'."),
        ("fit data.csv --target y --features a,c", "data.csv has no column 'c', but 'a', 'b', 'y'."),
        (
            "fit data.csv --target y --features a,y",
            "'y' is the target and among the features, but a target is fitted from others.",
        ),
        (
            "fit data.csv --target y --features a,b,a",
            "argument --features: 'a' was given twice, but different columns are expected (see fastgd fit --help)",
        ),
        (
            "fit data.csv --target y --features a,,b",
            "argument --features: 'a,,b' has an empty name, but names of columns are expected (see fastgd fit --help)",
        ),
        (
            'fit data.csv --target y --features "a',
            "argument --features: '\"a' is not a line of CSV (unexpected end of data) (see fastgd fit --help)",
        ),
        (
            "fit text.csv --target y",
            "text.csv, line 3, column 'a': 'x' is not a number. Correct it, or choose other columns.",
        ),
        (
            "fit missing.csv --target y",
            "missing.csv, line 3, column 'a': a value is missing. Fill it in, or drop such rows with --drop-missing.",
        ),
        (
            "fit lonely.csv --target y",
            "lonely.csv has no column but the target 'y', so there is nothing to fit it from.",
        ),
        (
            "fit data.csv --target y --save none/m.json",
            "none/m.json is in a directory that does not exist, but the name of a file that can be written is expected. "
            "Give another name.",
        ),
        (
            "fit data.csv --target y --save ./data.csv",
            "the model would replace its data, data.csv. Give another name with --save.",
        ),
        ("predict m.json", "the following arguments are required: DATA (see fastgd predict --help)"),
        (
            "predict none.json data.csv",
            "there is no file none.json, but a model is expected. "
            "Models are written by: fastgd fit DATA.csv --target COLUMN --save MODEL.json",
        ),
        ("predict m.json none.csv", "there is no file none.csv, but a CSV file is expected. Check the path."),
        ("predict m.json lonely.csv", "lonely.csv has no column 'a', but 'y'."),
        (
            "predict m.json text.csv",
            "text.csv, line 3, column 'a': 'x' is not a number. Correct it, or choose other columns.",
        ),
    ],
)
def test_input_that_cannot_be_used(argv, message, capsys):
    Path("text.csv").write_text("a,y\n1,2\nx,3\n")
    Path("missing.csv").write_text("a,y\n1,2\n,3\n")
    Path("lonely.csv").write_text("y\n1\n")
    model_file.save(model_file.Model("y", ["a"], 0.0, np.array([2.0])), "m.json")
    assert fails(capsys, *argv.split()) == message
    assert Path("data.csv").read_text() == EXACT


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--learning-rate", "-1", "a finite number > 0, auto, optimal or exact"),
        ("--learning-rate", "0", "a finite number > 0, auto, optimal or exact"),
        ("--learning-rate", "nan", "a finite number > 0, auto, optimal or exact"),
        ("--learning-rate", "inf", "a finite number > 0, auto, optimal or exact"),
        ("--learning-rate", "abc", "a finite number > 0, auto, optimal or exact"),
        ("--max-iter", "-1", "a whole number >= 0"),
        ("--max-iter", "1.5", "a whole number >= 0"),
        ("--max-iter", "9" * 5000, "a whole number >= 0"),
        ("--tol", "-1", "a finite number >= 0"),
        ("--tol", "nan", "a finite number >= 0"),
        ("--l2", "-0.5", "a finite number >= 0"),
        ("--l2", "x\ny", "a finite number >= 0"),
    ],
)
def test_number_out_of_range(option, value, expected, capsys):
    assert fails(capsys, "fit", "data.csv", "--target", "y", option, value) == (
        f"argument {option}: {value!r} was given, but {expected} is expected (see fastgd fit --help)"
    )


@pytest.mark.parametrize("argv", [["none"], ["fit", "data.csv", "--target", "y", "--method", "x"], ["fit", "--target"]])
def test_what_argparse_refuses(argv, capsys):
    message = fails(capsys, *argv)
    assert message.startswith("argument ")
    assert message.endswith(" --help)")


def test_options_are_not_guessed(capsys):
    assert fails(capsys, "fit", "data.csv", "--target", "y", "--std").startswith("unrecognized arguments: --std")


def test_what_fit_refuses(capsys):
    Path("data.csv").write_text("a,y\n1e200,1\n2e200,2\n")
    assert fails(capsys, "fit", "data.csv", "--target", "y").startswith("The squares of X exceed float64")


def test_error_stays_on_its_line(capsys):
    assert fails(capsys, "fit", "data.csv", "--target", "y", "a\nb\x85c") == (
        "unrecognized arguments: a b c (see fastgd fit --help)"
    )


# As a process.


@pytest.mark.parametrize(
    ("argv", "n_lines"),
    [([], 24), (["fit"], 36), (["predict"], 24), (["bench"], 24), (["warmup"], 24), (["demo"], 24)],
)
def test_help_fits_on_a_screen(argv, n_lines, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    out = succeeds(capsys, *argv, "--help")
    assert out.startswith("usage: fastgd")
    assert len(out.splitlines()) <= n_lines
    assert max(map(len, out.splitlines())) <= 80


def test_the_examples_of_the_help_run(capsys, tmp_path):
    for package in ("matplotlib", "pyarrow"):
        pytest.importorskip(package, reason="an extra of an example")
    import pyarrow.csv
    from pyarrow import parquet

    Path("houses.csv").write_text("area,rooms,price\n50,2,110\n70,3,150\n90,3,190\n120,5,260\n")
    shutil.copy("houses.csv", "new.csv")
    parquet.write_table(pyarrow.csv.read_csv("houses.csv"), "houses.parquet")
    examples = [line.strip() for line in succeeds(capsys, "--help").splitlines() if line.startswith("  fastgd ")]
    assert len(examples) == 5
    for example in examples:
        arguments = shlex.split(example.partition(" > ")[0])[1:]
        assert parser.main(arguments) == 0
    assert {"model.json", "line.png", "h.csv"} <= set(os.listdir())


def test_version(capsys):
    assert succeeds(capsys, "--version") == f"fastgd {fastgd.__version__}\n"


def test_help_and_errors_do_not_wait_for_numba():
    code = (
        "import sys; from fastgd.cli.parser import main; "
        "assert main(['--help']) == 0; assert main(['fit', 'none.csv', '--target', 'y']) == 2; "
        "assert main(['predict', 'none.json', 'none.csv']) == 2; assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


def test_process():
    done = process("fit", "data.csv", "--target", "y", "--save", "m.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Converged after ")
    done = process("predict", "m.json", "data.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert [float(line) for line in done.stdout.splitlines()[1:]] == pytest.approx([3, -2, -1, 4], abs=1e-6)
    done = process("predict", "m.json", "none.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fastgd: error: there is no file none.csv, but a CSV file is expected. Check the path.\n"


def test_names_that_standard_output_cannot_spell():
    model_file.save(model_file.Model("größe", ["a"], 0.0, np.array([2.0])), "m.json")
    done = process("predict", "m.json", "data.csv", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == r"predicted_gr\xf6\xdfe"


@pytest.mark.skipif(os.name != "posix", reason="pipes end differently elsewhere")
@pytest.mark.parametrize("n_rows", [10, 100_000])
def test_closed_pipe(n_rows):
    model_file.save(model_file.Model("y", ["a"], 0.0, np.array([2.0])), "m.json")
    Path("many.csv").write_text("a\n" + "1.5\n" * n_rows)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "fastgd", "predict", "m.json", "many.csv"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=120,
        )
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk():
    model_file.save(model_file.Model("y", ["a"], 0.0, np.array([2.0])), "m.json")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fastgd", "predict", "m.json", "data.csv"],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=120,
        )
    assert (done.returncode, done.stderr) == (2, b"fastgd: error: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("argv", [["--help"], ["fit", "data.csv", "--target", "y"]])
def test_no_standard_output(argv, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert parser.main(argv) == 2
    assert capsys.readouterr().err == ("fastgd: error: standard output is closed, but there is something to print.\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_interrupt():
    os.mkfifo("endless.csv")
    # With Python's own handler, even where this test runs in the background and ignores Ctrl-C.
    code = (
        "import signal, sys; from fastgd.cli.parser import main; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "sys.exit(main(['fit', 'endless.csv', '--target', 'y']))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            with open("endless.csv", "w") as pipe:  # opens when the child reads
                pipe.write(EXACT)
                pipe.flush()
                child.send_signal(signal.SIGINT)
                out, err = child.communicate(timeout=120)
        finally:
            child.kill()
    assert (child.returncode, out, err) == (130, b"", b"fastgd: interrupted\n")


def test_many_rows(capsys):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((100_000, 3))
    values[:, 2] = 1.0 + 2.0 * values[:, 0] - 3.0 * values[:, 1]
    Path("many.csv").write_text("a,b,y\n" + "".join(",".join(map(repr, row)) + "\n" for row in values.tolist()))
    succeeds(capsys, "fit", "many.csv", "--target", "y", "--save", "m.json")
    predictions = succeeds(capsys, "predict", "m.json", "many.csv").splitlines()[1:]
    assert np.array(predictions, dtype=float) == pytest.approx(values[:, 2], abs=1e-6)


def test_output_that_is_no_file_and_an_interrupt_are_met(monkeypatch, capsys):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert parser.main(["fit", "data.csv", "--target", "y"]) == 0
    assert "intercept" in out.getvalue()

    def interrupt(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr(parser, "_run", interrupt)
    assert parser.main([]) == 130
    assert capsys.readouterr().err == "fastgd: interrupted\n"
