"""Change fastgd in one small place at a time, and count the changes that the tests notice.

    python tests/mutation.py                    kernels, rows and solvers, each change once
    python tests/mutation.py fastgd/rows/csr_matrix.py a file
    python tests/mutation.py --machine-code     what writes machine code, only
    python tests/mutation.py --sample 200       so many changes of all, picked at random
    python tests/mutation.py --kept FOLDER      go on where a run was cut off, and look again at what survived it

A change is made in a copy. The tests that run its line follow, in a process forked where numba has been imported already,
some first, and if they notice nothing, more. Kernels run as plain Python. What writes machine code does not: changes of it are
compiled, where nothing has been compiled before, and the checks of `machine_code.py` that run their lines follow; not to
compile, to crash, or not to end is to be noticed. Some changes are known to make no difference that a test could see: they are
listed, with the reasons, in `tests/survivors.txt`, and count as not noticed without being tried. The exit status is 1 if
another one is not noticed, or if less than 95 % of all are noticed in one of the folders, or of what writes machine code.
"""

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from covered import OPTIONS, Checked, Covered, compile_anew, cover, cover_checks, enter, units
from mutants import Mutant, mutants

ROOT = Path(__file__).parent.parent
FOLDERS = ("fastgd/kernels", "fastgd/rows", "fastgd/solvers")
LEAST = 0.95

# In seconds: some tests first, then more. What none of those notices that are known to run its line meets all that are about
# its file: what is kept from one call to the next, or runs in a process of its own, is not seen in each test that needs it.
FIRST, ALL = 3.5, 12.0

# An endless loop is noticed by the time: so many times that of when all was well, and some seconds.
SLOWER, SLACK = 3, 6.0


def main() -> int:
    """Run the mutants that the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=FOLDERS, help="files or folders")
    parser.add_argument(
        "--machine-code", action="store_true", help="only kernels' lines that do not run as plain Python"
    )
    parser.add_argument("--sample", type=int, help="how many mutants to take; all, unless given")
    parser.add_argument("--seed", type=int, default=0, help="picks them")
    parser.add_argument(
        "--kept",
        type=Path,
        help="a folder that keeps the copies, which test runs which lines (known anew where a source is newer), and which "
        "changes were noticed: these are not tried again while their file is the same",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at a time")
    args = parser.parse_args()
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    files = [
        file
        for path in args.paths
        for file in ([ROOT / path] if path.endswith(".py") else sorted((ROOT / path).glob("*.py")))
        if file.name != "tuning.py"  # another number of these is as right, and may be slower
    ]
    with tempfile.TemporaryDirectory() as folder:
        kept = (args.kept or Path(folder)).absolute()
        copies = [kept / str(i) for i in range(args.jobs)]
        for copy in copies:
            _copy(copy)
        if args.machine_code:
            covered = cover(copies, kept / "covered_uncompiled.json", "kernels_uncompiled")
        else:
            covered = cover(copies, kept / "covered.json")
        checked = cover_checks(copies[0], kept / "checked.json", covered)
        wanted: list[tuple[Mutant, _Suite]] = []
        tests, checks = _Tests(covered), _Checks(checked)
        for file in files:
            for mutant in mutants(str(file.relative_to(ROOT)), file.read_bytes()):
                if _is_tested(mutant, covered):
                    wanted += [] if args.machine_code else [(mutant, tests)]
                elif _writes_machine_code(mutant, checked):
                    wanted.append((mutant, checks))
        if args.sample is not None:
            wanted = random.Random(args.seed).sample(wanted, min(args.sample, len(wanted)))
        print(f"{len(wanted)} changes", flush=True)
        judged = []  # what there is is reported, though it be interrupted
        with contextlib.suppress(KeyboardInterrupt):
            for each in _judged(wanted, copies, kept / "noticed"):
                judged.append(each)
        return _report(judged)


def _copy(to: Path) -> None:
    left_out = shutil.ignore_patterns(
        ".asv", ".git", ".venv", ".*_cache", "__pycache__", "_build", "generated", "html", "pictures", "results"
    )
    shutil.rmtree(to / "tests", ignore_errors=True)  # those that are no more
    shutil.copytree(ROOT, to, ignore=left_out, dirs_exist_ok=True)


def _is_tested(mutant: Mutant, covered: Covered) -> bool:
    """Tell whether a test runs the line: of the kernels, what makes machine code does not run as plain Python."""
    return not mutant.path.startswith("fastgd/kernels") or mutant.line in covered.tests.get(mutant.path, {})


def _writes_machine_code(mutant: Mutant, checked: Checked) -> bool:
    """Tell whether a check runs the line, or one that uses the constant; `cache.py` keeps what others write."""
    return mutant.path != "fastgd/kernels/cache.py" and bool(checked.of(mutant))


class _Tests:
    """The tests, in two stages: some, and all that are about the mutant's file, too."""

    stages = FIRST, ALL

    def __init__(self, covered: Covered) -> None:
        self._covered = covered
        self._seconds = Counter(covered.seconds)
        for test, each in covered.seconds.items():
            self._seconds[test.partition("::")[0]] += each

    def of(self, mutant: Mutant, seconds: float) -> list[str]:
        tests = self._covered.of(mutant, seconds)
        return tests + units(mutant) if seconds == ALL else tests

    def seconds(self, tests: list[str]) -> float:
        return sum(self._seconds[test] for test in tests)

    def run(self, tests: list[str], copy: Path) -> int:
        import pytest

        return pytest.main([*OPTIONS, *tests], plugins=[_Haste(self._covered.seconds)])

    def label(self, mutant: Mutant) -> str:
        return mutant.path.split("/")[1]


