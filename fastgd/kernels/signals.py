"""What several threads may read and change at a time: single integers, each in one step."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

CELLS = types.Array(types.int64, 1, "C")


def _pointer(context, builder, signature, args):
    """Return the address of ``cells[i]``, the first two arguments."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.gep(data, [args[1]])


@intrinsic
def add(_context, cells, i, amount):
    """Add to ``cells[i]``, and return what it was."""

    def generate(context, builder, signature, args):
        return builder.atomic_rmw("add", _pointer(context, builder, signature, args), args[2], "seq_cst")

    return types.int64(cells, types.int64, types.int64), generate


@intrinsic
def exchange(_context, cells, i, value):
    """Set ``cells[i]``, and return what it was."""

    def generate(context, builder, signature, args):
        return builder.atomic_rmw("xchg", _pointer(context, builder, signature, args), args[2], "seq_cst")

    return types.int64(cells, types.int64, types.int64), generate


@intrinsic
def compare_and_swap(_context, cells, i, expected, value):
    """Set ``cells[i]`` if it is what is expected, and return whether it was."""

    def generate(context, builder, signature, args):
        pointer = _pointer(context, builder, signature, args)
        return builder.extract_value(builder.cmpxchg(pointer, args[2], args[3], "seq_cst", "seq_cst"), 1)

    return types.boolean(cells, types.int64, types.int64, types.int64), generate


@intrinsic
def load_acquire(_context, cells, i):
    """Return ``cells[i]`` as it is now in memory, after a rest of some cycles."""

    def generate(context, builder, signature, args):
        if builder.module.triple.startswith(("x86_64", "i686")):
            pause = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), [])
        return builder.load_atomic(_pointer(context, builder, signature, args), "acquire", 8)

    return types.int64(cells, types.int64), generate
