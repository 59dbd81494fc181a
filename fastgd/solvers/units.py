"""The units in which steps are taken, and their conversion to those of the rows and back."""

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float64]


class Units:
    """The features of a descent, ``z = (x - centre) / scale``, given those of the rows.

    Parameters
    ----------
    centre : ndarray of shape (n_features,), float64
        Subtracted from the features; 0 if there is no intercept to make up for it.
    scale : ndarray of shape (n_features,), float64
        Their divisor, > 0.
    intercept : bool
        Whether theta begins with an intercept.

    Attributes
    ----------
    centre, scale
        As given.
    as_given : bool
        Whether centre is 0 and scale is 1.
    """

    def __init__(self, centre: _Vector, scale: _Vector, *, intercept: bool) -> None:
        self.centre = centre
        self.scale = scale
        self.as_given = not centre.any() and bool((scale == 1.0).all())
        self._first = int(intercept)

    def of(self, x: _Vector) -> _Vector:
        """Return features, or a mean of them, in these units; shape (n_features,)."""
        return (x - self.centre) / self.scale

    def to_rows(self, theta: _Vector) -> _Vector:
        """Convert theta, shape (..., n_parameters), to the units of the rows."""
        if self.as_given:
            return theta
        result = theta.copy()
        coef = result[..., self._first :]
        coef /= self.scale
        if self._first:
            result[..., 0] -= coef @ self.centre
        return result

    def from_rows(self, theta: _Vector) -> _Vector:
        """Undo `to_rows`, for theta of shape (n_parameters,); a copy."""
        result = theta.copy()
        coef = result[self._first :]
        if self._first:
            result[0] += coef @ self.centre
        coef *= self.scale
        return result

    def gradient_to_rows(self, gradient: _Vector) -> _Vector:
        """Convert a gradient, shape (n_parameters,), to the units of the rows: the chain rule through `from_rows`."""
        if self.as_given:
            return gradient
        result = gradient.copy()
        coef = result[self._first :]
        coef *= self.scale
        if self._first:
            coef += self.centre * gradient[0]
        return result
