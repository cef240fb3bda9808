"""The tracker MLflow: an MLflow experiment for each of the spec's, with runs for sweeps and trials.

A sweep has one parent run in each of its experiments, and a child run for each attempt.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths, params_text
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.trial import EndedBy, Outcome, TrialState, attempt_name
from tune_tasks.result import non_finite_metrics
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.servers.mlflow_client import experiment_path, run_path, web_address
from tune_tasks.tracking.base import Row, Tracker
from tune_tasks.tracking.info import SweepInfo
from tune_tasks.tracking.mlflow_metrics import points_of
from tune_tasks.tracking.mlflow_params import chart_params, flat_params
from tune_tasks.tracking.mlflow_parent_run import ParentRun
from tune_tasks.tracking.mlflow_runs import NAME_LENGTH, TAG_LENGTH, MlflowRuns, milliseconds
from tune_tasks.tracking.mlflow_tags import attempt_tags, sweep_tags
from tune_tasks.tracking.mlflow_view import ALL_RUNS, list_path, view_path

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class MlflowTracker(Tracker):
    """Writes one sweep to MLflow.

    Args:
        uri: MLflow's tracking URI, absolute.
    """

    name = "MLflow"
    rows_per_call = 500

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._again = False
        self._runs = MlflowRuns(uri)
        self._parents: dict[str, ParentRun] = {}
        self._making_parent = threading.Lock()
        # The metrics that were not finite in an attempt's last report.
        self._diverged: dict[str, str] = {}

    @property
    def _client(self) -> MlflowClient:
        return self._runs.client

    def connect(self) -> None:
        """Import MLflow and open the store; a fresh store is initialised, which takes seconds."""
        self._client  # noqa: B018 - made at its first use

    def begin(self, sweep: SweepInfo, *, again: bool) -> None:
        """Learn which sweep is to be recorded.

        Args:
            sweep: The sweep's names and folders.
            again: Whether an earlier recorder has recorded a part of it, whose runs are looked for.
        """
        self._sweep = sweep
        self._again = again
        self._runs.begin(sweep.sweep, again=again)

    def prepare(self) -> None:
        """Make the experiments, parent runs and views, before the first attempt needs them."""
        for name in self._sweep.experiments:
            self._parent(name).tell()

    def open_attempt(self, info: AttemptInfo) -> dict[str, str]:
        """Create the attempt's run, with what varies as params."""
        parent = self._parent(info.trial.experiment)
        run_id = self._runs.find_or_create(
            parent.experiment_id,
            info.key,
            attempt_name(info.trial, info.attempt),
            attempt_tags(self._sweep, info, parent.experiment_id, parent.run_id),
            info.started_at,
        )
        params = flat_params(masked_by_path(info.trial.searched))
        searched = self._sweep.experiments[info.trial.experiment].params
        self._runs.log_params(run_id, params | chart_params(searched, params))
        return {
            "MLFLOW_TRACKING_URI": self._uri,
            "MLFLOW_EXPERIMENT_ID": parent.experiment_id,
            "MLFLOW_RUN_ID": run_id,
        }

    def run_id(self, key: str) -> str | None:
        """Return the id of an attempt's run; None before the run was created."""
        return self._runs.ids.get(key)

    def run_url(self, info: AttemptInfo) -> str | None:
        """Return the page of an attempt's run; None before, or if MLflow has no web address."""
        address = web_address(self._uri)
        parent = self._parents.get(info.trial.experiment)
        run_id = self._runs.ids.get(info.key)
        if not address or not parent or not run_id:
            return None
        return address + run_path(parent.experiment_id, run_id)

    def located(self, experiment: ExperimentSummary) -> ExperimentSummary:
        """Return the experiment with its parent run and its pages, as far as there are any."""
        parent = self._parents.get(experiment.name)
        if parent is None:
            return experiment
        experiment = replace(experiment, mlflow_run_id=parent.run_id)
        address = web_address(self._uri)
        if address is None:
            return experiment
        if experiment.metric is None:
            page = address + experiment_path(parent.experiment_id)
            return replace(experiment, experiment_url=page)
        return replace(
            experiment,
            experiment_url=address + list_path(parent.experiment_id, ALL_RUNS),
            view_url=address + view_path(parent.experiment_id, self._sweep.sweep),
        )

    def log(self, info: AttemptInfo, rows: Sequence[Row]) -> None:
        """Log the reports; sending one twice makes one point."""
        if not rows:
            return
        parent = self._parent(info.trial.experiment)
        objective = self._sweep.experiments[info.trial.experiment].objective
        self._runs.log_metrics(self._runs.ids[info.key], list(points_of(rows, objective)))
        self._diverged[info.key] = ", ".join(non_finite_metrics(rows[-1]))
        parent.running.report(info, rows[-1])
        parent.tell()

    def close_attempt(self, info: AttemptInfo, outcome: Outcome) -> None:
        """Give the run its last tags and its files, and end it."""
        run_id = self._runs.ids[info.key]
        self._runs.log_tags(run_id, self._last_tags(info, outcome))
        self._log_files(run_id, info, outcome)
        self._client.set_terminated(run_id, _status(outcome), milliseconds(time.time()))
        # Only now: the calls above are made again if one of them has failed.
        self._diverged.pop(info.key, None)
        parent = self._parent(info.trial.experiment)
        parent.running.end(info, outcome)
        parent.tell()

    def _last_tags(self, info: AttemptInfo, outcome: Outcome) -> dict[str, str]:
        return {
            # A subprocess of the script may have begun the run again, under another name.
            "mlflow.runName": attempt_name(info.trial, info.attempt)[:NAME_LENGTH],
            "tune_tasks.state": str(outcome.state),
            "tune_tasks.stop_reason": outcome.stop_reason,
            "tune_tasks.diverged": self._diverged.get(info.key, ""),
            "tune_tasks.error": (outcome.error or "")[-TAG_LENGTH:],  # its end says what failed
        }

    def _log_files(self, run_id: str, info: AttemptInfo, outcome: Outcome) -> None:
        paths = AttemptPaths(info.folder)
        # From memory, because something else may have removed or overwritten the files.
        self._client.log_text(run_id, params_text(info.trial.config), paths.params.name)
        if outcome.error:
            self._client.log_text(run_id, outcome.error.rstrip() + "\n", paths.error.name)
        if paths.log.is_file() and paths.log.stat().st_size:
            self._client.log_artifact(run_id, str(paths.log))

    def close_sweep(self, summary: Summary) -> None:
        """End the parent runs, each with its experiment's report, table of results and last view.

        Raises:
            RuntimeError: If something failed; everything else was done all the same.
        """
        problems: list[Exception] = []
        for experiment in summary.experiments:
            problems += self._close_experiment(experiment, _sweep_status(summary, experiment))
        if problems:
            raise RuntimeError("; ".join(f"{type(exc).__name__}: {exc}" for exc in problems))

    def _close_experiment(self, experiment: ExperimentSummary, status: str) -> list[Exception]:
        """End an experiment's parent run; return what failed."""
        steps: tuple[Callable[[ParentRun], None], ...] = (
            lambda parent: parent.tell_end(experiment),
            lambda parent: parent.log_results(experiment),
            lambda parent: parent.log_report(experiment),
            lambda parent: parent.terminate(status),
        )
        problems: list[Exception] = []
        for step in steps:
            try:
                step(self._parent(experiment.name))
            except Exception as exc:  # noqa: BLE001 - the next step stands alone
                problems.append(exc)
        return problems

    def _parent(self, name: str) -> ParentRun:
        """Return the sweep's parent run in an experiment; the first call creates both."""
        # The lock is held during requests. Otherwise the feeder's thread and the thread that closes
        # the sweep would both create the parent run if MLflow comes back just then.
        with self._making_parent:
            if name not in self._parents:
                self._parents[name] = self._make_parent(name)
            return self._parents[name]

    def _make_parent(self, name: str) -> ParentRun:
        info = self._sweep.experiments[name]
        experiment_id = self._runs.experiment(name)
        tags = sweep_tags(self._sweep, info)
        run_id = self._runs.find_or_create(
            experiment_id, f"{name}/parent", self._sweep.sweep, tags, time.time()
        )
        params = flat_params(info.constants) | {"sweep.seed": str(info.seed)}
        self._runs.log_params(run_id, params)
        self._client.log_text(run_id, self._sweep.spec_text, "spec.yaml")
        if info.script:
            self._log_script(run_id, info.script.name, info.script_source)
        parent = ParentRun(self._runs, self._sweep, name, experiment_id, run_id)
        if self._again:
            parent.resume()
        return parent

    def _log_script(self, run_id: str, name: str, source: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_bytes(source)
            self._client.log_artifact(run_id, str(file))


def _status(outcome: Outcome) -> str:
    if outcome.state is TrialState.ERROR:
        return "FAILED"
    return "KILLED" if outcome.ended_by is EndedBy.CANCELLED else "FINISHED"


def _sweep_status(summary: Summary, experiment: ExperimentSummary) -> str:
    if summary.interrupted:
        return "KILLED"
    if experiment.failed or experiment.lost or summary.ended_early:
        return "FAILED"
    return "FINISHED"
