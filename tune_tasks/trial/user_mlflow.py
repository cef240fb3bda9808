"""MLflow in the user's script: the trial's run is the active one, and no later trial finds it.

A trial's process does not import MLflow unless the script does, because that costs seconds and 200
MB. So all of this happens when the script's own import of MLflow has ended, or at the trial's start
if an earlier trial in the process has imported it.

What the script calls keeps MLflow's own meaning, except for calls that would lead away from the
trial's run:

- In each thread and forked child the trial's run is the active one to begin with. `start_run()`
  without `nested` gives the trial's run, as often as it is called; with `nested` it makes a child
  of it. `end_run()` takes the run from MLflow's stack of active runs, but the run stays RUNNING:
  the recorder ends it, once it has sent what was reported.
- `set_experiment` and `set_tracking_uri` change nothing, because a run cannot be moved. A note in
  the trial's log says so.

MLflow has no hook for any of this, so a few of its functions are wrapped. The wrappers stay for the
life of the process, because a module that did `from mlflow import start_run` keeps one. Between
trials they only pass on.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from tune_tasks.errors import TrialStopped
from tune_tasks.servers.mlflow_client import absolute_uri, without_password
from tune_tasks.trial.import_hook import after_import

_RUN_ID = "MLFLOW_RUN_ID"
_OF_A_THREAD = (
    "_active_run_stack",
    "_last_active_run_id",
    "_last_logged_model_id",
    "_ACTIVE_MODEL_CONTEXT",
)
"""MLflow's variables that have a value for each thread."""
_WITHOUT_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""By default a call waits minutes for a server that is away, and so would the trial's end."""


@dataclass
class _TrialRun:
    """The trial's run in MLflow.

    Attributes:
        uri: MLflow's tracking URI.
        experiment_id: Of the run's experiment.
        run_id: The run's id.
        other_names: The names of experiments that the script wanted to log to.
        notes: The notes that the log has, so that each is there once.
    """

    uri: str
    experiment_id: str
    run_id: str
    other_names: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)

    def note(self, call: str, where: str) -> None:
        """Say in the trial's log that a call does not lead away from the trial's run."""
        text = (
            f"tune-tasks: {call} changes nothing in a trial: what the script logs is in the trial's"
            f" own run ({where})"
        )
        if text not in self.notes:
            self.notes.add(text)
            print(text, file=sys.stderr, flush=True)


class _Process:
    """The state of this process, which the wrappers look at.

    Attributes:
        trial: The run of its trial; None between trials, and if the trial has no run.
    """

    trial: ClassVar[_TrialRun | None] = None


@contextlib.contextmanager
def trial_run_active(environment: Mapping[str, str]) -> Iterator[None]:
    """Have user code log to the trial's run. Afterwards MLflow is as before.

    Args:
        environment: MLflow's variables, which name the run. Without them the script's calls go
            where they would go outside of a sweep; here, too, nothing of them is left afterwards.
    """
    _Process.trial = _named_in(environment)
    leave: list[Callable[[str], None]] = []
    status = "FINISHED"

    def enter() -> None:
        leave.append(_enter(_Process.trial))

    try:
        with after_import("mlflow", enter):
            yield
    except Exception:
        status = "FAILED"
        raise
    finally:
        for step in leave:
            step(status)
        _Process.trial = None


def _named_in(environment: Mapping[str, str]) -> _TrialRun | None:
    try:
        return _TrialRun(
            environment["MLFLOW_TRACKING_URI"],
            environment["MLFLOW_EXPERIMENT_ID"],
            environment[_RUN_ID],
        )
    except KeyError:
        return None


def _enter(run: _TrialRun | None) -> Callable[[str], None]:
    """Make the run MLflow's active one.

    Returns:
        A function that undoes this, and all that the script did to MLflow. It takes the status for
        the runs that the script has left open.
    """
    try:
        _wrap_functions()
        before = _State.now()
        if run:
            _activate(run)
    # Another version of MLflow may lack what we change. A tracker never fails a trial.
    except Exception as exc:  # noqa: BLE001
        _complain("MLflow's active run could not be set", exc)
        return lambda _: None
    return before.restore


def _complain(what: str, exc: Exception) -> None:
    print(f"tune-tasks: {what}: {type(exc).__name__}: {exc}", file=sys.stderr)


def _fluent() -> Any:
    """The module that holds MLflow's active runs."""
    from mlflow.tracking import fluent

    return fluent


