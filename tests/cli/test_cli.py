import contextlib
import csv
import importlib.util
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from stand_ins import NO_SPACE, raising

import fastgd
from fastgd import arguments
from fastgd.cli import commands, output, parser
from fastgd.fitting import fit
from fastgd.fitting.options import DEFAULTS, STEPS
from fastgd.kernels import tuning
from fastgd.saving import model_file

# y = 1 + 2 a - 3 b exactly, in a scale in which gradient descent arrives at once.
EXACT = "a,b,y\n1,0,3\n0,1,-2\n-1,0,-1\n0,-1,4\n"
FIT = "fit data.csv --target y"

draws = pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="pictures are drawn by matplotlib")


@pytest.fixture(autouse=True)
def _in_folder_with_data(empty_folder, monkeypatch):
    for name in ("PYTHONWARNINGS", "PYTHONUNBUFFERED"):  # a buffer that fails at the very end is the harder case
        monkeypatch.delenv(name, raising=False)
    Path("data.csv").write_text(EXACT)


@pytest.fixture
def run(capsys):
    """Return what runs a command line, and returns the status and what was written to standard output and error."""
    return lambda line: (parser.main(shlex.split(line)), *capsys.readouterr())


@pytest.fixture
def succeeds(run):
    def succeeds(line):
        status, out, err = run(line)
        assert (status, err) == (0, "")
        return out

    return succeeds


@pytest.fixture
def fails(run):
    def fails(line):
        status, out, err = run(line)
        assert (status, out) == (2, "")
        assert err.startswith("fastgd: error: ")
        assert err.endswith("\n")
        assert len(err.splitlines()) == 1
        return err.removeprefix("fastgd: error: ").removesuffix("\n")

    return fails


def process(line, **kwargs):
    command = [sys.executable, "-m", "fastgd", *shlex.split(line)]
    return subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8", timeout=120, **kwargs)


def save_model(target="y", features=("a",), intercept=0.0, coef=(2.0,)):
    features = None if features is None else [*features]
    model_file.save(model_file.Content(target, features, intercept, np.array(coef)), "m.json")


# What is printed and written.


def test_fit_prints_the_result_with_the_names_of_the_features(succeeds):
    lines = succeeds(FIT).splitlines()
    table = np.genfromtxt("data.csv", delimiter=",", skip_header=1)
    result = fastgd.fit(table[:, :2].copy(), table[:, 2].copy())
    assert lines[0] == result.message.replace("tol=", "--tol ")
    assert [line.split()[0] for line in lines[3:6]] == ["intercept", "a", "b"]
    assert [float(line.split()[1]) for line in lines[3:6]] == pytest.approx([1.0, 2.0, -3.0], abs=1e-6)
    assert lines[7] == "4 rows, classical standard errors, 1 residual degree of freedom"


def test_fit_passes_its_options_on(succeeds, monkeypatch):
    given, real_fit = {}, fit.fit

    def fit_noting(X, y, **options):
        given.update(options, X=X, y=y)
        return real_fit(X, y)

    monkeypatch.setattr(fit, "fit", fit_noting)
    succeeds(FIT)
    X, y = given.pop("X"), given.pop("y")
    assert X.names == ["a", "b"]
    assert X.X.tolist() == [[1, 0], [0, 1], [-1, 0], [0, -1]]
    assert y.tolist() == [3, -2, -1, 4]
    assert X.X.flags.c_contiguous
    assert y.flags.c_contiguous
    defaults = {"method": "auto", "loss": "mse", "learning_rate": "auto", "max_iter": None, "tol": None}
    defaults |= {"standardize": False, "l2": 0.0, "intercept": True, "history": False}
    defaults |= {"covariance": "auto"}
    assert given == defaults
    options = "--features b --method gd --loss sse --learning-rate 0.1 --max-iter 7 --tol 1e-3 --l2 2"
    succeeds(f"{FIT} {options} --standardize --no-intercept --covariance HC1")
    assert given.pop("X").X.tolist() == [[0], [1], [0], [-1]]
    assert given.pop("y").tolist() == [3, -2, -1, 4]
    changed = {"method": "gd", "loss": "sse", "learning_rate": 0.1, "max_iter": 7, "tol": 1e-3}
    assert given == defaults | changed | {"standardize": True, "l2": 2.0, "intercept": False, "covariance": "HC1"}


def test_a_result_as_json(succeeds):
    content = json.loads(succeeds(f"{FIT} --json --l2 0.1"))
    result = fastgd.fit([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], [3.0, -2.0, -1.0, 4.0], l2=0.1)
    assert content["target"] == "y"
    assert content["coef"] == dict(zip("ab", result.coef.tolist(), strict=True))
    for name in ("intercept", "cost", "gradient_norm", "n_iter", "n_passes", "rank", "status", "converged", "verified"):
        assert content[name] == getattr(result, name)
    assert content["message"] == result.message.replace("tol=", "--tol ")


