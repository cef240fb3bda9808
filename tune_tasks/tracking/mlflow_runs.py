"""Creates a sweep's runs in MLflow, and writes params, tags and metrics to them.

MLflow refuses texts that are too long, and requests with too much in them: texts are cut here, and
what may be too much comes as steps, one request each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tune_tasks.model.text import showable
from tune_tasks.servers.mlflow_client import connect
from tune_tasks.tracking.mlflow_names import experiment_name
from tune_tasks.tracking.steps import Step

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run
    from mlflow.tracking import MlflowClient

T = TypeVar("T")

TAG_LENGTH = 5_000
NAME_LENGTH = 250
"""The longest name of a run: servers on PostgreSQL or MySQL refuse longer ones."""

_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
_METRICS_PER_CALL = 1_000
_PARAMS_PER_CALL = 100
_PARAM_LENGTH = 6_000
_MOST_GHOSTS = 100
_RUNS_PER_CALL = 1_000


class MlflowRuns:
    """Creates the runs of one sweep, and sets their params, tags and metrics.

    Each run has a key of ours: an attempt's key, or the key of an experiment's parent run. It is
    among the run's tags from its first moment, so that a run is known even if the answer that it
    was created has got lost.

    Several threads may use it, if no two of them ask for the same key.

    Attributes:
        ids: MLflow's ids of the runs, by our keys.

    Args:
        uri: MLflow's tracking URI, absolute.
    """

    def __init__(self, uri: str) -> None:
        self.ids: dict[str, str] = {}
        self._uri = uri
        self._made_client: MlflowClient | None = None
        self._experiment_ids: dict[str, str] = {}
        self._sweep = ""
        self._may_exist = False
        self._doubtful: set[str] = set()

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
        if name not in self._experiment_ids:
            self._experiment_ids[name] = self._find_or_create_experiment(experiment_name(name))
        return self._experiment_ids[name]

    def _find_or_create_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

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
        """Return MLflow's id of the run with our own key; the run is created if there is none.

        Whatever fails after that, the run stays known.
        """
        run_id = self.find(experiment_id, key)
        if run_id is None:
            all_tags = {**tags, "tune_tasks.sweep": self._sweep, "tune_tasks.key": _quoted(key)}
            run_id = self._create(experiment_id, key, name, all_tags, started_at)
            self.ids[key] = run_id
        return run_id

    def find(self, experiment_id: str, key: str) -> str | None:
        """Return MLflow's id of the run with our own key; None if there is no such run.

        MLflow is asked only if there may be a run that we do not know of. The server may have
        created it although `create_run` failed, because only its answer was lost.
        """
        if key in self.ids:
            return self.ids[key]
        found = self._found(experiment_id, key)
        if not found:
            return None
        self.ids[key] = found[0]
        self._delete(found[1:])
        return found[0]

    def look_up(self, experiment_id: str, key: str) -> str | None:
        """Return what `find` would, and change nothing: the run may be nobody's here."""
        if key in self.ids:
            return self.ids[key]
        return next(iter(self._found(experiment_id, key)), None)

    def of_sweep(self, name: str) -> Iterator[tuple[Run, str]]:
        """Yield the sweep's runs in an experiment, each with its key; none is created."""
        found = self.client.get_experiment_by_name(experiment_name(name))
        query = f"tags.`tune_tasks.sweep` = '{self._sweep}'"
        token: str | None = ""
        while found and token is not None:
            page = self.client.search_runs(
                [found.experiment_id], query, max_results=_RUNS_PER_CALL, page_token=token or None
            )
            yield from ((run, run.data.tags["tune_tasks.key"]) for run in page)
            token = page.token or None

    def drop_ghosts(self, experiment_id: str, key: str) -> None:
        """Delete what a lost answer may have left: further runs with the same key.

        A server that answered too late may have created a run after we had looked for it, and
        created another.
        """
        if key in self._doubtful:
            found = self._search(experiment_id, key)
            self._delete(run_id for run_id in found if run_id != self.ids[key])

    def end_children(self, experiment_id: str, run_id: str, status: str) -> None:
        """End the runs below a run that a script has left running, because its process has died."""
        query = f"tags.`mlflow.parentRunId` = '{run_id}' AND attributes.status = 'RUNNING'"
        for run in self.client.search_runs([experiment_id], query):
            if "tune_tasks.key" not in run.data.tags:
                child = run.info.run_id
                self.end_children(experiment_id, child, status)
                self.client.set_terminated(child, status)

    def end_unknown(self, experiment_id: str) -> None:
        """End the runs of the sweep that are running and that nobody here knows of.

        An earlier driver has begun them, and their files are gone.
        """
        if not self._may_exist:
            return
        query = f"tags.`tune_tasks.sweep` = '{self._sweep}' AND attributes.status = 'RUNNING'"
        known = set(self.ids.values())
        for run in self.client.search_runs([experiment_id], query):
            if run.info.run_id not in known:
                self.client.set_terminated(run.info.run_id, "KILLED")

    def _found(self, experiment_id: str, key: str) -> list[str]:
        if not self._may_exist and key not in self._doubtful:
            return []
        return self._search(experiment_id, key)

    def _search(self, experiment_id: str, key: str) -> list[str]:
        query = f"tags.`tune_tasks.sweep` = '{self._sweep}'"
        query += f" AND tags.`tune_tasks.key` = '{_quoted(key)}'"
        found = self.client.search_runs([experiment_id], query, max_results=_MOST_GHOSTS)
        return [str(run.info.run_id) for run in found]

    def _delete(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            self.client.delete_run(run_id)

    def _create(
        self, experiment_id: str, key: str, name: str, tags: Mapping[str, str], started_at: float
    ) -> str:
        start = milliseconds(started_at)
        try:
            run = self.client.create_run(experiment_id, start, _trimmed(tags), name[:NAME_LENGTH])
        except Exception:
            self._doubtful.add(key)
            raise
        return str(run.info.run_id)

    def param_steps(self, run_id: str, params: Mapping[str, str]) -> Iterator[Step]:
        """Yield the steps that set a run's params."""
        from mlflow.entities import Param

        entities = [Param(key, showable(value)[:_PARAM_LENGTH]) for key, value in params.items()]
        for number, batch in enumerate(_batches(entities, _PARAMS_PER_CALL)):
            yield f"params {number}", partial(self.client.log_batch, run_id, params=batch)

    def metric_steps(self, run_id: str, metrics: Sequence[Metric]) -> Iterator[Step]:
        """Yield the steps that add points to a run's metrics."""
        for number, batch in enumerate(_batches(metrics, _METRICS_PER_CALL)):
            yield f"metrics {number}", partial(self.client.log_batch, run_id, metrics=batch)

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
