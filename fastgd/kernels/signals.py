"""How threads meet without Python: counters that several of them change, and waiting awake.

A thread that waits for another, or for the interpreter, goes to sleep; to be woken up took up to 100 us on a virtual machine,
in which a gradient over a million values could be had. So threads stay awake for a while, and take their parts of a pass and
say that they are done in compiled code, which does not hold the interpreter.
"""

from collections.abc import Callable
from functools import cache

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastgd.kernels.jit import compile_cached

COUNTER = types.Array(types.int64, 1, "C")


@intrinsic
def add(_context, counter, amount):
    """Add to ``counter[0]`` in one step, and return what it was."""

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", data, args[1], "seq_cst")

    return types.int64(counter, types.int64), generate


def meet(mine, amount, theirs, seen, n_looks):
    """Add to a counter of one's own, and look at another until it changes.

    Parameters
    ----------
    mine : array of shape (1,), int64
        What is added to.
    amount : int
        How much.
    theirs : array of shape (1,), int64
        What is looked at.
    seen, n_looks : int
        Until it is no longer ``seen``, but no more than ``n_looks`` times.

    Returns
    -------
    int
        What it is in the end.
    """
    add(mine, amount)
    value = seen
    for _ in range(n_looks):
        value = _look(theirs)
        if value != seen:
            break
    return value


@cache
def compiled_meet() -> Callable[..., int]:
    """Return `meet`, compiled on first use."""
    dispatcher = compile_cached(meet, types.int64(COUNTER, types.int64, COUNTER, types.int64, types.int64))
    compiled: Callable[..., int] = dispatcher
    return compiled


@intrinsic
def _look(_context, counter):
    """Return ``counter[0]`` as it is now in memory, after a rest of some cycles."""

    def generate(context, builder, signature, args):
        if builder.module.triple.startswith(("x86_64", "i686")):
            pause = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), [])
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(data, "acquire", 8)

    return types.int64(counter), generate
