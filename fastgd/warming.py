"""Compiling ahead of the first call."""

from collections.abc import Iterable

from fastgd import settings
from fastgd.kernels import csr, few, mailbox
from fastgd.kernels.blocks import compiled_pass
from fastgd.kernels.compensated import compiled_compensated
from fastgd.kernels.dense import dense
from fastgd.kernels.gram import gram
from fastgd.kernels.jit import Kind
from fastgd.kernels.spread import spread
from fastgd.kernels.weights import compiled_sum_nonnegative
from fastgd.kernels.whole_rows import MAX_FEATURES as MAX_WHOLE

# A number of features for each kernel there is: beyond these, one serves all.
_EVERY_KERNEL = range(1, 1 + max(few.MAX_COLUMNS, MAX_WHOLE) + 1)


def warmup(n_features: int | Iterable[int] | None = None, *, dtypes: Iterable[str] = ("float64", "float32")) -> int:
    """Compile what a process would else compile at its first calls, and keep it in numba's cache on disk.

    A first fit takes one to three seconds where nothing is compiled, and some 0.2 s where all is. A production image calls
    this once, when it is built; without arguments it takes about two minutes. The cache is in the user's cache folder, so where
    the image is run by another user than it is built by, set the environment variable NUMBA_CACHE_DIR, for both, to a folder
    that only root can write.

    Parameters
    ----------
    n_features : int or iterable of int, optional
        The numbers of features to expect, >= 1; any number by default.
    dtypes : iterable of {"float64", "float32"}
        The dtypes of X to expect.

    Returns
    -------
    int
        How many compiled functions are ready. Sparse matrices with more than 2^31 stored values are not expected.

    Raises
    ------
    TypeError
        If a number of features is not a whole number, or dtypes is a string.
    ValueError
        If a number of features is less than 1, or a dtype is another one.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.warmup(2, dtypes=["float64"])
    38
    """
    counts = _EVERY_KERNEL if n_features is None else settings.feature_counts(n_features)
    kinds = [kind for dtype in settings.float_dtypes(dtypes) for kind in _kinds(dtype)]
    layouts = [(k, by_columns) for k in counts for by_columns in (False, True) if k > 1 or not by_columns]
    gradients = {id(kernel): kernel for kernel in (dense(*layout) for layout in layouts)}.values()
    orders = sorted({by_columns for _, by_columns in layouts})
    moments = [make(by_columns) for make in (gram, spread) for by_columns in orders]
    n_ready = 2 + len(mailbox.FUNCTIONS)
    for kind in kinds:
        _, y, _ = kind
        kernels = [*gradients, *moments] if y else gradients  # these are of y, too
        for kernel in kernels:
            kernel[kind]
        compiled_pass(kind)
        n_ready += len(kernels) + 2
    for number in sorted({x for x, _, _ in kinds}):
        for function, with_y in csr.FUNCTIONS:
            for weighted in (False, True):
                csr.compiled_csr(function, number, "i", with_y, weighted)
                n_ready += 1
    compiled_sum_nonnegative()
    compiled_compensated()
    for function in mailbox.FUNCTIONS:
        mailbox.compiled(function)
    return n_ready


def _kinds(dtype: str) -> list[Kind]:
    """Return the kinds of rows: with y of either dtype or without, and with or without sample weights."""
    ys = ("d", None) if dtype == "float64" else ("f", "d", None)
    return [("d" if dtype == "float64" else "f", y, weighted) for y in ys for weighted in (False, True)]
