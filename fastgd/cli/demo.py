"""``fastgd demo``: real data fitted by gradient descent to the digits that NIST certifies, and this machine's speed."""

import csv
import math
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from fastgd.bench import timing
from fastgd.fitting import fit
from fastgd.formatting import table

# NIST/ITL Statistical Reference Datasets, linear regression, data set Norris.
CERTIFIED = {"intercept": -0.262323073774029, "slope": 1.00211681802045}
CERTIFIED_STATISTICS = {
    "std. error of the intercept": 0.232818234301152,
    "std. error of the slope": 0.429796848199937e-3,
    "residual std": 0.884796396144373,
    "R^2": 0.999993745883712,
    "F": 5436385.54079785,
}

_SIZES = [(10, 1), (1_000, 10), (10_000_000, 1), (5_000_000, 2), (3_333_333, 3), (1_000_000, 10), (100_000, 100)]


def norris() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the Norris set.

    Returns
    -------
    x, y : ndarray of shape (36,), float64
        NIST's measurement of ozone, and the monitor's reading.
    """
    text = resources.files("fastgd.cli").joinpath("data/norris.csv").read_text(encoding="utf-8")
    rows = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(text.splitlines())]
    x, y = np.array(rows).T.copy()
    return x, y


def agreeing_digits(computed: float, certified: float) -> float:
    """Count the digits that agree: the log relative error that NIST scores with.

    Parameters
    ----------
    computed, certified : float
        The values.

    Returns
    -------
    float
        ``-log10(|computed - certified| / |certified|)``, 15 at most: certified values have no more digits.
    """
    error = abs(computed - certified) / abs(certified)
    return 15.0 if error == 0 else min(15.0, -math.log10(error))


def run() -> None:
    """Print the demonstration."""
    x, y = norris()
    print("Norris: 36 readings of an ozone monitor (y) against NIST's measurements (x).")
    print(
        "Batch gradient descent on the standardised x from (0, 0) until rounding ends it. The learning rate is 0.1: each"
    )
    print("update is -0.1 times its gradient.\n")
    result = fit.fit(x, y, standardize=True, learning_rate=0.1, tol=1e-15, history=True)
    print(result.history)
    print(f"{result.message}\n")
    assert result.standard_errors is not None  # it has converged
    computed = [*result.theta.tolist(), *result.standard_errors.tolist()]
    computed += [result.residual_std, result.r_squared, result.f_statistic]
    rows = [
        [name, f"{ours:.15g}", f"{certified:.15g}", f"{agreeing_digits(ours, certified):.1f}"]
        for (name, certified), ours in zip((CERTIFIED | CERTIFIED_STATISTICS).items(), computed, strict=True)
    ]
    print(table(["", "computed", "certified by NIST", "digits that agree"], rows))

    print("\nThe gradient of the mean squared error on this machine, fastgd's one pass beside plain numpy's two:\n")
    print(timing.report(timing.compare(_SIZES, seconds=0.3)))
    print(f"({timing.machine()})")
