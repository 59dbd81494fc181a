"""``python -m benchmarks.fits``: the default fit compared with other least-squares solvers, in seconds and digits.

The others are scikit-learn's LinearRegression, oneDAL's (scikit-learn-intelex), numpy's lstsq and the normal equations in plain
numpy; those that are not installed are skipped. A round times each once, one after the other, after a rest in which the
idle threads of the one before fall asleep; times are medians over the rounds, ratios are medians of the ratios within a
round. The gradient is the scale-free one, ``max_j |x_j . r| / (|x_j| |r|)``, at the coefficients that were found.
"""

import argparse
import importlib
import importlib.util
import itertools
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from timeit import timeit
from typing import Any

import numpy as np

import fastgd
from fastgd.bench import timing
from fastgd.formatting import markdown, markdown_row

SIZES = ((1_000_000, 10), (1_000_000, 100), (200_000, 500))
KINDS = ("plain", "unequal rows", "correlated columns", "high leverage")
REST = 0.2  # seconds

Fit = Callable[[Any, Any], Any]


def data(n_samples: int, n_features: int, kind: str) -> tuple[Any, Any]:
    """Make X and y; rows of log-normal size, columns of condition number 1e6, or ten rows that carry nearly all weight."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features))
    if kind == "unequal rows":
        X *= np.exp(rng.standard_normal(n_samples))[:, np.newaxis]
    if kind == "correlated columns":
        Q, _ = np.linalg.qr(rng.standard_normal((n_features, n_features)))
        X = X @ (Q * np.logspace(0, -6, n_features)) @ Q.T
    if kind == "high leverage":
        X[:10] *= 1e4
    return X, X @ rng.standard_normal(n_features) + rng.standard_normal(n_samples) + 1.0


def by_fastgd(X: Any, y: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it did not converge, or of dependent columns
        return fastgd.fit(X, y).theta


def by_normal_equations(X: Any, y: Any) -> Any:
    A = np.column_stack((np.ones(len(X)), X))
    return np.linalg.solve(A.T @ A, A.T @ y)


def by_lstsq(X: Any, y: Any) -> Any:
    return np.linalg.lstsq(np.column_stack((np.ones(len(X)), X)), y)[0]


def by_estimator(module: str) -> Fit:
    def fit(X: Any, y: Any) -> Any:
        model = importlib.import_module(module).LinearRegression().fit(X, y)
        return np.concatenate(([model.intercept_], model.coef_))

    return fit


def fits() -> dict[str, Fit]:
    """Return the ways to fit that are installed, fastgd first."""
    found: dict[str, Fit] = {"fastgd": by_fastgd}
    for name, module in (("oneDAL", "sklearnex.linear_model"), ("scikit-learn", "sklearn.linear_model")):
        if importlib.util.find_spec(module.partition(".")[0]) is not None:
            found[name] = by_estimator(module)
    return found | {"normal equations": by_normal_equations, "lstsq": by_lstsq}


def scale_free_gradient(X: Any, y: Any, theta: Any) -> float:
    """Compute ``max_j |x_j . r| / (|x_j| |r|)``, the intercept's column of ones included."""
    r = y - X @ theta[1:] - theta[0]
    entries = abs(np.concatenate(([r.sum()], X.T @ r)))
    norms = np.sqrt(np.concatenate(([len(r)], np.einsum("ij,ij->j", X, X))))
    return float((entries / norms).max() / np.linalg.norm(r))


def seconds_of(fit: Fit, X: Any, y: Any) -> float:
    time.sleep(REST)
    return timeit(lambda: fit(X, y), number=1)


def measure(n_samples: int, n_features: int, kind: str, chosen: dict[str, Fit], n_rounds: int) -> list[str]:
    X, y = data(n_samples, n_features, kind)
    gradients = [scale_free_gradient(X, y, fit(X, y)) for fit in chosen.values()]
    rounds = [[seconds_of(fit, X, y) for fit in chosen.values()] for _ in range(n_rounds)]
    cells = [f"{n_samples:,}", str(n_features), kind]
    for place, gradient in enumerate(gradients):
        median = statistics.median(times[place] for times in rounds)
        ratio = statistics.median(times[place] / times[0] for times in rounds)
        cells.append(f"{median * 1e3:,.1f} ms" + (f" ({ratio:.2f})" if place else "") + f", {gradient:.0e}")
    return cells


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--skip", action="append", default=[], metavar="NAME", help="leave this one out; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="a twentieth of the rows")
    args = parser.parse_args(argv)
    chosen = {name: fit for name, fit in fits().items() if name not in args.skip}
    print(timing.machine())
    print("Time (in multiples of fastgd's), and the scale-free gradient that is left.\n")
    print(markdown(["rows", "features", "data", *chosen], []))
    for (n_samples, n_features), kind in itertools.product(SIZES, KINDS):
        cells = measure(n_samples // (20 if args.quick else 1), n_features, kind, chosen, args.rounds)
        print(markdown_row(cells), flush=True)


if __name__ == "__main__":
    main()
