"""Completes the reports of one attempt, keeps them in `result.json`, and decides when to stop.

Lives in the trial's process. Users see a part of it, `StatusReporter`. The attempt, the monitor and
RLlib's trainable use the whole.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tune_tasks.errors import ReportError, TrialStopped
from tune_tasks.model.checkpoint_manifest import Manifest
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.milestones import Milestones
from tune_tasks.model.plateau import PlateauWatch
from tune_tasks.model.result_file import Progress, ResultFile, all_rows
from tune_tasks.model.stopping import first_met
from tune_tasks.model.trial import EndedBy, Stop, Trial
from tune_tasks.result import TrainingResult, metric, non_finite_metrics
from tune_tasks.trial.checkpoints import TrialCheckpoints
from tune_tasks.trial.questions import Questions
from tune_tasks.trial.report_rows import Earlier, ReportRows
from tune_tasks.trial.restoring import Restored
from tune_tasks.trial.stop_decision import StopDecision

_LONG_S = 10.0
"""A trial of so many seconds is worth the milliseconds until its reports are on the disk.

If the machine loses its power just after its end, a shorter one begins anew.
"""


class TrialReports:
    """The reports of one attempt, and the decision to end the trial.

    Thread safety: any thread of the process may call any method, and read the attributes. User
    threads report, the monitor's thread reads and asks for a stop, the main thread begins and
    closes.

    Args:
        trial: The trial.
        results: Its `result.json`.
        experiment_id: Identifies the attempt in every report.
        restored: The checkpoint that the attempt goes on from, whose reports the file begins with.
        milestones: When each of the trial's judges judges it, in their order.
        clock: Seconds on a clock that never jumps.
        wall_clock: Seconds since the epoch.

    Attributes:
        seed: The trial's.
        logdir: The attempt's folder.
        progress: What has been reported so far.
        decision: Whether the trial is to end.
        checkpoints: The attempt's.
        questions: What is asked at milestones.
        unseen_metrics: The metrics of stop criteria that no report has had so far.
    """

    def __init__(
        self,
        trial: Trial,
        results: Path,
        experiment_id: str,
        restored: Restored | None = None,
        milestones: Sequence[Milestones] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.seed = trial.seed
        self.logdir = results.parent
        self.progress = _progress_at(restored)
        self.decision = StopDecision()
        self.unseen_metrics = {criterion.metric for criterion in trial.stop}
        self._criteria = trial.stop
        self._plateau = PlateauWatch(trial.plateau) if trial.plateau else None
        self._clock = clock
        self._wall_clock = wall_clock
        self._file = ResultFile(results, self.progress.size)
        self._pid = os.getpid()
        self._has_begun = False
        self._earlier = Earlier.of(restored)
        self._earlier_reports = self.progress.reports
        self._rows = ReportRows(trial.config, experiment_id, self._earlier, clock, wall_clock)
        folder = AttemptPaths(self.logdir).checkpoints
        self.checkpoints = TrialCheckpoints(self, folder, trial.checkpoint, restored, clock=clock)
        self.questions = Questions(milestones, self.decision)
        self._note_metrics(self.progress.last or {})
        if milestones or self._plateau:
            self._note_earlier(all_rows(results, self.progress.size))
        if self.progress.last and self.decision.stop is None:
            # The last process may have died after the report that ended the trial.
            self.decision.stop = self._decided(self.progress.last)

    @property
    def stop(self) -> Stop | None:
        """The decision to end the trial, once it is in effect. It is never taken back."""
        return self.decision.stop

    def add(self, result: TrainingResult) -> None:
        """Check, complete and keep a report; see `StatusReporter.report`."""
        self.expect_own_process("report() was called")
        if not isinstance(result, TrainingResult):
            raise ReportError(f"report() expects a TrainingResult, got {type(result).__name__}")
        decision = self.decision
        self._ask_what_is_held()
        is_judged = False
        with decision.lock:
            decision.before_report()
            if decision.stop is None:
                is_judged = self._keep(result)
            number = self.progress.reports
            is_to_end = decision.stop is not None
        if is_judged and not is_to_end:
            self.questions.wait(number, decision.on_change)
        elif is_to_end or number == self._earlier_reports + 1:
            decision.on_change()
        with decision.lock:
            if decision.stop is not None:
                raise decision.raised()

    def has_checkpoint(self) -> None:
        """Have the milestones judged for which a checkpoint was awaited, and that is written.

        Raises:
            TrialStopped: If the trial is to end since then.
        """
        if self.stop is None and self._ask_what_is_held():
            with self.decision.lock:
                if self.decision.stop is not None:
                    raise self.decision.raised()

    def _ask_what_is_held(self) -> bool:
        is_held = self.questions.release()
        if is_held:
            self.questions.wait(self.progress.reports, self.decision.on_change)
        return is_held

    def request_stop(self, stop: Stop) -> None:
        """End the trial for a reason that no report can tell.

        Every later report raises TrialStopped. The first reason stays.
        """
        self.decision.request(stop)

    def raise_if_stopped(self) -> None:
        """Raise TrialStopped if the trial is to end."""
        if self.stop:
            raise TrialStopped(self.stop.reason)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after the first report, after each checkpoint, and at the end."""
        self.decision.on_change = listener

    def train_time_s(self) -> float | None:
        """Seconds since `train()` began; None before."""
        return self._clock() - self._rows.started_at if self._has_begun else None

    def begin(self, earlier: Earlier | None = None) -> None:
        """Start the clock: `train()` begins now.

        Args:
            earlier: Where a checkpoint of another trial had come to; the counts go on from there.
        """
        self._rows.begin(earlier or self._earlier)
        self.checkpoints.begin()
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
        if (self.train_time_s() or 0.0) >= _LONG_S:
            with contextlib.suppress(OSError, TrialStopped):
                self.sync()
        with self.decision.lock:
            self.decision.close(Stop(EndedBy.RETURNED, "train() has returned"))
            self._file.close()
            return self._file.problem

    def sync(self) -> None:
        """Have every report on the disk.

        Raises:
            TrialStopped: If the attempt is closed.
            OSError: If that cannot be.
        """
        with self.decision.while_open():
            descriptor = self._file.duplicate()
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def manifest(self) -> Manifest:
        """What a checkpoint belongs to that is written now; its files are filled in later."""
        with self.decision.lock:
            latest = self._rows.latest
            progress = self.progress
        return Manifest(
            latest.training_iteration,
            latest.timesteps_total,
            latest.time_total_s,
            progress.reports,
            progress.size,
            progress.last,
            progress.non_finite,
            self._wall_clock(),
        )

    def expect_own_process(self, what: str) -> None:
        """Raise ReportError in a process that user code has forked.

        Args:
            what: What was done there.
        """
        # Before the lock is taken: another thread may have held it while this process was forked,
        # and no thread of this process would ever release it.
        if os.getpid() != self._pid:
            raise ReportError(outside(f"{what} in process {os.getpid()}, a child of"))

    def _keep(self, result: TrainingResult) -> bool:
        """Keep a report; returns whether it has reached a milestone."""
        row = self._rows.completed(result)
        self._file.append(self._rows.line(row))
        self._note(row)
        stop = self._flat(row)
        stop = self._decided(row) or stop
        if stop:  # the trial has come to its own end, whoever else wanted one
            self.decision.stop = stop
        return self.questions.note(row, self.progress.reports)

    def _note_earlier(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in what the trial has reported before, up to the checkpoint that it goes on from."""
        for number, row in enumerate(rows, 1):
            self.questions.note(row, number)
            self.decision.stop = self._flat(row)
        self.questions.release()

    def _flat(self, row: Mapping[str, Any]) -> Stop | None:
        reason = self._plateau.note(row) if self._plateau else None
        return Stop(EndedBy.SCHEDULER, reason) if reason else None

    def _decided(self, row: Mapping[str, Any]) -> Stop | None:
        reason = first_met(self._criteria, row)
        if reason:
            return Stop(EndedBy.CRITERION, reason)
        if "done" in row:
            return Stop(EndedBy.DONE, f"done after {row['timesteps_total']} timesteps")
        return None

    def _note(self, row: dict[str, Any]) -> None:
        self._rows.note(row)
        self.decision.after_report()
        self._note_metrics(row)
        before = self.progress
        self.progress = Progress(
            reports=before.reports + 1,
            size=self._file.size,
            last=row,
            non_finite=before.non_finite + len(non_finite_metrics(row)),
        )

    def _note_metrics(self, row: Mapping[str, Any]) -> None:
        if self.unseen_metrics:
            seen = {name for name in self.unseen_metrics if metric(row, name) is not None}
            self.unseen_metrics -= seen


def _progress_at(restored: Restored | None) -> Progress:
    if restored is None:
        return Progress()
    manifest = restored.manifest
    return Progress(manifest.reports, manifest.size, manifest.report, manifest.non_finite)


def outside(problem: str) -> str:
    """The message for a use outside of the trial's own process."""
    return (
        f"{problem} the trial's own process, which alone can report; have it send the values to"
        " that process (return them, or put them into a multiprocessing.Queue), and report them"
        " there"
    )
