"""Warming up: afterwards no call compiles."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd.cli import parser
from fastgd.kernels import warming

CALLS = """
import numpy as np, scipy.sparse, fastgd
from fastgd.kernels import jit
rng = np.random.default_rng(0)
for dtype in {dtypes}:
    for order in "CF":
        X = np.asarray(rng.normal(size=(300_000, {k})), dtype=dtype, order=order)
        for y in (rng.normal(size=len(X)).astype(dtype), np.arange(len(X))):
            for s in (None, rng.uniform(size=len(X))):
                fastgd.gradient(X[:99], y[:99], np.ones({k}), sample_weight=None if s is None else s[:99])
                fastgd.gradient(X, y, np.ones({k}), sample_weight=s, n_threads=2)
                fastgd.Moments.from_rows(X[:99], y[:99], None if s is None else s[:99])
                fastgd.Moments.from_rows(X, y, s, n_threads=2)
                fastgd.fit(X[:99], y[:99], max_iter=2, tol=0, sample_weight=None if s is None else s[:99])
            fastgd.fit(X[:99], np.column_stack((y, y))[:99, 0], method="gd", max_iter=2)
    sparse = scipy.sparse.csr_array(X[:99])
    for s in (None, rng.uniform(size=99)):
        fastgd.fit(sparse, y[:99], sample_weight=s, max_iter=2, tol=0)
        fastgd.fit(sparse, y[:99], sample_weight=s, method="cg", precompute=False, max_iter=2)
"""


def start_warmup(folder, *arguments, before=""):
    """Start the command line in a folder, as its script does, behind other code."""
    code = f"import sys; sys.path[0] = {str(Path(fastgd.__file__).parent.parent)!r}; {before} from fastgd import cli; "
    code += f"sys.exit(cli.main(['warmup', *{arguments!r}]))"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), "FASTGD_NUM_THREADS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.processes
@pytest.mark.parametrize("dtypes", [["float64"], pytest.param(["float64", "float32"], marks=pytest.mark.slow)])
def test_processes_share_what_there_is_to_compile_and_afterwards_nothing_is_compiled(dtypes, tmp_path):
    (tmp_path / "fastgd").mkdir()  # which they do not import
    (tmp_path / "fastgd" / "__init__.py").write_text("raise SystemExit('imported')")
    # What the processes have left over is not compiled by the one that started them.
    before = "from fastgd.kernels import warming; warming._TELL_SECONDS, warming.warmup = 0.0, lambda *_, **options: 0;"
    process = start_warmup(tmp_path, "--features", "3", *(f"--dtype={dtype}" for dtype in dtypes), before=before)
    output, errors = process.communicate(timeout=600)
    assert (process.returncode, errors) == (0, "")
    expected = warming._expected(3, dtypes)
    first, *steps, last = output.splitlines()
    assert first == f"Compiling {warming._count(expected)} functions in 2 processes."
    assert [line.partition(" after")[0] for line in steps] == [
        f"{i} of {len(expected)} steps are done" for i in range(1, len(expected) + 1)
    ]
    assert "are ready" in last
    files = {path: path.stat().st_ino for path in tmp_path.rglob("*.nb?")}
    assert len(files) >= 2 * warming._count(expected)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    code = CALLS.format(k=3, dtypes=dtypes)
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env=environment)
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*.nb?")} == files


def test_kernels_are_counted_once():
    # 2 and 3 features have two kernels each, 1 feature one; 4 kinds of float64 rows; parts of a pass; moments, scores and
    # spread of either layout, for the 2 kinds with y; sparse sums, weighted or not; weights, penalty, groups, and waiting.
    assert fastgd.warmup([1, 2, 2, 3], dtypes=["float64"]) == 4 * (5 + 2) + 2 * 6 + 8 + 8
    assert fastgd.warmup(1, dtypes=["float64"]) == 4 * (1 + 2) + 2 * 3 + 8 + 8
    assert fastgd.warmup(1, dtypes=["float64", "float64"]) == fastgd.warmup(1, dtypes=["float64"])
    assert fastgd.warmup(np.int64(130), dtypes=["float64"]) == fastgd.warmup([131, 500], dtypes=["float64"])


@pytest.mark.parametrize(
    ("n_features", "error", "message"),
    [
        (0, ValueError, "n_features=0"),
        ([3, -1], ValueError, "n_features=-1"),
        (2.0, TypeError, "n_features=2.0"),
        (True, TypeError, "n_features=True"),
        ("3", TypeError, "n_features='3'"),
    ],
)
def test_a_number_of_features_is_a_whole_number(n_features, error, message):
    with pytest.raises(error, match=message):
        fastgd.warmup(n_features)


@pytest.mark.parametrize(
    ("dtypes", "error"), [("float64", TypeError), (3, TypeError), (["int64"], ValueError), ([np.float64], ValueError)]
)
def test_dtypes_are_names(dtypes, error):
    with pytest.raises(error, match="dtypes"):
        fastgd.warmup(1, dtypes=dtypes)


@pytest.mark.processes
def test_the_command_line_warms_up(capsys):
    assert parser.main(["warmup", "--features", "1, 3", "--dtype", "float64"]) == 0
    n_functions = 4 * (3 + 2) + 2 * 6 + 8 + 8
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"Compiling {n_functions} functions in ")
    assert told[-1].startswith(f"{n_functions} compiled functions are ready after ")


@pytest.mark.processes
def test_processes_that_could_keep_nothing_compile_nothing(tmp_path, monkeypatch):
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    (tmp_path / "file").touch()
    monkeypatch.setattr(warming, "_TELL_SECONDS", 0.0)
    monkeypatch.setattr(warming, "warmup", lambda *args, **options: 7)
    told = []
    assert warming.warmup_by_processes([1, 2], ["float64"], 1, told.append) == 7
    assert len(told) == 1


@pytest.mark.processes
@pytest.mark.skipif(os.name != "posix", reason="of signals as POSIX has them")
def test_processes_end_without_a_word_when_somebody_presses_ctrl_c(tmp_path):
    process = start_warmup(tmp_path, "--features", "1", "--dtype", "float64")
    while process.poll() is None and not list(tmp_path.rglob("*.nbi")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "fastgd: interrupted\n")


@pytest.mark.parametrize("features", ["0", "1,,2", "x", "-1", "1.5"])
def test_the_command_line_refuses_what_is_no_number_of_features(features, capsys):
    assert parser.main(["warmup", "--features", features]) == 2
    assert "expected" in capsys.readouterr().err
