"""The command line: ``fastgd demo``, ``fit``, ``predict``, ``bench`` and ``warmup``.

Bad input leads to one line on standard error and exit status 2. What takes long to import is imported by the command that
needs it, once its files have been read.
"""

import argparse
import csv
import io
import math
import os
import sys
import warnings
from typing import Any, NoReturn

from fastgd import __version__, arguments
from fastgd.cli import commands, fit_command
from fastgd.cli.output import InputError, say
from fastgd.inputs.table import TableError
from fastgd.saving.model_file import ModelError
from fastgd.saving.outputs import OutputError

METHODS = ("auto", "gd", "nesterov", "cg", "preconditioned")
STEPS = ("auto", "optimal", "exact")
COVARIANCES = ("auto", "classical", "HC0", "HC1", "HC2", "HC3")
LOSSES = tuple(arguments.LOSSES)

# The exit statuses of programs that are ended by SIGINT and SIGPIPE.
_INTERRUPTED, _PIPE_CLOSED = 130, 141

_COMMANDS = {"fit": fit_command.fit, "predict": commands.predict, "bench": commands.bench, "warmup": commands.warmup}

_EXAMPLES = """\
files: CSV with a header line, .parquet, or an array, .npy. Examples:
  fastgd fit houses.csv --target price --save model.json
  fastgd fit houses.csv --target price --features area --plot line.png
  fastgd fit houses.parquet --target price --json
  fastgd fit houses.csv --target price --method gd --standardize --history h.csv
  fastgd predict model.json new.csv > predictions.csv
"""


class _Once(argparse.Action):
    """Stores a value, and refuses a second one, which would silently replace the first."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        given = namespace.__dict__.setdefault("_given", set())
        if self.dest in given:
            raise argparse.ArgumentError(self, "was given twice, but one is expected")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class _Parser(argparse.ArgumentParser):
    """A parser that takes each option once, by its full name, and raises an `InputError`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)
        self.register("action", None, _Once)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit status: 0, or 1 if a fit did not converge, 2 for input that cannot be used, 130 after Ctrl-C, 141 if the
        reader of standard output has closed it.
    """
    if sys.stdout is None:  # the process was started without one
        say("error: standard output is closed, but there is something to print.")
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of columns that a terminal cannot show
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: say(f"warning: {message}")
            status = _run(argv)
        sys.stdout.flush()
    except (InputError, ModelError, OutputError, TableError) as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        say("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return _PIPE_CLOSED
    except OSError as error:
        _drop_output()
        say(f"error: {error}")
        return 2
    return status


def _run(argv: list[str] | None) -> int:
    try:
        args, unknown = _parser().parse_known_args(argv)
    except SystemExit:  # after --help and --version
        return 0
    if unknown:
        command = f"fastgd {args.command or ''}".rstrip()
        separated = "; names of columns are separated by commas" if getattr(args, "features", None) else ""
        raise InputError(f"unrecognized arguments: {' '.join(unknown)} (see {command} --help{separated})")
    if args.command in _COMMANDS:
        return _COMMANDS[args.command](args)
    from fastgd.cli.demo import run

    run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fastgd",
        description="Linear regression by gradient descent.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fastgd {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    subparsers.add_parser(
        "demo",
        help="fit the NIST Norris data and time the gradient (the default)",
        description="Fit the NIST Norris data, compare with the certified values, and time the one-pass gradient.",
    )
    _add_fit(subparsers.add_parser("fit", help="fit a line to the columns of a file"))
    _add_predict(subparsers.add_parser("predict", help="predict from a fitted line and a file"))
    _add_bench(subparsers.add_parser("bench", help="time the gradient beside this machine's memory and plain numpy"))
    _add_warmup(subparsers.add_parser("warmup", help="compile ahead of the first call"))
    return parser


def _add_fit(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Fit a column of a file as a linear function of other columns, and print the coefficients. The file is CSV (UTF-8, "
        "a header line, numbers), Parquet (.parquet), or a numpy array (.npy), whose columns are numbered from 0. Exit "
        "status: 0, 1 if the descent did not converge, 2 if the input cannot be used."
    )
    parser.add_argument("data", metavar="DATA", help="the training set: .csv, .parquet or .npy")
    parser.add_argument("--target", required=True, metavar="COLUMN", type=str.strip, help="the column to fit")
    parser.add_argument(
        "--features",
        type=_columns,
        metavar="A,B",
        help="the columns to fit it from (all others but an index)",
    )
    parser.add_argument("--method", choices=METHODS, metavar="M", default="auto", help=f"{', '.join(METHODS)}")
    parser.add_argument("--loss", choices=LOSSES, metavar="L", default="mse", help=f"{', '.join(LOSSES)}")
    parser.add_argument(
        "--learning-rate",
        type=_learning_rate,
        default="auto",
        metavar="NUMBER",
        help="step size, or optimal, exact (auto)",
    )
    parser.add_argument("--max-iter", type=_count, metavar="N", help="how many iterations at most")
    parser.add_argument("--tol", type=_not_negative, metavar="NUMBER", help="when to stop; 0 for never")
    parser.add_argument("--standardize", action="store_true", help="descend on standardised features")
    parser.add_argument(
        "--l2", type=_penalty, default=0.0, metavar="NUMBER", help="penalty on squared coef, or auto (0)"
    )
    of_errors = "of standard errors: classical, or HC0 to HC3 (auto)"
    parser.add_argument("--covariance", choices=COVARIANCES, metavar="C", default="auto", help=of_errors)
    parser.add_argument("--no-intercept", action="store_true", help="fit a line through the origin")
    parser.add_argument("--drop-missing", action="store_true", help="drop rows with missing values")
    parser.add_argument("--save", metavar="MODEL.json", help="where to save the line, for fastgd predict")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--history",
        metavar="FILE.csv",
        help="where to write the iterations (the default takes one or two), in the units of the steps",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE.png",
        help="where to draw the line of one feature, or else the cost over the iterations (with --method gd, nesterov or cg); "
        ".png, .pdf or .svg",
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
    parser.add_argument("--png", metavar="FILE", help="draw a picture, too (.png, .pdf or .svg; needs matplotlib)")


def _add_warmup(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compile the kernels and keep them in numba's cache, so that no first call has to: a step for a Dockerfile. The "
        "environment variable NUMBA_CACHE_DIR says where, now and when fastgd is used."
    )
    parser.add_argument(
        "--features", type=_counts, metavar="K,L", help="for data with this many features only (any number)"
    )
    parser.add_argument("--dtype", choices=("float64", "float32"), action="append", help="for this dtype only (both)")


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
    return text if text in STEPS else _number(text, "a finite number > 0, auto, optimal or exact", zero=False)


def _not_negative(text: str) -> float:
    return _number(text, "a finite number >= 0", zero=True)


def _penalty(text: str) -> float | str:
    return text if text == "auto" else _number(text, "a finite number >= 0, or auto", zero=True)


def _number(text: str, expected: str, *, zero: bool) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise argparse.ArgumentTypeError(f"{text!r} was given, but {expected} is expected")
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


def _drop_output() -> None:
    """Redirect standard output to the null device, so that Python does not write to it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
