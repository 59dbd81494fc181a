"""Linear regression by gradient descent at the speed of memory.

Names are looked up on first use: importing fastgd imports neither numba nor an optional package.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastgd import reference
    from fastgd.descent.descend import descend
    from fastgd.descent.history import History
    from fastgd.exceptions import ConvergenceWarning, RankWarning
    from fastgd.fitting.cross_validation import CrossValidation, cross_validate
    from fastgd.fitting.fit import fit
    from fastgd.fitting.model import Model, load
    from fastgd.fitting.options import FitState
    from fastgd.fitting.result import FitResult
    from fastgd.inputs.batches import from_batches
    from fastgd.inputs.scan_csv import scan_csv
    from fastgd.inputs.scan_parquet import scan_parquet
    from fastgd.kernels.warming import warmup
    from fastgd.moments import Moments
    from fastgd.objective import cost, cost_and_gradient, gradient
    from fastgd.rows.threads import get_num_threads, set_num_threads

__version__ = "0.1.0"

__all__ = [
    "ConvergenceWarning",
    "CrossValidation",
    "FitResult",
    "FitState",
    "History",
    "Model",
    "Moments",
    "RankWarning",
    "__version__",
    "cost",
    "cost_and_gradient",
    "cross_validate",
    "descend",
    "fit",
    "from_batches",
    "get_num_threads",
    "gradient",
    "load",
    "reference",
    "scan_csv",
    "scan_parquet",
    "set_num_threads",
    "warmup",
]

_LAZY_IMPORTS = {
    "ConvergenceWarning": "fastgd.exceptions",
    "CrossValidation": "fastgd.fitting.cross_validation",
    "FitResult": "fastgd.fitting.result",
    "FitState": "fastgd.fitting.options",
    "History": "fastgd.descent.history",
    "Model": "fastgd.fitting.model",
    "Moments": "fastgd.moments",
    "RankWarning": "fastgd.exceptions",
    "cost": "fastgd.objective",
    "cost_and_gradient": "fastgd.objective",
    "cross_validate": "fastgd.fitting.cross_validation",
    "descend": "fastgd.descent.descend",
    "fit": "fastgd.fitting.fit",
    "from_batches": "fastgd.inputs.batches",
    "get_num_threads": "fastgd.rows.threads",
    "gradient": "fastgd.objective",
    "load": "fastgd.fitting.model",
    "scan_csv": "fastgd.inputs.scan_csv",
    "scan_parquet": "fastgd.inputs.scan_parquet",
    "set_num_threads": "fastgd.rows.threads",
    "warmup": "fastgd.kernels.warming",
}


def __getattr__(name: str) -> object:
    if name == "reference":
        return import_module("fastgd.reference")
    if name not in _LAZY_IMPORTS:
        raise AttributeError(f"module 'fastgd' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY_IMPORTS[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
