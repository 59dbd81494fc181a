"""A progress bar for long fits."""

import time
from threading import Lock
from typing import Any, Self

from fastgd.solvers.quadratic import Evaluation

_DELAY = 1.0  # seconds: a bar for shorter work only flickers
_INTERVAL = 0.1  # seconds between two updates of cost and gradient


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
        self._shown = self._n_iter = 0
        self._next_look = 0.0
        self._begin = time.monotonic()
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
        """Fill the bar, whatever ended the fit, and remove it."""
        if self._bar is not None:
            self._bar.total = self._n_iter
            self._bar.update(self._n_iter - self._shown)
            if time.monotonic() - self._begin >= _DELAY:
                self._bar.refresh()  # whenever it was last drawn
            self._bar.close()

    def passes(self) -> "PassBar | None":
        """Return a bar for each pass over rows that are not in memory, or None if nothing is shown."""
        return None if self._bar is None else PassBar()

    def update(self, n_iter: int, at: Evaluation) -> None:
        """Show how far the fit has come.

        Parameters
        ----------
        n_iter : int
            The iterations run.
        at : Evaluation
            The objective after them.
        """
        self._n_iter = n_iter
        if self._bar is None or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _INTERVAL
        self._bar.set_postfix(cost=f"{at.cost:.6g}", gradient=f"{abs(at.gradient).max():.3g}", refresh=False)
        self._bar.update(n_iter - self._shown)
        self._shown = n_iter


class PassBar:
    """A bar for each pass, as long as it takes."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._lock = Lock()

    def begin(self, number: int, n_parts: int | None, unit: str) -> None:
        """Show a pass.

        Parameters
        ----------
        number : int
            Which, from 1.
        n_parts : int or None
            How many parts it has, if that is known.
        unit : str
            What a part is.
        """
        from tqdm.auto import tqdm

        self._bar = tqdm(total=n_parts, delay=_DELAY, desc=f"pass {number}", unit=" " + unit, leave=False)

    def update(self, n_parts: int) -> None:
        """Advance the bar.

        Parameters
        ----------
        n_parts : int
            By how many parts.
        """
        with self._lock:
            self._bar.update(n_parts)

    def end(self) -> None:
        """Remove the bar."""
        self._bar.close()
