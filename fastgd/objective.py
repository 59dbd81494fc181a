"""The objective and its gradient, each in one pass over the training set."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.inputs import validation
from fastgd.inputs.source import Source
from fastgd.inputs.training_set import open_training_set
from fastgd.kernels.penalty import compiled_add_penalty
from fastgd.rows.short import short_pass

_Vector = NDArray[np.float64]

_LOSSES = arguments.LOSSES

# The default is recognised by identity, as a comparison would take an array for a number.
_NO_PENALTY = 0.0


def cost(
    X: ArrayLike | Source,
    y: ArrayLike | None,
    theta: ArrayLike,
    *,
    intercept: bool = False,
    loss: str = "mse",
    sample_weight: ArrayLike | None = None,
    l2: float = _NO_PENALTY,
    n_threads: int | None = None,
) -> float:
    """Compute the cost of a linear hypothesis on a training set.

    With ``r_i = h(x_i) - y_i``, where ``h(x) = theta . x``, or ``h(x) = theta[0] + theta[1:] . x`` with an intercept,

    - ``"mse"``: ``J = 1/S sum s_i r_i^2``, with S the sum of the sample weights s_i (or the number of rows),
    - ``"half_mse"``: ``J = 1/(2 S) sum s_i r_i^2`` [1]_,
    - ``"sse"``: ``J = sum s_i r_i^2``,

    to which ``l2 * |coef|^2`` is added; the intercept is never penalised.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples,), real, data frame, sparse matrix, or source
        The features; a 1-D X is one feature. Read in place where it is float64 or float32, and never modified. What
        `scan_parquet`, `scan_csv` and `from_batches` return holds target and weights, too.
    y : array_like of shape (n_samples,), real
        The target; None where X holds it.
    theta : array_like of shape (n_features,) or (1 + n_features,), real
        The parameters, the intercept first. A number where there is one parameter.
    intercept : bool, default False
        Whether the hypothesis has an intercept.
    loss : {"mse", "half_mse", "sse"}, default "mse"
        The loss.
    sample_weight : array_like of shape (n_samples,), real, optional
        How much each row counts; finite, >= 0, not all zero. 1 each by default.
    l2 : float, default 0.0
        The penalty on the squared coefficients, >= 0.
    n_threads : int, optional
        How many threads to take, >= 1; see `get_num_threads`. The result does not depend on it, to the bit.

    Returns
    -------
    float
        The cost; NaN or inf where the data hold NaN or inf, or where it exceeds float64.

    Raises
    ------
    TypeError
        If X, y, theta or sample_weight does not hold real numbers that fit into float64.
    ValueError
        If shapes do not fit together, X is empty, or an option is out of its range.

    References
    ----------
    .. [1] A. Ng, "CS229 Lecture Notes", Stanford University, part I.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.cost([1.0, 2.0, 3.0], [2.0, 4.0, 7.0], 2.0, loss="sse")
    1.0
    """
    factor = _LOSSES.get(loss) if type(loss) is str else None
    sums = short_pass(X, y, theta, intercept, factor, sample_weight)
    if sums is not None and l2 is _NO_PENALTY and n_threads is None:
        return 0.5 * sums.item(0)
    sums, penalty = _summed(sums, (X, y, sample_weight), theta, intercept, loss, l2, n_threads)
    return 0.5 * sums.item(0) + penalty


def gradient(
    X: ArrayLike | Source,
    y: ArrayLike | None,
    theta: ArrayLike,
    *,
    intercept: bool = False,
    loss: str = "mse",
    sample_weight: ArrayLike | None = None,
    l2: float = _NO_PENALTY,
    n_threads: int | None = None,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Compute the gradient of the cost with respect to theta, in one pass over the training set.

    It is ``c sum s_i r_i x_i`` with c = 2/S for ``"mse"``, 1/S for ``"half_mse"`` and 2 for ``"sse"``, plus ``2 l2 coef``,
    where x_i stands for (1, x_i) if there is an intercept; see `cost` for the rest.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples,), real, data frame, sparse matrix, or source
        The features; a 1-D X is one feature. Read in place where it is float64 or float32, and never modified. What
        `scan_parquet`, `scan_csv` and `from_batches` return holds target and weights, too.
    y : array_like of shape (n_samples,), real
        The target; None where X holds it.
    theta : array_like of shape (n_features,) or (1 + n_features,), real
        The parameters, the intercept first. A number where there is one parameter.
    intercept : bool, default False
        Whether the hypothesis has an intercept.
    loss : {"mse", "half_mse", "sse"}, default "mse"
        The loss.
    sample_weight : array_like of shape (n_samples,), real, optional
        How much each row counts; finite, >= 0, not all zero. 1 each by default.
    l2 : float, default 0.0
        The penalty on the squared coefficients, >= 0.
    n_threads : int, optional
        How many threads to take, >= 1; see `get_num_threads`. The result does not depend on it, to the bit.
    out : ndarray of the shape of theta, float64, optional
        Where to write the gradient; it must not share memory with the input.

    Returns
    -------
    ndarray of the shape of theta, float64
        The gradient (`out` if that was given); NaN or inf where the data hold NaN or inf.

    Raises
    ------
    TypeError
        If X, y, theta or sample_weight does not hold real numbers that fit into float64, or out is not float64.
    ValueError
        If shapes do not fit together, X is empty, an option is out of its range, or out cannot be written.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.gradient([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]], [2.0, 4.0, 7.0], [0.0, 2.0], loss="sse")
    array([-2., -6.])
    """
    factor = _LOSSES.get(loss) if type(loss) is str else None
    sums = short_pass(X, y, theta, intercept, factor, sample_weight)
    if sums is not None and l2 is _NO_PENALTY and n_threads is None and out is None:
        return sums[1:] if intercept else sums[2:]
    sums, _ = _summed(sums, (X, y, sample_weight), theta, intercept, loss, l2, n_threads, out)
    return _given_back(sums[1:] if intercept else sums[2:], theta, out)


