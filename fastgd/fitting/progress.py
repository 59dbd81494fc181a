"""A progress bar for long fits."""

import time
from threading import Lock
from typing import Any, Self

from fastgd.solvers.quadratic import Evaluation

_DELAY = 1.0  # seconds: a bar for shorter work only flickers
_INTERVAL = 0.1  # seconds between two updates of cost and gradient


class Progress:
    """A context with a bar of `max_iter` iterations, if it is to be shown; an ImportError if that needs tqdm."""

    def __init__(self, show: bool, max_iter: int) -> None:
        self._bar: Any = None
        self._n_iter = 0
        self._next_update = 0.0
        if show:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                raise ImportError("progress=True needs tqdm. Install it with: pip install 'fastgd[progress]'") from None
            self._bar = tqdm(total=max_iter, delay=_DELAY, unit="iteration", leave=False)
        self._begin = time.monotonic()  # now that tqdm is imported, which may take longer

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *error: object) -> None:
        """Fill the bar, whatever ended the fit, and remove it."""
        if self._bar is not None:
            self._bar.total = self._n_iter
            self._bar.update(self._n_iter - self._bar.n)
            if time.monotonic() - self._begin >= _DELAY:
                self._bar.refresh()  # whenever it was last drawn
            self._bar.close()

    def update(self, n_iter: int, at: Evaluation) -> None:
        """Show the number of iterations, and cost and gradient after them."""
        self._n_iter = n_iter
        if self._bar is None or time.monotonic() < self._next_update:
            return
        self._next_update = time.monotonic() + _INTERVAL
        self._bar.set_postfix(cost=f"{at.cost:.6g}", gradient=f"{abs(at.gradient).max():.3g}", refresh=False)
        self._bar.update(n_iter - self._bar.n)


class PassBar:
    """A bar for each pass over rows that are not in memory."""

    def __init__(self) -> None:
        self._lock = Lock()

    def begin(self, number: int, n_parts: int | None, unit: str) -> None:
        """Show pass `number`, of `n_parts` parts if that is known; a part is a `unit`."""
        from tqdm.auto import tqdm

        self._bar: Any = tqdm(total=n_parts, delay=_DELAY, desc=f"pass {number}", unit=" " + unit, leave=False)

    def update(self, n_parts: int) -> None:
        """Advance the bar by `n_parts`; called by several threads."""
        with self._lock:
            self._bar.update(n_parts)

    def end(self) -> None:
        """Remove the bar."""
        self._bar.close()
