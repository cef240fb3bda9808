"""The leaderboard of an experiment: its trials, best first, with one line that sums them up. Pure.

Of a long list it has the trials that matter most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune_tasks.model.text import one_line
from tune_tasks.model.trial import ENDED, TrialState
from tune_tasks.result import tracked_metrics
from tune_tasks.results.best_so_far import since_text
from tune_tasks.results.search_view import best_so_far
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.results.trials import TrialSummary

LISTED = 100
"""The most trials that a leaderboard has a row for."""
_BEST = 50
"""Rows of a longer list for the best trials."""
_OTHERS = 25
"""Rows of a longer list for those that run, and for those that failed."""
_METRICS = 3
_COLUMNS = (
    "trial",
    "front",
    "state",
    "timesteps",
    "elapsed",
    "proposed by",
    "why it ended",
    "MLflow",
)
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
    metrics = _metrics(experiment, listed)
    searches = bool(experiment.dimensions)
    rows = [_row(trial, metrics, searches=searches) for trial in listed]
    if experiment.others:
        rows = list(_with_front(rows, listed, experiment))
    rest = experiment.counts() - Counter(trial.state for trial in listed)
    if rest:
        rows.append(_rest(rest, rows[0]))
    return Leaderboard(rows, 100 * experiment.done / experiment.size)


def headline(experiment: ExperimentSummary) -> str:
    """Return one line on an experiment, such as `3/6 done, best mean_accuracy 0.75, 2 running`.

    While it goes on the line says how many trials have ended since the best one did.
    """
    parts = [f"{experiment.done}/{experiment.size} done"]
    best = experiment.best_words()
    if best:
        parts.append(f"best {best}{_since(experiment)}")
    if experiment.others:
        parts.append(f"{len(experiment.front())} on the front")
    counts = experiment.counts()
    if experiment.infeasible:
        parts.append(f"{len(experiment.infeasible)} infeasible")
    parts += [f"{counts[state]} {word}" for state, word in _WORDS.items() if counts[state]]
    if experiment.budget:
        parts.append(experiment.used_up or f"budget: {experiment.budget.words}")
    return ", ".join(parts)


def _since(experiment: ExperimentSummary) -> str:
    """Return a text such as ` (trial 3, 8 have ended since)`; empty if nothing is to be said."""
    best = experiment.best()
    if experiment.done == experiment.size or best is None or best.state not in ENDED:
        return ""
    so_far = best_so_far(experiment)
    since = so_far.since if so_far else 0
    return f" (trial {best.index}, {since_text(since)})" if since else ""


def _chosen(ranking: Sequence[TrialSummary]) -> list[TrialSummary]:
    """Return the best of a long list, and some of those that run and of those that failed."""
    running = [trial for trial in ranking if trial.state is TrialState.RUNNING]
    failed = [trial for trial in ranking if trial.state is TrialState.ERROR]
    chosen = [*ranking[:_BEST], *running[:_OTHERS], *failed[:_OTHERS]]
    indices = {trial.index for trial in chosen}
    return [trial for trial in ranking if trial.index in indices]


def _with_front(
    rows: Sequence[dict[str, Any]], trials: Sequence[TrialSummary], experiment: ExperimentSummary
) -> Iterator[dict[str, Any]]:
    """Yield the rows with what each trial is to the front: a part of it, its knee, or nothing."""
    places = {trial.index: "front" for trial in experiment.front()}
    best = experiment.best()
    if best:
        places[best.index] = "knee"
    for row, trial in zip(rows, trials, strict=True):
        yield {"trial": row["trial"], "front": places.get(trial.index, ""), **row}


def _metrics(experiment: ExperimentSummary, trials: Sequence[TrialSummary]) -> list[str]:
    """Return the metrics that get a column: what 'best' goes by, and the first others reported."""
    names = [each.metric for each in experiment.objectives]
    most = max(_METRICS, len(names))
    for trial in trials:
        names += [name for name, _ in tracked_metrics(trial.last_result or {})]
    return list(dict.fromkeys(names))[:most]


def _row(trial: TrialSummary, metrics: Sequence[str], *, searches: bool) -> dict[str, Any]:
    why = trial.stop_reason or ""
    if trial.state is TrialState.ERROR:
        why = trial.error_summary
    elif trial.infeasible:
        why = "; ".join(filter(None, [why, f"infeasible: {trial.infeasible}"]))
    return {
        "trial": trial.shown_name,
        "state": str(trial.state),
        **{_column(name): _shown(trial.metric(name)) for name in metrics},
        "timesteps": (trial.last_result or {}).get("timesteps_total", ""),
        "elapsed": duration(trial.elapsed_s),
        **({"proposed by": trial.proposed_by} if searches else {}),
        "why it ended": why,
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
