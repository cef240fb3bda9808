"""Closes in Prefect what the dead drivers of a sweep have left open there."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterId,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import TaskRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from tune_tasks.errors import ServiceError

logger = logging.getLogger(__name__)

_OPEN = [
    StateType.SCHEDULED,
    StateType.PENDING,
    StateType.RUNNING,
    StateType.PAUSED,
    StateType.CANCELLING,
]
_RUNNING = [StateType.RUNNING, StateType.CANCELLING]
_PAGE = 200
_CANCELLING_S = 60.0
"""Longer than a worker takes to end a run that is cancelled."""
_CLOCKS_S = 5.0
"""The server's clock may be that far from ours."""


def close_flow_runs(flow_run_ids: Iterable[str], message: str) -> None:
    """Set the state of flow runs, and of what was running in them, to Crashed.

    Those that have ended, or that the server does not know, stay as they are. Raises nothing if the
    server is away.

    Args:
        flow_run_ids: The flow runs.
        message: Why.
    """
    try:
        with get_client(sync_client=True) as client:
            for flow_run_id in flow_run_ids:
                _close(client, UUID(flow_run_id), message)
    except Exception as exc:  # noqa: BLE001 - how an earlier driver looks in Prefect ends no sweep
        logger.warning("Prefect: cannot close the runs of an earlier driver: %s", exc)


def end_flow_run(flow_run_id: str, end: State[Any]) -> None:
    """Set the state of a flow run that runs for Prefect, although its sweep has come to its end.

    One that is to go on later, because somebody has paused it, stays as it is. Raises nothing if
    the server is away.

    Args:
        flow_run_id: The flow run.
        end: How it has ended.
    """
    try:
        with get_client(sync_client=True) as client:
            if list(_with_state(client, [UUID(flow_run_id)], _RUNNING)):
                _end(client, UUID(flow_run_id), end, "Prefect was not told how it has ended")
    except Exception as exc:  # noqa: BLE001 - see close_flow_runs
        logger.warning("Prefect: cannot be told how the sweep has ended: %s", exc)


def open_flow_runs(flow_run_ids: Iterable[str]) -> list[str]:
    """Find those of flow runs that have not ended, as Prefect has them; none if it is away."""
    ids = [UUID(flow_run_id) for flow_run_id in flow_run_ids if flow_run_id]
    try:
        with get_client(sync_client=True) as client:
            return [str(run.id) for run in _with_state(client, ids, _OPEN)]
    except Exception as exc:  # noqa: BLE001 - see close_flow_runs
        logger.warning("Prefect: cannot read the runs of an earlier driver: %s", exc)
        return []


def open_task_runs(flow_run_id: str) -> list[UUID]:
    """The task runs of a flow run that have not ended, as Prefect has them; none if it is away."""
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run_id)]))
    found: list[UUID] = []
    try:
        with get_client(sync_client=True) as client:
            while page := _open_page(client, of_run, offset=len(found)):
                found += page
    except Exception as exc:  # noqa: BLE001 - see close_flow_runs
        logger.warning("Prefect: cannot read the task runs of an earlier driver: %s", exc)
    return found


def close_task_runs(task_run_ids: Sequence[UUID], message: str) -> None:
    """Set the state of task runs to Crashed; those that have ended stay as they are.

    Raises nothing if the server is away.

    Args:
        task_run_ids: The task runs.
        message: Why.
    """
    crashed: State[Any] = Crashed(message=message)
    try:
        with get_client(sync_client=True) as client:
            for first in range(0, len(task_run_ids), _PAGE):
                some = TaskRunFilterId(any_=list(task_run_ids[first : first + _PAGE]))
                for task_run_id in _open_page(client, task_run_id=some):
                    client.set_task_run_state(task_run_id, crashed, force=True)
    except Exception as exc:  # noqa: BLE001 - see close_flow_runs
        logger.warning("Prefect: cannot close the task runs of an earlier driver: %s", exc)


def running_flow_runs(since: Mapping[str, float]) -> list[str]:
    """Find those of flow runs that Prefect has as running, although nobody executes them.

    Args:
        since: Flow runs, each with the time at which its last known driver began, in seconds since
            the epoch. One that Prefect executes again has begun to run after that.

    Raises:
        ServiceError: If the server does not answer.
    """
    try:
        with get_client(sync_client=True) as client:
            runs = list(_with_state(client, [UUID(run) for run in since if run], _RUNNING))
    except Exception as exc:
        raise ServiceError(f"Prefect: {type(exc).__name__}: {exc}") from exc
    return [str(run.id) for run in runs if run.state and _is_left(run.state, since[str(run.id)])]


def _with_state(
    client: SyncPrefectClient, ids: Sequence[UUID], types: list[StateType]
) -> Iterator[FlowRun]:
    states = FlowRunFilterStateType(any_=types)
    for first in range(0, len(ids), _PAGE):
        some = FlowRunFilterId(any_=list(ids[first : first + _PAGE]))
        chosen = FlowRunFilter(id=some, state=FlowRunFilterState(type=states))
        yield from client.read_flow_runs(flow_run_filter=chosen, limit=_PAGE)


def _is_left(state: State[Any], driver_began: float) -> bool:
    since = state.timestamp.timestamp()
    if state.is_running():
        return since <= driver_began + _CLOCKS_S
    return since < time.time() - _CANCELLING_S


def _close(client: SyncPrefectClient, flow_run_id: UUID, message: str) -> None:
    try:
        state = client.read_flow_run(flow_run_id).state
    except ObjectNotFound:
        return
    if state is None or state.is_final():
        return
    _end(client, flow_run_id, Crashed(message=message), message)


def _end(client: SyncPrefectClient, flow_run_id: UUID, end: State[Any], message: str) -> None:
    """Set the state of a flow run, and to Crashed that of the task runs that are open in it."""
    crashed: State[Any] = Crashed(message=message)
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    before: list[UUID] = []
    # A server that takes a state and does not set it would be asked without an end.
    while (ids := _open_page(client, of_run)) and ids != before:
        for task_run_id in ids:
            client.set_task_run_state(task_run_id, crashed, force=True)
        before = ids
    client.set_flow_run_state(flow_run_id, end, force=True)


def _open_page(
    client: SyncPrefectClient,
    of_run: FlowRunFilter | None = None,
    *,
    task_run_id: TaskRunFilterId | None = None,
    offset: int = 0,
) -> list[UUID]:
    """Some of the task runs that have not ended."""
    is_open = TaskRunFilterState(type=TaskRunFilterStateType(any_=_OPEN))
    found = client.read_task_runs(
        flow_run_filter=of_run,
        task_run_filter=TaskRunFilter(id=task_run_id, state=is_open),
        sort=TaskRunSort.ID_DESC,
        limit=_PAGE,
        offset=offset,
    )
    return [task_run.id for task_run in found]
