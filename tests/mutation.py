"""Change fastgd in one small place at a time, and count the changes that the tests notice.

    python tests/mutation.py                    kernels, rows and solvers, each change once
    python tests/mutation.py fastgd/rows/csr.py a file
    python tests/mutation.py --sample 200       so many changes of all, picked at random
    python tests/mutation.py --kept FOLDER      go on where a run was cut off, and look again at what survived it

A change is made in a copy. The tests that run its line follow, in a process forked where numba has been imported already,
some first, and if they notice nothing, more. Kernels run as plain Python. Some changes are known to make no difference that a
test could see: they are listed, with the reasons, in `tests/survivors.txt`, and count as not noticed without being tried. The
exit status is 1 if another one is not noticed, or if less than 95 % of all are noticed in one of the folders.
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

from covered import OPTIONS, Covered, cover, enter, units
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
    ]
    with tempfile.TemporaryDirectory() as folder:
        kept = (args.kept or Path(folder)).absolute()
        copies = [kept / str(i) for i in range(args.jobs)]
        for copy in copies:
            _copy(copy)
        covered = cover(copies, kept / "covered.json")
        wanted = [
            mutant
            for file in files
            for mutant in mutants(str(file.relative_to(ROOT)), file.read_bytes())
            if _is_tested(mutant, covered)
        ]
        if args.sample is not None:
            wanted = random.Random(args.seed).sample(wanted, min(args.sample, len(wanted)))
        judged = []  # what there is is reported, though it be interrupted
        with contextlib.suppress(KeyboardInterrupt):
            for each in _judged(wanted, covered, copies, kept / "noticed"):
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


def _judged(wanted: list[Mutant], covered: Covered, copies: list[Path], noticed: Path) -> Iterator[tuple[Mutant, str]]:
    """Yield each mutant, and what became of it: "killed", "endless", "survived" or, on the list, "known"."""
    before = dict(line.split() for line in noticed.read_text().splitlines()) if noticed.exists() else {}
    known, untried = _known(), []
    for mutant in wanted:
        if verdict := "known" if str(mutant) in known else before.get(_name(mutant)):
            yield mutant, verdict
        else:
            untried.append(mutant)
    begin = time.monotonic()
    for n_done, (mutant, verdict) in enumerate(_tried(untried, covered, copies), 1):
        if verdict == "survived":
            print(f"survived: {mutant}", flush=True)
        else:
            with noticed.open("a") as file:
                print(_name(mutant), verdict, file=file)
        if n_done % 20 == 0:
            print(f"{n_done} of {len(untried)}, {time.monotonic() - begin:.0f} s", flush=True)
        yield mutant, verdict


def _name(mutant: Mutant) -> str:
    return hashlib.sha256(mutant.path.encode() + mutant.source).hexdigest()


def _known() -> set[str]:
    lines = (Path(__file__).parent / "survivors.txt").read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line.startswith("fastgd/")}


def _tried(wanted: list[Mutant], covered: Covered, copies: list[Path]) -> Iterator[tuple[Mutant, str]]:
    waiting = [(mutant, FIRST) for mutant in reversed(wanted)]
    free, running = list(copies), {}
    seconds_of = Counter(covered.seconds)
    for test, each in covered.seconds.items():
        seconds_of[test.partition("::")[0]] += each
    while waiting or running:
        while waiting and free:
            mutant, seconds = waiting.pop()
            copy = free.pop()
            tests = covered.of(mutant, seconds)
            if seconds == ALL:
                tests += units(mutant)
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
            else:
                yield mutant, "endless" if late else "survived" if status == 0 else "killed"


def _start(mutant: Mutant, tests: list[str], seconds: dict[str, float], copy: Path) -> int:
    """Run tests on a mutant, in a process whose number is returned."""
    (copy / mutant.path).write_bytes(mutant.source)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            enter(copy, quiet=True)
            import pytest

            status = pytest.main([*OPTIONS, *tests], plugins=[_Haste(seconds)])
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
        signal.setitimer(signal.ITIMER_REAL, SLACK + SLOWER * self._seconds.get(nodeid, SLACK))


def _stop(child: int, *, reap: bool) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended, with all that it started
        os.killpg(child, signal.SIGKILL)
    if reap:
        os.waitpid(child, 0)


def _report(judged: list[tuple[Mutant, str]]) -> int:
    """Print figures and survivors; return the exit status."""
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, verdict in judged:
        if verdict == "survived":
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
