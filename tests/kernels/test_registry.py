"""The registry of what is compiled: nothing is compiled that it does not list, and nobody has a list of their own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import test_kernels

import fastgd.kernels
from fastgd.kernels.registry import EVERY_KERNEL, kernels, variants

PACKAGE = Path(fastgd.__file__).parent
FOLDER = Path(fastgd.kernels.__file__).parent

# Prints what numba is asked for while all doors to the kernels are tried: where it is written, and what it is called there.
CALLS = """
import numba.core.dispatcher as numba_dispatcher
compiled, compile = set(), numba_dispatcher.Dispatcher.compile

def noted(self, signature):
    compiled.add((self.py_func.__globals__["__name__"], self.py_func.__code__.co_qualname))
    return compile(self, signature)

numba_dispatcher.Dispatcher.compile = noted
import numpy as np, scipy.sparse, fastgd
from fastgd.bench import roofline

rng = np.random.default_rng(0)
for k in (3, 20, 30, 130):
    for order in "CF":
        X = np.asarray(rng.normal(size=(400, k)), order=order)
        y, s = rng.normal(size=400), rng.uniform(size=400)
        fastgd.gradient(X, y, np.ones(k), sample_weight=s, l2=0.1)
        fastgd.Moments.from_rows(X, y, s)
        fastgd.fit(X, y, max_iter=2, tol=0, method="gd", standardize=True, precompute=False)
        fastgd.fit(X, y, covariance="HC3")
fastgd.fit(X, y, groups=y > 0)
many = rng.normal(size=(300_000, 3))
fastgd.gradient(many, many[:, 0].copy(), np.ones(3), n_threads=2)
few = np.vander(np.linspace(0, 1, 30), 8)[:, :-1]  # whose columns nearly depend on each other
fastgd.fit(few, few @ np.ones(7))
sparse = scipy.sparse.csr_array(rng.normal(size=(99, 3)))
for precompute in (False, True):
    fastgd.fit(sparse, y[:99], method="cg", precompute=precompute, max_iter=2)
list(roofline.shares([3], ["float64"], ["C"], [1], n_bytes=1 << 20, n_rounds=1))
for module, name in compiled:
    print(module, name)
"""


def place(function):
    return function.__module__, function.__qualname__


def listed(n_features=EVERY_KERNEL):
    return {place(function) for variant in variants(n_features, ["float64"]) for function in variant.functions}


def helpers():
    """Return what is decorated to be compiled with whatever calls it: by module, each name."""
    return {
        (f"fastgd.kernels.{path.stem}", node.name)
        for path in FOLDER.glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and "njit" in names_in(node.decorator_list)
    }


def names_in(nodes):
    return {name_of(child) for node in nodes for child in ast.walk(node)}


def name_of(node):
    return getattr(node, "id", getattr(node, "attr", None))


@pytest.mark.processes
def test_what_calls_compile_is_what_the_registry_lists():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CALLS], check=True, capture_output=True, text=True)
    compiled = {tuple(line.split(" ", 1)) for line in done.stdout.splitlines()}
    ours = {(module, name) for module, name in compiled if module.startswith("fastgd")}
    assert ours - helpers() == listed()


def test_each_file_that_compiles_something_has_an_entry():
    compiling = {
        f"fastgd.{'.'.join(path.relative_to(PACKAGE).with_suffix('').parts)}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and name_of(node.func) in {"Kernel", "kernel", "compile_cached", "compiled_job"}
    }
    declaring = {"fastgd.kernels.jit", "fastgd.kernels.cache"}  # where these are themselves
    assert compiling - declaring == {module for module, _ in listed()}


def test_numba_is_asked_in_the_kernels_alone_and_through_the_cache():
    asked = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "stencil"}
    for path in PACKAGE.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        decorators = [each for node in nodes if isinstance(node, ast.FunctionDef) for each in node.decorator_list]
        helping = {child for each in decorators for child in ast.walk(each)} if path.parent == FOLDER else set()
        names = {name_of(node) for node in nodes if node not in helping}
        assert not names & asked or path == FOLDER / "cache.py", path


@pytest.mark.parametrize("dtypes", [["float64"], ["float32"], ["float64", "float32"]])
def test_no_variant_is_listed_twice(dtypes):
    kept = [variant.compile for variant in variants(EVERY_KERNEL, dtypes)]
    keys = [(call.func, call.args) if hasattr(call, "func") else call for call in kept]
    assert len({repr(key) for key in keys}) == len(keys)


def test_each_kernel_of_gradients_has_shapes_that_it_is_tested_with():
    gradients, _ = kernels(EVERY_KERNEL)
    tested = {place(layout.kernel.function) for layout, *_ in test_kernels.SHAPES}
    assert {place(kernel.function) for kernel in gradients} == tested
