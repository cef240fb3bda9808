"""Goes on with a sweep that an earlier driver has begun, from its journal and its files."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from tune_tasks.errors import UsageError
from tune_tasks.model.code_version import edits_since
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.masking import masked_spec
from tune_tasks.model.result_file import read_progress
from tune_tasks.model.snapshot import Snapshot
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import Outcome, Trial
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.servers.mlflow_client import without_password
from tune_tasks.sweep.beginning import Beginning, begun_of
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.events import AttemptEnded, StartFailed
from tune_tasks.sweep.history import History
from tune_tasks.sweep.journal import Journal, create_locked, history_of, open_locked
from tune_tasks.sweep.journal_entries import (
    DriverEntry,
    SweepEntry,
    TrialEntry,
    experiments_of,
    plain,
)
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.records import Attempt, TrialRecord, lost
from tune_tasks.tracking.info import SweepInfo


@dataclass(frozen=True)
class Takeover:
    """How a driver goes on with the sweep of an earlier one.

    Attributes:
        at: The last time on the clock of the events.
        retry_failed: Whether failed trials are given another attempt.
    """

    at: float
    retry_failed: bool


@dataclass(frozen=True)
class Taken:
    """A sweep in the hands of this driver.

    Attributes:
        journal: Its journal.
        takeover: How it goes on; None if it is a new one.
        earlier: What the journal said before this driver had it; None if the sweep is a new one.
    """

    journal: Journal
    takeover: Takeover | None = None
    earlier: History | None = None

    def replay(self, core: Core) -> None:
        """Have the core know what it knew."""
        for entry in self.earlier.handled() if self.earlier else ():
            core.replay(entry.event, entry.then)


def take(
    beginning: Beginning,
    plan: Plan,
    info: SweepInfo,
    scheduler: Scheduler,
    warn: Callable[[str], None],
    wait: Callable[[], object],
) -> Taken:
    """Take a sweep in hand, until this process ends.

    Args:
        beginning: Which sweep.
        plan: What it runs.
        info: Names and folders.
        scheduler: Of the sweep.
        warn: Told if the journal cannot be written later.
        wait: While another driver has the sweep: whether to wait for its end.

    Raises:
        HeldError: If another driver has the sweep, and is not waited for.
        UsageError: If its journal cannot be read, or another driver has gone on meanwhile.
        OSError: If its journal cannot be written.
    """
    listens = type(scheduler).on_result is not Scheduler.on_result
    if beginning.earlier is None:
        file: BinaryIO = create_locked(beginning.path)
        journal = Journal(beginning.path, file, 0, warn, keeps_reports=listens)
        journal.began(_sweep_entry(beginning, plan, info))
        journal.began(_driver_entry(info, 0.0))
        return Taken(journal)
    file = open_locked(beginning.path, wait)
    try:
        history, size = history_of(file, beginning.path)
        _expect_as_planned(history, beginning, plan)
    except BaseException:
        file.close()  # which lets go of the sweep
        raise
    cut = os.fstat(file.fileno()).st_size - size
    if cut:
        warn(
            f"the last {cut:,} bytes of the sweep's journal cannot be read, and are cut: its last"
            " driver has died before they had reached the disk"
        )
    journal = Journal(beginning.path, file, size, warn, keeps_reports=listens)
    # The last driver may have died before it could do as it was asked.
    takeover = Takeover(history.last_at(), beginning.retry_failed or history.owes_retries)
    if plan.is_edited:
        journal.began(_edited_entry(history.sweep, _sweep_entry(beginning, plan, info), plan))
        journal.started(_edited_trials(history, plan, retry_failed=takeover.retry_failed))
    journal.began(_driver_entry(info, takeover.at, retry_failed=takeover.retry_failed))
    return Taken(journal, takeover, history)


def _expect_as_planned(history: History, beginning: Beginning, plan: Plan) -> None:
    """Refuse what another driver has begun since the plan was made, if the plan has it otherwise.

    It can only happen with an edited spec: what a trial of a new index tries depends on what had
    begun before.
    """
    known = beginning.earlier.trials() if beginning.earlier else {}
    for key, entry in history.trials().items():
        if key not in known and not plan.kept(begun_of(entry)):
            raise UsageError(
                f"another driver has gone on with the sweep {beginning.sweep} just now: try again"
            )


def _sweep_entry(beginning: Beginning, plan: Plan, info: SweepInfo) -> SweepEntry:
    return SweepEntry(
        beginning.sweep,
        info.flow_run_id,
        str(info.cwd),
        plain(beginning.request.parameters()),
        plain(masked_spec(plan.given)),
        plain(masked_spec(plan.source)),
        beginning.drawn_seed,
        experiments_of(info),
        beginning.repeat.repeated if beginning.repeat else None,
        warm={e.name: e.warm.started for e in plan.experiments if e.warm},
    )


def _edited_entry(first: SweepEntry, edited: SweepEntry, plan: Plan) -> SweepEntry:
    return replace(
        edited,
        flow_run_id=first.flow_run_id,
        repeats=first.repeats,
        dropped=tuple(begun.key for begun, _ in plan.dropped()),
    )


def _edited_trials(history: History, plan: Plan, *, retry_failed: bool) -> Iterator[Trial]:
    """The trials that have begun and go on as something else: with other resources."""
    ended = history.ended(retry_failed=retry_failed)
    for key, entry in history.trials().items():
        trial = plan.kept(begun_of(entry)) if key not in ended else None
        if trial and TrialEntry.of(trial) != entry:
            yield trial


def _driver_entry(info: SweepInfo, at: float, *, retry_failed: bool = False) -> DriverEntry:
    code = {name: e.code for name, e in info.experiments.items() if e.code}
    return DriverEntry(
        at,
        time.time(),
        socket.gethostname(),
        os.getpid(),
        info.flow_run_id,
        without_password(info.tracking_uri),
        _packages(),
        code,
        info.flow_run_url,
        retry_failed,
        {name: e.storage for name, e in info.experiments.items() if e.storage},
    )


def _packages() -> dict[str, str]:
    """The versions of everything that is installed, as its folders are named.

    `importlib.metadata` reads a file of each, which takes the better part of a second.
    """
    folders = [found.stem for path in sys.path for found in Path(path).glob("*.dist-info")]
    return dict(sorted(name.split("-", 1) for name in folders if "-" in name))


def records_of(core: Core, info: SweepInfo) -> Iterator[TrialRecord]:
    """The records of the trials that were started, as the journal and the files have them."""
    for key, number in core.begun().items():
        if number == 0:  # it was taken back before its process ran
            continue
        trial = core.trial(key)
        paths = AttemptPaths.of(info.experiments[trial.experiment].folder, trial, number)
        attempt = Attempt(number, paths, None, None, submitted_time=time.time(), is_orphan=True)
        paused = core.paused(key)
        outcome = paused or core.outcome(key)
        yield TrialRecord(trial, attempt, outcome=outcome, will_retry=paused is not None)


def end_of_orphan(trial: Trial, attempt: Attempt, at: float) -> AttemptEnded | StartFailed:
    """How an attempt that had no driver any more has ended.

    Its process has died with its driver, or soon after it. It may have ended well before.
    """
    if not attempt.paths.folder.is_dir():
        return StartFailed(at, trial.key, attempt.number)
    reports = read_progress(attempt.paths.results).reports
    outcome = attempt.paths.read_outcome()
    if outcome is None or outcome.reports > reports:
        outcome = lost(reports)
    return AttemptEnded(at, trial.key, attempt.number, outcome)


def has_its_reports(record: TrialRecord, outcome: Outcome) -> bool:
    """Whether the reports of a trial that has ended so are still on the disk."""
    assert record.attempt is not None
    return read_progress(record.attempt.paths.results).reports >= outcome.reports


def edits_of_code(earlier: History, now: Mapping[str, Snapshot | None]) -> Iterator[str]:
    """What people are told of code that was edited since the last driver has read it.

    Args:
        earlier: What that driver has written.
        now: The code by experiment; None if it is not in files.
    """
    then = {name: code for driver in earlier.drivers()[-1:] for name, code in driver.code.items()}
    for name, snapshot in now.items():
        edited = edits_since(then[name], snapshot) if snapshot and name in then else None
        if edited:
            yield (
                f"{one_line(name)}: its code is not what the last driver has run: {edited} edited"
                " since. What starts from now on runs the code as it is now"
            )


def kept_note(sweep: str, kept: int, size: int) -> str:
    """What people are told of the trials that an earlier driver has run to their end."""
    return (
        f"goes on with the sweep {sweep}: {kept} of {size} trials have ended, and do not run again"
    )
