"""The lengths of an objective's columns: what a gradient may be, and how far it is rounded."""

import math

import numpy as np
from numpy.typing import NDArray

from fastgd.solvers.quadratic import Objective, Scales


class ColumnSizes:
    """The columns' lengths in the units of an objective, whatever gives its sums.

    Parameters
    ----------
    objective : Objective
        The objective.
    scales : Scales
        The sizes of the columns of the rows.

    Attributes
    ----------
    norms : ndarray of shape (n_parameters,), float64
        ``|x_j|`` of the features, and of a column of ones for the intercept.
    terms : ndarray of shape (n_parameters,), float64
        Those of the numbers that features are the sum of: no smaller, and much larger for a standardised feature far from
        zero.
    mean : ndarray of shape (n_features,), float64, or None
        The means of the features; None without an intercept.
    spreads : ndarray of shape (n_parameters,), float64
        ``|x_j - mean_j|`` for each feature, ``|x_j|`` without an intercept; that of a column of ones for the intercept.
    constant : ndarray of shape (n_constants,), intp, or None
        The features that are constant, for which an intercept stands; None if there are none.
    y_norm, y_spread : float
        ``|y|``, and ``|y - mean|``, or ``|y|`` once more without an intercept.
    """

    def __init__(self, objective: Objective, scales: Scales) -> None:
        units, root = objective.units, math.sqrt(scales.total_weight)
        centre, scale, self._scales = units.centre, units.scale, scales
        norms, self.mean, ones = np.hypot(scales.mean, scales.std), None, []
        terms = norms + abs(centre)
        if not units.as_given:
            norms, terms = np.hypot(scales.mean - centre, scales.std) / scale, terms / scale
        self.y_norm = self.y_spread = root * math.hypot(scales.y_mean, scales.y_std)
        spreads = norms
        if objective.intercept:
            self.mean, ones, spreads = units.of(scales.mean), [1.0], scales.std / scale
            self.y_spread = root * scales.y_std
        self.norms, self.terms, self.spreads = (root * np.concatenate((ones, each)) for each in (norms, terms, spreads))
        self.constant: NDArray[np.intp] | None = None
        if objective.intercept and (constant := scales.constant).any():
            self.constant = np.flatnonzero(constant)

    @property
    def farthest(self) -> float:
        """How many standard deviations a feature's mean is from zero, at most; constants left out."""
        scales = self._scales
        return float((abs(scales.mean) / np.where(scales.constant, np.inf, scales.std)).max())
