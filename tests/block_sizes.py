"""Small blocks, so that small data take many of them."""

from fastgd.kernels.dense import dense


def set_block_values(monkeypatch, values):
    """Let a block hold this many values, but at least a row, and let even the smallest pass be shared among threads."""
    for n_features in range(1, 41):
        for by_columns in (False, True):
            kernel = dense(n_features, by_columns)
            monkeypatch.setattr(kernel, "block_rows", lambda n_features: max(1, values // n_features))
    monkeypatch.setattr("fastgd.rows.arrays.BLOCK_VALUES", values)
    monkeypatch.setattr("fastgd.rows.arrays._CACHED_VALUES", values)
    monkeypatch.setattr("fastgd.rows.arrays._MIN_SHARED_VALUES", 1)
    monkeypatch.setattr("fastgd.rows.arrays.ArrayRows.min_shared_values", 1)
