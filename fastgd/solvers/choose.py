"""Which way to the minimum costs least, by a model of what each takes."""

from fastgd.kernels import tuning


def precomputing_pays(n_samples: int, n_features: int, n_answers: int) -> bool:
    """Tell whether to take the moments first, and let them answer instead of the rows.

    Parameters
    ----------
    n_samples, n_features : int
        The shape of X.
    n_answers : int
        How many gradients and products with the Hessian are expected.

    Returns
    -------
    bool
        Whether that is sooner, with the pass at the end that verifies the result.
    """
    one_pass = tuning.PASS + tuning.PASS_PER_VALUE * n_samples * n_features
    answer = tuning.ANSWER + tuning.ANSWER_PER_VALUE * n_features**2
    moments = (tuning.MOMENTS_IN_PASSES + n_features / tuning.FEATURES_PER_PASS) * one_pass
    return moments + n_answers * answer + one_pass < n_answers * one_pass


def moments_fit(n_features: int) -> bool:
    """Tell whether the moments are small enough to be taken wherever passes are dear.

    Parameters
    ----------
    n_features : int
        The number of features.

    Returns
    -------
    bool
        Whether they are.
    """
    return n_features <= tuning.MOST_FEATURES


def preconditioning_pays(n_samples: int, n_features: int, *, sparse: bool) -> bool:
    """Tell whether to precondition a descent with what is known of the Hessian, or to do without.

    Parameters
    ----------
    n_samples, n_features : int
        The shape of X.
    sparse : bool
        Whether X is sparse, so that a pass costs little beside a matrix of all products.

    Returns
    -------
    bool
        Whether that is sooner than conjugate gradients, or more exact.
    """
    if n_samples <= n_features:
        fits = not sparse or n_samples * n_features <= tuning.MOST_DENSE
        return fits and n_samples**2 * n_features <= tuning.MOST_DECOMPOSED
    return n_features <= (tuning.MOST_SPARSE_FEATURES if sparse else tuning.MOST_FEATURES)
