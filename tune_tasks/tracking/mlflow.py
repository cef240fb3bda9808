"""MLflow: an experiment a spec's experiment, a parent run a sweep, a child run an attempt."""

from __future__ import annotations

import getpass
import json
import logging
import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.code_version import CodeVersion
from tune_tasks.model.files import AttemptPaths, params_text
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.objective import Objective
from tune_tasks.model.text import showable
from tune_tasks.model.trial import EndedBy, Outcome, TrialState, attempt_name
from tune_tasks.result import (
    PROGRESS_METRICS,
    REPORTED_METRICS,
    STOP_METRICS,
    metric,
    non_finite_metrics,
    tracked_metrics,
)
from tune_tasks.results.report import ReportPaths, without_pictures
from tune_tasks.results.summary import ExperimentSummary, Summary, TrialSummary
from tune_tasks.servers.mlflow_client import (
    connect,
    experiment_path,
    run_path,
    web_address,
    without_password,
)
from tune_tasks.tracking.base import Row, Tracker
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo
from tune_tasks.tracking.mlflow_view import (
    ALL_RUNS,
    ALL_SWEEPS,
    VIEW_TAG,
    best_key,
    chart_params,
    encode_view,
    flat_params,
    list_path,
    metric_key,
    mlflow_name,
    objective_in,
    objective_tags,
    renamed,
    renaming_note,
    runs_view,
    safe_key,
    sweep_view,
    sweeps_view,
    view_path,
)
from tune_tasks.tracking.running_best import Candidate, RunningBest

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

logger = logging.getLogger(__name__)

_METRICS_PER_CALL = 1_000
_PARAMS_PER_CALL = 100
_PARAM_LENGTH = 6_000
_TAG_LENGTH = 5_000
_TELL_S = 5.0
_REPORT = "report"
_FENCE = "\n```"
_NAME_LENGTH = 250  # servers on PostgreSQL or MySQL refuse longer ones


