"""How an experiment stands, in a few numbers that a sweep's journal keeps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tune_tasks.model.trial_key import key_of
from tune_tasks.results.summary import ExperimentSummary


@dataclass(frozen=True)
class Best:
    """The best trial of an experiment.

    Attributes:
        trial: Its key.
        name: Its name.
        metric: The (first) metric that it is best by.
        value: Of that metric.
        others: Of several objectives, its values of those after the first, by metric.
    """

    trial: str
    name: str
    metric: str
    value: float
    others: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class ExperimentStanding:
    """How an experiment stands, or stood at the sweep's end.

    Attributes:
        trials: How many it has.
        done: How many of them have ended by themselves.
        failed: How many of these in an error.
        best: The best trial; None if there is none.
        run_id: MLflow's parent run; None if MLflow was away.
        experiment_url: MLflow's page of the experiment, if it has one.
        view_url: The page that compares the trials, if there is one.
    """

    trials: int
    done: int
    failed: int = 0
    best: Best | None = None
    run_id: str | None = None
    experiment_url: str | None = None
    view_url: str | None = None

    @classmethod
    def of(cls, experiment: ExperimentSummary) -> ExperimentStanding:
        """What a summary says of an experiment."""
        return cls(
            experiment.size,
            sum(not trial.cancelled for trial in experiment.listed),
            len(experiment.failed),
            _best_of(experiment),
            experiment.mlflow_run_id,
            experiment.experiment_url,
            experiment.view_url,
        )


def _best_of(experiment: ExperimentSummary) -> Best | None:
    trial = experiment.best()
    value = experiment.best_value()
    if trial is None or value is None or experiment.metric is None:
        return None
    key = key_of(trial.experiment, trial.index)
    others = {each.metric: trial.metric(each.metric) for each in experiment.others}
    return Best(key, trial.name, experiment.metric, value, others)
