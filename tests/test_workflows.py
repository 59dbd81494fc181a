"""The public CI: what it runs is pinned, may not write, and begins at the versions that pyproject.toml declares."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="the source distribution has no workflows")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_tokens_read_only(path):
    text = path.read_text(encoding="utf-8")
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", action)
    assert re.search(r"^permissions:\n  contents: read\n\S*$", text, re.MULTILINE)
    # Beyond that, publishing proves who it is.
    assert set(re.findall(r": write\b.*", text)) <= {": write # for trusted publishing: there is no token to steal"}
    assert "secrets." not in text
    assert text.count("actions/checkout") == text.count("persist-credentials: false")


def test_the_oldest_versions_tested_are_those_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = dict(
        re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()
        for requirements in (project["dependencies"], *project["optional-dependencies"].values())
        for requirement in requirements
        if re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement)
    )
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    tested = dict(re.findall(r"([\w-]+)==([\d.]+)\.\*", text))
    assert {"numpy", "numba", "scikit-learn"} <= tested.keys()
    assert tested == {name: declared[name] for name in tested}
    assert project["requires-python"] == ">=" + re.search(r'python: "([\d.]+)"\n +floors', text)[1]
