"""What the README promises."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_example_prints_what_the_readme_says():
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(blocks("python")[0], {})
    assert printed.getvalue() == blocks("text")[0]


def test_the_first_block_has_the_two_commands():
    main_job, tests = blocks("sh")[0].splitlines()
    assert main_job.endswith("fastgd demo")
    assert tests.endswith("pytest")
