"""The shell around a sweep's core: tells it what happens, and does what it wants.

All of it runs in the flow's main thread, in one loop. Signals are noted by their handler and told
to the core by the loop, because a handler may run in the middle of any of its lines.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tune_tasks.cluster.nodes import Cluster
from tune_tasks.model.checkpoint_folder import latest_of
from tune_tasks.model.checkpoint_manifest import CheckpointUnusableError
from tune_tasks.model.result_file import read_progress
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import (
    NOT_TRIED_AGAIN,
    EndedBy,
    Outcome,
    Trial,
    TrialState,
    attempt_name,
)
from tune_tasks.recording.client import RecorderClient
from tune_tasks.results.leaderboard import LISTED as BOARD_LISTED
from tune_tasks.results.summary import Summary
from tune_tasks.sweep.asking import Asker
from tune_tasks.sweep.attempts import Attempts
from tune_tasks.sweep.cloning import clone
from tune_tasks.sweep.closing import Closing, Views
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.events import (
    AttemptEnded,
    CheckpointCopied,
    CheckpointKept,
    CopyFailed,
    Disk,
    DiskChanged,
    Event,
    Pause,
    PauseChanged,
    Proposed,
    Reported,
    ResultsLost,
    StartFailed,
    StopAsked,
    SweepBegan,
    TakenOver,
    Ticked,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    CopyCheckpoint,
    EndAll,
    EndAttempt,
    EndExperiment,
    ForgetAttempt,
    GoOn,
    Instruction,
    KeepEnd,
    KillAttempt,
    Propose,
    StartAttempt,
    first_starts,
)
from tune_tasks.sweep.interruption import Interruption, Patience
from tune_tasks.sweep.journal import Journal
from tune_tasks.sweep.listener import Listener
from tune_tasks.sweep.outcomes import outcome_of
from tune_tasks.sweep.outline import LISTED as SUMMARY_LISTED
from tune_tasks.sweep.outline import summary_of
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.records import Attempt, Records, TrialRecord
from tune_tasks.sweep.resume import Takeover, end_of_orphan, has_its_reports, kept_note
from tune_tasks.sweep.run_watch import RunWatch
from tune_tasks.sweep.space import SpaceWatch
from tune_tasks.sweep.status import LISTED as STATUS_LISTED
from tune_tasks.sweep.status import StatusView
from tune_tasks.sweep.task_runs import TaskRuns
from tune_tasks.tracking.info import SweepInfo

_POLL_S = 0.25
_ASKING_S = 0.02
"""While a model is asked: an answer takes some milliseconds, and room is waiting for it."""
_SHOW_S = 0.5


@dataclass(frozen=True)
class Watches:
    """What may hold a sweep, or end it, from outside."""

    interruption: Interruption
    run: RunWatch
    space: SpaceWatch


class Sweep:
    """One execution of a plan. Lives in the flow; `run` returns when every trial has ended.

    Args:
        plan: What to run.
        info: Names and folders.
        cluster: What there is to run it on.
        core: What decides.
        attempts: What starts attempts on the cluster.
        records: Every trial; those that have ended already are not run.
        recorder: The line to the sweep's recorder.
        views: Shown the status.
        watches: Told to the core.
        journal: Told what the core is told.
        asker: Asks models.
        takeover: How this driver goes on with the sweep of an earlier one; None if it is the first.
    """

    def __init__(
        self,
        plan: Plan,
        info: SweepInfo,
        cluster: Cluster,
        core: Core,
        attempts: Attempts,
        records: Records,
        recorder: RecorderClient,
        views: Views,
        watches: Watches,
        journal: Journal,
        asker: Asker,
        takeover: Takeover | None = None,
    ) -> None:
        self._plan = plan
        self._info = info
        self._cluster = cluster
        self._core = core
        self._attempts = attempts
        self._records = records
        self._recorder = recorder
        self._views = views
        self._watches = watches
        self._journal = journal
        self._asker = asker
        self._takeover = takeover
        self._patience = Patience()
        self._task_runs = TaskRuns(info.flow_run_id)
        self._listener = Listener(
            info, records, recorder, self._patience, self._now, self._tell, journal.heard
        )
        # The clock of the events goes on from the last event of the earlier driver.
        self._began_at = time.monotonic() - (takeover.at if takeover else 0.0)
        self._wishes: deque[Instruction] = deque()
        self._stops_asked: deque[str] = deque()
        self._pause = Pause.OFF
        self._disk = Disk.ROOMY
        self._shown_at = float("-inf")
        self._is_over = False
        self._has_said_none = False

    @property
    def is_suspended(self) -> bool:
        """Whether trials are left for a later execution of the flow run."""
        return self._core.is_suspended

    def run(self) -> Summary:
        """Run every trial to its end, or until the sweep is stopped.

        Raises:
            BaseException: What the scheduler raised, or what kept the driver from going on (such as
                Prefect's CancelledError if the run has lost its concurrency slot). The running
                trials are ended first.
        """
        with self._watches.interruption.calling(self._on_signal):
            try:
                self._begin()
                self._loop()
            except BaseException as exc:
                try:
                    self._ask_to_stop(f"the sweep failed: {type(exc).__name__}: {exc}")
                    self._give_up_lost()
                    self._loop()
                finally:
                    self._close()
                raise
            summary = self._close()
            if self._core.failure:
                raise self._core.failure
            return summary

    def _begin(self) -> None:
        if self._takeover:
            self._take_over(self._takeover)
        self._look_around()
        room = max(self._cluster.slots(size) for size in self._plan.sizes())
        self._tell(SweepBegan(self._now(), room))

    def _take_over(self, takeover: Takeover) -> None:
        self._tell(TakenOver(self._now(), takeover.retry_failed))
        # The last one first: what has never begun is put back before all others.
        for key, _ in reversed(self._core.running):
            record = self._records.of(self._core.trial(key))
            assert record.attempt is not None
            last = self._tell_the_last_report(record, record.attempt)
            self._tell_of_checkpoint(record, record.attempt)
            end = end_of_orphan(record.trial, record.attempt, self._now())
            if isinstance(end, AttemptEnded):
                end = replace(end, metrics=self._metrics(record.trial, last))
            self._tell(end)
        for record in self._records.begun():
            if self._core.outcome(record.trial.key) and not has_its_reports(record):
                self._tell(ResultsLost(self._now(), record.trial.key))
            record.outcome = self._core.outcome(record.trial.key)
            if record.outcome and record.attempt:
                record.attempt.keep(record.trial, record.outcome)
            self._listener.restore_attempts(record)
        kept = sum(record.outcome is not None for record in self._records.begun())
        self._views.display.note(kept_note(self._info.sweep, kept, self._plan.size))

    def _give_up_lost(self) -> None:
        """Take back the attempts that the driver has lost: it failed while it had them in hand.

        Nobody would tell the core how they end, and the sweep would wait for them without an end.
        """
        held = {trial.key for trial in self._attempts.running()}
        for key, number in self._core.running:
            if key not in held:
                self._tell(self._end_of_lost(self._records.of(self._core.trial(key)), number))

    def _end_of_lost(self, record: TrialRecord, number: int) -> AttemptEnded | StartFailed:
        attempt = record.attempt
        if attempt is None or attempt.number != number:
            return StartFailed(self._now(), record.trial.key, number)
        return end_of_orphan(record.trial, attempt, self._now())

    def _loop(self) -> None:
        while not self._is_over:
            self._look_around()
            for key, point in self._asker.answers():
                self._tell(Proposed(self._now(), key, point))
            for trial in self._attempts.wait(_ASKING_S if self._asker.is_open else _POLL_S):
                self._end(self._records.of(trial))
            self._listener.hear()
            running = [self._records.of(trial) for trial in self._attempts.running()]
            self._tell(Ticked(self._now(), self._listener.silent(running)))
            if self._now() - self._shown_at >= _SHOW_S:
                self._show()

    def _now(self) -> float:
        """Seconds since the sweep began: the clock of the events."""
        return time.monotonic() - self._began_at

    def _tell(self, event: Event) -> None:
        instructions = self._core.handle(event)
        self._journal.started(self._core.trial(key) for key in first_starts(instructions))
        self._journal.moved(
            (self._core.trial(wish.trial), wish.attempt)
            for wish in instructions
            if isinstance(wish, StartAttempt) and self._core.has_moved(wish.trial)
        )
        self._journal.handled(event, instructions)
        self._wishes.extend(instructions)
        while self._wishes:
            self._carry_out(self._wishes.popleft())

    def _carry_out(self, wish: Instruction) -> None:
        match wish:
            case StartAttempt():
                self._start(wish)
            case Propose():
                self._asker.ask(wish.trial, self._core.history_for(wish.trial))
            case EndAttempt():
                self._recorder.request_stop(wish.stop, [f"{wish.trial}/{wish.attempt}"])
            case GoOn():
                self._recorder.answer(f"{wish.trial}/{wish.attempt}", wish.number)
            case CopyCheckpoint():
                self._copy_checkpoint(wish)
            case EndAll():
                if self._core.ended_early:
                    self._views.display.warn(f"the sweep stops: {self._core.ended_early}")
                self._recorder.request_stop(wish.stop)
            case EndExperiment():
                said = f"{one_line(wish.experiment)}: {wish.reason}; no further trial is started"
                self._views.display.note(said)
            case KillAttempt():
                self._attempts.kill(self._attempt_of(wish.trial), wish.stop)
            case KeepEnd():
                self._keep(wish)
            case ForgetAttempt():
                self._forget(wish)
            case CloseSweep():
                self._is_over = True

    # ── What holds or ends the sweep from outside ─────

    def _on_signal(self, reason: str) -> None:
        """A signal's handler calls this, in the middle of anything."""
        self._patience.limit(self._watches.interruption.close_within_s)
        self._stops_asked.append(reason)
        if self._is_over:
            self._patience.lose()

    def _look_around(self) -> None:
        if self._watches.run.is_cancelled:
            self._watches.interruption.ask("cancelled in Prefect")
        while self._stops_asked:
            self._ask_to_stop(self._stops_asked.popleft())
        pause = self._watches.run.pause
        if pause is not self._pause:
            self._pause = pause
            self._tell(PauseChanged(self._now(), pause))
        # The disk matters only if something is to be started.
        if self._core.pending and self._core.has_room and self._core.stop_reason is None:
            self._look_at_disk()

    def _ask_to_stop(self, reason: str) -> None:
        self._patience.limit(self._watches.interruption.close_within_s)
        self._tell(StopAsked(self._now(), reason, self._watches.interruption.patience_s))

    def _look_at_disk(self) -> None:
        disk = self._watches.space.look()
        if disk is not self._disk:
            self._disk = disk
            self._tell(DiskChanged(self._now(), disk))

    # ── Attempts ─────

    def _start(self, wish: StartAttempt) -> None:
        trial = self._core.trial(wish.trial)
        if self._core.stop_reason is not None:  # since the core has wanted it
            self._tell(StartFailed(self._now(), wish.trial, wish.attempt))
            return
        milestones = self._core.milestones(trial)
        attempt = self._attempts.start(trial, wish.attempt, wish.checkpoint, milestones)
        record = self._records.of(trial)
        record.trial = trial  # a member of a population goes on with another config
        record.begin(attempt, wish.resources)

    def _copy_checkpoint(self, wish: CopyCheckpoint) -> None:
        """Have the checkpoint of another trial among those of an attempt that waits."""
        donor = self._core.trial(wish.donor)
        folder = self._info.experiments[donor.experiment].folder / donor.folder
        paths = self._attempt_of(wish.trial).paths
        try:
            copy = clone(folder, wish.checkpoint, paths, wish.attempt, wish.number)
        except (CheckpointUnusableError, OSError) as exc:
            self._say_not_copied(wish, exc)
            self._tell(CopyFailed(self._now(), wish.trial, wish.attempt, wish.number))
        else:
            self._tell(CheckpointCopied(self._now(), wish.trial, wish.attempt, copy))

    def _say_not_copied(self, wish: CopyCheckpoint, problem: Exception) -> None:
        if wish.checkpoint is None and self._has_said_none:
            return
        self._has_said_none = self._has_said_none or wish.checkpoint is None
        self._views.display.warn(
            f"{wish.trial} goes on as it is, and not from the checkpoint of {wish.donor}: {problem}"
        )

    def _attempt_of(self, key: str) -> Attempt:
        attempt = self._records.of(self._core.trial(key)).attempt
        assert attempt is not None
        return attempt

    def _end(self, record: TrialRecord) -> None:
        """An attempt's process has let go of it: find out how it ended, and tell the core."""
        attempt = record.attempt
        assert attempt is not None
        may_have_begun = attempt.ending and record.status is None
        # No file on this machine tells of the last checkpoint in a storage.
        if may_have_begun or self._attempts.has_storage(record.trial):
            self._listener.hear_the_last()
        outcome = outcome_of(record, attempt)
        last = None
        if outcome.ended_by is EndedBy.NO_SPACE:
            # First of all: the core would start it again at once.
            self._watches.space.found_full(outcome.stop_reason)
            self._look_at_disk()
        else:
            self._watches.space.found_room(time.monotonic() - attempt.submitted_at)
            last = self._tell_the_last_report(record, attempt)
            self._tell_of_checkpoint(record, attempt)
        metrics = self._metrics(record.trial, last)
        key = record.trial.key
        self._tell(AttemptEnded(self._now(), key, attempt.number, outcome, metrics))

    def _metrics(self, trial: Trial, last: Mapping[str, Any] | None) -> dict[str, float | None]:
        """What the last report of a trial has of the metrics that trials are compared by."""
        if not last:
            return {}
        return self._plan.experiment_of(trial).spec.compared_by().values(last)

    def _tell_the_last_report(
        self, record: TrialRecord, attempt: Attempt
    ) -> Mapping[str, Any] | None:
        """Tell of an attempt's last report; returns it."""
        progress = read_progress(attempt.paths.results)
        record.foreign_lines = progress.foreign_lines
        if record.progress.reports > progress.reports:  # something has removed the file
            progress = record.progress
        if progress.last is not None:
            key = record.trial.key
            number = attempt.number
            self._tell(Reported(self._now(), key, number, progress.reports, progress.last))
        return progress.last

    def _tell_of_checkpoint(self, record: TrialRecord, attempt: Attempt) -> None:
        """Tell of the attempt's latest checkpoint: its process may have died before it could."""
        key = record.trial.key
        kept = latest_of(attempt.paths, attempt.number)
        if kept and kept != self._core.checkpoint(key):
            self._tell(CheckpointKept(self._now(), key, kept.attempt, kept.number, kept.reports))

    def _keep(self, wish: KeepEnd) -> None:
        trial = self._core.trial(wish.trial)
        record = self._records.of(trial)
        attempt = self._attempt_of(wish.trial)
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

    def _say_what_follows(self, trial: Trial, wish: KeepEnd) -> None:
        verdict = wish.verdict
        if verdict is None:
            return
        what = f"{attempt_name(trial, wish.attempt)}: {wish.outcome.error_summary}"
        if verdict.problem:
            self._views.display.warn(f"{what}; {NOT_TRIED_AGAIN}: {verdict.problem}")
        elif wish.will_retry and (verdict.wait_s or verdict.resources):
            when = f" in {verdict.wait_s:g} s" if verdict.wait_s else ""
            given = f" with {verdict.resources}" if verdict.resources else ""
            self._views.display.note(f"{what}; tried again{when}{given}")

    def _tell_prefect(self, trial: Trial, attempt: Attempt, outcome: Outcome) -> None:
        run = self._task_run_of(trial, attempt)
        if attempt.closed_itself:
            self._task_runs.ended(*run, outcome)
        else:
            self._task_runs.died(*run, outcome)

    def _forget(self, wish: ForgetAttempt) -> None:
        trial = self._core.trial(wish.trial)
        record = self._records.of(trial)
        attempt = record.attempt
        if attempt is None or attempt.number != wish.attempt:
            return  # it could not be submitted
        if attempt.ending:
            stop = attempt.ending
            unused = Outcome(TrialState.TERMINATED, stop.ended_by, stop.reason)
            self._task_runs.never_began(*self._task_run_of(trial, attempt), unused)
        record.attempt = attempt.before(self._info.experiments[trial.experiment].folder, trial)

    def _task_run_of(self, trial: Trial, attempt: Attempt) -> tuple[str, Any, Any]:
        name = attempt_name(trial, attempt.number)
        return name, self._attempts.task(trial), attempt.task_run_id

    # ── Showing, and the end ─────

    def _show(self) -> None:
        self._shown_at = self._now()
        some = self._records.some(STATUS_LISTED)
        view = StatusView(
            self._cluster.cpu,
            self._cluster.gpu,
            self._info.experiments,
            some.records,
            some.unlisted,
            self._core.budgets(self._now()),
        )
        self._views.show(view, self._summary_of_some)

    def _summary_of_some(self) -> Summary:
        """The sweep as a leaderboard shows it: a million pending trials need not exist for that."""
        some = self._records.some(BOARD_LISTED)
        experiments = self._plan.experiments
        return summary_of(
            self._info,
            experiments,
            some,
            interrupted=self._is_interrupted,
            budgets=self._core.budgets(self._now()),
        )

    def _close(self) -> Summary:
        for record in self._records.begun():
            record.will_retry = False
        closing = Closing(
            self._info,
            self._records,
            self._task_runs,
            self._recorder,
            self._listener,
            self._views,
            self._patience,
        )
        summary = closing.run(self._last_summary)
        self._journal.closed(self._core.unfinished(), summary)
        return summary

    def _last_summary(self) -> Summary:
        self._show()
        given_up = self._watches.space.given_up if self._core.pending else None
        return summary_of(
            self._info,
            self._plan.experiments,
            self._records.some(SUMMARY_LISTED),
            # A suspended run may be cancelled while no driver lives. So its records are closed now,
            # as those of a stopped one; if it goes on, they are opened again.
            interrupted=self._is_interrupted or self.is_suspended,
            at_end=True,
            ended_early=self._core.ended_early or given_up,
            budgets=self._core.budgets(self._now()),
        )

    @property
    def _is_interrupted(self) -> bool:
        """Whether somebody has stopped the sweep: not its trials' failures."""
        return self._core.stop_reason is not None and self._core.ended_early is None
