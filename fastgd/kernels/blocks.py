"""A pass of a kernel over many blocks, as a job for several threads; the blocks' sums are added in a fixed binary tree.

In compiled code, as what Python would do for each block takes as long as a good part of the block.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.kernels.jit import HELPER_FLAGS, Kind, compile_cached, entry_point, kernel_arguments, readonly
from fastgd.kernels.mailbox import DONE, MORE, Job, compiled_job
from fastgd.kernels.signals import CELLS, add, exchange, load_acquire

# How many integers hold the arguments of a pass.
ENVIRONMENT_LENGTH = 128

# Where in the cells of a pass the number of parts taken is; and where the rest begins, in another line of the cache.
TAKEN, REST = 0, tuning.CACHE_LINE // 8

# As that number: the result is not wanted any more.
_STOPPED = 1 << 62


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def sum_parts(kernel, X, y, s, theta, plan, memory, number):
    """Sum the parts of a pass that other threads have not taken.

    A part is a complete subtree of the binary tree in which blocks are added. Parts and the nodes at which they are added are
    numbered, the parts first.

    Parameters
    ----------
    kernel : int
        The address of the kernel's machine code.
    X, y, s, theta : array
        As the kernel takes them, but y and s of all rows.
    plan : tuple of (n_samples, n_rows, parts, parents)
        How many rows there are, and how many a block has; the last one may have fewer.
        parts, of shape (n_parts, 2), int64, has level and place of each: of level l and place p are the 2^l blocks from p 2^l
        on. parents, of shape (2 n_parts - 1,), int64, has the node at which a part or node is added to another.
    memory : tuple of (cells, stacks, slots)
        cells, of shape (REST + 2 n_parts + n_slots,), int64, are zeros at first. They are what the threads tell each other: how
        many parts have been taken, from `REST` on which slot waits at which node (its number + 1), and which slots are in use.
        stacks, of shape (n_threads, levels + 1, n_sums), float64, have room for as many blocks' sums as can be waiting for
        their sibling within a part. slots, of shape (n_slots, n_sums), float64, have room for as many parts' sums as can be
        waiting. When all is done, those of the whole wait at node 2 n_parts - 1.
    number : int
        Which of the threads this is; number 0 returns after each part, as only then it hears of an interrupt.

    Returns
    -------
    int
        `DONE` if all parts have been taken or the pass was stopped, else `MORE`.
    """
    n_samples, n_rows, parts, _ = plan
    cells, stacks, slots = memory
    n_parts = parts.shape[0]
    stack = stacks[number]
    while True:
        part: int = add(cells, TAKEN, 1)
        if part >= n_parts:
            return DONE
        level = parts[part, 0]
        first = parts[part, 1] << level
        n_waiting = 0
        for block in range(1 << level):
            if load_acquire(cells, TAKEN) >= _STOPPED:
                return DONE
            start = (first + block) * n_rows
            stop = min(start + n_rows, n_samples)
            y_block = y if y is None else y[start:stop]
            s_block = s if s is None else s[start:stop]
            _call(kernel, (X, start, stop, y_block, s_block, theta, 1.0, stack[n_waiting]))
            # As in a binary counter: the sums of equally many blocks that stand side by side are added.
            carry = block
            while carry & 1:
                n_waiting -= 1
                for i in range(slots.shape[1]):
                    stack[n_waiting, i] += stack[n_waiting + 1, i]
                carry >>= 1
            n_waiting += 1
        _hand_in(stack[0], part, plan, memory)
        if number == 0:
            return MORE


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def _hand_in(sums, node, plan, memory):
    """Add a part's sums to its sibling's where these wait, and so on up; the first of two leaves its own for the second."""
    _, _, parts, parents = plan
    cells, _, slots = memory
    used = REST + 2 * parts.shape[0]
    mine = 0
    while exchange(cells, used + mine, 1):  # there are as many as can be in use
        mine = (mine + 1) % slots.shape[0]
    for i in range(sums.size):
        slots[mine, i] = sums[i]
    while True:
        node = parents[node]
        other = exchange(cells, REST + node, mine + 1) - 1
        if other < 0:
            return
        for i in range(sums.size):
            slots[mine, i] += slots[other, i]
        exchange(cells, used + other, 0)


def new_cells(n_parts: int, n_slots: int) -> NDArray[np.int64]:
    """Return the cells of a pass of which nothing is done."""
    return np.zeros(REST + 2 * n_parts + n_slots, np.int64)


def abandon(cells: NDArray[np.int64]) -> None:
    """Let all threads leave a pass, each when it is done with its block."""
    cells[TAKEN] = _STOPPED


def whole(cells: NDArray[np.int64], slots: NDArray[np.float64], n_parts: int) -> NDArray[np.float64]:
    """Return the sums of the whole, once all is done."""
    sums: NDArray[np.float64] = slots[cells[REST + 2 * n_parts - 1] - 1]
    return sums


def prepare(environment, kernel, X, y, s, theta, plan, memory):
    """Write down the arguments of `sum_parts`, except for the number; all must live until the work is done.

    Parameters
    ----------
    environment : array of shape (ENVIRONMENT_LENGTH,), int64
        What they are written to.
    kernel, X, y, s, theta, plan, memory
        The arguments.
    """
    _write(environment, (kernel, X, y, s, theta, plan, memory))


def work(environment, number):
    """Call `sum_parts` with what `prepare` has written down; a job.

    Parameters
    ----------
    environment : pointer
        Where that is.
    number : int
        Which of the threads this is.

    Returns
    -------
    int
        `DONE` if all parts have been taken, else `MORE`.
    """
    return sum_parts(*_read(environment), number)


class Pass(NamedTuple):
    """A pass over a kind of rows.

    Attributes
    ----------
    prepare : callable
        `prepare`, compiled.
    job : Job
        `work`.
    """

    prepare: Callable[..., None]
    job: Job


@cache
def compiled_pass(kind: Kind) -> Pass:
    """Return the pass over a kind of rows, compiled on first use."""
    X, _start, _stop, y, s, theta, _scale, _sums = kernel_arguments(kind)
    plan = types.Tuple((types.intp, types.intp, readonly(types.int64, 2), readonly(types.int64, 1)))
    memory = types.Tuple((CELLS, types.Array(types.float64, 3, "C"), types.Array(types.float64, 2, "C")))
    arguments = types.intp, X, y, s, theta, plan, memory
    preparing = compile_cached(prepare, types.void(CELLS, *arguments))
    return Pass(entry_point(preparing), compiled_job(work, types.Tuple(arguments)))


@intrinsic
def _write(_context, environment, arguments):
    """Write arguments into the memory of an array."""

    def generate(context, builder, signature, args):
        size = context.get_abi_sizeof(context.get_value_type(arguments))
        if size > 8 * ENVIRONMENT_LENGTH:
            raise AssertionError(f"ENVIRONMENT_LENGTH is {ENVIRONMENT_LENGTH}, but {size} bytes are needed")
        values = _uncounted(context, builder, arguments, args[1])
        data = context.make_array(environment)(context, builder, args[0]).data
        builder.store(values, builder.bitcast(data, values.type.as_pointer()), align=8)

    return types.void(environment, arguments), generate


def _uncounted(context, builder, kind, value):
    """Return a value whose arrays are without their reference counters, which do not outlive the call."""
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo = array.parent = cgutils.get_null_value(array.meminfo.type)
        return array._getvalue()
    for i, member in enumerate(getattr(kind, "types", ())):  # of a tuple
        value = builder.insert_value(value, _uncounted(context, builder, member, builder.extract_value(value, i)), i)
    return value


@intrinsic
def _read(_context, environment):
    """Return arguments that were written down."""

    def generate(context, builder, signature, args):
        arguments = context.get_value_type(signature.return_type)
        return builder.load(builder.bitcast(args[0], arguments.as_pointer()), align=8)

    return environment.dtype(environment), generate


@intrinsic
def _call(_context, address, arguments):
    """Call the kernel that lies at an address."""

    def generate(context, builder, signature, args):
        function_type = context.call_conv.get_function_type(types.none, arguments)
        kernel = builder.inttoptr(args[0], function_type.as_pointer())
        members = cgutils.unpack_tuple(builder, args[1], len(arguments))
        status, _ = context.call_conv.call_function(builder, kernel, types.none, arguments.types, members)
        with cgutils.if_unlikely(builder, status.is_error):  # no memory for what it works in
            context.call_conv.return_status_propagate(builder, status)

    return types.void(address, arguments), generate
