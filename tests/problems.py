"""Training sets, and what a fit to one is held against."""

import numpy as np
from hypothesis import strategies as st


def training_set(n=300, k=4, *, seed=0, noise=0.3, n_targets=None):
    """Return X, whose columns have sizes and means of their own, and y, or as many of them."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, k)) * np.linspace(0.5, 2, k) + np.linspace(-1, 1, k)
    y = X @ rng.standard_normal(k if n_targets is None else (k, n_targets)) + 1.5
    return X, y + noise * rng.standard_normal(y.shape)


def features(X, intercept=True):
    """Return the matrix whose product with theta is the hypothesis: a column of ones comes first."""
    return np.column_stack((np.ones(len(X)), X)) if intercept else X


def scale_free(X, y, theta, *, intercept=True, s=None):
    """Return what `tol` bounds: the largest cosine between the residuals and a column, about its mean with an intercept."""
    s = np.ones(len(y)) if s is None else s
    centred = X - np.average(X, axis=0, weights=s) if intercept else X
    root = np.sqrt(s)
    A, r = features(centred, intercept) * root[:, np.newaxis], (features(X, intercept) @ theta - y) * root
    return (abs(A.T @ r) / np.linalg.norm(A, axis=0)).max() / np.linalg.norm(r)


def centred_least_norm(X, y, *, intercept=True):
    """Return the theta of least |coef|, as by LAPACK's SVD on centred columns."""
    x_mean, y_mean = (X.mean(axis=0), y.mean()) if intercept else (0.0, 0.0)
    coef = np.linalg.lstsq(X - x_mean, y - y_mean, rcond=1e-10)[0]
    return np.append(y_mean - x_mean @ coef, coef) if intercept else coef


def of_mixed_scales(draw, shape, dtype="f8", widths=(0, 5, 40)):
    """Draw numbers from 2^-w to 2^(w + 1), w being one of the widths, beside zeros and powers of two, of either sign."""
    # By a seed: hypothesis takes ten times as long, a number at a time, as all that is done with them.
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    width = draw(st.sampled_from(widths))
    values = rng.uniform(1, 2, shape) * 2.0 ** rng.integers(-width, width + 1, shape)
    values[rng.uniform(size=shape) < draw(st.sampled_from([0, 0.5]))] = draw(
        st.sampled_from([0.0, 1.0, 2.0 ** widths[-1]])
    )
    return (values * rng.choice([-1, 1], shape)).astype(dtype)
