"""Reads what sweeps have written to MLflow: the best trial, and the pages of the last sweep."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ServiceError, UsageError, did_you_mean
from tune_tasks.model.objective import Objective
from tune_tasks.servers.mlflow_client import connect, expect_usable, without_password
from tune_tasks.tracking.mlflow_view import (
    best_key,
    metric_key,
    mlflow_name,
    objective_in,
    view_path,
)

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class StoredTrial:
    """The best trial as MLflow has it.

    Attributes:
        objective: What it is the best by.
        config: Its resolved config.
        spec_text: The spec of its sweep, as YAML.
        tags: Of its run.
    """

    experiment: str
    objective: Objective
    value: float
    run_id: str
    config: Mapping[str, Any]
    spec_text: str
    tags: Mapping[str, str]


class MlflowStore:
    """Reads what sweeps have written to MLflow.

    Args:
        uri: MLflow's tracking URI, absolute.

    Raises:
        UsageError: If it is a local store that does not exist.
        ServiceError: If it is one that cannot be used.
    """

    def __init__(self, uri: str) -> None:
        database = uri.removeprefix("sqlite:///")
        if database != uri and not Path(database).exists():
            raise UsageError(
                f"no MLflow store {database}: no sweep was run in this folder (or set"
                " MLFLOW_TRACKING_URI)"
            )
        expect_usable(uri, writes=False)
        self._uri = uri
        self._client = connect(uri)

    def best_trial(
        self, experiment: str, wanted: Objective | None, *, all_sweeps: bool
    ) -> StoredTrial:
        """The best trial of an experiment's last sweep, or of all its sweeps.

        Args:
            experiment: Its name.
            wanted: What to go by; else what the last sweep went by.
            all_sweeps: Whether to look at all sweeps.

        Raises:
            UsageError: If there is no such experiment, no sweep in it, or no trial with the metric.
            ServiceError: If MLflow does not answer, or lacks a file of the sweep.
        """
        from mlflow.exceptions import MlflowException

        try:
            experiment_id = self._experiment_id(experiment)
            sweeps = self._sweeps([experiment_id])
            if not sweeps:
                raise UsageError(f"the MLflow experiment {experiment!r} has no sweep in it")
            looked_at = sweeps if all_sweeps else sweeps[:1]
            if wanted is None:
                return self._best_as_told(experiment, looked_at)
            run = self._best_by(experiment, experiment_id, looked_at, wanted)
            return self._stored(experiment, wanted, run)
        except MlflowException as exc:
            raise ServiceError(f"MLflow at {without_password(f'{self._uri}: {exc}')}") from exc

    def last_views(self) -> dict[str, str]:
        """Of the last sweep.

        Its experiments' names, each with the path of the page that compares its trials.
        """
        experiments = {e.experiment_id: e.name for e in self._client.search_experiments()}
        sweeps = self._sweeps(list(experiments))
        last = sweeps[0].data.tags["tune_tasks.sweep"] if sweeps else None
        parents = [
            run
            for run in sweeps
            if run.data.tags["tune_tasks.sweep"] == last and "tune_tasks.metric" in run.data.tags
        ]
        return {
            experiments[run.info.experiment_id]: view_path(run.info.experiment_id, str(last))
            for run in parents
        }

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(mlflow_name(name))
        if found is None:
            names = [experiment.name for experiment in self._client.search_experiments()]
            raise UsageError(
                f"there is no MLflow experiment {name!r}{did_you_mean(name, names)} "
                f"(in {without_password(self._uri)}: {', '.join(names) or 'none'})"
            )
        return str(found.experiment_id)

    def _sweeps(self, experiment_ids: list[str]) -> list[Run]:
        """The parent runs of the last 1,000 sweeps, the latest first."""
        return list(
            self._client.search_runs(
                experiment_ids,
                "tags.`tune_tasks.role` = 'sweep'",
                max_results=1000,
                order_by=["attributes.start_time DESC"],
            )
        )

    def _best_as_told(self, experiment: str, sweeps: Sequence[Run]) -> StoredTrial:
        """Return the best of the trials that the sweeps themselves call their best.

        The sweeps may go by different metrics: the latest sweep's metric decides.
        """
        told = [sweep for sweep in sweeps if _tells_a_best(sweep)]
        objective = objective_in(told[0].data.tags) if told else None
        if objective is None:
            which = (
                f"sweep {sweeps[0].data.tags['tune_tasks.sweep']}"
                if len(sweeps) == 1
                else f"{len(sweeps)} sweeps"
            )
            raise UsageError(
                f"no trial of {experiment!r} ({which}) has a metric to go by; name one with"
                " --metric"
            )
        run_id, best = "", None
        for sweep in told:
            value = sweep.data.metrics.get(best_key(objective))
            if objective.better(value, best):
                run_id, best = sweep.data.tags["tune_tasks.best_run_id"], value
        return self._stored(experiment, objective, self._client.get_run(run_id))

    def _best_by(
        self, experiment: str, experiment_id: str, sweeps: Sequence[Run], objective: Objective
    ) -> Run:
        key = metric_key(objective)
        query = "tags.`tune_tasks.role` = 'trial' AND attributes.status != 'FAILED'"
        if len(sweeps) == 1:
            query += f" AND tags.`tune_tasks.sweep` = '{sweeps[0].data.tags['tune_tasks.sweep']}'"
        order = f"metrics.`{key}` {'DESC' if objective.is_greater_better else 'ASC'}"
        runs = self._client.search_runs([experiment_id], query, max_results=100, order_by=[order])
        if not runs or key not in runs[0].data.metrics:
            names = sorted({name for run in runs for name in run.data.metrics})
            has = f"it has: {', '.join(names)}" if names else "no trial ended well"
            raise UsageError(
                f"no trial of {experiment!r} has the metric {objective.metric!r}"
                f"{did_you_mean(objective.metric, names)} ({has})"
            )
        return runs[0]

    def _stored(self, experiment: str, objective: Objective, run: Run) -> StoredTrial:
        tags, run_id = run.data.tags, run.info.run_id
        config = json.loads(self._artifact(run_id, "params.json"))
        spec_text = self._artifact(tags["mlflow.parentRunId"], "spec.yaml")
        value = run.data.metrics[metric_key(objective)]
        return StoredTrial(experiment, objective, value, run_id, config, spec_text, tags)

    def _artifact(self, run_id: str, name: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            return Path(self._client.download_artifacts(run_id, name, folder)).read_text(
                encoding="utf-8"
            )


def _tells_a_best(sweep: Run) -> bool:
    """Whether a parent run names its best trial, and still has the value that it is the best by."""
    objective = objective_in(sweep.data.tags)
    if objective is None or best_key(objective) not in sweep.data.metrics:
        return False
    return bool(sweep.data.tags.get("tune_tasks.best_run_id"))