def cost_and_gradient(
    X: ArrayLike | Source,
    y: ArrayLike | None,
    theta: ArrayLike,
    *,
    intercept: bool = False,
    loss: str = "mse",
    sample_weight: ArrayLike | None = None,
    l2: float = _NO_PENALTY,
    n_threads: int | None = None,
    out: NDArray[np.float64] | None = None,
) -> tuple[float, NDArray[np.float64]]:
    """Compute the cost and its gradient together, in one pass over the training set.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples,), real, data frame, sparse matrix, or source
        The features; a 1-D X is one feature. Read in place where it is float64 or float32, and never modified. What
        `scan_parquet`, `scan_csv` and `from_batches` return holds target and weights, too.
    y : array_like of shape (n_samples,), real
        The target; None where X holds it.
    theta : array_like of shape (n_features,) or (1 + n_features,), real
        The parameters, the intercept first. A number where there is one parameter.
    intercept : bool, default False
        Whether the hypothesis has an intercept.
    loss : {"mse", "half_mse", "sse"}, default "mse"
        The loss; `cost` has the formulas.
    sample_weight : array_like of shape (n_samples,), real, optional
        How much each row counts; finite, >= 0, not all zero. 1 each by default.
    l2 : float, default 0.0
        The penalty on the squared coefficients, >= 0.
    n_threads : int, optional
        How many threads to take, >= 1; see `get_num_threads`. The result does not depend on it, to the bit.
    out : ndarray of the shape of theta, float64, optional
        Where to write the gradient; it must not share memory with the input.

    Returns
    -------
    cost : float
        See `cost`.
    gradient : ndarray of the shape of theta, float64
        See `gradient`.

    Raises
    ------
    TypeError
        If X, y, theta or sample_weight does not hold real numbers that fit into float64, or out is not float64.
    ValueError
        If shapes do not fit together, X is empty, an option is out of its range, or out cannot be written.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.cost_and_gradient([1.0, 2.0, 3.0], [2.0, 4.0, 7.0], [2.0], loss="sse")
    (1.0, array([-6.]))
    """
    factor = _LOSSES.get(loss) if type(loss) is str else None
    sums = short_pass(X, y, theta, intercept, factor, sample_weight)
    if sums is not None and l2 is _NO_PENALTY and n_threads is None and out is None:
        return 0.5 * sums.item(0), sums[1:] if intercept else sums[2:]
    sums, penalty = _summed(sums, (X, y, sample_weight), theta, intercept, loss, l2, n_threads, out)
    return 0.5 * sums.item(0) + penalty, _given_back(sums[1:] if intercept else sums[2:], theta, out)


def _summed(
    sums: _Vector | None,
    data: tuple[Any, Any, Any],
    theta: Any,
    intercept: bool,
    loss: str,
    l2: float,
    n_threads: int | None,
    out: NDArray[np.float64] | None = None,
) -> tuple[_Vector, float]:
    """Check the arguments, sum over the rows unless `short_pass` has, and add the penalty's gradient; return its cost, too."""
    n_threads, l2 = arguments.thread_count(n_threads), arguments.penalty(l2)
    if sums is not None:  # the arrays have been checked, too
        parameters = theta
        if out is not None:
            validation.output(out, theta.shape, (*data, theta))
    else:
        intercept = arguments.switch(intercept, "intercept")
        training_set = open_training_set(*data, n_threads)
        rows = training_set.rows
        given = validation.real_array(theta, "theta")
        parameters = validation.parameters(given, rows.n_features, intercept)
        scale = arguments.loss_scale(loss, rows.total_weight or 1.0)
        if out is not None:
            validation.output(out, given.shape, (*training_set.arrays, given))
        sums = rows.gradient(parameters, scale)
        if not rows.in_memory:  # their total weight is known only now
            sums *= arguments.loss_scale(loss, rows.total_weight) / scale
    return sums, compiled_add_penalty()(sums, parameters, l2) if l2 else 0.0


def _given_back(gradient: _Vector, theta: ArrayLike, out: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return a gradient in the shape of theta, or write it to `out`."""
    if out is not None:
        out[...] = gradient
        return out
    return gradient if type(theta) is np.ndarray and theta.ndim else gradient.reshape(np.shape(theta))
