"""A sweep's records as a summary: what they come to now, or at the end. Pure but for file sizes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from tune_tasks.model.stopping import never_reported
from tune_tasks.results.summary import ExperimentSummary, Summary, TrialSummary, objective_of
from tune_tasks.servers.mlflow_client import without_password
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.records import TrialRecord
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo


def summary_of(
    info: SweepInfo,
    plan: Plan,
    records: Iterable[TrialRecord],
    *,
    interrupted: bool,
    at_end: bool = False,
    ended_early: str | None = None,
    unlisted: Mapping[str, int] | None = None,
) -> Summary:
    """The sweep as it stands.

    Args:
        info: Names and folders.
        plan: What runs.
        records: Of every trial, or of all but those that `unlisted` counts.
        interrupted: Whether somebody has stopped it.
        at_end: Whether to look which files of ended trials are gone.
        ended_early: Why trials were left that nobody has stopped.
        unlisted: By experiment, how many trials that were not started have no record here.
    """
    of_experiment: dict[str, list[TrialRecord]] = {name: [] for name in info.experiments}
    for record in records:
        of_experiment[record.trial.experiment].append(record)
    experiments = [
        experiment_summary(
            info.experiments[planned.name],
            planned.spec,
            of_experiment[planned.name],
            at_end=at_end,
            unlisted=(unlisted or {}).get(planned.name, 0),
        )
        for planned in plan.experiments
    ]
    return Summary(
        info.sweep,
        experiments,
        interrupted=interrupted,
        prefect_url=info.flow_run_url,
        tracking_uri=without_password(info.tracking_uri),
        ended_early=ended_early,
    )


def experiment_summary(
    info: ExperimentInfo,
    spec: ExperimentSpec,
    records: Iterable[TrialRecord],
    *,
    at_end: bool,
    unlisted: int = 0,
) -> ExperimentSummary:
    """An experiment as it stands.

    Args:
        info: Names and folders.
        spec: The experiment's part of the spec.
        records: Of its trials.
        at_end: Whether to look which files of ended trials are gone.
        unlisted: How many trials that were not started have no record here.
    """
    ordered = sorted(records, key=lambda record: record.trial.index)
    trials = [trial_summary(record, record.missing() if at_end else ()) for record in ordered]
    objective = objective_of(info.objective, trials)
    unmet = _never_reported(spec, ordered)
    return ExperimentSummary(
        info.name, trials, info.folder, objective, unmet, code=info.code, unlisted=unlisted
    )


def _never_reported(spec: ExperimentSpec, records: Sequence[TrialRecord]) -> list[str]:
    """Metrics of the stop criteria that no trial has reported, if any trial has reported at all."""
    reporting = [record for record in records if record.status and record.progress.reports]
    if not reporting:
        return []
    named = {criterion.metric for criterion in spec.criteria()}
    seen: set[str] = set()
    for record in reporting:
        assert record.status is not None
        seen |= named - set(record.status.unseen_metrics)
    return never_reported(spec.criteria(), seen)


def trial_summary(record: TrialRecord, missing: tuple[str, ...]) -> TrialSummary:
    """A trial as it stands; `missing` are files of it that are gone."""
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
        elapsed_s=_elapsed_s(record),
        mlflow_url=status.run_url if status else None,
        foreign_lines=record.foreign_lines,
        missing=missing,
    )


def _elapsed_s(record: TrialRecord) -> float | None:
    if record.outcome is None and record.status and record.status.began_at:
        return time.time() - record.status.began_at
    last = record.progress.last
    return last["time_total_s"] if last else None
