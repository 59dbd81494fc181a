"""What the processor has that kernels are made for: its registers, be it this one or the one that NUMBA_CPU_NAME names."""

import re
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from fastgd.kernels import tuning

# More vectors than any processor has registers for, as each takes one of them at least.
_N_VECTORS = 20

# How many float64 a register holds, by the letter of its name: of x86, and of Arm.
_LANES = {"x": 2, "y": 4, "z": 8, "q": 2}


class Registers(NamedTuple):
    """The vector registers of a processor."""

    lanes: int
    """How many float64 one holds."""
    number: int
    """How many there are."""

    @property
    def are_many(self) -> bool:
        """Whether they hold so much that kernels should keep more in them."""
        return self.lanes * self.number >= tuning.MANY_LANES


def _probe() -> str:
    """Return code that reads all vectors before it writes the first, as memory may overlap, in the words of this llvmlite."""
    module, vector = ir.Module(), ir.VectorType(ir.DoubleType(), 8)
    pointer = vector.as_pointer()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer, pointer]), "probe")
    code = ir.IRBuilder(function.append_basic_block())
    source, target = function.args
    places = [ir.Constant(ir.IntType(64), i) for i in range(_N_VECTORS)]
    vectors = [code.load(code.gep(source, [place]), align=8) for place in places]
    for place, values in zip(places, reversed(vectors), strict=True):
        code.store(values, code.gep(target, [place]), align=8)
    code.ret_void()
    return str(module)


@cache
def registers() -> Registers:
    """Return the vector registers that LLVM makes use of, as it is told which width a processor is fastest with."""
    with global_compiler_lock:  # which numba holds wherever it uses the same machine
        return registers_of(cpu_target.target_context.codegen()._tm)


def registers_of(machine: Any) -> Registers:
    """Return the vector registers that code for one of LLVM's target machines uses."""
    module = llvm.parse_assembly(_probe())
    module.triple = machine.triple
    found = re.findall(r"\b(?:([xyz])mm|(q))(\d+)\b", machine.emit_assembly(module))
    lanes = max((_LANES[x86 or arm] for x86, arm, _ in found), default=2)
    return Registers(lanes, 32 if any(int(number) >= 16 for *_, number in found) else 16)
