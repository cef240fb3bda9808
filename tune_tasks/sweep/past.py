"""A sweep as its journal and its files have it: what it came to, without planning it again.

For whatever looks at a sweep from outside. Its script may have gone, and its spec may have been
edited since; nothing of them is needed. Reads files, and changes none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tune_tasks.errors import UsageError
from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.checkpoint_folder import restored_from
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import Progress, all_rows, read_progress
from tune_tasks.model.trial import Outcome, Trial, TrialState, safe_name
from tune_tasks.model.trial_key import key_of
from tune_tasks.recording.delivery import EndedAttempt
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.results.attempts import AttemptSummary, document_with_attempts
from tune_tasks.results.budget_use import BudgetUse
from tune_tasks.results.standing import ExperimentStanding
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.results.trials import TrialSummary
from tune_tasks.spec.yaml_1_2 import dump_yaml
from tune_tasks.sweep import journal
from tune_tasks.sweep.attempt_history import AttemptHistory, PastAttempt
from tune_tasks.sweep.history import History
from tune_tasks.sweep.journal_entries import ClosedEntry
from tune_tasks.sweep.outline import summary_of
from tune_tasks.sweep.past_trials import PastTrials
from tune_tasks.sweep.records import Attempt, Excerpt, TrialRecord, lost
from tune_tasks.sweep.sweep_state import SweepState, state_of
from tune_tasks.sweep.unseen import unseen_metrics
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo


def past_sweep(
    path: Path,
    *,
    is_held: bool | None = None,
    read: Callable[[Path], Progress] = read_progress,
) -> PastSweep:
    """Read the sweep of a journal.

    Args:
        path: The journal.
        is_held: Whether a driver has it in hand; None: find out.
        read: Reads the reports of an attempt.

    Raises:
        NotBegunError: If the journal says nothing yet.
        UsageError: If the journal is damaged, or cannot be read.
    """
    try:
        held = journal.is_held(path) if is_held is None else is_held
        history = journal.read_history(path)
    except OSError as exc:
        raise UsageError(f"the sweep's journal cannot be read: {exc}") from exc
    if not history.drivers():
        raise journal.NotBegunError(f"{path}: no driver has begun the sweep")
    return PastSweep(history, path.parents[2], is_held=held, read=read)


class PastSweep:
    """A sweep as its journal and files have it. See the module's docstring.

    Args:
        history: What its journal says.
        results: The folder of all results.
        is_held: Whether a driver has it in hand. To be asked before the journal is read: a driver
            that ends in between has written its last entry.
        read: Reads the reports of an attempt.

    Attributes:
        history: What its journal says.
    """

    def __init__(
        self,
        history: History,
        results: Path,
        *,
        is_held: bool,
        read: Callable[[Path], Progress] = read_progress,
    ) -> None:
        self.history = history
        self._results = results
        self._is_held = is_held
        self._read = read
        self._trials = PastTrials(history)
        self._attempts = AttemptHistory(history)

    @property
    def state(self) -> SweepState:
        """Where it stands."""
        return state_of(self.history, held=self._is_held)

    @property
    def is_dead(self) -> bool:
        """Whether its driver has died."""
        return self.state is SweepState.DEAD

    @cached_property
    def info(self) -> SweepInfo:
        """Names and folders."""
        sweep = self.history.sweep
        driver = self.history.drivers()[-1]
        experiments: dict[str, ExperimentInfo] = {}
        for name, experiment in sweep.experiments.items():
            folder = self._results / safe_name(name) / sweep.sweep
            code = driver.code.get(name)
            experiments[name] = replace(experiment, folder=folder, code=code)
        return SweepInfo(
            sweep.sweep,
            experiments,
            driver.tracking_uri,
            dump_yaml(dict(sweep.spec)),
            Path(sweep.cwd),
            driver.flow_run_id,
            driver.flow_run_url,
            tuple(sweep.dropped),
        )

    def summary(self) -> Summary:
        """What it came to, or how it stands."""
        closed = self.history.closed
        was_stopped = self._attempts.stop_reason is not None
        summary = summary_of(
            self.info,
            [self._trials.experiment(name) for name in self.info.experiments],
            Excerpt(list(self._records()), {}),
            interrupted=closed.interrupted if closed else was_stopped,
            at_end=not self._is_held,
            ended_early=closed.ended_early if closed else None,
            budgets=self._budgets(),
        )
        if self.is_dead and _is_incomplete(summary):
            summary = replace(summary, ended_early="its driver has died")
        places = self._places()
        placed = [_placed(e, places.get(e.name)) for e in summary.experiments]
        return replace(summary, experiments=placed)

    def _budgets(self) -> dict[str, BudgetUse]:
        """By experiment, what has used up its budget; how far others are used it does not know."""
        used_up = self._attempts.used_up
        return {name: BudgetUse(used_up=reason) for name, reason in used_up.items()}

    def document(self) -> dict[str, Any]:
        """What `show --json` prints: that of `run --json`, with more; its lists are iterators."""
        sweep = self.history.sweep
        return {
            "state": str(self.state),
            "drivers": [driver.as_json() for driver in self.history.drivers()],
            "repeats": asdict(sweep.repeats) if sweep.repeats else None,
            "dropped": list(sweep.dropped),
            **document_with_attempts(self.summary(), self.attempts_of),
        }

    def attempts_of(self, trial: TrialSummary) -> list[AttemptSummary]:
        """Every attempt of a trial, in order."""
        key = key_of(trial.experiment, trial.index)
        made = self._trials.of(key)
        return [self._attempt_summary(made, attempt) for attempt in self._attempts.of(key)]

    def outcome(self, key: str) -> Outcome | None:
        """How a trial's last attempt has ended; None if it has not, or there is none."""
        attempts = self._attempts.of(key)
        return self._outcome(self._trials.of(key), attempts[-1]) if attempts else None

    def reports(self, key: str) -> Iterator[dict[str, Any]]:
        """The reports of a trial's last attempt, as they stand in its `result.json`."""
        attempts = self._attempts.of(key)
        if attempts:
            results = self._paths(self._trials.of(key), attempts[-1]).results
            yield from all_rows(results, self._read(results).size)

    def ended(self, flow_run_id: str | None = None) -> list[EndedAttempt]:
        """Every attempt that has ended, in the order in which they began.

        Also those that have ended unseen, when their driver had died.

        Args:
            flow_run_id: Only those that this flow run has started; None: all.
        """
        attempts = [attempt for key in self._begun() for attempt in self._attempts.of(key)]
        if flow_run_id is not None:
            attempts = [a for a in attempts if a.driver.flow_run_id == flow_run_id]
        attempts.sort(key=lambda attempt: attempt.started_at)
        return list(self._ended(attempts))

    def _ended(self, attempts: Iterable[PastAttempt]) -> Iterator[EndedAttempt]:
        for attempt in attempts:
            trial = self._trials.of(attempt.trial, attempt.number)
            outcome = self._outcome(trial, attempt)
            if outcome:
                progress = self._read(self._paths(trial, attempt).results)
                yield EndedAttempt(self._info_of(trial, attempt), progress, outcome)

    def _begun(self) -> list[str]:
        return [key for key in self._attempts.begun() if key in self._trials]

    def _places(self) -> dict[str, ExperimentStanding]:
        """By experiment, where the trackers had the sweep when it last ended."""
        closed = [e for e in self.history.entries if isinstance(e, ClosedEntry)]
        return dict(closed[-1].experiments) if closed else {}

    # ── Attempts ─────

    def _records(self) -> Iterator[TrialRecord]:
        for key in self._begun():
            trial = self._trials.of(key)
            begun = [a for a in self._attempts.of(key) if self._has_begun(trial, a)]
            if begun:
                yield self._record(trial, begun[-1])

    def _record(self, trial: Trial, past: PastAttempt) -> TrialRecord:
        paths = self._paths(trial, past)
        attempt = Attempt(past.number, paths, None, None, is_orphan=not self._is_held)
        record = TrialRecord(trial, attempt, resources=past.resources)
        if not self._attempts.is_pending_again(trial.key):
            record.outcome = self._outcome(trial, past)
            record.will_retry = past.will_retry and self._is_held
        if past.announced or record.outcome:
            progress = self._read(paths.results)
            unseen = unseen_metrics(trial.stop, paths.results, progress)
            record.foreign_lines = progress.foreign_lines
            record.status = AttemptStatus(
                self._info_of(trial, past),
                progress=progress,
                run_id=past.told.run_id if past.told else None,
                run_url=past.told.run_url if past.told else None,
                unseen_metrics=unseen,
            )
        return record

    def _has_begun(self, trial: Trial, attempt: PastAttempt) -> bool:
        """Whether an attempt is one; a driver that has died may have left one that never began."""
        is_left = self.is_dead and attempt.outcome is None
        return not is_left or self._paths(trial, attempt).folder.is_dir()

    def _outcome(self, trial: Trial, attempt: PastAttempt) -> Outcome | None:
        """How an attempt has ended, also unseen; None if it has not, or has never begun."""
        if attempt.outcome or not self.is_dead:
            return attempt.outcome
        if not self._has_begun(trial, attempt):
            return None
        paths = self._paths(trial, attempt)
        return paths.read_outcome() or lost(self._read(paths.results).reports)

    def _paths(self, trial: Trial, attempt: PastAttempt) -> AttemptPaths:
        folder = self.info.experiments[trial.experiment].folder
        return AttemptPaths.of(folder, trial, attempt.number)

    def _info_of(self, trial: Trial, attempt: PastAttempt) -> AttemptInfo:
        paths = self._paths(trial, attempt)
        info = AttemptInfo(
            trial,
            attempt.number,
            paths.folder,
            started_at=attempt.started_at,
            restored_from=restored_from(paths),
        )
        told = attempt.told
        if told is None or not told.pid:
            return info
        return replace(
            info,
            pid=told.pid,
            hostname=told.hostname,
            task_run_id=told.task_run_id,
            task_run_url=told.task_run_url,
            started_at=told.started_at,
        )

    def _searched(self, attempt: PastAttempt) -> Mapping[str, Any] | None:
        """What an attempt has tried, if others of its trial have tried something else."""
        if not self._trials.changes(attempt.trial):
            return None
        return self._trials.of(attempt.trial, attempt.number).searched

    def _address(self, attempt: PastAttempt, trial: Trial, paths: AttemptPaths) -> str | None:
        """Where an attempt's files went, if its driver had a storage: a later one may have one."""
        storage = attempt.driver.storage.get(trial.experiment, "")
        info = replace(self.info.experiments[trial.experiment], storage=storage)
        return info.address_of(paths.folder) or None

    def _attempt_summary(self, trial: Trial, attempt: PastAttempt) -> AttemptSummary:
        paths = self._paths(trial, attempt)
        outcome = self._outcome(trial, attempt)
        checkpoint = restored_from(paths)
        state = TrialState.RUNNING if attempt.announced else TrialState.PENDING
        reports = outcome.reports if outcome else self._read(paths.results).reports
        return AttemptSummary(
            number=attempt.number,
            state=outcome.state if outcome else state,
            cause=attempt.cause,
            started_at=attempt.started_at,
            ended_at=attempt.ended_at,
            ended_by=str(outcome.ended_by) if outcome else None,
            stop_reason=outcome.stop_reason if outcome else None,
            error=outcome.error if outcome else None,
            reports=reports,
            checkpoint=_said_of(checkpoint) if checkpoint else None,
            resources=attempt.resources,
            searched=self._searched(attempt),
            logdir=str(paths.folder),
            storage=self._address(attempt, trial, paths),
        )


def _said_of(checkpoint: CheckpointRef) -> dict[str, int]:
    return {
        "attempt": checkpoint.attempt,
        "number": checkpoint.number,
        "reports": checkpoint.reports,
    }


def _is_incomplete(summary: Summary) -> bool:
    has_pending = summary.counts()[TrialState.PENDING] > 0
    return has_pending or any(t.cancelled for e in summary.experiments for t in e.listed)


def _placed(experiment: ExperimentSummary, place: ExperimentStanding | None) -> ExperimentSummary:
    if place is None:
        return experiment
    return replace(
        experiment,
        mlflow_run_id=place.run_id,
        experiment_url=place.experiment_url,
        view_url=place.view_url,
    )
