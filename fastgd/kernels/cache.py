"""Compiled functions kept on disk by numba's cache, such that nothing about its files can break a call.

They are kept where NUMBA_CACHE_DIR says, or else in the user's cache folder (`~/.cache/numba` on Linux), and not beside the
kernels as numba does it: what pip did not install it does not take away. What is read from the cache is run, so a folder that
others can write is not used. Each variant has files of its own, as numba mixes up what processes write to the files of one
function at a time; and the names of these files change with the sources of all kernels, as numba looks at the source of the
outermost function only.
"""

import hashlib
import os
import stat
import types
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import caching

_PACKAGE = Path(__file__).parent


def _ensure_folder(locator: Any) -> None:
    """Make sure that a locator's folder can be written, or that somebody has filled it before, as when an image is built."""
    try:
        caching._CacheLocator.ensure_cache_path(locator)
    except OSError:
        if not any(Path(locator.get_cache_path()).glob("*.nbi")):
            raise


_LOCATORS: list[Any] = [
    type(each.__name__, (each,), {"ensure_cache_path": _ensure_folder})
    for each in caching.CacheImpl._locator_classes
    if "InTree" not in each.__name__
]


class _Implementation(caching.CompileResultCacheImpl):
    _locator_classes = _LOCATORS


class _Files(caching.FunctionCache):
    _impl_class = _Implementation


def compile_cached(function: Callable[..., Any], signature: Any, flags: dict[str, Any]) -> Any:
    """Compile a function for one signature, or load what was compiled before.

    A cache that cannot be written costs the compile time and one warning, never the call; a file that cannot be read is
    replaced.

    Parameters
    ----------
    function : callable
        The function in plain Python.
    signature : numba signature
        Its argument types.
    flags : dict
        Those of `numba.njit`.

    Returns
    -------
    numba dispatcher
        The compiled function.
    """
    variant = _variant(function, signature)
    named = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    named.__qualname__ = f"{function.__qualname__}.{variant}-{_sources()}"  # which numba makes the names of files of
    dispatcher = numba.njit(**flags)(named)
    try:
        dispatcher._cache = _Files(named)  # as enable_caching does
        folder = Path(dispatcher.stats.cache_path)
        _refuse_what_others_can_write(folder)
        try:
            dispatcher.compile(signature)
        except Exception:
            if dispatcher.overloads:  # it is compiled, but could not be written
                raise
            _discard(folder, variant)
            dispatcher.compile(signature)
        if dispatcher.stats.cache_misses:
            _discard(folder, variant, but=_sources())
    except Exception as reason:  # numba documents no exception of its cache: OSError, RuntimeError, pickle's and more
        if not dispatcher.overloads:
            dispatcher = numba.njit(**flags)(named)
            dispatcher.compile(signature)  # what is wrong with the function itself is raised here
        _warn_once(
            f"fastgd compiles its kernels anew in each process, because numba's cache did not work ({reason}). Point the "
            "environment variable NUMBA_CACHE_DIR at a folder that you, and nobody else, can write."
        )
    dispatcher.disable_compile()
    return dispatcher


def _variant(function: Callable[..., Any], signature: Any) -> str:
    """Name a function, what it was made with, and its argument types."""
    closure = [cell.cell_contents for cell in function.__closure__ or ()]
    return _digest(repr((function.__module__, function.__qualname__, closure, signature)).encode())


@cache
def _sources() -> str:
    """Name the kernels' sources as they are."""
    return _digest(b"".join(path.read_bytes() for path in sorted(_PACKAGE.glob("*.py"))))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _discard(folder: Path, variant: str, but: str | None = None) -> None:
    """Delete a variant's files, but those of some sources."""
    for path in folder.glob(f"*.{variant}-*"):
        if but is None or f"{variant}-{but}" not in path.name:
            path.unlink(missing_ok=True)


def _refuse_what_others_can_write(folder: Path) -> None:
    if place := _writable_by_others(folder):
        raise PermissionError(
            f"other users can write {str(place)!r}, and what is read from there would be run; take that permission away, "
            "say by chmod go-w"
        )


@cache
def _writable_by_others(folder: Path) -> Path | None:
    """Return what of a folder, its contents and its parents can be changed by others; None where nothing can.

    Others are all but this user, the system's owner, and those who can write fastgd itself.
    """
    if not hasattr(os, "geteuid"):  # Windows keeps users apart by lists of rights, and their folders from others
        return None
    own, folder = _PACKAGE.stat(), folder.resolve()
    users = {os.geteuid(), own.st_uid, Path(folder.anchor).stat().st_uid}
    groups = {0, *({os.getegid()} & {os.geteuid()})}  # a group that has the number of its user has no other member
    if own.st_mode & stat.S_IWGRP:
        groups.add(own.st_gid)
    for place in (*reversed(folder.parents), folder, *folder.iterdir()):
        try:
            info = place.lstat()
        except FileNotFoundError:  # another process has just replaced it
            continue
        writable = info.st_mode & (stat.S_IWOTH if info.st_gid in groups else stat.S_IWOTH | stat.S_IWGRP)
        # In a sticky folder others can add files, but not replace what is not theirs.
        harmless = stat.S_ISLNK(info.st_mode) or (place in folder.parents and info.st_mode & stat.S_ISVTX)
        if info.st_uid not in users or (writable and not harmless):
            return place
    return None


_warned = False


def _warn_once(message: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(message, RuntimeWarning, stacklevel=2)
