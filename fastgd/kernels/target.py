"""What the processor has that kernels are made for: its registers, be it this one or the one that NUMBA_CPU_NAME names."""

import re
from functools import cache
from typing import NamedTuple

import llvmlite.binding as llvm
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

# More vectors than any processor has registers for: all are read before the first is written, as memory may overlap.
_PROBE = "define void @probe(ptr %from, ptr %to) {{\n{reads}\n{writes}\nret void\n}}"
_READ = "%p{i} = getelementptr <8 x double>, ptr %from, i64 {i}\n%v{i} = load <8 x double>, ptr %p{i}, align 8"
_WRITE = "%q{i} = getelementptr <8 x double>, ptr %to, i64 {i}\nstore <8 x double> %v{j}, ptr %q{i}, align 8"
_N_VECTORS = 20

# How many float64 a register holds, by the letter of its name: of x86, and of Arm.
_LANES = {"x": 2, "y": 4, "z": 8, "q": 2}


class Registers(NamedTuple):
    """The vector registers of a processor."""

    lanes: int
    """How many float64 one holds."""
    number: int
    """How many there are."""


@cache
def registers() -> Registers:
    """Return the vector registers that LLVM makes use of, as it is told which width a processor is fastest with."""
    reads = "\n".join(_READ.format(i=i) for i in range(_N_VECTORS))
    writes = "\n".join(_WRITE.format(i=i, j=_N_VECTORS - 1 - i) for i in range(_N_VECTORS))
    with global_compiler_lock:  # which numba holds wherever it uses the same machine
        module = llvm.parse_assembly(_PROBE.format(reads=reads, writes=writes))
        machine = cpu_target.target_context.codegen()._tm
        module.triple = machine.triple
        assembly = machine.emit_assembly(module)
    found = re.findall(r"\b(?:([xyz])mm|(q))(\d+)\b", assembly)
    lanes = max((_LANES[x86 or arm] for x86, arm, _ in found), default=2)
    return Registers(lanes, 32 if any(int(number) >= 16 for *_, number in found) else 16)