def _service() -> Any:
    """The module that holds MLflow's tracking URI."""
    from mlflow.tracking._tracking_service import utils

    return utils


def _autologging() -> Any:
    """The module that knows what autolog has changed."""
    from mlflow.utils import autologging_utils

    return autologging_utils


def _activate(run: _TrialRun) -> None:
    from mlflow.tracking import MlflowClient

    fluent = _fluent()

    def stack() -> list[Any]:
        try:
            return [fluent.ActiveRun(MlflowClient().get_run(run.run_id))]
        # MLflow is away. The script's own call says so, unless MLflow is back by then.
        except Exception:  # noqa: BLE001
            return []

    # The environment has the URI too, but the script may change the environment.
    _service()._tracking_uri = run.uri
    # Traces go to the URI that was there before, until this is called.
    _service().reset()
    # The stack is made anew in each thread and forked child, when it is first used there.
    fluent._active_run_stack.reset()
    fluent._active_run_stack.default_factory = stack


@dataclass(frozen=True)
class _State:
    """What MLflow keeps for a process.

    Attributes:
        variables: The values of global variables, by module and name.
        hooks: By library, the functions to call when the library is imported. Autolog uses them to
            reach libraries that the script has not imported yet.
        autologs: Autolog's settings by library.
        stack: Makes the stack of active runs of a thread.
    """

    variables: Mapping[tuple[ModuleType, str], Any]
    hooks: Mapping[str, list[Any]]
    autologs: Mapping[str, Mapping[str, Any]]
    stack: Callable[[], list[Any]]

    @classmethod
    def now(cls) -> _State:
        from mlflow.tracking._model_registry import utils as registry
        from mlflow.utils.import_hooks import _post_import_hooks

        names = (
            (_service(), "_tracking_uri"),
            (registry, "_registry_uri"),
            (_fluent(), "_active_experiment_id"),
        )
        integrations = _autologging().AUTOLOGGING_INTEGRATIONS
        return cls(
            variables={(module, name): getattr(module, name) for module, name in names},
            hooks={name: list(hooks) for name, hooks in _post_import_hooks.items()},
            autologs={name: dict(settings) for name, settings in integrations.items()},
            stack=_fluent()._active_run_stack.default_factory,
        )

    def restore(self, status: str) -> None:
        """Put MLflow back into this state.

        Args:
            status: For the runs that the script has left open.
        """
        steps: Sequence[Callable[[], None]] = (
            functools.partial(_end_open_runs, status),
            self._restore_autologs,
            self._restore_variables,
        )
        for step in steps:
            # The trial has ended by now, and a step that fails does not change how.
            try:
                step()
            except Exception as exc:  # noqa: BLE001
                _complain("MLflow could not be set back", exc)

    def _restore_autologs(self) -> None:
        from mlflow.utils.import_hooks import _post_import_hooks

        integrations = _autologging().AUTOLOGGING_INTEGRATIONS
        for name, settings in list(integrations.items()):
            before = dict(self.autologs.get(name, {}))
            if settings != before:
                _autologging().revert_patches(name)
                integrations[name] = before
        # A library without hooks has been imported: MLflow has called them, and would not call
        # others.
        waiting = [name for name, hooks in _post_import_hooks.items() if hooks]
        for name in waiting:
            if name in self.hooks:
                _post_import_hooks[name] = list(self.hooks[name])
            else:
                del _post_import_hooks[name]

    def _restore_variables(self) -> None:
        fluent = _fluent()
        for (module, name), value in self.variables.items():
            setattr(module, name, value)
        fluent._active_run_stack.default_factory = self.stack
        for name in _OF_A_THREAD:
            # Not every version of MLflow has all of them.
            variable = getattr(fluent, name, None)
            if variable:
                variable.reset()
        _service().reset()


def _end_open_runs(status: str) -> None:
    from mlflow.tracking import MlflowClient

    fluent = _fluent()
    with _environment(_WITHOUT_PATIENCE):
        for stack in fluent._active_run_stack.get_all_thread_values().values():
            for run in reversed(stack):
                # The trial has ended, whether MLflow can be told or not.
                with contextlib.suppress(Exception):
                    MlflowClient().set_terminated(run.info.run_id, status)
        for run_id in list(fluent.run_id_to_system_metrics_monitor):
            with contextlib.suppress(Exception):
                fluent.run_id_to_system_metrics_monitor.pop(run_id).finish()


