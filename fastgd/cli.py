"""The command line: ``fastgd demo``, ``fit``, ``predict``, ``bench`` and ``warmup``.

Bad input is one line on standard error and exit status 2. What takes long to import is imported by the command that
needs it, once its files have been read.
"""

import argparse
import csv
import dataclasses
import importlib.util
import io
import json
import math
import os
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import numpy as np

from fastgd import __version__
from fastgd.exceptions import ConvergenceWarning
from fastgd.files import read_table
from fastgd.models import Model, ModelError, check_writable, load, save
from fastgd.tables import Table, TableError

if TYPE_CHECKING:
    from fastgd.result import FitResult

METHODS = ("auto", "gd", "nesterov", "cg", "preconditioned")
LOSSES = ("mse", "half_mse", "sse")

# The statuses that a shell gives to programs ended by SIGINT and SIGPIPE.
_INTERRUPTED, _PIPE_CLOSED = 130, 141

_EXAMPLES = """\
files: CSV with a header line, .parquet, or an array, .npy. Examples:
  fastgd fit houses.csv --target price --save model.json
  fastgd fit houses.csv --target price --features area --plot line.png
  fastgd fit houses.parquet --target price --json
  fastgd fit houses.csv --target price --method gd --standardize --history h.csv
  fastgd predict model.json new.csv > predictions.csv
"""

# Sizes at which plain numpy is timed, too: in cache and out of it.
_PEER_SIZES = ((1_000, 10), (100_000, 10), (10_000_000, 2), (3_000_000, 10), (300_000, 100))
_FEW_PEER_SIZES = ((1_000, 10), (100_000, 10), (1_000_000, 2))


class _InputError(ValueError):
    """Input that cannot be used."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _InputError(f"{message} (see {self.prog} --help)")


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit status: 0, or 1 if a fit diverged, 2 for input that cannot be used, 130 after Ctrl-C, 141 if nobody
        reads standard output any more.
    """
    if sys.stdout is None:  # as Python has it where the process was started without one
        _say("error: standard output is closed, but there is something to print.")
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of columns that a terminal cannot show
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", ConvergenceWarning)
            warnings.showwarning = _show_warning
            status = _run(argv)
        sys.stdout.flush()
    except (_InputError, ModelError, TableError) as error:
        _say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        _say("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return _PIPE_CLOSED
    except OSError as error:
        _drop_output()
        _say(f"error: {error}")
        return 2
    return status


def _run(argv: list[str] | None) -> int:
    try:
        args = _parser().parse_args(argv)
    except SystemExit:  # after --help and --version
        return 0
    if args.command == "fit":
        return _fit(args)
    if args.command == "predict":
        return _predict(args)
    if args.command == "bench":
        return _bench(args)
    if args.command == "warmup":
        return _warmup(args)
    from fastgd.demo import run

    run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fastgd",
        description="Linear regression by gradient descent.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fastgd {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands.add_parser(
        "demo",
        help="fit the NIST Norris data and time the gradient (the default)",
        description="Fit the NIST Norris data, compare with the certified values, and time the one-pass gradient.",
        allow_abbrev=False,
    )
    _add_fit(commands.add_parser("fit", help="fit a line to the columns of a file", allow_abbrev=False))
    _add_predict(commands.add_parser("predict", help="predict from a fitted line and a file", allow_abbrev=False))
    _add_bench(commands.add_parser("bench", help="measure this machine and the gradient on it", allow_abbrev=False))
    _add_warmup(commands.add_parser("warmup", help="compile ahead of the first call", allow_abbrev=False))
    return parser


