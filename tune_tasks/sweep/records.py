"""The trials of a running sweep as the driver knows them. Plain data."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths, params_text
from tune_tasks.model.objective import finite_metric
from tune_tasks.model.paths import dotted, nodes
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import EndedBy, Outcome, Resources, Stop, Trial, TrialState
from tune_tasks.model.trial_key import key_of
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.sweep.plan import Plan

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Attempt:
    """One submitted attempt.

    Attributes:
        reference: Ray's reference to the state of Prefect's task run.
        task_run_id: Prefect's; None if an earlier driver has started the attempt.
        submitted_at: On the driver's monotonic clock, in seconds.
        submitted_time: The same moment in seconds since the epoch.
        ending: Why the driver has Ray end its process; None if it does not.
        placement: Ray's placement group, if the attempt has more than one process.
        is_orphan: Whether an earlier driver has started it.
        kernel_kills: How many processes the kernel had ended on this machine for lack of memory
            before its end; None if that is not known.
        closed_itself: Whether its process has told Prefect and the recorder how it ended.
        is_unkept: Whether files of it could not be written, because the disk took nothing.
    """

    number: int
    paths: AttemptPaths
    reference: Any
    task_run_id: UUID | None
    submitted_at: float = 0.0
    submitted_time: float = 0.0
    ending: Stop | None = None
    placement: Any = None
    closed_itself: bool = False
    is_orphan: bool = False
    kernel_kills: int | None = None
    is_unkept: bool = False

    def before(self, folder: Path, trial: Trial) -> Attempt | None:
        """The trial's attempt before this one, which never began; None if this was the first."""
        if self.number == 1:
            return None
        paths = AttemptPaths.of(folder, trial, self.number - 1)
        return Attempt(
            self.number - 1,
            paths,
            None,
            self.task_run_id,
            submitted_time=self.submitted_time,
            is_orphan=self.is_orphan,
        )

    def keep(self, trial: Trial, outcome: Outcome) -> None:
        """Write those of the attempt's files that are not here.

        Its process may have died before it wrote them, or have run on another machine.
        """
        try:
            if not self.paths.params.exists():
                self.paths.create(trial.config)
            if self.paths.read_outcome() is None:
                self.paths.write_outcome(outcome)
        except OSError as exc:  # a full disk does not end the sweep
            self._note_unkept(exc)

    def keep_instead(self, outcome: Outcome) -> None:
        """Write another end than the attempt's own: its trial is paused, or is not any more."""
        try:
            self.paths.write_outcome(outcome)
        except OSError as exc:
            self._note_unkept(exc)

    def _note_unkept(self, problem: OSError) -> None:
        self.is_unkept = True
        logger.warning("%s: %s", self.paths.folder, problem)


def as_begun(trial: Trial, paths: AttemptPaths) -> Trial:
    """A trial as one of its attempts had it: a member of a population changes its config."""
    try:
        config = json.loads(paths.params.read_text(encoding="utf-8"))
        now = json.loads(params_text(trial.config))
    except (OSError, ValueError):
        return trial
    if config == now:
        return trial
    values = {dotted(path): value for path, value in nodes(config)}
    searched = {path: values[path] for path in trial.searched if path in values}
    return replace(trial, config=config, searched=searched)


