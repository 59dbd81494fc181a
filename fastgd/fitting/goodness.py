"""How good a fit is: sums of squares, R^2, F, and likelihoods."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.fitting import distributions
from fastgd.fitting.evidence import Evidence


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


class Goodness:
    """How good a least-squares fit is, for `FitResult`.

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

    def f_test(self, smaller: "Goodness") -> FTest:
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
