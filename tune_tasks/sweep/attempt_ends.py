"""Finds out how attempts have ended, tells the core, and keeps what the core makes of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tune_tasks.model.checkpoint_folder import latest_of
from tune_tasks.model.result_file import read_progress
from tune_tasks.model.trial import (
    NOT_TRIED_AGAIN,
    EndedBy,
    Outcome,
    Trial,
    TrialState,
    attempt_name,
)
from tune_tasks.sweep.cloning import remove_unheard
from tune_tasks.sweep.driver_parts import DriverParts, Teller
from tune_tasks.sweep.events import AttemptEnded, CheckpointKept, Reported
from tune_tasks.sweep.instructions import ForgetAttempt, KeepEnd
from tune_tasks.sweep.listener import Listener
from tune_tasks.sweep.outcomes import outcome_of
from tune_tasks.sweep.outside import Outside
from tune_tasks.sweep.records import Attempt, TrialRecord
from tune_tasks.sweep.resume import end_of_orphan
from tune_tasks.sweep.task_runs import TaskRuns


class AttemptEnds:
    """See the module's docstring.

    Args:
        parts: Of the driver.
        teller: To the core.
        outside: Looks at the disk if an attempt has found it full.
        listener: To the recorder.
        task_runs: Prefect's records of attempts.
    """

    def __init__(
        self,
        parts: DriverParts,
        teller: Teller,
        outside: Outside,
        listener: Listener,
        task_runs: TaskRuns,
    ) -> None:
        self._parts = parts
        self._core = parts.core
        self._space = parts.watches.space
        self._teller = teller
        self._outside = outside
        self._listener = listener
        self._task_runs = task_runs

    # ── How an attempt has ended ─────

    def tell(self, record: TrialRecord) -> None:
        """Tell the core of the end of an attempt whose process has let go of it."""
        attempt = record.attempt
        assert attempt is not None
        may_have_begun = attempt.ending and record.status is None
        # No file on this machine tells of the last checkpoint in a storage.
        if may_have_begun or self._parts.attempts.has_storage(record.trial):
            self._listener.hear_the_last()
        outcome = outcome_of(record, attempt)
        last = None
        if outcome.ended_by is EndedBy.NO_SPACE:
            # First of all: the core would start it again at once.
            self._space.found_full(outcome.stop_reason)
            self._outside.look_at_disk()
        else:
            self._space.found_room(time.monotonic() - attempt.submitted_at)
            last = self._tell_the_last_report(record, attempt)
            self._tell_of_checkpoint(record, attempt)
        metrics = self._metrics(record.trial, last)
        key = record.trial.key
        now = self._teller.now()
        self._teller.tell(AttemptEnded(now, key, attempt.number, outcome, metrics))

    def tell_of_orphan(self, record: TrialRecord) -> None:
        """Tell the core how an attempt of an earlier driver has ended."""
        attempt = record.attempt
        assert attempt is not None
        last = self._tell_the_last_report(record, attempt)
        self._tell_of_checkpoint(record, attempt)
        end = end_of_orphan(record.trial, attempt, self._teller.now())
        if isinstance(end, AttemptEnded):
            end = replace(end, metrics=self._metrics(record.trial, last))
        self._teller.tell(end)

    def _metrics(self, trial: Trial, last: Mapping[str, Any] | None) -> dict[str, float | None]:
        """What the last report of a trial has of the metrics that trials are compared by."""
        if not last:
            return {}
        return self._parts.plan.experiment_of(trial).spec.compared_by().values(last)

    def _tell_the_last_report(
        self, record: TrialRecord, attempt: Attempt
    ) -> Mapping[str, Any] | None:
        """Tell of an attempt's last report; returns it."""
        progress = read_progress(attempt.paths.results)
        record.foreign_lines = progress.foreign_lines
        if record.progress.reports > progress.reports:  # something has removed the file
            progress = record.progress
        record.at_end = progress
        if progress.last is not None:
            key = record.trial.key
            now = self._teller.now()
            event = Reported(now, key, attempt.number, progress.reports, progress.last)
            self._teller.tell(event)
        return progress.last

    def _tell_of_checkpoint(self, record: TrialRecord, attempt: Attempt) -> None:
        """Tell of the attempt's latest checkpoint: its process may have died before it could."""
        key = record.trial.key
        remove_unheard(attempt.paths, attempt.number, self._core.checkpoint(key))
        kept = latest_of(attempt.paths, attempt.number)
        if kept and kept != self._core.checkpoint(key):
            now = self._teller.now()
            self._teller.tell(CheckpointKept(now, key, kept.attempt, kept.number, kept.reports))

    # ── What the core makes of it ─────

    def keep(self, wish: KeepEnd) -> None:
        """Keep how an attempt has ended, in the files, Prefect and the recorder."""
        trial = self._core.trial(wish.trial)
        record = self._parts.records.of(trial)
        attempt = self._parts.attempt_of(wish.trial)
        if record.is_paused:
            self._keep_of_paused(record, attempt, wish)
            return
        record.outcome = wish.outcome
        record.will_retry = wish.will_retry
        # First: if this driver dies, the next one finds in the files how the attempt has ended.
        attempt.keep(trial, wish.outcome)
        self._say_what_follows(trial, wish)
        # The flow run of an earlier driver is closed as a whole.
        if not attempt.is_orphan:
            self._tell_prefect(trial, attempt, wish.outcome)
        # What is followed by another attempt is not asked about again at the end.
        if wish.will_retry or not attempt.closed_itself:
            self._listener.restore(record)

    def _keep_of_paused(self, record: TrialRecord, attempt: Attempt, wish: KeepEnd) -> None:
        """Keep that a trial which was paused has ended; Prefect knows the attempt's own end."""
        record.outcome = wish.outcome
        record.will_retry = wish.will_retry
        attempt.keep_instead(wish.outcome)
        self._listener.restore(record)

    def _say_what_follows(self, trial: Trial, wish: KeepEnd) -> None:
        verdict = wish.verdict
        if verdict is None:
            return
        display = self._parts.views.display
        what = f"{attempt_name(trial, wish.attempt)}: {wish.outcome.error_summary}"
        if verdict.problem:
            display.warn(f"{what}; {NOT_TRIED_AGAIN}: {verdict.problem}")
        elif wish.will_retry and (verdict.wait_s or verdict.resources):
            when = f" in {verdict.wait_s:g} s" if verdict.wait_s else ""
            given = f" with {verdict.resources}" if verdict.resources else ""
            display.note(f"{what}; tried again{when}{given}")

    def _tell_prefect(self, trial: Trial, attempt: Attempt, outcome: Outcome) -> None:
        run = self._task_run_of(trial, attempt)
        if attempt.closed_itself:
            self._task_runs.ended(*run, outcome)
        else:
            self._task_runs.died(*run, outcome)

    def forget(self, wish: ForgetAttempt) -> None:
        """Have an attempt as if it had never been started."""
        trial = self._core.trial(wish.trial)
        record = self._parts.records.of(trial)
        attempt = record.attempt
        if attempt is None or attempt.number != wish.attempt:
            return  # it could not be submitted
        if attempt.ending:
            stop = attempt.ending
            unused = Outcome(TrialState.TERMINATED, stop.ended_by, stop.reason)
            self._task_runs.never_began(*self._task_run_of(trial, attempt), unused)
        folder = self._parts.info.experiments[trial.experiment].folder
        record.attempt = attempt.before(folder, trial)
        self._have_paused_again(record)

    def _have_paused_again(self, record: TrialRecord) -> None:
        """Have a trial as it waited, if it was promoted by an attempt that never ran."""
        outcome = record.attempt.paths.read_outcome() if record.attempt else None
        if outcome and outcome.ended_by is EndedBy.PAUSED:
            record.outcome = outcome
            record.will_retry = True
            self._listener.restore(record)

    def _task_run_of(self, trial: Trial, attempt: Attempt) -> tuple[str, Any, Any]:
        name = attempt_name(trial, attempt.number)
        return name, self._parts.attempts.task(trial), attempt.task_run_id