@dataclass(eq=False)
class TrialRecord:
    """One trial of the running sweep.

    Attributes:
        attempt: The latest; None until the first is submitted.
        status: The recorder's latest of that attempt; None until its process has announced it.
        outcome: The end of that attempt; None while the trial is pending or running.
        will_retry: Whether another attempt follows it.
        resources: What that attempt was given, if a rule of `retry` has changed it; None: what
            the plan says.
        foreign_lines: Lines of the attempt's `result.json` that are not reports.
        at_end: The reports that were in its file at its end. The recorder may hear of them later.
    """

    trial: Trial
    attempt: Attempt | None = None
    status: AttemptStatus | None = None
    outcome: Outcome | None = None
    will_retry: bool = False
    resources: Resources | None = None
    foreign_lines: int = 0
    at_end: Progress = field(default_factory=Progress)

    @property
    def index(self) -> int:
        """The trial's number."""
        return self.trial.index

    def metric(self, name: str) -> float | None:
        """The finite value of a metric in its last report, or None."""
        return finite_metric(self.progress.last, name)

    @property
    def state(self) -> TrialState:
        """Where the trial stands."""
        if self.will_retry:
            return TrialState.PENDING
        if self.outcome:
            return self.outcome.state
        if self.status and self.attempt and not self.attempt.is_orphan:
            return TrialState.RUNNING
        return TrialState.PENDING

    @property
    def progress(self) -> Progress:
        """The reports of its latest attempt."""
        heard = self.status.progress if self.status else Progress()
        return max(heard, self.at_end, key=lambda progress: progress.reports)

    @property
    def info(self) -> AttemptInfo | None:
        """Its latest attempt as its process announced it."""
        return self.status.info if self.status else None

    @property
    def attempts(self) -> int:
        """Attempts begun."""
        return self.attempt.number if self.attempt else 0

    @property
    def cancelled(self) -> bool:
        """Whether the trial has not ended by itself, or the sweep was interrupted before it did."""
        unended = (EndedBy.CANCELLED, EndedBy.PAUSED)
        return self.outcome is None or self.outcome.ended_by in unended

    @property
    def is_paused(self) -> bool:
        """Whether it waits to be promoted."""
        is_paused = self.outcome is not None and self.outcome.ended_by is EndedBy.PAUSED
        return self.will_retry and is_paused

    def begin(self, attempt: Attempt, resources: Resources | None = None) -> None:
        """A new attempt was submitted, with these resources; nothing is known of it yet."""
        self.attempt = attempt
        self.resources = resources
        self.status = None
        self.at_end = Progress()
        self.outcome = None
        self.will_retry = False

    def missing(self) -> tuple[str, ...]:
        """Files of its ended attempt that are gone; the reports also if only some of them are."""
        if self.attempt is None or self.outcome is None:
            return ()
        paths = self.attempt.paths
        size = self.progress.size
        least = {} if self.attempt.is_unkept else {paths.params: 0, paths.outcome: 0}
        if size:
            least = {paths.results: size, **least}
        return tuple(path.name for path, bytes_ in least.items() if _size(path) < bytes_)


def lost(reports: int) -> Outcome:
    """The end of an attempt whose driver has died."""
    reason = "the sweep's driver died, and the attempt with it"
    return Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, reason, reports=reports)


def _size(path: Path) -> int:
    """A file's bytes; -1 if it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


class Excerpt(NamedTuple):
    """Some records of a sweep.

    Attributes:
        records: The records.
        unlisted: By experiment, how many trials have none among them; they were not started.
    """

    records: list[TrialRecord]
    unlisted: dict[str, int]


class Records:
    """A record of every trial of a sweep; of one that was never started it is made when asked for.

    Args:
        plan: Of all trials.
        begun: What an earlier execution of the sweep has left.
    """

    def __init__(self, plan: Plan, begun: Iterable[TrialRecord] = ()) -> None:
        self._plan = plan
        self._begun = {record.trial.key: record for record in begun}

    def of(self, trial: Trial) -> TrialRecord:
        """The record of a trial, kept from now on."""
        if trial.key not in self._begun:
            self._begun[trial.key] = TrialRecord(trial)
        return self._begun[trial.key]

    def begun(self) -> list[TrialRecord]:
        """The records of the trials that were started, in the order in which they were."""
        return list(self._begun.values())

    def some(self, unstarted: int) -> Excerpt:
        """The records to show: of what was started, and some of each experiment that were not.

        Args:
            unstarted: How many of an experiment that were not started, at most.
        """
        records = self.begun()
        unlisted = {e.name: len(e.trials) for e in self._plan.experiments}
        for experiment in self._plan.experiments:
            keys = (key_of(experiment.name, i) for i in experiment.indices)
            places = (i for i, key in enumerate(keys) if key not in self._begun)
            records += [TrialRecord(experiment.trials[i]) for i in islice(places, unstarted)]
        for record in records:
            unlisted[record.trial.experiment] -= 1
        return Excerpt(records, unlisted)
