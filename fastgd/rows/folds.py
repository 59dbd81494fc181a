"""The folds of a cross-validation: which rows are in which, and what one pass takes of each."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels import tuning
from fastgd.kernels.gram import order
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.by_fold import ByFold
from fastgd.rows.centred_moments import CentredMoments, about_mean, moments_of, near_mean
from fastgd.rows.factor import factor_of, merged_factors
from fastgd.rows.parts import PartedRows
from fastgd.rows.rows import Rows
from fastgd.rows.sparse_rows import SparseRows

_Vector = NDArray[np.float64]


class Folds(NamedTuple):
    """Which fold each row is in."""

    number: int
    """How many folds there are."""
    of_row: NDArray[np.intp] | None = None
    """The fold of each row, shape (n_samples,), or `number` for rows that are in none of them; without, row i is in fold i
    modulo `number`."""

    @property
    def n_sets(self) -> int:
        """The number of sets of rows: one for each fold, and one more for the rows in none, if there may be any."""
        return self.number + (self.of_row is not None)

    def places(self, start: int, stop: int) -> list[slice | NDArray[np.intp]]:
        """Return which of rows start to stop are in each set; without labels, of sets that are counted from that of start."""
        if self.of_row is None:
            return [slice(i, stop - start, self.number) for i in range(self.number)]
        labels = self.of_row[start:stop]
        cuts = np.cumsum(np.bincount(labels, minlength=self.n_sets))[:-1]
        return [_as_slice(places) for places in np.split(np.argsort(labels, kind="stable"), cuts)]


def _as_slice(places: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return ascending places as a slice if they are neighbours."""
    if len(places) and places[-1] - places[0] == len(places) - 1:
        return slice(places.item(0), places.item(-1) + 1)
    return places


def moments_of_folds(rows: Rows, folds: Folds) -> list[CentredMoments | None]:
    """Take the moments of each set of rows, in one pass; None for one without weight, or without rows.

    Parameters
    ----------
    rows : Rows
        The training set.
    folds : Folds
        Which rows are in which set.

    Returns
    -------
    list of CentredMoments or None
        As `moments_of` takes them, one for each set.
    """
    return _of_folds(rows, folds, moments_of, CentredMoments.merged)


def factors_of_folds(rows: Rows, folds: Folds, centre: _Vector | None) -> list[_Vector | None]:
    """Decompose each set of rows, in one pass, as `factor_of` does; None for one without weight, or without rows.

    Parameters
    ----------
    rows : Rows
        The training set.
    folds : Folds
        Which rows are in which set.
    centre : ndarray of shape (n_features + 1,), float64, or None
        As `factor_of` takes it.

    Returns
    -------
    list of ndarray or None
        The factor of each set.
    """
    return _of_folds(rows, folds, partial(factor_of, centre=centre), merged_factors)


def _of_folds(rows: Rows, folds: Folds, of_rows: Callable[[Any], Any], merge: Callable[[Any, Any], Any]) -> list[Any]:
    if not isinstance(rows, PartedRows):
        n_before = rows.n_passes
        found = _of_memory(rows, 0, folds, of_rows)
        rows.n_passes = n_before + 1  # whatever reads the rows in pieces
        return list(found)
    # Labels are those of rows in order, whose parts come in order, too.
    of_part = partial(_of_memory, start=0, folds=folds, of_rows=of_rows)
    found = rows.reduce(
        of_part if folds.of_row is None else _InOrder(folds, of_rows), partial(ByFold.merged, merge=merge)
    )
    return list(found)


class _InOrder:
    """Takes something of each fold of parts whose rows follow each other."""

    def __init__(self, folds: Folds, of_rows: Callable[[Any], Any]) -> None:
        self._folds = folds
        self._of_rows = of_rows
        self._start = 0

    def __call__(self, rows: ArrayRows | SparseRows) -> ByFold:
        start, self._start = self._start, self._start + rows.n_samples
        # What is merged is counted from its first row.
        return _of_memory(rows, start, self._folds, self._of_rows).after(-start)


def _of_memory(rows: ArrayRows | SparseRows, start: int, folds: Folds, of_rows: Callable[[Any], Any]) -> ByFold:
    """Take something of each fold of rows in memory, before which there are `start` others."""
    if of_rows is moments_of and folds.of_row is None and isinstance(rows, ArrayRows):
        n_sums = folds.number * order(rows.n_features) ** 2
        if rows.n_samples * rows.n_features >= tuning.MIN_SHARED_VALUES and n_sums <= tuning.MOST_SUMS_OF_FOLDS:
            return _interleaved_moments(rows, folds.number)
    places = folds.places(start, start + rows.n_samples)
    return ByFold(_of_weighty(rows.chosen(each), of_rows) for each in places)


def _of_weighty(rows: ArrayRows | SparseRows, of_rows: Callable[[Any], Any]) -> Any:
    return of_rows(rows) if rows.n_samples and rows.has_weight else None


def _interleaved_moments(rows: ArrayRows, n_folds: int) -> ByFold:
    """Take the moments of each n-th row, of each of all n first ones, from one reading of the rows."""
    centre = near_mean(rows)
    found: list[CentredMoments | None] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for i, sums in enumerate(rows.moments_of_folds(centre, n_folds)):
            moments, near = about_mean(sums, centre) if sums[-1, -1] else (None, True)
            # Of a fold in which a column is constant, or far from the others, the means are found from its own rows.
            found.append(moments if near else moments_of(rows.chosen(slice(i, None, n_folds))))
    return ByFold(found)