@functools.cache
def _wrap_functions() -> None:
    """Put our wrappers in the place of MLflow's functions, once in a process."""
    import mlflow
    from mlflow import tracking
    from mlflow.tracking import MlflowClient

    for make in (_start_run, _end_run, _set_experiment, _set_tracking_uri):
        name = make.__name__[1:]
        original = getattr(mlflow, name)
        wrapper = functools.wraps(original)(make(original))
        for module in (mlflow, tracking, _fluent(), _service()):
            if getattr(module, name, None) is original:
                setattr(module, name, wrapper)
    for make in (_set_terminated, _get_experiment_by_name):
        name = make.__name__[1:]
        original = getattr(MlflowClient, name)
        setattr(MlflowClient, name, functools.wraps(original)(make(original)))


def _start_run(original: Callable[..., Any]) -> Callable[..., Any]:
    def start_run(
        run_id: str | None = None,
        experiment_id: str | None = None,
        run_name: str | None = None,
        nested: bool = False,
        parent_run_id: str | None = None,
        **others: Any,
    ) -> Any:
        trial = _Process.trial
        if trial is None:
            return original(run_id, experiment_id, run_name, nested, parent_run_id, **others)
        active = _fluent()._active_run_stack.get()
        if not nested and [run.info.run_id for run in active] == [trial.run_id]:
            # The script has not started the trial's run, and would be told that a run is active.
            active.clear()
        if not nested and not run_id and not parent_run_id:
            run_id = trial.run_id
            if experiment_id is not None and str(experiment_id) != trial.experiment_id:
                trial.note(
                    f"mlflow.start_run(experiment_id={experiment_id!r})",
                    f"experiment {trial.experiment_id}",
                )
        if run_id == trial.run_id:
            # The run keeps its name, by which it leads back to the trial.
            experiment_id = None
            run_name = None
        elif not run_id:
            experiment_id = experiment_id or trial.experiment_id
            if not parent_run_id and not active:
                parent_run_id = trial.run_id
        # Without the variable, which MLflow takes for the run that is to be resumed
        with _environment({}, without=_RUN_ID):
            return original(run_id, experiment_id, run_name, nested, parent_run_id, **others)

    return start_run


def _end_run(original: Callable[..., Any]) -> Callable[..., Any]:
    def end_run(status: str = "FINISHED") -> None:
        is_stopped = isinstance(sys.exc_info()[1], TrialStopped)
        if _Process.trial and status == "FAILED" and is_stopped:
            # A criterion has ended the trial in `with start_run(nested=True)`.
            status = "FINISHED"
        # MLflow removes the run's variable, which subprocesses of the script need.
        with _environment({}):
            original(status)

    return end_run


def _set_experiment(original: Callable[..., Any]) -> Callable[..., Any]:
    def set_experiment(
        experiment_name: str | None = None, experiment_id: str | None = None, **others: Any
    ) -> Any:
        from mlflow.tracking import MlflowClient

        trial = _Process.trial
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
        trial = _Process.trial
        if trial is None:
            original(uri)
        elif absolute_uri(str(uri), Path.cwd()) != trial.uri.rstrip("/"):
            shown, own = without_password(str(uri)), without_password(trial.uri)
            trial.note(
                f"mlflow.set_tracking_uri({shown!r})",
                f"in {own}; MLFLOW_TRACKING_URI says where a sweep's results go",
            )

    return set_tracking_uri


def _set_terminated(original: Callable[..., Any]) -> Callable[..., Any]:
    def set_terminated(self: Any, run_id: str, *args: Any, **others: Any) -> None:
        if _Process.trial is None or run_id != _Process.trial.run_id:
            original(self, run_id, *args, **others)

    return set_terminated


def _get_experiment_by_name(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_experiment_by_name(self: Any, name: str) -> Any:
        """What scripts call after `set_experiment(name)`: the trial's experiment for that name."""
        found = original(self, name)
        trial = _Process.trial
        if found is None and trial and name in trial.other_names:
            return self.get_experiment(trial.experiment_id)
        return found

    return get_experiment_by_name


@contextlib.contextmanager
def _environment(changed: Mapping[str, str], without: str | None = None) -> Iterator[None]:
    """Change environment variables, and put them back afterwards; the run's in any case.

    Args:
        changed: The variables to set.
        without: The variable to remove.
    """
    names = {*changed, _RUN_ID}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(changed)
    if without:
        os.environ.pop(without, None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
