"""Has MLflow's pages of an experiment go by a metric, by tags of the experiment."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from tune_tasks.model.objective import Objective
from tune_tasks.tracking.info import ExperimentInfo
from tune_tasks.tracking.mlflow_names import metric_key
from tune_tasks.tracking.mlflow_runs import MlflowRuns, milliseconds
from tune_tasks.tracking.mlflow_view import (
    ALL_RUNS,
    ALL_SWEEPS,
    VIEW_TAG,
    encode_view,
    runs_view,
    sweep_view,
    sweeps_view,
)
from tune_tasks.tracking.steps import Step

logger = logging.getLogger(__name__)

_PRIMARY_METRIC = "mlflow.experiment.primaryMetric"
_REFUSED = "INVALID_PARAMETER_VALUE"


class ExperimentPages:
    """What MLflow's pages of an experiment go by, and the views that are saved for them.

    Args:
        runs: The runs of the sweep.
        sweep: The sweep's id.
        info: The experiment.
        experiment_id: MLflow's id of it.
    """

    def __init__(
        self, runs: MlflowRuns, sweep: str, info: ExperimentInfo, experiment_id: str
    ) -> None:
        self._runs = runs
        self._sweep = sweep
        self._params = info.params
        self._others = info.others
        self._changing = info.changing
        self._experiment_id = experiment_id

    def steps(self, objective: Objective, *, incomplete: bool, grouped: bool) -> Iterator[Step]:
        """Yield the steps that have the pages go by a metric.

        Args:
            objective: What 'best' goes by.
            incomplete: Whether a trial has no value of the metric.
            grouped: Whether the trials that were stopped early are listed apart.
        """
        greater = str(objective.is_greater_better).lower()
        yield "metric", partial(self._tag, f"{_PRIMARY_METRIC}.name", metric_key(objective))
        yield "mode", partial(self._tag, f"{_PRIMARY_METRIC}.greaterIsBetter", greater)
        own = sweep_view(
            self._sweep,
            self._params,
            objective,
            incomplete=incomplete,
            grouped=grouped,
            others=self._others,
            changing=self._changing,
        )
        runs = runs_view(self._params, objective)
        yield "view", partial(self._save, self._sweep, f"Sweep {self._sweep}", own)
        yield "sweeps", partial(self._save, ALL_SWEEPS, "All sweeps", sweeps_view(objective))
        yield "runs", partial(self._save, ALL_RUNS, "Sweeps and their trials", runs)

    def _tag(self, key: str, value: str) -> None:
        self._runs.client.set_experiment_tag(self._experiment_id, key, value)

    def _save(self, view_id: str, name: str, view: Mapping[str, Any]) -> None:
        from mlflow.exceptions import MlflowException

        tag = encode_view(name, view, milliseconds(time.time()))
        try:
            self._tag(f"{VIEW_TAG}{view_id}", tag)
        except MlflowException as exc:
            if exc.error_code != _REFUSED:
                raise
            # An older server refuses a tag of this length, which must not hold back the results.
            logger.warning("MLflow: cannot save the view %r: %s", name, exc)
