"""The documentation: its examples print what they say, and its pictures can be drawn."""

import doctest
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import doors
import pytest
import test_bad_input
import test_extremes
import test_imports

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES, PICTURES = sorted(DOCS.glob("*.rst")), sorted((DOCS / "gallery").glob("plot_*.py"))
EXAMPLES = {
    "memory_map.py": (["300"], ["resource"], "A copy of X does not fit."),
    "parquet_folder.py": ([], ["pyarrow"], "600,000 rows; the two fits differ by"),
    "dask_cluster.py": (["2"], ["distributed", "dask.dataframe"], "in memory the same to"),
    "stream.py": ([], ["sklearn"], "could be read once only"),
}


def test_there_are_pages_and_pictures():
    assert len(PAGES) > 5
    assert len(PICTURES) > 3


def test_each_promise_names_tests_that_are_there_and_what_they_reached():
    text = (DOCS / "guarantees.md").read_text(encoding="utf-8")
    promises = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| **")]
    assert len(promises) == 19
    for promise, tests, reached in promises:
        names = re.findall(r"`(\w+\.(?:py|txt))`", tests)
        assert names, promise
        assert all(list(Path(__file__).parent.rglob(name)) for name in names), tests
        assert any(letter.isdigit() for letter in reached), promise
    assert "@" not in text


def test_figures_of_the_guarantees_are_those_that_the_tests_count():
    text = (DOCS / "guarantees.md").read_text(encoding="utf-8")
    kinds, places = len(test_bad_input.KINDS), len([at for at in doors.places(doors.DOORS) if at[1] != "out"])
    if doors.GDRegressor is not None:  # whose doors are counted, too
        assert f"{kinds * places:,} bad inputs: {kinds} kinds, each at {places} doors and positions" in text
    pairs, methods = len(test_extremes.POWERS) ** 2, len(test_extremes.METHODS)
    assert f"{3 * pairs * methods:,} fits: {pairs} pairs of scales, by {methods} methods, of rows from 3 places" in text


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/design.md"])
def test_files_that_are_named_for_contributors_are_there(page):
    names = re.findall(r"`((?:\.\w+/)?[\w/]+\.(?:py|md|rst|txt|yml))`", (ROOT / page).read_text(encoding="utf-8"))
    assert len(names) > 30
    folders = ROOT, ROOT / "fastgd", ROOT / "tests"
    # The source distribution has no workflows.
    missing = [name for name in names if not any((folder / name).exists() for folder in folders)]
    assert [name for name in missing if not name.startswith(".github/") or (ROOT / ".github").exists()] == []


def test_the_folders_of_tests_mirror_those_of_the_package():
    rooms = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert rooms == {path.parent.name for path in (ROOT / "fastgd").glob("*/__init__.py")}


def test_the_picture_of_the_floors_shows_each_import(tmp_path):
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    floors = runpy.run_path(str(DOCS / "floors.py"))
    edges = floors["imports"]()
    assert edges.keys() == test_imports.FLOOR_OF.keys()
    for path in test_imports.FILES:
        own = test_imports.module_of(path)[1:2]
        if own and own != ("__main__",):
            names = {target[1] for target in test_imports.imported(path)} - {*own, "__version__"}
            assert names <= edges[own[0]]
    arrows = floors["arrows"](edges)
    heights = {name: height for height, row in enumerate(floors["floors"](edges)) for name in row}
    assert all(heights[name] > heights[other] for name, other in arrows)
    # What is imported is what the arrows lead to, perhaps by way of others; and each arrow is needed.
    ways = {name: {other for above, other in arrows if above == name} for name in edges}
    for name in edges:
        assert edges[name] <= led_to(ways, name)
        for other in ways[name]:
            assert other in edges[name]
            assert other not in led_to(ways | {name: ways[name] - {other}}, name)
    floors["draw"](tmp_path / "pictures" / "floors.svg")
    assert "<svg" in (tmp_path / "pictures" / "floors.svg").read_text(encoding="utf-8")


def led_to(ways, name):
    return ways[name].union(*(led_to(ways, other) for other in ways[name]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_a_page(page):
    if page.name == "migrating.rst":
        pytest.importorskip("sklearn", reason="the page is about scikit-learn")
    if page.name == "larger_than_memory.rst":
        pytest.importorskip("pyarrow", reason="the page is about files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert doctest.testfile(str(page), module_relative=False).failed == 0


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_pictures_are_drawn(picture):
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="pictures are drawn by matplotlib")
    pyplot.close("all")
    with warnings.catch_warnings():
        runpy.run_path(str(picture))
    assert len(pyplot.get_fignums()) == 1
    assert all(ax.lines for ax in pyplot.gcf().axes)
    pyplot.close("all")


@pytest.mark.processes
@pytest.mark.parametrize(
    "example", [pytest.param(name, marks=pytest.mark.slow if "cluster" in name else ()) for name in EXAMPLES]
)
def test_examples_run(example, tmp_path):
    arguments, packages, printed = EXAMPLES[example]
    for package in packages:
        pytest.importorskip(package, reason="what the example is about")
    command = [sys.executable, DOCS / "examples" / example, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout
    differences = re.findall(r"(?:differs? by|the same to) (\S+)", done.stdout)
    assert all(float(difference.rstrip(".")) < 1e-9 for difference in differences)


def test_there_is_a_test_of_each_example():
    assert {path.name for path in (DOCS / "examples").glob("*.py")} == {*EXAMPLES}
