"""Run the tests as a 64-bit Arm processor would, whose instructions QEMU plays: on Debian, whose Python for Arm it takes.

    python tests/arm.py                                 kernels, rows, moments, solvers and fits: about an hour
    python tests/arm.py -- tests/kernels/test_bits.py   what pytest shall run

What it needs is downloaded once, into a folder: QEMU, unless it is installed; Python; and packages, in the versions that are
installed beside this one. What starts interpreters is left out, as QEMU does not follow it there. The exit status is 1 if a
test failed, and 2 if this machine cannot play an Arm processor.
"""

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastgd-arm"

TESTS = ["kernels", "rows", "fitting", "solvers", "test_moments.py", "test_objective.py", "test_precision.py"]

# What is played, unless QEMU_CPU and NUMBA_CPU_NAME say otherwise: 32 registers of 128 bits, as most have.
PROCESSOR = "neoverse-n1"

OUTCOMES = ("passed", "failed", "error", "skipped")


class UnableError(Exception):
    """This machine cannot play an Arm processor."""


def called(*command: str | Path, cwd: Path = ROOT) -> str:
    """Return what a program writes; raise `UnableError` if it is missing, or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    except FileNotFoundError:
        raise UnableError(
            f"this machine has no {command[0]}, but it is needed. Install it, or take a Debian."
        ) from None
    if done.returncode:
        raise UnableError(f"{' '.join(map(str, command))[:100]} ... failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def unpacked(archives: list[Path], folder: Path) -> Path:
    """Unpack Debian packages into a folder, which appears once it is complete."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    for archive in archives:
        called("dpkg-deb", "-x", archive, part)
    return part.rename(folder)


def emulator(folder: Path) -> Path:
    """Return QEMU: the one that is installed, or Debian's."""
    for name in ("qemu-aarch64-static", "qemu-aarch64"):
        if found := shutil.which(name):
            return Path(found)
    if not (folder / "qemu").exists():
        print("== QEMU is being downloaded", flush=True)
        called("apt-get", "download", "qemu-user-static", cwd=folder)
        unpacked(list(folder.glob("qemu-user-static_*.deb")), folder / "qemu")
    return folder / "qemu" / "usr" / "bin" / "qemu-aarch64-static"


