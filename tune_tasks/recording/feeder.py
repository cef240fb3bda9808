"""Feeds one tracker from the attempts' files, in a thread of the recorder's process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import ReadRows, read_rows
from tune_tasks.model.text import one_line
from tune_tasks.model.timeouts import LONGEST_BACKOFF_S
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.servers.mlflow_client import without_password
from tune_tasks.tracking.base import Tracker

logger = logging.getLogger(__name__)

_FLUSH_S = 1.0
_FIRST_BACKOFF_S = 1.0
_MOST_DOUBLINGS = 10


@dataclass
class _Cursor:
    """The part of one attempt that the tracker has taken.

    Attributes:
        environment: The tracker's variables for user code; None before it has opened the attempt.
        offset: Bytes of `result.json` that it has taken.
        flushed_at: Time at which it last had everything.
        closed: Whether it knows the attempt's end.
        failures: Failed calls since the last that did something.
        error: The last failure.
        not_before: Time of the next call after a failure.
    """

    environment: dict[str, str] | None = None
    offset: int = 0
    flushed_at: float = 0.0
    closed: bool = False
    failures: int = 0
    error: str | None = None
    not_before: float = 0.0


class TrackerFeeder(threading.Thread):
    """Feeds one tracker from the attempts' files.

    Each tracker has a thread of its own, so that one that is away delays no other. A call for an
    attempt that raises is made again later, with pauses that grow; a failing tracker never fails a
    trial.

    Args:
        tracker: The tracker.
        attempts: The latest of every attempt; grows while the thread runs.
        begun: Set once the tracker knows the sweep.
        clock: Seconds on a clock that never jumps.
    """

    def __init__(
        self,
        tracker: Tracker,
        attempts: Mapping[str, AttemptStatus],
        begun: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name=f"feeder-{tracker.name}", daemon=True)
        self.tracker = tracker
        self._attempts = attempts
        self._begun = begun
        self._clock = clock
        self._cursors: dict[str, _Cursor] = {}
        self._opened = threading.Condition()
        self._wake = threading.Event()
        self._is_ended = False

    def notify(self) -> None:
        """Look at once for something new."""
        self._wake.set()

    def end(self) -> None:
        """Serve no more."""
        self._is_ended = True
        self._begun.set()
        self._wake.set()

    def environment(self, key: str, timeout_s: float) -> dict[str, str]:
        """Wait for the tracker to open an attempt; returns its variables for user code.

        Empty if the tracker could not open the attempt, or not in time.
        """
        cursor = self._cursor(key)
        with self._opened:
            self._opened.wait_for(
                lambda: cursor.environment is not None or cursor.error is not None, timeout_s
            )
            return cursor.environment or {}

    def behind(self) -> list[str]:
        """Return the attempts that have ended but are not all with the tracker."""
        ended = [key for key, status in list(self._attempts.items()) if status.outcome]
        return [key for key in ended if not self._cursor(key).closed]

    def progress(self) -> int:
        """Return a number that grows whenever the tracker has taken something."""
        return sum(cursor.offset + cursor.closed for cursor in list(self._cursors.values()))

    def error(self) -> str:
        """Return what hinders the tracker, for one of the attempts that it is behind with."""
        for key in self.behind():
            if error := self._cursor(key).error:
                return error
        return "slow"

    def run(self) -> None:
        """Open the tracker, and serve until `end`; the thread is a daemon."""
        self.survive(self.tracker.connect)
        self._begun.wait()
        if not self._is_ended:
            self.survive(self.tracker.prepare)
        while not self._is_ended:
            if not self.serve_all():
                self._wake.wait(_FLUSH_S / 4)
                self._wake.clear()

    def survive(self, step: Callable[[], object]) -> None:
        """Do a step with the tracker that may fail, because a later step makes up for it."""
        try:
            step()
        except Exception as exc:  # noqa: BLE001 - a failing tracker never fails a trial
            logger.warning("%s: %s", self.tracker.name, without_password(str(exc)))

    def serve_all(self) -> bool:
        """Do the next step of every attempt; returns whether any step did something.

        A trial waits until its attempt is opened, so those that are not yet open come first.
        """
        todo = []
        for key, status in list(self._attempts.items()):
            cursor = self._cursor(key)
            if not cursor.closed:
                todo.append((status, cursor))
        todo.sort(key=lambda item: item[1].environment is not None)
        worked = False
        for status, cursor in todo:
            if cursor.not_before <= self._clock() and self._serve(status, cursor):
                worked = True
        return worked

    def _cursor(self, key: str) -> _Cursor:
        # Several threads ask: setdefault is atomic, so that all of them get the same cursor.
        return self._cursors.setdefault(key, _Cursor())

    def _serve(self, status: AttemptStatus, cursor: _Cursor) -> bool:
        try:
            worked = self._step(status, cursor)
        except Exception as exc:  # noqa: BLE001 - a failing tracker never fails a trial
            self._put_off(cursor)
            self._note(cursor, one_line(without_password(f"{type(exc).__name__}: {exc}")))
            return False
        if worked:
            cursor.failures = 0
            self._note(cursor, None)
        return worked

    def _put_off(self, cursor: _Cursor) -> None:
        # Bounded before it is raised to a power: a tracker may be away for days.
        doublings = min(cursor.failures, _MOST_DOUBLINGS)
        pause_s = min(_FIRST_BACKOFF_S * 2**doublings, LONGEST_BACKOFF_S)
        cursor.not_before = self._clock() + pause_s
        cursor.failures += 1

    def _note(self, cursor: _Cursor, error: str | None) -> None:
        if error and error != cursor.error:
            logger.warning("%s: %s", self.tracker.name, error)
        with self._opened:
            cursor.error = error
            self._opened.notify_all()

    def _step(self, status: AttemptStatus, cursor: _Cursor) -> bool:
        """Open the attempt, or log its next reports, or close it; returns whether it did any."""
        if cursor.environment is None:
            cursor.environment = self.tracker.open_attempt(status.info)
            return True
        if self._is_due(status, cursor) and self._log_next(status, cursor):
            return True
        if status.outcome and cursor.offset >= status.progress.size:
            self.tracker.close_attempt(status.info, status.outcome)
            cursor.closed = True
            return True
        return False

    def _is_due(self, status: AttemptStatus, cursor: _Cursor) -> bool:
        """Return whether to log now: the first and the last reports at once, others in turn."""
        if status.progress.size <= cursor.offset:
            return False
        if status.outcome or cursor.offset == 0:
            return True
        return self._clock() - cursor.flushed_at >= _FLUSH_S

    def _log_next(self, status: AttemptStatus, cursor: _Cursor) -> bool:
        size = status.progress.size
        path = AttemptPaths(status.info.folder).results
        read = read_rows(path, cursor.offset, size, self.tracker.rows_per_call)
        if read.rows:
            self.tracker.log(status.info, read.rows)
        elif read.end == cursor.offset:  # something else has removed or truncated the file
            if not status.outcome:
                return False
            read = ReadRows([], size)  # no more will come: what is lost holds back no tracker
        cursor.offset = read.end
        if cursor.offset >= size:
            cursor.flushed_at = self._clock()
        return True
