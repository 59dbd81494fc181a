"""How large a step may be: the extreme eigenvalues of the Hessian, from products with vectors alone."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastgd.solvers.quadratic import Vector

# Up to this number of parameters the Hessian's whole spectrum is computed, one product each. Beyond, the largest eigenvalue is
# within 1e-3 of the Krylov space's after far fewer, and the smallest is only bounded.
MAX_PRODUCTS = 32
_ENOUGH = 1e-3


class Spectrum(NamedTuple):
    """The extreme eigenvalues of a Hessian."""

    largest: float
    """The largest eigenvalue, or a bound just above it."""
    smallest: float
    """The smallest eigenvalue, or a bound above it if not `complete`; 0 if it is so up to rounding."""
    complete: bool
    """Whether the whole spectrum was computed."""

    @property
    def condition(self) -> float:
        """Largest by smallest eigenvalue: the Hessian's condition number (if not `complete`, a bound below it)."""
        return self.largest / self.smallest if self.smallest > 0 else np.inf


def spectrum(product: Callable[[Vector], Vector], n_parameters: int) -> Spectrum:
    """Find the extreme eigenvalues of a symmetric positive semidefinite matrix by Lanczos' method.

    Each new direction is made orthogonal to all before it, twice [1]_, so that the rounding of the products does not
    bring converged directions back.

    Parameters
    ----------
    product : callable
        The product of the matrix with a vector.
    n_parameters : int
        The size of the matrix.

    Returns
    -------
    Spectrum
        The extreme eigenvalues.

    References
    ----------
    .. [1] B. N. Parlett, "The Symmetric Eigenvalue Problem", SIAM 1998, chapter 13.
    """
    n_products = min(n_parameters, MAX_PRODUCTS)
    directions = np.zeros((n_products + 1, n_parameters))
    tridiagonal = np.zeros((n_products + 1, n_products + 1))
    direction = np.random.default_rng(0).standard_normal(n_parameters)  # the same every time; no matrix singles it out
    directions[0] = direction / np.linalg.norm(direction)
    for i in range(n_products):
        image = product(directions[i])
        tridiagonal[i, i] = directions[i] @ image
        known = directions[: i + 1]
        for _ in range(2):
            image = image - known.T @ (known @ image)
        length = _length(image)
        values, vectors = np.linalg.eigh(tridiagonal[: i + 1, : i + 1])
        residual = length * abs(vectors[-1, -1])
        floor = n_parameters * np.finfo(np.float64).eps * values[-1]
        if length <= floor:  # the space is invariant: nothing new can come, at the latest when it is the whole one
            smallest = float(values[0]) if values[0] > floor else 0.0
            return Spectrum(float(values[-1]), smallest, True)
        if n_parameters > n_products and residual <= _ENOUGH * values[-1]:
            break
        tridiagonal[i, i + 1] = tridiagonal[i + 1, i] = length
        directions[i + 1] = image / length
    return Spectrum(float(values[-1]) + residual, max(float(values[0]), 0.0), False)


def _length(vector: Vector) -> float:
    """Return the Euclidean norm, where squares would leave the range of float64, too."""
    size = float(abs(vector).max())
    return size * float(np.linalg.norm(vector / size)) if 0.0 < size < np.inf else size
