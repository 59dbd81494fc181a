"""All that is compiled for its own sake: which functions there are, and in which variants calls need them.

What such a function calls in turn is compiled with it.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from typing import Any, NamedTuple

from fastgd.kernels import blocks, csr, mailbox, tuning
from fastgd.kernels.column_stats import spread
from fastgd.kernels.compensated import compensated, compiled_compensated
from fastgd.kernels.dense import dense
from fastgd.kernels.gram import gram
from fastgd.kernels.jit import Kernel, Kind
from fastgd.kernels.penalty import add_penalty, compiled_add_penalty
from fastgd.kernels.plain_sum import compiled_plain_sum, plain_sum
from fastgd.kernels.scores import add_to_groups, compiled_add_to_groups
from fastgd.kernels.weights import compiled_sum_nonnegative, sum_nonnegative

# A number of features for each kernel there is: beyond these, one serves all.
EVERY_KERNEL = range(1, 1 + max(tuning.FEW_COLUMNS, tuning.WHOLE_FEATURES) + 1)


class Variant(NamedTuple):
    """Functions that are compiled together, for arguments of known types.

    Attributes
    ----------
    functions : tuple of callable
        What is compiled, in plain Python.
    compile : callable
        Compiles it, or loads what was compiled before; nothing happens the second time.
    is_for_fits : bool
        Whether a call that fits or evaluates may need it.
    """

    functions: tuple[Callable[..., Any], ...]
    compile: Callable[[], object]
    is_for_fits: bool = True


def kernels(n_features: Iterable[int]) -> tuple[list[Kernel], list[Kernel]]:
    """Return the kernels of arrays of either layout: those of gradients, and those of moments, which are of y, too.

    Parameters
    ----------
    n_features : iterable of int
        The numbers of features.

    Returns
    -------
    tuple of (list of Kernel, list of Kernel)
        Each kernel once.
    """
    layouts = [(k, by_columns) for k in n_features for by_columns in (False, True) if k > 1 or not by_columns]
    gradients = {id(kernel): kernel for kernel in (dense(*layout) for layout in layouts)}.values()
    orders = sorted({by_columns for _, by_columns in layouts})
    makes = (gram, partial(gram, scored=True), spread)
    return list(gradients), [make(by_columns) for make in makes for by_columns in orders]


def variants(n_features: Iterable[int], dtypes: Iterable[str]) -> list[Variant]:
    """List what is compiled for such rows, whatever is asked of them.

    Sparse matrices with more than 2^31 stored values need others of the same functions.

    Parameters
    ----------
    n_features : iterable of int
        The numbers of features.
    dtypes : iterable of {"float64", "float32"}
        The dtypes of X.

    Returns
    -------
    list of Variant
        Each variant once.
    """
    gradients, moments = kernels(n_features)
    found = [
        Variant((sum_nonnegative,), compiled_sum_nonnegative),
        Variant((add_penalty,), compiled_add_penalty),
        Variant((compensated,), compiled_compensated),
        Variant((add_to_groups,), compiled_add_to_groups),
        *(Variant((function,), partial(mailbox.compiled, function)) for function in mailbox.FUNCTIONS),
    ]
    for dtype in dict.fromkeys(dtypes):
        for kind in _kinds(dtype):
            _, y, _ = kind
            found += [
                Variant((kernel.function,), partial(kernel.__getitem__, kind))
                for kernel in (*gradients, *(moments if y else ()))
            ]
            found.append(Variant((blocks.prepare, blocks.work), partial(blocks.compiled_pass, kind)))
        for weighted, (function, with_y) in product((False, True), csr.FUNCTIONS):
            compiled = partial(csr.compiled_csr, function, _NUMBERS[dtype], "i", with_y, weighted)
            found.append(Variant((function,), compiled))
        found.append(Variant((plain_sum,), partial(compiled_plain_sum, dtype), is_for_fits=False))
    return found


_NUMBERS = {"float64": "d", "float32": "f"}


def _kinds(dtype: str) -> list[Kind]:
    """Return the kinds of rows: with y of either dtype or without, and with or without sample weights."""
    ys = ("d", None) if dtype == "float64" else ("f", "d", None)
    return [(_NUMBERS[dtype], y, weighted) for y in ys for weighted in (False, True)]
