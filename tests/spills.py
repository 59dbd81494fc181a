"""Count what the inner loops of kernels spill: values that go to the stack and back, as there are too few registers.

    python tests/spills.py                              all kernels, for five processors
    python tests/spills.py znver2 --features 8 12       one processor, and some numbers of features
    python tests/spills.py neoverse-n1 --mca            with the cycles of each loop, as llvm-mca foresees them
    python tests/spills.py --all                        loops that spill nothing are printed, too

Any machine will do: what numba makes of a kernel is optimised anew for the processor that is asked for, by LLVM, which writes
down what it spills. Loops are counted that have multiply-adds, and no loops within. The exit status is 1 if one spills a
vector.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, NamedTuple

# By the name that LLVM has for it, the architecture of each.
PROCESSORS = {
    "znver2": "x86_64",
    "znver5": "x86_64",
    "sapphirerapids": "x86_64",
    "neoverse-n1": "aarch64",
    "apple-m1": "aarch64",
}

# Numbers of features on both sides of each change of the kernel, and some between.
FEATURES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 17, 20, 24, 25, 28, 32, 33, 40, 48, 64, 65, 80, 96, 112, 128, 129)
KINDS = (("d", "d", False), ("d", "d", True), ("d", None, False), ("f", "f", False))

_MULTIPLY_ADD = re.compile(r"\s(vfn?m(add|sub)\w*|fn?m(la|ls|add|sub))\s")
_BLOCK = re.compile(r"\.?L?(BB\d+_\d+):|(?:#|//) %bb\.\d+:")
_SPILL = re.compile(r"(\d+)-byte (?:Folded )?(?:Spill|Reload)")
_COMMENT = re.compile(r"\s*(?:#|//) .*")


class Loop(NamedTuple):
    """An inner loop of a kernel."""

    n_multiply_adds: int
    n_vectors: int
    """How often a vector goes to the stack or comes from there."""
    n_others: int
    """The same of addresses and numbers."""
    lines: list[str]
    """The machine code."""


def inner_loops(assembly: str) -> Iterator[Loop]:
    """Find the loops with multiply-adds, and without loops in them, in code with LLVM's comments."""
    header, loops = None, {}
    for line in assembly.splitlines():
        if block := _BLOCK.match(line):
            header, name = None, block[1]
        if "Inner Loop Header" in line:
            header = name
        elif (within := re.search(r"in Loop: Header=(BB\d+_\d+)", line)) and within[1] in loops:
            header = within[1]
        if header:
            loops.setdefault(header, []).append(line)
    for lines in loops.values():
        code = [line for line in lines if not _COMMENT.fullmatch(line)]
        n_multiply_adds = sum(bool(_MULTIPLY_ADD.search(line)) for line in code)
        sizes = [int(spill[1]) for line in code if (spill := _SPILL.search(line))]
        if n_multiply_adds:
            n_vectors = sum(size >= 16 for size in sizes)
            yield Loop(n_multiply_adds, n_vectors, len(sizes) - n_vectors, code)


def compiled(name: str, features: Iterable[int]) -> Iterator[tuple[str, str]]:
    """Yield what each kernel is called, and its machine code for a processor."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    triple = f"{PROCESSORS[name]}-unknown-linux-gnu"
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=name, opt=3)
    machine.set_asm_verbosity(True)

    from fastgd.kernels import target

    found = target.registers_of(machine)
    target.registers = lambda: found  # before those are imported that ask it

    from fastgd.kernels import registry

    gradients, moments = registry.kernels(features)
    for kernel in [*gradients, *moments]:
        for kind in KINDS:
            if kind[1] is None and kernel in moments:
                continue
            kernel[kind]
            (code,) = kernel._dispatchers[-1].inspect_llvm().values()
            x, y, weighted = kind
            called = f"{kernel.function.__name__}{shape(kernel.function)} {x}{y or '-'}{'s' if weighted else ''}"
            yield called, optimised(code, machine)


def shape(function: Any) -> str:
    """Return the numbers that a kernel was made for."""
    cells = function.__closure__ or ()
    values = [cell.cell_contents for cell in cells if isinstance(cell.cell_contents, int)]
    return " " + " ".join(str(value) for value in values) if values else ""


def optimised(code: str, machine: Any) -> str:
    """Return the machine code of what LLVM makes of code that is not optimised yet."""
    import llvmlite.binding as llvm

    code = re.sub(r"(?m)^target triple = .*", f'target triple = "{machine.triple}"', code)
    code = re.sub(r"(?m)^target datalayout = .*", f'target datalayout = "{machine.target_data}"', code)
    module = llvm.parse_assembly(code)
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)
    return str(machine.emit_assembly(module))


def cycles(lines: list[str], name: str) -> str:
    """Return how many cycles llvm-mca foresees for one turn of a loop."""
    command = ["llvm-mca", f"-mtriple={PROCESSORS[name]}", f"-mcpu={name}", "-iterations=100"]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False)
    total = re.search(r"Total Cycles:\s+(\d+)", done.stdout)
    return f"{int(total[1]) / 100:.1f} cycles" if total else "? cycles (llvm-mca does not know the processor)"


def report(name: str, features: tuple[int, ...], *, with_cycles: bool, of_all: bool) -> tuple[str, int]:
    """Return lines about a processor's loops, and how many of these spill vectors."""
    lines, n_loops, n_spilling = [], 0, 0
    warnings.filterwarnings("ignore", message="Cannot cache compiled function")  # nor should it be
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NUMBA_CACHE_DIR"] = folder
        for called, assembly in compiled(name, features):
            for loop in inner_loops(assembly):
                n_loops += 1
                n_spilling += loop.n_vectors > 0
                if of_all or with_cycles or loop.n_vectors + loop.n_others:
                    lines.append(
                        f"  {called:32s} {loop.n_multiply_adds:4d} multiply-adds, {len(loop.lines):4d} instructions, "
                        f"{loop.n_vectors:3d} vectors and {loop.n_others:2d} others spilled or read again"
                        + (f", {cycles(loop.lines, name)}" if with_cycles else "")
                    )
    return "\n".join([f"{name}: {n_spilling} of {n_loops} inner loops spill vectors", *lines]), n_spilling


def main() -> int:
    """Count for the processors that the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*PROCESSORS, []], metavar="PROCESSOR")
    parser.add_argument("--features", type=int, nargs="+", default=FEATURES, help="numbers of features")
    parser.add_argument("--mca", action="store_true", help="have llvm-mca (Debian's package llvm) count cycles")
    parser.add_argument("--all", action="store_true", help="print loops that spill nothing, too")
    args = parser.parse_args()
    if args.mca and not shutil.which("llvm-mca"):
        parser.error("there is no llvm-mca here. Install it (on Debian: apt install llvm), or leave out --mca.")
    os.environ |= {"NUMBA_OPT": "0", "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}  # of what is started
    counting = partial(report, features=tuple(args.features), with_cycles=args.mca, of_all=args.all)
    n_spilling = 0
    # Each in a process of its own, as a process keeps the kernels that it has made.
    with ProcessPoolExecutor(mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for text, n_here in pool.map(counting, args.names or PROCESSORS):
            print(text, flush=True)
            n_spilling += n_here
    return int(n_spilling > 0)


if __name__ == "__main__":
    sys.exit(main())
