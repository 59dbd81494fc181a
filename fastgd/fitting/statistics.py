"""How sure a fit is: covariances, standard errors, and what they tell of the parameters."""

import math

import numpy as np
from numpy.typing import NDArray

from fastgd.arguments import share
from fastgd.fitting import distributions
from fastgd.fitting.goodness import Goodness

_Vector = NDArray[np.float64]


class Statistics(Goodness):
    """How good and how sure a least-squares fit is, for `FitResult`."""

    @property
    def standard_errors_note(self) -> str:
        """Why there are no standard errors, or some are NaN; empty if each has a value."""
        found = self.evidence
        if found.note or not found.rank or found.rank == len(self.theta):
            return found.note or self._undefined()
        return "Parameters that depend on each other have no standard error: the data determine only some combinations of them."

    @property
    def standard_errors(self) -> _Vector | None:
        """The standard errors of theta, shape (n_parameters,): square roots of the diagonal of `covariance`.

        None where they have no meaning, as with a penalty; NaN for parameters that the data do not determine.
        `standard_errors_note` says why.
        """
        if self.evidence.note:
            return None
        if self.evidence.meat is not None:
            diagonal = np.diagonal(self._covariance())
        else:  # without the k^3 of the whole matrix
            diagonal = self._variance() * np.einsum("ij,ij->i", *[self.evidence.bread().factor] * 2)
        with np.errstate(invalid="ignore"):
            errors = np.sqrt(diagonal)
        errors[~self.evidence.bread().estimable] = np.nan
        return errors

    def covariance(self) -> _Vector | None:
        """Compute the covariance of theta.

        Classical, ``RSS / df_residual (X^T S X)^-1``; or robust, a sandwich ``(X^T S X)^-1 M (X^T S X)^-1`` with
        ``M = sum (s r)^2 x x^T`` for ``"HC0"`` [1]_, times ``n / df_residual`` for ``"HC1"``, each term divided by ``1 - h``
        for ``"HC2"`` and by ``(1 - h)^2`` for ``"HC3"`` [2]_, where h is the leverage of the row; or clustered, with
        ``M = sum_g u_g u_g^T`` of the sums u_g of ``s r x`` over each of G groups, times
        ``G / (G - 1) (n - 1) / df_residual`` [3]_. x stands for (1, x) where there is an intercept.

        Returns
        -------
        ndarray of shape (n_parameters, n_parameters), float64, or None
            The covariance; None and NaN as in `standard_errors`.

        References
        ----------
        .. [1] H. White, "A heteroskedasticity-consistent covariance matrix estimator and a direct test for
           heteroskedasticity", Econometrica 48 (1980), 817-838.
        .. [2] J. G. MacKinnon, H. White, "Some heteroskedasticity-consistent covariance matrix estimators with improved finite
           sample properties", Journal of Econometrics 29 (1985), 305-325.
        .. [3] A. C. Cameron, D. L. Miller, "A practitioner's guide to cluster-robust inference", Journal of Human Resources 50
           (2015), 317-372.

        Examples
        --------
        >>> import fastgd
        >>> fastgd.fit([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 1.0, 2.0]).covariance().round(6)
        array([[ 0.07, -0.03],
               [-0.03,  0.02]])
        """
        if self.evidence.note:
            return None
        covariance = self._covariance()
        unknown = ~self.evidence.bread().estimable
        covariance[unknown] = covariance[:, unknown] = np.nan
        return covariance

    @property
    def t_values(self) -> _Vector | None:
        """``theta / standard_errors``, shape (n_parameters,)."""
        errors = self.standard_errors
        if errors is None:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            values: _Vector = self.theta / errors
        return values

    @property
    def p_values(self) -> _Vector | None:
        """How likely a larger ``|t|`` is if the parameter is zero, by Student's t; shape (n_parameters,). Needs scipy.

        The degrees of freedom are `df_residual`, or with groups their number less 1.
        """
        t = self.t_values
        return None if t is None else distributions.t_p_value(t, self._df_t())

    def confidence_interval(self, level: float = 0.95) -> _Vector | None:
        """Compute confidence intervals of theta, ``theta -+ t standard_errors``, by Student's t as for `p_values`; needs scipy.

        Parameters
        ----------
        level : float, default 0.95
            The probability that an interval covers its parameter, between 0 and 1.

        Returns
        -------
        ndarray of shape (n_parameters, 2), float64, or None
            The ends of the intervals; None and NaN as in `standard_errors`.

        Raises
        ------
        ImportError
            If scipy is not installed.
        TypeError, ValueError
            If level is not a number between 0 and 1.

        Examples
        --------
        >>> import fastgd
        >>> fastgd.fit([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 1.0, 2.0]).confidence_interval().round(3)
        array([[-1.038,  1.238],
               [-0.008,  1.208]])
        """
        level = share(level, "level", "Give 0.95 for 95 percent.")
        errors = self.standard_errors
        if errors is None:
            return None
        half = distributions.t_quantile(level, self._df_t()) * errors
        return np.column_stack((self.theta - half, self.theta + half))

    def _variance(self) -> float:
        """Return the variance of the residuals; NaN where no degree of freedom is left."""
        df = self._df_residual
        return self.sum_of_squares / df if df else math.nan

    def _covariance(self) -> _Vector:
        found, bread = self.evidence, self.evidence.bread()
        if found.meat is None:
            F = bread.factor
            return self._variance() * (F @ F.T)
        return self._correction() * bread.sandwich(found.meat)

    def _spread(self) -> _Vector:
        """Return B, ``B B^T`` being the covariance of the intercept at the means, first, and the coefficients."""
        found, G = self.evidence, self.evidence.bread().centred
        if found.meat is None:
            return math.sqrt(self._variance()) * G
        values, vectors = np.linalg.eigh(self._correction() * (G.T @ found.meat @ G))
        spread: _Vector = G @ (vectors * np.sqrt(np.maximum(values, 0.0)))
        return spread

    def _correction(self) -> float:
        """Return by what a robust covariance is multiplied for the degrees of freedom."""
        found, df = self.evidence, self._df_residual or math.nan
        if found.kind == "HC1":
            return found.n_samples / df
        if found.kind == "cluster":
            return found.n_groups / (found.n_groups - 1) * ((found.n_samples - 1) / df)
        return 1.0

    def _df_t(self) -> float:
        found = self.evidence
        return found.n_groups - 1 if found.kind == "cluster" else self._df_residual or math.nan

    def _undefined(self) -> str:
        """Say why standard errors are NaN though each parameter is determined."""
        found = self.evidence
        if not self._df_residual:
            return "There are as many parameters as rows, so that no degree of freedom is left to tell errors by."
        if found.meat is not None and not np.isfinite(found.meat).all():
            return (
                f"A row has the leverage 1, by which {found.kind} divides: the fit passes through it whatever its y is. Use "
                "HC1, or drop what only this row determines."
            )
        return ""
