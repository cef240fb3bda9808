"""How an attempt ended, as the driver finds it: in Prefect's state, or in what is left of it."""

from __future__ import annotations

import os
import socket
import time

import ray
from prefect.client.schemas.objects import State
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    WorkerCrashedError,
)

from tune_tasks.model.failure import Failure, FailureCause
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import read_progress
from tune_tasks.model.trial import Outcome, TrialState
from tune_tasks.sweep.kernel_kills import kernel_kills
from tune_tasks.sweep.records import Attempt, TrialRecord

_LOG_TAIL_CHARACTERS = 2_000
# Python lists its extension modules after the line that says what killed it: there may be hundreds.
_LOOKED_AT_BYTES = 64_000
_UNKNOWN = "killed from outside, out of memory, or os._exit()"
_OUT_OF_MEMORY = "out of memory: Ray ended the trial's process, because its machine ran short"
_LOST = "the trial's machine was lost"
_KERNEL = "the trial's process died just when the kernel ended a process for lack of memory"
_GONE = (NodeDiedError, LocalRayletDiedError, ObjectLostError)
"""What Ray raises if a task's machine has gone; the last one if its result was there, too."""
_OWN_END_S = 60.0
"""Ray ends a driver within this long once its machine's raylet has died: 14 s, if it is idle."""
_LOOK_S = 0.5


def outcome_of(record: TrialRecord, attempt: Attempt) -> Outcome:
    """How a finished attempt ended; notes in `attempt.closed_itself` who has told the others.

    A process that its monitor has ended has left its outcome with the recorder, or in its file.

    If this machine's own raylet has died, Ray ends this process in a few seconds, and the next
    driver goes on. The attempt has not failed then, so its end is not told: this waits for ours.
    """
    try:
        state: State[dict[str, str]] = ray.get(attempt.reference)
    except Exception as exc:  # noqa: BLE001 - whatever Ray raises for a task is how that task ended
        return _outcome_of_dead(record, attempt, exc)
    data = getattr(state.data, "result", state.data)
    if state.is_crashed() or not isinstance(data, dict):
        said = f"Prefect could not run the trial's task: {state.message}"
        return _failed(attempt, Failure(FailureCause.EXCEPTION, said), said)
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
        failure = Failure(FailureCause.OUT_OF_MEMORY, str(exc))
        return _failed(attempt, failure, f"{exc}\n\n{_OUT_OF_MEMORY}")
    if isinstance(exc, _GONE):
        if _has_lost_its_raylet(exc):
            _wait_for_own_end()
        failure = Failure(FailureCause.MACHINE_LOST, str(exc))
        return _failed(attempt, failure, f"{exc}\n\n{_LOST}")
    if isinstance(exc, WorkerCrashedError):
        return _crashed(record, attempt)
    return _failed(attempt, Failure.of(exc), f"{type(exc).__name__}: {exc}")


def _has_lost_its_raylet(exc: Exception) -> bool:
    """Whether it is this process's own machine that Ray takes for gone."""
    own: str = ray.get_runtime_context().get_node_id()
    return isinstance(exc, LocalRayletDiedError) or own in str(exc)


def _wait_for_own_end() -> None:
    """Wait for Ray to end this process; returns if it does not."""
    deadline = time.monotonic() + _OWN_END_S
    while time.monotonic() < deadline:
        time.sleep(_LOOK_S)


def _crashed(record: TrialRecord, attempt: Attempt) -> Outcome:
    """The end of an attempt whose process is gone, and did not say why."""
    log = _end_of_log(attempt.paths)
    fatal = _fatal_error(log)
    failure = Failure(FailureCause.PROCESS_DIED, fatal or _UNKNOWN)
    error = f"the trial's process died: {failure.message}"
    if not fatal and _was_killed_by_kernel(record, attempt):
        failure = Failure(FailureCause.OUT_OF_MEMORY, _KERNEL)
        error = f"out of memory: {_KERNEL}"
    if log:
        tail = log[-_LOG_TAIL_CHARACTERS:].lstrip()
        error = f"The end of its log ({attempt.paths.log}):\n{tail}\n\n{error}"
    return _failed(attempt, failure, error)


def _was_killed_by_kernel(record: TrialRecord, attempt: Attempt) -> bool:
    """Whether the kernel has ended a process on this machine, where the attempt ran, meanwhile."""
    now = kernel_kills()
    was_here = record.info is not None and record.info.hostname == socket.gethostname()
    if now is None or attempt.kernel_kills is None or not was_here:
        return False
    return now > attempt.kernel_kills


def _failed(attempt: Attempt, failure: Failure, error: str) -> Outcome:
    reports = read_progress(attempt.paths.results).reports
    return Outcome.failed(failure, error, reports)


def _end_of_log(paths: AttemptPaths) -> str:
    """The end of the trial's log; a crash in native code leaves its traceback there."""
    try:
        with paths.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LOOKED_AT_BYTES))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""


def _fatal_error(log: str) -> str:
    """The line that Python's faulthandler writes for a signal such as SIGSEGV; Ray enables it."""
    return next((line for line in log.splitlines() if line.startswith("Fatal Python error: ")), "")
