"""Columns of files: which files, which columns, and whether they are unchanged."""

import glob
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fastgd.formatting import counted, listed
from fastgd.inputs.indexes import left_out
from fastgd.inputs.source import Source
from fastgd.inputs.table import separator_hint

PathLike = str | os.PathLike[str]


class _File(NamedTuple):
    """A file as it was when it was opened."""

    path: str
    size: int
    changed: int

    @classmethod
    def at(cls, path: str) -> "_File":
        """Return a file as it is now."""
        try:
            found = os.stat(path)
        except FileNotFoundError:
            raise FileNotFoundError(f"The file {path} is not there. Restore it, or scan the files anew.") from None
        return cls(path, found.st_size, found.st_mtime_ns)

    def check(self) -> None:
        """Refuse a file that has changed."""
        if _File.at(self.path) != self:
            raise ValueError(f"The file {self.path} was changed since it was opened. Scan the files anew.")


class Scan(Source):
    """Columns of files.

    Parameters
    ----------
    paths : list of str
        The files, in their order.
    target : str
        The target.
    features : sequence of str or None
        The features; None for all other columns but the index of a data frame.
    sample_weight : str or None
        The sample weights.
    drop_missing : bool
        Whether rows with missing values are left out.
    """

    def __init__(
        self,
        paths: list[str],
        target: str,
        features: Sequence[str] | None,
        sample_weight: str | None,
        drop_missing: bool,
    ) -> None:
        if isinstance(features, str):
            raise TypeError(f"features={features!r} was given, but a list of names is expected. Give [{features!r}].")
        self._files = [_File.at(path) for path in paths]
        self.target = target
        self.sample_weight = sample_weight
        self.drop_missing = drop_missing
        others = [target, *([] if sample_weight is None else [sample_weight])]
        if features is None:
            # What is an index in one of the files is none of the features in any.
            indexes = dict.fromkeys(name for path in paths for name in self._index_of(path) if name not in others)
            chosen = [name for name in self._columns_of(paths[0]) if name not in others and name not in indexes]
            if indexes:
                self.note = left_out(list(indexes), "features")
        else:
            chosen = list(features)
        if not chosen:
            raise ValueError(
                f"{paths[0]} has no columns but {', '.join(map(repr, others))}, so there are no features. {self.note}".rstrip()
            )
        names = [*chosen, *others]
        for path in paths:
            self._find(names, self._columns_of(path), path)
        for name, n_times in Counter(names).items():
            if n_times > 1:
                raise ValueError(f"The column {name!r} was asked for twice. Give each column one meaning.")
        self.feature_names: list[str] = chosen
        self.n_features = len(chosen)
        self._names = names

    def __repr__(self) -> str:
        """Return sizes and names."""
        files, features = counted(len(self._files), "file"), counted(self.n_features, "feature")
        return f"{type(self).__name__}({files}, {features}, target={self.target!r})"

    def check(self) -> None:
        """Refuse files that are gone or have changed.

        Raises
        ------
        FileNotFoundError
            If one is gone.
        ValueError
            If one was changed.
        """
        for file in self._files:
            file.check()

    @abstractmethod
    def _columns_of(self, path: str) -> list[str]:
        """Return the names of a file's columns."""

    @abstractmethod
    def _index_of(self, path: str) -> list[str]:
        """Return the names of those of its columns that are the index of a data frame."""

    @staticmethod
    def _find(names: list[str], known: list[str], path: str) -> list[int]:
        n_times = Counter(known)
        for name in names:
            if n_times[name] > 1:
                raise ValueError(f"{path} has more than one column {name!r}. Rename one, or choose other features.")
            if not n_times[name]:
                raise ValueError(
                    f"{path} has no column {name!r}. It has {listed(known, 10)}. "
                    f"Correct the name, or choose other files.{separator_hint(known)}"
                )
        places = {name: place for place, name in enumerate(known)}
        return [places[name] for name in names]


def files_of(path: PathLike | Sequence[PathLike], ending: str) -> list[str]:
    """Return the files that a path, a pattern or a sequence of these names.

    Parameters
    ----------
    path : str or path-like, or a sequence of them
        A file, a folder or a pattern.
    ending : str
        How the names of files in a folder end.

    Returns
    -------
    list of str
        The files, at least one; those of a folder or a pattern in the order of their names.

    Raises
    ------
    TypeError
        If it is something else.
    FileNotFoundError
        If there is none.
    """
    if not isinstance(path, str | os.PathLike):
        if not isinstance(path, Iterable):
            raise TypeError(
                f"path={path!r} was given, but a file, a folder, a pattern, or a list of these is expected."
            )
        paths = [found for each in path for found in files_of(each, ending)]
        if not paths:
            raise FileNotFoundError("An empty list of files was given, but at least one is expected.")
        return paths
    name = os.fspath(path)
    if os.path.isdir(name):
        found = glob.glob(os.path.join(glob.escape(name), "**", f"*{ending}"), recursive=True)
    elif os.path.exists(name):
        found = [name]
    else:
        found = glob.glob(name, recursive=True)
    if not found:
        what = f"no {ending} file in the folder" if os.path.isdir(name) else "no file"
        raise FileNotFoundError(f"There is {what} {name}. Check the path; a pattern is matched from {os.getcwd()}.")
    return sorted(found)


def required_pyarrow() -> Any:
    """Return the module pyarrow.

    Returns
    -------
    module
        The module.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise ImportError("Files are scanned by pyarrow. Install it with: pip install 'fastgd[parquet]'.") from None
    return pyarrow
