"""Which method costs least, by a model of the time that each takes."""

from fastgd.kernels import tuning


def precomputing_pays(n_samples: int, n_features: int, n_answers: int) -> bool:
    """Return whether it is faster to take the moments first and compute gradients and Hessian products from them.

    The pass at the end that verifies the result is included; `n_answers` is the number of gradients and products expected.
    """
    one_pass = tuning.PASS + tuning.PASS_PER_VALUE * n_samples * n_features
    answer = tuning.ANSWER + tuning.ANSWER_PER_VALUE * n_features**2
    moments = (tuning.MOMENTS_IN_PASSES + n_features / tuning.FEATURES_PER_PASS) * one_pass
    return moments + n_answers * answer + one_pass < n_answers * one_pass


def moments_fit(n_features: int) -> bool:
    """Return whether the moments are small enough to be taken whenever passes are expensive."""
    return n_features <= tuning.MOST_FEATURES


def preconditioning_pays(n_samples: int, n_features: int, *, sparse: bool) -> bool:
    """Return whether to precondition a descent by an inverse of the Hessian: faster, or more exact, than conjugate gradients.

    If X is sparse, a pass costs little compared with the matrix of all products.
    """
    if n_samples <= n_features:
        fits = not sparse or n_samples * n_features <= tuning.MOST_DENSE
        return fits and n_samples**2 * n_features <= tuning.MOST_DECOMPOSED
    return n_features <= (tuning.MOST_SPARSE_FEATURES if sparse else tuning.MOST_FEATURES)
