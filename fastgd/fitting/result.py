"""What a fit returns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.descent.history import History
from fastgd.fitting.evidence import Evidence
from fastgd.fitting.statistics import Statistics
from fastgd.fitting.summary import summarised
from fastgd.formatting import counted
from fastgd.inputs import validation
from fastgd.inputs.frames import are_numbers
from fastgd.kernels import tuning
from fastgd.rows.blocks import Blocks
from fastgd.rows.columns import Columns
from fastgd.rows.csr_matrix import CSR
from fastgd.solvers.stopping import Status

# How many coefficients are printed, and how many parameters a notebook shows.
_MAX_PRINTED, _MAX_SHOWN = 10, 60


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
class FitResult(Statistics):
    """A fitted linear hypothesis, how the fit ended, and how good and how sure it is.

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
    evidence : Evidence
        What the statistics are computed from.
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
    evidence: Evidence

    def __post_init__(self) -> None:
        """Make theta and coef read-only: if one of them were changed, they would no longer agree."""
        for array in (self.coef, self.theta):
            array.flags.writeable = False

    @property
    def converged(self) -> bool:
        """Whether the gradient came down to `tol` or to its rounding error."""
        return self.status.converged

    @property
    def parameter_names(self) -> list[str]:
        """The names of the parameters, in the order of theta: ``"intercept"``, and the features' labels, or ``"coef[0]"``."""
        names = self.feature_names
        if names is None or are_numbers(names):
            names = [f"coef[{j}]" for j in range(len(self.coef))]
        return ["intercept"] * (len(self.theta) - len(self.coef)) + [str(name) for name in names]

    def __repr__(self) -> str:
        """Return the result in a few lines."""
        lines = [(name, f"{value:.10g}") for name, value in zip(self.parameter_names, self.theta.tolist(), strict=True)]
        most = _MAX_PRINTED + len(self.theta) - len(self.coef)
        if len(lines) > most + 1:
            lines[most:] = [("...", f"and {len(lines) - most} more, in coef")]
        lines += [("cost", f"{self.cost:.10g}"), ("|gradient|", f"{self.gradient_norm:.3g}")]
        width = max(len(name) for name, _ in lines)
        return "\n".join([self.message, *(f"  {name:<{width}}  {value}" for name, value in lines)])

    def _repr_html_(self) -> str:
        """Return the summary as notebooks show it."""
        return summarised(self, 0.95, _MAX_SHOWN).html()

    def summary(self, *, level: float = 0.95, max_rows: int = 1000) -> str:
        """Summarise the fit: a table of parameters, and below it how good the fit is and how it ended.

        The table has estimates, standard errors, t values and, where scipy is installed, p-values and confidence intervals.

        Parameters
        ----------
        level : float, default 0.95
            The level of the confidence intervals.
        max_rows : int, default 1000
            How many parameters are shown at most.

        Returns
        -------
        str
            The summary.

        Raises
        ------
        TypeError, ValueError
            If level is not a number between 0 and 1, or max_rows not a whole number >= 1.

        Examples
        --------
        >>> import fastgd
        >>> summary = fastgd.fit([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 1.0, 2.0]).summary()
        >>> for line in summary.splitlines()[2:8]:
        ...     print(line)
                   estimate  std. error     t       p      [95%   interval]
        intercept       0.1      0.2646  0.38   0.742    -1.0384     1.2384
        coef[0]         0.6      0.1414  4.24  0.0513  -0.008487     1.2085
        <BLANKLINE>
        4 rows, classical standard errors, 2 residual degrees of freedom
        R^2 0.9, adjusted 0.85, residual std 0.316228, F 18 on 1 and 2, p 0.0513
        """
        return str(summarised(self, level, arguments.at_least_one(max_rows, "max_rows")))

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
