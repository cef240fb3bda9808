"""Creates a sweep's runs in MLflow, and writes params, tags and metrics to them.

MLflow refuses texts that are too long, and requests with too much in them: texts are cut here, and
the rest is sent in batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from tune_tasks.model.text import showable
from tune_tasks.servers.mlflow_client import connect
from tune_tasks.tracking.mlflow_names import experiment_name

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

T = TypeVar("T")

TAG_LENGTH = 5_000
NAME_LENGTH = 250
"""The longest name of a run: servers on PostgreSQL or MySQL refuse longer ones."""

_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
_METRICS_PER_CALL = 1_000
_PARAMS_PER_CALL = 100
_PARAM_LENGTH = 6_000


class MlflowRuns:
    """Creates the runs of one sweep, and sets their params, tags and metrics.

    Each run has a key of ours: an attempt's key, or the key of an experiment's parent run.

    Attributes:
        ids: MLflow's ids of the runs, by our keys.

    Args:
        uri: MLflow's tracking URI, absolute.
    """

    def __init__(self, uri: str) -> None:
        self.ids: dict[str, str] = {}
        self._uri = uri
        self._made_client: MlflowClient | None = None
        self._sweep = ""
        self._may_exist = False
        self._uncertain: set[str] = set()

    def begin(self, sweep: str, *, again: bool) -> None:
        """Learn the sweep's id, and whether an earlier recorder may have created its runs."""
        self._sweep = sweep
        self._may_exist = again

    @property
    def client(self) -> MlflowClient:
        """The client, made at its first use: that imports MLflow, and may initialise a store."""
        if self._made_client is None:
            self._made_client = connect(self._uri)
        return self._made_client

    def experiment(self, name: str) -> str:
        """Return the id of the MLflow experiment of that name, created if there is none."""
        from mlflow.exceptions import MlflowException

        name = experiment_name(name)
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return self.client.create_experiment(name, tags=_EXPERIMENT_TAGS)
            except MlflowException:  # another sweep was faster
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def find_or_create(
        self, experiment_id: str, key: str, name: str, tags: Mapping[str, str], started_at: float
    ) -> str:
        """Return MLflow's id of the run with our own key; the run is created if there is none."""
        run_id = self.ids.get(key) or self._find(experiment_id, key)
        if run_id is None:
            all_tags = {**tags, "tune_tasks.sweep": self._sweep, "tune_tasks.key": _quoted(key)}
            run_id = self._create(experiment_id, key, name, all_tags, started_at)
        self.ids[key] = run_id
        return run_id

    def _find(self, experiment_id: str, key: str) -> str | None:
        """Look for a run that we do not know of, if there may be one.

        The server may have created a run although `create_run` failed, because only its answer was
        lost. Creating the run once more would leave the first one behind as a ghost.
        """
        if not self._may_exist and key not in self._uncertain:
            return None
        query = f"tags.`tune_tasks.sweep` = '{self._sweep}'"
        query += f" AND tags.`tune_tasks.key` = '{_quoted(key)}'"
        found = self.client.search_runs([experiment_id], query, max_results=1)
        return str(found[0].info.run_id) if found else None

    def _create(
        self, experiment_id: str, key: str, name: str, tags: Mapping[str, str], started_at: float
    ) -> str:
        self._uncertain.add(key)
        start = milliseconds(started_at)
        run = self.client.create_run(experiment_id, start, _trimmed(tags), name[:NAME_LENGTH])
        self._uncertain.discard(key)
        return str(run.info.run_id)

    def log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Set a run's params."""
        from mlflow.entities import Param

        entities = [Param(key, showable(value)[:_PARAM_LENGTH]) for key, value in params.items()]
        for batch in _batches(entities, _PARAMS_PER_CALL):
            self.client.log_batch(run_id, params=batch)

    def log_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """Add points to a run's metrics."""
        for batch in _batches(metrics, _METRICS_PER_CALL):
            self.client.log_batch(run_id, metrics=batch)

    def log_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set those of a run's tags that have a value."""
        from mlflow.entities import RunTag

        entities = [RunTag(key, value) for key, value in _trimmed(tags).items()]
        self.client.log_batch(run_id, tags=entities)


def milliseconds(seconds: float) -> int:
    """Return a time as MLflow takes it."""
    return int(seconds * 1000)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _quoted(key: str) -> str:
    return key.replace("'", "_")[-TAG_LENGTH:]


def _trimmed(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: showable(value)[:TAG_LENGTH] for key, value in tags.items() if value}
