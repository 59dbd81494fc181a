"""Asking for memory before it is read, where the hardware does not foresee it."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

CACHE_LINE = 64  # bytes


@intrinsic
def prefetch(_typing_context, array, index):  # type: ignore[no-untyped-def]
    """Ask for the cache line of ``array.flat[index]``; an index beyond the end is harmless."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer, int32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        address = builder.bitcast(builder.gep(data, [args[1]]), pointer)
        function_type = ir.FunctionType(ir.VoidType(), [pointer, int32, int32, int32])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        builder.call(function, [address, int32(0), int32(3), int32(1)])  # to read, keep in all levels, data
        return context.get_dummy_value()

    return types.void(array, types.intp), generate
