"""The four floors: imports point down only, and importing fastgd costs next to nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fastgd

PACKAGE = Path(fastgd.__file__).parent

# From the ground up. A module may import from its own floor and from those below it, but rows and solvers, which stand side
# by side, nothing from each other.
FLOORS = [["kernels"], ["rows", "solvers"], []]  # all other modules are on the top floor


def floor(parts):
    for height, packages in enumerate(FLOORS):
        if parts[1:2] and parts[1] in packages:
            return height
    return len(FLOORS) - 1


def imported(path):
    """Yield the fastgd modules that a file imports, as tuples of their dotted names' parts."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            # "from fastgd import validation" imports a module; so do deeper ones.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (tuple(name.split(".")) for name in names if name.split(".")[0] == "fastgd")


FILES = sorted(path for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = ("fastgd", *path.relative_to(PACKAGE).with_suffix("").parts)
    for target in imported(path):
        assert floor(target) <= floor(own), f"{'.'.join(own)} imports {'.'.join(target)} from a floor above"
        if floor(target) == floor(own) < len(FLOORS) - 1:
            assert target[1] == own[1], f"{'.'.join(own)} imports {'.'.join(target)} from beside it"


def test_what_is_tested_is_the_tree():
    assert Path(__file__).parent.parent / "fastgd" == PACKAGE


def test_each_floor_is_seen():
    seen = {floor(("fastgd", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in FILES}
    assert seen == set(range(len(FLOORS)))


def modules_after(code):
    code += "; import sys; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_importing_fastgd_imports_nothing_but_the_standard_library():
    new = modules_after("import fastgd") - modules_after("pass")
    assert new <= {"fastgd"} | sys.stdlib_module_names


def test_descend_and_the_reference_do_not_need_numba():
    assert "numba" not in modules_after("import fastgd; fastgd.descend(lambda t: 2 * t, 1.0); fastgd.reference.cost")


def test_every_public_name_is_there():
    for name in fastgd.__all__:
        assert getattr(fastgd, name) is not None
    assert set(dir(fastgd)) == set(fastgd.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fastgd.nonsense
