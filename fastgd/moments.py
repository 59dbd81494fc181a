"""Moments: what is left of a training set when its rows are gone, and all that least squares need of it."""

import os
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.formatting import counted, listed
from fastgd.inputs import frames, validation
from fastgd.inputs.source import Source
from fastgd.saving.outputs import replaced
from fastgd.solvers.quadratic import Evaluation, Objective

if TYPE_CHECKING:
    from fastgd.rows.centred_moments import CentredMoments

_FORMAT = "fastgd moments 1"
_ENTRIES = ["format", "mean", "n_samples", "scatter", "total_weight"]
_NAMES = "feature_names"
# Of an array that keeps labels, by numpy's characters: no objects, as these would need pickle.
_KINDS = "Ubiuf"
_ADVICE = "Files of moments are written by Moments.save."

_HINT = "Give what Moments.from_rows gave, or load."

# Products of two columns, summed up in one order and in the other, differ by so much of their sizes at most.
_ROUNDING = 1e-8


def _checked(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = validation.real_array(values, name).astype(np.float64)
    if not np.isfinite(array).all():
        place = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ValueError(
            f"{name}{place} is {array[tuple(place)]}, but moments are finite numbers. Take them of rows without NaN and inf."
        )
    return array


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
        """Check what was given; what is computed here comes by `_made`."""
        mean, scatter = (_checked(getattr(self, name), name) for name in ("mean", "scatter"))
        if mean.ndim != 1 or len(mean) < 2:
            raise ValueError(
                f"mean has shape {mean.shape}, but (n_features + 1,) is expected. Give the mean of each feature, of which "
                "there is at least one, and then that of y."
            )
        if scatter.shape != (len(mean), len(mean)):
            raise ValueError(
                f"scatter has shape {scatter.shape}, but mean has {len(mean)} entries, so {(len(mean),) * 2} is expected. "
                "Give both of the features and of y."
            )
        squares = np.diagonal(scatter)
        if (squares < 0).any():
            j = int((squares < 0).argmax())
            raise ValueError(
                f"scatter[{j}, {j}] is {squares[j]}, but it is a sum of squares, so a number >= 0 is expected. Correct it."
            )
        sizes = np.sqrt(squares)
        with np.errstate(over="ignore"):
            skew = abs(scatter - scatter.T) > _ROUNDING * sizes * sizes[:, np.newaxis]
        if skew.any():
            i, j = np.argwhere(skew)[0].tolist()
            raise ValueError(
                f"scatter[{i}, {j}] is {scatter[i, j]}, but scatter[{j}, {i}] is {scatter[j, i]}, and a symmetric array is "
                "expected. Give the sums of all products, of which each is there twice."
            )
        n_samples = arguments.count(self.n_samples, "n_samples", _HINT)
        if not n_samples:
            raise ValueError(f"n_samples=0 was given, but moments are of at least 1 row. {_HINT}")
        total_weight = arguments.number(self.total_weight, "total_weight", zero=False, hint=_HINT)
        names = self.feature_names
        if names is not None:
            if isinstance(names, str) or not isinstance(names, Iterable):
                raise TypeError(f"feature_names={names!r} was given, but a list of labels, or None, is expected.")
            names = frames.labels(names)
            if len(names) != len(mean) - 1:
                raise ValueError(
                    f"feature_names has {counted(len(names), 'label')}, but mean is of {counted(len(mean) - 1, 'feature')} and "
                    "y. Give one for each feature, or None."
                )
        self._hold(n_samples, total_weight, mean, scatter, names)

    @classmethod
    def _made(
        cls,
        n_samples: int,
        total_weight: float,
        mean: NDArray[np.float64],
        scatter: NDArray[np.float64],
        feature_names: list[Any] | None = None,
    ) -> "Moments":
        """Make moments of what need not be checked, as it was computed, or checked before."""
        made = object.__new__(cls)
        made._hold(n_samples, total_weight, mean, scatter, feature_names)
        return made

    def _hold(self, *values: Any) -> None:
        """Keep values, and let nobody write into the arrays, on which all answers rest."""
        for field, value in zip(fields(self), values, strict=True):
            held = value
            if isinstance(value, np.ndarray):
                held = value.copy()
                held.flags.writeable = False
            object.__setattr__(self, field.name, held)

    def __reduce__(self) -> tuple[Callable[..., "Moments"], tuple[Any, ...]]:
        """Pickle and copy by way of `_made`, as arrays that are unpickled can be written."""
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
        # Here, as nothing else needs numba: not what loads a model, and predicts by it.
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

    def cost(self, theta: ArrayLike, *, intercept: bool = False, loss: str = "mse", l2: float = 0.0) -> float:
        """Compute the cost of a linear hypothesis on the rows that these are the moments of.

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

    def gradient(
        self, theta: ArrayLike, *, intercept: bool = False, loss: str = "mse", l2: float = 0.0
    ) -> NDArray[np.float64]:
        """Compute the gradient of the cost with respect to theta.

        Parameters
        ----------
        theta, intercept, loss, l2
            See `fastgd.gradient`.

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
        if other.n_features != self.n_features:
            raise ValueError(
                f"Moments of {self.n_features} and of {counted(other.n_features, 'feature')} cannot be added. "
                "Take both of rows with the same columns."
            )
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
        entries: dict[str, Any] = {
            "format": np.array(_FORMAT),
            "n_samples": np.array(self.n_samples),
            "total_weight": np.array(self.total_weight),
            "mean": self.mean,
            "scatter": self.scatter,
        }
        if self.feature_names is not None:
            entries[_NAMES] = _as_array(self.feature_names)
        if not isinstance(file, str | os.PathLike):
            np.savez(file, **entries)
            return
        path = os.fspath(file)
        with replaced(path if path.endswith(".npz") else path + ".npz") as temporary:
            np.savez(temporary, **entries)

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
        try:
            # Opened here, as numpy leaves a file open that is none of its own.
            opened = open(file, "rb") if isinstance(file, str | os.PathLike) else nullcontext(file)  # noqa: SIM115
            with opened as stream, np.load(stream, allow_pickle=False) as content:
                members = content.zip.infolist()
                names = sorted(member.filename for member in members)
                expected = [_NAMES, *_ENTRIES] if f"{_NAMES}.npy" in names else _ENTRIES
                # An entry that is not compressed is no larger than its file, whatever it says of itself.
                sound = names == [f"{name}.npy" for name in expected] and not any(
                    each.compress_type for each in members
                )
                entries = {name: content[name] for name in expected} if sound else {}
        except Exception as reason:  # zipfile and numpy raise several kinds
            if isinstance(reason, OSError) and reason.filename is not None:
                raise
            raise ValueError(f"{file} is no .npz file: {reason}. {_ADVICE}") from None

        def refuse(what: str) -> ValueError:
            return ValueError(f"{file} holds no moments: {what}. {_ADVICE}")

        if not sound:
            raise refuse(f"its entries are {str(names)[:200]}, but {_ENTRIES}, not compressed, are expected")
        if not all(isinstance(values, np.ndarray) for values in entries.values()):  # what is none comes as bytes
            raise refuse("not all of its entries are arrays")
        stored = entries.pop(_NAMES, None)
        shapes = {name: entries[name].shape for name in entries}
        if shapes["format"] != () or str(entries["format"]) != _FORMAT:
            raise refuse(f"its format is {str(entries['format'])[:200]}, not {_FORMAT!r}")
        n = entries["mean"].size
        if n < 2 or shapes != {"format": (), "n_samples": (), "total_weight": (), "mean": (n,), "scatter": (n, n)}:
            raise refuse(f"their shapes are {shapes}")
        total_weight, mean, scatter = (entries[name] for name in ("total_weight", "mean", "scatter"))
        n_samples = entries["n_samples"]
        if any(values.dtype != np.float64 for values in (total_weight, mean, scatter)) or n_samples.dtype.kind != "i":
            raise refuse("not all of it is float64")
        if not all(np.isfinite(values).all() for values in (total_weight, mean, scatter)):
            raise refuse("not all of it is finite")
        if n_samples < 1 or total_weight <= 0 or (np.diagonal(scatter) < 0).any():
            raise refuse("a number of rows, a weight or a square is negative")
        if stored is not None and (stored.ndim != 1 or stored.dtype.kind not in _KINDS or not 0 < len(stored) < n):
            raise refuse(f"its feature_names have shape {stored.shape} and dtype {stored.dtype}")
        try:
            labels = None if stored is None else frames.labels(stored)
        except ValueError as error:
            raise refuse(f"of its feature_names, {str(error)[:200]}") from None
        return cls._made(int(n_samples), total_weight.item(), mean, scatter, labels)

    def centred(self) -> "CentredMoments":
        """Return what stands for the rows of a fit."""
        from fastgd.rows.centred_moments import CentredMoments

        return CentredMoments(self.total_weight, self.mean, self.scatter)

    def _in_order(self, names: list[Any] | None) -> "CentredMoments":
        """Return what `centred` does, with the features in the order of these labels; targets stay."""
        ours = self.feature_names
        if names is None or ours is None:
            return self.centred()
        if set(ours) != set(names):
            raise ValueError(
                f"Moments of the columns {listed(names)} and of {listed(ours)} cannot be added. Take both of frames with the "
                "same columns, or of arrays (X.to_numpy()), whose columns are taken in their order."
            )
        places = frames.places(ours, names)
        if places is None:
            return self.centred()
        order = [*places, *range(len(names), len(self.mean))]
        return self.centred()._replace(mean=self.mean[order], scatter=self.scatter[np.ix_(order, order)])

    def _evaluate(self, theta: ArrayLike, intercept: bool, loss: str, l2: float) -> Evaluation:
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


def _as_array(names: list[Any]) -> NDArray[Any]:
    """Return labels as an array that gives them back."""
    if not any(isinstance(name, tuple) for name in names):  # ragged ones are no array
        array = np.array(names)
        if array.dtype.kind in _KINDS and array.tolist() == names:
            return array
    raise TypeError(
        f"The features have the labels {listed(names)}, but a file of moments "
        "keeps text alone or numbers alone. Take the moments of a frame with other labels, X.columns.astype(str) if X "
        "is of pandas, or save dataclasses.replace(moments, feature_names=None)."
    )
