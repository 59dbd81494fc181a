"""The same mathematics in plain numpy: to be read, to be checked against, and to be measured against.

Every formula here is the derivative of the mean squared error ``J = 1/n sum_i (h(x_i) - y_i)^2`` by one of its weights,

    dJ/dw_j = 2/n sum_i (h(x_i) - y_i) x_ij,

because ``h(x) = sum_j w_j x_j`` changes by x_j where w_j changes by 1, and the chain rule brings the 2 and the residual
down. It is written first for one, two, three and k weights, one sum for each weight, as one derives it by hand; then with
matrices; then in the general form that `fastgd.gradient` computes in one pass.

Nothing is checked here, and X, y and weights must be numpy arrays of floats.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def gradient_one_weight(x: Array, y: Array, w: float) -> float:
    """Compute the gradient for ``h(x) = w x``.

    Parameters
    ----------
    x, y : ndarray of shape (n_samples,), float64
        Feature and target.
    w : float
        The weight.

    Returns
    -------
    float
        ``2/n sum_i (w x_i - y_i) x_i``.

    Examples
    --------
    >>> import numpy as np
    >>> float(gradient_one_weight(np.array([1.0, 2.0]), np.array([3.0, 6.0]), 2.0))
    -5.0
    """
    n = len(x)
    return 2 / n * np.sum((w * x - y) * x)


def gradient_two_weights(x: Array, y: Array, theta0: float, theta1: float) -> tuple[float, float]:
    """Compute the gradient for ``h(x) = theta0 + theta1 x``.

    Parameters
    ----------
    x, y : ndarray of shape (n_samples,), float64
        Feature and target.
    theta0, theta1 : float
        Intercept and slope.

    Returns
    -------
    d_theta0, d_theta1 : float
        ``2/n sum_i r_i`` and ``2/n sum_i r_i x_i`` with ``r_i = theta0 + theta1 x_i - y_i``: the intercept's x is 1.
    """
    n = len(x)
    r = theta0 + theta1 * x - y
    return 2 / n * np.sum(r), 2 / n * np.sum(r * x)


def gradient_three_weights(
    x1: Array, x2: Array, y: Array, theta0: float, theta1: float, theta2: float
) -> tuple[float, float, float]:
    """Compute the gradient for ``h(x) = theta0 + theta1 x1 + theta2 x2``.

    Parameters
    ----------
    x1, x2, y : ndarray of shape (n_samples,), float64
        Features and target.
    theta0, theta1, theta2 : float
        Intercept and slopes.

    Returns
    -------
    d_theta0, d_theta1, d_theta2 : float
        ``2/n sum_i r_i``, ``2/n sum_i r_i x1_i`` and ``2/n sum_i r_i x2_i``.
    """
    n = len(y)
    r = theta0 + theta1 * x1 + theta2 * x2 - y
    return 2 / n * np.sum(r), 2 / n * np.sum(r * x1), 2 / n * np.sum(r * x2)


def gradient_k_weights(X: Array, y: Array, w: Array) -> Array:
    """Compute the gradient for ``h(x) = w_1 x_1 + ... + w_k x_k``, one sum for each weight.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float64
        The features.
    y : ndarray of shape (n_samples,), float64
        The target.
    w : ndarray of shape (n_features,), float64
        The weights.

    Returns
    -------
    ndarray of shape (n_features,), float64
        ``2/n sum_i r_i x_ij`` for each j.
    """
    n, k = X.shape
    r = sum(w[j] * X[:, j] for j in range(k)) - y
    return np.array([2 / n * np.sum(r * X[:, j]) for j in range(k)])


def gradient_matrix(X: Array, y: Array, w: Array) -> Array:
    """Compute the same with matrices: ``2/n (X^T X w - X^T y)``.

    The products ``X^T X`` and ``X^T y`` do not depend on w, so a descent need compute them only once.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float64
        The features.
    y : ndarray of shape (n_samples,), float64
        The target.
    w : ndarray of shape (n_features,), float64
        The weights.

    Returns
    -------
    ndarray of shape (n_features,), float64
        The gradient.
    """
    result: Array = 2 / len(y) * (X.T @ X @ w - X.T @ y)
    return result


def cost(
    X: Array,
    y: Array,
    theta: Array,
    *,
    intercept: bool = False,
    loss: str = "mse",
    sample_weight: Array | None = None,
    l2: float = 0.0,
) -> float:
    """Compute what `fastgd.cost` computes.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features) or (n_samples,), float
        The features.
    y : ndarray of shape (n_samples,), float
        The target.
    theta : ndarray of shape (n_parameters,), float
        The parameters, the intercept first.
    intercept : bool
        Whether there is one.
    loss : {"mse", "half_mse", "sse"}
        The loss.
    sample_weight : ndarray of shape (n_samples,), float, optional
        How much each row counts.
    l2 : float
        The penalty on the squared coefficients.

    Returns
    -------
    float
        The cost.
    """
    coef = theta[1:] if intercept else theta
    r = _residuals(X, y, theta, intercept)
    squares = r @ r if sample_weight is None else sample_weight @ (r * r)
    return float(_factor(loss, y, sample_weight) / 2 * squares + l2 * (coef @ coef))


def gradient(
    X: Array,
    y: Array,
    theta: Array,
    *,
    intercept: bool = False,
    loss: str = "mse",
    sample_weight: Array | None = None,
    l2: float = 0.0,
) -> Array:
    """Compute what `fastgd.gradient` computes, as fast as plain numpy does.

    X is read twice, by ``X.dot(w)`` and by ``X.T.dot(r)``; ``dot`` because it is faster than ``@`` for a single feature (by
    half) and for few rows (by a quarter), and as fast elsewhere.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features) or (n_samples,), float
        The features.
    y : ndarray of shape (n_samples,), float
        The target.
    theta : ndarray of shape (n_parameters,), float
        The parameters, the intercept first.
    intercept : bool
        Whether there is one.
    loss : {"mse", "half_mse", "sse"}
        The loss.
    sample_weight : ndarray of shape (n_samples,), float, optional
        How much each row counts.
    l2 : float
        The penalty on the squared coefficients.

    Returns
    -------
    ndarray of shape (n_parameters,), float
        The gradient.
    """
    r = _residuals(X, y, theta, intercept)
    if sample_weight is not None:
        r *= sample_weight
    result = X.T.dot(r) if X.ndim == 2 else np.array([X.dot(r)])
    if intercept:
        result = np.concatenate(([r.sum()], result))
    result = result * _factor(loss, y, sample_weight)
    if l2:
        result[int(intercept) :] += 2 * l2 * theta[int(intercept) :]
    return result


def descend(X: Array, y: Array, theta: Array, *, learning_rate: float, n_iter: int, **options: Any) -> Array:
    """Run batch gradient descent: the loop that `fastgd.fit` follows with ``method="gd"``.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features) or (n_samples,), float
        The features.
    y : ndarray of shape (n_samples,), float
        The target.
    theta : ndarray of shape (n_parameters,), float
        Where to start.
    learning_rate : float
        The size of a step.
    n_iter : int
        The number of steps.
    **options
        Those of `gradient`.

    Returns
    -------
    ndarray of shape (1 + n_iter, n_parameters), float
        Theta at the start and after each step.
    """
    path = [theta]
    for _ in range(n_iter):
        theta = theta - learning_rate * gradient(X, y, theta, **options)
        path.append(theta)
    return np.array(path)


def _residuals(X: Array, y: Array, theta: Array, intercept: bool) -> Array:
    w = theta[1:] if intercept else theta
    h = X.dot(w) if X.ndim == 2 else X * w[0]
    r: Array = theta[0] + h - y if intercept else h - y
    return r


def _factor(loss: str, y: Array, sample_weight: Array | None) -> float:
    total = len(y) if sample_weight is None else float(sample_weight.sum())
    return {"mse": 2 / total, "half_mse": 1 / total, "sse": 2.0}[loss]
