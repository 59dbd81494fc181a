"""Small blocks, so that small data take many of them."""

from fastgd.kernels.dense import dense
from fastgd.kernels.registry import EVERY_KERNEL, kernels


def set_block_values(monkeypatch, values):
    """Let a block hold this many values, but at least a row, and let even the smallest pass be shared among threads."""
    gradients, moments = kernels(EVERY_KERNEL)
    for kernel in (*gradients, *moments, dense(1, True)):  # the last is asked for the size of a stream's blocks only
        monkeypatch.setattr(kernel, "block_rows", lambda n_features: max(1, values // n_features))
    monkeypatch.setattr("fastgd.rows.arrays.BLOCK_VALUES", values)
    monkeypatch.setattr("fastgd.rows.arrays._CACHED_VALUES", values)
    monkeypatch.setattr("fastgd.rows.arrays._MIN_SHARED_VALUES", 1)
    monkeypatch.setattr("fastgd.rows.arrays.ArrayRows.min_shared_values", 1)
