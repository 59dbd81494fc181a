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

_ENVIRONMENT = "FASTGD_NUM_THREADS"

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
        n_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, min(n_processors, _whole_quota()))
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{_ENVIRONMENT}={text!r} is set, but a whole number >= 1 is expected. Correct or unset it.")
    return int(text)


def for_each_block(task: Callable[[int], None], n_blocks: int, n_threads: int | None) -> None:
    """Run a task for each block, on several threads; the calling one takes blocks, too.

    Whoever is free takes the next block, so that a slow processor holds up no more than one of them.

    Parameters
    ----------
    task : callable
        What to do with block i. Several threads call it.
    n_blocks : int
        The number of blocks.
    n_threads : int or None
        How many threads to take; `default` by default.
    """
    n_threads = min(n_blocks, default() if n_threads is None else n_threads)
    if n_threads <= 1:
        for i in range(n_blocks):
            task(i)
        return
    work = _Work(task, n_blocks)
    try:
        _pool.help(work, n_threads - 1)
        work.run()
    except BaseException:
        work.stop()
        raise
    finally:
        work.close()
    if work.error is not None:
        raise work.error


class _Work:
    """The blocks of one pass, shared out among threads."""

    def __init__(self, task: Callable[[int], None], n_blocks: int) -> None:
        self.error: BaseException | None = None
        self._task = task
        self._blocks = iter(range(n_blocks))  # next() of it is one step: no two threads get the same block
        self._lock = threading.Lock()
        self._n_helpers = 0
        self._closed = False  # nobody may begin to help
        self._stopped = False  # the result is not wanted any more
        self._all_left = threading.Semaphore(0)

    def run(self) -> None:
        """Take blocks until there are none, or their result is not wanted any more."""
        for i in self._blocks:
            # A block that was taken is done, even if the pass was closed since: nobody else has it.
            if self._stopped:
                return
            self._task(i)

    def help(self) -> None:
        """Take blocks on a worker thread, if the pass is not closed before it comes to that."""
        with self._lock:
            if self._closed:
                return
            self._n_helpers += 1
        try:
            self.run()
        except BaseException as error:  # the calling thread raises it
            self.error = error
            self.stop()
        with self._lock:
            self._n_helpers -= 1
            last = self._closed and not self._n_helpers
        if last:
            self._all_left.release()

    def stop(self) -> None:
        """Let everybody leave after the block that they are at: the pass has failed or was interrupted."""
        self._stopped = True

    def close(self) -> None:
        """Let nobody begin any more, and wait for those who have: afterwards no thread reads the rows."""
        with self._lock:
            self._closed = True
            wait = self._n_helpers > 0
        if wait:
            self._all_left.acquire()


class _Pool:
    """Worker threads, started when first needed, that wait for work."""

    def __init__(self) -> None:
        # A SimpleQueue hands over in 13 to 31 microseconds, where concurrent.futures takes 80 to 90.
        self._queue: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._n_workers = 0
        self._lock = threading.Lock()

    def help(self, work: _Work, n_helpers: int) -> None:
        """Let some workers help; with fewer, or none, where no thread can be started."""
        if self._n_workers < n_helpers:
            self._start(n_helpers)
        for _ in range(min(n_helpers, self._n_workers)):
            self._queue.put(work)

    def _start(self, n_workers: int) -> None:
        with self._lock:
            while self._n_workers < n_workers:
                name = f"fastgd-{self._n_workers}"
                try:
                    threading.Thread(target=_wait_for_work, args=(self._queue,), name=name, daemon=True).start()
                except RuntimeError:  # the interpreter shuts down, or the system allows no more
                    return
                self._n_workers += 1


def _wait_for_work(work_queue: "queue.SimpleQueue[_Work]") -> None:
    while True:
        work_queue.get().help()


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
