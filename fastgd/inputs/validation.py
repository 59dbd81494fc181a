"""The one place where input is checked: what passes here is safe to hand to compiled code.

Each function returns its argument in the form that the floors below expect, or raises a `TypeError` (the wrong kind of
thing) or a `ValueError` (the right kind with wrong contents) that says what was given, what was expected and what to do.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.formatting import counted
from fastgd.inputs import frames, sparse
from fastgd.inputs.source import Source
from fastgd.rows.columns import Columns
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.maps import check, mapped_files, owned
from fastgd.rows.part import SMALLEST_TOTAL

_Array = NDArray[Any]
_Vector = NDArray[np.float64]

_FLOAT64 = np.dtype(np.float64)

# Booleans, integers and floats up to float64, by numpy's characters.
_REAL = frozenset("?bhilqpBHILQPefd")

# The squares of numbers of a smaller size lose their digits to underflow.
SMALLEST_SIZE = 1e-152


# X, y and sample weights, checked.
Arrays = tuple[_Array | Columns | CSR, _Array, _Array | None]


def training_set(
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    wanted: list[Any] | None = None,
    part: bool = False,
) -> tuple[Arrays, float, list[Any] | None]:
    """Check a training set.

    Parameters
    ----------
    X : array_like of shape (n_samples,) or (n_samples, n_features), data frame or sparse matrix
        The features.
    y : array_like of shape (n_samples,)
        The target.
    sample_weight : array_like of shape (n_samples,), optional
        The sample weights.
    wanted : list, optional
        The labels of the columns to take from a data frame; all by default.
    part : bool
        Whether there are more rows, so that the weights of these may all be zero.

    Returns
    -------
    arrays : tuple of (ndarray, Columns or CSR; ndarray; ndarray or None)
        X, y and sample_weight as arrays, not copied where they are arrays.
    total_weight : float
        The sum of the sample weights, or n_samples.
    names : list or None
        The labels of the features, where X is a data frame.

    Raises
    ------
    TypeError
        If one of them does not hold real numbers that fit into float64.
    ValueError
        If shapes do not fit together, there is nothing to fit, or a weight is negative or not finite, or all are zero.
    """
    rows, names = features(X, wanted)
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
    return (rows, y, s), _total_weight(s, n_samples, part), names


def features(X: ArrayLike, wanted: list[Any] | None = None) -> tuple[_Array | Columns | CSR, list[Any] | None]:
    """Check X alone.

    Parameters
    ----------
    X : array_like of shape (n_samples,) or (n_samples, n_features), data frame or sparse matrix
        The features.
    wanted : list, optional
        The labels of the columns to take from a data frame; all by default.

    Returns
    -------
    X : ndarray, Columns or CSR
        X, with 1 or 2 dimensions and at least one row and one feature.
    names : list or None
        The labels of the features, where X is a data frame.

    Raises
    ------
    TypeError
        If it does not hold real numbers that fit into float64.
    ValueError
        If it has another shape, or a column of a data frame has missing values, or is missing itself.
    ImportError
        If it is a data frame and narwhals is not installed.
    """
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
    """Check that something is, or can be seen as, an array of real numbers.

    Parameters
    ----------
    values : array_like
        What was given.
    name : str
        What to call it in an error message.

    Returns
    -------
    ndarray
        The values, not copied where they are an array; its dtype is a boolean, an integer, or a float up to float64.

    Raises
    ------
    TypeError
        If its dtype is another.
    ValueError
        If it is ragged, or a memory map of a file that was cut.
    """
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
        raise TypeError(f"{name} has dtype {array.dtype}, but real numbers are expected.{_dtype_hint(array, name)}")
    if not owned(array):
        check(mapped_files(array))
    return array


def refuse_mask(values: object, name: str) -> None:
    """Refuse a masked array, whether it masks something or not: as an array it would show what is behind the mask.

    Parameters
    ----------
    values : object
        What was given.
    name : str
        What to call it in an error message.

    Raises
    ------
    TypeError
        If it is one.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, but fastgd has no missing values. "
            f"Drop the masked rows, or fill them with {name}.filled(...)."
        )


