"""The quick checks that mutation tests follow changes of machine code with: they pass, and none is missing."""

import subprocess
import sys

import machine_code
import pytest

from fastgd.kernels.registry import EVERY_KERNEL, variants


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="takes pages away by mprotect")
@pytest.mark.parametrize("module", machine_code.CHECKS)
def test_sums_are_exact_and_memory_is_asked_for_so_far_ahead(module):
    # In a process of its own, as to touch what is not there is the end of it.
    code = f"import sys; sys.path[:] = {sys.path!r}; import machine_code\n"
    code += f"for name in machine_code.CHECKS[{module!r}]: machine_code.run(name)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_each_function_that_is_compiled_has_checks():
    modules = {function.__module__ for variant in variants(EVERY_KERNEL, ["float64"]) for function in variant.functions}
    assert {module.rpartition(".")[2] for module in modules} == machine_code.CHECKS.keys()
