"""Keeping numpy's BLAS to one thread while a fit passes over the rows."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_inside: list[int] = []  # the threads in the context, once for each time that they entered it
_limit: Any = None


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS compute on the calling thread only.

    BLAS's own threads stay awake for a tenth of a second after a product of a few thousand numbers, on the processors that
    the next pass needs: a fit of 100 features took a third longer. The setting belongs to the process: the first of several
    threads in this context changes it, and the last one restores it.
    """
    global _limit
    me = threading.get_ident()
    with _lock:
        _limit = _limit or _controller().limit(limits=1)
        _inside.append(me)
    try:
        yield
    finally:
        with _lock:
            _inside.remove(me)
            if not _inside:
                _limit.restore_original_limits()
                _limit = None


def _forget_other_threads() -> None:
    """Remove the threads that exist only in the parent; one of them may have held the lock."""
    global _lock
    _lock = threading.Lock()
    _inside[:] = (each for each in _inside if each == threading.get_ident())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)
