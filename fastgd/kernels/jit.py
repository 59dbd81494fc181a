"""How kernels are compiled: the flags and the calling convention, each stated once."""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core.compiler_lock import global_compiler_lock

from fastgd.kernels import cache, tuning

# No fastmath: each sum is added in the order that its kernel states, in lanes that LLVM may put into registers of any width,
# and only what is written as a fused multiply-add becomes one. So the bits do not depend on the processor, and no NaN is lost.
FLAGS = {
    "nogil": True,  # the worker threads of a pass run side by side
    "error_model": "numpy",  # no test for a zero divisor in a loop
    "no_cfunc_wrapper": True,  # nobody calls from C
}

# For what only compiled code calls.
HELPER_FLAGS = {**FLAGS, "no_cpython_wrapper": True}

# What a compiled variant is for: the dtype characters of X and y, "d" or "f" (None where there is no y), and whether there are
# sample weights.
Kind = tuple[str, str | None, bool]

_FLOATS = {"d": types.float64, "f": types.float32}


def readonly(dtype: Any, ndim: int) -> Any:
    """Return the type of an argument that is only read.

    A writable array is accepted where a read-only one is declared, and not the other way round: so one compiled variant
    serves both.

    Parameters
    ----------
    dtype : numba type
        The type of the entries.
    ndim : int
        The number of dimensions.

    Returns
    -------
    numba type
        A C-contiguous array.
    """
    return types.Array(dtype, ndim, "C", readonly=True)


def kernel_arguments(kind: Kind) -> tuple[Any, ...]:
    """Return the types of a kernel's arguments.

    Parameters
    ----------
    kind : tuple of (str, str or None, bool)
        What it is compiled for.

    Returns
    -------
    tuple of numba types
        Those of X, start, stop, y, s, theta, scale and sums.
    """
    x, y, weighted = kind
    return (
        readonly(_FLOATS[x], 2),
        types.intp,
        types.intp,
        types.none if y is None else readonly(_FLOATS[y], 1),
        readonly(types.float64, 1) if weighted else types.none,
        readonly(types.float64, 1),
        types.float64,
        types.Array(types.float64, 1, "C"),
    )


class Kernel(dict[Kind, Callable[..., None]]):
    """A kernel's compiled variants, one for each kind of rows, compiled when first looked up.

    A kernel is called as ``kernel[x, y, weighted](X, start, stop, y, s, theta, scale, sums)``:

    - ``x`` and ``y`` are the dtype characters of X and y, ``"d"`` or ``"f"``; ``y`` is None where there is no y
      (the residual is then the hypothesis itself, which turns a gradient into a product with the Hessian);
      ``weighted`` says whether there are sample weights.
    - ``X`` is C-contiguous, of shape (n_samples, n_features), and its rows ``start`` to ``stop`` are read. ``y`` and the
      sample weights ``s`` (float64) hold these rows only.
    - ``theta`` (float64) is one longer than a row where the hypothesis has an intercept, which comes first.
    - ``sums`` (float64) receives ``scale`` times sum s r^2, sum s r, and sum s r x_j for each feature j.

    Parameters
    ----------
    function : callable
        The kernel in plain Python; it stays available as `function`.
    block_rows : callable
        How many rows a block should have, by the number of features.
    n_sums : callable
        How many numbers ``sums`` receives, by the number of features.
    work : callable
        How often as much time a value takes as in a gradient, by the number of features.
    """

    def __init__(
        self,
        function: Callable[..., None],
        block_rows: Callable[[int], int] | None = None,
        n_sums: Callable[[int], int] | None = None,
        work: Callable[[int], int] | None = None,
    ) -> None:
        super().__init__()
        self.function = function
        self.block_rows = block_rows or _rows_of_values
        self.n_sums = n_sums or _gradient_sums
        self._work = work or _work_of_gradient
        self._addresses: dict[Kind, int] = {}
        self._dispatchers: list[Any] = []  # they own the machine code

    def blocks_at_once(self, n_features: int) -> int:
        """Return how many blocks a thread may sum before it hears of an interrupt, at least 1."""
        n_values = self.block_rows(n_features) * n_features * self._work(n_features)
        return max(1, min(tuning.BLOCKS_AT_ONCE, tuning.BLOCKS_AT_ONCE * tuning.BLOCK_VALUES // n_values))

    def address(self, kind: Kind) -> int:
        """Return where a variant's machine code is, for the compiled code that calls it."""
        self[kind]
        return self._addresses[kind]

    def __missing__(self, kind: Kind) -> Callable[..., None]:
        """Compile a variant, or load it from the cache."""
        dispatcher = compile_cached(self.function, types.void(*kernel_arguments(kind)))
        self._dispatchers.append(dispatcher)
        self._addresses[kind] = address(dispatcher)
        # Last, as another thread that finds the variant takes its address next.
        self[kind] = variant = entry_point(dispatcher)
        return variant


def _gradient_sums(n_features: int) -> int:
    return 2 + n_features


def _work_of_gradient(n_features: int) -> int:
    return 1


def _rows_of_values(n_features: int) -> int:
    return max(1, tuning.BLOCK_VALUES // n_features)


def kernel(block_rows: Callable[[int], int]) -> Callable[[Callable[..., None]], Kernel]:
    """Declare a function to be a `Kernel`; the parameter is that of the class.

    Parameters
    ----------
    block_rows : callable
        As of `Kernel`.

    Returns
    -------
    callable
        The decorator.
    """
    return lambda function: Kernel(function, block_rows)


def compile_cached(function: Callable[..., Any], signature: Any, *, any_order: bool = False) -> Any:
    """Compile a function for one signature, or load what was compiled before.

    Parameters
    ----------
    function : callable
        The function in plain Python.
    signature : numba signature
        Its argument types.
    any_order : bool
        Whether LLVM may choose the order of sums.

    Returns
    -------
    numba dispatcher
        The compiled function.
    """
    return cache.compile_cached(function, signature, {**FLAGS, "fastmath": {"reassoc"}} if any_order else FLAGS)


def entry_point(dispatcher: Any) -> Callable[..., Any]:
    """Return what was compiled for the only signature, to be called directly.

    The dispatcher would choose a variant by the types of the arguments, which takes 0.25 of the 0.6 microseconds of a call.
    """
    (overload,) = dispatcher.overloads.values()
    return overload.entry_point  # type: ignore[no-any-return]


@global_compiler_lock  # type: ignore[untyped-decorator]
def address(dispatcher: Any) -> int:
    """Return where the machine code is of what was compiled for the only signature."""
    (overload,) = dispatcher.overloads.values()
    return overload.library.get_pointer_to_function(overload.fndesc.llvm_func_name)  # type: ignore[no-any-return]