def test_what_is_not_finite_is_null_in_json(run):
    status, out, _ = run(f"{FIT} --method gd --learning-rate 1e300 --json")
    content = json.loads(out)
    assert content["cost"] is None
    assert (status, content["status"], content["converged"]) == (1, "diverged", False)


def test_a_terminal_may_know_nothing_but_ascii(monkeypatch):
    def printed(line):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
        assert parser.main(shlex.split(line)) == 0
        return sys.stdout.buffer.getvalue().decode()

    Path("data.csv").write_text('größe,"a ""b"", c",目標\n1,0,2\n2,5,3\n3,1,4\n', encoding="utf-8")
    content = json.loads(printed("fit data.csv --target 目標 --json"))
    assert (content["target"], list(content["coef"])) == ("目標", ["größe", 'a "b", c'])
    save_model("größe", ["größe"])
    assert printed("predict m.json data.csv").splitlines()[0] == r"predicted_gr\xf6\xdfe"


def test_a_history_is_written(succeeds):
    succeeds(f"{FIT} --method gd --max-iter 3 --tol 0 --history h.csv")
    lines = Path("h.csv").read_text().splitlines()
    assert lines[0].startswith("iteration,theta[0],theta[1],theta[2],gradient[0]")
    assert [line.partition(",")[0] for line in lines[1:]] == ["0", "1", "2"]


@draws
@pytest.mark.parametrize(
    ("options", "path"),
    [
        ("--learning-rate 0.1", "p.png"),
        ("--method gd --learning-rate 0.1 --max-iter 2 --tol 0", "p.png"),
        *[("--features a", path) for path in ("p.png", "P.PNG", "p.pdf", "p.svg")],
    ],
)
def test_a_picture_is_drawn_and_is_what_its_name_says(options, path, succeeds):
    succeeds(f"{FIT} {options} --plot {path}")
    start = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[Path(path.lower()).suffix]
    assert Path(path).read_bytes().startswith(start)


@draws
def test_what_is_drawn(succeeds, monkeypatch):
    from matplotlib.figure import Figure

    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: Path(path).touch() or figures.append(self))
    Path("data.csv").write_text("a,b,y\n0,0,1\n1,0,3\n2,1,5\n".replace("a", "$\\frac", 1))  # no formula, but a name
    succeeds(rf"{FIT} --plot p.png --features '$\frac'")
    succeeds(f"{FIT} --plot p.png --method gd --max-iter 5 --tol 0 --history h.csv")
    line, curve = (figure.axes[0] for figure in figures)
    assert (line.get_xlabel(), line.get_ylabel()) == ("$\\frac", "y")
    assert not line.xaxis.label.get_parse_math()
    assert {(0, 1), (1, 3), (2, 5)} == set(zip(*line.lines[0].get_data(), strict=True))
    with open("h.csv", encoding="utf-8") as file:
        costs = [float(row["cost"]) for row in csv.DictReader(file)]
    assert len(costs) == 5
    assert curve.lines[0].get_ydata().tolist() == costs


@draws
def test_a_formula_that_is_a_name_is_drawn(succeeds):
    Path("data.csv").write_text(r"$\nonsense{$,y" + "\n0,1\n1,3\n")
    succeeds(f"{FIT} --plot p.png")
    assert Path("p.png").exists()


FAR = [(columns, n_iter) for columns in ("x", "x,z") for n_iter in (30, 60, 200)]


@draws
@pytest.mark.parametrize(
    "options",
    [
        "fit data.csv --learning-rate 100",
        "fit data.csv --features a --learning-rate 1e200",
        *[f"fit far.csv --features {columns} --learning-rate 0.05 --max-iter {n_iter}" for columns, n_iter in FAR],
    ],
)
def test_a_descent_that_diverges_is_drawn_quietly(options, run):
    Path("far.csv").write_text("x,z,y\n" + "".join(f"{x},{x % 3},{2 * x + 1}\n" for x in range(40, 61)))
    status, _, err = run(f"{options} --method gd --target y --plot p.png")
    assert (status, err) == (1, "fastgd: error: the descent diverged.\n")
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")


@draws
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "2 features and --method auto, which takes a step or two. Give --method gd"),
        ("--method preconditioned", "2 features and --method preconditioned, which takes a step or two"),
        ("--method gd --max-iter 1", "2 features and --max-iter 1. Give a larger one"),
        ("--method cg --learning-rate 0.1", "--learning-rate 0.1 was given, but --method cg finds"),
    ],
)
def test_a_picture_of_nothing_is_refused_before_the_fit(options, said, fails, monkeypatch):
    monkeypatch.setattr(fit, "fit", None)
    assert said in fails(f"{FIT} --plot p.png {options}")
    assert not Path("p.png").exists()


