"""Completes the reports of one attempt, keeps them in `result.json`, and decides when to stop.

Lives in the trial's process. Users see a part of it, `StatusReporter`. The attempt, the monitor and
RLlib's trainable use the whole.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tune_tasks.errors import ReportError, TrialStopped
from tune_tasks.model.masking import masked
from tune_tasks.model.result_file import Progress, ResultFile
from tune_tasks.model.stopping import first_met
from tune_tasks.model.trial import EndedBy, Stop, Trial
from tune_tasks.result import TrainingResult, metric, non_finite_metrics
from tune_tasks.trial.report_values import checked_fields, encoded


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


class TrialReports:
    """The reports of one attempt, and the decision to end the trial.

    Thread safety: any thread of the process may call any method, and read the attributes. User
    threads report, the monitor's thread reads and asks for a stop, the main thread begins and
    closes.

    Args:
        trial: The trial.
        results: Its `result.json`.
        experiment_id: Identifies the attempt in every report.
        clock: Seconds on a clock that never jumps.
        wall_clock: Seconds since the epoch.

    Attributes:
        seed: The trial's.
        logdir: The attempt's folder.
        progress: What has been reported so far.
        stop: The decision to end the trial, once it is made. It is never taken back.
        raised_in_main: True once a report in the main thread has raised TrialStopped.
        unseen_metrics: The metrics of stop criteria that no report has had so far.
    """

    def __init__(
        self,
        trial: Trial,
        results: Path,
        experiment_id: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.seed = trial.seed
        self.logdir = results.parent
        self.progress = Progress()
        self.stop: Stop | None = None
        self.raised_in_main = False
        self.unseen_metrics = {criterion.metric for criterion in trial.stop}
        self._criteria = trial.stop
        self._clock = clock
        self._wall_clock = wall_clock
        self._file = ResultFile(results)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._on_change: Callable[[], None] = lambda: None
        self._has_begun = False
        self._started_at = clock()
        self._last_report_at = self._started_at
        self._earlier = Earlier()
        self._last_timesteps = 0
        self._date = _Date()
        self._constant = {
            "experiment_id": experiment_id,
            "pid": self._pid,
            "hostname": socket.gethostname(),
        }
        self._tail = _config_as_tail(trial.config)

    def add(self, result: TrainingResult) -> None:
        """Check, complete and keep a report; see `StatusReporter.report`."""
        self._expect_own_process()
        if not isinstance(result, TrainingResult):
            raise ReportError(f"report() expects a TrainingResult, got {type(result).__name__}")
        with self._lock:
            if self.stop:
                self._raise(self.stop)
            row = self._completed(result)
            self._file.append(encoded(row) + self._tail)
            self._note(row)
            stop = self.stop = self._decided(row)
            is_first = self.progress.reports == 1
        if is_first or stop:
            self._on_change()
        if stop:
            self._raise(stop)

    def request_stop(self, stop: Stop) -> None:
        """End the trial for a reason that no report can tell.

        Every later report raises TrialStopped. The first reason stays.
        """
        with self._lock:
            self.stop = self.stop or stop

    def raise_if_stopped(self) -> None:
        """Raise TrialStopped if the trial is to end."""
        if self.stop:
            raise TrialStopped(self.stop.reason)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after the first report and after the one that ends the trial."""
        self._on_change = listener

    def train_time_s(self) -> float | None:
        """Seconds since `train()` began; None before."""
        return self._clock() - self._started_at if self._has_begun else None

    def begin(self, earlier: Earlier = Earlier()) -> None:
        """Start the clock: `train()` begins now.

        Args:
            earlier: Where the trial's checkpoint had come to; its counts go on from there.
        """
        now = self._clock()
        self._last_report_at = now
        self._last_timesteps = earlier.timesteps_total
        self._earlier = earlier
        self._started_at = now - earlier.time_total_s
        # Last, because the monitor's thread takes it for the sign that the start is right: with
        # the start of loading it would find a trial's time to be up that has just begun.
        self._has_begun = True

    def prepare(self) -> None:
        """Say that `train()` prepares itself, and has not begun until `begin()` is called again."""
        self._has_begun = False

    def close(self) -> str | None:
        """Close the file.

        Later reports raise TrialStopped: they come from threads that `train()` has left behind.

        Returns:
            A text that says what has become of the file if its reports are gone; else None.
        """
        with self._lock:
            self.stop = self.stop or Stop(EndedBy.RETURNED, "train() has returned")
            self._file.close()
            return self._file.problem

    def interruption(self) -> str | None:
        """The reason to interrupt user code in the main thread, or None.

        There is none if a report in the main thread has raised: user code is cleaning up then.
        """
        if self.stop is None or self.raised_in_main:
            return None
        return self.stop.reason

    def _expect_own_process(self) -> None:
        # Before the lock is taken: another thread may have held it while this process was forked,
        # and no thread of this process would ever release it.
        if os.getpid() != self._pid:
            problem = f"report() was called in process {os.getpid()}, a child of"
            raise ReportError(outside(problem))

    def _decided(self, row: Mapping[str, Any]) -> Stop | None:
        reason = first_met(self._criteria, row)
        if reason:
            return Stop(EndedBy.CRITERION, reason)
        if "done" in row:
            return Stop(EndedBy.DONE, f"done after {row['timesteps_total']} timesteps")
        return None

    def _raise(self, stop: Stop) -> NoReturn:
        if threading.current_thread() is threading.main_thread():
            self.raised_in_main = True
        raise TrialStopped(stop.reason)

    def _completed(self, result: TrainingResult) -> dict[str, Any]:
        """The report as a dict of plain values, with the fields that are ours to fill in."""
        row = checked_fields(result)
        now = self._clock()
        wall = self._wall_clock()
        row |= self._constant
        row["training_iteration"] = self._earlier.training_iteration + self.progress.reports + 1
        row["timesteps_this_iter"] = row["timesteps_total"] - self._last_timesteps
        row["time_this_iter_s"] = now - self._last_report_at
        row["time_total_s"] = now - self._started_at
        row["date"] = self._date.at(wall)
        row["timestamp"] = wall
        self._last_report_at = now
        return row

    def _note(self, row: dict[str, Any]) -> None:
        self._last_timesteps = row["timesteps_total"]
        if self.unseen_metrics:
            seen = {name for name in self.unseen_metrics if metric(row, name) is not None}
            self.unseen_metrics -= seen
        before = self.progress
        self.progress = Progress(
            reports=before.reports + 1,
            size=self._file.size,
            last=row,
            non_finite=before.non_finite + len(non_finite_metrics(row)),
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


def outside(problem: str) -> str:
    """The message for a use outside of the trial's own process."""
    return (
        f"{problem} the trial's own process, which alone can report; have it send the values to"
        " that process (return them, or put them into a multiprocessing.Queue), and report them"
        " there"
    )
