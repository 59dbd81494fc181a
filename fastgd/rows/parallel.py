"""Worker threads for a pass over the rows: the one place that owns threads.

The kernels release the GIL, so threads are enough, and they are fastgd's own: numba's layers abort a process whose threads
meet in them, or kill the children that it forks, and their reductions' bits depend on the number of threads.
"""

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.rows import threads

Cells = NDArray[np.int64]


def share(do: Callable[[int], object], parts: range, n_threads: int) -> None:
    """Share a pass among threads, of which the calling one is one.

    Whoever is free takes the next part, so that a slow processor holds up no more than one of them.

    Parameters
    ----------
    do : callable
        Does a part of the pass. Several threads call it.
    parts : range
        The numbers of the parts.
    n_threads : int
        How many threads to take at most.
    """
    numbers = iter(parts)  # next() of it is one step: no two threads get the same part
    stopped = False
    errors: list[BaseException] = []

    def take_all() -> None:
        while not stopped and (number := next(numbers, None)) is not None:
            do(number)

    def stop() -> None:
        nonlocal stopped
        stopped = True

    def help_out() -> None:
        try:
            take_all()
        except BaseException as error:  # the calling thread raises it
            errors.append(error)
            stop()

    def order(worker: "_Worker", number: int, n_spins: int) -> None:
        worker.task = help_out
        worker.submit(0, 0, number, n_spins)

    _run_together(order, take_all, stop, min(n_threads, len(parts)))
    if errors:
        raise errors[0]


def run(job: int, environment: Cells, arguments: object, stop: Callable[[], None], n_threads: int) -> None:
    """Share a job in compiled code among threads, of which the calling one is one: they meet without the interpreter.

    Parameters
    ----------
    job : int
        The address of its machine code.
    environment : ndarray of int64
        What it works on.
    arguments : object
        What the environment points to, and must live as long as a thread is at the job.
    stop : callable
        Sees to it that the job ends soon, as its result is not wanted any more.
    n_threads : int
        How many threads to take.

    Raises
    ------
    MemoryError
        If there was no memory for the job.
    """
    mailbox = _mailbox()
    address, some = environment.__array_interface__["data"][0], mailbox.compiled(mailbox.run)

    def do() -> None:
        status = mailbox.MORE
        while status == mailbox.MORE:  # here, between two calls, Ctrl-C is heard
            status = some(job, address, 0)
        if status == mailbox.ERROR:
            raise _no_memory(n_threads)

    def order(worker: "_Worker", number: int, n_spins: int) -> None:
        worker.held = environment, arguments
        worker.submit(job, address, number, n_spins)

    if _run_together(order, do, stop, n_threads):
        raise _no_memory(n_threads)


@cache
def _mailbox() -> Any:
    from fastgd.kernels import mailbox  # and numba with it, which who asks for the number of threads does without

    return mailbox


def _no_memory(n_threads: int) -> MemoryError:
    return MemoryError(
        f"n_threads={n_threads} was given, but there is no memory for what each thread works in. "
        "Free some memory, or take fewer threads."
    )


def _run_together(
    order: Callable[["_Worker", int, int], None], do: Callable[[], None], stop: Callable[[], None], n_threads: int
) -> bool:
    """Order workers, do what the calling thread does, collect the workers; return whether one of them had no memory."""
    # While the interpreter ends, it lets no other thread in: a worker that takes Python's work would never be done.
    if n_threads <= 1 or sys.is_finalizing():
        do()
        return False
    n_spins = tuning.SPIN_ITERATIONS if n_threads <= threads.processors() else tuning.SPIN_ITERATIONS_OF_MANY
    workers = _Loan()
    try:
        workers = _pool.lend(n_threads - 1)
        for number, worker in enumerate(workers, 1):
            order(worker, number, n_spins)
        do()
    except BaseException:
        stop()
        raise
    finally:
        _join(workers, n_spins)
        failed = any(worker.failed() for worker in workers)
        _pool.take_back(workers)
    return failed


