"""How many threads a pass over the rows may take."""

import itertools
import math
import os
from functools import cache
from pathlib import Path

from fastgd import arguments

_ENVIRONMENT = "FASTGD_NUM_THREADS"

_default: int | None = None


def get_num_threads() -> int:
    """Return how many threads a pass over the rows takes where the call does not say.

    Returns
    -------
    int
        What `set_num_threads` has set; else what the environment variable FASTGD_NUM_THREADS says; else the number of
        processors that this process may run on, by its affinity and its cgroup's quota.

    Raises
    ------
    ValueError
        If FASTGD_NUM_THREADS is not a whole number >= 1.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.get_num_threads() >= 1
    True
    """
    if _default is not None:
        return _default
    text = os.environ.get(_ENVIRONMENT)
    if text is None:
        return processors()
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{_ENVIRONMENT}={text!r} is set, but a whole number >= 1 is expected. Correct or unset it.")
    return int(text)


def set_num_threads(n_threads: int | None) -> None:
    """Set how many threads a pass over the rows takes where the call does not say.

    Results do not depend on it, to the bit.

    Parameters
    ----------
    n_threads : int or None
        The number, >= 1; None for the default.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is less than 1.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.set_num_threads(1)
    >>> fastgd.get_num_threads()
    1
    >>> fastgd.set_num_threads(None)
    """
    global _default
    _default = arguments.thread_count(n_threads)


def effective(n_threads: int | None) -> int:
    """Return the number of threads that was asked for, or what `get_num_threads` says."""
    return get_num_threads() if n_threads is None else n_threads


def processors() -> int:
    """Return how many processors this process may use, by its affinity and its cgroup's quota; at least 1."""
    n_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(n_processors, _whole_quota()))


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