def parameters(theta: ArrayLike, n_features: int, intercept: bool, name: str = "theta") -> _Vector:
    """Check a vector of parameters.

    Parameters
    ----------
    theta : array_like of shape (n_parameters,), or a number where there is one parameter
        The parameters, the intercept first.
    n_features : int
        The number of features.
    intercept : bool
        Whether the hypothesis has an intercept.
    name : str
        What to call it in an error message.

    Returns
    -------
    ndarray of shape (n_parameters,), float64, contiguous
        The parameters, not copied where they have this form.

    Raises
    ------
    TypeError
        If it does not hold real numbers that fit into float64.
    ValueError
        If its shape is another.
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
    """Check where a fit is to start.

    Parameters
    ----------
    theta0 : array_like of shape (n_parameters,), or a number where there is one parameter
        The parameters, the intercept first.
    n_features : int
        The number of features.
    intercept : bool
        Whether the hypothesis has an intercept.

    Returns
    -------
    ndarray of shape (n_parameters,), float64
        A copy.

    Raises
    ------
    TypeError
        If it does not hold real numbers that fit into float64.
    ValueError
        If its shape is another, or an entry is not finite.
    """
    theta = parameters(theta0, n_features, intercept, "theta0").copy()
    if not np.isfinite(theta).all():
        j = int(np.flatnonzero(~np.isfinite(theta))[0])
        raise ValueError(
            f"theta0[{j}] is {theta[j]}, but finite numbers are expected. Leave theta0 out to start from zeros."
        )
    return theta


def output(out: Any, shape: tuple[int, ...], inputs: tuple[_Array | None, ...]) -> None:
    """Check the array that a gradient is to be written into.

    Parameters
    ----------
    out : object
        What was given.
    shape : tuple of int
        The shape of theta, and so of the gradient.
    inputs : tuple of ndarray or None
        The arrays that it must not share memory with.

    Raises
    ------
    TypeError
        If it is not a float64 array.
    ValueError
        If it has another shape, is read-only, a memory map of a file that was cut, or shares memory with an input.
    """
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
        # What is no view shares no memory with another array that owns its own.
        apart = array is None or (array.base is None and array is not out and flags.owndata)
        if not apart and _share_memory(out, array):  # type: ignore[arg-type]
            raise ValueError("out shares memory with an input, which would be overwritten. Give an array of its own.")


def refuse_non_finite(
    place: tuple[int, int] | None, n_features: int, need: str, names: list[Any] | None = None
) -> None:
    """Refuse a value that is not finite, if there is one.

    Parameters
    ----------
    place : tuple of (int, int), or None
        Its row and column, from 0; column n_features is y, those beyond are further targets.
    n_features : int
        The number of features.
    need : str
        What needs finite numbers, as a clause.
    names : list, optional
        The labels of the features.

    Raises
    ------
    ValueError
        If there is a place.
    """
    if place is None:
        return
    row, column = place
    if column < n_features:
        where = f"X in row {row}, column {(names[column] if names else column)!r}"
    else:
        where = f"y in row {row}" + (f", column {column - n_features}" if column > n_features else "")
    raise ValueError(f"{where} (counted from 0) is NaN or infinite, but {need}. Drop the row, or fill in a value.")


def refuse_extremes(sizes: _Vector, total_weight: float, n_features: int, names: list[Any] | None = None) -> None:
    """Refuse columns whose sums of squares float64 cannot hold: what is made of them would only look like a solution.

    Parameters
    ----------
    sizes : ndarray of shape (n_columns,), float64
        The root of the mean square of each column: of the features and, behind them, perhaps of y.
    total_weight : float
        The sum of the sample weights.
    n_features : int
        The number of features.
    names : list, optional
        The labels of the features.

    Raises
    ------
    ValueError
        If there is such a column.
    """
    norms = math.sqrt(total_weight) * sizes
    large = ~np.isfinite(norms)
    small = (np.minimum(norms, sizes) < SMALLEST_SIZE) & (sizes > 0)
    for wrong, what, cure in ((large, "exceed", "Divide"), (small, "fall below", "Multiply")):
        if wrong.any():
            raise ValueError(_extreme(int(wrong.argmax()), n_features, names, what, cure))


def refuse_overflow(scatter: _Vector, n_features: int, names: list[Any] | None = None) -> None:
    """Refuse moments that exceed float64, of rows that are finite.

    Parameters
    ----------
    scatter : ndarray of shape (n_columns, n_columns), float64
        The second moments of the features and, behind them, of y or several targets.
    n_features : int
        The number of features.
    names : list, optional
        The labels of the features.

    Raises
    ------
    ValueError
        If there is a column whose squares exceed float64.
    """
    if not np.isfinite(scatter).all():
        squares = np.diagonal(scatter)
        column = int(np.where(np.isfinite(squares), squares, np.inf).argmax())
        raise ValueError(_extreme(column, n_features, names, "exceed", "Divide"))


def _extreme(column: int, n_features: int, names: list[Any] | None, what: str, cure: str) -> str:
    if column < n_features:
        where = f"X {what} float64 in column {(names[column] if names else column)!r}"
    else:
        where = f"y {what} float64" + (f" in column {column - n_features}" if column > n_features else "")
    return f"The squares of {where}. {cure} it by a power of ten."


def _total_weight(s: _Array, n_samples: int, part: bool) -> float:
    if s.shape != (n_samples,):
        raise ValueError(
            f"sample_weight has shape {s.shape}, but X has {counted(n_samples, 'row')}, so ({n_samples},) is expected. "
            f"Give one weight for each row.{_ravel_hint(s, 'sample_weight')}"
        )
    from fastgd.rows.weights import total_weight  # here, as nothing else in this module needs numba

    total = total_weight(s)
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
        return True  # cannot be told in reasonable time: interleaved views of one buffer


def _ravel_hint(array: _Array, name: str) -> str:
    if array.ndim == 2 and 1 in array.shape:
        return f" Give {name}.ravel() instead."
    if array.ndim == 2:
        return " Fit several targets one at a time, or together by fastgd.sklearn.GDRegressor."
    return ""


def _dtype_hint(array: _Array, name: str) -> str:
    kind = array.dtype.kind
    if kind == "c":
        return f" Give {name}.real, or real and imaginary parts as features of their own."
    if kind in "US":
        return f" Give {name}.astype(float) if the text spells numbers, or encode categories as numbers."
    if kind in "Mm":
        return f" Give a duration as a number, say ({name} - {name}[0]) / numpy.timedelta64(1, 's')."
    if kind == "V":
        return " Give its fields as columns: numpy.lib.recfunctions.structured_to_unstructured."
    if kind == "f":
        return f" It is wider than float64, in which fastgd computes: give {name}.astype(numpy.float64)."
    return f" Give {name}.astype(float) if every entry is a number and none is missing."