def _join(workers: "_Loan", n_spins: int) -> None:
    """Wait until none of the workers has a part in the pass any more: afterwards they do not read the rows."""
    interrupt = None
    for worker in workers:
        while True:
            try:
                if worker.join(n_spins):
                    break
                time.sleep(tuning.POLL_SECONDS)
            except BaseException as error:  # KeyboardInterrupt, or what another signal's handler raises
                interrupt = error
    try:
        if interrupt is not None:
            raise interrupt
    finally:
        del interrupt  # which knows of this frame, and so would keep the loan alive


class _Worker:
    """A thread that waits for work."""

    def __init__(self, name: str) -> None:
        mailbox = _mailbox()
        self.task: Callable[[], None] = _nothing
        self.held: object = None  # what its job works on, which must live as long
        self.loan: Callable[[], _Loan | None] = _nothing
        self._submit, self._worker_loop, self._join = map(
            mailbox.compiled, (mailbox.submit, mailbox.worker_loop, mailbox.join)
        )
        self._mailbox = mailbox.new()
        self._failed = self._mailbox[mailbox.FAILED :]
        self._bell = threading.Lock()  # held as long as the worker shall sleep
        self._bell.acquire()
        threading.Thread(target=self._live, name=name, daemon=True).start()

    def submit(self, job: int, environment: int, number: int, n_spins: int) -> None:
        """Hand over a job, or, for a job of 0, the task; see `fastgd.kernels.mailbox`."""
        if self._submit(self._mailbox, job, environment, number, n_spins):
            self._bell.release()

    def join(self, n_spins: int) -> bool:
        """Take back what this worker has not begun, or look whether it is done; return whether it has nothing left to do."""
        done = bool(self._join(self._mailbox, n_spins))
        if done:
            self.task, self.held = _nothing, None  # or what it did not come to would live until the next one
        return done

    def failed(self) -> bool:
        """Tell whether it had no memory for its last job."""
        return bool(self._failed[0])

    def _live(self) -> None:
        while True:
            if self._worker_loop(self._mailbox):
                task, self.task = self.task, _nothing
                task()
                del task  # or it would live until the next one comes
            else:
                self._bell.acquire()


def _nothing() -> None:
    pass


class _Loan(list[_Worker]):
    """The workers that a pass has borrowed."""


class _Pool:
    """Workers, started when first needed.

    An interrupt can break into any line of Python, so also into those that collect workers and give them back. So each worker
    knows its loan, and belongs to the pool again when nobody else knows of that any more.
    """

    def __init__(self) -> None:
        self._workers: list[_Worker] = []
        self._free: list[_Worker] = []
        self._lock = threading.Lock()

    def lend(self, n: int) -> _Loan:
        """Lend workers that nobody else has; fewer, or none, where others have them or no thread can be started."""
        loan = _Loan()
        with self._lock:
            if len(self._free) < n:
                self._find(n)
            for worker in self._free[-n:]:
                worker.loan = weakref.ref(loan)
            # Those who were given back last are the most likely to be awake. No call stands between these two assignments, so
            # no interrupt comes between them, and a worker is in one place; so it is when it comes back.
            loan[:], self._free[-n:] = self._free[-n:], []
        return loan

    def take_back(self, loan: _Loan) -> None:
        """Let others have these."""
        with self._lock:
            self._free[len(self._free) :], loan[:] = loan, []

    def _find(self, n: int) -> None:
        """Find workers who were lost in an interrupt and are done, and start new ones, up to n in all."""
        while len(self._workers) < n:
            try:
                self._workers.append(_Worker(f"fastgd-{len(self._workers)}"))
            except RuntimeError:  # the interpreter shuts down, or the system allows no more
                break
        for worker in self._workers:
            if worker not in self._free and worker not in (worker.loan() or ()) and worker.join(0):
                self._free.append(worker)


def _drop_pool() -> None:
    """Forget threads that exist in the parent only."""
    global _pool
    _pool = _Pool()


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_pool)
