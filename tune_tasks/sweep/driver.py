"""The driver's loop.

Submits attempts, hears how they do, ends those that cannot end themselves, tries failed ones again.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import ray
from prefect_ray.context import remote_options as prefect_remote_options

from tune_tasks.cluster.nodes import Cluster
from tune_tasks.cluster.placement import placed_options, release, reserve
from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import RESULTS, AttemptPaths
from tune_tasks.model.result_file import Progress, read_progress
from tune_tasks.model.stopping import never_reported, time_is_up, time_limit
from tune_tasks.model.text import one_line
from tune_tasks.model.timeouts import LAST_VIEW_S, LEAST_PATIENCE_S, PATIENCE_S, SILENCE_S
from tune_tasks.model.trial import EndedBy, Outcome, Stop, Trial, TrialState, attempt_name
from tune_tasks.recording.client import RecorderClient
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.results.report import write_report
from tune_tasks.results.summary import ExperimentSummary, Summary, TrialSummary, choose_metric
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.servers.mlflow_client import without_password
from tune_tasks.sweep.hearing import Hearing
from tune_tasks.sweep.interruption import Interruption
from tune_tasks.sweep.pausing import PauseWatch
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.postmortem import (
    TaskRunEnd,
    close_task_runs,
    create_absent_task_runs,
    log_cause,
    outcome_of,
    settle_task_runs,
    task_run_ends,
)
from tune_tasks.sweep.records import Attempt, TrialRecord
from tune_tasks.sweep.request import after_the_sweep
from tune_tasks.sweep.run_view import RunView
from tune_tasks.sweep.space import SpaceWatch
from tune_tasks.sweep.status import Display, StatusView
from tune_tasks.tracking.info import SweepInfo
from tune_tasks.trial.attempt import Assignment
from tune_tasks.trial.trainable import Trainable

logger = logging.getLogger(__name__)

_POLL_S = 0.25
_LOOKAHEAD = 2  # attempts that wait in Ray, so that no CPU waits for the driver


@dataclass(frozen=True)
class Launch:
    """What submitting a trial of one experiment needs, the same for all of them."""

    trainable: Trainable
    options: Mapping[str, Any]
    task: Any


class Sweep:
    """One execution of a plan. Lives in the flow; `run` returns when every trial has ended.

    Args:
        plan: What to run.
        info: Names and folders.
        cluster: What there is to run it on.
        recorder: The sweep's.
        launches: By experiment.
        scheduler: Decides which trial is next and which ends early.
        display: Shown the status now and then.
        run_view: The same in Prefect.
        interruption: Ends the sweep early.
        pause: Keeps trials from starting.
        space: Does so, too, while the disk is full.
        records: Every trial, in order; those that have ended already are not run.
    """

    def __init__(
        self,
        plan: Plan,
        info: SweepInfo,
        cluster: Cluster,
        recorder: RecorderClient,
        launches: Mapping[str, Launch],
        scheduler: Scheduler,
        display: Display,
        run_view: RunView,
        interruption: Interruption,
        pause: PauseWatch,
        space: SpaceWatch,
        records: Sequence[TrialRecord],
    ) -> None:
        self._plan, self._info, self._cluster, self._recorder = plan, info, cluster, recorder
        self._pause, self._space = pause, space
        self._launches, self._scheduler, self._display, self._run_view = (
            launches,
            scheduler,
            display,
            run_view,
        )
        self._interruption = interruption
        self._records = {record.trial.key: record for record in records}
        self._pending = [record for record in records if record.outcome is None]
        self._active: dict[Any, TrialRecord] = {}
        self._hearing = Hearing(recorder)
        self._ends: dict[UUID, TaskRunEnd] = {}
        self._unused: set[UUID] = set()
        self._lost: dict[UUID, TaskRunEnd] = {}
        self._stop_reason: str | None = None
        self._stop_by, self._close_by = 0.0, float("inf")
        self._slots = max(
            cluster.slots(resources) for resources in {trial.resources for trial in plan.trials()}
        )

    def run(self) -> Summary:
        """Run every trial to its end, or until `stop`.

        Raises:
            BaseException: What the scheduler raised, a disk that is full, or Prefect's
                CancelledError where it cannot keep the run's concurrency slot; the running trials
                are ended first.
        """
        with self._interruption.calling(self.stop):
            try:
                self._take_up()
                self._scheduler.setup([record.trial for record in self._pending])
                self._loop()
            except BaseException as exc:
                self.stop(f"the sweep failed: {type(exc).__name__}: {exc}")
                self._scheduler = Scheduler()
                try:
                    self._loop()
                finally:
                    self._close()
                raise
            return self._close()

    def _take_up(self) -> None:
        """Tell the recorder of the trials that an earlier execution of the flow run has run."""
        for record in self._records.values():
            if record.outcome:
                self._restore(record, record.outcome)

    @property
    def is_suspended(self) -> bool:
        """Whether trials are left for a later execution of the flow run."""
        return self._pause.suspended is not None and bool(self._pending) and not self._stop_reason

    def _loop(self) -> None:
        while True:
            self._submit()
            if not self._active and self._is_over():
                return
            self._await_ends()
            self._hear()
            self._end_stuck()
            self._show()

    def _is_over(self) -> bool:
        """Whether nothing more is to be started."""
        waits = self._pause.is_on or self._space.is_waiting
        return bool(not waits or self._pause.suspended or not self._pending or self._stop_reason)

    def stop(self, reason: str) -> None:
        """Have every running trial end and start none any more.

        Called again, do not wait for their grace.
        """
        if self._stop_reason is None:
            self._stop_reason = reason
            grace = max((r.trial.stop_grace_s for r in self._active.values()), default=0.0)
            self._stop_by = time.time() + min(grace + SILENCE_S, self._interruption.patience_s)
            self._close_by = time.time() + self._interruption.close_within_s
        else:
            self._stop_by = time.time()

    # ── submitting ─────

    def _submit(self) -> None:
        while (
            not self._stop_reason
            and not self._pause.is_on
            and len(self._active) < self._slots + _LOOKAHEAD
        ):
            if not self._pending or not self._space.has_room():
                return
            candidates = [record.trial for record in self._pending if self._may_start(record.trial)]
            chosen = self._scheduler.choose(candidates) if candidates else None
            if chosen is None:
                return
            record = self._records[chosen.key]
            self._pending.remove(record)
            self._start(record)

    def _may_start(self, trial: Trial) -> bool:
        limit = self._plan.experiment_of(trial).spec.max_concurrent_trials
        return (
            limit is None
            or sum(r.trial.experiment == trial.experiment for r in self._active.values()) < limit
        )

    def _start(self, record: TrialRecord) -> None:
        trial, number = record.trial, record.attempts + 1
        paths = AttemptPaths.of(self._info.experiments[trial.experiment].folder, trial, number)
        launch = self._launches[trial.experiment]
        assignment = Assignment(trial, number, launch.trainable, paths.folder, self._info.cwd)
        placement = reserve(trial.bundles) if trial.bundles else None
        placed = (
            placed_options(placement, trial.bundles[0])
            if placement
            else {"num_cpus": trial.resources.cpu}
        )
        with prefect_remote_options(**{**launch.options, **placed}):
            future: Any = launch.task.submit(
                name=attempt_name(trial, number), assignment=assignment, recorder=self._recorder
            )
        record.status, record.outcome, record.wanted, record.told = None, None, None, 0
        record.attempt = Attempt(
            number,
            paths,
            future.wrapped_future,
            future.task_run_id,
            time.time(),
            placement=placement,
        )
        self._active[future.wrapped_future] = record

    # ── hearing ─────

    def _await_ends(self) -> None:
        references = list(self._active)
        if not references:  # paused, or the disk is full
            time.sleep(_POLL_S)
            return
        done, _ = ray.wait(references, num_returns=1, timeout=_POLL_S)
        if done:  # those that ended meanwhile, too
            done, _ = ray.wait(references, num_returns=len(references), timeout=0)
        for reference in done:
            self._ended(self._active.pop(reference))

    def _ended(self, record: TrialRecord) -> None:
        attempt = record.attempt
        assert attempt is not None
        if attempt.placement:
            release(attempt.placement)
        if attempt.ending and record.status is None:
            self._hear_the_last()
            if record.status is None and attempt.number == 1:  # it was still waiting in Ray
                self._take_back(record, attempt, attempt.ending)
                return
        outcome, is_closed = outcome_of(record, attempt)
        if outcome.ended_by is EndedBy.NO_SPACE:
            self._space.found_full(outcome.stop_reason)
            self._pend_again(record, attempt)
            return
        self._space.found_room(time.time() - attempt.submitted_at)
        ends = self._task_run_ends(record, attempt, outcome)
        if not is_closed:
            close_task_runs(ends)
            log_cause(self._info.flow_run_id, attempt.task_run_id, outcome)
            self._lost |= ends
            self._restore(record, outcome)
        attempt.keep(record.trial, outcome)
        self._ends |= ends
        progress = read_progress(attempt.paths.results)
        record.foreign_lines = progress.foreign_lines
        # The file may have been removed
        self._tell(record, max(progress, record.progress, key=lambda known: known.reports))
        self._scheduler.on_end(record.trial, outcome)
        record.outcome = outcome
        failed = outcome.state is TrialState.ERROR and attempt.number <= record.trial.max_failures
        # Cancelled without that by a pause
        if (failed or outcome.ended_by is EndedBy.CANCELLED) and not self._stop_reason:
            self._pending.insert(0, record)

    def _take_back(self, record: TrialRecord, attempt: Attempt, ending: Stop) -> None:
        """Have a trial pending again that Ray had not begun."""
        unused = Outcome(TrialState.TERMINATED, ending.ended_by, ending.reason)
        ends = self._task_run_ends(record, attempt, unused)
        self._ends |= ends  # where its process had just told Prefect
        self._unused |= ends.keys()
        self._pend_again(record, attempt)

    def _pend_again(self, record: TrialRecord, attempt: Attempt) -> None:
        record.attempt = attempt.before(
            self._info.experiments[record.trial.experiment].folder, record.trial
        )
        self._pending.insert(0, record)

    def _task_run_ends(
        self, record: TrialRecord, attempt: Attempt, outcome: Outcome
    ) -> dict[UUID, TaskRunEnd]:
        task = self._launches[record.trial.experiment].task
        return task_run_ends(
            attempt_name(record.trial, attempt.number), task, attempt.task_run_id, outcome
        )

    def _restore(self, record: TrialRecord, outcome: Outcome) -> None:
        attempt = record.attempt
        assert attempt is not None
        info = record.info or AttemptInfo(
            record.trial, attempt.number, attempt.paths.folder, started_at=attempt.submitted_at
        )
        self._recorder.restore(info, read_progress(attempt.paths.results), outcome)

    def _hear(self) -> None:
        for status in self._hearing.news():
            record = self._records[status.info.trial.key]
            if status.info.attempt == record.attempts:
                record.status = status
                self._tell(record, record.progress)
        if self._hearing.recorder_is_new():
            self._recorder.begin(self._info, again=True)
            for record in self._records.values():
                if record.outcome and record.attempt:
                    self._restore(record, record.outcome)

    def _tell(self, record: TrialRecord, progress: Progress) -> None:
        """Tell the scheduler of a new report, and the recorder of what the scheduler decides."""
        if record.outcome or progress.last is None or progress.reports <= record.told:
            return
        record.told = progress.reports
        reason = self._scheduler.on_result(record.trial, progress.last)
        if reason and record.info:
            self._recorder.request_stop(Stop(EndedBy.SCHEDULER, reason), [record.info.key])
            record.wanted = record.wanted or (Stop(EndedBy.SCHEDULER, reason), time.time())

    # ── ending what cannot end itself: the fourth step ─────

    def _end_stuck(self) -> None:
        if self._pause.is_cancelled and not self._stop_reason:
            self.stop("cancelled while it was paused")
        if self._stop_reason and not self._hearing.asked_to_stop:
            self._hearing.ask_to_stop(self._stop_reason)
        now = time.time()
        for reference, record in self._active.items():
            stop = self._overdue(record, now)
            if stop and record.attempt and not record.attempt.ending:
                record.attempt.ending = stop
                ray.cancel(reference, force=True)

    def _overdue(self, record: TrialRecord, now: float) -> Stop | None:
        """Why an attempt must be ended from outside.

        It is to end, its grace is over, and its monitor is silent.
        """
        if self._stop_reason and (record.status is None or now > self._stop_by):
            return Stop(EndedBy.CANCELLED, self._stop_reason)
        if self._pause.is_on and record.status is None and record.attempts == 1:
            return Stop(EndedBy.CANCELLED, "the run was paused before it began")
        if record.status is None or now - self._hearing.last_word_from(record.status) < SILENCE_S:
            return None
        stop, since = _due(record, record.status, now)
        if stop is None or now < since + record.trial.stop_grace_s + SILENCE_S:
            return None
        return Stop(
            stop.ended_by, f"{stop.reason}; its process did not answer any more and was ended"
        )

    # ── the end ─────

    def _close(self) -> Summary:
        was_stopped = self._stop_reason is not None
        missing: Mapping[str, str] = {}
        with self._survived():
            missing = self._close_records(was_stopped=was_stopped)
        # Nobody ends the records of a suspended run that is cancelled: they are ended now, and open
        # again where it goes on.
        summary = self._summary(interrupted=was_stopped or self.is_suspended, at_end=True)
        with self._survived():
            summary = self._end_records(summary)
        for tracker, what in missing.items():
            self._display.warn(f"{tracker} lacks results ({what}){self._where_they_are(summary)}")
        with self._survived():
            self._run_view.close(summary, min(LAST_VIEW_S, self._patience_s()))
        return summary

    @contextlib.contextmanager
    def _survived(self) -> Iterator[None]:
        """What comes after the trials' ends takes nobody's summary away."""
        try:
            yield
        except Exception as exc:  # noqa: BLE001
            self._display.warn(after_the_sweep(exc))

    def _close_records(self, *, was_stopped: bool) -> Mapping[str, str]:
        """Have Prefect and the trackers know of every end; returns what the trackers lack."""
        settle_task_runs(self._info.flow_run_id, self._ends, self._lost)
        self._hear_the_last()
        # What the recorder did not hear from a trial's process
        for record in self._records.values():
            if record.attempt and record.outcome and not (record.status and record.status.outcome):
                self._restore(record, record.outcome)
        missing = self._drain(was_stopped=was_stopped)
        begun = {run_id: end for run_id, end in self._ends.items() if run_id not in self._unused}
        if unheard := create_absent_task_runs(self._info.flow_run_id, begun, self._patience_s()):
            self._display.warn(unheard)
        self._hear_the_last()
        self._show()
        return missing

    def _end_records(self, summary: Summary) -> Summary:
        self._write_reports(summary)
        return self._recorder.close_sweep(summary, timeout_s=self._patience_s()) or summary

    def _where_they_are(self, summary: Summary) -> str:
        is_there = not any(RESULTS in trial.missing for trial in summary.trials)
        return f"; they are in the files under {self._logdirs()}" if is_there else ""

    def _write_reports(self, summary: Summary) -> None:
        for experiment in summary.experiments:
            try:
                write_report(summary, experiment)
            except Exception as exc:  # noqa: BLE001 - the sweep's results stand without it
                self._display.warn(
                    f"{one_line(experiment.name)}: no report was written: {type(exc).__name__}:"
                    f" {exc}"
                )

    def _drain(self, *, was_stopped: bool) -> Mapping[str, str]:
        """Wait for the trackers as long as they get on; Ctrl-C ends the waiting.

        Returns what they lack.
        """
        while True:
            gives_up = (
                self._stop_reason is not None and not was_stopped
            ) or time.time() > self._close_by
            patience_s = self._patience_s()
            lacking = self._recorder.drain(0 if gives_up else patience_s, timeout_s=patience_s)
            if lacking is not None:
                return lacking

    def _hear_the_last(self) -> None:
        """Hear what the recorder knows now; one that is just being started again is waited for."""
        deadline = time.monotonic() + self._patience_s()
        while True:
            self._hearing.refresh()
            self._hear()
            if self._hearing.has_answer or time.monotonic() > deadline:
                return
            time.sleep(_POLL_S)

    def _patience_s(self) -> float:
        """Seconds to wait for a tracker or the recorder, at most.

        Few where Prefect is about to kill this process.
        """
        return max(LEAST_PATIENCE_S, min(PATIENCE_S, self._close_by - time.time()))

    def _show(self) -> None:
        with contextlib.suppress(OSError):  # whoever read the status has gone
            self._display.show(self._view())
        self._run_view.offer(lambda: self._summary(interrupted=self._stop_reason is not None))

    def _logdirs(self) -> str:
        return ", ".join(str(experiment.folder) for experiment in self._info.experiments.values())

    def _view(self) -> StatusView:
        return StatusView(
            self._cluster.cpu,
            self._cluster.gpu,
            dict(self._info.experiments),
            list(self._records.values()),
        )

    def _summary(self, *, interrupted: bool, at_end: bool = False) -> Summary:
        experiments = [
            self._experiment_summary(name, at_end=at_end) for name in self._info.experiments
        ]
        return Summary(
            self._info.sweep,
            experiments,
            interrupted=interrupted,
            prefect_url=self._info.flow_run_url,
            tracking_uri=without_password(self._info.tracking_uri),
            ended_early=self._space.given_up if self._pending else None,
        )

    def _experiment_summary(self, name: str, *, at_end: bool) -> ExperimentSummary:
        records = [record for record in self._records.values() if record.trial.experiment == name]
        spec = self._plan.experiment_of(records[0].trial).spec
        records.sort(key=lambda record: record.trial.index)
        trials = [_trial_summary(record, record.missing() if at_end else ()) for record in records]
        metric, mode = choose_metric(spec.metric, spec.mode, trials)
        named = {criterion.metric for criterion in spec.criteria()}
        seen = {
            m
            for r in records
            if r.status and r.progress.reports
            for m in named - set(r.status.unseen_metrics)
        }
        has_reports = any(record.progress.reports for record in records)
        unmet = never_reported(spec.criteria(), seen) if has_reports else []
        info = self._info.experiments[name]
        return ExperimentSummary(name, trials, info.folder, metric, mode, unmet, code=info.code)


def _due(record: TrialRecord, status: AttemptStatus, now: float) -> tuple[Stop | None, float]:
    """Why an attempt is to end, as far as the driver can know, and since when."""
    if status.stop and status.stop_since:
        return status.stop, status.stop_since
    limit, began_at = time_limit(record.trial.stop), status.began_at or status.opened_at
    if limit is not None and began_at is not None and now >= began_at + limit:
        return Stop(EndedBy.CRITERION, time_is_up(limit, now - began_at)), began_at + limit
    return record.wanted or (None, 0.0)


def _trial_summary(record: TrialRecord, missing: tuple[str, ...]) -> TrialSummary:
    trial, outcome, status = record.trial, record.outcome, record.status
    return TrialSummary(
        experiment=trial.experiment,
        name=trial.name,
        index=trial.index,
        config=trial.config,
        searched=trial.searched,
        state=record.state,
        stop_reason=outcome.stop_reason if outcome else None,
        last_result=record.progress.last,
        reports=outcome.reports if outcome else record.progress.reports,
        non_finite=record.progress.non_finite,
        logdir=str(record.attempt.paths.folder) if record.attempt else None,
        mlflow_run_id=status.run_id if status else None,
        error=outcome.error if outcome else None,
        attempts=record.attempts,
        cancelled=record.cancelled,
        elapsed_s=_elapsed(record),
        mlflow_url=status.run_url if status else None,
        foreign_lines=record.foreign_lines,
        missing=missing,
    )


def _elapsed(record: TrialRecord) -> float | None:
    if record.outcome is None and record.status and record.status.began_at:
        return time.time() - record.status.began_at
    return record.progress.last["time_total_s"] if record.progress.last else None
