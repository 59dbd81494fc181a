"""Small blocks, so that small data take many of them."""

from fastgd.kernels.dense import dense
from fastgd.kernels.gram import gram
from fastgd.kernels.spread import spread


def set_block_values(monkeypatch, values):
    """Let a block hold this many values, but at least a row, and let even the smallest pass be shared among threads."""
    for by_columns in (False, True):
        for kernel in (gram(by_columns), spread(by_columns), *(dense(k, by_columns) for k in range(1, 41))):
            monkeypatch.setattr(kernel, "block_rows", lambda n_features: max(1, values // n_features))
    monkeypatch.setattr("fastgd.rows.arrays.BLOCK_VALUES", values)
    monkeypatch.setattr("fastgd.rows.arrays._CACHED_VALUES", values)
    monkeypatch.setattr("fastgd.rows.arrays._MIN_SHARED_VALUES", 1)
    monkeypatch.setattr("fastgd.rows.arrays.ArrayRows.min_shared_values", 1)
