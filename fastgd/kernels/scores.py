"""The scores of rows, of whose products robust covariances are made: residuals, corrected by leverages."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from fastgd.kernels.jit import HELPER_FLAGS, compile_cached, readonly
from fastgd.kernels.simd import LANES, Code, int64

_Vector = NDArray[np.float64]

# Before the arrays of `pack`: n_features, the columns of the root, padded, 1 / total_weight, and the power.
N_NUMBERS = 4

# A leverage is 1 if it is nearer to it than rounding could tell.
CERTAIN = 1e-12


class Leverages(NamedTuple):
    """What the leverages of rows are computed from: ``h = s (1 / S + |(x - mean)^T root|^2)``."""

    root: _Vector
    """Shape (n_features, rank)."""
    total_weight: float
    """S; infinite without an intercept."""
    power: int
    """Squares of scores are divided by ``(1 - h)^power``; 1 or 2."""


def _padded(n: int) -> int:
    """Return the next multiple of eight."""
    return -(-n // LANES) * LANES


def intercept_at(theta: _Vector, centre: _Vector) -> float:
    """Return the residual of a row at the centre, of shape (1 + n_features,)."""
    n_features = len(centre) - 1
    intercept = theta.item(0) if len(theta) > n_features else 0.0
    return float(theta[-n_features:] @ centre[:-1]) - centre.item(-1) + intercept


def pack(theta: _Vector, centre: _Vector, leverages: Leverages | None) -> _Vector:
    """Lay out in one array what `scores_of` needs.

    Parameters
    ----------
    theta : ndarray of shape (n_features,) or (1 + n_features,), float64
        The parameters.
    centre : ndarray of shape (1 + n_features,), float64
        What is taken off the features and, last, off y.
    leverages : Leverages, optional
        If squares of scores are divided by what these leave.

    Returns
    -------
    ndarray of shape (n,), float64
        Numbers; the centre; the coefficients of ``(x - centre, y - centre of y, 1)`` in the residual, padded; and the root, row
        by row, padded.
    """
    n_features = len(centre) - 1
    of_lines = np.zeros(_padded(n_features + 2))
    of_lines[:n_features] = theta[-n_features:]
    of_lines[n_features] = -1.0
    of_lines[n_features + 1] = intercept_at(theta, centre)
    if leverages is None:
        return np.concatenate(([n_features, 0.0, 0.0, 0.0], centre, of_lines))
    triangle = np.asarray(np.linalg.qr(leverages.root.T[::-1, ::-1], mode="r")).T[
        ::-1, ::-1
    ]  # with the same root root^T
    root = np.zeros((n_features, -(-n_features // (2 * LANES)) * 2 * LANES))
    root[:, n_features - triangle.shape[1] : n_features] = triangle
    numbers = [n_features, root.shape[1], 1.0 / leverages.total_weight, leverages.power]
    return np.concatenate((numbers, centre, of_lines, root.ravel()))


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def scores_of(Z, packed, s, n_rows, width, scores, lengths):
    """Compute ``s r / (1 - h)^(power / 2)`` of rows.

    Parameters
    ----------
    Z : array of shape (n,), float64
        Lines of this width, ``(x - centre, y - centre of y, 1)`` and zeros; up to seven behind the rows are read, too.
    packed : array of shape (n,), float64
        See `pack`.
    s : array of shape (n_rows,), float64, or None
        The sample weights.
    n_rows, width : int
        The number of rows, and of numbers in a line.
    scores, lengths : array of shape (n,), float64
        Receive them; and ``h / s`` less the share of the intercept, for as many rows, padded to a multiple of eight.
    """
    n_features, n_columns = int(packed[0]), int(packed[1])
    share, power = packed[2], packed[3]
    of_lines = packed[N_NUMBERS + n_features + 1 :]
    _products(Z, of_lines, scores, n_rows, width)
    if s is not None:
        for i in range(n_rows):
            scores[i] = s[i] * scores[i] if s[i] > 0.0 else 0.0  # what has no weight may be infinite
    if n_columns > 0:
        _square_lengths(Z, of_lines[width:], lengths, n_rows, width, n_features, n_columns)
        for i in range(n_rows):
            left = 1.0 - (share + lengths[i]) * (1.0 if s is None else s[i])
            if left <= CERTAIN:
                left = np.nan
            scores[i] /= left if power == 2.0 else np.sqrt(left)


def add_to_groups(values, s, groups, theta, mean, sums):
    """Add the score ``s r (1, x - mean)`` of each row to those of its group.

    Parameters
    ----------
    values : array of shape (n, n_features + 1), float64
        Features and, last, y.
    s : array of shape (n,), float64
        The sample weights.
    groups : array of shape (n,), int64
        The group of each row.
    theta : array of shape (n_features,) or (1 + n_features,), float64
        The parameters.
    mean : array of shape (n_features,), float64
        What is taken off the features.
    sums : array of shape (n_groups, 1 + n_features), float64
        What is added to.
    """
    n_features = mean.shape[0]
    n_free = theta.shape[0] - n_features
    for i in range(values.shape[0]):
        if s[i] > 0.0:  # what has no weight may be infinite
            r = (theta[0] if n_free else 0.0) - values[i, n_features]
            for j in range(n_features):
                r += theta[n_free + j] * values[i, j]
            score, group = s[i] * r, groups[i]
            sums[group, 0] += score
            for j in range(n_features):
                sums[group, 1 + j] += score * (values[i, j] - mean[j])


@cache
def compiled_add_to_groups() -> Callable[..., None]:
    """Return `add_to_groups`, compiled on first use."""
    rows, vector = readonly(types.float64, 2), readonly(types.float64, 1)
    sums = types.Array(types.float64, 2, "C")
    signature = types.void(rows, vector, readonly(types.int64, 1), vector, vector, sums)
    compiled: Callable[..., None] = compile_cached(add_to_groups, signature)
    return compiled


@intrinsic
def _products(_context, Z, v, out, n_rows, width):
    """Write the product of each line of Z with v, for eight lines at a time."""

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        Z, v, out = (code.data(signature.args[place], args[place]) for place in range(3))
        n_rows, width = args[3:5]
        with code.steps(int64(0), _up(code, n_rows), LANES) as i:
            lines = _eight_lines(code, Z, i, width)
            totals = [code.variable(code.zeros()) for _ in range(LANES)]
            with code.steps(int64(0), width, LANES) as j:
                number = code.vector(v, j)
                for line, total in zip(lines, totals, strict=True):
                    total.value = code.multiply_add(code.vector(line, j), number, total.value)
            code.put(code.totals([total.value for total in totals]), out, i)

    return types.void(Z, v, out, n_rows, width), generate


@intrinsic
def _square_lengths(_context, Z, R, out, n_rows, width, n_features, n_columns):
    """Write the squared length of each line of Z times R, for eight lines at a time.

    R is upper triangular, of shape (n_features, n_columns), and its number of columns a multiple of sixteen.
    """

    def generate(context, builder, signature, args):
        code = Code(context, builder)
        Z, R, out = (code.data(signature.args[place], args[place]) for place in range(3))
        n_rows, width, n_features, n_columns = args[3:7]
        with code.steps(int64(0), _up(code, n_rows), LANES) as i:
            lines = _eight_lines(code, Z, i, width)
            squares = [code.variable(code.zeros()) for _ in range(LANES)]
            with code.steps(int64(0), n_columns, 2 * LANES) as column:
                products = [[code.variable(code.zeros()) for _ in range(2)] for _ in range(LANES)]
                behind = code.add(column, int64(2 * LANES))
                last = code.select(code.icmp_signed("<", behind, n_features), behind, n_features)
                with code.steps(int64(0), last, 1) as j:
                    at = code.add(code.mul(j, n_columns), column)
                    of_feature = [code.vector(R, code.add(at, int64(lane))) for lane in (0, LANES)]
                    for line, pair in zip(lines, products, strict=True):
                        x = code.splat(code.number(code.gep(line, [j]), 0))
                        for product, root in zip(pair, of_feature, strict=True):
                            product.value = code.multiply_add(x, root, product.value)
                for pair, square in zip(products, squares, strict=True):
                    for product in pair:
                        square.value = code.multiply_add(product.value, product.value, square.value)
            code.put(code.totals([square.value for square in squares]), out, i)

    return types.void(Z, R, out, n_rows, width, n_features, n_columns), generate


def _eight_lines(code: Code, Z: Any, i: Any, width: Any) -> list[Any]:
    return [code.gep(Z, [code.mul(code.add(i, int64(m)), width)]) for m in range(LANES)]


def _up(code: Code, n: Any) -> Any:
    """Return the next multiple of eight."""
    return code.and_(code.add(n, int64(LANES - 1)), int64(-LANES))
