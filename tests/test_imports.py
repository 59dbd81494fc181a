"""The floors of the house: imports point down only, and importing fastgd costs next to nothing."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import fastgd
from fastgd.kernels import tuning

PACKAGE = Path(fastgd.__file__).parent

# From the top down: a module may import from its own folder and from the floors below it, and nothing else.
FLOORS = [
    ["cli"],
    ["sklearn", "plot", "bench"],
    ["objective", "fitting"],
    ["descent", "moments"],
    ["inputs"],
    ["saving"],
    ["solvers"],
    ["rows"],
    ["kernels"],
    ["arguments", "formatting", "exceptions", "reference"],
]
FLOOR_OF = {name: height for height, names in enumerate(FLOORS) for name in names}


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


def module_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ("fastgd", *(parts[:-1] if parts[-1] == "__init__" else parts))


MODULES = {module_of(path): path for path in FILES}


@pytest.mark.parametrize(
    "path", [path for path in FILES if module_of(path)[1:]], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_point_down(path):
    own = module_of(path)[1]
    for target in imported(path):
        other = target[1]
        if own != "__main__" and other not in {own, "__version__"}:
            assert FLOOR_OF[other] > FLOOR_OF[own], f"{own} imports {'.'.join(target)}, which is not below it"


def test_each_file_and_folder_has_a_floor():
    there = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert there - {"__init__", "__main__", "__pycache__"} == set(FLOOR_OF)


def test_no_module_imports_itself_by_way_of_others():
    needs = {
        module: {target if target in MODULES else target[:-1] for target in imported(path)} & set(MODULES)
        for module, path in MODULES.items()
    }
    graph = graphlib.TopologicalSorter({module: found - {("fastgd",)} for module, found in needs.items()})
    graph.prepare()  # which raises CycleError


def test_what_is_tuned_to_a_machine_is_in_one_place_that_all_users_read():
    read = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            by_value = isinstance(node, ast.ImportFrom) and node.module == "fastgd.kernels.tuning"
            assert not by_value, f"{path}: a number of tuning.py would stay what it was at the import"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tuning":
                read.add(node.attr)
    assert read == {name for name in vars(tuning) if name.isupper()}


def test_what_is_tested_is_the_tree():
    assert Path(__file__).parent.parent / "fastgd" == PACKAGE


def modules_after(code):
    code += "; import sys; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.processes
def test_importing_fastgd_imports_nothing_but_the_standard_library():
    new = modules_after("import fastgd") - modules_after("pass")
    assert new <= {"fastgd"} | sys.stdlib_module_names


@pytest.mark.processes
def test_descend_and_the_reference_do_not_need_numba():
    assert "numba" not in modules_after("import fastgd; fastgd.descend(lambda t: 2 * t, 1.0); fastgd.reference.cost")


def test_every_public_name_is_there():
    for name in fastgd.__all__:
        assert getattr(fastgd, name) is not None
    assert set(dir(fastgd)) == set(fastgd.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fastgd.nonsense
