"""What a hypothesis is fitted to: objectives over a training set or its moments, and an inverse of their Hessian."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastgd import arguments
from fastgd.fitting.blas import one_blas_thread
from fastgd.fitting.data import Data
from fastgd.fitting.options import Options
from fastgd.inputs import validation
from fastgd.kernels import tuning
from fastgd.rows.centred_moments import CentredMoments, columns_of, moments_of
from fastgd.rows.compensated_rows import CompensatedRows
from fastgd.rows.factor import factor_of
from fastgd.rows.rows import Rows
from fastgd.solvers.choose import moments_fit, precomputing_pays
from fastgd.solvers.inverse_hessian import InverseHessian
from fastgd.solvers.quadratic import Objective, Scales, Sums
from fastgd.solvers.step_size import MAX_PRODUCTS

_Vector = NDArray[np.float64]

# How many iterations are expected where `tol` may end the descent before `max_iter` does.
_EXPECTED_ITER = 100

# Where moments leave a larger relative error, and passes do, too, the rows are decomposed.
_FEW_DIGITS = 1e-9

_EPSILON = 2.0**-52


class Work:
    """The passes over rows and the decompositions that problems which differ in their target can share.

    Attributes
    ----------
    inverses : dict
        The inverses of the Hessian made so far, by whether they were made from a factor.
    """

    def __init__(self) -> None:
        self.inverses: dict[bool, InverseHessian] = {}

    def moments(self, rows: Rows) -> CentredMoments:
        """Take the moments, as `moments_of` does."""
        return moments_of(rows)

    def factor(self, rows: Rows, centre: _Vector | None) -> _Vector:
        """Decompose the rows, as `factor_of` does."""
        return factor_of(rows, centre)


@dataclass(frozen=True)
class Problem:
    """A least-squares problem, ready to be solved.

    Attributes
    ----------
    data : Data
        The training set, or the moments that were given.
    options : Options
        How to fit it, nothing being left open.
    by_rows, by_moments, compensated : Objective or None
        The objective over the rows; over the moments, where these were taken; and over the rows in twice the precision, where
        that is cheap.
    scales : Scales or None
        The sizes of the columns, where they are needed.
    inverse : InverseHessian or None
        An approximate inverse of the Hessian, where there are moments, or it is needed.
    theta0 : ndarray of shape (n_parameters,), float64, or None
        Where to start, in the units of X.
    """

    data: Data
    options: Options
    by_rows: Objective | None
    by_moments: Objective | None
    compensated: Objective | None
    scales: Scales | None
    inverse: InverseHessian | None = field(repr=False)
    theta0: _Vector | None

    @property
    def objective(self) -> Objective:
        """The objective whose cost and gradient are the true ones."""
        found = self.by_rows or self.by_moments
        assert found is not None
        return found

    @property
    def rank(self) -> int | None:
        """How many parameters are independent; None where that was not determined."""
        looked = self.inverse is not None and self.options.method == "preconditioned"
        return self.inverse.rank if looked and self.inverse is not None else None

    @property
    def cheapest(self) -> Objective:
        """The objective that takes the least time to evaluate."""
        return self.by_moments or self.objective


def build_problem(data: Data, options: Options, work: Work | None = None) -> Problem:
    """Take from the rows what the options need, and make the objectives.

    Parameters
    ----------
    data : Data
        The training set, or moments.
    options : Options
        How to fit it, nothing being left open.
    work : Work, optional
        Passes and decompositions that are shared with other problems.

    Returns
    -------
    Problem
        The problem.

    Raises
    ------
    ValueError
        If an option does not suit the data, moments are needed and squares exceed float64, a value is not finite, or squares
        fall below float64 in a column whose size is needed.
    """
    _check_precompute(data, options)
    start = options.theta0
    theta0 = None if start is None else validation.starting_point(start, data.n_features, options.intercept)
    work = work or Work()
    moments = _moments(data, options, work)
    sized = bool(options.tol) or options.method in ("cg", "preconditioned")
    scales = _scales(data, moments, needed=sized or options.standardize)
    scale = arguments.loss_scale(options.loss, data.total_weight)
    if scales is not None:
        _check_column_scale(data, scales, with_y=sized)

    def over(sums: Sums) -> Objective:
        return Objective(
            sums,
            n_features=data.n_features,
            intercept=options.intercept,
            scale=scale,
            l2=options.l2,
            standardize=scales if options.standardize else None,
        )

    by_rows = over(data.rows) if data.has_rows and data.rows is not None else None
    by_moments = None if moments is None else over(moments)
    compensated = over(CompensatedRows(data.rows)) if data.is_cheap else None  # type: ignore[arg-type]  # in memory
    inverse = _inverse(data, by_rows or by_moments, moments, scales, work, exact=options.method == "preconditioned")
    return Problem(data, options, by_rows, by_moments, compensated, scales, inverse, theta0)


def _check_precompute(data: Data, options: Options) -> None:
    if options.precompute is not False:
        return
    if data.training_set is None:
        raise ValueError("precompute=False was given, but Moments have no rows to pass over. Leave it out.")
    if data.training_set.one_shot:
        raise ValueError(
            "precompute=False was given, but the rows can be read once only. Leave it out, or give from_batches a function "
            "that begins anew."
        )


def _moments(data: Data, options: Options, work: Work) -> CentredMoments | None:
    """Return the moments that were given, or take them if they are needed, requested, or expected to save passes."""
    if data.given is not None:
        return data.given.centred()
    assert data.rows is not None
    # Moments of fewer rows than there are features have no inverse.
    needed = options.method == "preconditioned" and data.n_samples > data.n_features
    needed = needed or options.precompute is True or not data.has_rows
    if not needed and not (options.precompute == "auto" and _precomputing_pays(data, options)):
        return None
    moments = work.moments(data.rows)
    if np.isfinite(moments.scatter).all():
        return moments
    if needed:
        data.refuse_non_finite()
        validation.refuse_overflow(moments.scatter, data.n_features, data.feature_names)
    return None


def _precomputing_pays(data: Data, options: Options) -> bool:
    assert data.rows is not None
    assert options.max_iter is not None
    n_answers = options.max_iter if options.tol == 0 else min(options.max_iter, _EXPECTED_ITER)
    if options.learning_rate in ("auto", "optimal"):
        n_answers += min(data.n_features + options.intercept, MAX_PRODUCTS)
    if options.method == "preconditioned":
        n_answers = 0  # from the moments, apart from their inverse
    if not data.rows.in_memory:  # reading takes longer than computing
        return moments_fit(data.n_features) and n_answers > 2
    return not data.is_sparse and precomputing_pays(data.n_samples, data.n_features, n_answers)


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
    return Scales(mean[:-1], std[:-1], mean.item(-1), std.item(-1), data.total_weight) if needed else None


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
        sample = data.rows.sample(  # type: ignore[union-attr]  # in memory
            max(1, min(tuning.SAMPLED_ROWS, tuning.SAMPLED_VALUES // data.n_features))
        )
        sizes[nothing] = abs(sample).max(axis=0)[: len(sizes)][nothing]
    validation.refuse_extremes(sizes, scales.total_weight, data.n_features, data.feature_names)


def _inverse(
    data: Data,
    objective: Objective | None,
    moments: CentredMoments | None,
    scales: Scales | None,
    work: Work,
    *,
    exact: bool,
) -> InverseHessian | None:
    """Invert the Hessian that the moments give; if it must be exact and they tell too little, decompose the rows."""
    assert objective is not None
    inverse = work.inverses.get(False)
    if inverse is None and moments is not None:
        inverse = work.inverses[False] = objective.inverse_from_moments(
            moments.mean[:-1], moments.scatter[:-1, :-1], data.total_weight, noise=_noise(data, moments)
        )
    if not exact or data.rows is None or not data.has_rows:
        return inverse
    assert scales is not None
    if inverse and inverse.trusted:
        # What moments lose by squares, and passes over columns far from zero by their size.
        by_moments, by_passes = inverse.condition * _EPSILON, math.sqrt(inverse.condition) * _EPSILON
        if by_moments <= _FEW_DIGITS or by_passes * scales.farthest <= _FEW_DIGITS or not objective.intercept:
            return inverse
    centre = np.append(scales.mean, scales.y_mean) if objective.intercept else None
    with one_blas_thread():
        factor = work.factor(data.rows, centre)
    known = work.inverses.get(True)
    inverse = objective.inverse_from_factor(
        centre, factor, total_weight=data.total_weight, n_samples=data.rows.n_samples, known=known
    )
    work.inverses[True] = inverse
    return inverse


def _noise(data: Data, moments: CentredMoments) -> float:
    """Return the roundoff of moments, in units of that of sums about the mean, which for sparse rows is subtracted last."""
    if not data.is_sparse:
        return 1.0
    mean, squares = moments.mean[:-1], np.diagonal(moments.scatter)[:-1] / moments.total_weight
    return 1.0 + float(np.divide(mean**2, squares, out=np.zeros_like(mean), where=squares > 0).max())
