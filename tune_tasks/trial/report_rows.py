"""Completes a report: adds the fields of `TrainingResult` that are ours to fill in."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tune_tasks.model.masking import masked
from tune_tasks.result import TrainingResult
from tune_tasks.trial.report_values import checked_fields, encoded
from tune_tasks.trial.restoring import Restored


@dataclass(frozen=True)
class Earlier:
    """The last report of the trial that a checkpoint is from. The counts go on from there.

    Attributes:
        timesteps_total: Of that report.
        time_total_s: Of that report.
        training_iteration: Of that report.
    """

    timesteps_total: int = 0
    time_total_s: float = 0.0
    training_iteration: int = 0

    @classmethod
    def of(cls, restored: Restored | None) -> Earlier:
        """Return how far a checkpoint of the trial had come; without one, the beginning."""
        if restored is None:
            return cls()
        manifest = restored.manifest
        return cls(manifest.timesteps_total, manifest.time_total_s, manifest.training_iteration)


class ReportRows:
    """Makes the rows of one attempt, one after the other. Several threads need a lock around it.

    Args:
        config: The trial's.
        experiment_id: Identifies the attempt in every report.
        earlier: Where the attempt goes on.
        clock: Seconds on a clock that never jumps.
        wall_clock: Seconds since the epoch.

    Attributes:
        latest: The last report that was kept, or where the attempt goes on.
        started_at: When the trial began, on the clock; a trial that goes on, as long before the
            attempt as it had taken.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        experiment_id: str,
        earlier: Earlier,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._date = _Date()
        self._constant = {
            "experiment_id": experiment_id,
            "pid": os.getpid(),
            "hostname": socket.gethostname(),
        }
        self._tail = _config_as_tail(config)
        self.begin(earlier)

    def begin(self, earlier: Earlier) -> None:
        """Start the clock."""
        now = self._clock()
        self.latest = earlier
        self.started_at = now - earlier.time_total_s
        self._last_report_at = now

    def completed(self, result: TrainingResult) -> dict[str, Any]:
        """Return the report as a dict of plain values, with the fields that are ours to fill in.

        Raises:
            ReportError: If it has a value that it cannot have.
        """
        row = checked_fields(result)
        now = self._clock()
        wall = self._wall_clock()
        row |= self._constant
        row["training_iteration"] = self.latest.training_iteration + 1
        row["timesteps_this_iter"] = row["timesteps_total"] - self.latest.timesteps_total
        row["time_this_iter_s"] = now - self._last_report_at
        row["time_total_s"] = now - self.started_at
        row["date"] = self._date.at(wall)
        row["timestamp"] = wall
        self._last_report_at = now
        return row

    def line(self, row: Mapping[str, Any]) -> bytes:
        """Return the row as a line of `result.json`.

        Raises:
            ReportError: If JSON cannot hold it.
        """
        return encoded(row) + self._tail

    def note(self, row: Mapping[str, Any]) -> None:
        """Count from a row on, which was kept."""
        self.latest = Earlier(
            row["timesteps_total"], row["time_total_s"], row["training_iteration"]
        )


class _Date:
    """Makes the text of a report's `date`, which is the same for all reports of a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def at(self, wall: float) -> str:
        second = int(wall)
        if not self._text or self._second != second:
            self._second = second
            self._text = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(second))
        return self._text


def _config_as_tail(config: Mapping[str, Any]) -> bytes:
    """The end of every line of the file. The config is the same in each, so encode it once."""
    text = json.dumps(masked(config), default=repr)
    return f', "config": {text}}}\n'.encode()
