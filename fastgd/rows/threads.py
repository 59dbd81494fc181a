"""How many threads a pass over the rows may take."""

from fastgd import arguments
from fastgd.rows import parallel


def get_num_threads() -> int:
    """Return how many threads a pass over the rows takes where the call does not say.

    Returns
    -------
    int
        What `set_num_threads` has set; else what the environment variable FASTGD_NUM_THREADS says; else the number of
        processors that this process may run on, by its affinity and its cgroup's quota.

    Raises
    ------
    ValueError
        If FASTGD_NUM_THREADS is not a whole number >= 1.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.get_num_threads() >= 1
    True
    """
    return parallel.effective()


def set_num_threads(n_threads: int | None) -> None:
    """Set how many threads a pass over the rows takes where the call does not say.

    Results do not depend on it, to the bit.

    Parameters
    ----------
    n_threads : int or None
        The number, >= 1; None for the default.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is less than 1.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.set_num_threads(1)
    >>> fastgd.get_num_threads()
    1
    >>> fastgd.set_num_threads(None)
    """
    parallel.set_default(arguments.thread_count(n_threads))
