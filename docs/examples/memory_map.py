"""Fit a memory map that is larger than the memory this process may have.

    python memory_map.py [megabytes]

The limit is one of the operating system (RLIMIT_DATA: what a process allocates, but not the files that it maps), so what would
copy the map would fail here.
"""

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np

import fastgd

N_FEATURES = 20
n_rows = int(sys.argv[1] if len(sys.argv) > 1 else 1000) * 1_000_000 // (8 * N_FEATURES)


def batches():
    rng = np.random.default_rng(0)
    for start in range(0, n_rows, 100_000):
        X = rng.standard_normal((min(100_000, n_rows - start), N_FEATURES))
        yield X, X @ np.arange(N_FEATURES) + 3.0 + rng.standard_normal(len(X))


with tempfile.TemporaryDirectory() as folder:
    with open(Path(folder, "X.f8"), "wb") as X_file, open(Path(folder, "y.f8"), "wb") as y_file:
        for X, y in batches():
            X.tofile(X_file)
            y.tofile(y_file)
    del X, y
    fastgd.warmup(N_FEATURES, dtypes=["float64"])  # a compiler needs memory, too

    n_pages = int(Path("/proc/self/statm").read_text().split()[5])  # what is allocated by now
    limit = n_pages * resource.getpagesize() + 200_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    X = np.memmap(Path(folder, "X.f8"), dtype=np.float64, mode="r", shape=(n_rows, N_FEATURES))
    y = np.memmap(Path(folder, "y.f8"), dtype=np.float64, mode="r", shape=(n_rows,))
    result = fastgd.fit(X, y)

    print(f"{X.nbytes / 1e6:,.0f} MB fitted in {result.n_passes} passes, with 200 MB left to allocate")
    print(f"intercept {result.intercept:.2f}, coef", *result.coef.round(2))
    try:
        np.array(X)
    except MemoryError:
        print("A copy of X does not fit.")
