"""Which tests run which lines of fastgd, and which of them to try first on a change of a line."""

import contextlib
import importlib
import itertools
import json
import os
import re
import resource
import shutil
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numba
from mutants import Mutant
from numba.core import config

# The test files that are about a file; the first line that fits counts.
UNITS = [
    (["kernels/"], "kernels_uncompiled"),
    (["solvers/"], "solvers fast_fits fitting"),
    (["rows/parallel"], "parallel processes"),
    (["rows/sparse"], "sparse rows parallel"),
    (["rows/arrays", "rows/layout", "rows/short"], "rows objective parallel moments"),
    (["rows/columns"], "rows cut_maps frames"),
    (["rows/dask_rows"], "dask"),
    (["rows/map", "rows/rows"], "mapped_rows cut_maps sources"),
    (["rows/parts"], "sources rows dask"),
    (["rows/parquet_columns"], "sources prediction"),
    (["rows/determination"], "prediction"),
    (["rows/par", "rows/parquet_rows", "rows/stream"], "sources sources_at_size"),
    (["rows/"], "rows moments"),
]

TESTS = Path(__file__).parent

COLLECTION = 0.0007  # of a test, in seconds
BYTES = 6 << 30

# Assertions are plain: to rewrite them takes a second, and whoever reads them sees no more than whether one failed.
OPTIONS = ["-q", "-x", "-n0", "-p", "no:cacheprovider", "--no-header", "--tb=no", "--assert=plain", "-m", "not slow"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what has been imported before the forks


class Covered(NamedTuple):
    """Which tests run which lines, how long they take, and how many there are in each file."""

    tests: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]
    n_tests: dict[str, int]

    def of(self, mutant: Mutant, seconds: float) -> list[str]:
        """Return tests for a mutant that take so long.

        The files that are about it come first, then the smallest, which have a quarter of the time each; of each file those
        that differ most.
        """
        lines = self.tests.get(mutant.path, {})
        found = set().union(*(lines.get(line, ()) for line in lines_of(mutant)))
        found = found or {test for tests in lines.values() for test in tests}
        by_file: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for test in sorted(found, key=lambda test: (self.seconds[test], test)):
            by_file[test.partition("::")[0]][test.partition("[")[0]].append(test)
        about_it, share = units(mutant), seconds / 4
        chosen: list[str] = []
        for file in sorted(by_file, key=lambda file: (file not in about_it, self.n_tests[file])):
            collection = COLLECTION * self.n_tests[file]
            left = (seconds if file in about_it else min(seconds, share)) - collection
            # One test of each function, then the next of each.
            for test in filter(None, itertools.chain(*itertools.zip_longest(*by_file[file].values()))):
                left -= self.seconds[test]
                if left < 0:
                    break
                seconds -= self.seconds[test]
                chosen.append(test)
            seconds -= collection
        return chosen or sorted(found, key=self.seconds.__getitem__)[:1]


class Checked(NamedTuple):
    """Which checks of `machine_code.py` run which lines of kernels as they compile, and how long they take."""

    checks: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]

    def of(self, mutant: Mutant) -> list[str]:
        """Return the checks for a mutant, the shortest first."""
        lines = self.checks.get(mutant.path, {})
        found = set().union(*(lines.get(line, ()) for line in lines_of(mutant)))
        return sorted(found, key=lambda name: (self.seconds[name], name))


def units(mutant: Mutant) -> list[str]:
    """Return the test files that are about the file which a mutant changes."""
    names = next(names for paths, names in UNITS if any(f"/{path}" in mutant.path for path in paths))
    return [f"tests/{path.relative_to(TESTS)}" for name in names.split() for path in TESTS.rglob(f"test_{name}.py")]


def lines_of(mutant: Mutant) -> list[int]:
    """Return the line that a mutant changes; of a constant, which is computed at the import, those that use it."""
    names = re.findall(r"^_?[A-Z]\w*(?:, _?[A-Z]\w*)*(?= =)", mutant.text) if mutant.function == "module" else []
    if not names:
        return [mutant.line]
    use = re.compile(rf"\b({names[0].replace(', ', '|')})\b")
    lines = enumerate(mutant.source.decode().splitlines(), 1)
    return [number for number, line in lines if use.search(line) and number != mutant.line]


def cover(copies: list[Path], file: Path, tests_of: str = "*") -> Covered:
    """Find out which lines each test runs: from a file, or by running them all, which is then written down there.

    All are those in files of such a name. What the tests import is imported here, too, but for fastgd: forks of this process
    have it.
    """
    test_files = sorted(str(path.relative_to(copies[0])) for path in (copies[0] / "tests").rglob(f"test_{tests_of}.py"))
    if _is_old(file, copies[0]):
        shares = copies[: len(test_files)]
        _in_children(lambda copy, i: _run(copy, test_files[i :: len(shares)]), shares)
        found = [json.loads((copy / "covered.json").read_text()) for copy in shares]
        file.write_text(json.dumps(_merged(found)))
    _in_children(lambda copy, _: _collect(copy, test_files), copies[:1])
    names, imported = json.loads((copies[0] / "names.json").read_text())
    _import_ahead(imported)
    existing = set(names)
    tests, seconds = json.loads(file.read_text())
    return Covered(
        _with_lines(tests, existing),
        seconds,
        Counter(name.partition("::")[0] for name in names),
    )