def system(folder: Path) -> Path:
    """Return a folder with Python for Arm and the libraries that it needs; the lists of this machine's apt stay as they are."""
    if not (folder / "system").exists():
        print("== Python for Arm is being downloaded", flush=True)
        apt = folder / "apt"
        for name in ("lists/partial", "archives/partial"):
            (apt / name).mkdir(parents=True, exist_ok=True)
        (apt / "status").touch()  # nothing is installed
        settings = {
            "APT::Architecture": "arm64",
            "APT::Architectures": "arm64",
            "APT::Install-Recommends": "0",
            "APT::Sandbox::User": "root",  # another could not write into the folder
            "APT::Update::Error-Mode": "any",
            "Debug::NoLocking": "1",
            "Dir::Cache": apt,
            "Dir::Log": apt,
            "Dir::State": apt,
            "Dir::State::status": apt / "status",
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        called("apt-get", *options, "update")
        called("apt-get", *options, "install", "--yes", "--download-only", "python3", "libstdc++6")
        unpacked(list((apt / "archives").glob("*.deb")), folder / "system")
    return folder / "system"


def requirements() -> list[str]:
    """Return what the tests need, by pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed, extras = list(project["dependencies"]), ["test", "sparse"]
    while extras:
        for requirement in project["optional-dependencies"][extras.pop()]:
            if own := re.fullmatch(r"fastgd\[(.*)\]", requirement):
                extras += own[1].split(",")
            else:
                needed.append(requirement)
    return needed


def packages(folder: Path, python: str) -> Path:
    """Return a folder with what the tests import, for this version of Python."""
    frozen = called(sys.executable, "-m", "pip", "freeze", "--exclude-editable")
    versions = "\n".join(line for line in frozen.splitlines() if "==" in line)
    whole = folder / f"packages-{hashlib.sha256((python + versions).encode()).hexdigest()[:8]}"
    if not whole.exists():
        print("== packages for Arm are being downloaded", flush=True)
        part, constraints = whole.with_suffix(".part"), folder / "versions.txt"
        shutil.rmtree(part, ignore_errors=True)
        constraints.write_text(versions, encoding="utf-8")
        options = ["--quiet", "--no-compile", "--only-binary", ":all:", "--python-version", python]
        for glibc in range(17, 37):  # up to Debian 12's
            options += ["--platform", f"manylinux_2_{glibc}_aarch64"]
        places = ["--constraint", constraints, "--target", part / "site-packages"]
        called(sys.executable, "-m", "pip", "install", *options, *places, *requirements())
        part.rename(whole)
    return whole / "site-packages"  # in a folder of another name hypothesis takes them for what is tested


def machine(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Set up what plays an Arm processor.

    Parameters
    ----------
    folder : Path
        Where it is, or shall be.

    Returns
    -------
    list of str
        The command that is its Python.
    dict of str to str
        The environment of that.
    """
    if platform.machine() in ("aarch64", "arm64"):
        raise UnableError("this is a 64-bit Arm processor, which need not be played. Run pytest.")
    if sys.platform != "linux":
        raise UnableError(f"this is {sys.platform}, but QEMU plays another processor on Linux only. Take a Debian.")
    import fcntl  # not everywhere

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be setting up the same
        qemu, root = emulator(folder), system(folder)
        python = (root / "usr" / "bin" / "python3").resolve()
        modules = packages(folder, python.name.removeprefix("python"))
    environment = os.environ | {
        "PYTHONPATH": str(modules),
        "QEMU_CPU": os.environ.get("QEMU_CPU", PROCESSOR),
        "NUMBA_CPU_NAME": os.environ.get("NUMBA_CPU_NAME", PROCESSOR),  # or LLVM reads what the true one is
        "NUMBA_CPU_FEATURES": os.environ.get("NUMBA_CPU_FEATURES", ""),
        "NUMBA_CACHE_DIR": str(folder / "cache"),
    }
    command = [str(qemu), "-L", str(root), str(python)]
    tried = subprocess.run(
        [*command, "-c", "import numba"], env=environment, capture_output=True, text=True, check=False
    )
    if tried.returncode:
        raise UnableError(f"Python for Arm does not run numba here:\n{tried.stderr[-2000:]}")
    return command, environment


def counted(found: Counter[str]) -> str:
    """Write how many tests passed, failed or were skipped."""
    return ", ".join(f"{found[name]} {name}" for name in OUTCOMES if found[name]) or "no tests"


def run(python: list[str], environment: dict[str, str], test: str, options: list[str], report: Path) -> Counter[str]:
    """Run a file of tests, or some of it; print what failed, and return the numbers of tests by what became of them."""
    began = time.monotonic()
    with report.open("w", encoding="utf-8") as file:
        command = [*python, "-m", "pytest", "-q", "-n0", "-m", "not processes and not slow", *options, test]
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, env=environment, check=False)
    lines = report.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    found = Counter({name: int(n) for n, name in re.findall(rf"(\d+) ({'|'.join(OUTCOMES)})", lines[-1])})
    if status.returncode not in (0, 5) and not found["failed"]:  # 5: all were left out
        found["error"] = max(found["error"], 1)
    if found["failed"] or found["error"]:
        told = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
        print(*told or lines[-5:], f"all of it: {report}", sep="\n")
    print(f"{test}: {counted(found)}, {time.monotonic() - began:.0f} s", flush=True)
    return found


def main() -> int:
    """Run the tests that the command line asks for; return the exit status."""
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=CACHE, help="where what is downloaded is kept: %(default)s")
    parser.add_argument("--processes", type=int, default=2, help="how many files are tested at a time: %(default)s")
    asked = parser.parse_args(given[:end])
    folder = asked.folder.resolve()
    began = time.monotonic()
    try:
        python, environment = machine(folder)
    except UnableError as reason:
        parser.error(str(reason))
    paths = [word for word in given[end + 1 :] if (ROOT / word.partition("::")[0]).exists()]
    options = [word for word in given[end + 1 :] if word not in paths]
    tests = []
    for path in paths or [f"tests/{name}" for name in TESTS]:
        inside = sorted((ROOT / path).rglob("test_*.py")) if (ROOT / path).is_dir() else []
        tests += [str(file.relative_to(ROOT)) for file in inside] or [path]
    (folder / "reports").mkdir(exist_ok=True)
    reports = [folder / "reports" / f"{re.sub(r'[^.0-9A-Za-z]+', '-', test)}.txt" for test in tests]
    with ThreadPoolExecutor(asked.processes) as pool:
        found = list(
            pool.map(lambda each: run(python, environment, each[0], options, each[1]), zip(tests, reports, strict=True))
        )
    total = sum(found, Counter())
    print(f"== {environment['NUMBA_CPU_NAME']}: {counted(total)}, {time.monotonic() - began:.0f} s")
    return int(bool(total["failed"] or total["error"]))


if __name__ == "__main__":
    sys.exit(main())
