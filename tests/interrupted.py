"""Make calls of a table again and again, and say when they were interrupted: what test_interrupts.py runs as a process.

Each call is so long that an interrupt finds it under way, and each makes the work another part of fastgd does.
"""

import sys
import threading
import time
from pathlib import Path

import numpy as np

import fastgd
from fastgd.kernels import cache

rng = np.random.default_rng(0)


def rows(n_samples, n_features, dtype=np.float64):
    X = rng.standard_normal((n_samples, n_features)).astype(dtype)
    return X, X.sum(axis=1) + rng.standard_normal(n_samples)


def forever(X, y, **options):
    """Descend for as many passes as nobody waits for."""
    options = {"method": "gd", "precompute": False, "learning_rate": 1e-3, "tol": 0, "max_iter": 10**9, **options}
    return lambda: fastgd.fit(X, y, **options)


def again(n_times, call, *args, **options):
    return lambda: [call(*args, **options) for _ in range(n_times)]


def many_weights():
    n = 100_000_000  # what they are broadcast from is a single row
    X, y = np.broadcast_to(1.0, (n, 1)), np.broadcast_to(1.0, n)
    return again(100, fastgd.gradient, X, y, np.ones(1), sample_weight=np.ones(n))


def sparse():
    import scipy.sparse

    columns = rng.integers(0, 10, (2_000_000, 5)) + 10 * np.arange(5)
    ends = np.arange(0, columns.size + 1, 5)
    X = scipy.sparse.csr_array((rng.uniform(size=columns.size), columns.ravel(), ends), shape=(2_000_000, 50))
    return again(100, fastgd.fit, X, X @ np.ones(50) + rng.standard_normal(2_000_000))


def stream():
    batch = rows(100_000, 5)
    return lambda: fastgd.fit(fastgd.from_batches(lambda: (batch for _ in range(10_000))))


def csv(folder=Path(sys.argv[-1])):
    path = folder / "rows.csv"
    if not path.exists():
        X, y = rows(20_000, 3)
        np.savetxt(path, np.column_stack((X, y)), delimiter=",", header="a,b,c,y", comments="")
    return lambda: [fastgd.fit(fastgd.scan_csv(path, target="y")) for _ in range(1000)]


def parquet(folder=Path(sys.argv[-1])):
    import pyarrow as pa
    import pyarrow.parquet as pq

    X, y = rows(2_000_000, 5)
    path = folder / "rows.parquet"
    pq.write_table(pa.table({**{f"x{j}": X[:, j] for j in range(5)}, "y": y}), path)
    return lambda: [fastgd.fit(fastgd.scan_parquet(path, target="y")) for _ in range(1000)]


def regressor():
    from fastgd.sklearn import GDRegressor

    return GDRegressor()


def estimator():
    X, y = rows(1_000_000, 10)
    return lambda: [regressor().fit(X, y).score(X, y) for _ in range(1000)]


def by_columns(X, y):
    return np.asfortranarray(X), y


def strided(X, y):
    return np.repeat(X, 2, axis=1)[:, ::2], y


from_rows = fastgd.Moments.from_rows

CALLS = {
    "float64 passes": lambda: forever(*rows(3_000_000, 10)),
    "passes on 7 threads": lambda: forever(*rows(3_000_000, 10), n_threads=7),
    "passes on one thread": lambda: forever(*rows(3_000_000, 10), n_threads=1),
    "rows of 40,000 features": lambda: forever(*rows(300, 40_000)),
    "columns of 40,000 features": lambda: forever(*by_columns(*rows(300, 40_000))),
    "strided rows": lambda: forever(*strided(*rows(1_000_000, 8))),
    "conjugate gradients": lambda: forever(*rows(1_000_000, 30), method="cg", learning_rate="auto"),
    "nesterov": lambda: forever(*rows(1_000_000, 30), method="nesterov"),
    "fits": lambda: again(1000, fastgd.fit, *rows(3_000_000, 10)),
    "moments of 1,500 features": lambda: again(100, from_rows, *rows(12_000, 1_500), n_threads=2),
    "moments on one thread": lambda: again(100, from_rows, *rows(80_000, 600), n_threads=1),
    "a descent on moments": lambda: forever(*rows(10_000, 30), precompute=True, learning_rate=1e-6),
    "sample weights": lambda: again(
        10_000, fastgd.gradient, *rows(2_000_000, 4), np.ones(4), sample_weight=rng.uniform(size=2_000_000)
    ),
    "1e8 sample weights": many_weights,
    "sparse rows": sparse,
    "several targets": lambda: again(
        100, regressor().fit, rows(1_000_000, 20)[0], rng.standard_normal((1_000_000, 10))
    ),
    "a stream": stream,
    "csv files": csv,
    "parquet files": parquet,
    "the estimator": estimator,
}


class Compilations:
    """Note when something was compiled last: an interrupt waits for that, or is lost in it."""

    def __init__(self):
        self.n_open, self.last = 0, time.monotonic()
        self.compile_cached = cache.compile_cached
        cache.compile_cached = self

    def __call__(self, *arguments):
        self.n_open += 1
        try:
            return self.compile_cached(*arguments)
        finally:
            self.n_open, self.last = self.n_open - 1, time.monotonic()

    def wait(self, seconds=1.0):
        while self.n_open or time.monotonic() < self.last + seconds:
            time.sleep(0.05)
        print("begins", flush=True)


def main():
    """Make each call until it is interrupted, as often as is asked, and say when that was and whether the next are right."""
    names, n_times, _folder = sys.argv[1:]
    compilations = Compilations()
    X, y = rows(1_000_000, 3)
    theta = np.ones(3)
    expected = fastgd.gradient(X, y, theta, n_threads=1).tobytes()
    for name in names.split(";"):
        call = CALLS[name]()
        compilations.last = time.monotonic()
        threading.Thread(target=compilations.wait, daemon=True).start()
        for n_left in reversed(range(int(n_times))):
            try:
                call()
                caught = None
            except KeyboardInterrupt:
                caught = time.monotonic()
            right = all(fastgd.gradient(X, y, theta, n_threads=n).tobytes() == expected for n in (1, 2, 3))
            print(caught, right, flush=True)
            if n_left:
                print("begins", flush=True)


if __name__ == "__main__":
    main()
