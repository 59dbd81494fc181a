"""Compiling ahead of the first call."""

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from typing import Any

from fastgd import settings
from fastgd.kernels import csr, few, mailbox
from fastgd.kernels.blocks import compiled_pass
from fastgd.kernels.compensated import compiled_compensated
from fastgd.kernels.dense import dense
from fastgd.kernels.gram import gram
from fastgd.kernels.jit import Kind
from fastgd.kernels.spread import spread
from fastgd.kernels.weights import compiled_sum_nonnegative
from fastgd.kernels.whole_rows import MAX_FEATURES as MAX_WHOLE

_TELL_SECONDS = 10.0

# A number of features for each kernel there is: beyond these, one serves all.
_EVERY_KERNEL = range(1, 1 + max(few.MAX_COLUMNS, MAX_WHOLE) + 1)


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
    38
    """
    jobs = _jobs(n_features, dtypes)
    for job, _ in jobs:
        job()
    return sum(n_functions for _, n_functions in jobs)


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
    given = (None if n_features is None else settings.feature_counts(n_features), settings.float_dtypes(dtypes))
    jobs = _jobs(*given)
    tell(f"Compiling {sum(n for _, n in jobs)} functions in {n_processes} process{'es' * (n_processes > 1)}.")
    reading, writing = os.pipe()
    # A child imports what this process would, not what lies in the folder in which it was started, and ends without a word
    # when somebody presses Ctrl-C.
    code = (
        f"import signal, sys; sys.path[:] = {sys.path!r}; signal.signal(signal.SIGINT, signal.SIG_DFL); "
        f"from fastgd.warming import compile_share; compile_share({given!r}, int(sys.argv[1]), {n_processes})"
    )
    with open(reading, encoding="ascii") as done:
        children = [
            subprocess.Popen([sys.executable, "-c", code, str(i)], stdout=writing)
            for i in range(min(n_processes, len(jobs)))
        ]
        os.close(writing)
        start = told = time.monotonic()
        for n_done, _ in enumerate(done, 1):
            now = time.monotonic()
            if now - told >= _TELL_SECONDS:
                told = now
                tell(f"{n_done} of {len(jobs)} steps are done after {now - start:.0f} s.")
    for child in children:
        child.wait()
    return warmup(given[0], dtypes=given[1])  # from the cache, or what a process has left over


def compile_share(given: tuple[Any, Any], share: int, n_shares: int) -> None:
    """Compile every so-manieth function, and print a line for each; unless nothing can be kept for other processes."""
    jobs = _jobs(*given)
    for job, _ in jobs[share::n_shares]:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # of a cache that does not work: this process is of no use
            try:
                job()
            except RuntimeWarning:
                return
        print(flush=True)


def _jobs(n_features: int | Iterable[int] | None, dtypes: Iterable[str]) -> list[tuple[Callable[[], object], int]]:
    """List what there is to compile, and how many functions each of it is."""
    counts = _EVERY_KERNEL if n_features is None else settings.feature_counts(n_features)
    kinds = [kind for dtype in settings.float_dtypes(dtypes) for kind in _kinds(dtype)]
    layouts = [(k, by_columns) for k in counts for by_columns in (False, True) if k > 1 or not by_columns]
    gradients = {id(kernel): kernel for kernel in (dense(*layout) for layout in layouts)}.values()
    orders = sorted({by_columns for _, by_columns in layouts})
    moments = [make(by_columns) for make in (gram, spread) for by_columns in orders]
    jobs: list[tuple[Callable[[], object], int]] = [
        (compiled_sum_nonnegative, 1),
        (compiled_compensated, 1),
        *((partial(mailbox.compiled, function), 1) for function in mailbox.FUNCTIONS),
    ]
    for kind in kinds:
        _, y, _ = kind
        kernels = [*gradients, *moments] if y else gradients  # these are of y, too
        jobs += [(partial(kernel.__getitem__, kind), 1) for kernel in kernels]
        jobs.append((partial(compiled_pass, kind), 2))
    for number, weighted in product(sorted({x for x, _, _ in kinds}), (False, True)):
        jobs += [
            (partial(csr.compiled_csr, function, number, "i", with_y, weighted), 1)
            for function, with_y in csr.FUNCTIONS
        ]
    return jobs


def _kinds(dtype: str) -> list[Kind]:
    """Return the kinds of rows: with y of either dtype or without, and with or without sample weights."""
    ys = ("d", None) if dtype == "float64" else ("f", "d", None)
    return [("d" if dtype == "float64" else "f", y, weighted) for y in ys for weighted in (False, True)]
