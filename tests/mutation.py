"""Change fastgd in one small place at a time, and count the changes that the tests notice.

    python tests/mutation.py                    kernels, rows and solvers, each change once
    python tests/mutation.py fastgd/rows/csr.py a file
    python tests/mutation.py --sample 200       so many changes of all, picked at random

A change is made in a copy. The tests that run its line follow, in a process forked where numba has been imported already,
some first, and if they notice nothing, more. Kernels run as plain Python. Of what survives, some changes are known to make no
difference that a test could see: they are listed, with the reasons, in `tests/survivors.txt`. The exit status is 1 if one is
not on that list, or if less than 95 % of all are noticed in one of the folders.
"""

import argparse
import contextlib
import importlib
import itertools
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mutants import Mutant, mutants

ROOT = Path(__file__).parent.parent
FOLDERS = ("fastgd/kernels", "fastgd/rows", "fastgd/solvers")
LEAST = 0.95

# What notices nothing in the tests that are known to run its line meets all of these: what is kept from one call to the next,
# or runs in a process of its own, is not seen in each test that needs it.
UNITS = [
    (["kernels/"], "kernels_uncompiled"),
    (["solvers/"], "solvers fast_fits fitting"),
    (["rows/parallel"], "parallel processes"),
    (["rows/sparse"], "sparse rows parallel"),
    (["rows/arrays"], "rows objective parallel"),
    (["rows/dask"], "dask"),
    (["rows/map", "rows/rows"], "mapped_rows cut_maps sources"),
    (["rows/par", "rows/stream"], "sources"),
    (["rows/"], "rows moments"),
]

# In seconds, also of the collection of a test. First some tests, then more; an endless loop is noticed by the time.
COLLECTION, FIRST, ALL, SLACK = 0.001, 3.0, 12.0, 15.0
SLOWER = 3  # than when all was well
BYTES = 6 << 30

# Imported before the forks; nothing of fastgd.
HEAVY = [
    "hypothesis",
    "numba",
    "numba.core.registry",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "pytest",
    "scipy.sparse",
    "sklearn.base",
]

OPTIONS = ["-q", "-x", "-n0", "-p", "no:cacheprovider", "--no-header", "--tb=no", "-m", "not slow"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what has been imported before the forks


class Covered(NamedTuple):
    """Which tests run which lines, how long they take, and how many there are in each file."""

    tests: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]
    n_tests: dict[str, int]

    def of(self, mutant: Mutant, seconds: float) -> list[str]:
        """Return tests for a mutant that take so long: of each file those that differ most, the smallest files first."""
        share = seconds / 4  # of a file
        lines = self.tests.get(mutant.path, {})
        found = lines.get(mutant.line) or {test for tests in lines.values() for test in tests}
        by_file: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for test in sorted(found, key=lambda test: (self.seconds[test], test)):
            by_file[test.partition("::")[0]][test.partition("[")[0]].append(test)
        chosen: list[str] = []
        for file in sorted(by_file, key=self.n_tests.__getitem__):
            left = min(seconds, share) - COLLECTION * self.n_tests[file]
            # One test of each function, then the next of each.
            for test in filter(None, itertools.chain(*itertools.zip_longest(*by_file[file].values()))):
                left -= self.seconds[test]
                if left < 0:
                    break
                seconds -= self.seconds[test]
                chosen.append(test)
            seconds -= COLLECTION * self.n_tests[file]
        return chosen or sorted(found, key=self.seconds.__getitem__)[:1]


