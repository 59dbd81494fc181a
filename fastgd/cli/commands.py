"""What the commands of the command line do: each is a function of its arguments that returns the exit status."""

import argparse
import csv
import dataclasses
import itertools
import json
import math
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgd.exceptions import ConvergenceWarning, RankWarning, ignored
from fastgd.formatting import counted
from fastgd.inputs.files import read_table
from fastgd.inputs.indexes import left_out
from fastgd.inputs.table import Table
from fastgd.saving.model_file import Model, load, save
from fastgd.saving.outputs import check_picture, check_writable, replacing, same_file

if TYPE_CHECKING:
    from fastgd.fitting.result import FitResult

# Sizes at which plain numpy is timed, too: in cache and out of it.
_PEER_SIZES = ((1_000, 10), (100_000, 10), (10_000_000, 2), (3_000_000, 10), (300_000, 100))
_FEW_PEER_SIZES = ((1_000, 10), (100_000, 10), (1_000_000, 2))

_OUTPUTS = {"save": "the model", "history": "the history", "plot": "the picture"}

_JSON_FIELDS = (
    "cost",
    "gradient_norm",
    "gap",
    "rank",
    "condition",
    "n_iter",
    "n_passes",
    "status",
    "converged",
    "verified",
    "message",
)


# Options of the library in a message, with or without a value; and what stands in quotes: names of columns.
_OPTION = re.compile(
    r"""\b(method|loss|learning_rate|max_iter|tol|standardize|l2)=["']?([\w.+-]*\w)["']?"""
    r"""|\b(learning_rate|max_iter|tol|l2)\b|'[^']*'|"[^"]*\""""
)


class InputError(ValueError):
    """Input that cannot be used."""


def say(text: str) -> None:
    """Write one line to standard error, whatever is in the text.

    Parameters
    ----------
    text : str
        The text.
    """
    print("fastgd:", *text.split(), file=sys.stderr)


def fit(args: argparse.Namespace) -> int:
    """Fit a column of a file, print the result and write the files that were requested.

    Parameters
    ----------
    args : argparse.Namespace
        The arguments of ``fastgd fit``.

    Returns
    -------
    int
        0; 1 if the descent diverged, or did not converge although its tolerance is not 0; 2 if there was no curve to draw.
    """
    if args.features is not None and args.target in args.features:
        raise InputError(f"{args.target!r} is the target and among the features, but a target is fitted from others.")
    _check_outputs(args)
    table = read_table(args.data, args.features, args.drop_missing, target=args.target)
    *features, target = table.names
    note = left_out(table.left_out, "--features") if table.left_out else ""
    if not features:
        nothing = (
            f"{args.data} has no column but the target {args.target!r}, so there is nothing to fit it from. {note}"
        )
        raise InputError(nothing.rstrip())
    if note:
        say(note)
    _report_dropped(table.n_dropped)
    draws_curve = args.plot is not None and len(features) > 1
    if draws_curve:
        _check_curve(args, len(table.values), len(features))
    result = _fitted(args, table, history=args.history is not None or draws_curve)
    diverged = result.status == "diverged" or not np.isfinite(result.theta).all()
    failed = diverged or not (result.converged or args.tol == 0)
    draws = args.plot is not None and (not draws_curve or result.n_iter > 1)
    try:
        if args.save is not None and not diverged:
            save(Model(target, features, result.intercept, result.coef), args.save)
        if args.history is not None and result.history is not None:
            with replacing(args.history) as path:
                result.history.to_csv(path)
        if draws:
            _draw(args.plot, table, result)
    finally:  # whatever happens to the files
        result = dataclasses.replace(result, message=as_options(result.message))
        print(_as_json(result, target) if args.json else result, flush=True)
    if failed:  # as the output, which says why and what to do, may go to a file
        what = "diverged, so no model was" if diverged else "did not converge, but the model was"
        say(f"error: the descent {what.partition(',')[0] if args.save is None else f'{what} saved to {args.save}'}.")
    if args.plot is not None and not draws:
        say(f"error: the fit ended after less than two iterations, so there is no curve to draw to {args.plot}.")
        return 1 if failed else 2
    return int(failed)


def predict(args: argparse.Namespace) -> int:
    """Print the predictions for the rows of a file.

    Parameters
    ----------
    args : argparse.Namespace
        The arguments of ``fastgd predict``.

    Returns
    -------
    int
        0.
    """
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


def bench(args: argparse.Namespace) -> int:
    """Measure this machine and the gradient on it.

    Parameters
    ----------
    args : argparse.Namespace
        The arguments of ``fastgd bench``.

    Returns
    -------
    int
        0.
    """
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
    print(
        f"GB/s of X and y by the gradient, row-major float64, by number of features\n\n{roofline.describe(followed)}\n"
    )
    say("measuring plain numpy, too ...")
    sizes = _FEW_PEER_SIZES if args.quick else _PEER_SIZES
    print(f"The gradient by plain numpy, in its best spelling, and by fastgd\n\n{report(compare(sizes))}\n")
    print(f"({machine()})")
    if args.png is not None:
        with replacing(args.png) as path:
            roofline.draw(measured, followed, path)
    return 0


