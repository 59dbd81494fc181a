"""``fastgd predict``, ``bench`` and ``warmup``: each is a function of its arguments that returns the exit status."""

import argparse
import csv
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import numpy as np

from fastgd.cli.output import InputError, report_dropped, say
from fastgd.formatting import counted, listed
from fastgd.inputs.files import read_tables
from fastgd.saving.model_file import ADVICE, ModelError
from fastgd.saving.opening import opened
from fastgd.saving.outputs import check_picture, replacing

if TYPE_CHECKING:
    from fastgd.fitting.model import Model

# A row of the predictions that are kept until all are there: in memory, up to so many bytes, and then in a temporary file.
_PREDICTED = np.dtype([("line", np.int64), ("prediction", np.float64)])
_IN_MEMORY = 1 << 24
_WRITTEN_ROWS = 1 << 14  # at a time

# Sizes at which plain numpy is timed, too: in cache and out of it.
_PEER_SIZES = ((1_000, 10), (100_000, 10), (10_000_000, 2), (3_000_000, 10), (300_000, 100))
_FEW_PEER_SIZES = ((1_000, 10), (100_000, 10), (1_000_000, 2))


def predict(args: argparse.Namespace) -> int:
    """Print the predictions for the rows of a file, once all of it has been read: none where a row cannot be predicted."""
    from fastgd.fitting.model import load

    with opened(args.model, "a model", ModelError, ADVICE):
        model = load(args.model)
    names = None if model.feature_names is None else list(map(str, model.feature_names))
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
        n_dropped = 0
        for table in read_tables(args.data, names, args.drop_missing):
            _check_width(table.names, model, args.data)
            rows = np.empty(len(table.values), _PREDICTED)
            rows["line"] = 0 if table.lines is None else table.lines
            rows["prediction"] = model.predict(table.values) if len(rows) else 0.0
            spool.write(rows.tobytes())
            n_dropped += table.n_dropped
        report_dropped(n_dropped)
        spool.seek(0)
        name = "predicted" if model.target is None else f"predicted_{model.target}"
        header, columns = (["line", name], ["line", "prediction"]) if n_dropped else ([name], ["prediction"])
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(header)
        while piece := spool.read(_PREDICTED.itemsize * _WRITTEN_ROWS):
            # Python's own floats, which csv writes with every digit.
            writer.writerows(np.frombuffer(piece, _PREDICTED)[columns].tolist())
    return 0


def _check_width(names: list[str], model: "Model", path: str) -> None:
    """Refuse a file of other columns for a model whose features have no names."""
    if len(names) != len(model.coef):
        raise InputError(
            f"{path} has {counted(len(names), 'column')}, {listed(names, 10)}, but the model has {len(model.coef)} coef and no "
            "names for them. Give a file with the columns of the features alone, in their order."
        )


def bench(args: argparse.Namespace) -> int:
    """Measure this machine and the gradient on it."""
    if args.png is not None:
        check_picture(args.png)
    from fastgd.bench import roofline
    from fastgd.bench.timing import compare, machine, report

    features = (1, 10, 100, 1000) if args.quick else roofline.FEATURES
    n_bytes, n_rounds = (1 << 24, 3) if args.quick else (roofline.N_BYTES, 7)
    measured: list[roofline.Share] = []
    for share in roofline.shares(features, n_bytes=n_bytes, n_rounds=n_rounds):
        if not measured or share[:3] != measured[-1][:3]:
            say(f"measuring {share.dtype} {share.order}, {counted(share.n_threads, 'thread')} ...")
        measured.append(share)
    print(f"Share of the read roof: gradient / product with the Hessian\n\n{roofline.report(measured)}\n")
    say("measuring sizes from cache to memory ...")
    followed = list(roofline.speeds(n_bytes=n_bytes, n_rounds=n_rounds))
    print("GB/s of X and y by the gradient, row-major float64, by number of features\n")
    print(f"{roofline.describe(followed)}\n")
    say("measuring plain numpy, too ...")
    compared = compare(_FEW_PEER_SIZES if args.quick else _PEER_SIZES)
    print(f"The gradient by plain numpy, in its best spelling, and by fastgd\n\n{report(compared)}\n")
    print(f"({machine()})")
    if args.png is not None:
        with replacing(args.png) as path:
            roofline.draw(measured, followed, path)
    return 0


def warmup(args: argparse.Namespace) -> int:
    """Compile ahead of the first call."""
    from fastgd.kernels import warming
    from fastgd.rows.threads import get_num_threads

    start = time.perf_counter()
    n_compiled = warming.warmup_by_processes(
        args.features, args.dtype or ("float64", "float32"), get_num_threads(), lambda text: print(text, flush=True)
    )
    print(f"{n_compiled} compiled functions are ready after {time.perf_counter() - start:.1f} s.")
    return 0