class _Checks:
    """The checks of machine code, the shortest first."""

    stages = (ALL,)

    def __init__(self, checked: Checked) -> None:
        self._checked = checked

    def of(self, mutant: Mutant, seconds: float) -> list[str]:
        return self._checked.of(mutant)

    def seconds(self, checks: list[str]) -> float:
        return sum(SLACK / SLOWER + self._checked.seconds[check] for check in checks)

    def run(self, checks: list[str], copy: Path) -> int:
        compile_anew(copy)
        import machine_code

        for check in checks:
            _hasten(self._checked.seconds[check])
            machine_code.run(check)
        return 0

    def label(self, mutant: Mutant) -> str:
        return "machine code"


_Suite = _Tests | _Checks


def _judged(
    wanted: list[tuple[Mutant, _Suite]], copies: list[Path], noticed: Path
) -> Iterator[tuple[str, Mutant, str]]:
    """Yield the label and each mutant, and what became of it: "killed", "endless", "survived" or, on the list, "known"."""
    before = dict(line.split() for line in noticed.read_text().splitlines()) if noticed.exists() else {}
    known, untried = _known(), []
    for mutant, suite in wanted:
        if verdict := "known" if str(mutant) in known else before.get(_name(mutant)):
            yield suite.label(mutant), mutant, verdict
        else:
            untried.append((mutant, suite))
    begin = time.monotonic()
    for n_done, (mutant, suite, verdict) in enumerate(_tried(untried, copies), 1):
        if verdict == "survived":
            print(f"survived: {mutant}", flush=True)
        else:
            with noticed.open("a") as file:
                print(_name(mutant), verdict, file=file)
        if n_done % 20 == 0:
            print(f"{n_done} of {len(untried)}, {time.monotonic() - begin:.0f} s", flush=True)
        yield suite.label(mutant), mutant, verdict


def _name(mutant: Mutant) -> str:
    return hashlib.sha256(mutant.path.encode() + mutant.source).hexdigest()


def _known() -> set[str]:
    lines = (Path(__file__).parent / "survivors.txt").read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line.startswith("fastgd/")}


def _tried(wanted: list[tuple[Mutant, _Suite]], copies: list[Path]) -> Iterator[tuple[Mutant, _Suite, str]]:
    waiting = [(mutant, suite, suite.stages) for mutant, suite in reversed(wanted)]
    free, running = list(copies), {}
    while waiting or running:
        while waiting and free:
            mutant, suite, stages = waiting.pop()
            copy = free.pop()
            tests = suite.of(mutant, stages[0])
            end = time.monotonic() + SLACK + SLOWER * suite.seconds(tests)
            running[_start(mutant, suite, tests, copy)] = mutant, suite, copy, stages, end
        time.sleep(0.02)
        for child, (mutant, suite, copy, stages, end) in list(running.items()):
            done, status = os.waitpid(child, os.WNOHANG)
            late = time.monotonic() > end or (done and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM)
            if not done and not late:
                continue
            _stop(child, reap=not done)
            del running[child]
            shutil.copy2(ROOT / mutant.path, copy / mutant.path)
            free.append(copy)
            if status == 0 and not late and stages[1:]:
                waiting.append((mutant, suite, stages[1:]))
            else:
                yield mutant, suite, "endless" if late else "survived" if status == 0 else "killed"


def _start(mutant: Mutant, suite: _Suite, tests: list[str], copy: Path) -> int:
    """Run tests on a mutant, in a process whose number is returned."""
    (copy / mutant.path).write_bytes(mutant.source)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            enter(copy, quiet=True)
            status = suite.run(tests, copy)
        finally:
            os._exit(int(status))
    return child


class _Haste:
    """Runs short tests first, and ends the process where one takes much longer than when all was well."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: self._seconds.get(item.nodeid, 0.0))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        _hasten(self._seconds.get(nodeid, SLACK))


def _hasten(seconds: float) -> None:
    """End this process if what follows takes much longer than so."""
    signal.setitimer(signal.ITIMER_REAL, SLACK + SLOWER * seconds)


def _stop(child: int, *, reap: bool) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended, with all that it started
        os.killpg(child, signal.SIGKILL)
    if reap:
        os.waitpid(child, 0)


def _report(judged: list[tuple[str, Mutant, str]]) -> int:
    """Print figures and survivors; return the exit status."""
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for label, mutant, verdict in judged:
        if verdict == "survived":
            print(f"not on the list, line {mutant.line}: {mutant}")
        verdicts[label][verdict] += 1
    least, n_new = 1.0, 0
    for label, of in sorted(verdicts.items()):
        noticed = of["killed"] + of["endless"]
        least = min(least, noticed / of.total())
        n_new += of["survived"]
        print(
            f"{label}: {noticed} of {of.total()} changes noticed ({noticed / of.total():.1%}), {of['endless']} by their time; "
            f"{of['known']} of the others are on the list"
        )
    return int(least < LEAST or n_new > 0)


if __name__ == "__main__":
    sys.exit(main())
