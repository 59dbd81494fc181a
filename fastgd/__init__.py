"""Linear regression by gradient descent at the speed of memory.

Names are looked up on first use: importing fastgd imports neither numba nor an optional package.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastgd import reference
    from fastgd.batches import from_batches
    from fastgd.descent import History, descend
    from fastgd.exceptions import ConvergenceWarning, RankWarning
    from fastgd.fitting import fit
    from fastgd.moments import Moments
    from fastgd.objective import cost, cost_and_gradient, gradient
    from fastgd.result import FitResult
    from fastgd.run import FitState
    from fastgd.scan import scan_csv, scan_parquet
    from fastgd.threads import get_num_threads, set_num_threads
    from fastgd.warming import warmup

__version__ = "0.1.0"

__all__ = [
    "ConvergenceWarning",
    "FitResult",
    "FitState",
    "History",
    "Moments",
    "RankWarning",
    "__version__",
    "cost",
    "cost_and_gradient",
    "descend",
    "fit",
    "from_batches",
    "get_num_threads",
    "gradient",
    "reference",
    "scan_csv",
    "scan_parquet",
    "set_num_threads",
    "warmup",
]

_HOMES = {
    "ConvergenceWarning": "fastgd.exceptions",
    "FitResult": "fastgd.result",
    "FitState": "fastgd.run",
    "History": "fastgd.descent",
    "Moments": "fastgd.moments",
    "RankWarning": "fastgd.exceptions",
    "cost": "fastgd.objective",
    "cost_and_gradient": "fastgd.objective",
    "descend": "fastgd.descent",
    "fit": "fastgd.fitting",
    "from_batches": "fastgd.batches",
    "get_num_threads": "fastgd.threads",
    "gradient": "fastgd.objective",
    "scan_csv": "fastgd.scan",
    "scan_parquet": "fastgd.scan",
    "set_num_threads": "fastgd.threads",
    "warmup": "fastgd.warming",
}


def __getattr__(name: str) -> object:
    if name == "reference":
        return import_module("fastgd.reference")
    if name not in _HOMES:
        raise AttributeError(f"module 'fastgd' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
