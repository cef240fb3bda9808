"""A sweep's records as a summary: what they come to now, or at the end. Pure but for file sizes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from tune_tasks.model.objective import Objectives
from tune_tasks.model.stopping import Criterion, never_reported
from tune_tasks.model.trial import Trial
from tune_tasks.results.budget_use import BudgetUse
from tune_tasks.results.ranking import objective_of
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.results.trials import Trials, TrialSummary
from tune_tasks.servers.mlflow_client import without_password
from tune_tasks.sweep.records import Excerpt, TrialRecord
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo

LISTED = 1_000
"""Of each experiment, at a sweep's end: the most trials listed that were never started."""


class Outlined(Protocol):
    """An experiment, planned or as a journal has it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def trials(self) -> Sequence[Trial]:
        """All of its trials, in order."""

    @property
    def indices(self) -> Sequence[int]:
        """The indices of these."""

    def criteria(self) -> tuple[Criterion, ...]:
        """Its stop criteria."""


def summary_of(
    info: SweepInfo,
    outlined: Sequence[Outlined],
    excerpt: Excerpt,
    *,
    interrupted: bool,
    at_end: bool = False,
    ended_early: str | None = None,
    budgets: Mapping[str, BudgetUse] = MappingProxyType({}),
) -> Summary:
    """Return the sweep as it stands.

    Args:
        info: Names and folders.
        outlined: The experiments, in the spec's order.
        excerpt: The records of all trials that were started, and of some others.
        interrupted: Whether somebody has stopped it.
        at_end: Whether to look which files of ended trials are gone.
        ended_early: Why trials were left that nobody has stopped.
        budgets: How far they are used, by experiment.
    """
    records: dict[str, list[TrialRecord]] = defaultdict(list)
    for record in excerpt.records:
        records[record.trial.experiment].append(record)
    experiments = [
        _experiment_summary(info.experiments[e.name], e, records[e.name], at_end=at_end)
        for e in outlined
    ]
    return Summary(
        info.sweep,
        [replace(e, budget=budgets.get(e.name)) for e in experiments],
        interrupted=interrupted,
        prefect_url=info.flow_run_url,
        tracking_uri=without_password(info.tracking_uri),
        ended_early=ended_early,
    )


def _experiment_summary(
    info: ExperimentInfo,
    experiment: Outlined,
    records: Sequence[TrialRecord],
    *,
    at_end: bool,
) -> ExperimentSummary:
    ordered = sorted(records, key=lambda record: record.trial.index)
    listed = [_trial_summary(record, info.compared_by, at_end=at_end) for record in ordered]
    return ExperimentSummary(
        name=info.name,
        trials=_all_trials(experiment, listed, info.compared_by),
        logdir=info.folder,
        objective=objective_of(info.objective, listed),
        unmet=_never_reported(experiment.criteria(), ordered),
        code=info.code,
        dimensions=info.dimensions,
        search=info.search,
        constraints=info.constraints,
        others=info.others,
    )


def _all_trials(
    experiment: Outlined, listed: Sequence[TrialSummary], compared_by: Objectives
) -> Sequence[TrialSummary]:
    """Return every trial of an experiment; those that are not listed were never started."""
    trials = experiment.trials
    if len(listed) == len(trials):
        return listed

    def make(place: int) -> TrialSummary:
        return _trial_summary(TrialRecord(trials[place]), compared_by)

    return Trials(listed, experiment.indices, make)


def _never_reported(criteria: Sequence[Criterion], records: Sequence[TrialRecord]) -> list[str]:
    """Metrics of the stop criteria that no trial has reported, if any trial has reported at all."""
    statuses = [record.status for record in records if record.status and record.progress.reports]
    if not statuses:
        return []
    named = {criterion.metric for criterion in criteria}
    seen: set[str] = set()
    for status in statuses:
        seen |= named - set(status.unseen_metrics)
    return never_reported(criteria, seen)


def _trial_summary(
    record: TrialRecord, compared_by: Objectives, *, at_end: bool = False
) -> TrialSummary:
    """Return a trial as it stands."""
    trial = record.trial
    status = record.status
    outcome = record.outcome
    progress = record.progress
    return TrialSummary(
        experiment=trial.experiment,
        name=trial.name,
        index=trial.index,
        config=trial.config,
        searched=trial.searched,
        state=record.state,
        stop_reason=outcome.stop_reason if outcome else None,
        last_result=progress.last,
        reports=outcome.reports if outcome else progress.reports,
        non_finite=progress.non_finite,
        logdir=str(record.attempt.paths.folder) if record.attempt else None,
        mlflow_run_id=status.run_id if status else None,
        error=outcome.error if outcome else None,
        attempts=record.attempts,
        cancelled=record.cancelled,
        elapsed_s=_elapsed_s(record),
        mlflow_url=status.run_url if status else None,
        foreign_lines=record.foreign_lines,
        missing=record.missing() if at_end else (),
        failure=outcome.failure if outcome else None,
        resources=record.resources or trial.resources,
        point=trial.point,
        proposed_by=trial.proposed_by if record.attempt else "",
        ended_by=outcome.ended_by if outcome else None,
        infeasible=compared_by.infeasibility(progress.last) if progress.last else None,
    )


def _elapsed_s(record: TrialRecord) -> float | None:
    has_ended = record.outcome is not None
    if not has_ended and record.status and record.status.began_at:
        return time.time() - record.status.began_at
    last = record.progress.last
    return last["time_total_s"] if last else None
