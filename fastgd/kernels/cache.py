"""Compiled functions kept on disk by numba's cache, such that nothing about its files can break a call.

They lie in the user's cache folder, or where NUMBA_CACHE_DIR says, and never beside the kernels, where they would outlive
fastgd. What is read from there is run, so a folder that others can write is not used. Each variant has files of its own, as
numba mixes up what processes write to the files of one function at a time; and the names of these files change with the
sources of all kernels, as numba looks at the source of the outermost function only, and with whatever else the code is made by
and for: so several versions of fastgd, numba and Python, and several processors, can share a folder.
"""

import contextlib
import hashlib
import math
import os
import stat
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Self

import numba
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

_PACKAGE = Path(__file__).parent

# Where users keep what can be made anew: the environment variable that says so, and the folder where it does not.
_USER_FOLDERS = {"win32": ("LOCALAPPDATA", "~/AppData/Local"), "darwin": ("", "~/Library/Caches")}
_USER_FOLDER = ("XDG_CACHE_HOME", "~/.cache")

# Files that no process has used for so long are deleted when their function is compiled for other sources, in seconds.
_KEPT = 30 * 24 * 3600.0


@global_compiler_lock  # type: ignore[untyped-decorator]
def compile_cached(function: Callable[..., Any], signature: Any, flags: dict[str, Any]) -> Any:
    """Compile a function for one signature, or load what was compiled before.

    A cache that cannot be written costs the compile time and one warning, never the call; a file that cannot be read is
    replaced. One warning also says that files are kept elsewhere than they were told to, unless that is a folder which can only
    be read.

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
    named.__qualname__ = f"{function.__qualname__}.{variant}-{_origin()}"  # which numba makes the names of files of
    dispatcher = numba.njit(**flags)(named)
    try:
        dispatcher._cache = _Cache(named)
        folder = Path(dispatcher.stats.cache_path)
        _refuse_what_others_can_write(folder)
        try:
            dispatcher.compile(signature)
        except Exception:
            if dispatcher.overloads:  # it is compiled, but could not be written
                raise
            _discard(folder, f"{variant}-{_origin()}.")
            dispatcher.compile(signature)
        if dispatcher.stats.cache_misses:
            _discard(folder, f"{variant}-", unused_since=time.time() - _KEPT)
        else:
            _note_use(folder / dispatcher._cache._impl.filename_base)
    except Exception as reason:  # numba documents no exception of its cache: OSError, RuntimeError, pickle's and more
        if not dispatcher.overloads:
            dispatcher = numba.njit(**flags)(named)
            dispatcher.compile(signature)  # what is wrong with the function itself is raised here
        _warn_once(
            f"fastgd compiles its kernels anew in each process, because numba's cache did not work ({reason}). Point the "
            "environment variable NUMBA_CACHE_DIR at a folder that you, and nobody else, can write."
        )
    else:
        if (told := _told()) is not None and folder != told and not os.path.isdir(told):
            _warn_once(
                f"fastgd keeps its compiled kernels in {str(folder)!r}, because NUMBA_CACHE_DIR is {str(told.parent)!r}, and "
                f"no folder {str(told)!r} can be made. Point it at a folder that you, and nobody else, can write, or unset it."
            )
    dispatcher.disable_compile()
    return dispatcher


class _Locator:
    """Tells numba where a function's files are."""

    def __init__(self, folder: Path, py_file: str) -> None:
        self._folder = folder
        self._py_file = py_file  # which numba names where it warns

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Self:
        return cls(_folder(py_func.__qualname__.rpartition(".")[2]), py_file)

    def ensure_cache_path(self) -> None:
        _check_written(self._folder)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> None:
        """Return nothing: the names of files change with the sources."""

    def get_disambiguator(self) -> None:
        """Return nothing: the names of files are those of variants."""


class _Implementation(CompileResultCacheImpl):
    _locator_classes: list[type[object]] = [_Locator]  # noqa: RUF012 (numba's)

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        return fullname.replace("<", "").replace(">", "")


class _Cache(FunctionCache):
    _impl_class = _Implementation


def _folder(name: str) -> Path:
    """Return the first folder that can be written, or has files of this name, as who made an image may have left them."""
    for folder in _folders():
        try:
            _check_written(folder)
        except OSError as error:
            if not any(folder.glob(f"*.{name}.nbi")):
                reason = error
                continue
        return folder
    raise reason


def _folders() -> Iterator[Path]:
    if (told := _told()) is not None:
        yield told
    variable, otherwise = _USER_FOLDERS.get(sys.platform, _USER_FOLDER)
    given = os.environ.get(variable, "")
    yield (Path(given) if os.path.isabs(given) else Path(otherwise).expanduser()) / "fastgd"


def _told() -> Path | None:
    given = getattr(config, "CACHE_DIR")  # noqa: B009 (which numba sets without its types)
    return Path(given) / "fastgd" if given else None


def _check_written(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def _variant(function: Callable[..., Any], signature: Any) -> str:
    """Name a function, what it was made with, and its argument types."""
    closure = [cell.cell_contents for cell in function.__closure__ or ()]
    return _digest(repr((function.__module__, function.__qualname__, closure, signature)).encode())


@cache
def _origin() -> str:
    """Name what code is made of, by and for: the kernels' sources as they are, numba, Python and the processor."""
    sources = [path.read_bytes() for path in sorted(_PACKAGE.glob("*.py"))]
    target = cpu_target.target_context.codegen().magic_tuple()
    return _digest(repr((sources, numba.__version__, EXTENSION_SUFFIXES[0], target)).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _discard(folder: Path, named: str, unused_since: float = math.inf) -> None:
    """Delete the files of such a name that have not been used since then."""
    for path in folder.glob(f"*.{named}*"):
        with contextlib.suppress(FileNotFoundError):  # another process has just deleted it
            if path.stat().st_mtime < unused_since:
                path.unlink()


def _note_use(path: Path) -> None:
    """Let a function's files be as new, so that no other version deletes what this one uses."""
    for ending in (".nbi", ".1.nbc"):
        with contextlib.suppress(OSError):  # another user's, or deleted by another process
            os.utime(f"{path}{ending}")


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


if hasattr(os, "register_at_fork"):
    # Only the thread that forks lives on in the child. Were another one in the middle of LLVM, the child could never compile.
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )
