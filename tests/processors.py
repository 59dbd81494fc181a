"""Run the tests as other processors would: kernels, BLAS and numpy are compiled for, or choose, what these can do.

    python tests/processors.py                                  each of them, the quick suite
    python tests/processors.py nehalem -- tests/fitting          one of them, and what pytest shall run

A haswell has AVX2 and fuses products and sums; a nehalem has vectors of 128 bits and fuses nothing. The exit status is 1 if a
test failed on one of them, and 2 if this processor cannot do what it shall play.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding as llvm
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

ROOT = Path(__file__).parent.parent


class Processor(NamedTuple):
    """A processor to play."""

    needs: tuple[str, ...]
    """What the one that plays it has to have, as LLVM calls it."""
    numpy: tuple[str, ...]
    """Which of numpy's loops it can run, beside those for all."""


PROCESSORS = {
    "haswell": Processor(("avx2", "fma", "bmi2"), ("X86_V3", "AVX", "F16C", "FMA3", "AVX2")),
    "nehalem": Processor(("sse4.2", "popcnt"), ()),
}


def environment(name: str) -> dict[str, str]:
    """Return the environment in which this processor plays another one.

    Parameters
    ----------
    name : str
        One of `PROCESSORS`.

    Returns
    -------
    dict of str to str
        What numba, OpenBLAS and numpy read when they are imported.
    """
    beyond = {loop for loop in __cpu_dispatch__ if __cpu_features__.get(loop)} - set(PROCESSORS[name].numpy)
    beyond |= set(os.environ.get("NPY_DISABLE_CPU_FEATURES", "").split())  # where this one is being played itself
    return {
        "NUMBA_CPU_NAME": name,
        "NUMBA_CPU_FEATURES": "",
        "OPENBLAS_CORETYPE": name.capitalize(),
        "NPY_DISABLE_CPU_FEATURES": " ".join(sorted(beyond)),
    }


def missing(name: str) -> list[str]:
    """Return what this processor lacks to play another one, as LLVM calls it."""
    has = llvm.get_host_cpu_features()
    return [feature for feature in PROCESSORS[name].needs if not has.get(feature)]


def main() -> int:
    """Run the tests as each processor that the command line asks for; return the exit status."""
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    own, tests = given[:end], given[end + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*PROCESSORS, []], metavar="PROCESSOR")
    names = parser.parse_args(own).names or list(PROCESSORS)
    for name in names:
        if missing(name):
            parser.error(
                f"this processor cannot play {name!r}, as it has no {', '.join(missing(name))}. Ask another one."
            )
    failed = []
    for name in names:
        print(f"\n== {llvm.get_host_cpu_name()} plays {name}", flush=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            played = os.environ | environment(name) | {"NUMBA_CACHE_DIR": folder}
            status = subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], env=played, cwd=ROOT, check=False)
        print(f"== {name}: {'failed' if status.returncode else 'passed'}, {time.monotonic() - began:.0f} s", flush=True)
        failed += [name] if status.returncode else []
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
