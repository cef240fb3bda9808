"""The tracker MLflow: an MLflow experiment for each of the spec's, with runs for sweeps and trials.

A sweep has one parent run in each of its experiments, and a child run for each attempt. Of a trial
that is tried again, the run of the latest attempt is the current one; the one before is put beneath
it, and its role is no longer that of a trial.

Any request may fail, or do its work and lose the answer. Therefore everything is sent as steps,
each of which is done once and may be done twice: status and tags first, files last.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint_folder import checkpoint_to_log
from tune_tasks.model.files import AttemptPaths, params_text
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.timeouts import OPEN_LOCAL_S
from tune_tasks.model.trial import CUT_SHORT, EndedBy, Outcome, TrialState, attempt_name
from tune_tasks.result import non_finite_metrics
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.servers.mlflow_client import (
    experiment_path,
    is_local_store,
    run_path,
    web_address,
)
from tune_tasks.tracking.base import Row, Tracker
from tune_tasks.tracking.info import SweepInfo
from tune_tasks.tracking.mlflow_current import CurrentRuns
from tune_tasks.tracking.mlflow_dropped import settle_dropped
from tune_tasks.tracking.mlflow_metrics import points_of, settings_of
from tune_tasks.tracking.mlflow_params import chart_params, flat_params
from tune_tasks.tracking.mlflow_parent_run import ParentRun, parent_key
from tune_tasks.tracking.mlflow_runs import NAME_LENGTH, TAG_LENGTH, MlflowRuns, milliseconds
from tune_tasks.tracking.mlflow_tags import INFEASIBLE_TAG, attempt_tags, fate_tags, sweep_tags
from tune_tasks.tracking.mlflow_view import ALL_RUNS, list_path, view_path
from tune_tasks.tracking.steps import Step, Steps

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_THREADS = 8
_LAST = "last "


class MlflowTracker(Tracker):
    """Writes one sweep to MLflow.

    Args:
        uri: MLflow's tracking URI, absolute.
    """

    name = "MLflow"
    rows_per_call = 500

    def __init__(self, uri: str) -> None:
        self.threads = _THREADS  # a server may be far away
        if is_local_store(uri):
            self.threads = 1  # a file has one writer at a time anyway
            self.open_s = OPEN_LOCAL_S
        self._uri = uri
        self._again = False
        self._taken = 0
        self._of_thread = threading.local()
        self._runs = MlflowRuns(uri)
        self._current = CurrentRuns(self._runs)
        self._parents: dict[str, ParentRun] = {}
        self._making_parent = threading.Lock()
        self._steps_at_end = Steps(self._took)
        # By the attempt's key: what was done of it, until it has ended.
        self._steps: dict[str, Steps] = {}
        # The metrics that were not finite in an attempt's last report.
        self._diverged: dict[str, str] = {}
        # By what an attempt's last report was infeasible.
        self._infeasible: dict[str, str] = {}

    @property
    def progress(self) -> int:
        """A number that grows whenever MLflow has taken something."""
        return self._taken

    @property
    def own_progress(self) -> int:
        """The same, of the calls of the thread that asks."""
        return getattr(self._of_thread, "taken", 0)

    def _took(self) -> None:
        self._taken += 1
        self._of_thread.taken = self.own_progress + 1

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
        parent.begin(info)
        self._current.expect(info)
        self._steps_of(info).in_order(self._opening(parent, info))
        return {
            "MLFLOW_TRACKING_URI": self._uri,
            "MLFLOW_EXPERIMENT_ID": parent.experiment_id,
            "MLFLOW_RUN_ID": self._runs.ids[info.key],
        }

    def _steps_of(self, info: AttemptInfo) -> Steps:
        return self._steps.setdefault(info.key, Steps(self._took))

    def _opening(self, parent: ParentRun, info: AttemptInfo) -> Iterator[Step]:
        yield "create", partial(self._create, parent, info)
        run_id = self._runs.ids[info.key]
        params = flat_params(masked_by_path(info.trial.searched))
        searched = self._sweep.experiments[info.trial.experiment].params
        yield from self._runs.param_steps(run_id, params | chart_params(searched, params))
        yield "current", partial(self._current.settle, parent.experiment_id, info)

    def _create(self, parent: ParentRun, info: AttemptInfo) -> None:
        self._runs.find_or_create(
            parent.experiment_id,
            info.key,
            attempt_name(info.trial, info.attempt),
            attempt_tags(self._sweep, info, parent.experiment_id, parent.run_id),
            info.started_at,
        )

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
        experiment = self._sweep.experiments[info.trial.experiment]
        compared_by = experiment.compared_by
        over = experiment.step_metric
        points = list(points_of(rows, compared_by.metrics(), over))
        points += settings_of(rows, experiment.changing, over)
        steps = self._steps_of(info)
        steps.in_order(self._runs.metric_steps(self._runs.ids[info.key], points))
        steps.forget("metrics ")  # the next call has others
        self._diverged[info.key] = ", ".join(non_finite_metrics(rows[-1]))
        self._infeasible[info.key] = compared_by.infeasibility(rows[-1]) or ""
        self._parent(info.trial.experiment).report(info, rows[-1])

    def close_attempt(self, info: AttemptInfo, outcome: Outcome) -> None:
        """Give the run its last tags, end it, and give it its files."""
        parent = self._parent(info.trial.experiment)
        steps = self._steps_of(info)
        steps.forget(_LAST)  # of an attempt that was paused, and has another end now
        steps.in_order(self._closing(parent, info, outcome))
        # Only now: the steps above are tried again if one of them has failed.
        if outcome.ended_by is not EndedBy.PAUSED:
            self._steps.pop(info.key, None)
            self._diverged.pop(info.key, None)
            self._infeasible.pop(info.key, None)
        parent.end_attempt(info, outcome)

    def _closing(self, parent: ParentRun, info: AttemptInfo, outcome: Outcome) -> Iterator[Step]:
        run_id = self._runs.ids[info.key]
        tags = self._last_tags(info, outcome)
        status = _status(outcome)
        ended_at = milliseconds(_ended_at(AttemptPaths(info.folder)))
        yield f"{_LAST}tags", partial(self._runs.log_tags, run_id, tags)
        yield f"{_LAST}status", partial(self._client.set_terminated, run_id, status, ended_at)
        yield "ghosts", partial(self._runs.drop_ghosts, parent.experiment_id, info.key)
        if outcome.state is TrialState.ERROR or outcome.ended_by in CUT_SHORT:
            # Its process may have died, and have left runs of its own.
            end_children = self._runs.end_children
            yield "children", partial(end_children, parent.experiment_id, run_id, status)
        yield from self._files(run_id, info, outcome)

    def _last_tags(self, info: AttemptInfo, outcome: Outcome) -> dict[str, str]:
        return {
            # A subprocess of the script may have begun the run again, under another name.
            "mlflow.runName": attempt_name(info.trial, info.attempt)[:NAME_LENGTH],
            "tune_tasks.state": str(outcome.state),
            "tune_tasks.stop_reason": outcome.stop_reason,
            **fate_tags(outcome),
            "tune_tasks.diverged": self._diverged.get(info.key, ""),
            INFEASIBLE_TAG: self._infeasible.get(info.key, "")[:TAG_LENGTH],
            "tune_tasks.error": (outcome.error or "")[-TAG_LENGTH:],  # its end says what failed
        }

    def _files(self, run_id: str, info: AttemptInfo, outcome: Outcome) -> Iterator[Step]:
        paths = AttemptPaths(info.folder)
        log_text = self._client.log_text
        # From memory, because something else may have removed or overwritten the files.
        params = params_text(info.trial.config)
        yield "config", partial(log_text, run_id, params, paths.params.name)
        if outcome.error:
            error = outcome.error.rstrip() + "\n"
            yield "error", partial(log_text, run_id, error, paths.error.name)
        if paths.log.is_file() and paths.log.stat().st_size:
            yield "log", partial(self._client.log_artifact, run_id, str(paths.log))
        checkpoint = checkpoint_to_log(info, outcome)
        if checkpoint:
            log_artifacts = self._client.log_artifacts
            yield "checkpoint", partial(log_artifacts, run_id, str(checkpoint), "checkpoint")

    def close_sweep(self, summary: Summary) -> None:
        """End the parent runs, each with its experiment's report, table of results and last view.

        Raises:
            RuntimeError: If something failed; whatever stands alone was done all the same.
        """
        problems: list[Exception] = []
        for experiment in summary.experiments:
            problems += self._end(experiment, _sweep_status(summary, experiment))
        if self._again:
            problems += self._steps_at_end.each([("dropped", self._settle_dropped)])
        if problems:
            raise RuntimeError("; ".join(f"{type(exc).__name__}: {exc}" for exc in problems))

    def _settle_dropped(self) -> None:
        settle_dropped(self._runs, self._sweep)

    def _end(self, experiment: ExperimentSummary, status: str) -> list[Exception]:
        """End an experiment's parent run; return what failed."""
        try:
            parent = self._parent(experiment.name)
        except Exception as exc:  # noqa: BLE001 - the other experiments stand alone
            return [exc]
        return parent.end(experiment, status)

    def _parent(self, name: str) -> ParentRun:
        """Return the sweep's parent run in an experiment; the first call creates both."""
        # The lock is held during requests: otherwise each of the threads would create the run.
        with self._making_parent:
            if name not in self._parents:
                self._parents[name] = self._make_parent(name)
            return self._parents[name]

    def _make_parent(self, name: str) -> ParentRun:
        info = self._sweep.experiments[name]
        experiment_id = self._runs.experiment(name)
        tags = sweep_tags(self._sweep, info)
        run_id = self._runs.find_or_create(
            experiment_id, parent_key(name), self._sweep.sweep, tags, time.time()
        )
        self._took()
        return ParentRun(
            self._runs,
            self._sweep,
            name,
            experiment_id,
            run_id,
            again=self._again,
            on_done=self._took,
        )


def _ended_at(paths: AttemptPaths) -> float:
    """Return when an attempt has ended, which may be long ago, in seconds since the epoch."""
    try:
        return paths.outcome.stat().st_mtime
    except OSError:  # its process has written none, or on another machine
        return time.time()


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
