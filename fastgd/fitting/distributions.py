"""Student's t and F, which scipy has."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def t_p_value(t: ArrayLike, df: float) -> NDArray[np.float64]:
    """Return how likely a larger ``|t|`` is, of a variable with Student's distribution."""
    result: NDArray[np.float64] = 2.0 * _special().stdtr(df, -np.abs(t))
    return result


def t_quantile(level: float, df: float) -> float:
    """Return the t that ``|t|`` does not exceed with the probability `level`, of a variable with Student's distribution."""
    return float(-_special().stdtrit(df, 0.5 * (1.0 - level)))


def f_p_value(f: float, df_numerator: float, df_denominator: float) -> float:
    """Return how likely a larger f is, of a variable with the F distribution."""
    return float(_special().fdtrc(df_numerator, df_denominator, f))


def is_known() -> bool:
    """Return whether scipy is installed."""
    try:
        _special()
    except ImportError:
        return False
    return True


def _special() -> Any:
    try:
        from scipy import special
    except ImportError:
        raise ImportError(
            "p-values and confidence intervals need scipy. Install it with: pip install 'fastgd[stats]'"
        ) from None
    return special
