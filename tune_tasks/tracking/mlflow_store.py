"""Reads what sweeps have written to MLflow: the best trial, and the pages of the last sweep."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ServiceError, UsageError, did_you_mean
from tune_tasks.model.stopping import is_loss
from tune_tasks.result import tracked_name
from tune_tasks.servers.mlflow_client import connect, expect_usable, without_password
from tune_tasks.tracking.mlflow_view import best_key, mlflow_name, safe_key, view_path

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class StoredTrial:
    """The best trial as MLflow has it.

    Attributes:
        metric: What it is the best by, with its mode.
        config: Its resolved config.
        spec_text: The spec of its sweep, as YAML.
        tags: Of its run.
    """

    experiment: str
    metric: str
    mode: str
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
        self, experiment: str, metric: str | None, mode: str | None, *, all_sweeps: bool
    ) -> StoredTrial:
        """The best trial of an experiment's last sweep, or of all its sweeps.

        Args:
            experiment: Its name.
            metric: What to go by; else what the last sweep went by.
            mode: `max` or `min`; without it `min` for a loss, else `max`.
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
            if metric is None:
                chosen, best_mode, run = self._best_as_told(experiment, looked_at)
            else:
                chosen, best_mode = metric, mode or ("min" if is_loss(metric) else "max")
                run = self._best_by(experiment, experiment_id, looked_at, chosen, best_mode)
            return self._stored(experiment, chosen, best_mode, run)
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

    def _best_as_told(self, experiment: str, sweeps: Sequence[Run]) -> tuple[str, str, Run]:
        """The best of the trials that the sweeps themselves called the best.

        By the metric of the latest.
        """
        told = [(run, run.data.tags) for run in sweeps if _told_value(run) is not None]
        if not told:
            which = (
                f"sweep {sweeps[0].data.tags['tune_tasks.sweep']}"
                if len(sweeps) == 1
                else f"{len(sweeps)} sweeps"
            )
            raise UsageError(
                f"no trial of {experiment!r} ({which}) has a metric to go by; name one with"
                " --metric"
            )
        chosen, mode = told[0][1]["tune_tasks.metric"], told[0][1]["tune_tasks.mode"]
        values = {
            tags["tune_tasks.best_run_id"]: run.data.metrics.get(best_key(chosen))
            for run, tags in told
        }
        sign = 1 if mode == "max" else -1
        run_id = max(
            (sign * value, run_id) for run_id, value in values.items() if value is not None
        )[1]
        return chosen, mode, self._client.get_run(run_id)

    def _best_by(
        self, experiment: str, experiment_id: str, sweeps: Sequence[Run], chosen: str, mode: str
    ) -> Run:
        key = safe_key(tracked_name(chosen))
        query = "tags.`tune_tasks.role` = 'trial' AND attributes.status != 'FAILED'"
        if len(sweeps) == 1:
            query += f" AND tags.`tune_tasks.sweep` = '{sweeps[0].data.tags['tune_tasks.sweep']}'"
        order = f"metrics.`{key}` {'DESC' if mode == 'max' else 'ASC'}"
        runs = self._client.search_runs([experiment_id], query, max_results=100, order_by=[order])
        if not runs or key not in runs[0].data.metrics:
            names = sorted({name for run in runs for name in run.data.metrics})
            has = f"it has: {', '.join(names)}" if names else "no trial ended well"
            raise UsageError(
                f"no trial of {experiment!r} has the metric {chosen!r}{did_you_mean(chosen, names)}"
                f" ({has})"
            )
        return runs[0]

    def _stored(self, experiment: str, chosen: str, mode: str, run: Run) -> StoredTrial:
        tags, run_id = run.data.tags, run.info.run_id
        config = json.loads(self._artifact(run_id, "params.json"))
        spec_text = self._artifact(tags["mlflow.parentRunId"], "spec.yaml")
        value = run.data.metrics[safe_key(tracked_name(chosen))]
        return StoredTrial(experiment, chosen, mode, value, run_id, config, spec_text, tags)

    def _artifact(self, run_id: str, name: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            return Path(self._client.download_artifacts(run_id, name, folder)).read_text(
                encoding="utf-8"
            )


def _told_value(sweep: Run) -> float | None:
    """The best value that a sweep told of, and by which it is there again."""
    tags: Mapping[str, str] = sweep.data.tags
    value = sweep.data.metrics.get(best_key(tags.get("tune_tasks.metric", "")))
    return value if tags.get("tune_tasks.best_run_id") else None
