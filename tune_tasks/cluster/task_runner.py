"""Runs Prefect's tasks on Ray: prefect-ray's task runner, made fit for many short trials."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid4

import ray
from prefect import Flow, task_engine
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, SyncClientContext, hydrated_context, serialize_context
from prefect.futures import PrefectFuture
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.task_engine import run_task_sync
from prefect.tasks import Task
from prefect_ray.context import RemoteOptionsContext
from prefect_ray.task_runners import PrefectRayFuture, RayTaskRunner

from tune_tasks.cluster.stored_trainable import forget_references
from tune_tasks.model.patching import replaced

logger = logging.getLogger(__name__)

# ---- In the driver


class SweepTaskRunner(RayTaskRunner[Any]):
    """prefect-ray's task runner for many short tasks on a Ray that is there already.

    Its base differs in three ways: it starts Ray, which `connect` does here; it lets Ray run a
    task again whose process died; and it pickles the flow's context for every task, and rebuilds
    it in every task, where this one does both once.
    """

    def __init__(
        self, address: str | None = None, init_kwargs: dict[str, Any] | None = None
    ) -> None:
        super().__init__(address, init_kwargs)
        self._stored_tasks: dict[int, tuple[Any, Task[Any, Any]]] = {}
        self._context: tuple[str, Any] | None = None

    # These two do not call their bases, which would start Ray and end it

    def __enter__(self) -> SweepTaskRunner:
        self._started = True
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._started = False

    def submit(
        self,
        task: Task[Any, Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, Any] | None = None,
    ) -> PrefectRayFuture[Any]:
        """Submit a task with the options of the `remote_options` context.

        Its parameters may hold no futures.
        """
        if not self._started:
            raise RuntimeError("The task runner must be started before submitting work.")
        task_run_id = uuid4()
        options = dict(RemoteOptionsContext.get().current_remote_options)
        # `.options()` does not know `max_calls`: only the function itself can have it
        remote = _isolated_function() if options.pop("max_calls", None) else _warm_function()
        flow_run_id, context = self._flow_context()
        reference = remote.options(name=task.name, **options).remote(
            self._stored(task), context, flow_run_id, task_run_id, parameters
        )
        return PrefectRayFuture(task_run_id=task_run_id, wrapped_future=reference)

    def _flow_context(self) -> tuple[str, Any]:
        """Return the flow run's id, and its stored context."""
        flow_run = FlowRunContext.get()
        flow_run_id = str(flow_run.flow_run.id) if flow_run and flow_run.flow_run else ""
        if self._context is None or self._context[0] != flow_run_id:
            self._context = (flow_run_id, ray.put(_context_of_a_trial()))
        return self._context

    def _stored(self, task: Task[Any, Any]) -> Any:
        """Return Ray's reference to the task.

        The task is held beside it: otherwise a later one could be given the same id.
        """
        if id(task) not in self._stored_tasks:
            self._stored_tasks[id(task)] = (ray.put(task), task)
        reference, _ = self._stored_tasks[id(task)]
        return reference


def _context_of_a_trial() -> dict[str, Any]:
    """Return the context of the flow run, as it is sent to the workers.

    A flow is unpickled by name: a worker would import all that runs a sweep, the specs, searches
    and trackers. So one that is light stands in its place, with what Prefect asks of it there.
    """
    context = serialize_context()
    flow_run = context.get("flow_run_context")
    if flow_run:
        flow = flow_run["flow"]
        flow_run["flow"] = Flow(
            _no_flow, name=flow.name, log_prints=flow.log_prints, task_runner=flow.task_runner
        )
    return context


def _no_flow() -> None:
    """Do nothing: see `_context_of_a_trial`."""


# By default Ray runs a task up to three times more if its process dies, and tells nobody. A trial
# would begin again in the same folder, under a task run that says it is running. Whether a trial
# is tried again is the sweep's decision, so Ray makes none: `max_retries=0`.


@functools.cache
def _warm_function() -> Any:
    return ray.remote(max_retries=0)(_run_in_worker)


@functools.cache
def _isolated_function() -> Any:
    return ray.remote(max_retries=0, max_calls=1)(_run_in_worker)


# ---- In a Ray worker


@dataclass(frozen=True)
class _FlowContext:
    """A flow's context in a worker.

    Attributes:
        variables: The context variables in which tasks run.
        held: The managers that keep the context open. Nothing reads them, but when they are
            collected they close it.
    """

    variables: contextvars.Context
    held: tuple[AbstractContextManager[Any], ...]


# By flow run; one at most. To rebuild the settings and to open HTTP clients takes longer than a
# short trial, so both are kept as long as the worker has tasks of the same flow run.
_flow_contexts: dict[str, _FlowContext] = {}


def _run_in_worker(
    task: Task[Any, Any],
    context: Mapping[str, Any],
    flow_run_id: str,
    task_run_id: UUID,
    parameters: dict[str, Any],
) -> State[Any]:
    """Run a Prefect task in a Ray worker; returns its final state."""
    if flow_run_id not in _flow_contexts:
        _flow_contexts.clear()
        try:
            _flow_contexts[flow_run_id] = _open_flow_context(dict(context))
        except Exception as exc:  # noqa: BLE001 - without Prefect the trial runs all the same
            logger.warning("the trial has no task run: %s", exc)
            return cast("State[Any]", task.fn(**parameters))
        forget_references()
    run = functools.partial(
        run_task_sync, task, task_run_id=task_run_id, parameters=parameters, return_type="state"
    )
    # A copy: what one task sets in its context is not there for the next one
    variables = _flow_contexts[flow_run_id].variables.copy()
    with replaced(task_engine, "_concurrency", _without_slot(task_run_id)):
        return cast("State[Any]", variables.run(run))


def _without_slot(task_run_id: UUID) -> Callable[..., AbstractContextManager[Any]]:
    """Return Prefect's `concurrency`, but for this task run one that asks no server.

    The engine asks the server for a slot for each tag of a task run, and waits for an answer before
    it starts the task. A trial must not depend on a server that may be away. The engine has no
    option that leaves the slots out, and the tags must stay, because users filter by them.

    The replacement is for the whole process, so it must leave alone the tasks that `train()` itself
    runs: those wait for their slots as ever.
    """
    with_slot: Callable[..., AbstractContextManager[Any]] = task_engine._concurrency  # type: ignore[attr-defined]

    def concurrency(**options: Any) -> AbstractContextManager[Any]:
        if options["holder"].id == task_run_id:
            return contextlib.nullcontext()
        return with_slot(**options)

    return concurrency


def _open_flow_context(context: dict[str, Any]) -> _FlowContext:
    variables = contextvars.copy_context()
    flow_run = hydrated_context(context)
    variables.run(flow_run.__enter__)
    # Only now, because a client is made for the server of the settings that are in force: without
    # those of the flow run, on a machine whose environment names no server, it starts one.
    clients = variables.run(SyncClientContext)
    variables.run(clients.__enter__)
    _silence_console()
    return _FlowContext(variables, (flow_run, clients))


def _silence_console() -> None:
    """Keep what the engine says to the console out of the trial's log."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, PrefectConsoleHandler):
            root.removeHandler(handler)
