"""MLflow in the user's script.

The trial's run is the active one, and the next trial in the process finds nothing of it.

A trial's process does not import MLflow unless the script does, which costs seconds and 200 MB. So
all of this happens when the script's own import of MLflow has ended, or at the trial's start if an
earlier trial in the process has imported it.

What the script calls keeps MLflow's own meaning as far as it can. The exceptions are the calls that
would lead away from the trial's run:

- In every thread and forked child the trial's run is the active one to begin with. `start_run()`
  without `nested` gives it out (again); with `nested` it makes a child of it. Ending it takes it
  from MLflow's stack of active runs, but not from its state RUNNING: the recorder ends it, once it
  has sent what was reported.
- `set_experiment` and `set_tracking_uri` change nothing, since a run stays where it is. A note says
  so.

MLflow offers no hook for any of this, so that a few of its functions are wrapped. The wrappers stay
for the life of the process (whoever did `from mlflow import start_run` keeps one) and step aside
between trials.
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
_WITHOUT_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


@dataclass
class _TrialRun:
    """The trial's run.

    Attributes:
        other_names: What the script took for the name of its experiment.
        notes: What was said of the script's calls; each is said once.
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
    """What this process runs.

    Attributes:
        trial: The run of its trial; None between trials, and while MLflow has no run of it.
    """

    trial: ClassVar[_TrialRun | None] = None


@contextlib.contextmanager
def trial_run_active(environment: Mapping[str, str]) -> Iterator[None]:
    """While user code runs, have it log to the trial's run. Afterwards MLflow is as before.

    Args:
        environment: MLflow's variables, which name the run. Without them the script's calls go
            where they would anywhere, but leave nothing behind either.
    """
    _Process.trial = _named_in(environment)
    leave: list[Callable[[str], None]] = []
    status = "FINISHED"
    try:
        with after_import("mlflow", lambda: leave.append(_enter(_Process.trial))):
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

    Returns what undoes that and all that the script did to MLflow.
    """
    try:
        _wrap_functions()
        before = _State.now()
        if run:
            _activate(run)
    except Exception as exc:  # noqa: BLE001 - another MLflow than we know: a tracker never fails a trial
        print(
            f"tune-tasks: MLflow's active run could not be set: {type(exc).__name__}: {exc}",
            file=sys.stderr,
        )
        return lambda _: None
    return before.restore


def _fluent() -> Any:
    """The module with MLflow's active runs."""
    from mlflow.tracking import fluent

    return fluent


def _service() -> Any:
    """The module with MLflow's tracking URI."""
    from mlflow.tracking._tracking_service import utils

    return utils


def _autologging() -> Any:
    """The module with what autolog has done."""
    from mlflow.utils import autologging_utils

    return autologging_utils


def _activate(run: _TrialRun) -> None:
    from mlflow.tracking import MlflowClient

    fluent = _fluent()

    def stack() -> list[Any]:
        try:
            return [fluent.ActiveRun(MlflowClient().get_run(run.run_id))]
        except Exception:  # noqa: BLE001 - MLflow is away: the script's own call says so, or it comes back before
            return []

    # The environment says the same, as long as the script does not change it
    _service()._tracking_uri = run.uri
    _service().reset()  # where traces go: that goes by the URI
    fluent._active_run_stack.reset()
    # In each thread and forked child, at its first use
    fluent._active_run_stack.default_factory = stack


