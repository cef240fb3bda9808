"""What the driver knows of each trial while a sweep runs. Plain data."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import EndedBy, Outcome, Stop, Trial, TrialState
from tune_tasks.recording.protocol import AttemptStatus

logger = logging.getLogger(__name__)


@dataclass
class Attempt:
    """One submitted attempt.

    Attributes:
        reference: Ray's, of the task's state.
        submitted_at: In seconds since the epoch.
        ending: Why the driver had its process ended, where it had.
        placement: Ray's placement group of its processes, where it has more than one.
    """

    number: int
    paths: AttemptPaths
    reference: Any
    task_run_id: UUID
    submitted_at: float
    ending: Stop | None = None
    placement: Any = None

    def before(self, folder: Path, trial: Trial) -> Attempt | None:
        """The trial's attempt before this one, which has not begun.

        None if this was to be its first.
        """
        if self.number == 1:
            return None
        paths = AttemptPaths.of(folder, trial, self.number - 1)
        return Attempt(self.number - 1, paths, None, self.task_run_id, self.submitted_at)

    def keep(self, trial: Trial, outcome: Outcome) -> None:
        """Have the attempt's files here, too.

        Where its process died before it wrote them or ran on another machine.
        """
        try:
            if not self.paths.params.exists():
                self.paths.create(trial.config)
            if self.paths.read_outcome() is None:
                self.paths.write_outcome(outcome)
        except OSError as exc:  # a full disk does not end the sweep
            logger.warning("%s: %s", self.paths.folder, exc)


@dataclass
class TrialRecord:
    """One trial of the running sweep.

    Attributes:
        attempt: The latest; None until the first is submitted.
        status: The recorder's latest of that attempt; None until its process has announced it.
        outcome: How the attempt ended; None while the trial is pending or running.
        told: Reports that the scheduler was told of.
        wanted: The scheduler's decision to end the attempt, and since when.
        foreign_lines: Lines of the attempt's `result.json` that are no reports.
    """

    trial: Trial
    attempt: Attempt | None = None
    status: AttemptStatus | None = None
    outcome: Outcome | None = None
    told: int = 0
    wanted: tuple[Stop, float] | None = None
    foreign_lines: int = 0

    @property
    def state(self) -> TrialState:
        """Where the trial stands."""
        if self.outcome:
            return self.outcome.state
        return TrialState.RUNNING if self.status and self.attempt else TrialState.PENDING

    @property
    def progress(self) -> Progress:
        """What its latest attempt has reported."""
        return self.status.progress if self.status else Progress()

    @property
    def info(self) -> AttemptInfo | None:
        """Its latest attempt as its process announced it."""
        return self.status.info if self.status else None

    @property
    def attempts(self) -> int:
        """Attempts begun."""
        return self.attempt.number if self.attempt else 0

    def missing(self) -> tuple[str, ...]:
        """The files of its ended attempt that are gone by now.

        Of the reports also if some of them are.
        """
        if self.attempt is None or self.outcome is None:
            return ()
        paths, size = self.attempt.paths, self.progress.size
        files = {paths.results: size} if size else {}
        return tuple(
            path.name
            for path, least in {**files, paths.params: 0, paths.outcome: 0}.items()
            if _size(path) < least
        )

    @property
    def cancelled(self) -> bool:
        """Whether the sweep was interrupted before the trial ended by itself."""
        return self.outcome is None or self.outcome.ended_by is EndedBy.CANCELLED


def _size(path: Path) -> int:
    """A file's bytes; -1 if it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
