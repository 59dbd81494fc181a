"""Small blocks, so that small data take many of them."""

from fastgd.kernels import tuning


def set_block_values(monkeypatch, values):
    """Let a block hold about this many values, but at least a row, and let even the smallest pass be shared among threads."""
    for name in ("BLOCK_VALUES", "CACHED_VALUES"):
        monkeypatch.setattr(tuning, name, values)
    for name in ("MIN_SHARED_VALUES", "MIN_SHARED_STORED", "SPARSE_VALUES_PER_SUM"):
        monkeypatch.setattr(tuning, name, 1)
    for name in ("MIN_GROUPS", "MIN_BLOCK_ROWS", "MIN_MOMENT_ROWS", "MOMENT_ROWS_PER_FEATURE"):
        monkeypatch.setattr(tuning, name, 1)
