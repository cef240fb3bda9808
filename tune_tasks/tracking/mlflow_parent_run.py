"""Tells MLflow how a sweep stands in one experiment, and how it ended: in the sweep's parent run.

While the sweep runs, what is told comes from the reports and ends that the tracker handles anyhow.
MLflow is read only by a restarted recorder, and once: it asks how far it had told.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tune_tasks.model.objective import Objective
from tune_tasks.model.text import showable
from tune_tasks.model.trial import TrialState
from tune_tasks.results.report import ReportPaths
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.servers.mlflow_client import without_password
from tune_tasks.tracking.info import SweepInfo
from tune_tasks.tracking.mlflow_names import best_key, metric_key
from tune_tasks.tracking.mlflow_runs import TAG_LENGTH, MlflowRuns, milliseconds
from tune_tasks.tracking.mlflow_tags import REPORT, objective_in, objective_tags, sweep_note
from tune_tasks.tracking.mlflow_view import (
    ALL_RUNS,
    ALL_SWEEPS,
    VIEW_TAG,
    encode_view,
    runs_view,
    sweep_view,
    sweeps_view,
)
from tune_tasks.tracking.running_best import RunningBest

logger = logging.getLogger(__name__)

_TELL_S = 5.0
_PRIMARY_METRIC = "mlflow.experiment.primaryMetric"


@dataclass(frozen=True)
class _Standing:
    """The number of trials done, and the best trial.

    Attributes:
        done: Number of trials that have ended.
        value: The best trial's value of the metric; None if no trial is the best.
        trial: The best trial's name.
        run_id: The best trial's run.
    """

    done: int = 0
    value: float | None = None
    trial: str = ""
    run_id: str = ""


class ParentRun:
    """A sweep's parent run in one experiment.

    Knows what MLflow was told, so that nothing is told twice: neither with every report, nor by a
    restarted recorder, which hears of every trial's end once more.

    Attributes:
        experiment_id: MLflow's id of the experiment.
        run_id: MLflow's id of the parent run.
        running: The best trial so far; to be told of every report and end.

    Args:
        runs: The runs of the sweep.
        sweep: The sweep.
        name: The experiment's name.
        experiment_id: MLflow's id of the experiment.
        run_id: MLflow's id of the parent run.
    """

    def __init__(
        self, runs: MlflowRuns, sweep: SweepInfo, name: str, experiment_id: str, run_id: str
    ) -> None:
        self.experiment_id = experiment_id
        self.run_id = run_id
        self.running = RunningBest(sweep.experiments[name].objective)
        self._runs = runs
        self._sweep = sweep
        self._params = sweep.experiments[name].params
        self._told_objective: Objective | None = None
        self._told_done = 0
        self._told_best: float | None = None
        self._told_at = time.monotonic()
        # The feeder's thread tells how the sweep stands, another one how it ended.
        self._telling = threading.Lock()
        self._has_ended = False

    def resume(self) -> None:
        """Go on with a parent run of which an earlier recorder has told something.

        An earlier execution of the sweep, before a Resume or a Retry, has ended it.
        """
        self._runs.client.update_run(self.run_id, status="RUNNING")
        data = self._runs.client.get_run(self.run_id).data
        self._told_done = int(data.metrics.get("trials_done", 0))
        self._told_objective = objective_in(data.tags)
        if self._told_objective:
            self._told_best = data.metrics.get(best_key(self._told_objective))

    def tell(self) -> None:
        """Tell how the sweep stands: at each trial's end, and now and then if it got better.

        No trial's data depend on this, so a failure is only logged; the next call makes up for it.
        """
        try:
            with self._telling:
                # What comes late must not replace what was told at the end.
                if not self._has_ended:
                    self._tell()
        except Exception as exc:  # noqa: BLE001 - see above
            reason = without_password(str(exc))
            logger.warning("MLflow: cannot tell how the sweep stands: %s", reason)

    def _tell(self) -> None:
        objective = self.running.objective
        if objective and objective != self._told_objective:
            self._go_by(objective)
        standing = self._standing_now(objective)
        if self._is_news(standing, objective):
            self._log(standing, objective)

    def _standing_now(self, objective: Objective | None) -> _Standing:
        best = self.running.best()
        if best is None or objective is None:
            return _Standing(self.running.done)
        run_id = self._runs.ids.get(best.key, "")
        return _Standing(self.running.done, best.metric(objective.metric), best.name, run_id)

    def _is_news(self, standing: _Standing, objective: Objective | None) -> bool:
        if standing.done != self._told_done:
            # There are fewer if a restarted recorder has not heard of every end yet.
            return standing.done > self._told_done
        got_better = objective is not None and objective.better(standing.value, self._told_best)
        return got_better and time.monotonic() - self._told_at >= _TELL_S

    def tell_end(self, experiment: ExperimentSummary) -> None:
        """Tell how the sweep ended: the best trial, the final views, the note."""
        with self._telling:
            self._has_ended = True
            self._tell_end(experiment)

    def _tell_end(self, experiment: ExperimentSummary) -> None:
        objective = experiment.objective
        if objective:
            self._go_by(objective, incomplete=_lacks_values(experiment, objective))
        standing = _standing_at_end(experiment)
        if (standing.done, standing.value) != (self._told_done, self._told_best):
            self._log(standing, objective)
        note = sweep_note(self._sweep, self.experiment_id, experiment)
        self._runs.log_tags(self.run_id, {"mlflow.note.content": note})

    def _log(self, standing: _Standing, objective: Objective | None) -> None:
        from mlflow.entities import Metric, RunTag

        stamp = milliseconds(time.time())
        step = max(standing.done, 1)  # MLflow draws a line from step 1 on
        metrics = [Metric("trials_done", standing.done, stamp, step)]
        tags: dict[str, str] = {}
        if objective and standing.value is not None:
            metrics.append(Metric(best_key(objective), standing.value, stamp, step))
            tags["tune_tasks.best_trial"] = standing.trial
            tags["tune_tasks.best_run_id"] = standing.run_id
        elif self._told_best is not None:
            # The best trial that MLflow knows has failed. MLflow cannot take a metric back, so
            # the tags say that there is no best trial.
            tags["tune_tasks.best_trial"] = ""
            tags["tune_tasks.best_run_id"] = ""
        entities = [RunTag(key, showable(text)[:TAG_LENGTH]) for key, text in tags.items()]
        self._runs.client.log_batch(self.run_id, metrics=metrics, tags=entities)
        self._told_done = standing.done
        self._told_best = standing.value
        self._told_at = time.monotonic()

    def _go_by(self, objective: Objective, *, incomplete: bool = False) -> None:
        """Have MLflow's pages of the experiment go by a metric."""
        greater = str(objective.is_greater_better).lower()
        self._tag_experiment(f"{_PRIMARY_METRIC}.name", metric_key(objective))
        self._tag_experiment(f"{_PRIMARY_METRIC}.greaterIsBetter", greater)
        self._runs.log_tags(self.run_id, objective_tags(objective))
        sweep = self._sweep.sweep
        view = sweep_view(sweep, self._params, objective, incomplete=incomplete)
        self._save_view(sweep, f"Sweep {sweep}", view)
        self._save_view(ALL_SWEEPS, "All sweeps", sweeps_view(objective))
        self._save_view(ALL_RUNS, "Sweeps and their trials", runs_view(self._params, objective))
        if objective != self._told_objective:
            self._told_objective = objective
            self._told_best = None

    def _tag_experiment(self, key: str, value: str) -> None:
        self._runs.client.set_experiment_tag(self.experiment_id, key, value)

    def _save_view(self, view_id: str, name: str, view: Mapping[str, Any]) -> None:
        from mlflow.exceptions import MlflowException

        tag = encode_view(name, view, milliseconds(time.time()))
        try:
            self._tag_experiment(f"{VIEW_TAG}{view_id}", tag)
        except MlflowException as exc:
            # An older server refuses a tag of this length, which must not hold back the results.
            logger.warning("MLflow: cannot save the view %r: %s", name, exc)

    def log_results(self, experiment: ExperimentSummary) -> None:
        """Log the table of results: as JSON, which MLflow's pages show, and as CSV."""
        table = experiment.dataframe().map(_encodable).rename(columns=showable)
        as_json = table.to_json(orient="split", index=False, default_handler=str)
        # Not by `log_table`, because that appends to a table that is there already.
        self._runs.client.log_text(self.run_id, as_json, "results.json")
        self._runs.client.log_text(self.run_id, table.to_csv(index=False), "results.csv")
        logged = json.dumps([{"path": "results.json", "type": "table"}])
        self._runs.log_tags(self.run_id, {"mlflow.loggedArtifacts": logged})

    def log_report(self, experiment: ExperimentSummary) -> None:
        """Log the experiment's report, if it was written."""
        report = ReportPaths(experiment.logdir)
        if report.text.exists():
            self._runs.client.log_artifacts(self.run_id, str(report.folder), REPORT)

    def terminate(self, status: str) -> None:
        """End the run."""
        self._runs.client.set_terminated(self.run_id, status, milliseconds(time.time()))


def _standing_at_end(experiment: ExperimentSummary) -> _Standing:
    best = experiment.best()
    if best is None:
        return _Standing(experiment.done)
    run_id = best.mlflow_run_id or ""
    return _Standing(experiment.done, experiment.best_value(), best.name, run_id)


def _lacks_values(experiment: ExperimentSummary, objective: Objective) -> bool:
    """Whether a trial has ended well without a value of the metric."""
    ended = [trial for trial in experiment.listed if trial.state is TrialState.TERMINATED]
    return any(trial.metric(objective.metric) is None for trial in ended)


def _encodable(value: Any) -> Any:
    """Return a cell as it may be sent: UTF-8 cannot hold every text that a script may report."""
    return showable(value) if isinstance(value, str) else value
