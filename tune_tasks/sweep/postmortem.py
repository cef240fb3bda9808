"""How an attempt ended, as the driver finds it.

And closing the records of one whose process can no longer do so.
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

import ray
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
from ray.exceptions import OutOfMemoryError, WorkerCrashedError

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import read_progress
from tune_tasks.model.timeouts import SETTLE_S, TASK_RUNS_READ_S
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.sweep.records import Attempt, TrialRecord
from tune_tasks.trial.task import final_state, monitor, monitor_id

logger = logging.getLogger(__name__)

_LOG_TAIL_BYTES = 2_000
_LOOK_S = 0.2
_TRIES = 4
_PAGE = 200
_UNKNOWN = "killed from outside, out of memory, or os._exit()"


def outcome_of(record: TrialRecord, attempt: Attempt) -> tuple[Outcome, bool]:
    """How a finished attempt ended, and whether its process closed its records itself.

    A process that ended itself, by the monitor's third step, has left its outcome with the recorder
    or in its file.
    """
    try:
        state: State[dict[str, str]] = ray.get(attempt.reference)
    except Exception as exc:  # noqa: BLE001 - whatever Ray raises for a task is how that task ended
        return _outcome_of_dead(record, attempt, exc), False
    if state.is_crashed() or not isinstance(data := _data(state), dict):
        return _error(attempt, f"Prefect could not run the trial's task: {state.message}"), False
    if unbegun := data.get("unbegun"):
        return Outcome.from_json(unbegun), False
    return Outcome.from_json(data["outcome"]), True


def _data(state: State[dict[str, str]]) -> object:
    return getattr(state.data, "result", state.data)


def _outcome_of_dead(record: TrialRecord, attempt: Attempt, exc: Exception) -> Outcome:
    told = record.status.outcome if record.status else None
    if known := told or attempt.paths.read_outcome():
        return known
    if attempt.ending:
        reports = read_progress(attempt.paths.results).reports
        return Outcome(
            TrialState.TERMINATED, attempt.ending.ended_by, attempt.ending.reason, reports=reports
        )
    if isinstance(exc, OutOfMemoryError):
        return _error(attempt, f"out of memory: {exc}")
    if not isinstance(exc, WorkerCrashedError):
        return _error(attempt, f"{type(exc).__name__}: {exc}")
    log = _log_tail(attempt.paths)
    return _error(attempt, f"{log}the trial's process died: {_fatal_error(log) or _UNKNOWN}")


def _error(attempt: Attempt, cause: str) -> Outcome:
    return Outcome(
        TrialState.ERROR,
        EndedBy.ERROR,
        "error",
        cause,
        read_progress(attempt.paths.results).reports,
    )


def _log_tail(paths: AttemptPaths) -> str:
    """The end of the trial's log; a crash in native code leaves its traceback there."""
    try:
        text = paths.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
    except OSError:
        return ""
    return f"The end of its log ({paths.log}):\n{text}\n\n" if text else ""


def _fatal_error(log: str) -> str:
    """The line that Python's faulthandler writes for a signal such as SIGSEGV; Ray enables it."""
    return next((line for line in log.splitlines() if line.startswith("Fatal Python error: ")), "")


@dataclass(frozen=True)
class TaskRunEnd:
    """How a task run of an attempt ended, and what it takes to create it.

    It is created if its process died before Prefect heard of it.

    Attributes:
        task: Prefect's task.
        parent: The task run that it ran in, or None.
    """

    name: str
    task: Any
    outcome: Outcome
    parent: UUID | None = None


def task_run_ends(
    name: str, task: Any, task_run_id: UUID, outcome: Outcome
) -> dict[UUID, TaskRunEnd]:
    """An attempt's task runs, the trial's and its monitor's, with how they ended."""
    return {
        task_run_id: TaskRunEnd(name, task, outcome),
        monitor_id(task_run_id): TaskRunEnd(f"monitor {name}", monitor, outcome, task_run_id),
    }


def close_task_runs(ends: Mapping[UUID, TaskRunEnd], *, create_in: str | None = None) -> None:
    """Set the ends of task runs by the API, where the process that should have done it has died.

    Args:
        ends: By the task run's id.
        create_in: The flow run in which those that Prefect does not know are created; None: they
            are left out.
    """
    try:
        with _client() as client:
            for run_id, end in ends.items():
                state = final_state(end.outcome)
                state.data = None
                if _set_state(client, run_id, state):
                    # A process that died at once has left it one of Prefect's own
                    client.set_task_run_name(run_id, end.name)
                elif create_in:
                    _create(client, create_in, run_id, end)
                    _set_state(client, run_id, state)
    except Exception as exc:  # noqa: BLE001 - a server that is away never fails a trial
        logger.warning("Prefect: cannot close task runs: %s", exc)


def log_cause(flow_run_id: str, task_run_id: UUID, outcome: Outcome) -> None:
    """Tell Prefect's log of a trial why its process died, with the end of what it printed.

    Which died with it.
    """
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


