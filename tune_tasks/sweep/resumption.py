"""A sweep that goes on in a later execution of its flow run: after Prefect's Retry, or its Resume.

Trials that have ended well are kept. Those that were interrupted, have failed or never began are
run. A file in the results' folder, named after the flow run, says which sweep it is. It is locked
while a driver has the sweep in hand.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from uuid import UUID

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths, try_lock, write_aside
from tune_tasks.model.masking import masked
from tune_tasks.model.result_file import read_progress
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.sweep.records import Attempt, TrialRecord

_LOOK_S = 0.5
_NO_TASK_RUN = UUID(int=0)


@dataclass(frozen=True)
class BegunSweep:
    """What a later execution must know of a sweep.

    Attributes:
        sweep: The sweep's id.
        drawn_seed: The seed of the experiments that the spec gives none.
    """

    sweep: str
    drawn_seed: int


class SweepFile:
    """The file of a flow run's sweep. Used in the driver.

    Args:
        results: The folder of all results, `--local-dir`.
        flow_run_id: The flow run.
    """

    def __init__(self, results: Path, flow_run_id: str) -> None:
        self._path = results / ".sweeps" / f"{flow_run_id}.json"
        self._lock: IO[str] | None = None

    def read(self) -> BegunSweep | None:
        """The sweep that an earlier execution began; None if this is the first execution."""
        try:
            return BegunSweep(**json.loads(self._path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def take(self, begun: BegunSweep, is_given_up: Callable[[], object]) -> bool:
        """Write the file, and have the sweep in hand until this process ends.

        Waits for an earlier driver that still has the sweep in hand.

        Args:
            begun: What the file is to say.
            is_given_up: Whether to wait no longer.

        Returns:
            False if the waiting was given up.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._path.with_suffix(".lock").open("a")
        while not try_lock(self._lock):
            if is_given_up():
                return False
            time.sleep(_LOOK_S)
        write_aside(self._path, json.dumps(asdict(begun)))
        return True


def record_of(trial: Trial, folder: Path) -> TrialRecord:
    """The record of a trial as earlier executions have left it.

    Args:
        trial: The trial, as it is planned now.
        folder: The folder of its experiment in this sweep.
    """
    number, paths = _last_attempt(trial, folder)
    if number == 0:
        return TrialRecord(trial)
    attempt = Attempt(number, paths, None, _NO_TASK_RUN, submitted_time=time.time())
    outcome = paths.read_outcome()
    if outcome is None or not _has_ended_well(outcome) or not _is_same(trial, paths):
        return TrialRecord(trial, attempt)
    progress = read_progress(paths.results)
    if progress.reports < outcome.reports:
        return TrialRecord(trial, attempt)
    info = AttemptInfo(trial, number, paths.folder, started_at=paths.params.stat().st_mtime)
    status = AttemptStatus(info, outcome.state, progress, outcome)
    return TrialRecord(trial, attempt, status, outcome, foreign_lines=progress.foreign_lines)


def _last_attempt(trial: Trial, folder: Path) -> tuple[int, AttemptPaths]:
    number = 0
    while AttemptPaths.of(folder, trial, number + 1).folder.is_dir():
        number += 1
    return number, AttemptPaths.of(folder, trial, max(number, 1))


def _has_ended_well(outcome: Outcome) -> bool:
    return outcome.state is TrialState.TERMINATED and outcome.ended_by is not EndedBy.CANCELLED


def _is_same(trial: Trial, paths: AttemptPaths) -> bool:
    """Whether the attempt ran what the trial is now: a spec file may have changed in between."""
    now: object = json.loads(json.dumps(masked(trial.config), default=repr))
    try:
        ran: object = json.loads(paths.params.read_text())
    except (OSError, ValueError):
        return False
    return ran == now
