"""The options of a fit, checked once, and the method that they select for the data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import arguments
from fastgd.solvers.choose import preconditioning_pays

# The default max_iter and tol of each method.
DEFAULTS = {"gd": (1000, 1e-8), "nesterov": (1000, 1e-8), "cg": (1000, 1e-12), "preconditioned": (100, 1e-12)}

# Kinds of covariances: ``"auto"`` is ``"classical"`` where that costs no pass, or ``"cluster"`` where there are groups.
COVARIANCES = ("auto", "classical", "HC0", "HC1", "HC2", "HC3", "cluster")

# Named step sizes.
STEPS = ("auto", "optimal", "exact")


class FitState(NamedTuple):
    """What a callback sees after an iteration, in the units of X, even if steps are taken in others."""

    n_iter: int
    """How many iterations have been run."""
    theta: NDArray[np.float64]
    """Theta after them, the intercept first, shape (n_parameters,); it can be given back as `theta0`."""
    cost: float
    """The cost there."""
    gradient: NDArray[np.float64]
    """The gradient there, shape (n_parameters,)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastgd.fit`, checked, except for `theta0` and `groups`, whose lengths depend on the data.

    Raises
    ------
    TypeError, ValueError
        As for `fastgd.fit`.
    """

    intercept: bool = True
    loss: str = "mse"
    method: str = "auto"
    learning_rate: float | str = "auto"
    max_iter: int | None = None
    tol: float | None = None
    theta0: ArrayLike | None = None
    standardize: bool = False
    l2: float = 0.0
    precompute: bool | str = "auto"
    history: bool | int = False
    progress: bool = False
    callback: Callable[[FitState], object] | None = None
    covariance: str = "auto"
    groups: ArrayLike | None = None

    def __post_init__(self) -> None:
        """Check each option, and keep what the check returns."""
        own = "Leave it out for the method's own."
        checked: dict[str, Any] = {
            "intercept": arguments.switch(self.intercept, "intercept"),
            "loss": arguments.choice(self.loss, "loss", tuple(arguments.LOSSES)),
            "method": arguments.choice(self.method, "method", ("auto", *DEFAULTS)),
            "standardize": arguments.switch(self.standardize, "standardize"),
            "l2": arguments.penalty(self.l2),
            "precompute": arguments.switch_or_auto(self.precompute, "precompute"),
            "history": arguments.interval(self.history, "history"),
            "covariance": arguments.choice(self.covariance, "covariance", COVARIANCES),
        }
        if not (isinstance(self.learning_rate, str) and self.learning_rate in STEPS):
            hint = 'Or "auto" for a safe one; "optimal" or "exact" for method "gd".'
            checked["learning_rate"] = arguments.number(self.learning_rate, "learning_rate", zero=False, hint=hint)
        if self.max_iter is not None:
            checked["max_iter"] = arguments.count(self.max_iter, "max_iter", own)
        if self.tol is not None:
            checked["tol"] = arguments.number(self.tol, "tol", zero=True, hint=own)
        if self.callback is not None and not callable(self.callback):
            raise TypeError(f"callback is a {type(self.callback).__name__}, but a function of a FitState is expected.")
        if self.groups is not None and checked["covariance"] == "auto":
            checked["covariance"] = "cluster"
        vars(self).update(checked)  # as attributes are frozen
        self._check_learning_rate()
        self._check_groups()

    def for_rows(self, n_samples: int, n_features: int, *, sparse: bool) -> Self:
        """Return a copy for an X of this shape, with a method that is not ``"auto"``, and its own max_iter and tol if None."""
        method = self.method
        if method == "auto":
            best = "preconditioned" if preconditioning_pays(n_samples, n_features, sparse=sparse) else "cg"
            method = best if self.learning_rate == "auto" else "gd"
        max_iter, tol = DEFAULTS[method]
        max_iter = max_iter if self.max_iter is None else self.max_iter
        tol = tol if self.tol is None else self.tol
        # replace() would repeat all checks, and copy() fails while the interpreter ends.
        decided = object.__new__(type(self))
        vars(decided).update(vars(self), method=method, max_iter=max_iter, tol=tol)
        return decided

    def _check_groups(self) -> None:
        """Refuse groups without a covariance that needs them, and the other way round."""
        if (self.covariance == "cluster") == (self.groups is not None):
            return
        if self.groups is None:
            raise ValueError('covariance="cluster" was given, but no groups. Give the group of each row as groups.')
        raise ValueError(
            f'groups were given, and covariance="{self.covariance}", which does not use them. Leave one of both out.'
        )

    def _check_learning_rate(self) -> None:
        """Refuse a step size that does not go with the method."""
        if self.learning_rate != "auto" and self.method in ("cg", "preconditioned"):
            raise ValueError(
                f"learning_rate={self.learning_rate!r} was given, but method={self.method!r} finds the size of its steps "
                'itself. Leave it out, or give method="gd".'
            )
        if self.learning_rate in ("optimal", "exact") and self.method == "nesterov":
            raise ValueError(
                f'learning_rate={self.learning_rate!r} was given, but method="nesterov" needs a number or "auto". Leave it '
                'out, or give method="gd".'
            )