@dataclass(frozen=True)
class _State:
    """What MLflow keeps for a process.

    Attributes:
        variables: Module and name of each, with its value.
        hooks: What is to be done when a library is imported, by its name; autolog's way to reach
            libraries that come later.
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
        return cls(
            {(module, name): getattr(module, name) for module, name in names},
            {name: list(hooks) for name, hooks in _post_import_hooks.items()},
            {
                name: dict(settings)
                for name, settings in _autologging().AUTOLOGGING_INTEGRATIONS.items()
            },
            _fluent()._active_run_stack.default_factory,
        )

    def restore(self, status: str) -> None:
        """Have MLflow be so again; runs that the script left open get the status."""
        steps: Sequence[Callable[[], None]] = (
            functools.partial(_end_open_runs, status),
            self._restore_autologs,
            self._restore_variables,
        )
        for step in steps:
            try:
                step()
            except Exception as exc:  # noqa: BLE001 - the trial has ended as it has
                print(
                    f"tune-tasks: MLflow could not be set back: {type(exc).__name__}: {exc}",
                    file=sys.stderr,
                )

    def _restore_autologs(self) -> None:
        from mlflow.utils.import_hooks import _post_import_hooks

        integrations = _autologging().AUTOLOGGING_INTEGRATIONS
        for name, settings in list(integrations.items()):
            if settings != (before := dict(self.autologs.get(name, {}))):
                _autologging().revert_patches(name)
                integrations[name] = before
        # Without any, it was imported
        for name in [name for name, hooks in _post_import_hooks.items() if hooks]:
            if name in self.hooks:
                _post_import_hooks[name] = list(self.hooks[name])
            else:
                del _post_import_hooks[name]

    def _restore_variables(self) -> None:
        fluent = _fluent()
        for (module, name), value in self.variables.items():
            setattr(module, name, value)
        fluent._active_run_stack.default_factory = self.stack
        for name in (
            "_active_run_stack",
            "_last_active_run_id",
            "_last_logged_model_id",
            "_ACTIVE_MODEL_CONTEXT",
        ):
            if variable := getattr(fluent, name, None):
                variable.reset()
        _service().reset()


def _end_open_runs(status: str) -> None:
    from mlflow.tracking import MlflowClient

    fluent = _fluent()
    with _environment(_WITHOUT_PATIENCE):
        for stack in fluent._active_run_stack.get_all_thread_values().values():
            for run in reversed(stack):
                # The trial has ended, whether MLflow hears of it or not
                with contextlib.suppress(Exception):
                    MlflowClient().set_terminated(run.info.run_id, status)
        for run_id in list(fluent.run_id_to_system_metrics_monitor):
            with contextlib.suppress(Exception):
                fluent.run_id_to_system_metrics_monitor.pop(run_id).finish()


@functools.cache
def _wrap_functions() -> None:
    """Put our wrappers in the place of MLflow's functions, once a process."""
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
            active.clear()  # it was active unasked: what is started now takes its place
        if not nested and not run_id and not parent_run_id:
            run_id = trial.run_id
            if experiment_id is not None and str(experiment_id) != trial.experiment_id:
                trial.note(
                    f"mlflow.start_run(experiment_id={experiment_id!r})",
                    f"experiment {trial.experiment_id}",
                )
        if run_id == trial.run_id:
            # The trial's run has a name, which leads back to the trial
            experiment_id = run_name = None
        elif not run_id:
            experiment_id = experiment_id or trial.experiment_id
            parent_run_id = parent_run_id or (None if active else trial.run_id)
        # It would be taken for the run that is to be resumed
        with _environment({}, without=_RUN_ID):
            return original(run_id, experiment_id, run_name, nested, parent_run_id, **others)

    return start_run


def _end_run(original: Callable[..., Any]) -> Callable[..., Any]:
    def end_run(status: str = "FINISHED") -> None:
        if _Process.trial and status == "FAILED" and isinstance(sys.exc_info()[1], TrialStopped):
            # `with start_run(nested=True)` in a trial that was ended by a criterion
            status = "FINISHED"
        # It takes the run's variable away, which subprocesses of the script need
        with _environment({}):
            original(status)

    return end_run


def _set_experiment(original: Callable[..., Any]) -> Callable[..., Any]:
    def set_experiment(
        experiment_name: str | None = None, experiment_id: str | None = None, **others: Any
    ) -> Any:
        from mlflow.tracking import MlflowClient

        trial = _Process.trial
        # The latter is MLflow's error
        if trial is None or (experiment_name is None) == (experiment_id is None):
            return original(experiment_name, experiment_id, **others)
        experiment = MlflowClient().get_experiment(trial.experiment_id)
        if experiment_name not in (None, experiment.name) or experiment_id not in (
            None,
            trial.experiment_id,
        ):
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
        """The script's usual next step after `set_experiment(name)`."""
        found, trial = original(self, name), _Process.trial
        return (
            self.get_experiment(trial.experiment_id)
            if found is None and trial and name in trial.other_names
            else found
        )

    return get_experiment_by_name


@contextlib.contextmanager
def _environment(changed: Mapping[str, str], without: str | None = None) -> Iterator[None]:
    """Environment variables that are so for a moment, the run's among them."""
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
