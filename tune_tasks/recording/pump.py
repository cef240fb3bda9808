"""Feeds one tracker from the attempts' files.

Runs in the recorder's process, one thread a tracker.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import ReadRows, read_rows
from tune_tasks.model.text import one_line
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.servers.mlflow_client import without_password
from tune_tasks.tracking.base import Tracker

logger = logging.getLogger(__name__)

FLUSH_S = 1.0
_LONGEST_BACKOFF_S = 15.0


@dataclass
class _Cursor:
    """How far a tracker has taken one attempt."""

    environment: dict[str, str] | None = None
    offset: int = 0
    flushed_at: float = 0.0
    closed: bool = False
    failures: int = 0
    error: str | None = None
    not_before: float = 0.0


class Pump(threading.Thread):
    """Feeds one tracker from the attempts' files, in a thread of its own.

    A tracker that is away delays no other.
    """

    def __init__(self, tracker: Tracker, attempts: Mapping[str, AttemptStatus]) -> None:
        super().__init__(name=f"pump-{tracker.name}", daemon=True)
        self.tracker = tracker
        self._attempts = attempts
        self._cursors: dict[str, _Cursor] = {}
        self._opened = threading.Condition()
        self._wake = threading.Event()

    def notify(self) -> None:
        """There is something new."""
        self._wake.set()

    def environment(self, key: str, timeout_s: float) -> dict[str, str]:
        """What the tracker gives to user code.

        Empty where it could not open the attempt in time.
        """
        with self._opened:
            cursor = self._cursor(key)
            self._opened.wait_for(
                lambda: cursor.environment is not None or cursor.error is not None, timeout_s
            )
            return cursor.environment or {}

    def behind(self) -> list[str]:
        """The attempts that have ended and are not all with the tracker."""
        ended = [key for key, status in list(self._attempts.items()) if status.outcome]
        return [key for key in ended if not self._cursor(key).closed]

    def progress(self) -> int:
        """Grows whenever the tracker has taken something more."""
        return sum(cursor.offset + cursor.closed for cursor in list(self._cursors.values()))

    def error(self) -> str:
        """What hinders the tracker, for one attempt that it is behind with."""
        return next((error for key in self.behind() if (error := self._cursor(key).error)), "slow")

    def run(self) -> None:
        """Serve for ever; the thread is a daemon."""
        while True:
            if not self._serve_all():
                self._wake.wait(FLUSH_S / 4)
                self._wake.clear()

    def _cursor(self, key: str) -> _Cursor:
        return self._cursors.setdefault(key, _Cursor())

    def _serve_all(self) -> bool:
        """One round over the attempts, those not opened yet first.

        Returns whether there was anything to do.
        """
        worked = False
        open_ones = [
            (key, status)
            for key, status in list(self._attempts.items())
            if not self._cursor(key).closed
        ]
        for key, status in sorted(
            open_ones, key=lambda item: self._cursor(item[0]).environment is not None
        ):
            cursor = self._cursor(key)
            if cursor.not_before <= time.monotonic():
                worked = self._serve(status, cursor) or worked
        return worked

    def _serve(self, status: AttemptStatus, cursor: _Cursor) -> bool:
        try:
            worked = self._step(status, cursor)
        except Exception as exc:  # noqa: BLE001 - a failing tracker never fails a trial: it is called again later
            cursor.failures += 1
            cursor.not_before = time.monotonic() + min(0.5 * 2**cursor.failures, _LONGEST_BACKOFF_S)
            self._note(cursor, one_line(without_password(f"{type(exc).__name__}: {exc}")))
            return False
        if worked:
            cursor.failures = 0
            self._note(cursor, None)
        return worked

    def _note(self, cursor: _Cursor, error: str | None) -> None:
        if error and error != cursor.error:
            logger.warning("%s: %s", self.tracker.name, error)
        with self._opened:
            cursor.error = error
            self._opened.notify_all()

    def _step(self, status: AttemptStatus, cursor: _Cursor) -> bool:
        if cursor.environment is None:
            cursor.environment = self.tracker.open_attempt(status.info)
            return True
        if self._log_next(status, cursor):
            return True
        if status.outcome and not cursor.closed and cursor.offset >= status.progress.size:
            self.tracker.close_attempt(status.info, status.outcome)
            cursor.closed = True
            return True
        return False

    def _log_next(self, status: AttemptStatus, cursor: _Cursor) -> bool:
        size = status.progress.size
        due = (
            status.outcome or cursor.offset == 0 or time.monotonic() - cursor.flushed_at >= FLUSH_S
        )
        if size <= cursor.offset or not due:
            return False
        read = read_rows(
            AttemptPaths(status.info.folder).results,
            cursor.offset,
            size,
            self.tracker.rows_per_call,
        )
        if read.rows:
            self.tracker.log(status.info, read.rows)
        elif read.end == cursor.offset:  # the file was removed or truncated
            if not status.outcome:
                return False
            read = ReadRows([], size)
        cursor.offset = read.end
        if cursor.offset >= size:
            cursor.flushed_at = time.monotonic()
        return True
