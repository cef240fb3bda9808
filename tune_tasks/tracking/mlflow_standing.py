"""How a sweep stands in one experiment, as its parent run in MLflow says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tune_tasks.model.objective import Objective
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.tracking.mlflow_names import best_key
from tune_tasks.tracking.running_best import RunningBest

if TYPE_CHECKING:
    from mlflow.entities import Metric


@dataclass(frozen=True)
class Standing:
    """The number of trials done, and the best trial.

    Attributes:
        done: Number of trials that have ended.
        value: The best trial's value of the (first) metric; None if no trial is the best.
        trial: The best trial's name.
        run_id: The best trial's run.
        others: Of several objectives, its values of those after the first.
        front: Of several objectives, the indices of the trials on the front.
    """

    done: int = 0
    value: float | None = None
    trial: str = ""
    run_id: str = ""
    others: tuple[float | None, ...] = ()
    front: tuple[int, ...] = ()


def standing_now(
    running: RunningBest,
    objective: Objective | None,
    others: Sequence[Objective],
    run_ids: Mapping[str, str],
) -> Standing:
    """How the sweep stands while it runs.

    Args:
        running: The best trial so far.
        objective: What 'best' goes by; None if that is not known yet.
        others: Of several objectives, those after the first.
        run_ids: MLflow's ids of the runs, by our keys.
    """
    best = running.best()
    if best is None or objective is None:
        return Standing(running.done)
    return Standing(
        running.done,
        best.metric(objective.metric),
        best.name,
        run_ids.get(best.key, ""),
        tuple(best.metric(each.metric) for each in others),
        tuple(each.index for each in running.front()),
    )


def standing_at_end(experiment: ExperimentSummary, run_ids: Mapping[str, str]) -> Standing:
    """How the sweep has ended.

    Args:
        experiment: Its summary.
        run_ids: MLflow's ids of the runs, by our keys.
    """
    best = experiment.best()
    if best is None:
        return Standing(experiment.done)
    # The driver may not have heard of a run that was made late.
    key = f"{best.experiment}/{best.index}/{best.attempts}"
    return Standing(
        experiment.done,
        experiment.best_value(),
        best.name,
        run_ids.get(key) or best.mlflow_run_id or "",
        tuple(best.metric(each.metric) for each in experiment.others),
        tuple(trial.index for trial in experiment.front()),
    )


def metrics_of(standing: Standing, objectives: Sequence[Objective], stamp_ms: int) -> list[Metric]:
    """What the parent run's curves are told.

    Args:
        standing: How the sweep stands.
        objectives: What 'best' goes by, in order; none if that is not known yet.
        stamp_ms: When it was so, in milliseconds since the epoch.
    """
    from mlflow.entities import Metric

    step = max(standing.done, 1)  # MLflow draws a line from step 1 on
    metrics = [Metric("trials_done", standing.done, stamp_ms, step)]
    values = (standing.value, *standing.others)
    for objective, value in zip(objectives, values, strict=False):
        if value is not None:
            metrics.append(Metric(best_key(objective), value, stamp_ms, step))
    return metrics
