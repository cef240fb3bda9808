"""TensorBoard event files in each attempt's folder: `ray/tune/<metric>` over timesteps, as in 2017."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

from tune_tasks.recorder_protocol import AttemptInfo
from tune_tasks.result import PROGRESS_METRICS, tracked_metrics
from tune_tasks.trackers.base import Row, Tracker
from tune_tasks.trial import Outcome


class TensorBoardTracker(Tracker):
    """Writes one event file an attempt.

    An attempt that is opened anew, after the recorder died, gets its reports again from the first one: the older event
    file is removed, so that no point is there twice.
    """

    name = "TensorBoard"
    rows_per_call = 5_000

    def __init__(self) -> None:
        self._writers: dict[str, Any] = {}
        self._summary_writer = _summary_writer()

    def open_attempt(self, info: AttemptInfo) -> dict[str, str]:
        """Remove what an earlier recorder wrote; the writer itself comes with the first report."""
        self._writers.pop(info.key, None)
        for stale in info.folder.glob("events.out.tfevents.*"):
            stale.unlink()
        return {}

    def log(self, info: AttemptInfo, rows: Sequence[Row]) -> None:
        """Append to the event file and flush it."""
        writer = self._writers.get(info.key) or self._new_writer(info)
        for row in rows:
            progress = ((name, row[name]) for name in PROGRESS_METRICS)
            for name, value in (*tracked_metrics(row), *progress):
                if math.isfinite(value):
                    writer.add_scalar(f"ray/tune/{name}", value, row["timesteps_total"], walltime=row["timestamp"])
        writer.flush()

    def _new_writer(self, info: AttemptInfo) -> Any:
        self._writers[info.key] = self._summary_writer(str(info.folder), flush_secs=3600)
        return self._writers[info.key]

    def close_attempt(self, info: AttemptInfo, outcome: Outcome) -> None:
        """Close the event file."""
        if writer := self._writers.pop(info.key, None):
            writer.close()


def _summary_writer() -> Any:
    """The writer class. tensorboardX imports torch where it finds it, to accept tensors: 2 CPU seconds for nothing here."""
    had_torch = "torch" in sys.modules
    if not had_torch:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        from tensorboardX import SummaryWriter
    finally:
        if not had_torch:
            del sys.modules["torch"]
    return SummaryWriter
