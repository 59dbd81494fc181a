"""What the README promises."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from fastgd.cli import parser

README = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_example_prints_what_the_readme_says():
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(blocks("python")[0], {})
    assert printed.getvalue() == blocks("text")[0]


def test_the_five_minutes(tmp_path, monkeypatch, capsys):
    for package in ("sklearn", "matplotlib"):
        pytest.importorskip(package, reason="an extra of these five minutes")
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[1], {})
    assert f"prints `{capsys.readouterr().out.strip()}`" in README
    assert (tmp_path / "descent.png").read_bytes().startswith(b"\x89PNG")
    for line in blocks("sh")[2].splitlines():
        program, *arguments = shlex.split(line)
        assert program == ".venv/bin/fastgd"
        assert parser.main(arguments) == 0
    out = capsys.readouterr().out
    assert "hours" in out
    assert out.splitlines()[-101] == "predicted_marks"


def test_files_are_fitted_as_the_readme_says(tmp_path, monkeypatch, capsys):
    for package in ("pyarrow.parquet", "tqdm"):
        pytest.importorskip(package, reason="an extra of this example")
    import pyarrow as pa
    from pyarrow import parquet

    monkeypatch.chdir(tmp_path)
    (tmp_path / "houses").mkdir()
    for year in range(3):
        columns = {
            "area": [50.0, 70.0 + year, 90.0],
            "rooms": [2, 3, 5],
            "price": [110.0, 150.0 + 2 * year, 190.0],
            "no": [1] * 3,
        }
        parquet.write_table(pa.table(columns), f"houses/{year}.parquet")
    exec(blocks("python")[2], {})
    assert "area        2\n" in capsys.readouterr().out


def test_the_first_block_has_the_two_commands():
    main_job, tests = blocks("sh")[0].splitlines()
    assert main_job.endswith("fastgd demo")
    assert tests.endswith("pytest")
