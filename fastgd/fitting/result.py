"""What a fit returns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.descent.history import History
from fastgd.formatting import counted
from fastgd.inputs import validation
from fastgd.inputs.frames import are_numbers
from fastgd.kernels import tuning
from fastgd.rows.blocks import Blocks
from fastgd.rows.columns import Columns
from fastgd.rows.csr_matrix import CSR
from fastgd.solvers.stopping import Status

_MAX_PRINTED = 10


def hypothesis(
    X: ArrayLike,
    coef: NDArray[np.float64],
    intercept: float | NDArray[np.float64],
    feature_names: list[Any] | None = None,
) -> NDArray[np.float64]:
    """Compute ``h(x) = intercept + coef . x`` for each row.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples,), real, data frame or sparse matrix
        The features.
    coef : ndarray of shape (n_features,) or (n_targets, n_features), float64
        The coefficients.
    intercept : float or ndarray of shape (n_targets,), float64
        The intercept.
    feature_names : list, optional
        The labels of the columns to take from a data frame.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_targets), float64
        The hypothesis.

    Raises
    ------
    TypeError
        If X does not hold real numbers that fit into float64.
    ValueError
        If it has another shape, or a column is missing, or has missing values.
    """
    array, _ = validation.features(X, feature_names)
    n_samples, n_features = (*array.shape, 1)[:2]
    if n_features != coef.shape[-1]:
        raise ValueError(
            f"X has shape {array.shape}, that is {counted(n_features, 'feature')}, but the fit had {coef.shape[-1]}. "
            f"Give X of shape (n_samples, {coef.shape[-1]})."
        )
    if isinstance(array, CSR):
        sparse: Any = X
        product: NDArray[np.float64] = sparse @ coef.T
        return product + intercept
    result = np.empty((n_samples, *coef.shape[:-1]))
    for start, stop in Blocks(n_samples, max(1, tuning.CONVERTED_VALUES // n_features)):
        rows = slice(start, stop)
        block = array.gather(rows).T if isinstance(array, Columns) else array[rows].reshape(-1, n_features)
        with np.errstate(over="ignore", invalid="ignore"):  # an infinity is a result
            result[rows] = block.astype(np.float64, copy=False) @ coef.T + intercept
    return result


@dataclass(frozen=True, repr=False, eq=False)
class FitResult:
    """A fitted linear hypothesis, and how the fit ended.

    Attributes
    ----------
    coef : ndarray of shape (n_features,), float64
        The coefficients of the features.
    intercept : float
        The intercept; 0.0 if the hypothesis has none.
    theta : ndarray of shape (n_parameters,), float64
        All parameters, the intercept first if there is one.
    cost : float
        The cost at theta.
    gradient_norm : float
        The Euclidean norm of the gradient at theta.
    gap : float or None
        How far the cost is above its minimum, ``g^T H^-1 g / 2`` with the gradient g at theta and the Hessian H; None if
        its inverse was not needed, or is not known, as that of moments where columns depend on each other, or nearly.
    rank : int or None
        How many parameters are independent; None for methods other than ``"preconditioned"``, which do not determine it.
    condition : float or None
        The condition number of the Hessian (a bound below it for more than 32 parameters), of the standardised
        features if the fit was made on them; of features scaled to the same length for method ``"preconditioned"``,
        within a factor of n_features; None if it was not needed.
    feature_names : list or None
        The labels of the features, if X had any: text, or whatever else labels the columns of a data frame.
    n_iter : int
        How many iterations were run.
    n_passes : int
        How many times the rows were read.
    status : Status
        How the fit ended, a text: ``"tolerance"``, ``"residual"`` or ``"rounding"`` where it converged, else ``"max_iter"``,
        ``"diverged"`` or ``"callback"``.
    verified : bool
        Whether cost and gradient at theta come from a true pass over the rows.
    message : str
        How the fit ended and, if it did not converge, what to try.
    history : History or None
        The iterations, if `history` was set.
    """

    coef: NDArray[np.float64]
    intercept: float
    theta: NDArray[np.float64]
    cost: float
    gradient_norm: float
    gap: float | None
    rank: int | None
    condition: float | None
    feature_names: list[Any] | None
    n_iter: int
    n_passes: int
    status: Status
    verified: bool
    message: str
    history: History | None

    def __post_init__(self) -> None:
        """Make theta and coef read-only: if one of them were changed, they would no longer agree."""
        for array in (self.coef, self.theta):
            array.flags.writeable = False

    @property
    def converged(self) -> bool:
        """Whether the gradient came down to `tol` or to its rounding error."""
        return self.status.converged

    def __repr__(self) -> str:
        """Return the result in a few lines."""
        names = self.feature_names
        if names is None or are_numbers(names):
            names = [f"coef[{j}]" for j in range(len(self.coef))]
        lines = [(str(name), f"{value:.10g}") for name, value in zip(names, self.coef.tolist(), strict=True)]
        if len(lines) > _MAX_PRINTED + 1:
            lines[_MAX_PRINTED:] = [("...", f"and {len(lines) - _MAX_PRINTED} more, in coef")]
        if len(self.theta) > len(self.coef):
            lines.insert(0, ("intercept", f"{self.intercept:.10g}"))
        lines += [("cost", f"{self.cost:.10g}"), ("|gradient|", f"{self.gradient_norm:.3g}")]
        width = max(len(name) for name, _ in lines)
        return "\n".join([self.message, *(f"  {name:<{width}}  {value}" for name, value in lines)])

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict the target.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features), real, data frame or sparse matrix
            The features; (n_samples,) if there is one. Columns of a data frame are matched with those that were fitted by
            their labels, if these had any; those of an array are taken in their order.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            ``h(x)`` for each row.

        Raises
        ------
        TypeError
            If X does not hold real numbers that fit into float64.
        ValueError
            If it has another shape, or a column is missing, or has missing values.

        Examples
        --------
        >>> import fastgd
        >>> fastgd.fit([0.0, 1.0, 2.0], [5.0, 5.0, 5.0]).predict([7.0]).round(6)
        array([5.])
        """
        return hypothesis(X, self.coef, self.intercept, self.feature_names)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the coefficient of determination, R^2, of the predictions.

        ``1 - sum s (y - h)^2 / sum s (y - mean)^2``; where y is constant, 1.0 for perfect predictions and else 0.0.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features), real, data frame or sparse matrix
            The features, as for `predict`.
        y : array_like of shape (n_samples,), real
            The target.
        sample_weight : array_like of shape (n_samples,), real, optional
            How much each row counts; 1 each by default.

        Returns
        -------
        float
            At most 1.

        Raises
        ------
        TypeError
            If an argument does not hold real numbers that fit into float64.
        ValueError
            If shapes do not fit together, or weights are out of range.

        Examples
        --------
        >>> import fastgd
        >>> round(fastgd.fit([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]).score([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]), 6)
        1.0
        """
        (_, target, s), *_ = validation.training_set(X, y, sample_weight, wanted=self.feature_names)
        target = target.astype(np.float64)
        weight = np.ones(len(target)) if s is None else s.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            residual, distance = target - self.predict(X), target - np.average(target, weights=weight)
            # In units in which the squares of the distances stay within the range of float64.
            _, exponent = np.frexp(abs(distance[weight > 0]).max())
            unexplained, total = (float(weight @ np.ldexp(each, -exponent) ** 2) for each in (residual, distance))
        if total == 0.0:
            return float(unexplained == 0.0)
        return 1.0 - unexplained / total