@draws
@pytest.mark.parametrize(("options", "status"), [("--method cg", 2), ("--learning-rate 1e300", 1)])
def test_a_fit_of_one_iteration_has_no_curve(options, status, run):
    found, out, err = run(f"{FIT} --plot p.png --json --history h.csv {options}")
    assert (found, json.loads(out)["n_iter"]) == (status, 1)
    assert err.endswith("error: the fit ended after less than two iterations, so there is no curve to draw to p.png.\n")
    assert Path("h.csv").exists()
    assert not Path("p.png").exists()


@pytest.mark.parametrize(("mark", "what"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_columns_that_commas_do_not_separate_are_told(fails, mark, what):
    Path("other.csv").write_text(EXACT.replace(",", mark))
    hint = f"It seems to have {what} between its columns, but commas are expected: write it so."
    assert fails("fit other.csv --target y").endswith(hint)
    assert hint not in fails("fit data.csv --target z")
    pytest.importorskip("pyarrow", reason="scans files")
    with pytest.raises(ValueError, match=rf"has no column 'y'\. .* {hint}$"):
        fastgd.scan_csv("other.csv", target="y")


def saved(write, *arrays, **named):
    content = io.BytesIO()
    write(content, *arrays, **named)
    return content.getvalue()


NO_ARRAYS = {
    "empty": b"",
    "a magic cut short": b"\x93NUM",
    "text": b"no array",
    "npz": saved(np.savez, a=np.ones((3, 2))),
    "cut short": saved(np.save, np.ones((40, 3)))[:300],
    "objects": saved(np.save, np.array([[None, 1.0]])),
}


@pytest.mark.parametrize("content", NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_what_is_no_array_is_refused(fails, content):
    Path("data.npy").write_bytes(content)
    said = fails("fit data.npy --target 0")
    assert said.startswith("data.npy is no array that can be read (")
    assert said.endswith("). Write it by numpy.save.")
    assert "pickle" not in said  # which would run what is in the file


def test_a_picture_without_matplotlib_is_refused_at_once(fails, monkeypatch):
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("fastgd.bench.roofline.shares", None)
    for line in ("fit nofile.csv --target y --plot p.png", "bench --png p.png"):
        assert fails(line) == "p.png is drawn by matplotlib. Install it with: pip install 'fastgd[plot]'."


@draws
@pytest.mark.processes
def test_a_backend_that_there_is_not():
    done = process(f"{FIT} --plot p.png", stdout=subprocess.PIPE, env=os.environ | {"MPLBACKEND": "none-such"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fastgd: error: p.png is drawn by matplotlib, which cannot be imported: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["p", "p.txt", "png"])
def test_a_picture_that_is_none_by_its_name(name, fails):
    expected = f"{name} is not the name of a picture. Give one that ends in .png, .pdf, .svg."
    assert fails(f"{FIT} --features a --plot {name}") == expected
    assert fails(f"bench --png {name}") == expected


OUTPUTS = {"save": "the model", "history": "the history", "plot": "the picture"}


@pytest.mark.parametrize("name", ["data.csv", "./data.csv", "hard.csv", "soft.csv"])
@pytest.mark.parametrize("option", OUTPUTS)
def test_outputs_never_replace_the_data(option, name, fails):
    os.link("data.csv", "hard.csv")
    os.symlink("data.csv", "soft.csv")
    expected = f"{OUTPUTS[option]} would replace its data, data.csv. Give another name with --{option}."
    assert fails(f"{FIT} --{option} {name}") == expected
    assert Path("data.csv").read_text() == EXACT


@pytest.mark.parametrize("option", OUTPUTS)
def test_outputs_are_checked_before_the_data_are_read(option, fails):
    assert "directory that does not exist" in fails(f"fit none.csv --target y --{option} no/such.png")


@pytest.mark.parametrize(("one", "other"), [("save", "history"), ("save", "plot"), ("history", "plot")])
def test_outputs_do_not_replace_each_other(one, other, fails):
    os.symlink("o.png", "same.png")
    told = fails(f"{FIT} --{one} o.png --{other} same.png")
    assert told == f"--{one} and --{other} are both o.png. Give each a name of its own."
    assert not Path("o.png").exists()


@pytest.mark.parametrize(
    ("option", "path"), [("save", "o.json"), ("history", "o.csv"), pytest.param("plot", "o.png", marks=draws)]
)
def test_an_output_that_fails_stays_as_it_was_and_the_result_is_printed(option, path, run, monkeypatch):
    Path(path).write_text("old")
    monkeypatch.setattr(os, "fsync", raising(NO_SPACE))
    status, out, err = run(f"{FIT} --features a --{option} {path}")
    assert out.splitlines()[3].split()[:2] == ["intercept", "1"]
    assert err == f"fastgd: error: {path} cannot be written: No space left on device. Give another name.\n"
    assert (status, Path(path).read_text()) == (2, "old")
    assert sorted(os.listdir()) == ["data.csv", path]


@pytest.mark.parametrize("ending", [".parquet", ".npy"])
def test_other_files_give_the_same(ending, succeeds):
    values = np.array([[1, 0, 3], [0, 1, -2], [-1, 0, -1], [0, -1, 4.0]])
    if ending == ".parquet":
        pa = pytest.importorskip("pyarrow", reason="Parquet files are read by pyarrow")
        from pyarrow import parquet

        parquet.write_table(pa.table(dict(zip("aby", values.T, strict=True))), "data.parquet")
    else:
        np.save("data.npy", values.view([(name, float) for name in "aby"])[:, 0])
    expected = succeeds(f"{FIT} --save m.json")
    assert succeeds(f"fit data{ending} --target y") == expected
    assert succeeds(f"predict m.json data{ending}") == succeeds("predict m.json data.csv")


def test_choices_are_those_of_the_library():
    assert ("auto", *DEFAULTS) == parser.METHODS
    assert tuple(arguments.LOSSES) == parser.LOSSES
    assert STEPS == parser.STEPS


def test_predict_writes_every_digit(succeeds):
    coef = np.array([1 / 3, 1e-20])
    save_model(features=["b", "a"], intercept=0.1, coef=coef)
    Path("new.csv").write_text('a,"text, long",b\n1e18,"x, y",3\n-2e300,,0.5\n')
    assert succeeds("predict m.json new.csv") == (
        "predicted_y\n" + "".join(f"{float(np.array(row) @ coef + 0.1)!r}\n" for row in [[3, 1e18], [0.5, -2e300]])
    )


@pytest.mark.parametrize(("target", "name"), [("y", "predicted_y"), ('say "y", now', '"predicted_say ""y"", now"')])
def test_predict_without_missing_values_has_no_lines(target, name, succeeds):
    save_model(target)
    assert succeeds("predict m.json data.csv --drop-missing") == f"{name}\n2.0\n0.0\n-2.0\n0.0\n"


@pytest.mark.parametrize(("rows", "said"), [("1\nNA\n\n3\n", "2 rows"), ("1\nNA\n3\n", "1 row")])
def test_predict_with_dropped_rows_says_which_are_left(rows, said, run):
    save_model(intercept=0.5)
    Path("new.csv").write_text("a\n" + rows)
    status, out, err = run("predict m.json new.csv --drop-missing")
    assert (status, err) == (0, f"fastgd: {said} with missing values dropped\n")
    assert out == f"line,predicted_y\n2,2.5\n{2 + rows[:-2].count(chr(10))},6.5\n"


def many_rows(kind, n=1000, missing=()):
    """Write a file of columns a and b, in which values are missing in some rows, and return its name and the columns."""
    values = np.random.default_rng(0).standard_normal((n, 2))
    values[list(missing), 1] = np.nan
    if kind == "npy":
        np.save("new.npy", values.copy().view([("a", float), ("b", float)])[:, 0])
    elif kind == "parquet":
        pa = pytest.importorskip("pyarrow", reason="Parquet files are read by pyarrow")
        from pyarrow import parquet

        parquet.write_table(
            pa.table({"a": values[:, 0].copy(), "b": values[:, 1].copy()}), "new.parquet", row_group_size=70
        )
    else:
        lines = [f"{a!r},{b!r}".replace("nan", "") for a, b in values.tolist()]
        if kind == "odd csv":  # from the middle on one that only Python reads
            lines[n // 2] = lines[n // 2].replace(",", " , ")
            lines.insert(n // 2 + 5, "")
        Path("new.csv").write_text("a,b\n" + "\n".join(lines) + "\n")
    return f"new.{kind.split()[-1]}", values


@pytest.fixture(params=["csv", "odd csv", "parquet", "npy"])
def in_pieces(request, monkeypatch):
    """Read files a few rows at a time, and keep few predictions in memory."""
    monkeypatch.setattr(tuning, "CSV_PIECE_BYTES", 300)
    monkeypatch.setattr(tuning, "READ_VALUES", 14)
    monkeypatch.setattr(commands, "_IN_MEMORY", 100)
    return request.param


def test_predictions_in_pieces_are_those_of_each_row(in_pieces, succeeds):
    name, values = many_rows(in_pieces)
    save_model(features="ab", intercept=0.1, coef=(1 / 3, -2.0))
    expected = [float(np.dot(row, [1 / 3, -2.0])) + 0.1 for row in values]
    for options in ("", "--drop-missing"):
        assert succeeds(f"predict m.json {name} {options}") == "predicted_y\n" + "".join(f"{h!r}\n" for h in expected)


@pytest.mark.parametrize("missing", [[3], [700], [0, 1, 2, 3, 400, 998, 999], range(999)], ids=str)
def test_rows_that_are_dropped_anywhere_give_all_others_their_lines(in_pieces, missing, run):
    name, values = many_rows(in_pieces, missing=missing)
    save_model(features="ab", coef=(1.0, 2.0))
    status, out, err = run(f"predict m.json {name} --drop-missing")
    assert (status, err) == (0, f"fastgd: {len(missing)} row{'s' * (len(missing) > 1)} with missing values dropped\n")
    first = 1 if name in ("new.npy", "new.parquet") else 2
    expected = [
        f"{first + i + (in_pieces == 'odd csv' and i >= 505)},{float(a * 1.0 + b * 2.0)!r}\n"
        for i, (a, b) in enumerate(values.tolist())
        if i not in missing
    ]
    assert out == "line,predicted_y\n" + "".join(expected)


def test_nothing_is_printed_of_a_file_that_is_wrong_at_its_end(in_pieces, fails):
    name, _ = many_rows(in_pieces, missing=[999])
    save_model(features="ab", coef=(1.0, 2.0))
    place = {"csv": "line 1001", "odd csv": "line 1002"}.get(in_pieces, "row 1000")
    assert f"{name}, {place}, column 'b': a value is missing." in fails(f"predict m.json {name}")
    many_rows(in_pieces, missing=range(1000))
    told = f"{name} has 1000 rows, but a value is missing in each. Fill in the values, or choose other columns."
    assert fails(f"predict m.json {name} --drop-missing") == told


@pytest.mark.parametrize("target", [None, "y"])
def test_a_model_of_an_array_takes_the_columns_in_their_order(target, succeeds, fails):
    save_model(target, None, 1.0, (2.0, -3.0))
    Path("new.csv").write_text("q,p\n1,0\n0,1\n")
    np.save("new.npy", np.eye(2))
    for name in ("new.csv", "new.npy"):
        assert succeeds(f"predict m.json {name}") == f"predicted{'_y' if target else ''}\n3.0\n-2.0\n"
    assert fails("predict m.json data.csv") == (
        "data.csv has 3 columns, 'a', 'b', 'y', but the model has 2 coef and no names for them. Give a file with the columns "
        "of the features alone, in their order."
    )


def test_a_model_of_numbered_columns_finds_them_by_their_text(succeeds):
    save_model("y", [2020, 0.5], 1.0, (2.0, -3.0))
    Path("new.csv").write_text("0.5,2019,2020\n0,7,1\n1,7,0\n")
    assert succeeds("predict m.json new.csv") == "predicted_y\n3.0\n-2.0\n"


def test_what_is_saved_is_loaded_by_the_library(succeeds):
    succeeds(f"{FIT} --save m.json")
    model = fastgd.load("m.json")
    assert (model.target, model.feature_names) == ("y", ["a", "b"])
    written = succeeds("predict m.json data.csv").split()[1:]
    assert [float(text) for text in written] == model.predict([[1, 0], [0, 1], [-1, 0], [0, -1]]).tolist()


GROWTH = """
import sys
from pathlib import Path
import numpy as np
from fastgd.cli import parser

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

def write(kind, n):
    if kind == "csv":
        with open("new.csv", "w") as file:
            file.write("a,b,c,d,e,f,g,h\\n")
            lines = "".join(",".join(map(repr, row)) + "\\n" for row in np.random.default_rng(0).random((1000, 8)).tolist())
            for _ in range(n // 1000):
                file.write(lines)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq
        with pq.ParquetWriter("new.parquet", pa.schema([(name, pa.float64()) for name in "abcdefgh"])) as writer:
            for i in range(n // 100_000):
                values = np.random.default_rng(i).random((8, 100_000))
                writer.write_table(pa.table(dict(zip("abcdefgh", values))))

kind, sizes = sys.argv[1], []
for n in (300_000, 1_500_000):
    write(kind, n)
    assert parser.main(["predict", "m.json", f"new.{kind}"]) == 0
    sizes.append(peak())
print(sizes[1] - sizes[0], file=sys.stderr)
"""


@pytest.mark.processes
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's list of sizes")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_file(kind):
    pytest.importorskip("pyarrow", reason="reads files fast, and Parquet at all")
    save_model(features="abcdefgh", coef=range(1, 9))
    command = [sys.executable, "-c", GROWTH, kind]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    # The long one has 77 MB of numbers more; as a whole they were held twice, and the text of their predictions.
    assert int(done.stderr) < 80e6


@pytest.mark.processes
def test_predict_does_not_wait_for_numba():
    save_model()
    code = (
        "import sys; from fastgd.cli.parser import main; assert main(['predict', 'm.json', 'data.csv']) == 0; "
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


def test_fit_drops_rows(run):
    Path("data.csv").write_text(EXACT + "5,,5\n,5,5\n1,1,null\n")
    status, _, err = run(f"{FIT} --drop-missing --save m.json")
    assert (status, err) == (0, "fastgd: 3 rows with missing values dropped\n")
    assert model_file.load("m.json").coef == pytest.approx([2, -3], abs=1e-6)


@pytest.mark.parametrize("options", ["", "--no-intercept", "--features ' \"x, 3\", x1 '"])
def test_fit_save_predict_against_lstsq(options, succeeds):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = X @ [1.0, -2.0, 0.5] + 3.0 + rng.standard_normal(200)
    with open("train.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x1", "y", "größe", "x, 3"])
        writer.writerows(np.insert(X, 1, y, axis=1).tolist())
    used = X[:, [2, 0]] if "--features" in options else X
    matrix = used if options == "--no-intercept" else np.column_stack((np.ones(200), used))
    theta = np.linalg.lstsq(matrix, y)[0]
    succeeds(f"fit train.csv --target y --tol 1e-12 --save m.json {options}")

    model = model_file.load("m.json")
    assert model.target == "y"
    assert model.features == (["x, 3", "x1"] if "--features" in options else ["x1", "größe", "x, 3"])
    assert model.coef == pytest.approx(theta[-used.shape[1] :], rel=1e-10)
    assert model.intercept == (0.0 if options == "--no-intercept" else pytest.approx(theta[0], rel=1e-10))
    names, *predictions = csv.reader(io.StringIO(succeeds("predict m.json train.csv")))
    assert names == ["predicted_y"]
    assert np.array(predictions, dtype=float)[:, 0] == pytest.approx(matrix @ theta, rel=1e-9, abs=1e-10)


def test_fit_that_needs_more_iterations_fails_and_is_saved(run):
    failed = "fastgd: error: the descent did not converge"
    status, out, err = run(f"{FIT} --max-iter 3 --learning-rate 0.01")
    assert out.splitlines()[0] == (
        "Not converged within --max-iter 3 iterations, --tol 1e-08. --learning-rate was 0.01. The largest stable "
        "--learning-rate is 2 / lambda_max = 1; the Hessian's condition number is 2. Try --method preconditioned, a larger "
        "--max-iter, --standardize, or --learning-rate optimal, 0.6667."
    )
    assert (status, err) == (1, f"{failed}.\n")
    advised = f"{FIT} --max-iter 3 --learning-rate optimal"
    status, out, err = run(f"{advised} --save m.json")
    assert "--learning-rate was 0.6667. " in out
    assert (status, err) == (1, f"{failed}, but the model was saved to m.json.\n")
    assert Path("m.json").exists()
    assert run(f"{advised} --tol 0")[::2] == (0, "")  # as many iterations as were asked for


def test_a_warning_is_a_line(run, monkeypatch):
    monkeypatch.setattr(parser, "_run", lambda argv: warnings.warn("no cache\nhere", RuntimeWarning, stacklevel=1) or 0)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run("") == (0, "", "fastgd: warning: no cache here\n")


def test_columns_that_depend_on_each_other_are_named_once(succeeds):
    Path("data.csv").write_text("a,max_iter,b,y\n1,2,0,3\n0,0,1,-2\n-1,-2,0,-1\n0,0,-1,4\n")
    for options in ("", "--json"):
        out = succeeds(f"{FIT} {options}")
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
    assert output.as_options(told) == expected


@pytest.mark.parametrize("max_iter", [3, 1000])
def test_fit_that_diverges_is_not_saved(max_iter, run):
    for option, said in (("", ""), ("--save m.json", ", so no model was saved to m.json")):
        status, out, err = run(f"{FIT} --learning-rate 10 --max-iter {max_iter} {option}")
        assert out.startswith("Diverged after ")
        assert (status, err) == (1, f"fastgd: error: the descent diverged{said}.\n")
    assert not Path("m.json").exists()


@pytest.mark.parametrize("line", ["", "demo"])
def test_demo(line, succeeds, monkeypatch):
    monkeypatch.setattr("fastgd.cli.demo.run", lambda: print("shown"))
    assert succeeds(line) == "shown\n"


# Input that cannot be used.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--bad", "unrecognized arguments: --bad (see fastgd --help)"),
        (
            f"{FIT} --features a b",
            "unrecognized arguments: b (see fastgd fit --help; names of columns are separated by commas)",
        ),
        ("fit none.csv --target y", "there is no file none.csv, but a CSV file is expected. Check the path."),
        ("fit data.csv --target z", "data.csv has no column 'z', but 'a', 'b', 'y'."),
        (f"{FIT} --features a,c", "data.csv has no column 'c', but 'a', 'b', 'y'."),
        (f"{FIT} --features a,y", "'y' is the target and among the features, but a target is fitted from others."),
        (
            "fit lonely.csv --target y",
            "lonely.csv has no column but the target 'y', so there is nothing to fit it from.",
        ),
        (
            "predict none.json data.csv",
            "there is no file none.json, but a model is expected. "
            "Models are written by result.save(path), or: fastgd fit DATA.csv --target COLUMN --save MODEL.json",
        ),
        ("predict m.json lonely.csv", "lonely.csv has no column 'a', but 'y'."),
    ],
)
def test_input_that_cannot_be_used(line, message, fails):
    Path("lonely.csv").write_text("y\n1\n")
    save_model()
    assert fails(line) == message
    assert Path("data.csv").read_text() == EXACT


NEEDED = "the following arguments are required:"
TWICE = "was given twice, but one is expected"
STEP, COUNT, NOT_NEGATIVE = "a finite number > 0, auto, optimal or exact", "a whole number >= 0", "a finite number >= 0"
RANGES = [
    ("--learning-rate", STEP, ["-1", "0", "nan", "inf", "abc"]),
    ("--max-iter", COUNT, ["-1", "1.5", "9" * 5000]),
    ("--tol", NOT_NEGATIVE, ["-1", "nan"]),
    ("--l2", f"{NOT_NEGATIVE}, or auto", ["-0.5", "x\ny"]),
]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fit", f"{NEEDED} DATA, --target"),
        ("fit data.csv", f"{NEEDED} --target"),
        ("fit data.csv --targt y", f"{NEEDED} --target"),
        ("predict m.json", f"{NEEDED} DATA"),
        (f"{FIT} --target a", f"argument --target: {TWICE}"),
        (f"{FIT} --features a --features b", f"argument --features: {TWICE}"),
        (f"{FIT} --max-iter 3 --tol 0 --max-iter 4", f"argument --max-iter: {TWICE}"),
        (f"{FIT} --feature a", "unrecognized arguments: --feature a"),
        (f"{FIT} --std", "unrecognized arguments: --std"),  # options are not guessed
        (f"{FIT} 'a\nb\x85c'", "unrecognized arguments: a b c"),
        (f"{FIT} --features a,b,a", "argument --features: 'a' was given twice, but different columns are expected"),
        (f"{FIT} --features a,,b", "argument --features: 'a,,b' has an empty name, but names of columns are expected"),
        (f"{FIT} --features '\"a'", "argument --features: '\"a' is not a line of CSV (unexpected end of data)"),
        *[
            (f"{FIT} {option} '{value}'", f"argument {option}: {value!r} was given, but {expected} is expected")
            for option, expected, values in RANGES
            for value in values
        ],
    ],
    ids=lambda given: given[:60],
)
def test_arguments_that_cannot_be_used(line, message, fails):
    assert fails(line) == f"{message} (see fastgd {line.split()[0]} --help)"


@pytest.mark.parametrize("line", ["none", f"{FIT} --method x", "fit --target"])
def test_what_argparse_refuses(line, fails):
    message = fails(line)
    assert message.startswith("argument ")
    assert message.endswith(" --help)")


def test_what_fit_refuses(fails):
    Path("data.csv").write_text("a,y\n1e200,1\n2e200,2\n")
    assert fails(FIT).startswith("The squares of X exceed float64")


# Help, and as a process.


@pytest.mark.parametrize(
    ("command", "n_lines"), [("", 24), ("fit", 38), ("predict", 24), ("bench", 24), ("warmup", 24), ("demo", 24)]
)
def test_help_fits_on_a_screen(command, n_lines, monkeypatch, succeeds):
    monkeypatch.setenv("COLUMNS", "80")
    out = succeeds(f"{command} --help")
    assert out.startswith("usage: fastgd")
    assert len(out.splitlines()) <= n_lines
    assert max(map(len, out.splitlines())) <= 80


@draws
def test_the_examples_of_the_help_run(run, succeeds):
    pytest.importorskip("pyarrow", reason="an extra of an example")
    import pyarrow.csv
    from pyarrow import parquet

    Path("houses.csv").write_text("area,rooms,price\n50,2,110\n70,3,150\n90,3,190\n120,5,260\n")
    shutil.copy("houses.csv", "new.csv")
    parquet.write_table(pyarrow.csv.read_csv("houses.csv"), "houses.parquet")
    examples = [line.strip() for line in succeeds("--help").splitlines() if line.startswith("  fastgd ")]
    assert len(examples) == 5
    for example in examples:
        assert run(example.partition(" > ")[0].removeprefix("fastgd "))[0] == 0
    assert {"model.json", "line.png", "h.csv"} <= set(os.listdir())


def test_version(succeeds):
    assert succeeds("--version") == f"fastgd {fastgd.__version__}\n"


@pytest.mark.processes
def test_help_and_errors_do_not_wait_for_numba():
    code = (
        "import sys; from fastgd.cli.parser import main; "
        "assert main(['--help']) == 0; assert main(['fit', 'none.csv', '--target', 'y']) == 2; "
        "assert main(['predict', 'none.json', 'none.csv']) == 2; assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


@pytest.mark.processes
def test_process():
    done = process(f"{FIT} --save m.json", stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Converged after ")
    assert model_file.load("m.json").coef == pytest.approx([2, -3], abs=1e-6)
    done = process("predict m.json none.csv", stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fastgd: error: there is no file none.csv, but a CSV file is expected. Check the path.\n"


def closed_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


FULL = "fastgd: error: [Errno 28] No space left on device\n"
no_pipes = pytest.mark.skipif(os.name != "posix", reason="pipes end differently elsewhere")
no_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
ENDS = [
    pytest.param(closed_pipe, 141, "", marks=no_pipes),
    pytest.param(partial(open, "/dev/full", "w"), 2, FULL, marks=no_full),
]


@pytest.mark.processes
@pytest.mark.parametrize(("opened", "status", "told"), ENDS, ids=["closed pipe", "full disk"])
def test_output_that_ends_early(opened, status, told):
    save_model()
    with opened() as out:
        done = process("predict m.json data.csv", stdout=out)
    assert (done.returncode, done.stderr) == (status, told)


@pytest.mark.parametrize(("opened", "status", "told"), ENDS, ids=["closed pipe", "full disk"])
def test_output_that_ends_amid_the_rows(opened, status, told, capsys, monkeypatch):
    save_model()
    Path("many.csv").write_text("a\n" + "1.5\n" * 100_000)
    with opened() as out:  # and can be closed
        monkeypatch.setattr(sys, "stdout", out)
        assert parser.main(["predict", "m.json", "many.csv"]) == status
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("line", ["--help", FIT])
def test_no_standard_output(line, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert parser.main(shlex.split(line)) == 2
    assert capsys.readouterr().err == ("fastgd: error: standard output is closed, but there is something to print.\n")


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_interrupt():
    os.mkfifo("endless.csv")
    command = [sys.executable, "-m", "fastgd", *shlex.split("fit endless.csv --target y")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            with open("endless.csv", "w") as pipe:  # opens when the child reads
                pipe.write(EXACT)
                pipe.flush()
                child.send_signal(signal.SIGINT)
                out, err = child.communicate(timeout=120)
        finally:
            child.kill()
    assert (child.returncode, out, err) == (130, b"", b"fastgd: interrupted\n")


def test_output_that_is_no_file_and_an_interrupt_are_met(run, monkeypatch):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert parser.main(shlex.split(FIT)) == 0
    assert "intercept" in out.getvalue()
    monkeypatch.setattr(parser, "_run", raising(KeyboardInterrupt()))
    assert run("") == (130, "", "fastgd: interrupted\n")


# The penalty, found.


def test_a_penalty_is_found_by_cross_validation(run):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 6))
    y = X @ np.arange(6) + 5 * rng.standard_normal(30)
    with open("noise.csv", "w", newline="") as file:
        csv.writer(file).writerows([["a", "b", "c", "d", "e", "f", "y"], *np.column_stack((X, y)).tolist()])
    for options, same in (
        ("", {}),
        ("--no-intercept --loss sse", {"intercept": False, "loss": "sse"}),
        ("--standardize", {"standardize": True}),
    ):
        found = fastgd.cross_validate(X, y, **same)
        status, out, err = run(f"fit noise.csv --target y --l2 auto --json {options}")
        assert status == 0
        cost, error = found.mean_cost.min(), found.standard_error[found.mean_cost.argmin()]
        assert err == (
            f"fastgd: --l2 {found.best_l2:.6g} was found: on 5 folds, its cost was least, {cost:.6g} (standard error "
            f"{error:.2g})\n"
        )
        expected = fastgd.fit(X, y, l2=found.best_l2, **same)
        np.testing.assert_allclose(list(json.loads(out)["coef"].values()), expected.coef, rtol=1e-12)


def test_a_penalty_is_found_for_few_rows(run, fails):
    assert "on 4 folds" in run(f"{FIT} --l2 auto")[2]
    Path("one.csv").write_text("a,y\n1,2\n")
    assert fails("fit one.csv --target y --l2 auto").startswith("--l2 auto was given, and a single row")
    assert "a finite number >= 0, or auto is expected" in fails(f"{FIT} --l2 -1")
