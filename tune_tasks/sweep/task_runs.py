"""The task runs of a sweep's attempts in Prefect: closing those that nobody else closes.

Prefect's engine reports the states of a task run from the trial's process, as events over a
websocket, in the background. What the server has therefore lacks something if the process dies,
and everything if a proxy lets no websocket through. The API takes states, too, and that is what is
used here.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import LogCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterId,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType, TaskRunResult
from prefect.client.schemas.sorting import TaskRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Pending

from tune_tasks.model.timeouts import SETTLE_S, TASK_RUNS_READ_S
from tune_tasks.model.trial import Outcome
from tune_tasks.trial.task import final_state, monitor, monitor_id

logger = logging.getLogger(__name__)

_LOOK_S = 0.2
_TRIES = 4
_PAGE = 200


@dataclass(frozen=True)
class TaskRunEnd:
    """The end of a task run, and what it takes to create the task run.

    Attributes:
        task: Prefect's task.
        parent: The task run that it ran in; None for a trial's own.
    """

    name: str
    task: Any
    outcome: Outcome
    parent: UUID | None = None


Ends = Mapping[UUID, TaskRunEnd]


class TaskRuns:
    """The task runs of all attempts. Used in the driver. Raises nothing if the server is away.

    Args:
        flow_run_id: The sweep's flow run.
    """

    def __init__(self, flow_run_id: str) -> None:
        self._flow_run_id = flow_run_id
        self._ends: dict[UUID, TaskRunEnd] = {}
        self._lost: dict[UUID, TaskRunEnd] = {}
        self._unused: set[UUID] = set()

    def ended(self, name: str, task: Any, task_run_id: UUID, outcome: Outcome) -> None:
        """An attempt has ended, and its process has told Prefect so."""
        self._ends |= _ends(name, task, task_run_id, outcome)

    def died(self, name: str, task: Any, task_run_id: UUID, outcome: Outcome) -> None:
        """The process of an attempt has died: close its task runs, and say why in its log."""
        ends = _ends(name, task, task_run_id, outcome)
        self._ends |= ends
        self._lost |= ends
        _close(ends)
        _log_cause(self._flow_run_id, task_run_id, outcome)

    def never_began(self, name: str, task: Any, task_run_id: UUID, outcome: Outcome) -> None:
        """An attempt was taken back from Ray; its process may just have told Prefect of it."""
        ends = _ends(name, task, task_run_id, outcome)
        self._ends |= ends
        self._unused |= ends.keys()

    def settle(self) -> None:
        """Wait until the server has every end that it hears of; then set what is missing."""
        lost: Ends = self._lost
        for _ in range(_TRIES):
            if not lost:
                break
            # What a dead process told Prefect last may still be on the way, and undo what is set.
            time.sleep(TASK_RUNS_READ_S)
            lost = _not_final(lost)
            _close(lost, create_in=self._flow_run_id)
        try:
            self._settle_open()
        except Exception as exc:  # noqa: BLE001 - a server that is away never fails a sweep
            logger.warning("Prefect: cannot look after the task runs: %s", exc)

    def _settle_open(self) -> None:
        deadline = time.monotonic() + SETTLE_S
        missing = self._open()
        while missing and time.monotonic() < deadline:
            time.sleep(0.05)
            missing = self._open()
        while missing:  # page by page
            _close({run_id: self._ends[run_id] for run_id in missing})
            before = missing
            missing = self._open()
            if missing >= before:
                return

    def _open(self) -> set[UUID]:
        """One page of the ended attempts' task runs that the server takes for running."""
        states = TaskRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
        with _client() as client:
            found = client.read_task_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(self._flow_run_id)])),
                task_run_filter=TaskRunFilter(state=TaskRunFilterState(type=states)),
                sort=TaskRunSort.ID_DESC,
                limit=_PAGE,
            )
        return {task_run.id for task_run in found} & self._ends.keys()

    def tell_missing(self) -> None:
        """Set every end that the server lacks, at once: no process is left that could tell it."""
        _close(_not_final(self._ends), create_in=self._flow_run_id)

    def create_absent(self, patience_s: float) -> str | None:
        """Create the task runs that the server does not know, with their ends.

        Args:
            patience_s: How long it may take; what is not created by then is left out.

        Returns:
            What to tell the user; None if the server has them all, or does not answer.
        """
        deadline = time.monotonic() + patience_s
        begun = {run_id: end for run_id, end in self._ends.items() if run_id not in self._unused}
        absent = _not_heard_of(begun, patience_s / 2)
        if not absent:
            return None
        created = 0
        for run_id, end in absent.items():
            if time.monotonic() > deadline:
                break
            _close({run_id: end}, create_in=self._flow_run_id)
            created += 1
        lacks = ""
        if created < len(absent):
            lacks = f"; it lacks {len(absent) - created} still"
        return (
            f"Prefect did not know {len(absent)} of {len(begun)} task runs, and was told their "
            f"ends when the sweep was over{lacks} (a proxy that takes no websockets keeps "
            "Prefect's events from its server)"
        )


