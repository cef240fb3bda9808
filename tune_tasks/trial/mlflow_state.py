"""What MLflow keeps for a process: the trial's run is put in, and all is put back afterwards."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tune_tasks.trial.mlflow_run import TrialRun, variables_kept

_OF_A_THREAD = (
    "_active_run_stack",
    "_last_active_run_id",
    "_last_logged_model_id",
    "_ACTIVE_MODEL_CONTEXT",
)
"""MLflow's variables that have a value for each thread."""
_WITHOUT_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""By default a call waits minutes for a server that is away, and so would the trial's end."""


def fluent_module() -> Any:
    """The module that holds MLflow's active runs."""
    from mlflow.tracking import fluent

    return fluent


def service_module() -> Any:
    """The module that holds MLflow's tracking URI."""
    from mlflow.tracking._tracking_service import utils

    return utils


def _autologging() -> Any:
    """The module that knows what autolog has changed."""
    from mlflow.utils import autologging_utils

    return autologging_utils


def complain(what: str, exc: Exception) -> None:
    """Say in the trial's log that something went wrong; the trial goes on."""
    print(f"tune-tasks: {what}: {type(exc).__name__}: {exc}", file=sys.stderr)


def activate(run: TrialRun) -> None:
    """Make a run the active one in each thread and forked child."""
    from mlflow.tracking import MlflowClient

    fluent = fluent_module()

    def stack() -> list[Any]:
        try:
            return [fluent.ActiveRun(MlflowClient().get_run(run.run_id))]
        except Exception:  # noqa: BLE001 - MLflow is away: the script's own call says so, if it still is
            return []

    # The environment has the URI too, but the script may change the environment.
    service_module()._tracking_uri = run.uri
    # Traces go to the URI that was there before, until this is called.
    service_module().reset()
    # The stack is made anew in each thread and forked child, when it is first used there.
    fluent._active_run_stack.reset()
    fluent._active_run_stack.default_factory = stack


@dataclass(frozen=True)
class MlflowState:
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
    def now(cls) -> MlflowState:
        """Note how MLflow is set now."""
        from mlflow.tracking._model_registry import utils as registry
        from mlflow.utils.import_hooks import _post_import_hooks

        names = (
            (service_module(), "_tracking_uri"),
            (registry, "_registry_uri"),
            (fluent_module(), "_active_experiment_id"),
        )
        integrations = _autologging().AUTOLOGGING_INTEGRATIONS
        return cls(
            variables={(module, name): getattr(module, name) for module, name in names},
            hooks={name: list(hooks) for name, hooks in _post_import_hooks.items()},
            autologs={name: dict(settings) for name, settings in integrations.items()},
            stack=fluent_module()._active_run_stack.default_factory,
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
            try:
                step()
            except Exception as exc:  # noqa: BLE001 - the trial has ended, and this does not change how
                complain("MLflow could not be set back", exc)

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
        fluent = fluent_module()
        for (module, name), value in self.variables.items():
            setattr(module, name, value)
        fluent._active_run_stack.default_factory = self.stack
        for name in _OF_A_THREAD:
            # Not every version of MLflow has all of them.
            variable = getattr(fluent, name, None)
            if variable:
                variable.reset()
        service_module().reset()


def _end_open_runs(status: str) -> None:
    from mlflow.tracking import MlflowClient

    fluent = fluent_module()
    with variables_kept(**_WITHOUT_PATIENCE):
        for stack in fluent._active_run_stack.get_all_thread_values().values():
            for run in reversed(stack):
                # The trial has ended, whether MLflow can be told or not.
                with contextlib.suppress(Exception):
                    MlflowClient().set_terminated(run.info.run_id, status)
        for run_id in list(fluent.run_id_to_system_metrics_monitor):
            with contextlib.suppress(Exception):
                fluent.run_id_to_system_metrics_monitor.pop(run_id).finish()
