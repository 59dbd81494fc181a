"""Worker threads for a pass over the rows: the one place that owns threads.

The kernels release the GIL, so threads are enough, and they are fastgd's own: numba's layers abort a process whose threads
meet in them, or kill the children that it forks, and their reductions' bits depend on the number of threads.
"""

import itertools
import math
import os
import queue
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# How often a thread that waits for another one looks before it goes to sleep, some 15 ns each time. To be woken up took 100 us
# on a virtual machine; the passes of a descent follow each other in less.
_LOOKS = 10_000

_ENVIRONMENT = "FASTGD_NUM_THREADS"

Counter = NDArray[np.int64]


def _counter() -> Counter:
    """Return a number that compiled code of several threads changes."""
    return np.zeros(1, np.int64)


_nobody = _counter()

_chosen: int | None = None


def set_default(n_threads: int | None) -> None:
    """Set how many threads a pass may take where nothing else is said.

    Parameters
    ----------
    n_threads : int or None
        The number, >= 1; None for what the environment says.
    """
    global _chosen
    _chosen = n_threads


def default() -> int:
    """Return how many threads a pass may take where nothing else is said.

    Returns
    -------
    int
        What `set_default` has set; else the environment variable FASTGD_NUM_THREADS; else the number of processors that this
        process may run on, by its affinity and its cgroup's quota.

    Raises
    ------
    ValueError
        If FASTGD_NUM_THREADS is not a whole number >= 1.
    """
    if _chosen is not None:
        return _chosen
    text = os.environ.get(_ENVIRONMENT)
    if text is None:
        return processors()
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{_ENVIRONMENT}={text!r} is set, but a whole number >= 1 is expected. Correct or unset it.")
    return int(text)


def processors() -> int:
    """Return how many processors this process may use, by its affinity and its cgroup's quota.

    Returns
    -------
    int
        At least 1.
    """
    n_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(n_processors, _whole_quota()))


def share(take: Callable[[Counter], bool], n_threads: int) -> None:
    """Share a pass among threads, of which the calling one is one.

    Whoever is free takes the next part, so that a slow processor holds up no more than one of them.

    Parameters
    ----------
    take : callable
        Takes a part of the pass, does it, and returns whether there may be more. Several threads call it. Compiled code in it
        may count up the array of shape (1,) that it is given, which calls the other threads.
    n_threads : int
        How many threads to take.
    """
    if n_threads <= 1:
        while take(_nobody):
            pass
        return
    work = _Work(take, awake=n_threads <= processors())
    try:
        bell = _pool.help(work, n_threads - 1)
        work.run(bell)
    except BaseException:
        work.stop()
        raise
    finally:
        work.close()
    if work.error is not None:
        raise work.error


class _Work:
    """A pass that is shared among threads."""

    def __init__(self, take: Callable[[Counter], bool], *, awake: bool) -> None:
        self.error: BaseException | None = None
        self.n_looks = _LOOKS if awake else 0
        self.n_left = _counter()  # of those who have begun to help; only compiled code writes it, as it takes no lock
        self._n_begun = 0
        self._take = take
        self._lock = threading.Lock()
        self._closed = False  # nobody may begin to help
        self._stopped = False  # the result is not wanted any more
        self._all_left = threading.Semaphore(0)

    def run(self, bell: Counter) -> None:
        """Take parts until there are none, or their result is not wanted any more."""
        while not self._stopped and self._take(bell):
            pass

    def help(self, bell: Counter) -> bool:
        """Take parts on a worker thread, if the pass is not closed before it comes to that; return whether it was not."""
        with self._lock:
            if self._closed:
                return False
            self._n_begun += 1
        try:
            self.run(bell)
        except BaseException as error:  # the calling thread raises it
            self.error = error
            self.stop()
        return True

    def left(self) -> None:
        """Wake up the calling thread, if all have left and it sleeps."""
        with self._lock:
            last = self._closed and self.n_left[0] == self._n_begun
        if last:
            self._all_left.release()

    def stop(self) -> None:
        """Let everybody leave after the part that they are at: the pass has failed or was interrupted."""
        self._stopped = True

    def close(self) -> None:
        """Let nobody begin any more, and wait for those who have: afterwards no thread reads the rows."""
        with self._lock:
            self._closed = True
        n_left = self.n_left.item()
        while n_left < self._n_begun:
            before, n_left = n_left, _meet(_nobody, 0, self.n_left, n_left, self.n_looks)
            if n_left == before:
                self._all_left.acquire()
                return


class _Pool:
    """Worker threads, started when first needed, that wait for work."""

    def __init__(self) -> None:
        # A SimpleQueue hands over in 13 to 31 microseconds, where concurrent.futures takes 80 to 90.
        self._queue: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._bell = _counter()
        self._n_workers = 0
        self._lock = threading.Lock()

    def help(self, work: _Work, n_helpers: int) -> Counter:
        """Let some workers help; with fewer, or none, where no thread can be started. Those awake look at the bell."""
        if self._n_workers < n_helpers:
            self._start(n_helpers)
        for _ in range(min(n_helpers, self._n_workers)):
            self._queue.put(work)
        return self._bell

    def _start(self, n_workers: int) -> None:
        with self._lock:
            while self._n_workers < n_workers:
                name = f"fastgd-{self._n_workers}"
                try:
                    threading.Thread(target=self._work, name=name, daemon=True).start()
                except RuntimeError:  # the interpreter shuts down, or the system allows no more
                    return
                self._n_workers += 1

    def _work(self) -> None:
        while True:
            work = self._queue.get()
            if work.help(self._bell):
                # Seen before the calling thread can have gone on, and so before it rings for its next pass.
                rung = self._bell.item()
                _meet(work.n_left, 1, self._bell, rung, work.n_looks)
                work.left()
            del work  # or it would live until the next one comes


def _meet(mine: Counter, amount: int, theirs: Counter, seen: int, n_looks: int) -> int:
    from fastgd.kernels.signals import compiled_meet  # a process without a parallel pass need not compile it

    return compiled_meet()(mine, amount, theirs, seen, n_looks)


def _drop_pool() -> None:
    """Forget threads that exist in the parent only."""
    global _pool
    _pool = _Pool()


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_pool)


@cache
def _whole_quota() -> int:
    quota = _quota()
    return math.ceil(quota) if math.isfinite(quota) else 1 << 30


def _quota(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> float:
    """Return how many processors' time the cgroups of this process allow it, of version 2 or 1; infinity for any."""
    quota = math.inf
    try:
        lines = [line.split(":", 2) for line in membership.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return quota
    for _, controllers, path in (line for line in lines if len(line) == 3):
        own = root / "cpu" if "cpu" in controllers.split(",") else root
        own = own.joinpath(path.lstrip("/"))
        for folder in itertools.takewhile(lambda each: each.is_relative_to(root), (own, *own.parents)):
            for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
                try:
                    allowed, period = " ".join((folder / name).read_text(encoding="ascii") for name in names).split()
                    if allowed not in ("max", "-1"):
                        quota = min(quota, int(allowed) / int(period))
                except (OSError, ValueError, ZeroDivisionError):
                    continue
    return quota