@dataclass
class _Parent:
    """A sweep's parent run in an experiment, and what MLflow was told of how the sweep stands.

    Attributes:
        running: The best trial so far.
        objective: What 'best' goes by, as MLflow knows.
        done: Trials done.
        best: The best value.
        told_at: When, on the monotonic clock.
    """

    experiment_id: str
    run_id: str
    running: RunningBest
    objective: Objective | None = None
    done: int = 0
    best: float | None = None
    told_at: float = field(default_factory=time.monotonic)


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
        self._parents: dict[str, _Parent] = {}
        self._runs: dict[str, str] = {}
        # The metrics that were not finite in an attempt's last report
        self._diverged: dict[str, str] = {}
        self._made_client: MlflowClient | None = None

    @property
    def _client(self) -> MlflowClient:
        if self._made_client is None:
            self._made_client = connect(self._uri)
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
        """Make the experiments, parent runs and views, before the first attempt needs them."""
        for name in self._sweep.experiments:
            self._tell(name, self._parent(name))

    def open_attempt(self, info: AttemptInfo) -> dict[str, str]:
        """Create the attempt's run, with what varies as params."""
        parent = self._parent(info.trial.experiment)
        if info.key not in self._runs:
            self._runs[info.key] = self._find_or_create(
                parent.experiment_id,
                info.key,
                attempt_name(info.trial, info.attempt),
                _attempt_tags(self._sweep, info, parent),
                info.started_at,
            )
        run_id = self._runs[info.key]
        params = flat_params(masked_by_path(info.trial.searched))
        self._log_params(
            run_id,
            params | chart_params(self._sweep.experiments[info.trial.experiment].params, params),
        )
        return {
            "MLFLOW_TRACKING_URI": self._uri,
            "MLFLOW_EXPERIMENT_ID": parent.experiment_id,
            "MLFLOW_RUN_ID": run_id,
        }

    def run_id(self, key: str) -> str | None:
        """The run of an attempt, once it was created."""
        return self._runs.get(key)

    def run_url(self, info: AttemptInfo) -> str | None:
        """The page of an attempt's run, once there is one and where MLflow has a web address."""
        address, parent = web_address(self._uri), self._parents.get(info.trial.experiment)
        run_id = self._runs.get(info.key)
        return (
            address + run_path(parent.experiment_id, run_id)
            if address and parent and run_id
            else None
        )

    def located(self, experiment: ExperimentSummary) -> ExperimentSummary:
        """The experiment with its parent run and its pages, as far as there are any."""
        parent = self._parents.get(experiment.name)
        if parent is None:
            return experiment
        experiment, address = (
            replace(experiment, mlflow_run_id=parent.run_id),
            web_address(self._uri),
        )
        if address is None:
            return experiment
        if experiment.metric is None:
            return replace(
                experiment, experiment_url=address + experiment_path(parent.experiment_id)
            )
        page = address + list_path(parent.experiment_id, ALL_RUNS)
        return replace(
            experiment,
            experiment_url=page,
            view_url=address + view_path(parent.experiment_id, self._sweep.sweep),
        )

    def log(self, info: AttemptInfo, rows: Sequence[Row]) -> None:
        """Log every reported metric of the rows, and of the last one how far the trial is.

        A metric's timestamp, step and value are the trial's own, so that sending a row twice makes
        one point.
        """
        parent = self._parent(info.trial.experiment)
        metrics = list(_metrics(rows, self._sweep.experiments[info.trial.experiment].objective))
        for start in range(0, len(metrics), _METRICS_PER_CALL):
            self._client.log_batch(
                self._runs[info.key], metrics=metrics[start : start + _METRICS_PER_CALL]
            )
        if rows:
            self._diverged[info.key] = ", ".join(non_finite_metrics(rows[-1]))
            parent.running.report(info, rows[-1])
            self._tell(info.trial.experiment, parent)

    def close_attempt(self, info: AttemptInfo, outcome: Outcome) -> None:
        """Set the run's end: tags, files, status."""
        run_id = self._runs[info.key]
        tags = {
            "tune_tasks.stop_reason": outcome.stop_reason,
            "tune_tasks.state": str(outcome.state),
        }
        # A subprocess of the script may have begun the run again, under another name.
        tags["mlflow.runName"] = attempt_name(info.trial, info.attempt)[:_NAME_LENGTH]
        if diverged := self._diverged.pop(info.key, ""):
            tags["tune_tasks.diverged"] = diverged[:_TAG_LENGTH]
        if outcome.error:
            tags["tune_tasks.error"] = outcome.error[-_TAG_LENGTH:]
        self._log_tags(run_id, tags)
        # From memory, and not from the files, which something else may have removed or overwritten.
        paths = AttemptPaths(info.folder)
        self._client.log_text(run_id, params_text(info.trial.config), paths.params.name)
        if outcome.error:
            self._client.log_text(run_id, outcome.error.rstrip() + "\n", paths.error.name)
        if paths.log.is_file() and paths.log.stat().st_size:
            self._client.log_artifact(run_id, str(paths.log))
        self._client.set_terminated(run_id, _status(outcome), _milliseconds(time.time()))
        parent = self._parent(info.trial.experiment)
        parent.running.end(info, outcome)
        self._tell(info.trial.experiment, parent)

    def close_sweep(self, summary: Summary) -> None:
        """End the parent runs.

        Each gets its experiment's report, the table of results and the final view.

        Raises:
            RuntimeError: What failed, each of which kept nothing else from being done.
        """
        problems: list[Exception] = []
        for experiment in summary.experiments:
            is_lacking = experiment.failed or experiment.lost or summary.ended_early
            status = "KILLED" if summary.interrupted else "FAILED" if is_lacking else "FINISHED"
            for step in (
                self._tell_end,
                self._log_results,
                self._log_report,
                partial(self._terminate, status),
            ):
                try:
                    step(self._parent(experiment.name), experiment)
                except Exception as exc:  # noqa: BLE001 - the next step stands alone
                    problems.append(exc)
        if problems:
            raise RuntimeError("; ".join(f"{type(exc).__name__}: {exc}" for exc in problems))

    def _terminate(self, status: str, parent: _Parent, _experiment: ExperimentSummary) -> None:
        self._client.set_terminated(parent.run_id, status, _milliseconds(time.time()))

    def _log_report(self, parent: _Parent, experiment: ExperimentSummary) -> None:
        if (report := ReportPaths(experiment.logdir)).text.exists():
            self._client.log_artifacts(parent.run_id, str(report.folder), _REPORT)

    def _tell(self, name: str, parent: _Parent) -> None:
        """Tell MLflow how the sweep stands. A trial's data do not depend on it.

        What fails is told with the next call.
        """
        try:
            self._tell_standing(name, parent)
        except Exception as exc:  # noqa: BLE001
            logger.warning(
                "MLflow: cannot tell how the sweep stands: %s", without_password(str(exc))
            )

    def _tell_standing(self, name: str, parent: _Parent) -> None:
        """At each trial's end, and now and then where it got better."""
        standing, objective = parent.running, parent.running.objective
        if objective and parent.objective != objective:
            self._go_by(name, parent, objective)
        best = standing.best()
        value = best.metric(objective.metric) if best and objective else None
        got_better = objective is not None and objective.better(value, parent.best)
        is_due = got_better and time.monotonic() - parent.told_at >= _TELL_S
        # A recorder that was started again hears of every end once more: nothing is told again.
        if standing.done > parent.done or (standing.done == parent.done and is_due):
            run_id = self._runs.get(best.key) if best else None
            self._log_standing(parent, standing.done, objective, value, best, run_id)

    def _tell_end(self, parent: _Parent, experiment: ExperimentSummary) -> None:
        best, objective, value = experiment.best(), experiment.objective, experiment.best_value()
        if objective:
            lacking = any(
                t.state is TrialState.TERMINATED and t.metric(objective.metric) is None
                for t in experiment.trials
            )
            self._go_by(experiment.name, parent, objective, incomplete=lacking)
        if (experiment.done, value) != (parent.done, parent.best):
            self._log_standing(
                parent,
                experiment.done,
                objective,
                value,
                best,
                best.mlflow_run_id if best else None,
            )
        self._log_tags(
            parent.run_id, {"mlflow.note.content": _sweep_note(self._sweep, parent, experiment)}
        )

    def _log_standing(
        self,
        parent: _Parent,
        done: int,
        objective: Objective | None,
        value: float | None,
        best: Candidate | TrialSummary | None,
        run_id: str | None,
    ) -> None:
        from mlflow.entities import Metric, RunTag

        stamp, step = _milliseconds(time.time()), max(done, 1)  # MLflow draws a line from step 1 on
        metrics, tags = [Metric("trials_done", done, stamp, step)], {}
        if best and objective and value is not None:
            metrics.append(Metric(best_key(objective), value, stamp, step))
            tags = {"tune_tasks.best_trial": best.name, "tune_tasks.best_run_id": run_id or ""}
        elif parent.best is not None:  # the one that was told has failed
            tags = {"tune_tasks.best_trial": "", "tune_tasks.best_run_id": ""}
        entities = [RunTag(key, showable(text)[:_TAG_LENGTH]) for key, text in tags.items()]
        self._client.log_batch(parent.run_id, metrics=metrics, tags=entities)
        parent.done, parent.best, parent.told_at = done, value, time.monotonic()

    def _go_by(
        self, name: str, parent: _Parent, objective: Objective, *, incomplete: bool = False
    ) -> None:
        """Have MLflow's pages of the experiment go by a metric."""
        shown, greater = metric_key(objective), str(objective.is_greater_better).lower()
        self._client.set_experiment_tag(
            parent.experiment_id, "mlflow.experiment.primaryMetric.name", shown
        )
        self._client.set_experiment_tag(
            parent.experiment_id, "mlflow.experiment.primaryMetric.greaterIsBetter", greater
        )
        self._log_tags(parent.run_id, objective_tags(objective))
        sweep, params = self._sweep.sweep, self._sweep.experiments[name].params
        self._save_view(
            parent,
            sweep,
            f"Sweep {sweep}",
            sweep_view(sweep, params, objective, incomplete=incomplete),
        )
        self._save_view(parent, ALL_SWEEPS, "All sweeps", sweeps_view(objective))
        self._save_view(parent, ALL_RUNS, "Sweeps and their trials", runs_view(params, objective))
        if parent.objective != objective:
            parent.objective, parent.best = objective, None

    def _save_view(self, parent: _Parent, view_id: str, name: str, view: Mapping[str, Any]) -> None:
        from mlflow.exceptions import MlflowException

        tag = encode_view(name, view, _milliseconds(time.time()))
        try:
            self._client.set_experiment_tag(parent.experiment_id, f"{VIEW_TAG}{view_id}", tag)
        except MlflowException as exc:
            # An older server takes shorter tags: no reason to hold back the results
            logger.warning("MLflow: cannot save the view %r: %s", name, exc)

    def _log_results(self, parent: _Parent, experiment: ExperimentSummary) -> None:
        """The table of results, as MLflow's pages show one, and as CSV."""
        run_id, table = (
            parent.run_id,
            experiment.dataframe().map(_encodable).rename(columns=showable),
        )
        # Not by `log_table`: that appends to a table that is there already.
        self._client.log_text(
            run_id, table.to_json(orient="split", index=False, default_handler=str), "results.json"
        )
        self._client.log_text(run_id, table.to_csv(index=False), "results.csv")
        self._log_tags(
            run_id,
            {"mlflow.loggedArtifacts": json.dumps([{"path": "results.json", "type": "table"}])},
        )

    def _parent(self, name: str) -> _Parent:
        """An experiment and its sweep's parent run, created at the first call."""
        if name not in self._parents:
            info = self._sweep.experiments[name]
            experiment_id = self._experiment(name)
            tags = _sweep_tags(self._sweep, info)
            run_id = self._find_or_create(
                experiment_id, f"{name}/parent", self._sweep.sweep, tags, time.time()
            )
            self._log_params(run_id, flat_params(info.constants) | {"sweep.seed": str(info.seed)})
            self._client.log_text(run_id, self._sweep.spec_text, "spec.yaml")
            if info.script:
                self._log_script(run_id, info.script.name, info.script_source)
            if self._look_first:  # an earlier execution of the flow run has ended it
                self._client.update_run(run_id, status="RUNNING")
            self._parents[name] = self._as_told(
                _Parent(experiment_id, run_id, RunningBest(info.objective))
            )
        return self._parents[name]

    def _log_script(self, run_id: str, name: str, source: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_bytes(source)
            self._client.log_artifact(run_id, str(file))

    def _as_told(self, parent: _Parent) -> _Parent:
        """With what an earlier recorder of the sweep has told MLflow."""
        if not self._look_first:
            return parent
        data = self._client.get_run(parent.run_id).data
        if objective := objective_in(data.tags):
            parent.objective, parent.best = objective, data.metrics.get(best_key(objective))
        parent.done = int(data.metrics.get("trials_done", 0))
        return parent

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        name = mlflow_name(name)
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return self._client.create_experiment(
                    name, tags={"mlflow.experimentKind": "custom_model_development"}
                )
            except MlflowException:  # another sweep was faster
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _find_or_create(
        self, experiment_id: str, key: str, name: str, tags: Mapping[str, str], started_at: float
    ) -> str:
        """The run with our own key.

        A create_run whose answer was lost leaves one that is found at the next call.
        """
        if self._look_first or key in self._uncertain:
            query = (
                f"tags.`tune_tasks.sweep` = '{self._sweep.sweep}' AND tags.`tune_tasks.key` ="
                f" '{_quoted(key)}'"
            )
            found = self._client.search_runs([experiment_id], query, max_results=1)
            if found:
                return str(found[0].info.run_id)
        self._uncertain.add(key)
        tags = {**tags, "tune_tasks.sweep": self._sweep.sweep, "tune_tasks.key": _quoted(key)}
        run = self._client.create_run(
            experiment_id, _milliseconds(started_at), _trimmed(tags), name[:_NAME_LENGTH]
        )
        self._uncertain.discard(key)
        return str(run.info.run_id)

    def _log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        entities = [Param(key, showable(value)[:_PARAM_LENGTH]) for key, value in params.items()]
        for start in range(0, len(entities), _PARAMS_PER_CALL):
            self._client.log_batch(run_id, params=entities[start : start + _PARAMS_PER_CALL])

    def _log_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(
            run_id, tags=[RunTag(key, value) for key, value in _trimmed(tags).items()]
        )


def _metrics(rows: Sequence[Row], objective: Objective | None) -> Iterator[Any]:
    from mlflow.entities import Metric

    chosen = objective.metric if objective else None
    untracked = (
        chosen
        if chosen in STOP_METRICS and chosen not in (*REPORTED_METRICS, *PROGRESS_METRICS)
        else None
    )
    for row in rows:
        stamp, step = _milliseconds(row["timestamp"]), row["timesteps_total"]
        more = (
            [(untracked, value)]
            if untracked and (value := metric(row, untracked)) is not None
            else []
        )
        for name, value in (*tracked_metrics(row), *more):
            if math.isfinite(value):
                yield Metric(safe_key(name), value, stamp, step)
    for name in PROGRESS_METRICS if rows else ():
        yield Metric(
            name, rows[-1][name], _milliseconds(rows[-1]["timestamp"]), rows[-1]["timesteps_total"]
        )


def _sweep_tags(sweep: SweepInfo, info: ExperimentInfo) -> dict[str, str]:
    return {
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": str(info.script or "python"),
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": _links({"Flow run in Prefect": sweep.flow_run_url}),
        "tune_tasks.role": "sweep",
        "tune_tasks.num_trials": str(info.num_trials),
        "tune_tasks.logdir": str(info.folder),
        "prefect.flow_run_id": sweep.flow_run_id,
        "prefect.url": sweep.flow_run_url,
        **_code_tags(info.code),
    }


def _code_tags(code: CodeVersion | None) -> dict[str, str]:
    """The code's version; the commit by the name that MLflow's pages show beside the source."""
    if code is None:
        return {}
    is_dirty = {"tune_tasks.git_dirty": str(code.git_dirty).lower()} if code.git_commit else {}
    return {
        "tune_tasks.code_sha256": code.sha256,
        "mlflow.source.git.commit": code.git_commit or "",
        **is_dirty,
    }


def _attempt_tags(sweep: SweepInfo, info: AttemptInfo, parent: _Parent) -> dict[str, str]:
    experiment = sweep.experiments[info.trial.experiment]
    links = {"Task run in Prefect": info.task_run_url, "flow run in Prefect": sweep.flow_run_url}
    links["the sweep's trials, compared"] = view_path(parent.experiment_id, sweep.sweep)[1:]
    return {
        "mlflow.parentRunId": parent.run_id,
        "mlflow.note.content": _links(links),
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": str(experiment.script or "python"),
        "mlflow.source.type": "LOCAL",
        **_code_tags(experiment.code),
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


def _sweep_note(sweep: SweepInfo, parent: _Parent, experiment: ExperimentSummary) -> str:
    """A sweep's description at its end, in Markdown."""
    links = {"Flow run in Prefect": sweep.flow_run_url}
    if experiment.metric:
        links["the trials, compared"] = view_path(parent.experiment_id, sweep.sweep)[1:]
        links["all sweeps and their trials"] = list_path(parent.experiment_id, ALL_RUNS)[1:]
        links["all sweeps, compared"] = view_path(parent.experiment_id, ALL_SWEEPS)[1:]
    paths = ReportPaths(experiment.logdir)
    report = without_pictures(paths) if paths.text.exists() else ""
    changed = renamed(experiment.trials)
    parts = (_links(links), renaming_note(changed) if changed else "", report)
    text = "\n\n".join(part for part in parts if part).strip()
    return _cut(text, f"\n\n… the rest is in the artifact `{_REPORT}/{paths.text.name}`")


def _cut(text: str, ending: str) -> str:
    """The text as a tag holds it, whole lines of it."""
    if len(text) <= _TAG_LENGTH:
        return text
    kept = text[: _TAG_LENGTH - len(ending) - len(_FENCE)].rpartition("\n")[0]
    return kept + (_FENCE if kept.count("```") % 2 else "") + ending


def _links(links: Mapping[str, str]) -> str:
    """Links in Markdown, in one line.

    An address that begins with `#` is a page of the same MLflow.
    """
    return " · ".join(f"[{text}]({url})" for text, url in links.items() if url)


def _encodable(value: Any) -> Any:
    """The value; a text, which may be anything that a script reported, as it may be sent."""
    return showable(value) if isinstance(value, str) else value


def _status(outcome: Outcome) -> str:
    if outcome.state is TrialState.ERROR:
        return "FAILED"
    return "KILLED" if outcome.ended_by is EndedBy.CANCELLED else "FINISHED"


def _quoted(key: str) -> str:
    return key.replace("'", "_")[-_TAG_LENGTH:]


def _trimmed(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: showable(value)[:_TAG_LENGTH] for key, value in tags.items() if value}


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
