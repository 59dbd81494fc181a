"""The truth of the tests: the mathematics in rational arithmetic, and how far from it float64 may be."""

import math
from fractions import Fraction

import numpy as np

# Errors in units of the unit roundoff u: they were seen below 1, where theory allows the number of terms; above 8 something is
# wrong.
_ALARM = Fraction(8, 2**53)

_SCALES = {"sse": lambda total: 2, "mse": lambda total: 2 / total, "half_mse": lambda total: 1 / total}


def numbers(values):
    """Return floats as the fractions that they are, or whole numbers, which are 20 times as fast."""
    return np.vectorize(lambda value: int(value) if value.is_integer() else Fraction(value), otypes=[object])(
        np.asarray(values, dtype=np.float64)
    )


def sums(X, y, theta, s=None):
    """Sum s r^2, s r, and s r x_j for each feature j; y=None is a y of zeros."""
    X, theta = _columns(X), np.atleast_1d(numbers(theta))
    n_features = X.shape[1]
    r = X @ theta[-n_features:] + (theta[0] if len(theta) > n_features else 0) - (0 if y is None else numbers(y))
    sr = r if s is None else numbers(s) * r
    return np.array([sr @ r, sr.sum(), *(sr @ X)], dtype=object)


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
    X = numbers(X)
    return X.reshape(len(X), -1)


def least_squares(X, y, *, intercept=True, s=None, l2=0.0, scale=2):
    """Solve scale A^T S A theta + 2 l2 coef = scale A^T S y, with weights of mean 1 in S."""
    A = _columns(X)
    A = np.column_stack((np.ones(len(A), dtype=int), A)) if intercept else A
    weights = numbers(np.ones(len(A)) if s is None else s)
    weighted = A.T * weights * (Fraction(scale) / sum(weights))
    rows = np.column_stack((weighted @ A, weighted @ numbers(y)))
    n = len(rows)
    rows[range(intercept, n), range(intercept, n)] += 2 * Fraction(l2)
    for i in range(n):
        pivot = next(p for p in range(i, n) if rows[p, i])
        rows[[i, pivot]] = rows[[pivot, i]]
        rows[i] = rows[i] / rows[i, i]
        for p in {*range(n)} - {i}:
            rows[p] -= rows[p, i] * rows[i]
    return rows[:, -1].astype(np.float64)


def moments(X, y, s=None):
    """Return the total weight, the means and the scatter of the columns of X and y."""
    Z = numbers(np.column_stack((X, y)))
    weights = numbers(np.ones(len(Z)) if s is None else s)
    total = Fraction(sum(weights))
    mean = weights @ Z / total
    return total, mean, ((Z - mean).T * weights) @ (Z - mean)


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
