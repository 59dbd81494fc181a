"""Fit a folder of Parquet files, at once, and then file by file, as a job that may be interrupted at any time.

    python parquet_folder.py [folder]

The second way keeps the moments of each file beside it. A file whose moments are there is not read again, so a job that was
stopped goes on where it was, and several machines can share one; each file counts once.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import fastgd


def write_some(folder):
    rng = np.random.default_rng(0)
    for month in range(1, 13):
        area, rooms = rng.uniform(30, 200, 50_000), rng.integers(1, 8, 50_000)
        price = 20.0 + 2.5 * area + 8.0 * rooms + rng.normal(0, 20, 50_000)
        pq.write_table(pa.table({"area": area, "rooms": rooms, "price": price}), folder / f"2025-{month:02}.parquet")


def moments_of(file):
    kept = file.with_suffix(".npz")
    if not kept.exists():
        moments = fastgd.Moments.from_rows(fastgd.scan_parquet(file, target="price"))
        moments.save(kept)
    return fastgd.Moments.load(kept)


with tempfile.TemporaryDirectory() as temporary:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
    if not list(folder.glob("*.parquet")):
        write_some(folder)

    whole = fastgd.fit(fastgd.scan_parquet(folder, target="price"))
    print(whole.feature_names, whole)

    total = sum(moments_of(file) for file in sorted(folder.glob("*.parquet")))
    by_files = fastgd.fit(total)
    print(f"{total.n_samples:,} rows; the two fits differ by {abs(whole.theta - by_files.theta).max():.0e}")
    print(by_files.message)
