"""Small trials, reports and sweeps to test with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import read_rows
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.result import TrainingResult
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.results.trials import TrialSummary
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo
from tune_tasks.trial.reports import TrialReports

EXPERIMENT = "experiment"
RETURNED = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
FAILED = Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "ValueError: lr is negative")


def make_trial(index: int = 0, searched: Mapping[str, Any] | None = None, **fields: Any) -> Trial:
    """Return a trial of the experiment `experiment`.

    Args:
        index: The trial's number.
        searched: The trial's config; by default a learning rate `lr`.
        **fields: Other attributes of `Trial`.
    """
    config = dict(searched or {"lr": (index + 1) / 10})
    return Trial(
        experiment=EXPERIMENT,
        index=index,
        name=f"script_{index}",
        alg="script",
        config=config,
        searched=config,
        seed=index,
        **fields,
    )


def make_attempt(folder: Path, index: int = 0, number: int = 1) -> AttemptInfo:
    """Return the announcement of a trial's attempt.

    Args:
        folder: The sweep's folder; the attempt has one of its own in it.
        index: The trial's number.
        number: The attempt's number.
    """
    own = folder / f"trial_{index}_attempt_{number}"
    return AttemptInfo(make_trial(index), number, own, started_at=1_700_000_000.0)


def make_rows(info: AttemptInfo, results: Iterable[TrainingResult]) -> list[dict[str, Any]]:
    """Report the results as the attempt's process does; returns the rows as trackers get them.

    They are in the attempt's `result.json` then.
    """
    paths = AttemptPaths(info.folder)
    paths.create(info.trial.config)
    reports = TrialReports(info.trial, paths.results, "experiment-id")
    reports.begin()
    count = 0
    for result in results:
        reports.add(result)
        count += 1
    reports.close()
    return read_rows(paths.results, 0, reports.progress.size, count).rows


def make_sweep(folder: Path, tracking_uri: str = "", num_trials: int = 2) -> SweepInfo:
    """Return a sweep of the experiment `experiment`.

    Args:
        folder: The sweep's folder.
        tracking_uri: MLflow's.
        num_trials: The number of trials.
    """
    experiment = ExperimentInfo(EXPERIMENT, folder, seed=1, num_trials=num_trials, constants={})
    return SweepInfo(
        sweep="2026-01-01_00-00-00_test",
        experiments={EXPERIMENT: experiment},
        tracking_uri=tracking_uri,
        spec_text=f"{EXPERIMENT}: {{}}\n",
        cwd=folder,
    )


def make_summary(folder: Path, attempts: Iterable[AttemptInfo] = ()) -> Summary:
    """Return the sweep's end, with the attempts' trials as ended well."""
    trials = [_trial_summary(info) for info in attempts]
    return Summary("2026-01-01_00-00-00_test", [ExperimentSummary(EXPERIMENT, trials, folder)])


def _trial_summary(info: AttemptInfo) -> TrialSummary:
    trial = info.trial
    return TrialSummary(
        trial.experiment,
        trial.name,
        trial.index,
        trial.config,
        trial.searched,
        TrialState.TERMINATED,
        stop_reason=RETURNED.stop_reason,
        logdir=str(info.folder),
        attempts=info.attempt,
    )