def warmup(args: argparse.Namespace) -> int:
    """Compile ahead of the first call.

    Parameters
    ----------
    args : argparse.Namespace
        The arguments of ``fastgd warmup``.

    Returns
    -------
    int
        0.
    """
    from fastgd.kernels import warming
    from fastgd.rows.threads import get_num_threads

    start = time.perf_counter()
    n_compiled = warming.warmup_by_processes(
        args.features, args.dtype or ("float64", "float32"), get_num_threads(), lambda text: print(text, flush=True)
    )
    print(f"{n_compiled} compiled functions are ready after {time.perf_counter() - start:.1f} s.")
    return 0


def _check_outputs(args: argparse.Namespace) -> None:
    """Before anything is computed, refuse outputs that cannot be written, or would replace the data or each other."""
    given = {option: getattr(args, option) for option in _OUTPUTS if getattr(args, option) is not None}
    for option, path in given.items():
        check_writable(path)
        if same_file(path, args.data):
            raise InputError(
                f"{_OUTPUTS[option]} would replace its data, {args.data}. Give another name with --{option}."
            )
    for one, other in itertools.combinations(given, 2):
        if same_file(given[one], given[other]):
            raise InputError(f"--{one} and --{other} are both {given[one]}. Give each a name of its own.")
    if args.plot is not None:
        check_picture(args.plot)


def _check_curve(args: argparse.Namespace, n_samples: int, n_features: int) -> None:
    """Refuse to draw the cost over the iterations where there will be only one or two."""
    from fastgd.fitting.options import Options

    try:
        given = Options(method=args.method, learning_rate=args.learning_rate)
        method = given.for_rows(n_samples, n_features, sparse=False).method
    except ValueError as error:
        raise InputError(as_options(str(error))) from error
    if args.max_iter is not None and args.max_iter < 2:
        few = f"--max-iter {args.max_iter}. Give a larger one"
    elif method == "preconditioned":
        few = f"--method {args.method}, which takes a step or two. Give --method gd, nesterov or cg"
    else:
        return
    raise InputError(
        f"--plot was given, and {n_features} features and {few}, for a picture of the cost, or one feature with --features, "
        "for one of the line."
    )


def _fitted(args: argparse.Namespace, table: Table, *, history: bool) -> "FitResult":
    from fastgd.fitting import fit
    from fastgd.inputs.frames import Frame

    # Without gaps, so that each pass reads them in place; and with their names, for messages.
    X: Any = Frame(np.ascontiguousarray(table.values[:, :-1]), table.names[:-1])
    try:
        with ignored(ConvergenceWarning, RankWarning):  # whose words are in the message, which is printed
            return fit.fit(
                X,
                np.ascontiguousarray(table.values[:, -1]),
                intercept=not args.no_intercept,
                loss=args.loss,
                method=args.method,
                learning_rate=args.learning_rate,
                max_iter=args.max_iter,
                tol=args.tol,
                standardize=args.standardize,
                l2=args.l2,
                history=history,
            )
    except ValueError as error:
        raise InputError(as_options(str(error))) from error


def as_options(text: str) -> str:
    """Say in the words of the command line what the library says in Python's.

    Parameters
    ----------
    text : str
        A message, in which options are arguments.

    Returns
    -------
    str
        The same with ``--max-iter 5`` for ``max_iter=5`` and so on; what stands in quotes stays.
    """
    return _OPTION.sub(_as_option, text)


def _as_option(found: re.Match[str]) -> str:
    option, value, alone = found.groups()
    if option is None and alone is None:
        return found[0]
    return f"--{(option or alone).replace('_', '-')} {'' if value in (None, 'True') else value}".rstrip()


def _draw(path: str, table: Table, result: "FitResult") -> None:
    from matplotlib.figure import Figure

    from fastgd import plot

    figure = Figure(layout="constrained")
    ax = figure.subplots()
    with np.errstate(all="ignore"):  # of costs that grew without bound
        if len(table.names) == 2:
            plot.fit_line(table.values[:, 0], table.values[:, 1], result, ax=ax)
            ax.set_xlabel(table.names[0], parse_math=False)
            ax.set_ylabel(table.names[1], parse_math=False)
        else:
            assert result.history is not None
            plot.cost_curve(result.history, ax=ax)
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=150)


def _as_json(result: "FitResult", target: str) -> str:
    coef = dict(zip(result.feature_names or [], map(_finite, result.coef.tolist()), strict=True))
    content = {"target": target, "intercept": _finite(result.intercept), "coef": coef}
    content |= {name: _finite(getattr(result, name)) for name in _JSON_FIELDS}
    return json.dumps(content, indent=2, allow_nan=False)  # in ASCII, so that it is JSON whatever the terminal can show


def _finite(value: Any) -> Any:
    """Return null for what JSON has no number for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _report_dropped(n_dropped: int) -> None:
    if n_dropped:
        say(f"{counted(n_dropped, 'row')} with missing values dropped")
