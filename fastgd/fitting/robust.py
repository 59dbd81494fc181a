"""What a robust covariance needs before the fit begins: groups of rows, and sums of scores beside those of gradients."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.fitting.data import Data
from fastgd.fitting.options import Options
from fastgd.inputs.groups import group_numbers
from fastgd.kernels.scores import Leverages
from fastgd.rows.centred_moments import CentredMoments
from fastgd.rows.parts import PartedRows
from fastgd.rows.scores import ScoredRows, Scores
from fastgd.solvers.bread import Bread, bread_of_scatter

# Scores are divided by these powers of 1 - h, h being the leverage of the row.
POWERS = {"HC2": 1, "HC3": 2}


def check_covariance(data: Data, options: Options) -> tuple[NDArray[np.int64], int]:
    """Refuse a robust covariance of what has no residuals; return the number of each row's group, and that of groups."""
    none = np.zeros(0, np.int64), 0
    kind = options.covariance
    if kind in ("auto", "classical"):
        return none
    if data.rereadable is None:
        what = "Moments have no rows" if data.rows is None else "the rows can be read once only"
        raise ValueError(
            f'covariance="{kind}" was given, which is made of residuals, but {what}. Give rows that can be read again, or '
            'covariance="classical".'
        )
    if options.groups is None:
        return none
    if not data.rereadable.in_memory:
        raise ValueError(
            "groups were given, but the rows are not in memory, and groups are known of rows in memory only. Give X and y as "
            "arrays or frames."
        )
    return _groups(options.groups, data.n_samples, data.weights)


def _groups(groups: ArrayLike, n_samples: int, weights: NDArray[np.float64] | None) -> tuple[NDArray[np.int64], int]:
    numbers = group_numbers(groups, n_samples)
    heavy = slice(None) if weights is None else weights > 0
    n_groups = len(np.unique(numbers[heavy]))
    if n_groups < 2:
        raise ValueError(
            "groups puts all rows into one, but at least two are expected. Give the group of each row, or another covariance."
        )
    return numbers, n_groups


def scores_of(kind: str, bread: Bread, y_mean: float) -> Scores:
    """Return which scores the meat of a robust covariance consists of."""
    power = POWERS.get(kind)
    return Scores(
        np.append(bread.mean, y_mean), None if power is None else Leverages(bread.root, bread.total_weight, power)
    )


def scored_rows(data: Data, options: Options, moments: CentredMoments | None) -> ScoredRows | None:
    """Return what sums scores in the same pass as a gradient, for rows whose reading takes longer than computing."""
    rows = data.rereadable
    if (
        options.covariance in ("auto", "classical")
        or moments is None
        or not isinstance(rows, PartedRows)
        or rows.in_memory
    ):
        return None
    bread = bread_of_scatter(
        moments.scatter[:-1, :-1], moments.mean[:-1], moments.total_weight, intercept=options.intercept, rank=None
    )
    return ScoredRows(rows, scores_of(options.covariance, bread, moments.mean.item(-1)))
