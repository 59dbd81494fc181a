"""Compiling ahead of the first call."""

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from fastgd import arguments
from fastgd.kernels.registry import EVERY_KERNEL, Variant, variants

_TELL_SECONDS = 10.0


def warmup(n_features: int | Iterable[int] | None = None, *, dtypes: Iterable[str] = ("float64", "float32")) -> int:
    """Compile what a process would else compile at its first calls, and keep it in numba's cache on disk.

    A first fit takes a few seconds where nothing is compiled, and some 0.2 s where all is. A production image calls this once,
    when it is built: for one number of features and one dtype it takes half a minute, without arguments about three. The
    command ``fastgd warmup`` does the same on all processors. The cache is in the user's cache folder, so where the image is
    run by another user than it is built by, set the environment variable NUMBA_CACHE_DIR, for both, to a folder that only root
    can write.

    Parameters
    ----------
    n_features : int or iterable of int, optional
        The numbers of features to expect, >= 1; any number by default.
    dtypes : iterable of {"float64", "float32"}
        The dtypes of X to expect.

    Returns
    -------
    int
        How many compiled functions are ready. Sparse matrices with more than 2^31 stored values are not expected.

    Raises
    ------
    TypeError
        If a number of features is not a whole number, or dtypes is a string.
    ValueError
        If a number of features is less than 1, or a dtype is another one.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.warmup(2, dtypes=["float64"])
    44
    """
    expected = _expected(n_features, dtypes)
    for variant in expected:
        variant.compile()
    return _count(expected)


def warmup_by_processes(
    n_features: int | Iterable[int] | None, dtypes: Iterable[str], n_processes: int, tell: Callable[[str], object]
) -> int:
    """Do what `warmup` does in several processes, as a process compiles one function at a time, and tell how it goes.

    Parameters
    ----------
    n_features, dtypes
        As of `warmup`.
    n_processes : int
        How many processes to start, >= 1.
    tell : callable
        Called with lines of text.

    Returns
    -------
    int
        As of `warmup`.
    """
    given = (None if n_features is None else arguments.feature_counts(n_features), arguments.float_dtypes(dtypes))
    expected = _expected(*given)
    tell(f"Compiling {_count(expected)} functions in {n_processes} process{'es' * (n_processes > 1)}.")
    reading, writing = os.pipe()
    # A child imports what this process would, not what lies in the folder in which it was started, and ends without a word
    # when somebody presses Ctrl-C.
    code = (
        f"import signal, sys; sys.path[:] = {sys.path!r}; signal.signal(signal.SIGINT, signal.SIG_DFL); "
        f"from fastgd.kernels.warming import compile_share; compile_share({given!r}, int(sys.argv[1]), {n_processes})"
    )
    with open(reading, encoding="ascii") as done:
        children = [
            subprocess.Popen([sys.executable, "-c", code, str(i)], stdout=writing)
            for i in range(min(n_processes, len(expected)))
        ]
        os.close(writing)
        start = told = time.monotonic()
        for n_done, _ in enumerate(done, 1):
            now = time.monotonic()
            if now - told >= _TELL_SECONDS:
                told = now
                tell(f"{n_done} of {len(expected)} steps are done after {now - start:.0f} s.")
    for child in children:
        child.wait()
    return warmup(given[0], dtypes=given[1])  # from the cache, or what a process has left over


def compile_share(given: tuple[Any, Any], share: int, n_shares: int) -> None:
    """Compile every so-manieth function, and print a line for each; unless nothing can be kept for other processes."""
    for variant in _expected(*given)[share::n_shares]:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # of a cache that does not work: this process is of no use
            try:
                variant.compile()
            except RuntimeWarning:
                return
        print(flush=True)


def _expected(n_features: int | Iterable[int] | None, dtypes: Iterable[str]) -> list[Variant]:
    """List what calls will need."""
    counts = EVERY_KERNEL if n_features is None else arguments.feature_counts(n_features)
    return [variant for variant in variants(counts, arguments.float_dtypes(dtypes)) if variant.is_for_fits]


def _count(expected: list[Variant]) -> int:
    return sum(len(variant.functions) for variant in expected)
