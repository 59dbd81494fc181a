"""What all rows in memory have in common."""

from fastgd.rows import threads


class MemoryRows:
    """A training set in memory.

    Attributes
    ----------
    n_samples, n_features : int
        The shape of X.
    n_passes : int
        How many times the rows were read for a sum.
    total_weight : float
        The sum of the sample weights, where it was checked; else 0.
    """

    __slots__ = ("_n_threads", "n_features", "n_passes", "n_samples", "total_weight")

    in_memory = True
    n_dropped = 0

    def __init__(self, n_samples: int, n_features: int, n_threads: int | None) -> None:
        self.n_samples = n_samples
        self.n_features = n_features
        self.n_passes = 0
        self.total_weight = 0.0
        self._n_threads = n_threads

    @property
    def n_expected(self) -> int:
        """How many rows there are."""
        return self.n_samples

    @property
    def n_threads(self) -> int:
        """How many threads a pass takes."""
        return threads.effective(self._n_threads)

    def report_to(self, listener: object) -> None:
        """Report nothing: a pass is too short."""