def cover_checks(copy: Path, file: Path, covered: Covered) -> Checked:
    """Find out which lines each check of `machine_code.py` runs, in a process of its own for each, as `cover` does.

    Lines that tests run as plain Python are left out.
    """
    if _is_old(file, copy, "machine_code.py"):
        _in_children(lambda copy, _: _collect_checks(copy), [copy])
        found = []
        for name in json.loads((copy / "names.json").read_text()):
            _in_children(lambda copy, _, name=name: _run_check(copy, name), [copy])
            found.append(json.loads((copy / "covered.json").read_text()))
        file.write_text(json.dumps(_merged(found)))
    checks, seconds = json.loads(file.read_text())
    by_line = _with_lines(checks, set(seconds))
    for path, lines in by_line.items():
        for line in covered.tests.get(path, {}):
            lines.pop(line, None)
    return Checked(by_line, seconds)


def _is_old(file: Path, copy: Path, *others: str) -> bool:
    sources = [*(copy / "fastgd").rglob("*.py"), *(copy / "tests" / other for other in others)]
    return not file.exists() or file.stat().st_mtime < max(path.stat().st_mtime for path in sources)


def _merged(found: list[tuple[dict[str, dict[str, list[str]]], dict[str, float]]]) -> tuple[object, object]:
    tests: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, float] = {}
    for share, seconds_of_share in found:
        seconds.update(seconds_of_share)
        for path, lines in share.items():
            for line, names in lines.items():
                tests[path][line] += names
    return tests, seconds


def _with_lines(tests: dict[str, dict[str, list[str]]], existing: set[str]) -> dict[str, dict[int, list[str]]]:
    return {
        path: {int(line): [name for name in found if name in existing] for line, found in lines.items()}
        for path, lines in tests.items()
    }


def _import_ahead(names: list[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError, AttributeError):  # some are no modules, or need another one first
            importlib.import_module(name)
    numba.njit(lambda x: x + 1)(1.0)  # loads what compiling needs


def _in_children(do: Callable[[Path, int], None], copies: list[Path]) -> None:
    """Do what imports fastgd in a process of its own for each copy, all at the same time."""
    for i, copy in enumerate(copies):
        if os.fork() == 0:
            try:
                enter(copy, quiet=False)
                do(copy, i)
                os._exit(0)
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(1)
    statuses = [os.wait()[1] for _ in copies]
    if any(statuses):
        sys.exit("The tests fail as they are.")


def _collect(copy: Path, test_files: list[str]) -> None:
    """Write down the names of all tests, and of the modules that they import."""
    import pytest

    names: list[str] = []

    class Collect:
        @pytest.hookimpl
        def pytest_collection_finish(self, session: pytest.Session) -> None:
            names.extend(item.nodeid for item in session.items)

    pytest.main([*OPTIONS, "--collect-only", "-qq", *test_files], plugins=[Collect()])
    imported = [name for name, module in sys.modules.items() if not _is_ours(module, copy)]
    (copy / "names.json").write_text(json.dumps((names, imported)))


def _is_ours(module: ModuleType, copy: Path) -> bool:
    spec = getattr(module, "__spec__", None)
    return spec is None or str(spec.origin).startswith(str(copy))


def _run(copy: Path, test_files: list[str]) -> None:
    """Write down which lines each test of some files runs, and how long it takes."""
    import coverage
    import pytest

    watch = coverage.Coverage(data_file=None, config_file=False, source=[str(copy / "fastgd")])
    seconds: dict[str, float] = Counter()

    class Watch:
        @pytest.hookimpl
        def pytest_runtest_logstart(self, nodeid: str) -> None:
            watch.switch_context(nodeid)

        @pytest.hookimpl
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            seconds[report.nodeid] += report.duration

    watch.start()
    if pytest.main([*OPTIONS, *test_files], plugins=[Watch()]):
        os._exit(1)
    _write_down(copy, watch, seconds, lambda path, name: "uncompiled" in name or "fastgd/kernels" not in path)


def _collect_checks(copy: Path) -> None:
    import machine_code

    (copy / "names.json").write_text(json.dumps(list(machine_code.NAMES)))


def _run_check(copy: Path, name: str) -> None:
    """Write down which lines of kernels a check runs where nothing is compiled, and how long it takes."""
    import coverage

    start = time.monotonic()
    compile_anew(copy)
    watch = coverage.Coverage(data_file=None, config_file=False, source=[str(copy / "fastgd" / "kernels")])
    watch.start()
    import machine_code

    watch.switch_context(name)
    machine_code.run(name)
    _write_down(copy, watch, {name: time.monotonic() - start})


def _write_down(
    copy: Path, watch: Any, seconds: dict[str, float], counts: Callable[[str, str], bool] = lambda path, name: True
) -> None:
    """Write down which tests or checks run which lines, where they count, and how long they take."""
    watch.stop()
    data = watch.get_data()
    tests = {
        str(Path(file).relative_to(copy)): {
            line: names
            for line, contexts in data.contexts_by_lineno(file).items()
            if (names := [name for name in contexts if name and counts(file, name)])
        }
        for file in data.measured_files()
    }
    (copy / "covered.json").write_text(json.dumps((tests, seconds)))


def compile_anew(copy: Path) -> None:
    """Let this process find nothing that has been compiled before."""
    shutil.rmtree(copy / "compiled", ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(copy / "compiled")
    config.reload_config()


def enter(copy: Path, *, quiet: bool) -> None:
    """Let this process, and those that it starts, work on a copy."""
    os.setpgid(0, 0)
    os.chdir(copy)
    sys.path[:0] = [str(copy), str(copy / "tests"), *map(str, (copy / "tests").glob("*/"))]
    os.environ["PYTHONPATH"] = str(copy)
    if quiet:
        resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
