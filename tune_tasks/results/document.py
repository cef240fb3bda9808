"""The document that `--json` prints at a sweep's end, and the table of a sweep's trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tune_tasks.model.trial import TrialState
from tune_tasks.results.failures import groups_of_failures
from tune_tasks.results.search_view import search_view
from tune_tasks.results.trials import TrialSummary, not_started

if TYPE_CHECKING:
    import pandas as pd

    from tune_tasks.results.summary import ExperimentSummary, Summary

TrialJson = Callable[[TrialSummary], dict[str, Any]]

_NO_RESULT = ("pid",)
"""Numbers of a report that say nothing of what came out of the trial."""


def document(summary: Summary) -> dict[str, Any]:
    """Return the document, with every trial."""
    made = streamed(summary, TrialSummary.as_json)
    for experiment in made["experiments"].values():
        experiment["trials"] = list(experiment["trials"])
    return made


def streamed(summary: Summary, trial_json: TrialJson) -> dict[str, Any]:
    """Return the document with an iterator in place of each list of trials.

    Args:
        summary: The sweep.
        trial_json: What the document has of a trial.
    """
    return {
        "sweep": summary.sweep,
        "interrupted": summary.interrupted,
        "ended_early": summary.ended_early,
        "prefect_url": summary.prefect_url,
        "mlflow_tracking_uri": summary.tracking_uri,
        "experiments": {e.name: _experiment(e, trial_json) for e in summary.experiments},
    }


def _experiment(experiment: ExperimentSummary, trial_json: TrialJson) -> dict[str, Any]:
    best = experiment.best()
    search = search_view(experiment)
    return {
        "metric": experiment.metric,
        "mode": experiment.mode,
        "objectives": {each.metric: each.mode for each in experiment.objectives},
        "constraints": [str(each) for each in experiment.constraints],
        "logdir": str(experiment.logdir),
        "mlflow_run_id": experiment.mlflow_run_id,
        "mlflow_url": experiment.page,
        "code": experiment.code.as_json() if experiment.code else None,
        "ended_by_budget": experiment.used_up,
        "search": search.as_json() if search else None,
        "failures": [group.as_json() for group in groups_of_failures(experiment.failed)],
        "trials": (_said_why(trial_json(trial), experiment) for trial in experiment.trials),
        "best": trial_json(best) if best else None,
        "front": [trial.index for trial in experiment.front()],
    }


def _said_why(trial: dict[str, Any], experiment: ExperimentSummary) -> dict[str, Any]:
    """Return a trial with the reason why it was not started, if a budget is the reason."""
    is_left = trial["state"] == TrialState.PENDING and trial["stop_reason"] is None
    if is_left and experiment.used_up:
        return {**trial, "stop_reason": not_started(experiment.used_up)}
    return trial


def table(trials: Iterable[TrialSummary]) -> pd.DataFrame:
    """Return one row a trial; see `Summary.dataframe`."""
    import pandas as pd

    return pd.DataFrame([_row(trial) for trial in trials])


def _row(trial: TrialSummary) -> dict[str, Any]:
    report = trial.last_result or {}
    first = {
        "experiment": trial.experiment,
        "index": trial.index,
        "name": trial.name,
        "state": str(trial.state),
    }
    return {
        **first,
        **{f"config/{path}": value for path, value in trial.shown_searched.items()},
        **dict(_numbers(report.get("info") or {})),
        **{name: value for name, value in _numbers(report) if name not in _NO_RESULT},
        # Again, because an entry of `info` may have one of these names.
        **first,
        "stop_reason": trial.stop_reason,
        "logdir": trial.logdir,
    }


def _numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, (int, float)):
            yield name, value
