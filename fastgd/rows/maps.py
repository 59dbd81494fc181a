"""The files behind memory maps: to read a map beyond the end of its file would end the process."""

import mmap
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.rows.columns import Columns, apart

_Array = NDArray[Any]


class MappedFile(NamedTuple):
    """The file behind an array."""

    map: mmap.mmap
    """The map."""
    name: str | None
    """The name of the file, if it is known."""
    n_bytes: int
    """The least size of the file."""

    def check(self) -> None:
        """Find out whether the file has become too short: to read beyond its end would end the process.

        Raises
        ------
        ValueError
            If it has.
        """
        try:
            n_bytes = self.map.size()
        except (OSError, ValueError):  # of a map that does not keep its file
            return
        if n_bytes < self.n_bytes:
            raise ValueError(
                f"The file {self.name or ''} is mapped into memory up to byte {self.n_bytes}, but ends at byte {n_bytes}: it "
                "was cut. Restore it, and map it anew."
            )


def owned(array: _Array) -> bool:
    """Tell at a glance whether an array's memory is numpy's own; what has other memory may be a map, or not."""
    base = array.base
    return base is None or (type(base) is np.ndarray and base.base is None)


def mapped_file(array: _Array) -> MappedFile | None:
    """Return the file that an array is a map of.

    Parameters
    ----------
    array : ndarray
        The array, or a view of it.

    Returns
    -------
    MappedFile or None
        The file; None if the array is in memory.
    """
    base: Any = array
    offset, name = 0, None
    while isinstance(base, np.ndarray | memoryview):
        if isinstance(base, np.memmap):
            offset, name = base.offset, base.filename
        base = base.obj if isinstance(base, memoryview) else base.base
    if not isinstance(base, mmap.mmap):
        return None
    start = offset - offset % mmap.ALLOCATIONGRANULARITY
    return MappedFile(base, None if name is None else str(name), start + len(base))


def mapped_files(*arrays: _Array | Columns | None) -> list[MappedFile]:
    """Return the files that arrays are maps of.

    Parameters
    ----------
    *arrays : ndarray, Columns or None
        The arrays.

    Returns
    -------
    list of MappedFile
        The files; none for arrays in memory.
    """
    return [file for _, file in maps(arrays)]


def maps(arrays: Iterable[_Array | Columns | None]) -> list[tuple[_Array, MappedFile]]:
    """Return those arrays that are maps, and their files.

    Parameters
    ----------
    arrays : iterable of ndarray, Columns or None
        The arrays; the columns of one that was put together of them may be maps of several files.

    Returns
    -------
    list of (ndarray, MappedFile)
        The maps, and their files.
    """
    found = []
    for array in arrays:
        if array is None or (isinstance(array, np.ndarray) and owned(array)):
            continue
        parts = apart(array)
        mapped = [(part, file) for part in parts if (file := mapped_file(part)) is not None]
        n_files = len({id(file.map) for _, file in mapped})
        if isinstance(array, np.ndarray) and len(mapped) == len(parts) and n_files == 1:
            mapped = [(array, mapped[0][1])]  # which can be asked for as a whole
        found += mapped
    return found


def check(files: list[MappedFile]) -> None:
    """Find out whether one of the files has become too short.

    Parameters
    ----------
    files : list of MappedFile
        The files.

    Raises
    ------
    ValueError
        If one has.
    """
    for file in files:
        file.check()
