"""Which way to the minimum costs least, by a model of what each takes."""

# Measured on two cores of a Xeon (Emerald Rapids), from 1 to 1,000 features: the moments took as long as 2 to 33 passes over
# the rows, which 3 + k/40 meets within a factor of two. A pass took 2 to 13 us for 20 rows, and 0.27 to 0.6 ns a value for
# many; an answer from the moments 10 us, and 0.2 ns for each of theirs.
_MOMENTS_IN_PASSES, _FEATURES_PER_PASS = 3.0, 40.0
_PASS, _PASS_PER_VALUE = 3e-6, 0.3e-9
_ANSWER, _ANSWER_PER_VALUE = 10e-6, 0.2e-9


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
    one_pass = _PASS + _PASS_PER_VALUE * n_samples * n_features
    answer = _ANSWER + _ANSWER_PER_VALUE * n_features**2
    moments = (_MOMENTS_IN_PASSES + n_features / _FEATURES_PER_PASS) * one_pass
    return moments + n_answers * answer + one_pass < n_answers * one_pass


# Moments of so many features take 32 MB, and their inverse a second.
_MOST_FEATURES = 2000

# Of sparse rows a pass costs little beside a matrix of all products.
_MOST_SPARSE = 500

# To decompose n rows of as many features or more takes n^2 n_features multiply-adds, and so many of them about a second; what
# comes of it has n n_features values, where sparse rows have few.
_MOST_DECOMPOSED, _MOST_DENSE = 2e9, 1 << 22


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
    return n_features <= _MOST_FEATURES


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
        fits = not sparse or n_samples * n_features <= _MOST_DENSE
        return fits and n_samples**2 * n_features <= _MOST_DECOMPOSED
    return n_features <= (_MOST_SPARSE if sparse else _MOST_FEATURES)
