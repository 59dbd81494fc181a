"""Predictions of a linear hypothesis, and how good they are; predictions for arrays and data frames need numpy alone."""

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.formatting import counted
from fastgd.inputs import validation
from fastgd.inputs.dask_set import by_partition, is_dask
from fastgd.inputs.frames import are_numbers
from fastgd.inputs.source import OrderedSource, Source
from fastgd.kernels import tuning
from fastgd.rows.blocks import Blocks
from fastgd.rows.columns import Columns
from fastgd.rows.csr_matrix import CSR
from fastgd.saving import model_file

_Array = NDArray[Any]
_Vector = NDArray[np.float64]

_MAX_PRINTED = 10


class Predictor:
    """What predicts by a linear hypothesis: its parameters, and the labels of the features that they belong to."""

    coef: _Vector
    intercept: float
    feature_names: list[Any] | None
    target: str | None = None

    def predict(self, X: ArrayLike | OrderedSource) -> _Vector:
        """Predict the target, in one pass.

        A row's prediction is the same, to the bit, whatever rows are beside it, and wherever it comes from.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features), real, data frame, sparse matrix, source, or dask collection
            The features; (n_samples,) if there is one. Columns of a data frame or a file are matched with those that were
            fitted by their labels, if these had any; those of an array are taken in their order. Of what `scan_parquet`,
            `scan_csv` and `from_batches` return, target and weights are not read, and some MB of the rest at a time; rows
            that `drop_missing` leaves out have no prediction. Partitions of dask are predicted by its workers.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            ``h(x)`` for each row.

        Raises
        ------
        TypeError
            If X does not hold real numbers that fit into float64.
        ValueError
            If it has another shape, or no rows, or a column is missing, or has missing values.

        Examples
        --------
        >>> import fastgd
        >>> result = fastgd.fit([0.0, 1.0, 2.0], [5.0, 5.0, 5.0])
        >>> result.predict([7.0]).round(6)
        array([5.])
        """
        if isinstance(X, OrderedSource):
            return self._predict_source(X)
        if is_dask(X):
            return by_partition(X, _Light(self))
        return hypothesis(X, self.coef, self.intercept, self.feature_names)

    def score(self, X: ArrayLike | Source, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> float:
        """Compute the coefficient of determination, R^2, of the predictions, in one pass.

        ``1 - sum s (y - h)^2 / sum s (y - mean)^2``; where y is constant, 1.0 for perfect predictions and else 0.0.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features), real, data frame, sparse matrix, source, or dask collection
            The features, as for `predict`. What `scan_parquet`, `scan_csv` and `from_batches` return holds target and weights,
            too.
        y : array_like of shape (n_samples,), real
            The target; left out where X holds it.
        sample_weight : array_like of shape (n_samples,), real, optional
            How much each row counts; 1 each by default.

        Returns
        -------
        float
            At most 1.

        Raises
        ------
        TypeError
            If an argument does not hold real numbers that fit into float64.
        ValueError
            If shapes do not fit together, or weights are out of range.

        Examples
        --------
        >>> import fastgd
        >>> round(fastgd.fit([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]).score([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]), 6)
        1.0
        """
        # Imported here, as these need numba.
        from fastgd.inputs.training_set import open_training_set
        from fastgd.rows.determination import r_squared

        rows = open_training_set(X, y, sample_weight, None, self.feature_names).rows
        if rows.n_features != len(self.coef):
            raise _other_width(f"X has {counted(rows.n_features, 'feature')}", len(self.coef))
        return r_squared(rows, self.coef, self.intercept)

    def save(self, path: str | os.PathLike[str], *, target: str | None = None) -> None:
        """Write parameters and labels to a file, in JSON, for `load` and ``fastgd predict``.

        A file of that name is replaced in one step, or stays as it was if this fails.

        Parameters
        ----------
        path : path
            Where to.
        target : str, optional
            The name of the target, for the header of what ``fastgd predict`` writes.

        Raises
        ------
        OSError
            If the file cannot be written.
        TypeError
            If the features have labels other than text and numbers.
        ValueError
            If a parameter is not finite, as after a descent that diverged.

        Examples
        --------
        >>> import fastgd, os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fastgd.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]).save(f"{folder}/line.json")
        ...     fastgd.load(f"{folder}/line.json").predict([10.0]).round(6)
        array([21.])
        """
        target = self.target if target is None else target
        model_file.save(model_file.Content(target, self.feature_names, self.intercept, self.coef), path)

    def _predict_source(self, source: OrderedSource) -> _Vector:
        parts = [evaluated(X, self.coef, self.intercept) for X in source.features(self.feature_names)]
        if not parts:
            raise ValueError(
                "The source has no rows, but at least one is expected. Check where they were to come from."
            )
        return np.concatenate(parts)


class _Light(Predictor):
    """What a worker needs to predict: no history travels with it."""

    def __init__(self, model: Predictor) -> None:
        self.coef, self.intercept, self.feature_names = model.coef, model.intercept, model.feature_names


def hypothesis(
    X: ArrayLike, coef: _Vector, intercept: float | _Vector, feature_names: list[Any] | None = None
) -> _Vector:
    """Compute ``h(x) = intercept + coef . x`` for each row.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples,), real, data frame or sparse matrix
        The features.
    coef : ndarray of shape (n_features,) or (n_targets, n_features), float64
        The coefficients.
    intercept : float or ndarray of shape (n_targets,), float64
        The intercept.
    feature_names : list, optional
        The labels of the columns to take from a data frame.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_targets), float64
        The hypothesis.

    Raises
    ------
    TypeError
        If X does not hold real numbers that fit into float64.
    ValueError
        If it has another shape, or a column is missing, or has missing values.
    """
    array, _ = validation.features(X, feature_names)
    if isinstance(array, CSR):
        _check_width(array.shape, coef)
        sparse: Any = X
        product: _Vector = sparse @ coef.T
        return product + intercept
    return evaluated(array, coef, intercept)


def evaluated(array: _Array | Columns, coef: _Vector, intercept: float | _Vector) -> _Vector:
    """Compute what `hypothesis` does, for an array that has been checked, or columns."""
    n_samples, n_features = _check_width(array.shape, coef)
    with np.errstate(over="ignore", invalid="ignore"):  # an infinity is a result
        if n_samples * n_features <= tuning.CACHED_VALUES and isinstance(array, np.ndarray):
            return _of_block(array.reshape(n_samples, n_features), coef, intercept)
        result = np.empty((n_samples, *coef.shape[:-1]))
        for start, stop in Blocks(n_samples, max(1, tuning.CACHED_VALUES // n_features)):
            rows = slice(start, stop)
            block = array.gather(rows).T if isinstance(array, Columns) else array[rows].reshape(-1, n_features)
            result[rows] = _of_block(block, coef, intercept)
    return result


def _of_block(block: _Array, coef: _Vector, intercept: float | _Vector) -> _Vector:
    block = np.ascontiguousarray(block, np.float64)
    # Row by row, as a product of matrix and vector adds in an order that depends on the number of rows.
    product: _Vector = np.vecdot(block, coef) if coef.ndim == 1 else block @ coef.T
    return product + intercept


def _check_width(shape: tuple[int, ...], coef: _Vector) -> tuple[int, int]:
    n_samples, n_features = (*shape, 1)[:2]
    if n_features != coef.shape[-1]:
        raise _other_width(f"X has shape {shape}, that is {counted(n_features, 'feature')}", coef.shape[-1])
    return n_samples, n_features


def _other_width(found: str, n_expected: int) -> ValueError:
    return ValueError(f"{found}, but the fit had {n_expected}. Give X of shape (n_samples, {n_expected}).")


def coef_names(model: Predictor) -> list[str]:
    """Return the names of the coefficients: the labels of features, or ``"coef[0]"`` where these are none or numbers."""
    names = model.feature_names
    if names is None or are_numbers(names):
        return [f"coef[{j}]" for j in range(len(model.coef))]
    return list(map(str, names))


def parameter_lines(model: Predictor, *, intercept: bool) -> list[tuple[str, str]]:
    """Return the names and values of the parameters, of many features those of the first."""
    lines = [(name, f"{value:.10g}") for name, value in zip(coef_names(model), model.coef.tolist(), strict=True)]
    if len(lines) > _MAX_PRINTED + 1:
        lines[_MAX_PRINTED:] = [("...", f"and {len(lines) - _MAX_PRINTED} more, in coef")]
    return [("intercept", f"{model.intercept:.10g}"), *lines] if intercept else lines


def in_columns(heading: str, lines: list[tuple[str, str]]) -> str:
    """Return a heading and, below it, names and values in two columns."""
    width = max(len(name) for name, _ in lines)
    return "\n".join([heading, *(f"  {name:<{width}}  {value}" for name, value in lines)])
