"""How a pass is handed to a worker thread and collected from it, without Python.

A thread that waits for another, or for the interpreter, goes to sleep; to be woken up took up to 100 us on a virtual machine,
in which a gradient over a million values could be had. So a worker that is done stays awake for a while, in compiled code that
does not hold the interpreter, and looks at its mailbox: eight integers, of which the first is its state.

Only its worker makes it busy, free or asleep; only the thread that has borrowed the worker submits a job, or takes it back.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.kernels.jit import address, compile_cached, entry_point
from fastgd.kernels.signals import CELLS, compare_and_swap, exchange, load_acquire

LENGTH = tuning.CACHE_LINE // 8
STATE, JOB, ENVIRONMENT, NUMBER, N_SPINS, FAILED = range(6)

FREE, SUBMITTED, BUSY, ASLEEP = range(4)

# What a job returns.
DONE, MORE, ERROR = 0, 1, -1


def new() -> NDArray[np.int64]:
    """Return the mailbox of a worker that is free, in a cache line of its own."""
    memory = np.zeros(2 * LENGTH, np.int64)
    first = -(memory.ctypes.data // memory.itemsize) % LENGTH
    return memory[first:][:LENGTH]


def run(job, environment, number):
    """Do some of a job.

    Parameters
    ----------
    job : int
        The address of its machine code.
    environment : int
        The address of what it works on.
    number : int
        Which of the threads this is: 0 for the one that handed it over, which may return before all is done.

    Returns
    -------
    int
        `DONE`, `MORE` if the job should be called again, or `ERROR` if there was no memory for it.
    """
    return _call(job, environment, number)


def submit(mailbox, job, environment, number, n_spins):
    """Hand a job to a worker that is free or asleep.

    Parameters
    ----------
    mailbox : array of shape (LENGTH,), int64
        The worker's.
    job, environment, number : int
        What to `run`; a job of 0 sends the worker out to Python.
    n_spins : int
        How often the worker checks the mailbox afterwards before it goes to sleep.

    Returns
    -------
    bool
        Whether the worker is asleep, and must be woken up.
    """
    mailbox[JOB] = job
    mailbox[ENVIRONMENT] = environment
    mailbox[NUMBER] = number
    mailbox[N_SPINS] = n_spins
    mailbox[FAILED] = 0
    return exchange(mailbox, STATE, SUBMITTED) == ASLEEP


def worker_loop(mailbox):
    """Wait for jobs, and do them; this is where a worker lives.

    Parameters
    ----------
    mailbox : array of shape (LENGTH,), int64
        The worker's own.

    Returns
    -------
    bool
        True if Python has something to do for this worker, which is busy until it comes back; False if it shall go to sleep.
    """
    compare_and_swap(mailbox, STATE, BUSY, FREE)
    while True:
        for _ in range(mailbox[N_SPINS]):
            if load_acquire(mailbox, STATE) == SUBMITTED:
                break
        if compare_and_swap(mailbox, STATE, SUBMITTED, BUSY):
            if mailbox[JOB] == 0:
                return True
            status = MORE
            while status == MORE:
                status = _call(mailbox[JOB], mailbox[ENVIRONMENT], mailbox[NUMBER])
            mailbox[FAILED] = status == ERROR
            exchange(mailbox, STATE, FREE)
        elif compare_and_swap(mailbox, STATE, FREE, ASLEEP):
            return False


def join(mailbox, n_spins):
    """Take a job back from a worker that has not begun it, or wait until it is done.

    Parameters
    ----------
    mailbox : array of shape (LENGTH,), int64
        The worker's.
    n_spins : int
        How often to check at most.

    Returns
    -------
    bool
        Whether the worker has nothing to do with the job any more.
    """
    if compare_and_swap(mailbox, STATE, SUBMITTED, FREE):
        return True
    for _ in range(n_spins):
        if load_acquire(mailbox, STATE) != BUSY:
            return True
    return load_acquire(mailbox, STATE) != BUSY


class Job(NamedTuple):
    """A function ``job(environment, number)`` that threads do together; it returns `DONE` or `MORE`.

    Attributes
    ----------
    address : int
        Where its machine code is.
    owner : object
        What keeps that there.
    """

    address: int
    owner: object


def compiled_job(function: Callable[..., int], environment: Any) -> Job:
    """Compile a function as a job.

    Parameters
    ----------
    function : callable
        The function in plain Python.
    environment : numba type
        What its first argument points to.

    Returns
    -------
    Job
        The compiled function.
    """
    owner = compile_cached(function, types.int64(types.CPointer(environment), types.int64))
    return Job(address(owner), owner)


FUNCTIONS: dict[Callable[..., Any], Any] = {
    run: types.int64(types.intp, types.intp, types.int64),
    submit: types.boolean(CELLS, types.intp, types.intp, types.int64, types.int64),
    worker_loop: types.boolean(CELLS),
    join: types.boolean(CELLS, types.int64),
}


@cache
def compiled(function: Callable[..., int]) -> Callable[..., int]:
    """Return one of the functions of this module, compiled on first use."""
    return entry_point(compile_cached(function, FUNCTIONS[function]))


@intrinsic
def _call(_context, job, environment, number):
    """Call the job that lies at an address; an error is a result."""

    def generate(context, builder, signature, args):
        argument_types = environment, number  # the address is as good as a pointer
        function_type = context.call_conv.get_function_type(types.int64, argument_types)
        function = builder.inttoptr(args[0], function_type.as_pointer())
        status, result = context.call_conv.call_function(builder, function, types.int64, argument_types, args[1:])
        return builder.select(status.is_error, result.type(ERROR), result)

    return types.int64(types.intp, types.intp, types.int64), generate
