"""Fit a data frame of dask on several worker processes.

    python dask_cluster.py [n_workers]

Each partition is summed where it lies; what travels is as long as a row. The result does not depend, to the bit, on how many
workers there are, nor on who does what.
"""

import sys

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

import fastgd


def month(number):
    rng = np.random.default_rng(number)
    area, rooms = rng.uniform(30, 200, 50_000), rng.integers(1, 8, 50_000)
    return pd.DataFrame(
        {"area": area, "rooms": rooms, "price": 20.0 + 2.5 * area + 8.0 * rooms + rng.normal(0, 20, 50_000)}
    )


if __name__ == "__main__":
    n_workers = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        houses = dd.from_map(month, range(12)).persist()  # or dd.read_parquet(...)
        result = fastgd.fit(houses[["area", "rooms"]], houses["price"])
    here = pd.concat([month(number) for number in range(12)])
    alone = fastgd.fit(here[["area", "rooms"]], here["price"])
    print(result)
    print(
        f"{n_workers} workers, {result.n_passes} passes; in memory the same to {abs(result.theta - alone.theta).max():.0e}"
    )
