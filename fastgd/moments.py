"""Moments: the sums over a training set that least squares needs, without its rows."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.inputs import chosen_features, frames, validation
from fastgd.inputs.given_moments import check_moments, refuse_other_features
from fastgd.inputs.source import Source
from fastgd.saving import moments_file
from fastgd.solvers.quadratic import Evaluation, Objective

if TYPE_CHECKING:
    from fastgd.rows.centred_moments import CentredMoments

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Moments:
    """Number, weight, means and centred second moments of a training set, in float64.

    They are taken in one pass (`from_rows`), added where training sets are joined (``a + b``, or ``sum`` of many), and answer
    for cost and gradient in O(k^2), whatever the number of rows. Their digits are those of the squares: a gradient from moments
    is exact to the unit roundoff times the sizes of these, where one from rows is exact to that of the residuals.

    Numbers from elsewhere can be given, too: what cannot be moments is a TypeError or a ValueError.

    Attributes
    ----------
    n_samples : int
        The number of rows.
    total_weight : float
        The sum of the sample weights; the number of rows without.
    mean : ndarray of shape (n_features + 1,), float64
        The mean of each feature and, last, of y; weighted.
    scatter : ndarray of shape (n_features + 1, n_features + 1), float64
        The sums of ``s (z - mean)(z - mean)^T`` over rows z = (x, y).
    feature_names : list or None
        The labels of the features, if X had any: those of what is added are matched by them. Where one of two has none, as
        what comes of an array, its features are taken in their order.

    Examples
    --------
    >>> import fastgd
    >>> moments = fastgd.Moments.from_rows([[1.0], [2.0]], [2.0, 4.0]) + fastgd.Moments.from_rows([[3.0]], [7.0])
    >>> moments.n_samples, moments.gradient([2.0], loss="sse")
    (3, array([-6.]))
    """

    n_samples: int
    total_weight: float
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]
    feature_names: list[Any] | None = None

    def __post_init__(self) -> None:
        """Check the numbers that were given; those that are computed here come through `_made`."""
        self._hold(*check_moments(**vars(self)))

    @classmethod
    def _made(
        cls, n_samples: int, total_weight: float, mean: _Array, scatter: _Array, feature_names: list[Any] | None = None
    ) -> "Moments":
        """Make moments of numbers that were computed here, or have been checked, and need no check."""
        made = object.__new__(cls)
        made._hold(n_samples, total_weight, mean, scatter, feature_names)
        return made

    def _hold(self, *values: Any) -> None:
        """Keep the values of all fields, arrays as read-only copies, as all answers rest on them."""
        for field, value in zip(fields(self), values, strict=True):
            held = value
            if isinstance(value, np.ndarray):
                held = value.copy()
                held.flags.writeable = False
            object.__setattr__(self, field.name, held)

    def __reduce__(self) -> tuple[Callable[..., "Moments"], tuple[Any, ...]]:
        """Pickle and copy through `_made`, as unpickled arrays would be writable."""
        return Moments._made, tuple(getattr(self, field.name) for field in fields(self))

    @classmethod
    def from_rows(
        cls,
        X: ArrayLike | Source,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        n_threads: int | None = None,
    ) -> "Moments":
        """Take the moments of a training set, in one pass.

        Columns are centred before they are squared, near enough to their means that a column far from zero keeps the digits
        of its spread.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features) or (n_samples,), real, data frame, sparse matrix, or source
            The features, finite; a 1-D X is one feature. Never modified. What `scan_parquet`, `scan_csv` and `from_batches`
            return holds target and weights, too.
        y : array_like of shape (n_samples,), real
            The target, finite; left out where X holds it.
        sample_weight : array_like of shape (n_samples,), real, optional
            How much each row counts; finite, >= 0, not all zero. 1 each by default.
        n_threads : int, optional
            How many threads to take, >= 1; see `get_num_threads`. The result does not depend on it, to the bit.

        Returns
        -------
        Moments
            Its moments.

        Raises
        ------
        TypeError
            If X, y or sample_weight does not hold real numbers that fit into float64.
        ValueError
            If shapes do not fit together, a value is not finite, or the squares exceed float64.
        """
        # Imported here, so that loading a model and predicting with it needs no numba.
        from fastgd.inputs.training_set import open_training_set
        from fastgd.rows.centred_moments import moments_of

        data = open_training_set(X, y, sample_weight, n_threads)
        rows = data.rows
        moments = moments_of(rows)
        names = data.feature_names
        if not np.isfinite(moments.scatter).all():
            place, need = rows.first_non_finite(), "moments are taken of finite numbers"
            validation.refuse_non_finite(place, rows.n_features, need, names)
            validation.refuse_overflow(moments.scatter, rows.n_features, names)
        return cls._made(rows.n_samples, moments.total_weight, moments.mean, moments.scatter, names)

    @property
    def n_features(self) -> int:
        """The number of features."""
        return len(self.mean) - 1

    def select(self, features: Iterable[Any]) -> "Moments":
        """Return the moments of some of the features, and y, without a pass: regressions on subsets need no more than one.

        Parameters
        ----------
        features : iterable
            The labels of the features, or their positions, from 0; each once, in the order wanted. Whole numbers are positions,
            unless the labels are numbers. Negative positions are refused, as y is the last entry of `mean`.

        Returns
        -------
        Moments
            Their moments, with their labels.

        Raises
        ------
        TypeError, ValueError
            If `features` is a mask or no iterable; if there is no such feature, one is given twice, or none is given.

        Examples
        --------
        >>> import fastgd
        >>> moments = fastgd.Moments.from_rows([[1.0, 5.0], [2.0, 3.0], [3.0, 4.0]], [2.0, 4.0, 6.0])
        >>> fastgd.fit(moments.select([0])).theta.round(6) + 0.0
        array([0., 2.])
        """
        names = self.feature_names
        n_features = self.n_features if names is None else len(names)  # there may be several targets
        places = chosen_features.places(features, names, n_features)
        names = None if names is None else [names[j] for j in places]
        order = [*places, *range(n_features, len(self.mean))]
        mean, scatter = self.mean[order], self.scatter[np.ix_(order, order)]
        return Moments._made(self.n_samples, self.total_weight, mean, scatter, names)

    def cost(self, theta: ArrayLike, *, intercept: bool = False, loss: str = "mse", l2: float = 0.0) -> float:
        """Compute the cost of a linear hypothesis on the rows behind these moments.

        Parameters
        ----------
        theta, intercept, loss, l2
            See `fastgd.cost`.

        Returns
        -------
        float
            The cost.
        """
        return self._evaluate(theta, intercept, loss, l2).cost

    def gradient(self, theta: ArrayLike, *, intercept: bool = False, loss: str = "mse", l2: float = 0.0) -> _Array:
        """Compute the gradient of the cost with respect to theta.

        Parameters
        ----------
        theta, intercept, loss, l2
            See `fastgd.cost`.

        Returns
        -------
        ndarray of the shape of theta, float64
            The gradient.
        """
        return self._evaluate(theta, intercept, loss, l2).gradient.reshape(np.shape(theta))

    def __add__(self, other: object) -> "Moments":
        """Return the moments of the rows of both."""
        if not isinstance(other, Moments):
            return NotImplemented
        refuse_other_features(self.n_features, self.feature_names, other.n_features, other.feature_names)
        names = other.feature_names if self.feature_names is None else self.feature_names
        n_named = self.n_features if names is None else len(names)
        with np.errstate(over="ignore", invalid="ignore"):
            merged = self.centred().merged(other._in_order(names))
        validation.refuse_overflow(merged.scatter, n_named, names)
        return Moments._made(self.n_samples + other.n_samples, merged.total_weight, merged.mean, merged.scatter, names)

    def __radd__(self, other: object) -> "Moments":
        """Let ``sum`` begin with 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __repr__(self) -> str:
        """Return sizes, not numbers."""
        return f"Moments(n_samples={self.n_samples}, n_features={self.n_features}, total_weight={self.total_weight:g})"

    def save(self, file: str | os.PathLike[str] | BinaryIO) -> None:
        """Write the moments to a file in numpy's ``.npz`` format, without pickle.

        A file of that name is replaced in one step, or stays as it was if this fails, even if the machine is switched off: what
        is there is always whole.

        Parameters
        ----------
        file : path or binary file
            Where to; ``.npz`` is added to a path that does not end so.

        Raises
        ------
        OSError
            If the file cannot be written.
        TypeError
            If the features have labels that it cannot keep: others than text alone or numbers alone.
        """
        moments_file.save(vars(self), file)

    @classmethod
    def load(cls, file: str | os.PathLike[str] | BinaryIO) -> "Moments":
        """Read moments from a file that `save` has written.

        Parameters
        ----------
        file : path or binary file
            Where from.

        Returns
        -------
        Moments
            The same, to the bit.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it holds something else.
        """
        return cls._made(**moments_file.load(file, frames.labels))

    def centred(self) -> "CentredMoments":
        """Return the moments as something that answers for the rows in a fit."""
        from fastgd.rows.centred_moments import CentredMoments

        return CentredMoments(self.total_weight, self.mean, self.scatter)

    def _in_order(self, names: list[Any] | None) -> "CentredMoments":
        """Return what `centred` returns, with the features in the order of these labels; targets stay in place."""
        ours = self.feature_names
        places = None if names is None or ours is None else frames.places(ours, names)
        if places is None:
            return self.centred()
        order = [*places, *range(len(places), len(self.mean))]
        return self.centred()._replace(mean=self.mean[order], scatter=self.scatter[np.ix_(order, order)])

    def _evaluate(self, theta: ArrayLike, intercept: bool, loss: str, l2: float) -> Evaluation:
        """Check the arguments of `cost` and `gradient`, and compute both."""
        intercept = arguments.switch(intercept, "intercept")
        objective = Objective(
            self.centred(),
            n_features=self.n_features,
            intercept=intercept,
            scale=arguments.loss_scale(loss, self.total_weight),
            l2=arguments.penalty(l2),
        )
        parameters = validation.parameters(theta, self.n_features, intercept)
        with np.errstate(over="ignore", invalid="ignore"):  # an infinity is a result
            return objective.evaluate(parameters)
