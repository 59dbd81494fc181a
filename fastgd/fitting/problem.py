"""What is minimised: objectives over a training set or its moments, and an inverse of their Hessian."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastgd import arguments
from fastgd.fitting.blas import one_blas_thread
from fastgd.fitting.data import Data
from fastgd.fitting.options import Options
from fastgd.fitting.robust import check_covariance, scored_rows
from fastgd.inputs import validation
from fastgd.moments import Moments
from fastgd.rows.centred_moments import CentredMoments, columns_of, moments_of
from fastgd.rows.compensated_rows import CompensatedRows
from fastgd.rows.factor import factor_of
from fastgd.rows.rows import Rows
from fastgd.rows.sparse_rows import MOST_NOISE
from fastgd.solvers.choose import moments_fit, precomputing_pays
from fastgd.solvers.column_sizes import ColumnSizes
from fastgd.solvers.inverse_hessian import FactorInverse, InverseHessian
from fastgd.solvers.quadratic import Objective, Scales, Sums, Vector
from fastgd.solvers.step_size import MAX_PRODUCTS

# The number of iterations expected where `tol` may end the descent before `max_iter` does.
_EXPECTED_ITER = 100

# If moments leave a larger relative error, and passes do, too, the rows are decomposed.
_FEW_DIGITS = 1e-9

_EPSILON = 2.0**-52


@dataclass
class Inverses:
    """The inverses of the Hessian made so far, which do not depend on the target."""

    from_moments: InverseHessian | None = None
    from_factor: FactorInverse | None = None


class Work(NamedTuple):
    """The passes over rows and the decompositions that problems which differ in their target can share."""

    moments: Callable[[Rows], CentredMoments]
    """Takes the moments, as `moments_of` does."""
    factor: Callable[[Rows, Vector | None], Vector]
    """Decomposes the rows, as `factor_of` does."""
    inverses: Inverses
    """The inverses that the problems before have made."""


class Problem:
    """A least-squares problem, ready to be solved.

    Parameters
    ----------
    data : Data
        The training set, or the moments.
    options : Options
        How to fit it, nothing being left open.
    work : Work, optional
        Passes and decompositions that are shared with other problems.

    Attributes
    ----------
    data, options
        As given.
    theta0 : ndarray of shape (n_parameters,), float64, or None
        Where to start, in the units of X; zeros if None.
    scales : Scales or None
        The sizes of the columns, if they are needed.
    sizes : ColumnSizes or None
        Their lengths in the units of the objective, if they are needed.
    objective : Objective
        The objective whose cost and gradient are the true ones: over the rows, if they can be read again.
    by_moments, compensated : Objective or None
        The objective over the moments, if they were taken, and over the rows in twice the precision, if that is cheap.
    cheapest : Objective
        The objective that takes the least time to evaluate.
    inverse : InverseHessian or None
        An approximate inverse of the Hessian, if there are moments, or it is needed.
    preconditioner : InverseHessian or None
        The same, if the method uses it.
    moments : CentredMoments or None
        The moments, if they were given or taken.
    factor : tuple of (ndarray, ndarray), or None
        R of the features, if the rows were decomposed, and what was taken off them before: their means, or zeros.
    groups : tuple of (ndarray of shape (n_samples,), intp, and int)
        The number of each row's group, and how many groups there are; none unless the covariance is ``"cluster"``.
    scored : ScoredRows or None
        What sums gradients together with scores, for rows that are not in memory and a covariance that is robust.

    Raises
    ------
    ValueError
        If an option does not suit the data, moments are needed and squares exceed float64, a value is not finite, or squares
        fall below float64 in a column whose size is needed.
    """

    def __init__(self, data: Data, options: Options, work: Work | None = None) -> None:
        _check_precompute(data, options)
        self.groups = check_covariance(data, options)
        self.data, self.options, start = data, options, options.theta0
        self.theta0 = None if start is None else validation.starting_point(start, data.n_features, options.intercept)
        work = work or Work(moments_of, factor_of, Inverses())
        self.moments = moments = _moments(data, options, work)
        self.factor: tuple[Vector, Vector] | None = None
        sized = bool(options.tol) or options.method in ("cg", "preconditioned")
        self.scales = _scales(data, moments, needed=sized or options.standardize)
        if self.scales is not None:
            _check_column_scale(data, self.scales, with_y=sized)
        self._scale = arguments.loss_scale(options.loss, data.given.total_weight)
        self.by_moments = None if moments is None else self._over(moments)
        self.scored = scored_rows(data, options, moments)
        rows = self.scored or data.rereadable
        objective = self.by_moments if rows is None else self._over(rows)
        assert objective is not None
        self.objective, self.cheapest = objective, self.by_moments or objective
        self.compensated = self._over(CompensatedRows(data.rows)) if data.is_cheap else None  # type: ignore[arg-type]
        self.sizes = None if self.scales is None else ColumnSizes(objective, self.scales)
        self.inverse = self._inverse(moments, work)
        self.preconditioner = self.inverse if options.method == "preconditioned" else None
        if options.method == "cg" and self.inverse is not None and not self.inverse.trusted:
            self.cheapest = objective  # along what moments take for a dependence, conjugate directions run away

    def _over(self, sums: Sums) -> Objective:
        return Objective(
            sums,
            n_features=self.data.n_features,
            intercept=self.options.intercept,
            scale=self._scale,
            l2=self.options.l2,
            standardize=self.scales if self.options.standardize else None,
        )

    def _inverse(self, moments: CentredMoments | None, work: Work) -> InverseHessian | None:
        """Invert the Hessian that the moments give; if they are not as accurate as needed, decompose the rows."""
        rows, scales, inverse = self.data.rereadable, self.scales, work.inverses.from_moments
        if inverse is None and moments is not None:
            mean, scatter, noise = moments.mean[:-1], moments.scatter[:-1, :-1], noise_of(self.data, moments)
            total_weight = self.data.given.total_weight
            constant = None if self.sizes is None else self.sizes.constant
            inverse = InverseHessian.from_moments(
                self.objective, mean, scatter, total_weight, constant=constant, noise=noise
            )
            work.inverses.from_moments = inverse
        if self.options.method != "preconditioned" or rows is None:
            return inverse
        assert scales is not None
        assert self.sizes is not None
        if inverse is not None and inverse.trusted:
            # The digits that moments lose by squares, and passes over columns far from zero by their size.
            by_moments, by_passes = inverse.condition * _EPSILON, math.sqrt(inverse.condition) * _EPSILON
            enough = by_moments <= _FEW_DIGITS or by_passes * self.sizes.farthest <= _FEW_DIGITS
            if enough or not self.options.intercept:
                return inverse
        centre = np.append(scales.mean, scales.y_mean) if self.options.intercept else None
        with one_blas_thread():
            factor = work.factor(rows, centre)
        self.factor = factor[:, :-1], np.zeros(self.data.n_features)
        if self.options.intercept:
            self.factor = factor[1:, 1:-1], scales.mean + factor[0, 1:-1] / factor[0, 0]
        inverse = FactorInverse(self.objective, scales, factor, rows.n_samples, work.inverses.from_factor)
        work.inverses.from_factor = inverse
        return inverse


def _check_precompute(data: Data, options: Options) -> None:
    if options.precompute is not False or data.rereadable is not None:
        return
    if data.rows is None:
        raise ValueError("precompute=False was given, but Moments have no rows to pass over. Leave it out.")
    raise ValueError(
        "precompute=False was given, but the rows can be read once only. Leave it out, or give from_batches a function "
        "that begins anew."
    )


def _moments(data: Data, options: Options, work: Work) -> CentredMoments | None:
    """Return the moments that were given, or take them if they are needed, requested, or expected to save passes."""
    if isinstance(data.given, Moments):
        return data.given.centred()
    rows = data.given.rows
    # Moments of fewer rows than there are features have no inverse.
    inverted = options.method == "preconditioned" and data.n_samples > data.n_features
    needed = inverted or options.precompute is True or data.rereadable is None
    if not needed and not (options.precompute == "auto" and _precomputing_pays(data, rows, options)):
        return None
    moments = work.moments(rows)
    if np.isfinite(moments.scatter).all():
        return moments
    if needed:
        data.refuse_non_finite()
        validation.refuse_overflow(moments.scatter, data.n_features, data.given.feature_names)
    return None


def _precomputing_pays(data: Data, rows: Rows, options: Options) -> bool:
    if options.method == "preconditioned":  # whose gradients are computed from the rows
        return False
    n_answers = options.max_iter or 0
    if options.tol != 0:
        n_answers = min(n_answers, _EXPECTED_ITER)
    if options.learning_rate in ("auto", "optimal"):
        n_answers += min(data.n_features + options.intercept, MAX_PRODUCTS)
    if not rows.in_memory:  # reading takes longer than computing
        return moments_fit(data.n_features) and n_answers > 2
    return not rows.is_sparse and precomputing_pays(data.n_samples, data.n_features, n_answers)


def _scales(data: Data, moments: CentredMoments | None, *, needed: bool) -> Scales | None:
    """Return the sizes of the columns if they are needed, from the moments if there are any, and otherwise in one pass.

    Without moments that pass is made over all rows that are not in memory: their total weight is known only after one.
    """
    if moments is not None:
        mean, std = moments.columns()
    elif data.rows is not None and (needed or not data.rows.in_memory):
        mean, std = columns_of(data.rows)
    else:
        return None
    return Scales(mean[:-1], std[:-1], mean.item(-1), std.item(-1), data.given.total_weight) if needed else None


def _check_column_scale(data: Data, scales: Scales, *, with_y: bool) -> None:
    """Refuse columns whose squares leave the range of float64."""
    sizes = np.hypot(scales.mean, scales.std)
    if with_y:
        sizes = np.append(sizes, math.hypot(scales.y_mean, scales.y_std))
    root = math.sqrt(scales.total_weight)
    if sizes.min() * min(1.0, root) >= validation.SMALLEST_SIZE and sizes.max() * max(1.0, root) < math.inf:
        return
    if not np.isfinite(sizes).all():
        data.refuse_non_finite()
    nothing = sizes == 0  # or so small that squares and means become zeros
    if nothing.any() and data.rows is not None and data.rows.in_memory:
        sample = data.rows.sample()  # type: ignore[union-attr]  # in memory
        sizes[nothing] = abs(sample).max(axis=0)[: len(sizes)][nothing]
    validation.refuse_extremes(sizes, scales.total_weight, data.n_features, data.given.feature_names)


def noise_of(data: Data, moments: CentredMoments) -> float:
    """Return the roundoff of moments, in units of that of sums about the mean, which for sparse rows is subtracted last."""
    if not data.is_sparse:
        return 1.0
    mean, squares = moments.mean[:-1], np.diagonal(moments.scatter)[:-1] / moments.total_weight
    return 1.0 + min(MOST_NOISE, float(np.divide(mean**2, squares, out=np.zeros_like(mean), where=squares > 0).max()))
