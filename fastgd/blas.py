"""Keeping numpy's BLAS to one thread while a fit passes over the rows."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_n_inside = 0
_limit: Any = None


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS compute on the calling thread only.

    Its threads stay awake for a tenth of a second after a product of a few thousand numbers, on the processors that the next
    pass wants: a fit of 100 features took a third longer. The setting is that of the process, so it is changed by the
    first of several threads that are in here, and restored by the last.

    Yields
    ------
    None
        Nothing.
    """
    global _n_inside, _limit
    with _lock:
        if not _n_inside:
            _limit = _controller().limit(limits=1)
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if not _n_inside:
                _limit.restore_original_limits()
