"""The leaderboard of an experiment: its trials, best first, with one line that sums them up. Pure.

Of a long list it has the trials that matter most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune_tasks.model.text import one_line
from tune_tasks.model.trial import TrialState
from tune_tasks.result import tracked_metrics
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.results.trials import TrialSummary

LISTED = 100
"""The most trials that a leaderboard has a row for."""
_BEST = 50
"""Rows of a longer list for the best trials."""
_OTHERS = 25
"""Rows of a longer list for those that run, and for those that failed."""
_METRICS = 3
_COLUMNS = ("trial", "state", "timesteps", "elapsed", "why it ended", "MLflow")
_WORDS = {TrialState.RUNNING: "running", TrialState.ERROR: "failed"}


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
    """Return the leaderboard of an experiment that runs or has ended."""
    listed = experiment.ranking()
    if experiment.size > LISTED:
        listed = _chosen(listed)
    metrics = _metrics(experiment.metric, listed)
    rows = [_row(trial, metrics) for trial in listed]
    rest = experiment.counts() - Counter(trial.state for trial in listed)
    if rest:
        rows.append(_rest(rest, rows[0]))
    return Leaderboard(rows, 100 * experiment.done / experiment.size)


def headline(experiment: ExperimentSummary) -> str:
    """Return one line on an experiment, such as `3/6 done, best mean_accuracy 0.75, 2 running`."""
    parts = [f"{experiment.done}/{experiment.size} done"]
    value = experiment.best_value()
    if experiment.objective and value is not None:
        parts.append(f"best {experiment.objective.words(value)}")
    counts = experiment.counts()
    parts += [f"{counts[state]} {word}" for state, word in _WORDS.items() if counts[state]]
    if experiment.budget:
        parts.append(experiment.used_up or f"budget: {experiment.budget.words}")
    return ", ".join(parts)


def _chosen(ranking: Sequence[TrialSummary]) -> list[TrialSummary]:
    """Return the best of a long list, and some of those that run and of those that failed."""
    running = [trial for trial in ranking if trial.state is TrialState.RUNNING]
    failed = [trial for trial in ranking if trial.state is TrialState.ERROR]
    chosen = [*ranking[:_BEST], *running[:_OTHERS], *failed[:_OTHERS]]
    indices = {trial.index for trial in chosen}
    return [trial for trial in ranking if trial.index in indices]


def _metrics(primary: str | None, trials: Sequence[TrialSummary]) -> list[str]:
    """Return the metrics that get a column: what 'best' goes by, and the first others reported."""
    names = [primary] if primary else []
    for trial in trials:
        names += [name for name, _ in tracked_metrics(trial.last_result or {})]
    return list(dict.fromkeys(names))[:_METRICS]


def _row(trial: TrialSummary, metrics: Sequence[str]) -> dict[str, Any]:
    why = trial.stop_reason
    if trial.state is TrialState.ERROR:
        why = trial.error_summary
    return {
        "trial": trial.shown_name,
        "state": str(trial.state),
        **{_column(name): _shown(trial.metric(name)) for name in metrics},
        "timesteps": (trial.last_result or {}).get("timesteps_total", ""),
        "elapsed": duration(trial.elapsed_s),
        "why it ended": why or "",
        "MLflow": _mlflow_link(trial),
    }


def _column(metric: str) -> str:
    """Return the column of a metric, which must not take one of ours."""
    if metric in _COLUMNS:
        return f"info/{metric}"
    return one_line(metric)


def _mlflow_link(trial: TrialSummary) -> str:
    if trial.mlflow_url:
        return f"[run]({trial.mlflow_url})"
    return trial.mlflow_run_id or ""


def _rest(counts: Counter[TrialState], columns: Mapping[str, Any]) -> dict[str, Any]:
    states = ", ".join(f"{counts[state]} {state}" for state in TrialState if counts[state])
    return {**dict.fromkeys(columns, ""), "trial": f"… {counts.total()} more", "state": states}


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def duration(seconds: float | None) -> str:
    """Return a text such as `2 min 05 s`; an empty one for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    if minutes:
        return f"{minutes} min {rest:02} s"
    return f"{rest} s"
