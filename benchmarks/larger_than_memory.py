"""``python -m benchmarks.larger_than_memory``: passes over Parquet files, a memory map and a dask cluster, in seconds.

They are compared with what only reads: pyarrow, scanning the same columns into numpy arrays, in three ways; a sum over the
mapped array; fastgd on the array in memory. Each contestant has a process of its own, as the memory that one leaves behind
changes the speed of the next; a round runs each once, and times are medians over the rounds of the median of three. Memory is
the growth of the resident set at its peak, after pyarrow and fastgd were imported.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from timeit import repeat
from typing import Any

import numpy as np

import fastgd
from fastgd.bench import timing
from fastgd.formatting import markdown

ROW_GROUP = 1 << 20
PYARROW = ("pyarrow, batches of a file", "pyarrow, scanner, small read-ahead", "pyarrow, scanner")
OURS = ("fastgd gradient", "fastgd moments", "fastgd fit")
DASK = ("fit in dask's threads, files", *(f"fit on {n} workers, files" for n in (2, 4)), "fit on 2 workers, in memory")
HOMES = {
    "parquet": (*PYARROW, *OURS),
    "map": ("numpy sum", *OURS),
    "memory": OURS,
    "dask": DASK,
}


def parts(n_samples: int, n_features: int) -> Iterator[tuple[Any, Any]]:
    """Make rows, some at a time."""
    for start in range(0, n_samples, ROW_GROUP):
        rng = np.random.default_rng(start)
        X = rng.standard_normal((min(ROW_GROUP, n_samples - start), n_features))
        yield X, X @ np.arange(n_features) + 1.0 + rng.standard_normal(len(X))


def write(folder: Path, n_samples: int, n_features: int) -> None:
    """Write the rows to a Parquet file and to two files to be mapped."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [*(f"x{j}" for j in range(n_features)), "y"]
    schema = pa.schema([(name, pa.float64()) for name in names])
    with (
        pq.ParquetWriter(folder / "rows.parquet", schema, use_dictionary=False) as file,
        open(folder / "X.f8", "wb") as X_file,
        open(folder / "y.f8", "wb") as y_file,
    ):
        for X, y in parts(n_samples, n_features):
            file.write_table(pa.table(dict(zip(names, [*X.T.copy(), y], strict=True))), row_group_size=ROW_GROUP)
            X.tofile(X_file)
            y.tofile(y_file)


def by_pyarrow(path: Path, way: str) -> Callable[[], None]:
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    def scan() -> None:
        if way == PYARROW[0]:
            batches = pq.ParquetFile(path, buffer_size=1 << 16, pre_buffer=False).iter_batches(1 << 17)
        elif way == PYARROW[1]:
            options = ds.ParquetFragmentScanOptions(use_buffered_stream=True, pre_buffer=False)
            scanner = ds.dataset(path).scanner(batch_readahead=4, fragment_readahead=1, fragment_scan_options=options)
            batches = scanner.to_batches()
        else:
            batches = ds.dataset(path).scanner().to_batches()
        for batch in batches:
            for column in batch.columns:
                column.to_numpy()

    return scan


def by_fastgd(source: Any, y: Any, n_features: int, what: str) -> Callable[[], Any]:
    calls = {
        "fastgd gradient": lambda: fastgd.gradient(source, y, np.zeros(n_features + 1), intercept=True),
        "fastgd moments": lambda: fastgd.Moments.from_rows(source, y),
        "fastgd fit": lambda: fastgd.fit(source, y),
    }
    return calls[what]


def resident(key: str) -> float:
    """Return a size of this process from the kernel's list, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(key)) / 1e3


def child(home: str, what: str, folder: Path, n_features: int) -> None:
    """Time one contestant, in this process."""
    path, y = folder / "rows.parquet", None
    if home == "dask":
        of_dask(what, folder, n_features)
        return
    if home == "parquet":
        import fastgd.fitting.fit
        import fastgd.inputs.scan

        run = by_pyarrow(path, what) if what in PYARROW else None
        source = fastgd.scan_parquet(path, target="y")
    else:
        y = np.memmap(folder / "y.f8", mode="r", dtype=np.float64)
        source = np.memmap(folder / "X.f8", mode="r", dtype=np.float64, shape=(len(y), n_features))
        if home == "memory":
            source, y = np.array(source), np.array(y)
        run = source.sum if what == "numpy sum" else None
    before = resident("VmRSS")
    report(run or by_fastgd(source, y, n_features, what), lambda: resident("VmHWM") - before)


def of_dask(what: str, folder: Path, n_features: int) -> None:
    import dask
    import dask.dataframe as dd
    from distributed import Client, LocalCluster, wait

    def rows() -> tuple[Any, Any]:
        table = dd.read_parquet(folder / "rows.parquet", split_row_groups=True)
        return table[[f"x{j}" for j in range(n_features)]], table["y"]

    if "workers" not in what:
        with dask.config.set(scheduler="threads", num_workers=os.cpu_count()):
            report(lambda: fastgd.fit(*rows()), lambda: 0.0)
        return
    n_workers, kept = int(what.split()[2]), None
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster,
        Client(cluster) as client,
    ):
        if what.endswith("memory"):
            X, y = rows()
            whole = X.assign(y=y).to_dask_array(lengths=True)
            kept = [whole[:, :n_features].map_blocks(np.ascontiguousarray), whole[:, n_features].map_blocks(np.array)]
            kept = client.persist(kept)
            wait(kept)
        report(lambda: fastgd.fit(*(kept or rows())), lambda: 0.0)


def report(run: Callable[[], Any], grown: Callable[[], float]) -> None:
    _, *seconds = repeat(run, number=1, repeat=4)
    print(json.dumps([statistics.median(seconds), grown()]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=float, default=1e8, help="values of X")
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--homes", nargs="+", choices=HOMES, default=list(HOMES))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child[0], args.child[1], Path(args.child[2]), args.features)
        return
    contestants = [(home, what) for home in args.homes for what in HOMES[home]]
    measured: dict[tuple[str, str], list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), int(args.values / args.features), args.features)
        for _ in range(args.rounds):
            for home, what in contestants:
                command = [sys.executable, "-m", "benchmarks.larger_than_memory", "--features", str(args.features)]
                command += ["--child", home, what, folder]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                measured.setdefault((home, what), []).append(json.loads(done.stdout.splitlines()[-1]))
    lines = []
    for (home, what), figures in measured.items():
        seconds, grown = (statistics.median(column) for column in zip(*figures, strict=True))
        lines.append([home, what, f"{seconds:.3f}", f"{grown:.0f} MB" if home != "dask" else ""])
    print(f"{args.values / args.features:,.0f} rows of {args.features} features\n")
    print(f"{markdown(['home', 'what', 'seconds', 'extra memory'], lines)}\n\n({timing.machine()})")


if __name__ == "__main__":
    main()
