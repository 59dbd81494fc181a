"""The truth of the tests: the mathematics in rational arithmetic, and how far from it float64 may be."""

import math
from fractions import Fraction

import numpy as np

# Errors in units of the unit roundoff u: they were seen below 1, where theory allows the number of terms; above 8 something is
# wrong.
_ALARM = Fraction(8, 2**53)

_SCALES = {"sse": lambda total: 2, "mse": lambda total: 2 / total, "half_mse": lambda total: 1 / total}


def numbers(values):
    """Return floats as the fractions that they are, or as whole numbers, with which all is done in a twentieth of the time."""
    number = np.vectorize(lambda value: int(value) if value.is_integer() else Fraction(value), otypes=[object])
    return number(np.asarray(values, dtype=np.float64))


def _whole(values):
    """Return whole numbers, and by which power of two they are larger."""
    values = numbers(values)
    unit = max((value.denominator for value in values.flat), default=1)
    larger = np.vectorize(lambda value: value.numerator * (unit // value.denominator), otypes=[object])
    return larger(values), unit


def sums(X, y, theta, s=None):
    """Sum s r^2, s r, and s r x_j for each feature j; y=None is a y of zeros."""
    (X, of_X), (theta, of_theta) = _whole(_columns(X)), _whole(np.atleast_1d(theta))
    y, of_y = (0, 1) if y is None else _whole(y)
    s, of_s = (1, 1) if s is None else _whole(s)
    n_features = X.shape[1]
    r = of_y * (X @ theta[-n_features:] + (of_X * theta[0] if len(theta) > n_features else 0)) - of_X * of_theta * y
    of_r, sr = of_X * of_theta * of_y, s * r
    units = [of_s * of_r**2, of_s * of_r] + [of_s * of_r * of_X] * n_features
    return np.array(list(map(Fraction, [sr @ r, sr.sum(), *(sr @ X)], units)), dtype=object)


def cost_and_gradient(X, y, theta, *, loss="mse", sample_weight=None, l2=0.0):
    """Evaluate the objective; there is an intercept where theta is one longer than a row."""
    total = Fraction(len(X)) if sample_weight is None else Fraction(sum(numbers(sample_weight)))
    n_features = _columns(X).shape[1]
    coef = np.atleast_1d(numbers(theta))[-n_features:]
    scaled = _SCALES[loss](total) * sums(X, y, theta, sample_weight)
    gradient = scaled[2 - (np.size(theta) > n_features) :]
    gradient[-n_features:] += 2 * Fraction(l2) * coef
    return scaled[0] / 2 + Fraction(l2) * (coef @ coef), gradient


def sums_bound(X, y, theta, s=None):
    """Bound the rounding errors of the sums: ``c u |X|^T s (|X| |theta| + |y|)``, and alike for r^2 and r."""
    return _ALARM * sums(_size(X), None if y is None else -_size(y), _size(theta), s)


def bounds(X, y, theta, **options):
    """Bound the rounding errors of cost and gradient: the same formulas on magnitudes, where nothing cancels."""
    cost, gradient = cost_and_gradient(_size(X), -_size(y), _size(theta), **options)
    return _ALARM * cost, _ALARM * gradient


def error(got, truth, bound):
    """Measure the largest error, in units of its bound."""
    errors = np.atleast_1d(np.abs(numbers(got) - truth))
    return max(float(e / b) if b else math.inf if e else 0.0 for e, b in zip(errors, np.atleast_1d(bound), strict=True))


def _size(values):
    return np.abs(np.asarray(values, dtype=np.float64))


def _columns(X):
    X = np.asarray(X, dtype=np.float64)
    return X.reshape(len(X), -1)


def least_squares(X, y, *, intercept=True, s=None, l2=0.0, scale=2):
    """Solve scale A^T S A theta + 2 l2 coef = scale A^T S y, with weights of mean 1 in S."""
    (X, of_X), (y, of_y) = _whole(_columns(X)), _whole(y)
    A = np.column_stack((np.full(len(X), of_X, dtype=object), X)) if intercept else X
    s, _ = _whole(np.ones(len(X)) if s is None else s)
    weighted = A.T * s
    rows = np.column_stack((of_y * (weighted @ A), of_X * (weighted @ y))) * Fraction(scale, sum(s))
    n = len(rows)
    rows[range(intercept, n), range(intercept, n)] += 2 * Fraction(l2) * of_X**2 * of_y
    for i in range(n):
        pivot = next(p for p in range(i, n) if rows[p, i])
        rows[[i, pivot]] = rows[[pivot, i]]
        rows[i] = rows[i] / rows[i, i]
        for p in {*range(n)} - {i}:
            rows[p] -= rows[p, i] * rows[i]
    return rows[:, -1].astype(np.float64)


def moments(X, y, s=None):
    """Return the total weight, the means and the scatter of the columns of X and y."""
    (Z, of_Z), (s, of_s) = _whole(np.column_stack((X, y))), _whole(np.ones(len(X)) if s is None else s)
    total, first = sum(s), s @ Z
    scatter = total * ((Z.T * s) @ Z) - np.outer(first, first)
    return Fraction(total, of_s), first * Fraction(1, total * of_Z), scatter * Fraction(1, total * of_s * of_Z**2)


def least_norm(A, b, rank):
    """Solve least squares for the solution of least norm, of a matrix whose rank is known.

    In `numpy.longdouble`, which has eleven bits more than float64 where the processor has such numbers: the columns, scaled to
    the same length, are taken apart by Householder's reflections with pivots, and so is what is left of them after the rank.
    """
    A, b = A.astype(np.longdouble), b.astype(np.longdouble)
    lengths = np.sqrt((A * A).sum(axis=0))
    R, z, order, _ = _reflected(A / np.where(lengths > 0, lengths, 1), b, rank, pivot=True)
    # The rows that are left, in the columns' own units, span where the solution of least norm lies.
    U, _, _, vectors = _reflected((R[:rank] * lengths[order]).T, np.zeros(A.shape[1]), rank, pivot=False)
    w = np.zeros(A.shape[1], dtype=np.longdouble)
    for i in range(rank):
        w[i] = (z[i] - U[:i, i] @ w[:i]) / U[i, i]
    for i in reversed(range(rank)):
        w[i:] -= 2 * vectors[i] * (vectors[i] @ w[i:])
    coef = np.empty_like(w)
    coef[order] = w
    return coef


def _reflected(A, b, rank, *, pivot):
    """Reflect the first columns, or with pivots the longest ones, onto the axes; return A, b, their order, and the mirrors."""
    A, b, order, vectors = A.copy(), b.astype(A.dtype), np.arange(A.shape[1]), []
    for i in range(rank):
        if pivot:
            j = i + int((A[i:, i:] ** 2).sum(axis=0).argmax())
            A[:, [i, j]], order[[i, j]] = A[:, [j, i]], order[[j, i]]
        v = A[i:, i].copy()
        v[0] += np.copysign(np.sqrt(v @ v), v[0])
        v /= np.sqrt(v @ v)
        A[i:, i:] -= 2 * v[:, np.newaxis] * (v @ A[i:, i:])
        b[i:] -= 2 * v * (v @ b[i:])
        vectors.append(v)
    return A, b, order, vectors
