"""Wrappers of MLflow's functions, which keep what a script logs in its trial's run.

MLflow has no hook for that. The wrappers stay for the life of the process, because a module that
did `from mlflow import start_run` keeps one. Between trials they only pass on.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tune_tasks.errors import TrialStopped
from tune_tasks.servers.mlflow_client import absolute_uri, without_password
from tune_tasks.trial.mlflow_run import RUN_ID, ThisProcess, TrialRun, variables_kept
from tune_tasks.trial.mlflow_state import fluent_module, service_module

_Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Makes a wrapper of a function."""


@functools.cache
def wrap_functions() -> None:
    """Put our wrappers in the place of MLflow's functions, once in a process."""
    import mlflow
    from mlflow import tracking
    from mlflow.tracking import MlflowClient

    functions: dict[str, _Wrap] = {
        "start_run": _start_run,
        "end_run": _end_run,
        "set_experiment": _set_experiment,
        "set_tracking_uri": _set_tracking_uri,
    }
    methods: dict[str, _Wrap] = {
        "set_terminated": _set_terminated,
        "get_experiment_by_name": _get_experiment_by_name,
    }
    for name, wrap in functions.items():
        original = getattr(mlflow, name)
        wrapper = functools.wraps(original)(wrap(original))
        for module in (mlflow, tracking, fluent_module(), service_module()):
            if getattr(module, name, None) is original:
                setattr(module, name, wrapper)
    for name, wrap in methods.items():
        original = getattr(MlflowClient, name)
        setattr(MlflowClient, name, functools.wraps(original)(wrap(original)))


def _start_run(original: Callable[..., Any]) -> Callable[..., Any]:
    def start_run(
        run_id: str | None = None,
        experiment_id: str | None = None,
        run_name: str | None = None,
        nested: bool = False,
        parent_run_id: str | None = None,
        **others: Any,
    ) -> Any:
        trial = ThisProcess.trial
        if trial is None:
            return original(run_id, experiment_id, run_name, nested, parent_run_id, **others)
        active = fluent_module()._active_run_stack.get()
        if not nested and [run.info.run_id for run in active] == [trial.run_id]:
            # The script has not started the trial's run, and would be told that a run is active.
            active.clear()
        if not nested and not run_id and not parent_run_id:
            run_id = trial.run_id
            _note_other_experiment(trial, experiment_id)
        if run_id == trial.run_id:
            # The run keeps its name, by which it leads back to the trial.
            experiment_id = None
            run_name = None
        elif not run_id:
            experiment_id = experiment_id or trial.experiment_id
            if not parent_run_id and not active:
                parent_run_id = trial.run_id
        # MLflow takes the variable for the run that is to be resumed.
        with variables_kept(without=RUN_ID):
            return original(run_id, experiment_id, run_name, nested, parent_run_id, **others)

    return start_run


def _note_other_experiment(trial: TrialRun, experiment_id: str | None) -> None:
    if experiment_id is not None and str(experiment_id) != trial.experiment_id:
        trial.note(
            f"mlflow.start_run(experiment_id={experiment_id!r})",
            f"experiment {trial.experiment_id}",
        )


def _end_run(original: Callable[..., Any]) -> Callable[..., Any]:
    def end_run(status: str = "FINISHED") -> None:
        is_stopped = isinstance(sys.exc_info()[1], TrialStopped)
        if ThisProcess.trial and status == "FAILED" and is_stopped:
            # A criterion has ended the trial in `with start_run(nested=True)`.
            status = "FINISHED"
        # MLflow removes the run's variable, which subprocesses of the script need.
        with variables_kept():
            original(status)

    return end_run


def _set_experiment(original: Callable[..., Any]) -> Callable[..., Any]:
    def set_experiment(
        experiment_name: str | None = None, experiment_id: str | None = None, **others: Any
    ) -> Any:
        from mlflow.tracking import MlflowClient

        trial = ThisProcess.trial
        # MLflow raises an error of its own if both are given, or neither.
        is_wrong = (experiment_name is None) == (experiment_id is None)
        if trial is None or is_wrong:
            return original(experiment_name, experiment_id, **others)
        experiment = MlflowClient().get_experiment(trial.experiment_id)
        has_other_name = experiment_name not in (None, experiment.name)
        has_other_id = experiment_id not in (None, trial.experiment_id)
        if has_other_name or has_other_id:
            trial.note(
                f"mlflow.set_experiment({experiment_name or experiment_id!r})",
                f"experiment {experiment.name!r}",
            )
            trial.other_names.add(str(experiment_name))
        return experiment

    return set_experiment


def _set_tracking_uri(original: Callable[..., Any]) -> Callable[..., Any]:
    def set_tracking_uri(uri: str | Path) -> None:
        trial = ThisProcess.trial
        if trial is None:
            original(uri)
        elif absolute_uri(str(uri), Path.cwd()) != trial.uri.rstrip("/"):
            own = without_password(trial.uri)
            trial.note(
                f"mlflow.set_tracking_uri({without_password(str(uri))!r})",
                f"in {own}; MLFLOW_TRACKING_URI says where a sweep's results go",
            )

    return set_tracking_uri


def _set_terminated(original: Callable[..., Any]) -> Callable[..., Any]:
    def set_terminated(self: Any, run_id: str, *args: Any, **others: Any) -> None:
        if ThisProcess.trial is None or run_id != ThisProcess.trial.run_id:
            original(self, run_id, *args, **others)

    return set_terminated


def _get_experiment_by_name(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_experiment_by_name(self: Any, name: str) -> Any:
        """Return the trial's experiment for a name that the script has set, which may not exist."""
        found = original(self, name)
        trial = ThisProcess.trial
        if found is None and trial and name in trial.other_names:
            return self.get_experiment(trial.experiment_id)
        return found

    return get_experiment_by_name