def _add_fit(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Fit a column of a file as a linear function of other columns, and print the coefficients. The file is CSV (UTF-8, "
        "a header line, numbers), Parquet (.parquet), or a numpy array (.npy), whose columns are numbered from 0. Exit "
        "status: 0, 1 if the descent diverged, 2 if the input cannot be used."
    )
    parser.add_argument("data", metavar="DATA", help="the training set: .csv, .parquet or .npy")
    parser.add_argument("--target", required=True, metavar="COLUMN", type=str.strip, help="the column to fit")
    parser.add_argument("--features", type=_columns, metavar="A,B", help="the columns to fit it from (all others)")
    parser.add_argument("--method", choices=METHODS, metavar="M", default="auto", help=f"{', '.join(METHODS)}")
    parser.add_argument("--loss", choices=LOSSES, metavar="L", default="mse", help=f"{', '.join(LOSSES)}")
    parser.add_argument(
        "--learning-rate", type=_learning_rate, default="auto", metavar="NUMBER", help="step size (auto)"
    )
    parser.add_argument("--max-iter", type=_count, metavar="N", help="how many iterations at most")
    parser.add_argument("--tol", type=_not_negative, metavar="NUMBER", help="when to stop; 0 for never")
    parser.add_argument("--standardize", action="store_true", help="descend on standardised features")
    parser.add_argument(
        "--l2", type=_not_negative, default=0.0, metavar="NUMBER", help="penalty on the squared coef (0)"
    )
    parser.add_argument("--no-intercept", action="store_true", help="fit a line through the origin")
    parser.add_argument("--drop-missing", action="store_true", help="drop rows with missing values")
    parser.add_argument("--save", metavar="MODEL.json", help="where to save the line, for fastgd predict")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--history", metavar="FILE.csv", help="where to write the iterations")
    parser.add_argument(
        "--plot",
        metavar="FILE.png",
        help="where to draw the line of one feature, or the cost over the iterations (with --method gd, nesterov or cg)",
    )


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write the predictions for the rows of a file to standard output, as CSV. Columns are found by their names."
    )
    parser.add_argument("model", metavar="MODEL.json", help="what fastgd fit --save has written")
    parser.add_argument("data", metavar="DATA", help="the rows to predict: .csv, .parquet or .npy")
    parser.add_argument(
        "--drop-missing",
        action="store_true",
        help="drop rows with missing values; if there are any, a first column holds the line (or number) of each row in DATA",
    )


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Measure how fast this machine reads memory, and print what share of that the gradient and the product with the "
        "Hessian reach, over the number of features, for each dtype and layout (C: row-major, F: column-major), on one and "
        "on all threads; then the speed of the gradient from cache to memory, and plain numpy beside it. It takes some minutes "
        "and 0.6 GB of memory."
    )
    parser.add_argument("--quick", action="store_true", help="few sizes, small data: seconds, and rough figures")
    parser.add_argument("--png", metavar="FILE", help="draw a picture, too (needs matplotlib)")


def _add_warmup(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compile the kernels and keep them in numba's cache, so that no first call has to: a step for a Dockerfile. The "
        "environment variable NUMBA_CACHE_DIR says where, now and when fastgd is used."
    )
    parser.add_argument(
        "--features", type=_counts, metavar="K,L", help="for data with this many features only (any number)"
    )
    parser.add_argument("--dtype", choices=("float64", "float32"), action="append", help="for this dtype only (both)")


def _bench(args: argparse.Namespace) -> int:
    if args.png is not None:
        check_writable(args.png)
    from fastgd import roofline
    from fastgd.timing import compare, machine, report

    features = (1, 10, 100, 1000) if args.quick else roofline.FEATURES
    n_bytes, n_rounds = (1 << 24, 3) if args.quick else (roofline.N_BYTES, 7)
    measured: list[roofline.Share] = []
    for share in roofline.shares(features, n_bytes=n_bytes, n_rounds=n_rounds):
        if not measured or share[:3] != measured[-1][:3]:
            _say(f"measuring {share.dtype} {share.order}, {share.n_threads} thread{'s' * (share.n_threads > 1)} ...")
        measured.append(share)
    print(f"Share of the read roof: gradient / product with the Hessian\n\n{roofline.report(measured)}\n")
    _say("measuring sizes from cache to memory ...")
    followed = list(roofline.speeds(n_bytes=n_bytes, n_rounds=n_rounds))
    print(
        f"GB/s of X and y by the gradient, row-major float64, by number of features\n\n{roofline.describe(followed)}\n"
    )
    _say("measuring plain numpy, too ...")
    sizes = _FEW_PEER_SIZES if args.quick else _PEER_SIZES
    print(f"The gradient by plain numpy, in its best spelling, and by fastgd\n\n{report(compare(sizes))}\n")
    print(f"({machine()})")
    if args.png is not None:
        try:
            roofline.draw(measured, followed, args.png)
        except ImportError as error:
            raise _InputError(str(error)) from error
    return 0


def _warmup(args: argparse.Namespace) -> int:
    from fastgd.warming import warmup

    start = time.perf_counter()
    n_compiled = warmup(args.features, dtypes=args.dtype or ("float64", "float32"))
    print(f"{n_compiled} compiled functions are ready after {time.perf_counter() - start:.1f} s.")
    return 0


def _fit(args: argparse.Namespace) -> int:
    if args.features is not None and args.target in args.features:
        raise _InputError(f"{args.target!r} is the target and among the features, but a target is fitted from others.")
    _check_outputs(args)
    table = read_table(args.data, args.features, args.drop_missing, target=args.target)
    features = table.names[:-1]
    if not features:
        raise _InputError(
            f"{args.data} has no column but the target {args.target!r}, so there is nothing to fit it from."
        )
    _report_dropped(table.n_dropped)
    draws_line = len(features) == 1
    if args.plot is not None and not draws_line and args.method in ("auto", "preconditioned"):
        raise _InputError(
            f"--plot was given, and {len(features)} features and --method {args.method}, which takes a step or two. Give one "
            "of them with --features, for a picture of the line, or --method gd, nesterov or cg, for one of the cost."
        )

    from fastgd.fitting import fit

    try:
        result = fit(
            np.ascontiguousarray(table.values[:, :-1]),  # without gaps, so that each pass reads them in place
            np.ascontiguousarray(table.values[:, -1]),
            intercept=not args.no_intercept,
            loss=args.loss,
            method=args.method,
            learning_rate=args.learning_rate,
            max_iter=args.max_iter,
            tol=args.tol,
            standardize=args.standardize,
            l2=args.l2,
            history=args.history is not None or (args.plot is not None and not draws_line),
        )
    except ValueError as error:
        raise _InputError(str(error)) from error
    diverged = result.message.startswith("Diverged") or not np.isfinite(result.theta).all()
    try:
        if args.save is not None and not diverged:
            save(Model(args.target, features, result.intercept, result.coef), args.save)
        if args.history is not None and result.history is not None:
            result.history.to_csv(args.history)
        if args.plot is not None:
            _draw(args.plot, table, result, features)
    finally:  # whatever happens to the files
        result = dataclasses.replace(result, feature_names=features)
        print(_as_json(result, args.target) if args.json else result)
    if diverged and args.save is not None:
        _say(f"error: the descent diverged, so no model was saved to {args.save}.")
    return int(diverged)


