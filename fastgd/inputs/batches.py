"""Training sets in batches of rows: from a list, a generator or a function that returns one."""

from collections.abc import Callable, Iterable, Iterator, Sized
from copy import copy
from itertools import chain
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastgd.formatting import counted
from fastgd.inputs import validation
from fastgd.inputs.dask_set import is_dask
from fastgd.inputs.source import OrderedSource
from fastgd.rows.columns import Columns
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.part import Part
from fastgd.rows.parts import PartedRows
from fastgd.rows.stream import StreamRows


def from_batches(source: Iterable[Any] | Callable[[], Iterable[Any]]) -> "Batches":
    """Read the rows of a training set batch by batch; they need not all be in memory.

    The result stands in the place of X in `fit`, `cost`, `gradient`, `cost_and_gradient`, `Moments.from_rows`,
    `FitResult.score` and `FitResult.predict`, to which y means nothing: it may be None there. The same rows give the same bits,
    however they were cut into batches; no more than some 16 MB of them are held at a time.

    Parameters
    ----------
    source : iterable or callable
        The batches, each a tuple ``(X, y)`` or ``(X, y, sample_weight)`` of what `fit` takes, with any number of rows, even
        none; the columns of data frames are matched by their labels, and those of arrays are taken in the order of the first
        frame, if there is one. A list, or anything else that can be gone through again, serves any fit; a callable is called
        for new batches before each pass. A generator can be gone through once: it serves what needs one pass, and such a fit
        says that its result is not verified on the rows.

    Returns
    -------
    Batches
        The training set.

    Raises
    ------
    TypeError
        If `source` is neither, or when it is read, if a batch is not such a tuple or does not hold real numbers.
    ValueError
        When it is read: if shapes do not fit together, a batch has another number of features than the first, there are no
        rows, or another pass gives another number of them.

    Examples
    --------
    >>> import fastgd
    >>> batches = [([[1.0], [2.0]], [3.0, 5.0]), ([[4.0]], [9.0])]
    >>> fastgd.fit(fastgd.from_batches(batches)).theta.round(6)
    array([1., 2.])
    """
    return Batches(source)


class Batches(OrderedSource):
    """A training set in batches; see `from_batches`."""

    n_expected = None
    n_dropped = 0

    def __init__(self, source: Iterable[Any] | Callable[[], Iterable[Any]]) -> None:
        is_iterable = isinstance(source, Iterable) and not isinstance(source, np.ndarray | str | bytes | dict)
        if not (is_iterable or callable(source)):
            raise TypeError(
                f"source is a {type(source).__name__}, but an iterable of (X, y) or (X, y, sample_weight), or a function that "
                "returns one, is expected."
            )
        self._source = source
        self.one_shot = isinstance(source, Iterator)
        self._begun: Iterator[Part] | None = None
        self._was_read = False
        self._n_features: int | None = None
        self._n_parts = 0

    @property
    def n_features(self) -> int:  # type: ignore[override]
        """The number of features, which takes reading the first batch."""
        if self._n_features is None:
            self._begun = self._checked(self._iterator())
            first = next(self._begun, None)
            if first is None:
                raise ValueError("The batches have no rows, but at least one is expected. Check where they come from.")
            self._begun = chain([first], self._begun)
            assert self._n_features is not None
        return self._n_features

    def rows(self, n_threads: int | None) -> PartedRows:
        """Return the rows, to be summed by this number of threads."""
        return StreamRows(self, n_threads)

    def batches(self) -> Iterator[Part]:
        """Yield the batches that have rows, each checked; errors are those of `from_batches`."""
        begun, self._begun = self._begun, None
        yield from self._checked(self._iterator()) if begun is None else begun

    def selected(self, wanted: list[Any] | None) -> Self:
        """Return batches of which frames give the columns with these labels; a generator serves one of both."""
        if wanted is None:
            return self
        chosen = copy(self)
        chosen.feature_names, chosen._begun, chosen._n_features = wanted, None, None
        self._was_read = True
        return chosen

    def features(self, wanted: list[Any] | None) -> Iterator[NDArray[Any] | Columns]:
        """Yield the features of the batches that have rows; targets may be anything."""
        names = wanted
        for number, batch in enumerate(self._iterator()):
            _check_tuple(batch, number)
            if _is_empty(batch[0]):
                continue
            try:
                X, own_names = validation.features(batch[0], names)
            except (TypeError, ValueError) as error:
                raise type(error)(f"Batch {number}: {error}") from None
            names = names or own_names
            yield _not_sparse(X, number)

    def __repr__(self) -> str:
        """Return the call that makes it."""
        return f"from_batches({self._source!r})"

    def _iterator(self) -> Iterator[Any]:
        if self.one_shot and self._was_read:
            raise ValueError(
                "The batches come from a generator or another iterator, which gives them once, and have been read. Give "
                "from_batches a function that returns a new one."
            )
        self._was_read = True
        source = self._source() if callable(self._source) else self._source
        if not isinstance(source, Iterable):
            raise TypeError(f"source() returned a {type(source).__name__}, but an iterable of batches is expected.")
        return iter(source)

    def _checked(self, batches: Iterator[Any]) -> Iterator[Part]:
        names = self.feature_names
        for number, batch in enumerate(batches):
            _check_tuple(batch, number)
            if len(batch) == 3 and batch[2] is None:
                batch = batch[:2]
            if all(_is_empty(values) for values in batch):
                continue
            part, own_names = validation.part_of_training_set(batch, names, f"Batch {number}")
            _not_sparse(part.X, number)
            self.feature_names = names = names or own_names
            n_features = (*part.X.shape, 1)[1]
            if self._n_features is None:
                self._n_features, self._n_parts = n_features, len(batch)
            if n_features != self._n_features:
                raise ValueError(
                    f"Batch {number} has {counted(n_features, 'feature')}, but the first had {self._n_features}. Give all "
                    "the same columns."
                )
            if len(batch) != self._n_parts:
                raise ValueError(
                    f"Batch {number} is a tuple of {len(batch)}, but the first was one of {self._n_parts}: sample weights are "
                    "given with each batch or with none."
                )
            yield part


def _check_tuple(batch: Any, number: int) -> None:
    is_sequence = isinstance(batch, tuple | list)
    if not is_sequence or len(batch) not in (2, 3):
        what = type(batch).__name__ + (f" of {len(batch)}" if is_sequence else "")
        raise TypeError(f"Batch {number} is a {what}, but (X, y) or (X, y, sample_weight) is expected.")


def _not_sparse(X: NDArray[Any] | Columns | CSR, number: int) -> NDArray[Any] | Columns:
    if isinstance(X, CSR):
        raise TypeError(f"Batch {number}: X is sparse. Give X.toarray(), or the matrix as a whole.")
    return X


def _is_empty(values: Any) -> bool:
    """Return whether a value has no rows; one without a length is left to the validation."""
    if is_dask(values):  # the length may be unknown
        return False
    shape = getattr(values, "shape", None)
    return bool(shape[:1] == (0,)) if isinstance(shape, tuple) else isinstance(values, Sized) and len(values) == 0
