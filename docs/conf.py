"""How the documentation is built: ``python -m sphinx -W docs docs/_build``."""

import sys
from pathlib import Path

import fastgd

project = "fastgd"
author = "the fastgd developers"
copyright = "the fastgd developers"
version = release = fastgd.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "gallery"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"fastgd {version}"

autosummary_generate = True
default_role = "literal"  # in docstrings a name between backticks is code
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "pictures",
    "filename_pattern": "/plot_",
    "abort_on_example_error": True,
    "show_memory": False,
    "min_reported_time": 5,
    "remove_config_comments": True,
}
suppress_warnings = ["config.cache"]  # the gallery's configuration holds functions, which are not cached


def setup(app):
    """Draw the picture that `design.md` shows before its pages are read."""
    sys.path.insert(0, str(app.confdir))
    from floors import draw

    app.connect("builder-inited", lambda app: draw(Path(app.srcdir) / "pictures" / "floors.svg"))
