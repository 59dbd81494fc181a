"""Training sets whose sums have the same bits on every processor, and the bits that they have.

    python tests/kernels/bits.py          write bits.json anew, after a change that is meant to change them

The numbers are made by whole arithmetic, so that no library's random numbers can change them.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import scipy.sparse

import fastgd
from fastgd.inputs.training_set import open_training_set

TABLE = Path(__file__).with_name("bits.json")

# Features, layout and dtype of X, whether there are weights and an intercept, and rows: each kernel, and rows of one block, of
# several, and of a last one that is short. Rows that lie by columns in a row-major X are converted block by block.
SHAPES = [
    *((k, "C", *form, n) for k in (1, 2, 3, 5, 8) for form in (("d", True), ("f", False)) for n in (7, 1003, 210_007)),
    *((k, "F", *form, n) for k in (3, 17, 32) for form in (("d", True), ("f", False)) for n in (7, 1003, 30_011)),
    *(
        (k, "C", *form, n)
        for k in (9, 17, 31, 65, 100)
        for form in (("d", True), ("f", False))
        for n in (7, 1003, 30_011)
    ),
    *((k, "C", *form, n) for k in (129, 301) for form in (("d", True), ("f", False)) for n in (7, 1003, 3_001)),
    *((k, "F", *form, n) for k in (33, 65, 301) for form in (("d", True), ("f", False)) for n in (7, 1003, 3_001)),
    (1201, "F", "d", True, 401),
    (12, "strided", "d", True, 20_011),
    *((k, "CSR", *form, n) for k in (3, 40) for form in (("d", True), ("f", False)) for n in (7, 1003, 30_011)),
]


def numbers(n, seed):
    """Return n numbers in [-1, 1), the same everywhere: a hash of whole numbers."""
    bits = np.arange(seed << 32, (seed << 32) + n, dtype=np.uint64)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        bits = (bits ^ (bits >> np.uint64(31))) * np.uint64(factor)
    return (bits >> np.uint64(11)).astype(np.float64) / 2**52 - 1.0


def training_set(k, layout, dtype, weighted, n):
    """Return X, y, and sample weights or None."""
    X = numbers(n * k, 1).reshape(n, k)
    if layout == "CSR":
        X[X < 0.4] = 0.0
        X = scipy.sparse.csr_array(X.astype(dtype))
    elif layout == "strided":
        X = np.repeat(X.astype(dtype), 2, axis=1)[:, ::2]
    else:
        X = np.array(X, dtype, order=layout)
    return X, numbers(n, 2).astype(dtype), abs(numbers(n, 3)) if weighted else None


def sums(k, layout, dtype, weighted, n, *, n_threads=None):
    """Return the bits of cost, gradient, product and moments of a training set, hashed."""
    X, y, s = training_set(k, layout, dtype, weighted, n)
    options = {"sample_weight": s, "n_threads": n_threads}
    cost, gradient = fastgd.cost_and_gradient(X, y, numbers(k + 1, 4), intercept=True, l2=0.25, **options)
    found = [cost, gradient, fastgd.gradient(X, y, numbers(k, 5), loss="sse", **options)]
    rows = open_training_set(X, y, s, n_threads).rows
    found += [rows.product(numbers(k, 6)), *rows.spread(numbers(k + 1, 7))]
    if k < 200:
        moments = fastgd.Moments.from_rows(X, y, **options)
        found += [moments.mean, moments.scatter]
    return hashlib.sha256(b"".join(np.asarray(each).tobytes() for each in found)).hexdigest()[:16]


def name(k, layout, dtype, weighted, n):
    """Name a training set."""
    return f"{n} x {k} {layout} {dtype}{' weighted' if weighted else ''}"


if __name__ == "__main__":
    TABLE.write_text(json.dumps({name(*shape): sums(*shape) for shape in SHAPES}, indent=0) + "\n", encoding="ascii")
