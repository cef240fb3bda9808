"""MLflow: an experiment a spec's experiment, a parent run a sweep, a child run an attempt. The one user of MLflow's client."""

from __future__ import annotations

import fcntl
import getpass
import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from tune_tasks.recorder_protocol import AttemptInfo, ExperimentInfo, SweepInfo
from tune_tasks.result import PROGRESS_METRICS, tracked_metrics
from tune_tasks.summary import ExperimentSummary, Summary
from tune_tasks.trackers.base import Row, Tracker
from tune_tasks.trial import AttemptPaths, EndedBy, Outcome, TrialState, attempt_name

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_METRICS_PER_CALL = 1_000
_PARAMS_PER_CALL = 100
_PARAM_LENGTH = 6_000
_TAG_LENGTH = 5_000
_KEY_LENGTH = 250
_NAME_LENGTH = 250  # servers on PostgreSQL or MySQL refuse longer ones
_CLIENT_SETTINGS = {
    # One default call to a server that is away blocks for 246 s; we back off ourselves, and a repeated create_run makes ghosts.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def default_tracking_uri(cwd: Path) -> str:
    """`MLFLOW_TRACKING_URI`, or SQLite `mlflow.db` in the working directory; local paths made absolute."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    path = uri.removeprefix("sqlite:///")
    if path != uri and not path.startswith("/"):
        return f"sqlite:///{cwd / path}"
    return uri


def is_local_store(uri: str) -> bool:
    """Whether only this machine can reach the store."""
    return urlparse(uri).scheme in ("", "file", "sqlite") and uri != "databricks"


def without_password(uri: str) -> str:
    """The URI as it may be shown."""
    parsed = urlparse(uri)
    return uri.replace(f":{parsed.password}@", ":***@") if parsed.password else uri


class MlflowTracker(Tracker):
    """Writes one sweep to MLflow.

    Args:
        uri: MLflow's tracking URI, absolute.
    """

    name = "MLflow"
    rows_per_call = 500

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._look_first = False
        self._uncertain: set[str] = set()
        self._parents: dict[str, tuple[str, str]] = {}
        self._runs: dict[str, str] = {}
        self._made_client: MlflowClient | None = None

    @property
    def _client(self) -> MlflowClient:
        if self._made_client is None:
            self._made_client = _connect(self._uri)
        return self._made_client

    def connect(self) -> None:
        """Import MLflow and open the store; a fresh one is initialised, which takes seconds."""
        self._client  # noqa: B018 - made at its first use

    def begin(self, sweep: SweepInfo, *, again: bool) -> None:
        """Name the sweep, before anything but `connect`.

        Args:
            sweep: The sweep.
            again: An earlier recorder of the sweep has died: look for each run before creating it.
        """
        self._sweep, self._look_first = sweep, again

    def prepare(self) -> None:
        """Make the experiments and parent runs, before the first attempt needs them."""
        for name in self._sweep.experiments:
            self._parent(name)

    def open_attempt(self, info: AttemptInfo) -> dict[str, str]:
        """Create the attempt's run, with what varies as params."""
        experiment_id, parent = self._parent(info.trial.experiment)
        if info.key not in self._runs:
            self._runs[info.key] = self._find_or_create(
                experiment_id,
                info.key,
                attempt_name(info.trial, info.attempt),
                _attempt_tags(self._sweep, info, parent),
                info.started_at,
            )
        run_id = self._runs[info.key]
        self._log_params(run_id, _flat_params(info.trial.searched))
        return {
            "MLFLOW_TRACKING_URI": self._uri,
            "MLFLOW_EXPERIMENT_ID": experiment_id,
            "MLFLOW_RUN_ID": run_id,
        }

    def run_id(self, key: str) -> str | None:
        """The run of an attempt, once it was created."""
        return self._runs.get(key)

    def parent_run_id(self, experiment: str) -> str | None:
        """The parent run of an experiment, once it was created."""
        return self._parents.get(experiment, ("", None))[1]

    def log(self, info: AttemptInfo, rows: Sequence[Row]) -> None:
        """Log every reported metric of the rows, and of the last one how far the trial is.

        A metric's timestamp, step and value are the trial's own, so that sending a row twice makes one point.
        """
        metrics = list(_metrics(rows))
        for start in range(0, len(metrics), _METRICS_PER_CALL):
            self._client.log_batch(self._runs[info.key], metrics=metrics[start : start + _METRICS_PER_CALL])

    def close_attempt(self, info: AttemptInfo, outcome: Outcome) -> None:
        """Set the run's end: tags, files, status."""
        run_id = self._runs[info.key]
        tags = {"tune_tasks.stop_reason": outcome.stop_reason, "tune_tasks.state": str(outcome.state)}
        if outcome.error:
            tags["tune_tasks.error"] = outcome.error[-_TAG_LENGTH:]
        self._log_tags(run_id, tags)
        paths = AttemptPaths(info.folder)
        for path in (paths.params, paths.error, paths.log):
            if path.exists() and path.stat().st_size:
                self._client.log_artifact(run_id, str(path))
        self._client.set_terminated(run_id, _status(outcome), _milliseconds(time.time()))

    def close_sweep(self, summary: Summary) -> None:
        """End the parent runs; each gets its experiment's best trial."""
        for experiment in summary.experiments:
            _, run_id = self._parent(experiment.name)
            self._log_best(run_id, experiment)
            failed = any(trial.state is TrialState.ERROR for trial in experiment.trials)
            status = "KILLED" if summary.interrupted else "FAILED" if failed else "FINISHED"
            self._client.set_terminated(run_id, status, _milliseconds(time.time()))

    def _log_best(self, run_id: str, experiment: ExperimentSummary) -> None:
        from mlflow.entities import Metric

        best, metric = experiment.best(), experiment.metric
        value = best.metric(metric) if best and metric else None
        if best is None or metric is None or value is None:
            return
        config = json.dumps(best.config, indent=2, default=repr)
        note = f"Best trial: `{best.name}` with {metric} {value:.6g}\n\n```json\n{config}\n```"
        tags = {"tune_tasks.best_trial": best.name, "mlflow.note.content": note}
        if best.mlflow_run_id:
            tags["tune_tasks.best_run_id"] = best.mlflow_run_id
        self._log_tags(run_id, tags)
        best_metric = Metric(_safe_key(f"best/{metric}"), value, _milliseconds(time.time()), 0)
        self._client.log_batch(run_id, metrics=[best_metric])
        experiment_id, _ = self._parent(experiment.name)
        self._client.set_experiment_tag(experiment_id, "mlflow.experiment.primaryMetric.name", _safe_key(metric))
        greater = str(experiment.mode == "max").lower()
        self._client.set_experiment_tag(experiment_id, "mlflow.experiment.primaryMetric.greaterIsBetter", greater)

    def _parent(self, name: str) -> tuple[str, str]:
        """The ids of an experiment and of its sweep's parent run, created at the first call."""
        if name not in self._parents:
            info = self._sweep.experiments[name]
            experiment_id = self._experiment(name)
            tags = _sweep_tags(self._sweep, info)
            run_id = self._find_or_create(experiment_id, f"{name}/parent", self._sweep.sweep, tags, time.time())
            self._log_params(run_id, _flat_params(info.constants) | {"sweep.seed": str(info.seed)})
            self._client.log_text(run_id, self._sweep.spec_text, "spec.yaml")
            if info.script and info.script.exists():
                self._client.log_artifact(run_id, str(info.script))
            self._parents[name] = (experiment_id, run_id)
        return self._parents[name]

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return self._client.create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"})
            except MlflowException:  # another sweep was faster
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _find_or_create(self, experiment_id: str, key: str, name: str, tags: Mapping[str, str], started_at: float) -> str:
        """The run with our own key; a create_run whose answer was lost leaves one that is found at the next call."""
        if self._look_first or key in self._uncertain:
            query = f"tags.`tune_tasks.sweep` = '{self._sweep.sweep}' AND tags.`tune_tasks.key` = '{_quoted(key)}'"
            found = self._client.search_runs([experiment_id], query, max_results=1)
            if found:
                return str(found[0].info.run_id)
        self._uncertain.add(key)
        tags = {**tags, "tune_tasks.sweep": self._sweep.sweep, "tune_tasks.key": _quoted(key)}
        run = self._client.create_run(experiment_id, _milliseconds(started_at), _trimmed(tags), name[:_NAME_LENGTH])
        self._uncertain.discard(key)
        return str(run.info.run_id)

    def _log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        named = {_safe_key(key): value[:_PARAM_LENGTH] for key, value in params.items()}
        entities = [Param(key, value) for key, value in named.items()]
        for start in range(0, len(entities), _PARAMS_PER_CALL):
            self._client.log_batch(run_id, params=entities[start : start + _PARAMS_PER_CALL])

    def _log_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(run_id, tags=[RunTag(key, value) for key, value in _trimmed(tags).items()])


def _connect(uri: str) -> MlflowClient:
    for name, value in _CLIENT_SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    if uri.startswith("sqlite:"):
        _initialise_once(client, uri)
    return client


def _initialise_once(client: MlflowClient, uri: str) -> None:
    """Run the store's migrations in one process at a time: several at once on a fresh file crash each other."""
    database = Path(uri.removeprefix("sqlite:///"))
    with database.with_name(f".{database.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        client.search_experiments(max_results=1)


def _metrics(rows: Sequence[Row]) -> Iterator[Any]:
    from mlflow.entities import Metric

    for row in rows:
        stamp, step = _milliseconds(row["timestamp"]), row["timesteps_total"]
        for name, value in tracked_metrics(row):
            if math.isfinite(value):
                yield Metric(_safe_key(name), value, stamp, step)
    for name in PROGRESS_METRICS if rows else ():
        yield Metric(name, rows[-1][name], _milliseconds(rows[-1]["timestamp"]), rows[-1]["timesteps_total"])


def _sweep_tags(sweep: SweepInfo, info: ExperimentInfo) -> dict[str, str]:
    return {
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": str(info.script or "python"),
        "mlflow.source.type": "LOCAL",
        "tune_tasks.role": "sweep",
        "tune_tasks.num_trials": str(info.num_trials),
        "tune_tasks.logdir": str(info.folder),
        "prefect.flow_run_id": sweep.flow_run_id,
        "prefect.url": sweep.flow_run_url,
    }


def _attempt_tags(sweep: SweepInfo, info: AttemptInfo, parent: str) -> dict[str, str]:
    script = sweep.experiments[info.trial.experiment].script
    return {
        "mlflow.parentRunId": parent,
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": str(script or "python"),
        "mlflow.source.type": "LOCAL",
        "tune_tasks.role": "trial",
        "tune_tasks.trial": info.trial.name,
        "tune_tasks.index": str(info.trial.index),
        "tune_tasks.attempt": str(info.attempt),
        "tune_tasks.seed": str(info.trial.seed),
        "tune_tasks.logdir": str(info.folder),
        "prefect.flow_run_id": sweep.flow_run_id,
        "prefect.task_run_id": info.task_run_id,
        "prefect.url": info.task_run_url,
    }


def _flat_params(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """`{"a": {"b": 1}}` as `{"a.b": "1"}`; lists are one value."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat_params(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value, default=repr)
    return flat


def _status(outcome: Outcome) -> str:
    if outcome.state is TrialState.ERROR:
        return "FAILED"
    return "KILLED" if outcome.ended_by is EndedBy.CANCELLED else "FINISHED"


def _safe_key(name: str) -> str:
    """A metric's or param's name as MLflow takes it: a relative path without empty, `.` or `..` parts."""
    parts = [part for part in re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII).split("/") if part.strip(". ")]
    return "/".join(parts)[:_KEY_LENGTH].rstrip("/") or "_"


def _quoted(key: str) -> str:
    return key.replace("'", "_")


def _trimmed(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value[:_TAG_LENGTH] for key, value in tags.items() if value}


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
