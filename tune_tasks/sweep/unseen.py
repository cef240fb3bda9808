"""Which metrics of stop criteria no report of an attempt has had. Pure but for reading its file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tune_tasks.model.result_file import Progress, all_rows
from tune_tasks.model.stopping import Criterion
from tune_tasks.result import metric


def unseen_metrics(
    criteria: Iterable[Criterion], results: Path, progress: Progress
) -> tuple[str, ...]:
    """The metrics of stop criteria that no report has had.

    Args:
        criteria: The trial's.
        results: The attempt's `result.json`.
        progress: What has been read of it. Mostly its last report has them all.
    """
    unseen = {criterion.metric for criterion in criteria}
    for row in _rows(results, progress):
        unseen = {name for name in unseen if metric(row, name) is None}
        if not unseen:
            break
    return tuple(sorted(unseen))


def _rows(results: Path, progress: Progress) -> Iterator[Mapping[str, Any]]:
    """The last report, then all of them, in order."""
    if progress.last is None:
        return
    yield progress.last
    yield from all_rows(results, progress.size)
