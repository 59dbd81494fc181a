"""Models: hypotheses that were fitted and saved, and predict without what fits."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.fitting.prediction import Predictor, in_columns, parameter_lines
from fastgd.saving import model_file


@dataclass(frozen=True, repr=False, eq=False)
class Model(Predictor):
    """A linear hypothesis, as `load` reads it from a file: a `FitResult` without how the fit ended.

    It needs numpy alone to predict arrays: no numba, and so no time to import it.

    Attributes
    ----------
    coef : ndarray of shape (n_features,), float64
        The coefficients of the features; read-only.
    intercept : float
        The intercept; 0.0 if the hypothesis has none.
    feature_names : list or None
        The labels of the features, text or numbers, if they have any.
    target : str or None
        The name of the target, if it is known.

    Examples
    --------
    >>> import fastgd, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fastgd.fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]).save(f"{folder}/model.json", target="price")
    ...     fastgd.load(f"{folder}/model.json")
    Model of 'price'
      intercept  1
      coef[0]    2
    """

    coef: NDArray[np.float64]
    intercept: float
    feature_names: list[Any] | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        """Make the coefficients read-only, as those of a fit are."""
        self.coef.flags.writeable = False

    def __repr__(self) -> str:
        """Return the parameters in a few lines."""
        heading = "Model" if self.target is None else f"Model of {self.target!r}"
        return in_columns(heading, parameter_lines(self, intercept=True))


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model that `FitResult.save`, `Model.save` or ``fastgd fit --save`` has written.

    The file is JSON, all of which is checked: no file can run code, or take more memory than it has bytes. Neither numba nor
    scikit-learn is imported.

    Parameters
    ----------
    path : path
        Where from.

    Returns
    -------
    Model
        The model, which predicts.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it holds something else.

    Examples
    --------
    >>> import fastgd, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fastgd.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]).save(f"{folder}/line.json")
    ...     fastgd.load(f"{folder}/line.json").predict([10.0]).round(6)
    array([21.])
    """
    content = model_file.load(path)
    return Model(content.coef, content.intercept, content.features, content.target)