def _set_state(client: SyncPrefectClient, run_id: UUID, state: State[Any]) -> bool:
    """Set a task run's state, or return False where Prefect does not know the task run."""
    try:
        client.set_task_run_state(run_id, state, force=True)
    except (ObjectNotFound, PrefectHTTPStatusError) as exc:
        if (
            isinstance(exc, PrefectHTTPStatusError)
            and exc.response.status_code != HTTPStatus.NOT_FOUND
        ):
            raise
        return False
    return True


def _create(client: SyncPrefectClient, flow_run_id: str, run_id: UUID, end: TaskRunEnd) -> None:
    inputs: dict[str, list[Any]] = (
        {"__parents__": [TaskRunResult(id=end.parent)]} if end.parent else {}
    )
    client.create_task_run(
        end.task,
        UUID(flow_run_id),
        dynamic_key=str(run_id),
        id=run_id,
        name=end.name,
        state=Pending(),
        task_inputs=inputs,
    )


@contextlib.contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    """A client that gives up at once: the sweep must not wait for a server that is away."""
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(sync_client=True) as client,
    ):
        yield client


def settle_task_runs(
    flow_run_id: str, ends: Mapping[UUID, TaskRunEnd], lost: Mapping[UUID, TaskRunEnd]
) -> None:
    """Wait until the server has every task run's end, which it learns from events.

    Then set what is still missing.

    Args:
        flow_run_id: The flow run.
        ends: Of every task run.
        lost: Of those whose process died. What it told Prefect last, in the background, may still
            be on the way, or lost.
    """
    for _ in range(_TRIES if lost else 0):
        time.sleep(TASK_RUNS_READ_S)
        if not (lost := _not_final(lost)):
            break
        close_task_runs(lost, create_in=flow_run_id)
    _settle(flow_run_id, ends)


def _not_final(ends: Mapping[UUID, TaskRunEnd]) -> dict[UUID, TaskRunEnd]:
    """Those that are not in a final state at the server, or not known there.

    None where it does not answer.
    """
    final: set[UUID] = set()
    ids = list(ends)
    try:
        with _client() as client:
            for start in range(0, len(ids), _PAGE):
                of_page = TaskRunFilter(id=TaskRunFilterId(any_=ids[start : start + _PAGE]))
                found = client.read_task_runs(
                    task_run_filter=of_page, sort=TaskRunSort.ID_DESC, limit=_PAGE
                )
                final |= {run.id for run in found if run.state and run.state.is_final()}
    except Exception as exc:  # noqa: BLE001 - a server that is away never fails a sweep
        logger.warning("Prefect: cannot look after the task runs: %s", exc)
        return {}
    return {run_id: end for run_id, end in ends.items() if run_id not in final}


def _settle(flow_run_id: str, ends: Mapping[UUID, TaskRunEnd]) -> None:
    deadline = time.monotonic() + SETTLE_S
    try:
        while (
            missing := _open_task_runs(flow_run_id) & ends.keys()
        ) and time.monotonic() < deadline:
            time.sleep(0.05)
        while missing:  # page by page
            close_task_runs({run_id: ends[run_id] for run_id in missing})
            missing, before = _open_task_runs(flow_run_id) & ends.keys(), missing
            if missing >= before:
                return
    except Exception as exc:  # noqa: BLE001 - a server that is away never fails a sweep
        logger.warning("Prefect: cannot look after the task runs: %s", exc)


def _open_task_runs(flow_run_id: str) -> set[UUID]:
    states = TaskRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
    with _client() as client:
        found = client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run_id)])),
            task_run_filter=TaskRunFilter(state=TaskRunFilterState(type=states)),
            sort=TaskRunSort.ID_DESC,
            limit=_PAGE,
        )
    return {task_run.id for task_run in found}


def create_absent_task_runs(
    flow_run_id: str, ends: Mapping[UUID, TaskRunEnd], patience_s: float
) -> str | None:
    """Create the task runs that the server has not heard of, with how they ended.

    It hears of them by a websocket, which not every proxy lets through.

    Args:
        flow_run_id: The flow run.
        ends: Of every task run.
        patience_s: How long it may take; what is not created by then is left out.

    Returns:
        What to tell the user; None if the server has them all, or does not answer.
    """
    deadline = time.monotonic() + patience_s
    absent = _not_heard_of(ends, patience_s / 2)
    if not absent:
        return None
    created = 0
    for run_id, end in absent.items():
        if time.monotonic() > deadline:
            break
        close_task_runs({run_id: end}, create_in=flow_run_id)
        created += 1
    lacks = f"; it lacks {len(absent) - created} still" if created < len(absent) else ""
    return (
        f"Prefect had not heard of {len(absent)} of {len(ends)} task runs, and was told at the"
        f" sweep's end how they ended{lacks} (a proxy that takes no websockets keeps Prefect's"
        " events from its server)"
    )


def _not_heard_of(ends: Mapping[UUID, TaskRunEnd], patience_s: float) -> dict[UUID, TaskRunEnd]:
    """Those of whose end the server does not hear, as long as it goes on hearing of others."""
    deadline = time.monotonic() + patience_s
    absent = _not_final(ends)
    heard_at = time.monotonic()
    while absent and time.monotonic() < min(deadline, heard_at + SETTLE_S):
        time.sleep(_LOOK_S)
        before, absent = absent, _not_final(absent)
        if len(absent) < len(before):
            heard_at = time.monotonic()
    return absent
