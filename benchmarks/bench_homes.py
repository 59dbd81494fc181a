"""Passes over rows that are not in memory, compared with only reading them."""

import os
import tempfile

import numpy as np

import fastgd

from .common import rows

N_SAMPLES, N_FEATURES = 1_000_000, 10


class Homes:
    """A million rows of ten features: as an array, as a memory map, in batches, in a Parquet file."""

    param_names = ["home"]
    params = [["array", "map", "batches", "parquet"]]

    def setup(self, home):
        X, y, _ = rows(N_SAMPLES, N_FEATURES)
        self.theta = np.zeros(1 + N_FEATURES)
        self.folder = tempfile.TemporaryDirectory()
        self.args = X, y
        if home == "map":
            np.save(os.path.join(self.folder.name, "X.npy"), X)
            self.args = np.load(os.path.join(self.folder.name, "X.npy"), mmap_mode="r"), y
        elif home == "batches":
            edges = range(0, N_SAMPLES, 30_000)
            self.args = fastgd.from_batches([(X[i : i + 30_000], y[i : i + 30_000]) for i in edges]), None
        elif home == "parquet":
            self.args = self.parquet(X, y), None
        self.time_gradient(home)
        self.time_fit(home)

    def parquet(self, X, y):
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise NotImplementedError("needs pyarrow") from None
        self.path = os.path.join(self.folder.name, "rows.parquet")
        columns = {f"x{j}": np.array(column) for j, column in enumerate(X.T)} | {"y": y}
        pq.write_table(pa.table(columns), self.path, row_group_size=1 << 17, use_dictionary=False)
        return fastgd.scan_parquet(self.path, target="y")

    def teardown(self, home):
        self.args = None
        self.folder.cleanup()

    def time_gradient(self, home):
        fastgd.gradient(*self.args, self.theta, intercept=True)

    def time_fit(self, home):
        fastgd.fit(*self.args)

    def time_reading(self, home):
        """Read, and do nothing else: a sum over the array or the map; pyarrow over the file."""
        if home == "parquet":
            from pyarrow.parquet import ParquetFile

            for batch in ParquetFile(self.path, buffer_size=1 << 16, pre_buffer=False).iter_batches():
                for column in batch.columns:
                    column.to_numpy()
        elif home != "batches":
            self.args[0].sum()
