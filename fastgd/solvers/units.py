"""The units in which steps are taken, and the way from them to those of the rows and back."""

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float64]


class Units:
    """What a descent takes for features: ``z = (x - centre) / scale``.

    Parameters
    ----------
    centre : ndarray of shape (n_features,), float64
        What is taken off the features of the rows; 0 where there is no intercept to take up the difference.
    scale : ndarray of shape (n_features,), float64
        What they are divided by, > 0.
    intercept : bool
        Whether theta begins with an intercept.

    Attributes
    ----------
    centre, scale
        As given.
    as_given : bool
        Whether these features are those of the rows.
    """

    def __init__(self, centre: _Vector, scale: _Vector, *, intercept: bool) -> None:
        self.centre = centre
        self.scale = scale
        self.as_given = not centre.any() and bool((scale == 1.0).all())
        self._first = int(intercept)

    def of(self, x: _Vector) -> _Vector:
        """Return features in these units, or a mean of them: ``(x - centre) / scale``.

        Parameters
        ----------
        x : ndarray of shape (n_features,), float64
            The features as the rows hold them.

        Returns
        -------
        ndarray of shape (n_features,), float64
            The features as these units have them.
        """
        return (x - self.centre) / self.scale

    def to_rows(self, theta: _Vector) -> _Vector:
        """Carry theta over to the units of the rows.

        Parameters
        ----------
        theta : ndarray of shape (..., n_parameters), float64
            Theta for the features as these units have them.

        Returns
        -------
        ndarray of shape (..., n_parameters), float64
            Theta for the features as the rows hold them.
        """
        if self.as_given:
            return theta
        result = theta.copy()
        coef = result[..., self._first :]
        coef /= self.scale
        if self._first:
            result[..., 0] -= coef @ self.centre
        return result

    def from_rows(self, theta: _Vector) -> _Vector:
        """Undo `to_rows`.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,), float64
            Theta for the features as the rows hold them.

        Returns
        -------
        ndarray of shape (n_parameters,), float64
            Theta for the features as these units have them.
        """
        result = theta.copy()
        coef = result[self._first :]
        if self._first:
            result[0] += coef @ self.centre
        coef *= self.scale
        return result

    def gradient_to_rows(self, gradient: _Vector) -> _Vector:
        """Carry a gradient over to the units of the rows: the chain rule through `from_rows`.

        Parameters
        ----------
        gradient : ndarray of shape (n_parameters,), float64
            The gradient with respect to theta as these units have it.

        Returns
        -------
        ndarray of shape (n_parameters,), float64
            The gradient with respect to theta as the rows have it.
        """
        if self.as_given:
            return gradient
        result = gradient.copy()
        coef = result[self._first :]
        coef *= self.scale
        if self._first:
            coef += self.centre * gradient[0]
        return result
