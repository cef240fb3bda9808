"""The tracker TensorBoard: one event file in each attempt's folder.

Its curves are called `ray/tune/<metric>`, over timesteps, as Ray Tune has called them since 2017;
those of a population are over iterations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.text import escaped
from tune_tasks.model.trial import Outcome
from tune_tasks.result import PROGRESS_METRICS, tracked_metrics
from tune_tasks.tracking.base import Row, Tracker
from tune_tasks.tracking.event_file import PATTERN, EventFile
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event


class TensorBoardTracker(Tracker):
    """Writes one event file for each attempt.

    If the recorder died, a new one opens its attempts again, and logs their reports from the first
    one on. The older event file is removed then, so that no point is there twice.
    """

    name = "TensorBoard"
    rows_per_call = 5_000

    def __init__(self) -> None:
        self._files: dict[str, EventFile] = {}
        self._experiments: Mapping[str, ExperimentInfo] = {}

    def begin(self, sweep: SweepInfo, *, again: bool) -> None:
        """Keep what is known of the experiments."""
        self._experiments = sweep.experiments

    def open_attempt(self, info: AttemptInfo) -> dict[str, str]:
        """Remove what an earlier recorder wrote; the file itself comes with the first report."""
        for stale in info.folder.glob(PATTERN):
            stale.unlink()
        self._files[info.key] = EventFile(info.folder)
        return {}

    def log(self, info: AttemptInfo, rows: Sequence[Row]) -> None:
        """Append to the event file."""
        over = self._experiments[info.trial.experiment].step_metric
        self._files[info.key].append(_event(row, row[over]) for row in rows)

    def close_attempt(self, info: AttemptInfo, outcome: Outcome) -> None:
        """Forget the event file, which is complete."""
        self._files.pop(info.key, None)


def _event(row: Row, step: int) -> Event:
    """Return a point of each metric of a report."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    values = dict(tracked_metrics(row))
    for name in PROGRESS_METRICS:
        values[name] = row[name]
    points = [
        Summary.Value(tag=f"ray/tune/{escaped(name)}", simple_value=value)
        for name, value in values.items()
        if math.isfinite(value)
    ]
    return Event(wall_time=row["timestamp"], step=step, summary=Summary(value=points))
