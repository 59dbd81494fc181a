"""A kernel over many blocks in a single call: what Python would do for each block takes as long as a good part of the block."""

from collections.abc import Callable
from functools import cache

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastgd.kernels.jit import Kind, compile_cached, kernel_arguments
from fastgd.kernels.signals import COUNTER, add


def sum_parts(kernel, X, parts, next_part, bell, n_rows, n_samples, y, s, theta, stack, n_blocks, taken, sums):
    """Sum a kernel over parts of a training set that other threads have not taken, until these are enough blocks.

    A part is a complete subtree of the binary tree in which blocks are added.

    Parameters
    ----------
    kernel : int
        The address of the kernel's machine code.
    X, y, s, theta : array
        As the kernel takes them, but y and s of all rows.
    parts : array of shape (n_parts, 2), int64
        Level and place of each: of level l and place p are the 2^l blocks from p 2^l on.
    next_part, bell : array of shape (1,), int64
        How many parts have been taken, by all threads; and what is counted up to call other threads.
    n_rows, n_samples : int
        How many rows a block has, and how many there are; so the last block may have fewer.
    stack : array of shape (levels + 1, n_sums), float64
        Room for as many blocks' sums as can be waiting for their sibling.
    n_blocks : int
        How many blocks are enough; less than that are taken only if no part is left, or no room.
    taken : array of shape (n,), int64
        Receives the numbers of the parts.
    sums : array of shape (n, n_sums), float64
        Receives their sums.

    Returns
    -------
    int
        How many parts were taken.
    """
    add(bell, 1)
    n_taken = 0
    for place in range(taken.shape[0]):
        if n_blocks <= 0:
            break
        part = add(next_part, 1)
        if part >= parts.shape[0]:
            break
        taken[place] = part
        level = parts[part, 0]
        first = parts[part, 1] << level
        n_waiting = 0
        for block in range(1 << level):
            start = (first + block) * n_rows
            stop = min(start + n_rows, n_samples)
            y_block = y if y is None else y[start:stop]
            s_block = s if s is None else s[start:stop]
            _call(kernel, X, start, stop, y_block, s_block, theta, 1.0, stack[n_waiting])
            # As in a binary counter: the sums of equally many blocks that stand side by side are added.
            carry = block
            while carry & 1:
                n_waiting -= 1
                for i in range(sums.shape[1]):
                    stack[n_waiting, i] += stack[n_waiting + 1, i]
                carry >>= 1
            n_waiting += 1
        for i in range(sums.shape[1]):
            sums[place, i] = stack[0, i]
        n_blocks -= 1 << level
        n_taken += 1
    return n_taken


@cache
def compiled_sum_parts(kind: Kind) -> Callable[..., int]:
    """Return `sum_parts` for a kind of rows, compiled on first use."""
    X, _start, _stop, y, s, theta, _scale, _sums = kernel_arguments(kind)
    integer, matrix = types.intp, types.Array(types.float64, 2, "C")
    parts = types.Array(types.int64, 2, "C")
    signature = types.int64(
        integer, X, parts, COUNTER, COUNTER, integer, integer, y, s, theta, matrix, integer, COUNTER, matrix
    )
    compiled: Callable[..., int] = compile_cached(sum_parts, signature)
    return compiled


@intrinsic
def _call(_context, address, X, start, stop, y, s, theta, scale, sums):
    """Call the kernel that lies at an address."""
    types_of_arguments = X, start, stop, y, s, theta, scale, sums

    def generate(context, builder, signature, args):
        function_type = context.call_conv.get_function_type(types.none, types_of_arguments)
        kernel = builder.inttoptr(args[0], function_type.as_pointer())
        status, _ = context.call_conv.call_function(builder, kernel, types.none, types_of_arguments, args[1:])
        with cgutils.if_unlikely(builder, status.is_error):  # no memory for what it works in
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(address, *types_of_arguments), generate
