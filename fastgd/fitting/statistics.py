"""How good a fit is, and how sure: what regressions are asked for, computed from what the fit has found on its way."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.arguments import share
from fastgd.fitting import distributions
from fastgd.fitting.evidence import Evidence

_Vector = NDArray[np.float64]


class FTest(NamedTuple):
    """An F test."""

    statistic: float
    """F."""
    df_numerator: int
    """How many restrictions it tests."""
    df_denominator: int
    """The residual degrees of freedom."""
    p_value: float
    """How likely a larger F is if all restrictions hold."""


class Statistics:
    """The statistics of a least-squares fit, for `FitResult`.

    Sums of squares come from the last pass over the rows, where there are rows to pass over, and so have the digits of the
    coefficients. Weights are analytic weights, ``1 / variance`` up to a factor, as in weighted least squares; rows of weight
    zero are not counted. Formulas, unless another source is named: J. M. Wooldridge, "Introductory Econometrics", 7th
    edition, Cengage 2019, chapters 3, 4 and 8.
    """

    theta: NDArray[np.float64]
    evidence: Evidence

    @property
    def n_samples(self) -> int:
        """n, the number of rows; those of weight zero do not count."""
        return self.evidence.n_samples

    @property
    def df_residual(self) -> int | None:
        """``n - rank``, the residual degrees of freedom; None with a penalty, or where the fit did not converge.

        The rank is that of the features (and the intercept), or the number of parameters for a method that does not find it.
        """
        return self._df_residual

    @property
    def df_model(self) -> int | None:
        """``rank - 1``, or ``rank`` without an intercept; None where `df_residual` is."""
        return None if self._rank is None else self._rank - self.evidence.intercept

    @property
    def sum_of_squares(self) -> float:
        """RSS, the sum of squared residuals, ``sum s r^2``."""
        found = self.evidence
        if found.rows is None or not np.isfinite(self.theta).all():
            return found.sum_of_squares
        return found.rows.sum_of_squares(self.theta)

    @property
    def total_sum_of_squares(self) -> float | None:
        """TSS, ``sum s (y - mean)^2`` about the weighted mean of y, or ``sum s y^2`` without an intercept."""
        found = self.evidence
        return (
            found.total_sum_of_squares
            if found.rows is None
            else found.rows.total_sum_of_squares(centred=found.intercept)
        )

    @property
    def residual_std(self) -> float | None:
        """The residual standard deviation, ``sqrt(RSS / df_residual)``; None where that is None or 0."""
        df = self._df_residual
        return math.sqrt(self.sum_of_squares / df) if df else None

    @property
    def r_squared(self) -> float | None:
        """R^2, ``1 - RSS / TSS``; without an intercept it is uncentred. NaN where y does not vary."""
        total = self.total_sum_of_squares
        if total is None:
            return None
        return 1.0 - self.sum_of_squares / total if total > 0 else math.nan

    @property
    def adjusted_r_squared(self) -> float | None:
        """``1 - (1 - R^2) (n - c) / df_residual``, where c is 1 with an intercept and else 0."""
        r_squared, df = self.r_squared, self._df_residual
        if r_squared is None or not df:
            return None
        return 1.0 - (1.0 - r_squared) * (self.n_samples - self.evidence.intercept) / df

    @property
    def f_statistic(self) -> float | None:
        """``((TSS - RSS) / df_model) / (RSS / df_residual)``, of the test that all coefficients are zero."""
        total, df, df_model = self.total_sum_of_squares, self._df_residual, self.df_model
        if total is None or not df or not df_model:
            return None
        rss = self.sum_of_squares
        explained = max(0.0, total - rss) / df_model
        return explained / (rss / df) if rss > 0 else math.inf

    @property
    def f_p_value(self) -> float | None:
        """How likely a larger `f_statistic` is if all coefficients are zero and errors are normal; needs scipy."""
        f, df, df_model = self.f_statistic, self._df_residual, self.df_model
        return distributions.f_p_value(f, df_model, df) if f is not None and df and df_model else None

    @property
    def log_likelihood(self) -> float | None:
        """``-n/2 (log(2 pi RSS / n) + 1) + 1/2 sum log s``, of normal errors with the variance RSS / n; None if s is not known.

        Moments do not tell the weights s apart: without them, of moments whose weights have the sum n.
        """
        n, rss, log_weight = self.n_samples, self.sum_of_squares, self.evidence.log_weight
        if log_weight is None:
            return None
        return 0.5 * (log_weight - n * (math.log(2.0 * math.pi * rss / n) + 1.0)) if rss > 0 else math.inf

    @property
    def aic(self) -> float | None:
        """Akaike's criterion, ``-2 log_likelihood + 2 rank``; the variance is not counted as a parameter."""
        return self._criterion(2.0)

    @property
    def bic(self) -> float | None:
        """Schwarz's criterion, ``-2 log_likelihood + rank log n``; the variance is not counted as a parameter."""
        return self._criterion(math.log(self.n_samples))

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

    def f_test(self, smaller: "Statistics") -> FTest:
        """Compare this fit with a smaller one that is nested in it: of the same rows, with fewer of the features.

        ``F = ((RSS_smaller - RSS) / (df_smaller - df)) / (RSS / df)`` with the residual degrees of freedom df. Whether the one
        is nested in the other is for the caller to know; numbers of rows and sums of weights are compared.

        Parameters
        ----------
        smaller : FitResult
            The other fit.

        Returns
        -------
        FTest
            F, its degrees of freedom, and the p-value.

        Raises
        ------
        ImportError
            If scipy is not installed.
        ValueError
            If the fits cannot be nested, or one has a penalty, or did not converge.

        Examples
        --------
        >>> import fastgd
        >>> X, y = [[0.0, 1.0], [1.0, 0.0], [2.0, 5.0], [3.0, 2.0], [4.0, 4.0]], [0.0, 1.0, 1.0, 2.0, 5.0]
        >>> small = fastgd.fit([x[:1] for x in X], y)
        >>> round(fastgd.fit(X, y).f_test(small).statistic, 6)
        0.144118
        """
        mine, other = self.evidence, smaller.evidence
        if (mine.n_samples, mine.total_weight) != (other.n_samples, other.total_weight):
            raise ValueError(
                f"The fits are of {mine.n_samples} and {other.n_samples} rows, with weights of the sums {mine.total_weight:g} "
                f"and {other.total_weight:g}, but nested models have the same rows. Fit both to the same."
            )
        df, df_smaller = self._df_residual, smaller._df_residual
        if not df or df_smaller is None:
            raise ValueError(
                "The fits have no residual degrees of freedom to compare: one has a penalty, or did not converge, or as "
                "many parameters as rows. Fit both without l2, and fewer features."
            )
        rss, rss_smaller = self.sum_of_squares, smaller.sum_of_squares
        if df_smaller <= df or rss_smaller < rss * (1.0 - 1e-10):
            raise ValueError(
                f"The other fit has {df_smaller} residual degrees of freedom and a sum of squares of {rss_smaller:g}, this one "
                f"{df} and {rss:g}, but a smaller model has more of both. Give the fit with fewer features."
            )
        n_restrictions = df_smaller - df
        gained = max(0.0, rss_smaller - rss) / n_restrictions
        statistic = gained / (rss / df) if rss > 0 else math.inf
        return FTest(statistic, n_restrictions, df, distributions.f_p_value(statistic, n_restrictions, df))

    @property
    def _rank(self) -> int | None:
        found = self.evidence
        if not found.is_minimum:
            return None
        return len(self.theta) if found.rank is None else found.rank

    @property
    def _df_residual(self) -> int | None:
        return None if self._rank is None else max(0, self.evidence.n_samples - self._rank)

    def _criterion(self, cost_of_parameter: float) -> float | None:
        likelihood, rank = self.log_likelihood, self._rank
        return None if likelihood is None or rank is None else cost_of_parameter * rank - 2.0 * likelihood

    def _variance(self) -> float:
        """Return the variance of the residuals; NaN where no degree of freedom is left."""
        df = self._df_residual
        return self.sum_of_squares / df if df else math.nan

    def _covariance(self) -> _Vector:
        found, bread = self.evidence, self.evidence.bread()
        if found.meat is None:
            F = bread.factor
            return self._variance() * (F @ F.T)
        n, df, G = found.n_samples, self._df_residual or math.nan, found.n_groups
        covariance = bread.sandwich(found.meat)
        if found.kind == "HC1":
            covariance *= n / df
        elif found.kind == "cluster":
            covariance *= G / (G - 1) * ((n - 1) / df)
        return covariance

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
