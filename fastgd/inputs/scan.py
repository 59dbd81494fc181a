"""Training sets in files: which files, which columns, and whether they are unchanged."""

import glob
import os
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Any, Self

from numpy.typing import NDArray

from fastgd.formatting import counted, listed
from fastgd.inputs.indexes import left_out
from fastgd.inputs.source import OrderedSource
from fastgd.inputs.table import Names, PathLike, separator_hint
from fastgd.rows.columns import Columns

Paths = PathLike | Sequence[PathLike]


class Scan(OrderedSource):
    """Columns of files; see `fastgd.scan_parquet` for the arguments."""

    ending: str
    """How the names of files in a folder end."""

    def __init__(
        self, path: Paths, target: str | None, features: Names, sample_weight: str | None, drop_missing: bool
    ) -> None:
        paths = _files_of(path, self.ending)
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise ImportError("Files are scanned by pyarrow. Install it with: pip install 'fastgd[parquet]'.") from None
        if isinstance(features, str):
            raise TypeError(f"features={features!r} was given, but a list of names is expected. Give [{features!r}].")
        paths = self._that_count(paths)
        self._files = [(path, _identity(path)) for path in paths]
        self.target = target
        self.sample_weight = sample_weight
        self.drop_missing = drop_missing
        others = [name for name in (target, sample_weight) if name is not None]
        columns = {path: self._columns_of(path) for path in paths}
        if features is None:
            # A column that is an index in one of the files is a feature in none.
            indexes = dict.fromkeys(name for path in paths for name in self._index_of(path) if name not in others)
            chosen = [name for name in columns[paths[0]] if name not in others and name not in indexes]
            known = {*chosen, *others, *indexes}
            some = list(dict.fromkeys(name for names in columns.values() for name in names if name not in known))
            notes = [left_out(list(indexes), "features")] if indexes else []
            if some:
                notes.append(f"{listed(some, 10)}: not in {paths[0]}, and so no feature{'s' * (len(some) > 1)}.")
            if parts := sorted({part for path in paths for part in _partitions_of(path)}):
                notes.append(f"{listed(parts, 10)}: what the names of folders say is not read.")
            self.note = " ".join(notes)
        else:
            chosen = list(features)
        if not chosen:
            alone = f" but {', '.join(map(repr, others))}" if others else ""
            raise ValueError(f"{paths[0]} has no columns{alone}, so there are no features. {self.note}".rstrip())
        self._choose(chosen, others)

    def selected(self, wanted: list[Any] | None) -> Self:
        """Return a scan of the same files that has the columns with these names as features."""
        if wanted is None or wanted == self.feature_names:
            return self
        chosen = copy(self)
        chosen._choose(wanted, self._names[self.n_features :])
        return chosen

    def features(self, wanted: list[Any] | None) -> Iterator[NDArray[Any] | Columns]:
        """Go through the columns with these names, or those of the features."""
        chosen = copy(self)
        chosen._choose(self.feature_names if wanted is None else wanted, [])
        return map(Columns, chosen._columns())

    def _choose(self, features: list[Any], others: list[str]) -> None:
        """Check that the files have these features and other columns, which are then read."""
        self._names = [*features, *others]
        for path in dict.fromkeys(path for path, _ in self._files):
            self._places(path, self._columns_of(path))
        for name, n_times in Counter(self._names).items():
            if n_times > 1:
                raise ValueError(f"The column {name!r} was asked for twice. Give each column one meaning.")
        self.feature_names: list[Any] = features
        self.n_features = len(features)

    def __repr__(self) -> str:
        """Return the numbers of files and features, and the target."""
        files, features = counted(len(self._files), "file"), counted(self.n_features, "feature")
        return f"{type(self).__name__}({files}, {features}, target={self.target!r})"

    def _need_target(self) -> None:
        if self.target is None:
            raise ValueError(
                "The files were scanned without a target, which does for predictions only. Name the column: target=..."
            )

    def check(self) -> None:
        """Refuse files that are gone or have changed."""
        for path, opened in self._files:
            if _identity(path) != opened:
                raise ValueError(f"The file {path} was changed since it was opened. Scan the files anew.")

    def _that_count(self, paths: list[str]) -> list[str]:
        """Return the files that may have rows, as far as this is known before they are read."""
        return paths

    @abstractmethod
    def _columns(self) -> Iterator[list[NDArray[Any]]]:
        """Go through the values of features, target and weights, as far as they are chosen, some rows at a time."""

    @abstractmethod
    def _columns_of(self, path: str) -> list[str]:
        """Return the names of a file's columns."""

    @abstractmethod
    def _index_of(self, path: str) -> list[str]:
        """Return the names of the columns that are the index of a data frame."""

    def _places(self, path: str, columns: list[str]) -> list[int]:
        """Return the places of features, target and sample weight among the columns of a file."""
        n_times = Counter(columns)
        for name in self._names:
            if n_times[name] > 1:
                raise ValueError(f"{path} has more than one column {name!r}. Rename one, or choose other features.")
            if not n_times[name]:
                raise ValueError(
                    f"{path} has no column {name!r}. It has {listed(columns, 10)}. "
                    f"Correct the name, or choose other files.{separator_hint(columns)}"
                )
        places = {name: place for place, name in enumerate(columns)}
        return [places[name] for name in self._names]


def _partitions_of(path: str) -> list[str]:
    """Return the names of the columns that folders name, as in ``year=2024/part.parquet``."""
    return re.findall(r"(?<![^/\\])(\w+)=[^/\\]*[/\\]", path)


def _identity(path: str) -> tuple[int, int, int]:
    """Return the number of a file, its size, and the time of its last change."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"The file {path} is not there. Restore it, or scan the files anew.") from None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _files_of(path: Paths, ending: str) -> list[str]:
    """Return the files, at least one, of a path, a folder, a pattern or a sequence of these.

    Those of a folder or a pattern are in the order of their names.
    """
    if not isinstance(path, str | os.PathLike):
        if not isinstance(path, Iterable):
            raise TypeError(
                f"path={path!r} was given, but a file, a folder, a pattern, or a list of these is expected."
            )
        paths = [found for each in path for found in _files_of(each, ending)]
        if not paths:
            raise FileNotFoundError("An empty list of files was given, but at least one is expected.")
        return paths
    name = os.fspath(path)
    if os.path.isdir(name):
        found = glob.glob(os.path.join(glob.escape(name), "**", f"*{ending}"), recursive=True)
        found = [each for each in found if os.path.isfile(each)]  # whose files are found, too
    else:
        found = [name] if os.path.exists(name) else glob.glob(name, recursive=True)
    found = [file for each in found for file in (_files_of(each, ending) if os.path.isdir(each) else [each])]
    if not found:
        what = f"no {ending} file in the folder" if os.path.isdir(name) else "no file"
        raise FileNotFoundError(f"There is {what} {name}. Check the path; a pattern is matched from {os.getcwd()}.")
    return sorted(found)
