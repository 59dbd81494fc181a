"""A progress bar for long fits."""

import time
from typing import Any, Self

from fastgd.solvers.objective import Evaluation

_DELAY = 1.0  # seconds: a bar for shorter work only flickers
_INTERVAL = 0.1  # seconds between two looks at cost and gradient


class Progress:
    """A context in which a bar is shown, or not.

    Parameters
    ----------
    show : bool
        Whether to show it.
    max_iter : int
        The number of iterations that make it full.

    Raises
    ------
    ImportError
        If it is to be shown and tqdm is not installed.
    """

    def __init__(self, show: bool, max_iter: int) -> None:
        self._bar: Any = None
        self._shown = 0
        self._next_look = 0.0
        if show:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                raise ImportError("progress=True needs tqdm. Install it with: pip install 'fastgd[progress]'") from None
            self._bar = tqdm(total=max_iter, delay=_DELAY, unit="iteration", leave=False)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *error: object) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()

    def update(self, n_iter: int, at: Evaluation) -> None:
        """Show how far the fit has come.

        Parameters
        ----------
        n_iter : int
            The iterations run.
        at : Evaluation
            The objective after them.
        """
        if self._bar is None or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _INTERVAL
        self._bar.set_postfix(cost=f"{at.cost:.6g}", gradient=f"{abs(at.gradient).max():.3g}", refresh=False)
        self._bar.update(n_iter - self._shown)
        self._shown = n_iter
