"""What a hypothesis is fitted to: rows, or moments, or both once these have been taken."""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.fitting.blas import one_blas_thread
from fastgd.inputs import validation
from fastgd.inputs.source import Source
from fastgd.inputs.training_set import home_of
from fastgd.moments import Moments
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.compensated import CompensatedRows
from fastgd.rows.factor import factor_of
from fastgd.rows.moments import CentredMoments, columns_of, moments_of
from fastgd.rows.parts import PartedRows, Watch
from fastgd.rows.rows import Rows
from fastgd.rows.sparse import SparseRows
from fastgd.solvers.choose import moments_fit, precomputing_pays
from fastgd.solvers.inverse_hessian import InverseHessian
from fastgd.solvers.objective import Objective, Scales, Sums

# In so many rows it is looked whether a column that seems to hold zeros only holds what is too small to be squared.
_LOOKED_AT, _LOOKED_AT_VALUES = 1000, 1 << 20

# Where moments leave a larger relative error, and passes do, too, the rows are decomposed.
_FEW_DIGITS = 1e-9

# Up to so many values a pass takes less than a millisecond, and is repeated for a last digit.
_CHEAP_VALUES = 1 << 20


class Problem:
    """A training set, or the moments of one, and the objectives over what stands for it.

    Parameters
    ----------
    X : array_like, Moments or Source
        The features, or the moments, or what gives features, target and weights.
    y, sample_weight : array_like, optional
        Target and weights; none beside moments.
    n_threads : int, optional
        How many threads a pass may take.
    precompute : bool or "auto"
        Whether the moments shall be taken.
    take_moments : callable, optional
        Takes them of rows, where that is not `moments_of`.
    factor_of : callable, optional
        Decomposes rows, where that is not `fastgd.rows.factor.factor_of`.
    inverses : dict, optional
        The inverses of the Hessian, by whether they are exact, once made: problems that differ in their target may share them.

    Attributes
    ----------
    n_features, n_samples : int
        The shape of X.
    total_weight : float
        ``sum s``.
    note : str
        What a source has to say of how it was read.
    has_rows : bool
        Whether there are rows to pass over, once the moments have been taken.
    is_sparse : bool
        Whether the features are sparse.
    cheap : bool
        Whether a pass over the rows costs next to nothing.
    final, quick, precise : Objective
        Over the rows; over the moments where these were taken; and over the rows with twice the precision where that is cheap.
        Each is one of the others where it is not there.
    scales : Scales or None
        The sizes of the columns, if they were asked for.
    """

    final: Objective
    quick: Objective
    precise: Objective
    scales: Scales | None

    def __init__(
        self,
        X: ArrayLike | Moments | Source,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        n_threads: int | None,
        precompute: bool | str,
        *,
        take_moments: Callable[[Rows], CentredMoments] | None = None,
        factor_of: Callable[[Rows, NDArray[np.float64] | None], NDArray[np.float64]] = factor_of,
        inverses: dict[bool, InverseHessian] | None = None,
    ) -> None:
        self._moments_of = take_moments or moments_of
        self._factor_of = factor_of
        self._inverses = {} if inverses is None else inverses
        self._rows: Rows | None = None
        self._moments: CentredMoments | None = None
        self._one_shot = False
        self._precompute = precompute
        self._columns: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._source = X if isinstance(X, Source) else None
        self._names: list[Any] | None = None
        self.note = X.note if isinstance(X, Source) else ""
        if isinstance(X, Moments):
            if y is not None or sample_weight is not None:
                raise TypeError(
                    "Moments were given, and y or sample_weight, which they hold already. Give the moments only."
                )
            if precompute is False:
                raise ValueError("precompute=False was given, but Moments have no rows to pass over. Leave it out.")
            self._moments, self._names = X.centred(), X.feature_names
            self.n_samples, self.n_features, self.total_weight = X.n_samples, X.n_features, X.total_weight
        else:
            home = home_of(X, y, sample_weight, n_threads)
            if home.one_shot and precompute is False:
                raise ValueError(
                    "precompute=False was given, but the rows can be read once only. Leave it out, or give from_batches a "
                    "function that begins anew."
                )
            self._rows = rows = home.rows
            self._one_shot = home.one_shot
            self.n_features, self._names = rows.n_features, home.feature_names
            self.total_weight = home.total_weight or math.nan
            self.n_samples = (rows.n_expected or sys.maxsize) if isinstance(rows, PartedRows) else rows.n_samples
        self.has_rows = self._rows is not None and not self._one_shot
        self.is_sparse = isinstance(self._rows, SparseRows)
        in_memory = not isinstance(self._rows, PartedRows)
        self.cheap = self.has_rows and in_memory and self.n_samples * self.n_features <= _CHEAP_VALUES

    @property
    def feature_names(self) -> list[Any] | None:
        """The labels of the features; of a source, as far as it has been read."""
        return self._names if self._source is None else self._source.feature_names

    def take_moments(self, needed: bool, n_answers: int) -> None:
        """Take the moments in one pass, if they are needed or asked for, or are expected to save passes.

        Of rows that are not all in memory the total weight is known only after a pass: where no moments are taken, means and
        spreads are.

        Parameters
        ----------
        needed : bool
            Whether it cannot go without.
        n_answers : int
            How many gradients and products are expected.

        Raises
        ------
        ValueError
            If they are needed and the squares exceed float64, or a value is not finite.
        """
        rows = self._rows
        if rows is None:
            return
        # Moments of fewer rows than there are features have no inverse.
        needed = (needed and self.n_samples > self.n_features) or self._precompute is True or self._one_shot
        if needed or (self._precompute == "auto" and self._precomputing_pays(n_answers)):
            moments = self._moments_of(rows)
            if np.isfinite(moments.scatter).all():
                self._moments = moments
            elif needed:
                self.refuse_non_finite()
                validation.refuse_overflow(moments.scatter, self.n_features, self.feature_names)
        elif isinstance(rows, PartedRows):
            self._columns = columns_of(rows)
        if isinstance(rows, PartedRows):
            self.total_weight = rows.total_weight

    def state(self, *, intercept: bool, scale: float, l2: float, standardize: bool, sized: bool) -> None:
        """Make the objectives.

        Parameters
        ----------
        intercept : bool
            Whether the hypothesis has an intercept.
        scale, l2 : float
            As of `Objective`.
        standardize : bool
            Whether features are standardised.
        sized : bool
            Whether the sizes of the columns are needed in any case, that of y among them.

        Raises
        ------
        ValueError
            If a value is not finite, or squares exceed float64 or fall below it, in a column whose size is needed.
        """
        self.scales = self._sizes() if sized or standardize else None
        if self.scales is not None:
            self._refuse_extremes(self.scales, with_y=sized)

        def over(sums: Sums) -> Objective:
            return Objective(
                sums,
                n_features=self.n_features,
                intercept=intercept,
                scale=scale,
                l2=l2,
                standardize=self.scales if standardize else None,
            )

        by_rows = over(self._rows) if self._rows is not None and self.has_rows else None
        by_moments = None if self._moments is None else over(self._moments)
        self.final = by_rows or by_moments  # type: ignore[assignment]  # one of them is there
        self.quick = by_moments or self.final
        self.precise = self.final
        if self.cheap and not isinstance(self._rows, PartedRows | None):
            self.precise = over(CompensatedRows(self._rows))

    def inverse_hessian(self, *, exact: bool) -> InverseHessian | None:
        """Approximate the inverse of the Hessian, if there are moments, or it is needed.

        Parameters
        ----------
        exact : bool
            Whether to decompose the rows where the moments cannot tell small curvatures from none.

        Returns
        -------
        InverseHessian or None
            The inverse.
        """
        inverse = self._inverses.get(False)
        if inverse is None and self._moments is not None:
            mean, scatter = self._moments.mean[:-1], self._moments.scatter[:-1, :-1]
            # The mean is taken off the sums of sparse rows, at the cost of digits, and off all others before these are summed.
            squares = np.diagonal(scatter) / self.total_weight
            lost = np.divide(mean**2, squares, out=np.zeros_like(mean), where=squares > 0)
            noise = 1.0 + (float(lost.max()) if self.is_sparse else 0.0)
            inverse = self.final.inverse_from_moments(mean, scatter, self.total_weight, noise=noise)
            self._inverses[False] = inverse
        if not exact or self._rows is None or not self.has_rows:
            return inverse
        assert self.scales is not None
        if inverse and inverse.trusted and not self._passes_lose_more(inverse.condition, self.scales):
            return inverse
        centre = np.append(self.scales.mean, self.scales.y_mean) if self.final.intercept else None
        with one_blas_thread():
            factor = self._factor_of(self._rows, centre)
        inverse = self.final.inverse_from_factor(
            centre,
            factor,
            total_weight=self.total_weight,
            n_samples=self.n_samples,
            known=self._inverses.get(True),
        )
        self._inverses[True] = inverse
        return inverse

    @property
    def has_moments(self) -> bool:
        """Whether there are moments, so that `quick` is over these."""
        return self._moments is not None

    def count_passes(self) -> int:
        """Return how many times the rows were read."""
        return 0 if self._rows is None else self._rows.n_passes

    def show_passes(self, watch: Watch | None) -> None:
        """Let somebody see how far each pass has come, if the rows are not in memory.

        Parameters
        ----------
        watch : Watch or None
            Who.
        """
        if isinstance(self._rows, PartedRows):
            self._rows.watch = watch

    def count_dropped(self) -> int:
        """Return how many rows were left out, as they had missing values."""
        return self._rows.n_dropped if isinstance(self._rows, PartedRows) else 0

    def refuse_non_finite(self) -> None:
        """Name the first number that is not finite, if there is one.

        Raises
        ------
        ValueError
            If there is one.
        """
        if self._rows is not None:
            place, need = self._rows.first_non_finite(), "a fit needs finite numbers"
            validation.refuse_non_finite(place, self.n_features, need, self.feature_names)

    def _passes_lose_more(self, condition: float, scales: Scales) -> bool:
        """Tell whether columns are so far from zero that passes over them cannot mend what moments lose by squares."""
        if not self.final.intercept:
            return False
        far = np.divide(abs(scales.mean), scales.std, out=np.zeros_like(scales.std), where=scales.std > 0).max()
        return bool(min(condition, math.sqrt(condition) * far) * np.finfo(np.float64).eps > _FEW_DIGITS)

    def _precomputing_pays(self, n_answers: int) -> bool:
        if isinstance(self._rows, PartedRows):  # to read them takes longer than to compute
            return moments_fit(self.n_features) and n_answers > 2
        return not self.is_sparse and precomputing_pays(self.n_samples, self.n_features, n_answers)

    def _refuse_extremes(self, scales: Scales, *, with_y: bool) -> None:
        sizes = np.hypot(scales.mean, scales.std)
        if with_y:
            sizes = np.append(sizes, math.hypot(scales.y_mean, scales.y_std))
        root = math.sqrt(scales.total_weight)
        if sizes.min() * min(1.0, root) >= validation.SMALLEST_SIZE and sizes.max() * max(1.0, root) < math.inf:
            return
        if not np.isfinite(sizes).all():
            self.refuse_non_finite()
        nothing = sizes == 0  # or what squares and means make zeros of
        if nothing.any() and isinstance(self._rows, ArrayRows | SparseRows):
            looked_at = self._rows.sample(max(1, min(_LOOKED_AT, _LOOKED_AT_VALUES // self.n_features)))
            sizes[nothing] = abs(looked_at).max(axis=0)[: len(sizes)][nothing]
        validation.refuse_extremes(sizes, scales.total_weight, self.n_features, self.feature_names)

    def _sizes(self) -> Scales:
        """Return the sizes of the columns, by the moments if they are there and else in one pass."""
        if self._moments is not None:
            mean, std = self._moments.columns()
        else:
            assert self._rows is not None
            mean, std = self._columns or columns_of(self._rows)
        return Scales(mean[:-1], std[:-1], mean.item(-1), std.item(-1), self.total_weight)
