"""Rows that answer with twice the digits: for few of them, at the end of a fit."""

import numpy as np
from numpy.typing import NDArray

from fastgd.kernels.compensated import compiled_compensated
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.sparse_rows import SparseRows

_Vector = NDArray[np.float64]


class CompensatedRows:
    """A training set in memory, summed with error terms; block after block, on one thread.

    Parameters
    ----------
    rows : ArrayRows or SparseRows
        The training set.
    """

    def __init__(self, rows: ArrayRows | SparseRows) -> None:
        self._rows = rows

    def gradient(self, theta: _Vector, scale: float = 1.0) -> _Vector:
        """Sum what `MemoryRows.gradient` does."""
        return self._sum(theta, of_y=True) * scale

    def product(self, p: _Vector) -> _Vector:
        """Sum what `MemoryRows.product` does."""
        return self._sum(p, of_y=False)

    def _sum(self, theta: _Vector, *, of_y: bool) -> _Vector:
        add = compiled_compensated()
        sums, errors = np.zeros((2, 2 + self._rows.n_features))
        for values, s in self._rows.blocks():
            if not of_y:
                values[:, -1] = 0.0
            add(values, s, theta, sums, errors)
        total: _Vector = sums + errors
        return total
