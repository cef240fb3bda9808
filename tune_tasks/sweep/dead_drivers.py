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
            runs = list(_running(client, [UUID(run) for run in since if run]))
    except Exception as exc:
        raise ServiceError(f"Prefect: {type(exc).__name__}: {exc}") from exc
    return [str(run.id) for run in runs if run.state and _is_left(run.state, since[str(run.id)])]


def _running(client: SyncPrefectClient, ids: Sequence[UUID]) -> Iterator[FlowRun]:
    states = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.CANCELLING])
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
    crashed: State[Any] = Crashed(message=message)
    before: list[UUID] = []
    # A server that takes a state and does not set it would be asked without an end.
    while (ids := _open_task_runs(client, flow_run_id)) and ids != before:
        for task_run_id in ids:
            client.set_task_run_state(task_run_id, crashed, force=True)
        before = ids
    client.set_flow_run_state(flow_run_id, crashed, force=True)


def _open_task_runs(client: SyncPrefectClient, flow_run_id: UUID) -> list[UUID]:
    """One page of them."""
    found = client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])),
        task_run_filter=TaskRunFilter(
            state=TaskRunFilterState(type=TaskRunFilterStateType(any_=_OPEN))
        ),
        sort=TaskRunSort.ID_DESC,
        limit=_PAGE,
    )
    return [task_run.id for task_run in found]
