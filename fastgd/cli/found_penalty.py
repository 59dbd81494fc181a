"""``fastgd fit --l2 auto``: the penalty of the least cost on held-out rows."""

import argparse
from typing import Any

from fastgd.cli.output import say

_FOLDS = 5


def found_penalty(X: Any, y: Any, args: argparse.Namespace) -> float:
    """Cross-validate, say which penalty was found, and return it."""
    from fastgd.fitting.cross_validation import cross_validate

    folds = min(_FOLDS, len(y))
    if folds < 2:
        raise ValueError("l2=auto was given, and a single row, but at least 2 are expected. Give a number.")
    same = {"intercept": not args.no_intercept, "loss": args.loss, "standardize": args.standardize}
    found = cross_validate(X, y, folds=folds, **same)
    cost, error = min(zip(found.mean_cost.tolist(), found.standard_error.tolist(), strict=True))
    say(
        f"--l2 {found.best_l2:.6g} was found: on {folds} folds, its cost was least, {cost:.6g} (standard error {error:.2g})"
    )
    return found.best_l2
