"""The leaderboard of an experiment: its trials, best first, with one line that sums them up.

Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune_tasks.model.text import one_line
from tune_tasks.model.trial import TrialState
from tune_tasks.result import tracked_metrics
from tune_tasks.results.summary import ExperimentSummary, TrialSummary

LISTED = 100
"""Trials that a leaderboard has a row for, at most."""
# Of a longer list: the best, and as many again of those that run and of those that failed
_BEST, _OTHERS = 50, 25
_METRICS = 3
_COLUMNS = ("trial", "state", "timesteps", "elapsed", "why it ended", "MLflow")


@dataclass(frozen=True)
class Leaderboard:
    """An experiment as it stands.

    Attributes:
        rows: One a trial, column to text or number; the same columns in all.
        progress: Trials that have ended, in percent.
    """

    rows: list[dict[str, Any]]
    progress: float


def leaderboard(experiment: ExperimentSummary) -> Leaderboard:
    """The leaderboard of an experiment that runs or has ended.

    Of more than a hundred trials the ones that matter most.
    """
    ranking = experiment.ranking()
    listed = ranking if experiment.size <= LISTED else _listed(ranking)
    metrics = _metrics(experiment.metric, listed)
    rows = [_row(trial, metrics) for trial in listed]
    if len(listed) < experiment.size:
        kept = {id(trial) for trial in listed}
        rest = Counter(trial.state for trial in ranking if id(trial) not in kept)
        rest[TrialState.PENDING] += experiment.unlisted
        rows.append(_rest(rest, rows[0]))
    return Leaderboard(rows, 100 * experiment.done / experiment.size)


def headline(experiment: ExperimentSummary) -> str:
    """One line on an experiment."""
    counts = Counter(trial.state for trial in experiment.trials)
    value = experiment.best_value()
    parts = [f"{experiment.done}/{experiment.size} done"]
    if experiment.objective and value is not None:
        parts.append(f"best {experiment.objective.words(value)}")
    parts += [f"{counts[state]} {word}" for state, word in _WORDS.items() if counts[state]]
    return ", ".join(parts)


_WORDS = {TrialState.RUNNING: "running", TrialState.ERROR: "failed"}


def _listed(ranking: Sequence[TrialSummary]) -> list[TrialSummary]:
    running, failed = (
        [t for t in ranking if t.state is state] for state in (TrialState.RUNNING, TrialState.ERROR)
    )
    kept = {id(trial) for trial in (*ranking[:_BEST], *running[:_OTHERS], *failed[:_OTHERS])}
    return [trial for trial in ranking if id(trial) in kept]


def _metrics(primary: str | None, trials: Sequence[TrialSummary]) -> list[str]:
    """The metrics that get a column.

    What 'best' goes by, and the first others that a trial reported.
    """
    reported = (name for trial in trials for name, _ in tracked_metrics(trial.last_result or {}))
    return list(dict.fromkeys([*([primary] if primary else []), *reported]))[:_METRICS]


def _row(trial: TrialSummary, metrics: Sequence[str]) -> dict[str, Any]:
    values = {
        f"info/{name}" if name in _COLUMNS else one_line(name): _shown(trial.metric(name))
        for name in metrics
    }
    why = trial.error_summary if trial.state is TrialState.ERROR else trial.stop_reason
    return {
        "trial": trial.shown_name,
        "state": str(trial.state),
        **values,
        "timesteps": (trial.last_result or {}).get("timesteps_total", ""),
        "elapsed": _duration(trial.elapsed_s),
        "why it ended": why or "",
        "MLflow": f"[run]({trial.mlflow_url})" if trial.mlflow_url else trial.mlflow_run_id or "",
    }


def _rest(counts: Counter[TrialState], columns: Mapping[str, Any]) -> dict[str, Any]:
    states = ", ".join(f"{counts[state]} {state}" for state in TrialState if counts[state])
    return {**dict.fromkeys(columns, ""), "trial": f"… {counts.total()} more", "state": states}


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02} min"
        if hours
        else f"{minutes} min {rest:02} s"
        if minutes
        else f"{rest} s"
    )
