"""Rows on a cluster: each partition is summed where it lies, and the sums are merged in a tree on the workers."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastgd.kernels import tuning
from fastgd.rows.blocks import pairwise
from fastgd.rows.part import Part
from fastgd.rows.parts import PartedRows, Summary, merged, summarise


class DaskRows(PartedRows):
    """A training set in partitions that dask computes.

    Parameters
    ----------
    partitions : sequence of tuple
        What `read` is given for each partition, as dask's delayed objects, after its number.
    read : callable
        Checks a partition on its worker, and returns it as a `Part`.
    n_features : int
        The number of features.
    n_expected : int or None
        The number of rows, if it is known.
    """

    def __init__(
        self, partitions: Sequence[tuple[Any, ...]], read: Callable[..., Part], n_features: int, n_expected: int | None
    ) -> None:
        super().__init__(n_features, n_expected)
        self._partitions = partitions
        self._read = read

    def _summarised(self, of_rows: Callable[[Any], Any], merge: Callable[[Any, Any], Any]) -> Summary | None:
        from dask.delayed import delayed

        of_partition = delayed(partial(_of_partition, self._read, of_rows), pure=False)
        of_several = delayed(partial(_of_several, partial(merged, merge=merge)), pure=False)
        tasks = [of_partition(i, *partition) for i, partition in enumerate(self._partitions)]
        n = tuning.MERGED_AT_ONCE
        while len(tasks) > 1:
            tasks = [of_several(tasks[i : i + n]) for i in range(0, len(tasks), n)]
        summary: Summary = tasks[0].compute()
        return summary if summary.n_samples else None


def _of_partition(read: Callable[..., Part], of_rows: Callable[[Any], Any], *arguments: Any) -> Summary:
    part = read(*arguments)
    # On one thread, as the cluster has one for each of its tasks.
    return summarise(part, of_rows, 1)


def _of_several(merge: Callable[[Any, Any], Any], summaries: Sequence[Summary]) -> Summary:
    # What a task returned may be read by another one again, and merging overwrites.
    whole: Summary = pairwise([_copied(summary) for summary in summaries], merge)
    return whole


def _copied(summary: Summary) -> Summary:
    value = summary.value
    return summary._replace(value=value.copy()) if hasattr(value, "copy") else summary
