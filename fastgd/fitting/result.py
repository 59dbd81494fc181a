"""What a fit returns."""

from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.descent.history import History
from fastgd.fitting.evidence import Evidence
from fastgd.fitting.intervals import Prediction, prediction
from fastgd.fitting.prediction import Predictor, coef_names, in_columns, parameter_lines
from fastgd.fitting.statistics import Statistics
from fastgd.fitting.summary import summarised
from fastgd.inputs.source import OrderedSource
from fastgd.solvers.stopping import Status

# How many parameters a notebook shows.
_MAX_SHOWN = 60


@dataclass(frozen=True, repr=False, eq=False)
class FitResult(Predictor, Statistics):
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

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    >>> result.converged, result.predict([10.0]).round(6)
    (True, array([21.]))
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
        return ["intercept"] * (len(self.theta) - len(self.coef)) + coef_names(self)

    def __repr__(self) -> str:
        """Return the result in a few lines."""
        lines = parameter_lines(self, intercept=len(self.theta) > len(self.coef))
        lines += [("cost", f"{self.cost:.10g}"), ("|gradient|", f"{self.gradient_norm:.3g}")]
        return in_columns(self.message, lines)

    @overload
    def predict(self, X: ArrayLike | OrderedSource, interval: None = None) -> NDArray[np.float64]: ...

    @overload
    def predict(self, X: ArrayLike | OrderedSource, interval: float) -> Prediction: ...

    def predict(self, X: ArrayLike | OrderedSource, interval: float | None = None) -> NDArray[np.float64] | Prediction:
        """Predict the target, in one pass.

        A row's prediction is the same, to the bit, whatever rows are beside it, and wherever it comes from.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features), real, data frame, sparse matrix, source, or dask collection
            The features; (n_samples,) if there is one. Columns of a data frame or a file are matched with those that were
            fitted by their labels, if these had any; those of an array are taken in their order. Of what `scan_parquet`,
            `scan_csv` and `from_batches` return, target and weights are not read, and some MB of the rest at a time; rows
            that `drop_missing` leaves out have no prediction. Partitions of dask are predicted by its workers.
        interval : float, optional
            The level of intervals for the mean and for a new observation, between 0 and 1, by Student's t; needs scipy.

        Returns
        -------
        ndarray of shape (n_samples,), float64, or Prediction
            ``h(x)`` for each row; with `interval` a named tuple of ``mean``, ``mean_interval`` and ``observation_interval``,
            which have shape (n_samples, 2).

        Raises
        ------
        ImportError
            If an interval is requested, and scipy is not installed.
        TypeError
            If X does not hold real numbers that fit into float64.
        ValueError
            If it has another shape, or no rows, or a column is missing, or has missing values; or if an interval is requested
            of a fit without standard errors.

        Examples
        --------
        >>> import fastgd
        >>> result = fastgd.fit([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 1.0, 2.0])
        >>> result.predict([4.0]).round(6)
        array([2.5])
        >>> result.predict([4.0], interval=0.95).observation_interval.round(3)
        array([[0.349, 4.651]])
        """
        if interval is None:
            return super().predict(X)
        return prediction(self, X, arguments.share(interval, "interval", "Give 0.95 for 95 percent."))

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
