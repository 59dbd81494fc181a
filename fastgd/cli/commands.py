"""``fastgd predict``, ``bench`` and ``warmup``: each is a function of its arguments that returns the exit status."""

import argparse
import csv
import sys
import time

from fastgd.cli.output import report_dropped, say
from fastgd.formatting import counted
from fastgd.inputs.files import read_table
from fastgd.saving.model_file import load
from fastgd.saving.outputs import check_picture, replacing

# Sizes at which plain numpy is timed, too: in cache and out of it.
_PEER_SIZES = ((1_000, 10), (100_000, 10), (10_000_000, 2), (3_000_000, 10), (300_000, 100))
_FEW_PEER_SIZES = ((1_000, 10), (100_000, 10), (1_000_000, 2))


def predict(args: argparse.Namespace) -> int:
    """Print the predictions for the rows of a file."""
    model = load(args.model)
    table = read_table(args.data, model.features, args.drop_missing)
    predictions = table.values @ model.coef + model.intercept
    report_dropped(table.n_dropped)
    # Iterating over .data gives Python's own floats, one at a time, which csv writes with every digit.
    writer = csv.writer(sys.stdout, lineterminator="\n")
    name = f"predicted_{model.target}"
    if table.n_dropped and table.lines is not None:
        writer.writerow(["line", name])
        writer.writerows(zip(table.lines.data, predictions.data, strict=True))
    else:
        writer.writerow([name])
        writer.writerows(zip(predictions.data))
    return 0


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