def _predict(args: argparse.Namespace) -> int:
    model = load(args.model)
    table = read_table(args.data, model.features, args.drop_missing)
    predictions = table.values @ model.coef + model.intercept
    _report_dropped(table.n_dropped)
    # Through .data come Python's own floats, one at a time; csv writes them with every digit.
    writer = csv.writer(sys.stdout, lineterminator="\n")
    name = f"predicted_{model.target}"
    if table.n_dropped and table.lines is not None:
        writer.writerow(["line", name])
        writer.writerows(zip(table.lines.data, predictions.data, strict=True))
    else:
        writer.writerow([name])
        writer.writerows(zip(predictions.data))
    return 0


def _check_outputs(args: argparse.Namespace) -> None:
    """Find out what cannot be written before anything is computed, and refuse to replace the data."""
    for option in ("save", "history", "plot"):
        path = getattr(args, option)
        if path is None:
            continue
        check_writable(path)
        if os.path.exists(path) and os.path.exists(args.data) and os.path.samefile(path, args.data):
            what = {"save": "the model", "history": "the history", "plot": "the picture"}[option]
            raise _InputError(f"{what} would replace its data, {args.data}. Give another name with --{option}.")
    if args.plot is not None and importlib.util.find_spec("matplotlib") is None:
        raise _InputError(
            "--plot needs matplotlib, which is not installed. Install it with: pip install 'fastgd[plot]'."
        )


def _draw(path: str, table: Table, result: "FitResult", features: list[str]) -> None:
    from matplotlib.figure import Figure

    from fastgd import plot

    figure = Figure(layout="constrained")
    ax = figure.subplots()
    if len(features) == 1:
        plot.fit_line(table.values[:, 0], table.values[:, 1], result, ax=ax)
        ax.set(xlabel=features[0], ylabel=table.names[-1])
    elif result.history is not None:
        plot.cost_curve(result.history, ax=ax)
    figure.savefig(path, format="png", dpi=150)


def _as_json(result: "FitResult", target: str) -> str:
    numbers = (
        "cost",
        "gradient_norm",
        "gap",
        "rank",
        "condition",
        "n_iter",
        "n_passes",
        "converged",
        "verified",
        "message",
    )
    coef = dict(zip(result.feature_names or [], map(_finite, result.coef.tolist()), strict=True))
    content = {"target": target, "intercept": _finite(result.intercept), "coef": coef}
    content |= {name: _finite(getattr(result, name)) for name in numbers}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    """Return null for what JSON has no number for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _columns(text: str) -> list[str]:
    try:
        names = [name.strip() for row in csv.reader([text], skipinitialspace=True, strict=True) for name in row]
    except csv.Error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a line of CSV ({error})") from None
    if not all(names) or not names:
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name, but names of columns are expected")
    for name in names:
        if names.count(name) > 1:
            raise argparse.ArgumentTypeError(f"{name!r} was given twice, but different columns are expected")
    return names


def _learning_rate(text: str) -> float | str:
    value = _float(text)
    if text == "auto" or (math.isfinite(value) and value > 0):
        return "auto" if text == "auto" else value
    raise argparse.ArgumentTypeError(f"{text!r} was given, but a finite number > 0 or auto is expected")


def _not_negative(text: str) -> float:
    value = _float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} was given, but a finite number >= 0 is expected")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} was given, but a whole number >= 0 is expected")
    return int(text)


def _counts(text: str) -> list[int]:
    counts = [_count(part.strip()) for part in text.split(",")]
    if 0 in counts:
        raise argparse.ArgumentTypeError(f"{text!r} was given, but numbers >= 1 are expected")
    return counts


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _report_dropped(n_dropped: int) -> None:
    if n_dropped:
        _say(f"{n_dropped} row{'s' * (n_dropped > 1)} with missing values dropped")


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _say(f"warning: {message}")


def _say(text: str) -> None:
    """Write one line to standard error, whatever is in the text."""
    print("fastgd:", *text.split(), file=sys.stderr)


def _drop_output() -> None:
    """Let standard output go nowhere, so that Python does not try again to write to it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
