"""What fastgd warns of."""


class ConvergenceWarning(UserWarning):
    """A descent that did not arrive: it ran out of iterations, or its steps were too large.

    The message says which, and what to try.
    """