def main() -> int:
    """Run the mutants that the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=FOLDERS, help="files or folders")
    parser.add_argument("--sample", type=int, help="how many mutants to take; all, unless given")
    parser.add_argument("--seed", type=int, default=0, help="picks them")
    parser.add_argument(
        "--covered", type=Path, help="a file that keeps which test runs which lines; it is read if no source is newer"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at a time")
    args = parser.parse_args()
    for name in HEAVY:
        importlib.import_module(name)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder, str(i)) for i in range(args.jobs)]
        _copy(copies[0])
        covered = _cover(copies[0], (args.covered or copies[0] / "covered.json").absolute())
        for other in copies[1:]:
            shutil.copytree(copies[0], other)
        files = [
            file
            for path in args.paths
            for file in ([ROOT / path] if path.endswith(".py") else sorted((ROOT / path).glob("*.py")))
        ]
        wanted = [
            m
            for file in files
            for m in mutants(str(file.relative_to(ROOT)), file.read_bytes())
            if _is_tested(m, covered)
        ]
        if args.sample is not None:
            wanted = random.Random(args.seed).sample(wanted, min(args.sample, len(wanted)))
        judged = []  # what there is is reported, though it be interrupted
        with contextlib.suppress(KeyboardInterrupt):
            for each in _judged(wanted, covered, copies):
                judged.append(each)
        return _report(judged)


def _copy(to: Path) -> None:
    left_out = shutil.ignore_patterns(
        ".asv", ".git", ".venv", ".*_cache", "_build", "generated", "html", "pictures", "results"
    )
    shutil.copytree(ROOT, to, ignore=left_out)


def _is_tested(mutant: Mutant, covered: Covered) -> bool:
    """Tell whether a test runs the line: of the kernels, what makes machine code does not run as plain Python."""
    return not mutant.path.startswith("fastgd/kernels") or mutant.line in covered.tests.get(mutant.path, {})


def _cover(copy: Path, file: Path) -> Covered:
    """Find out which lines each test runs: from a file, or by running them all, which is then written down there."""
    changed = max(path.stat().st_mtime for path in (copy / "fastgd").rglob("*.py"))
    if not file.exists() or file.stat().st_mtime < changed:
        _in_child(lambda: file.write_text(json.dumps(_run_all(copy))), copy)
    names = copy / "names.json"
    _in_child(lambda: names.write_text(json.dumps(_collect(copy))), copy)
    existing = set(json.loads(names.read_text()))
    tests, seconds = json.loads(file.read_text())
    return Covered(
        {
            path: {int(line): [name for name in found if name in existing] for line, found in lines.items()}
            for path, lines in tests.items()
        },
        seconds,
        Counter(name.partition("::")[0] for name in existing),
    )


def _in_child(do: Callable[[], object], copy: Path) -> None:
    """Do what imports fastgd in a process of its own."""
    if os.fork() == 0:
        _enter(copy, quiet=False)
        do()
        os._exit(0)
    if os.wait()[1]:
        sys.exit("The tests fail as they are.")


def _collect(copy: Path) -> list[str]:
    import pytest

    names: list[str] = []

    class Collect:
        @pytest.hookimpl
        def pytest_collection_finish(self, session: pytest.Session) -> None:
            names.extend(item.nodeid for item in session.items)

    pytest.main([*OPTIONS, "--collect-only", "-qq", str(copy / "tests")], plugins=[Collect()])
    return names


def _run_all(copy: Path) -> tuple[dict[str, dict[int, list[str]]], dict[str, float]]:
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
    status = pytest.main([*OPTIONS, str(copy / "tests")], plugins=[Watch()])
    watch.stop()
    if status:
        os._exit(1)
    tests = {}
    data = watch.get_data()
    for file in data.measured_files():
        path = str(Path(file).relative_to(copy))
        uncompiled_only = path.startswith("fastgd/kernels")
        tests[path] = {
            line: names
            for line, contexts in data.contexts_by_lineno(file).items()
            if (names := [name for name in contexts if name and ("uncompiled" in name or not uncompiled_only)])
        }
    return tests, seconds


def _enter(copy: Path, *, quiet: bool) -> None:
    """Let this process, and those that it starts, work on a copy."""
    os.setpgid(0, 0)
    os.chdir(copy)
    sys.path[:0] = [str(copy), str(copy / "tests")]
    os.environ["PYTHONPATH"] = str(copy)
    if quiet:
        resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)


class _Limit:
    """Ends the process where a test takes much longer than when all was well."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        signal.setitimer(signal.ITIMER_REAL, SLACK + SLOWER * self._seconds.get(nodeid, SLACK))


