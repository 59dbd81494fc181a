"""The examples in the docstrings run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import fastgd

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(fastgd.__path__, "fastgd.") if module.name != "fastgd.__main__"
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(
    "name", sorted(set(fastgd.__all__) - {"__version__", "reference", "ConvergenceWarning", "FitState", "RankWarning"})
)
def test_public_functions_have_an_example(name):
    examples = doctest.DocTestFinder().find(getattr(fastgd, name), name)
    assert any(test.examples for test in examples)
