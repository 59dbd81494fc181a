"""``fastgd fit``: fit a column of a file, print the result, and write the files that were requested."""

import argparse
import dataclasses
import itertools
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgd.cli.found_penalty import found_penalty
from fastgd.cli.output import InputError, as_options, report_dropped, say
from fastgd.exceptions import ConvergenceWarning, RankWarning, ignored
from fastgd.fitting import distributions
from fastgd.inputs.files import read_table
from fastgd.inputs.indexes import left_out
from fastgd.inputs.table import Table
from fastgd.saving.outputs import check_picture, check_writable, replacing, same_file, writing

if TYPE_CHECKING:
    from fastgd.fitting.result import FitResult

# The options that `fastgd.fit` has under the same name.
_SAME_IN_FIT = ("loss", "method", "learning_rate", "max_iter", "tol", "standardize", "l2", "covariance")

_OUTPUTS = {"save": "the model", "history": "the history", "plot": "the picture"}

# The attributes of a result that are printed as JSON, after the coefficients: where the fit ended, and how.
_WHERE = ("cost", "gradient_norm", "gap", "rank", "condition")
_HOW_GOOD = (
    "n_samples",
    "df_residual",
    "sum_of_squares",
    "total_sum_of_squares",
    "residual_std",
    "r_squared",
    "adjusted_r_squared",
    "f_statistic",
    "log_likelihood",
    "aic",
    "bic",
)
_HOW_SURE = ("standard_errors", "t_values")
_HOW = ("n_iter", "n_passes", "status", "converged", "verified", "message")


def fit(args: argparse.Namespace) -> int:
    """Run the command; return 0, 1 if the descent did not converge though its tolerance is not 0, 2 if there was no curve."""
    if args.features is not None and args.target in args.features:
        raise InputError(f"{args.target!r} is the target and among the features, but a target is fitted from others.")
    _check_outputs(args)
    table = read_table(args.data, args.features, args.drop_missing, target=args.target)
    *features, target = table.names
    note = left_out(table.left_out, "--features") if table.left_out else ""
    if not features:
        alone = f"{args.data} has no column but the target {args.target!r}, so there is nothing to fit it from. {note}"
        raise InputError(alone.rstrip())
    if note:
        say(note)
    report_dropped(table.n_dropped)
    draws_curve = args.plot is not None and len(features) > 1
    if draws_curve:
        _check_curve(args, len(table.values), len(features))
    result = _fitted(args, table, history=args.history is not None or draws_curve)
    diverged = result.status == "diverged" or not np.isfinite(result.theta).all()
    failed = diverged or not (result.converged or args.tol == 0)
    draws = args.plot is not None and (not draws_curve or result.n_iter > 1)
    try:
        if args.save is not None and not diverged:
            with writing(args.save):
                result.save(args.save, target=target)
        if args.history is not None and result.history is not None:
            with replacing(args.history) as path:
                result.history.to_csv(path)
        if draws:
            _draw(args.plot, table, result)
    finally:  # even if a file cannot be written
        result = dataclasses.replace(result, message=as_options(result.message))
        print(_as_json(result, target) if args.json else result.summary(), flush=True)
    if failed:  # said here, too, as the output, which says why and what to do, may go to a file
        what, model = ("diverged", "so no") if diverged else ("did not converge", "but the")
        say(f"error: the descent {what}{'' if args.save is None else f', {model} model was saved to {args.save}'}.")
    if args.plot is not None and not draws:
        say(f"error: the fit ended after less than two iterations, so there is no curve to draw to {args.plot}.")
        return 1 if failed else 2
    return int(failed)


def _check_outputs(args: argparse.Namespace) -> None:
    """Refuse outputs that cannot be written, or would replace the data or each other, before anything is computed."""
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
    """Fit the last column of a table to the others."""
    from fastgd.fitting import fit
    from fastgd.inputs.frames import Frame

    # Contiguous, so that each pass reads them in place; and with their names, for messages.
    X: Any = Frame(np.ascontiguousarray(table.values[:, :-1]), table.names[:-1])
    y = np.ascontiguousarray(table.values[:, -1])
    options = {name: getattr(args, name) for name in _SAME_IN_FIT}
    try:
        with ignored(ConvergenceWarning, RankWarning):  # whose text is part of the message, which is printed
            if args.l2 == "auto":
                options["l2"] = found_penalty(X, y, args)
            return fit.fit(X, y, intercept=not args.no_intercept, history=history, **options)
    except ValueError as error:
        raise InputError(as_options(str(error))) from error


def _draw(path: str, table: Table, result: "FitResult") -> None:
    """Draw the line of one feature, or the cost over the iterations."""
    from matplotlib.figure import Figure

    from fastgd import plot

    figure = Figure(layout="constrained")
    ax = figure.subplots()
    with np.errstate(all="ignore"):  # for costs that grew without bound
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
    """Return the result as JSON, in ASCII, so that any terminal can show it."""
    coef = dict(zip(result.feature_names or [], map(_finite, result.coef.tolist()), strict=True))
    content = {"target": target, "intercept": _finite(result.intercept), "coef": coef}
    content |= {name: _finite(getattr(result, name)) for name in (*_WHERE, *_HOW_GOOD)}
    content |= {"covariance": result.evidence.kind}
    found = {name: getattr(result, name) for name in _HOW_SURE}
    if distributions.is_known():
        content["f_p_value"] = _finite(result.f_p_value)
        found |= {"p_values": result.p_values, "confidence_interval": result.confidence_interval()}
    for name, values in found.items():
        content[name] = (
            None if values is None else dict(zip(result.parameter_names, _finite(values.tolist()), strict=True))
        )
    content |= {name: _finite(getattr(result, name)) for name in ("standard_errors_note", *_HOW)}
    return json.dumps(content, indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    """Return None for a number that JSON cannot express; in a list, too."""
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