def _start(mutant: Mutant, tests: list[str], seconds: dict[str, float], copy: Path) -> int:
    """Run tests on a mutant, in a process whose number is returned."""
    (copy / mutant.path).write_bytes(mutant.source)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _enter(copy, quiet=True)
            import pytest

            status = pytest.main([*OPTIONS, *tests], plugins=[_Limit(seconds)])
        finally:
            os._exit(int(status))
    return child


def _judged(wanted: list[Mutant], covered: Covered, copies: list[Path]) -> Iterator[tuple[Mutant, str]]:
    """Yield each mutant, and what became of it: "killed", "endless", or "survived"."""
    waiting = [(mutant, FIRST) for mutant in reversed(wanted)]
    free, running = list(copies), {}
    seconds_of = Counter(covered.seconds)
    for test, each in covered.seconds.items():
        seconds_of[test.partition("::")[0]] += each
    n_done, begin = 0, time.monotonic()
    while waiting or running:
        while waiting and free:
            mutant, seconds = waiting.pop()
            copy = free.pop()
            tests = covered.of(mutant, seconds)
            if seconds == ALL:
                names = next(names for paths, names in UNITS if any(f"/{path}" in mutant.path for path in paths))
                tests += [f"tests/test_{name}.py" for name in names.split()]
            end = time.monotonic() + SLACK + SLOWER * sum(seconds_of[test] for test in tests)
            running[_start(mutant, tests, covered.seconds, copy)] = mutant, copy, seconds, end
        time.sleep(0.02)
        for child, (mutant, copy, seconds, end) in list(running.items()):
            done, status = os.waitpid(child, os.WNOHANG)
            late = time.monotonic() > end or (done and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM)
            if not done and not late:
                continue
            _stop(child, reap=not done)
            del running[child]
            shutil.copy2(ROOT / mutant.path, copy / mutant.path)
            free.append(copy)
            if status == 0 and not late and seconds == FIRST:
                waiting.append((mutant, ALL))
                continue
            n_done += 1
            verdict = "endless" if late else "survived" if status == 0 else "killed"
            if verdict == "survived":
                print(f"survived: {mutant}", flush=True)
            if n_done % 20 == 0:
                print(f"{n_done} of {len(wanted)}, {time.monotonic() - begin:.0f} s", flush=True)
            yield mutant, verdict


def _stop(child: int, *, reap: bool) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended, with all that it started
        os.killpg(child, signal.SIGKILL)
    if reap:
        os.waitpid(child, 0)


def _report(judged: list[tuple[Mutant, str]]) -> int:
    """Print figures and survivors; return the exit status."""
    lines = (Path(__file__).parent / "survivors.txt").read_text(encoding="utf-8").splitlines()
    known = {line for line in lines if line.startswith("fastgd/")}
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, verdict in judged:
        if verdict == "survived" and str(mutant) in known:
            verdict = "known"
        elif verdict == "survived":
            print(f"not on the list, line {mutant.line}: {mutant}")
        verdicts[mutant.path.split("/")[1]][verdict] += 1
    least, n_new = 1.0, 0
    for folder, of in sorted(verdicts.items()):
        noticed = of["killed"] + of["endless"]
        least = min(least, noticed / of.total())
        n_new += of["survived"]
        print(
            f"{folder}: {noticed} of {of.total()} changes noticed ({noticed / of.total():.1%}), {of['endless']} by their time; "
            f"{of['known']} of the others are on the list"
        )
    return int(least < LEAST or n_new > 0)


if __name__ == "__main__":
    sys.exit(main())