def _ends(name: str, task: Any, task_run_id: UUID, outcome: Outcome) -> dict[UUID, TaskRunEnd]:
    """An attempt's task runs, the trial's and its monitor's."""
    return {
        task_run_id: TaskRunEnd(name, task, outcome),
        monitor_id(task_run_id): TaskRunEnd(f"monitor {name}", monitor, outcome, task_run_id),
    }


def _close(ends: Ends, *, create_in: str | None = None) -> None:
    """Set the ends of task runs.

    Args:
        ends: The ends.
        create_in: The flow run in which those are created that Prefect does not know; None: they
            are left out.
    """
    try:
        with _client() as client:
            for run_id, end in ends.items():
                _close_one(client, run_id, end, create_in)
    except Exception as exc:  # noqa: BLE001 - a server that is away never fails a trial
        logger.warning("Prefect: cannot close task runs: %s", exc)


def _close_one(
    client: SyncPrefectClient, run_id: UUID, end: TaskRunEnd, create_in: str | None
) -> None:
    state = final_state(end.outcome)
    state.data = None
    if _set_state(client, run_id, state):
        # Prefect names a task run when it begins: a process that died at once has not got so far.
        client.set_task_run_name(run_id, end.name)
    elif create_in:
        _create(client, create_in, run_id, end)
        _set_state(client, run_id, state)


def _set_state(client: SyncPrefectClient, run_id: UUID, state: State[Any]) -> bool:
    """Set a task run's state; returns False if Prefect does not know the task run."""
    try:
        client.set_task_run_state(run_id, state, force=True)
    except ObjectNotFound:
        return False
    except PrefectHTTPStatusError as exc:
        if exc.response.status_code != HTTPStatus.NOT_FOUND:
            raise
        return False
    return True


def _create(client: SyncPrefectClient, flow_run_id: str, run_id: UUID, end: TaskRunEnd) -> None:
    inputs: dict[str, list[Any]] = {}
    if end.parent:
        inputs["__parents__"] = [TaskRunResult(id=end.parent)]
    client.create_task_run(
        end.task,
        UUID(flow_run_id),
        dynamic_key=str(run_id),
        id=run_id,
        name=end.name,
        state=Pending(),
        task_inputs=inputs,
    )


def _log_cause(flow_run_id: str, task_run_id: UUID, outcome: Outcome) -> None:
    """Send the cause to the trial's log; its own last lines died with its process."""
    entry = LogCreate(
        name="prefect.task_runs",
        level=logging.ERROR,
        message=outcome.error or outcome.stop_reason,
        timestamp=datetime.now(UTC),
        flow_run_id=UUID(flow_run_id),
        task_run_id=task_run_id,
    )
    try:
        with _client() as client:
            client.create_logs([entry])
    except Exception as exc:  # noqa: BLE001 - a server that is away never fails a trial
        logger.warning("Prefect: cannot log why a trial's process died: %s", exc)


def _not_heard_of(ends: Ends, patience_s: float) -> Ends:
    """Those whose ends the server does not hear of; waits while it goes on hearing of others."""
    deadline = time.monotonic() + patience_s
    absent = _not_final(ends)
    heard_at = time.monotonic()
    while absent and time.monotonic() < min(deadline, heard_at + SETTLE_S):
        time.sleep(_LOOK_S)
        before = absent
        absent = _not_final(absent)
        if len(absent) < len(before):
            heard_at = time.monotonic()
    return absent


def _not_final(ends: Ends) -> Ends:
    """Those that have no final state at the server; nothing if it does not answer."""
    final: set[UUID] = set()
    ids = list(ends)
    try:
        with _client() as client:
            for start in range(0, len(ids), _PAGE):
                final |= _final_of(client, ids[start : start + _PAGE])
    except Exception as exc:  # noqa: BLE001 - a server that is away never fails a sweep
        logger.warning("Prefect: cannot look after the task runs: %s", exc)
        return {}
    return {run_id: end for run_id, end in ends.items() if run_id not in final}


def _final_of(client: SyncPrefectClient, ids: list[UUID]) -> set[UUID]:
    of_page = TaskRunFilter(id=TaskRunFilterId(any_=ids))
    found = client.read_task_runs(task_run_filter=of_page, sort=TaskRunSort.ID_DESC, limit=_PAGE)
    return {run.id for run in found if run.state and run.state.is_final()}


@contextlib.contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    """A client that gives up at once: the sweep must not wait for a server that is away."""
    no_retries = temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0})
    with no_retries, get_client(sync_client=True) as client:
        yield client
