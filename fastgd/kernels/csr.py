"""Sparse rows: what their stored values add to each sum. The zeros are never looked at."""

from functools import cache
from typing import Any

from numba import njit, types

from fastgd.kernels.jit import HELPER_FLAGS, compile_cached, readonly

_NUMBERS = {"d": types.float64, "f": types.float32}
_INDICES = {"i": types.int32, "l": types.int64}


def csr_gradient(matrix, start, stop, y, s, theta, sums):
    """Write sum s r^2, sum s r, and sum s r x_j for each feature j, over rows start to stop; y and s hold these only.

    The matrix is (data, indices, indptr). theta begins with an intercept where it is one longer than there are features.
    Without y the residual is the hypothesis itself.
    """
    data, indices, indptr = matrix
    for j in range(sums.shape[0]):
        sums[j] = 0.0
    first = theta.shape[0] - (sums.shape[0] - 2)
    coef, gradient = theta[first:], sums[2:]
    for i in range(stop - start):
        begin, end = indptr[start + i], indptr[start + i + 1]
        r = _dot(data[begin:end], indices[begin:end], coef)
        if first:
            r += theta[0]
        if y is not None:
            r -= y[i]
        weighted = r if s is None else s[i] * r
        sums[0] += weighted * r
        sums[1] += weighted
        _scatter(data[begin:end], indices[begin:end], weighted, gradient)


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def _dot(data, indices, coef):
    """Return the sum of products in four sums, as each waits for its own last one."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    n_whole = data.shape[0] // 4 * 4
    for v in range(0, n_whole, 4):
        a += data[v] * coef[indices[v]]
        b += data[v + 1] * coef[indices[v + 1]]
        c += data[v + 2] * coef[indices[v + 2]]
        d += data[v + 3] * coef[indices[v + 3]]
    for v in range(n_whole, data.shape[0]):
        a += data[v] * coef[indices[v]]
    return (a + b) + (c + d)


@njit(**HELPER_FLAGS)  # type: ignore[call-overload]
def _scatter(data, indices, factor, sums):
    for v in range(data.shape[0]):
        sums[indices[v]] += factor * data[v]


def csr_spread(matrix, start, stop, y, s, centre, sums):
    """Write sum s, and for each column, y last, sum s (z - centre) and sum s (z - centre)^2 over the stored values.

    What the zeros of X add is for the caller to say, who is told the weight of the stored values of each feature, last.
    """
    data, indices, indptr = matrix
    n_features = centre.shape[0] - 1
    for j in range(sums.shape[0]):
        sums[j] = 0.0
    first, second, stored = sums[1:], sums[n_features + 2 :], sums[2 * n_features + 3 :]
    for i in range(stop - start):
        weight = 1.0 if s is None else s[i]
        if weight > 0.0:
            sums[0] += weight
            distance = y[i] - centre[n_features]
            first[n_features] += weight * distance
            second[n_features] += weight * distance * distance
            for v in range(indptr[start + i], indptr[start + i + 1]):
                j = indices[v]
                distance = data[v] - centre[j]
                first[j] += weight * distance
                second[j] += weight * distance * distance
                stored[j] += weight


def csr_moments(matrix, start, stop, y, s, centre, sums):
    """Write the sum of s z z^T with z = (x, y, 1) as a matrix row by row; the centre is for the caller to take off."""
    data, indices, indptr = matrix
    n_features = centre.shape[0] - 1
    width = n_features + 2
    for j in range(width * width):
        sums[j] = 0.0
    for i in range(stop - start):
        weight = 1.0 if s is None else s[i]
        begin, end = indptr[start + i], indptr[start + i + 1]
        for v in range(begin, end):
            weighted = weight * data[v]
            line = sums[indices[v] * width : (indices[v] + 1) * width]
            _scatter(data[begin:end], indices[begin:end], weighted, line)
            line[n_features] += weighted * y[i]
            line[n_features + 1] += weighted
        last = n_features * width
        sums[last + n_features] += weight * y[i] * y[i]
        sums[last + n_features + 1] += weight * y[i]
        sums[last + width + n_features + 1] += weight


# What there is of sparse sums: each function, and whether it can do without y.
FUNCTIONS: tuple[tuple[Any, bool], ...] = (
    (csr_gradient, False),
    (csr_gradient, True),
    (csr_spread, True),
    (csr_moments, True),
)


@cache
def compiled_csr(function: Any, number: str, index: str, with_y: bool, weighted: bool) -> Any:
    """Compile one of these on first use.

    Parameters
    ----------
    function : callable
        `csr_gradient`, `csr_spread` or `csr_moments`.
    number, index : str
        The dtype characters of data, "d" or "f", and of indices and indptr, "i" or "l".
    with_y, weighted : bool
        Whether there are y and sample weights, both float64.

    Returns
    -------
    callable
        The compiled function.
    """
    places = readonly(_INDICES[index], 1)
    vector = readonly(types.float64, 1)
    return compile_cached(
        function,
        types.void(
            types.Tuple((readonly(_NUMBERS[number], 1), places, places)),
            types.intp,
            types.intp,
            vector if with_y else types.none,
            vector if weighted else types.none,
            vector,
            types.Array(types.float64, 1, "C"),
        ),
    )
