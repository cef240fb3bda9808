"""How an attempt ended, as the driver finds it, and closing the records of one whose process can no longer do so."""

from __future__ import annotations

import json
import logging
from uuid import UUID

import ray
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from ray.exceptions import OutOfMemoryError, RayTaskError, TaskCancelledError

from tune_tasks.records import Attempt, TrialRecord
from tune_tasks.reporter import Progress
from tune_tasks.tasks import final_state, monitor_id
from tune_tasks.trial import AttemptPaths, EndedBy, Outcome, TrialState

logger = logging.getLogger(__name__)

_LOG_TAIL_BYTES = 2_000
_DIED = "the trial's process died: killed from outside, out of memory, a crash in native code, or os._exit()"


def outcome_of(record: TrialRecord, attempt: Attempt) -> tuple[Outcome, bool]:
    """How a finished attempt ended, and whether its process closed its records itself.

    A process that ended itself, by the monitor's third step, has left its outcome with the recorder or in its file.
    """
    try:
        state: State[dict[str, str]] = ray.get(attempt.reference)
    except Exception as exc:  # noqa: BLE001 - whatever Ray raises for a task is how that task ended
        return _outcome_of_dead(record, attempt, exc), False
    if state.is_crashed() or not isinstance(data := _data(state), dict):
        return _error(attempt, f"Prefect could not run the trial's task: {state.message}"), False
    return Outcome.from_json(data["outcome"]), True


def _data(state: State[dict[str, str]]) -> object:
    return getattr(state.data, "result", state.data)


def _outcome_of_dead(record: TrialRecord, attempt: Attempt, exc: Exception) -> Outcome:
    told = record.status.outcome if record.status else None
    if known := told or attempt.paths.read_outcome():
        return known
    if attempt.ending:
        reports = read_progress(attempt.paths).reports
        return Outcome(TrialState.TERMINATED, attempt.ending.ended_by, attempt.ending.reason, reports=reports)
    if isinstance(exc, OutOfMemoryError):
        return _error(attempt, f"out of memory: {exc}")
    if isinstance(exc, (RayTaskError, TaskCancelledError)):
        return _error(attempt, f"{type(exc).__name__}: {exc}")
    return _error(attempt, _DIED + _log_tail(attempt.paths))


def _error(attempt: Attempt, cause: str) -> Outcome:
    return Outcome(TrialState.ERROR, EndedBy.ERROR, "error", cause, read_progress(attempt.paths).reports)


def _log_tail(paths: AttemptPaths) -> str:
    """The end of the trial's log; a crash in native code leaves its traceback there."""
    try:
        text = paths.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
    except OSError:
        return ""
    return f"\nThe end of its log ({paths.log}):\n{text}" if text else ""


def read_progress(paths: AttemptPaths) -> Progress:
    """What `result.json` holds; a line that a dying process did not finish is left out."""
    reports, size, last = 0, 0, b""
    try:
        with paths.results.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    reports, size, last = reports + 1, size + len(line), line
    except OSError:
        return Progress()
    row = json.loads(last) if last else None
    if row:
        row.pop("config", None)
    return Progress(reports, size, row)


def close_task_runs(task_run_id: UUID, outcome: Outcome) -> None:
    """Set the end of an attempt's task runs, the trial's and its monitor's, by the API."""
    states = {task_run_id: final_state(outcome), monitor_id(task_run_id): final_state(outcome)}
    with get_client(sync_client=True) as client:
        for run_id, state in states.items():
            state.data = None
            try:
                client.set_task_run_state(run_id, state, force=True)
            except Exception as exc:  # noqa: BLE001 - a server that is away never fails a trial
                logger.warning("Prefect: cannot close the task run %s: %s", run_id, exc)
