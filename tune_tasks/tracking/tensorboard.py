"""TensorBoard event files in each attempt's folder.

`ray/tune/<metric>` over timesteps, as in 2017.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.text import escaped
from tune_tasks.model.trial import Outcome
from tune_tasks.result import PROGRESS_METRICS, tracked_metrics
from tune_tasks.tracking.base import Row, Tracker


class TensorBoardTracker(Tracker):
    """Writes one event file an attempt.

    An attempt that is opened anew, after the recorder died, gets its reports again from the first
    one: the older event file is removed, so that no point is there twice.
    """

    name = "TensorBoard"
    rows_per_call = 5_000

    def __init__(self) -> None:
        self._files: dict[str, _EventFile] = {}
        self._formats = _Formats.load()

    def open_attempt(self, info: AttemptInfo) -> dict[str, str]:
        """Remove what an earlier recorder wrote; the file itself comes with the first report."""
        self._files.pop(info.key, None)
        for stale in info.folder.glob("events.out.tfevents.*"):
            stale.unlink()
        return {}

    def log(self, info: AttemptInfo, rows: Sequence[Row]) -> None:
        """Append to the event file and flush it."""
        if info.key not in self._files:
            info.folder.mkdir(parents=True, exist_ok=True)  # something else may have removed it
            self._files[info.key] = _EventFile(self._formats, info.folder)
        for row in rows:
            progress = ((name, row[name]) for name in PROGRESS_METRICS)
            values = {
                name: value
                for name, value in (*tracked_metrics(row), *progress)
                if math.isfinite(value)
            }
            self._files[info.key].write(values, row["timesteps_total"], row["timestamp"])
        self._files[info.key].flush()

    def close_attempt(self, info: AttemptInfo, outcome: Outcome) -> None:
        """Close the event file."""
        if file := self._files.pop(info.key, None):
            file.close()


@dataclass(frozen=True)
class _Formats:
    """The parts of tensorboardX in use.

    Its SummaryWriter has a thread and a queue for each file, which we need not.
    """

    events_writer: Any
    event: Any
    summary: Any

    @classmethod
    def load(cls) -> _Formats:
        """Import them. tensorboardX imports torch where it finds it, to accept tensors.

        2 CPU seconds for nothing here.
        """
        had_torch = "torch" in sys.modules
        if not had_torch:
            sys.modules["torch"] = None  # type: ignore[assignment]
        try:
            from tensorboardX.event_file_writer import EventsWriter
            from tensorboardX.proto.event_pb2 import Event
            from tensorboardX.proto.summary_pb2 import Summary
        finally:
            if not had_torch:
                del sys.modules["torch"]
        return cls(EventsWriter, Event, Summary)


class _EventFile:
    """One attempt's event file."""

    def __init__(self, formats: _Formats, folder: Path) -> None:
        self._formats = formats
        self._writer = formats.events_writer(str(folder / "events"))

    def write(self, values: Mapping[str, float], step: int, wall_time: float) -> None:
        """One point of each metric, in one event."""
        summary = self._formats.summary
        points = [
            summary.Value(tag=f"ray/tune/{escaped(name)}", simple_value=value)
            for name, value in values.items()
        ]
        self._writer.write_event(
            self._formats.event(wall_time=wall_time, step=step, summary=summary(value=points))
        )

    def flush(self) -> None:
        """Have everything in the file."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
