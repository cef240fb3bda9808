"""How an attempt ended, as the driver finds it: in Prefect's state, or in what is left of it."""

from __future__ import annotations

import ray
from prefect.client.schemas.objects import State
from ray.exceptions import OutOfMemoryError, WorkerCrashedError

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import read_progress
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.sweep.records import Attempt, TrialRecord

_LOG_TAIL_CHARACTERS = 2_000
# Python lists its extension modules after the line that says what killed it: there may be hundreds.
_LOOKED_AT_BYTES = 64_000
_UNKNOWN = "killed from outside, out of memory, or os._exit()"


def outcome_of(record: TrialRecord, attempt: Attempt) -> Outcome:
    """How a finished attempt ended; notes in `attempt.closed_itself` who has told the others.

    A process that its monitor has ended has left its outcome with the recorder, or in its file.
    """
    try:
        state: State[dict[str, str]] = ray.get(attempt.reference)
    except Exception as exc:  # noqa: BLE001 - whatever Ray raises for a task is how that task ended
        return _outcome_of_dead(record, attempt, exc)
    data = getattr(state.data, "result", state.data)
    if state.is_crashed() or not isinstance(data, dict):
        return _error(attempt, f"Prefect could not run the trial's task: {state.message}")
    if "unbegun" in data:
        return Outcome.from_json(data["unbegun"])
    attempt.closed_itself = True
    return Outcome.from_json(data["outcome"])


def _outcome_of_dead(record: TrialRecord, attempt: Attempt, exc: Exception) -> Outcome:
    told = record.status.outcome if record.status else None
    known = told or attempt.paths.read_outcome()
    if known:
        return known
    if attempt.ending:
        stop = attempt.ending
        reports = read_progress(attempt.paths.results).reports
        return Outcome(TrialState.TERMINATED, stop.ended_by, stop.reason, reports=reports)
    if isinstance(exc, OutOfMemoryError):
        return _error(attempt, f"out of memory: {exc}")
    if not isinstance(exc, WorkerCrashedError):
        return _error(attempt, f"{type(exc).__name__}: {exc}")
    log = _end_of_log(attempt.paths)
    cause = f"the trial's process died: {_fatal_error(log) or _UNKNOWN}"
    if log:
        tail = log[-_LOG_TAIL_CHARACTERS:].lstrip()
        cause = f"The end of its log ({attempt.paths.log}):\n{tail}\n\n{cause}"
    return _error(attempt, cause)


def _error(attempt: Attempt, cause: str) -> Outcome:
    reports = read_progress(attempt.paths.results).reports
    return Outcome(TrialState.ERROR, EndedBy.ERROR, "error", cause, reports)


def _end_of_log(paths: AttemptPaths) -> str:
    """The end of the trial's log; a crash in native code leaves its traceback there."""
    try:
        return paths.log.read_bytes()[-_LOOKED_AT_BYTES:].decode(errors="replace").strip()
    except OSError:
        return ""


def _fatal_error(log: str) -> str:
    """The line that Python's faulthandler writes for a signal such as SIGSEGV; Ray enables it."""
    return next((line for line in log.splitlines() if line.startswith("Fatal Python error: ")), "")
