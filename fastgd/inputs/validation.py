"""The one place where data are checked: what passes here is safe to hand to compiled code.

Each function returns its argument in the form that the floors below expect, or raises a `TypeError` (the wrong kind of
thing) or a `ValueError` (the right kind with wrong contents) that says what was given, what was expected and what to do.
Arrays are not copied where they are arrays already. `name` is the argument's name in the message.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.formatting import counted
from fastgd.inputs import frames, sparse
from fastgd.inputs.source import Source
from fastgd.rows.columns import Columns
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.maps import check, mapped_files, owned
from fastgd.rows.part import SMALLEST_TOTAL, Part

_Array = NDArray[Any]
_Vector = NDArray[np.float64]
_Names = list[Any] | None

_FLOAT64 = np.dtype(np.float64)

# Booleans, integers and floats up to float64, by numpy's characters.
_REAL = frozenset("?bhilqpBHILQPefd")

# What to do about other dtypes, by numpy's characters of their kinds.
_DTYPE_HINTS = {
    "c": "Give {0}.real, or real and imaginary parts as features of their own.",
    "US": "Give {0}.astype(float) if the text spells numbers, or encode categories as numbers.",
    "Mm": "Give a duration as a number, say ({0} - {0}[0]) / numpy.timedelta64(1, 's').",
    "V": "Give its fields as columns: numpy.lib.recfunctions.structured_to_unstructured.",
    "f": "It is wider than float64, in which fastgd computes: give {0}.astype(numpy.float64).",
    "O": "Give {0}.astype(float) if every entry is a number and none is missing.",
}

# The squares of numbers of a smaller size lose their digits to underflow.
SMALLEST_SIZE = 1e-152

# X, y and sample weights, checked.
Arrays = tuple[_Array | Columns | CSR, _Array, _Array | None]


def training_set(
    X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *, wanted: _Names = None, part: bool = False
) -> tuple[Arrays, float, _Names]:
    """Return X, y and sample weights, checked, their total weight (n_samples without any), and the labels of a frame.

    X, array, data frame or sparse matrix, has shape (n_samples,) or (n_samples, n_features), the others have (n_samples,).
    Of a data frame only the columns with the labels that are `wanted` are taken, in their order. The weights of a `part`,
    beside which there are more rows, may all be zero.
    """
    rows, names = features(X, wanted)
    if not type(X) is type(y) is np.ndarray:
        frames.refuse_other_order(X=X, y=y, sample_weight=sample_weight)
    y = real_array(y, "y")
    n_samples = len(rows)
    if y.ndim != 1:
        raise ValueError(
            f"y has shape {y.shape}, but one target per row is expected, of shape ({n_samples},).{_ravel_hint(y, 'y')}"
        )
    if len(y) != n_samples:
        raise ValueError(
            f"X has shape {rows.shape} and y has shape {y.shape}: X has {counted(n_samples, 'row')}, but y has {len(y)}. "
            "Give one y for each row of X."
        )
    if sample_weight is None:
        return (rows, y, None), float(n_samples), names
    s = real_array(sample_weight, "sample_weight")
    return (rows, y, s), total_weight(s, n_samples, part=part), names


def part_of_training_set(columns: Sequence[Any], wanted: _Names, where: str) -> tuple[Part, _Names]:
    """Check some rows of X, y and perhaps sample weights, as `training_set` does; `where` begins the message of an error."""
    try:
        arrays, _, names = training_set(*columns, wanted=wanted, part=True)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}: {error}") from None
    return Part(*arrays), names


def features(X: ArrayLike, wanted: _Names = None) -> tuple[_Array | Columns | CSR, _Names]:
    """Return X, with 1 or 2 dimensions and at least one row and one feature, and the labels of a frame; see `training_set`."""
    names = None
    values: Any = X
    if type(X) is not np.ndarray:
        if isinstance(X, Source):
            raise TypeError(
                f"X is a {type(X).__name__}, whose rows are not in memory, but an array is expected. fit, cost, gradient, "
                "cost_and_gradient and Moments.from_rows take it in the place of X; here, give arrays."
            )
        if sparse.is_sparse(X):
            real_array(np.empty(0, values.dtype), "X")
            return sparse.read(X), None
        if isinstance(X, frames.Frame):
            values, names = X
        elif frames.is_frame(X):
            values, names = frames.read(X, wanted)
            if isinstance(values, Columns):
                check(mapped_files(values))
                return values, names
    array = real_array(values, "X")
    if array.ndim not in (1, 2):
        raise ValueError(
            f"X has shape {array.shape}, but (n_samples, n_features) is expected, or (n_samples,) for one feature. "
            "Reshape it so that each row is one sample."
        )
    if not array.size:
        what = "rows" if array.shape[0] == 0 else "features"
        raise ValueError(
            f"X has shape {array.shape}, which has 0 {what}, but at least 1 is expected. Check how X was selected."
        )
    return array, names


def real_array(values: ArrayLike, name: str) -> _Array:
    """Return an array of booleans, integers or floats up to float64."""
    if type(values) is np.ndarray:
        array = values
    elif hasattr(type(values), "toarray") and hasattr(type(values), "nnz"):
        raise TypeError(
            f"{name} is a sparse {type(values).__name__}, but a dense array is expected. Give {name}.toarray()."
        )
    else:
        refuse_mask(values, name)
        try:
            array = np.asarray(values)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"{name} is a {type(values).__name__} that numpy cannot turn into an array ({error}). "
                "Give an array of numbers, or rows that all have the same length."
            ) from None
    if array.dtype.char not in _REAL:
        hint = next((hint for kinds, hint in _DTYPE_HINTS.items() if array.dtype.kind in kinds), _DTYPE_HINTS["O"])
        raise TypeError(f"{name} has dtype {array.dtype}, but real numbers are expected. {hint.format(name)}")
    if not owned(array):
        check(mapped_files(array))
    return array


def refuse_mask(values: object, name: str) -> None:
    """Refuse a masked array, even one that masks nothing: numpy would convert it to the values behind the mask."""
    rows = values if isinstance(values, list | tuple) else [values]
    if any(isinstance(row, np.ma.MaskedArray) for row in rows):
        raise TypeError(
            f"{name} is a masked array, but fastgd has no missing values. "
            f"Drop the masked rows, or fill them with {name}.filled(...)."
        )


def parameters(theta: ArrayLike, n_features: int, intercept: bool, name: str = "theta") -> _Vector:
    """Return parameters, the intercept first, as a contiguous float64 array of shape (n_parameters,).

    A number does where there is one parameter.
    """
    array = real_array(theta, name)
    n_parameters = n_features + intercept
    if array.ndim == 0 and n_parameters == 1:
        array = array.reshape(1)
    if array.ndim != 1 or len(array) != n_parameters:
        count = counted(n_features, "feature")
        raise ValueError(
            f"{name} has shape {array.shape}, but ({n_parameters},) is expected: "
            + (f"the intercept first and then {count}." if intercept else f"{count} and no intercept.")
            + (_ravel_hint(array, name) or f" Give {counted(n_parameters, 'number')}, or change intercept={intercept}.")
        )
    if array.dtype is _FLOAT64 and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.array(array, dtype=np.float64)


def starting_point(theta0: ArrayLike, n_features: int, intercept: bool) -> _Vector:
    """Return a copy of the parameters at which a fit is to start; see `parameters`."""
    theta = parameters(theta0, n_features, intercept, "theta0").copy()
    if not np.isfinite(theta).all():
        j = int(np.isfinite(theta).argmin())
        raise ValueError(
            f"theta0[{j}] is {theta[j]}, but finite numbers are expected. Leave theta0 out to start from zeros."
        )
    return theta


def output(out: Any, shape: tuple[int, ...], inputs: tuple[_Array | None, ...]) -> None:
    """Check the array that a gradient is to be written into, of the shape of theta and apart from all inputs in memory."""
    plain = type(out) is np.ndarray and out.dtype is _FLOAT64
    if not plain and (not isinstance(out, np.ndarray) or out.dtype != _FLOAT64 or isinstance(out, np.ma.MaskedArray)):
        what = f"an array of {out.dtype}" if type(out) is np.ndarray else f"a {type(out).__name__}"
        raise TypeError(f"out is {what}, but an array of float64 is expected. Give numpy.empty({shape}).")
    if out.shape != shape:
        raise ValueError(
            f"out has shape {out.shape}, but theta and so the gradient have {shape}. Give numpy.empty({shape})."
        )
    flags = out.flags
    if not flags.writeable:
        raise ValueError(
            "out is read-only, but the gradient is to be written into it. Give an array that can be written."
        )
    if not owned(out):
        check(mapped_files(out))
    for array in inputs:
        # Two arrays that both own their memory share none.
        apart = array is None or (array.base is None and array is not out and flags.owndata)
        if not apart and _share_memory(out, array):  # type: ignore[arg-type]
            raise ValueError("out shares memory with an input, which would be overwritten. Give an array of its own.")


def refuse_non_finite(place: tuple[int, int] | None, n_features: int, need: str, names: _Names = None) -> None:
    """Refuse a value that is not finite, in this row and column, if there is one; `need` says what needs finite numbers.

    Both count from 0; column n_features is y, those beyond are further targets.
    """
    if place is None:
        return
    row, column = place
    array, label = _column(column, n_features, names)
    where = f"{array} in row {row}" + (label and f", {label}")
    raise ValueError(f"{where} (counted from 0) is NaN or infinite, but {need}. Drop the row, or fill in a value.")


def refuse_extremes(sizes: _Vector, total_weight: float, n_features: int, names: _Names = None) -> None:
    """Refuse columns whose sums of squares float64 cannot hold: the result of a fit would only look like a solution.

    `sizes` are the roots of the mean squares of the features, and perhaps of y after them.
    """
    norms = math.sqrt(total_weight) * sizes
    large = ~np.isfinite(norms)
    small = (np.minimum(norms, sizes) < SMALLEST_SIZE) & (sizes > 0)
    for wrong, what, cure in ((large, "exceed", "Divide"), (small, "fall below", "Multiply")):
        if wrong.any():
            raise _extreme(int(wrong.argmax()), n_features, names, what, cure)


def refuse_overflow(scatter: _Vector, n_features: int, names: _Names = None) -> None:
    """Refuse second moments, of features and targets, that exceed float64 although the rows are finite."""
    if not np.isfinite(scatter).all():
        squares = np.diagonal(scatter)
        column = int(np.where(np.isfinite(squares), squares, np.inf).argmax())
        raise _extreme(column, n_features, names, "exceed", "Divide")


def _extreme(column: int, n_features: int, names: _Names, what: str, cure: str) -> ValueError:
    array, label = _column(column, n_features, names)
    where = f"{array} {what} float64" + (label and f" in {label}")
    return ValueError(f"The squares of {where}. {cure} it by a power of ten.")


def _column(column: int, n_features: int, names: _Names) -> tuple[str, str]:
    """Return the argument that a column belongs to, and the name of the column in it; the first target has none."""
    if column < n_features:
        return "X", f"column {(names[column] if names else column)!r}"
    return "y", f"column {column - n_features}" if column > n_features else ""


def total_weight(s: _Array, n_samples: int, *, part: bool = False) -> float:
    """Return the sum of sample weights, checked; see `training_set`."""
    if s.shape != (n_samples,):
        raise ValueError(
            f"sample_weight has shape {s.shape}, but X has {counted(n_samples, 'row')}, so ({n_samples},) is expected. "
            f"Give one weight for each row.{_ravel_hint(s, 'sample_weight')}"
        )
    from fastgd.rows import weights  # not at the top: it needs numba

    total = weights.total_weight(s)
    if (0 if part else SMALLEST_TOTAL) <= total < math.inf:
        return total
    finite = np.isfinite(s)
    wrong = np.flatnonzero(~finite | (np.where(finite, s, 0) < 0))
    if wrong.size:
        problem = f"is {s[wrong[0]]} in row {wrong[0]}"
    else:
        problem = "is zero in every row" if total == 0 else f"has the sum {total:g}"
    raise ValueError(
        f"sample_weight {problem}, but finite weights >= 0 with a sum from {SMALLEST_TOTAL:g} on are expected. "
        "Correct the weights, drop the rows, or multiply all weights by a constant."
    )


def _share_memory(a: _Array, b: _Array) -> bool:
    try:
        return np.shares_memory(a, b, max_work=1000)  # type: ignore[arg-type]  # any number is allowed
    except np.exceptions.TooHardError:
        return True  # interleaved views of one buffer, for which a proof would take too long


def _ravel_hint(array: _Array, name: str) -> str:
    if array.ndim == 2 and 1 in array.shape:
        return f" Give {name}.ravel() instead."
    if array.ndim == 2:
        return " Fit several targets one at a time, or together by fastgd.sklearn.GDRegressor."
    return ""
