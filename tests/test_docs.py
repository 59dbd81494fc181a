"""The documentation: its examples print what they say, and its pictures can be drawn."""

import doctest
import runpy
import warnings
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES, PICTURES = sorted(DOCS.glob("*.rst")), sorted((DOCS / "gallery").glob("plot_*.py"))


def test_there_are_pages_and_pictures():
    assert len(PAGES) > 5
    assert len(PICTURES) > 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_a_page(page):
    if page.name == "migrating.rst":
        pytest.importorskip("sklearn", reason="the page is about scikit-learn")
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
