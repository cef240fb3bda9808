"""Feeds one tracker from the attempts' files, in threads of the recorder's process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import ReadRows, read_rows
from tune_tasks.model.text import one_line
from tune_tasks.model.timeouts import CONNECT_S
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.recording.reachable import Reachable
from tune_tasks.recording.work import Cursor, End, Work
from tune_tasks.results.summary import Summary
from tune_tasks.servers.mlflow_client import without_password
from tune_tasks.tracking.base import Tracker

logger = logging.getLogger(__name__)

_FLUSH_S = 1.0
_PROMPT_SHARE = 0.2


class TrackerFeeder(threading.Thread):
    """Feeds one tracker from the attempts' files.

    Each tracker has threads of its own, so that one that is away delays no other. A call that
    raises is made again later, with pauses that grow; a failing tracker never fails a trial.

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
        self._cursors: dict[str, Cursor] = {}
        # Those that are not closed: of a million attempts, few.
        self._open: dict[str, Cursor] = {}
        self._found = 0
        self._finding = threading.Lock()
        self._end: End | None = None
        self._reachable = Reachable(_PROMPT_SHARE * tracker.open_s)
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

    def environment(
        self, key: str, timeout_s: float, connect_s: float = CONNECT_S
    ) -> dict[str, str]:
        """Wait for the tracker to open an attempt; returns its variables for user code.

        Empty if the tracker does not open the attempt in time. Nobody waits for it then, until it
        answers again.

        Args:
            key: The attempt's.
            timeout_s: Seconds to wait, once the tracker is connected.
            connect_s: Seconds to wait for that.
        """
        cursor = self._cursor(key)
        self._reachable.wait(lambda: cursor.environment is not None, timeout_s, connect_s)
        return cursor.environment or {}

    def close_sweep(self, summary: Summary) -> None:
        """Have the tracker told of the sweep's end, as soon as one of the threads is free."""
        self._end = End(summary)
        self.notify()

    def missing(self) -> str | None:
        """Return what of that which has ended is not all with the tracker; None if nothing is."""
        behind: list[Work] = [self._cursor(key) for key in self.behind()]
        lacking = []
        if behind:
            lacking.append(f"{len(behind)} trials")
        if self._end and not self._end.closed:
            lacking.append("the sweep's end")
            behind.append(self._end)
        if not behind:
            return None
        error = next((work.error for work in behind if work.error), "slow")
        return f"{', '.join(lacking)}; {error}"

    def behind(self) -> list[str]:
        """Return the attempts that have ended but are not all with the tracker."""
        ended = [key for key, status in list(self._attempts.items()) if status.outcome]
        return [key for key in ended if not self._cursor(key).closed]

    def end_again(self, key: str) -> None:
        """Have the tracker told of an attempt's end once more: it is another one now."""
        cursor = self._cursor(key)
        with self._finding:
            cursor.closed = False
            self._open[key] = cursor

    def progress(self) -> int:
        """Return a number that grows whenever the tracker has taken something."""
        taken = sum(cursor.offset + cursor.closed for cursor in list(self._cursors.values()))
        if self._end:
            taken += 1 + self._end.closed
        return taken + self.tracker.progress

    def run(self) -> None:
        """Open the tracker, and serve until `end`; the threads are daemons."""
        self.survive(self.tracker.connect)
        self._begun.wait()
        self._reachable.connected()
        if not self._is_ended:
            self.survive(self.tracker.prepare)
        for number in range(1, self.tracker.threads):
            name = f"{self.name}-{number}"
            threading.Thread(target=self._serve_on, name=name, daemon=True).start()
        self._serve_on()

    def _serve_on(self) -> None:
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
        """Do the next step of everything that no other thread serves; returns whether any did any.

        A trial waits until its attempt is opened. Therefore those that are not yet open come first,
        and one that is announced in the meantime comes next.
        """
        worked = self._serve_end()
        known = self._known()
        for key, cursor in self._todo():
            if self._serve(cursor, partial(self._step, key, cursor)):
                worked = True
            if self._known() != known:
                return True
        return worked

    def _known(self) -> tuple[int, bool]:
        return len(self._attempts), self._end is None

    def _serve_end(self) -> bool:
        return self._end is not None and self._serve(self._end, partial(self._tell_end, self._end))

    def _todo(self) -> list[tuple[str, Cursor]]:
        with self._finding:
            if len(self._attempts) > self._found:
                keys = list(self._attempts)
                self._open |= {key: self._cursor(key) for key in keys[self._found :]}
                self._found = len(keys)
            todo = list(self._open.items())
        todo.sort(key=lambda item: (item[1].environment is not None, item[1].served_at))
        return todo

    def _cursor(self, key: str) -> Cursor:
        cursor = self._cursors.get(key)
        # Several threads ask: setdefault is atomic, so that all of them get the same cursor.
        return cursor or self._cursors.setdefault(key, Cursor())

    def _serve(self, work: Work, step: Callable[[], bool]) -> bool:
        if work.closed or work.not_before > self._clock() or not work.busy.acquire(blocking=False):
            return False
        try:
            return not work.closed and self._tried(work, step)
        finally:
            work.busy.release()

    def _tried(self, work: Work, step: Callable[[], bool]) -> bool:
        before = self.tracker.own_progress
        work.served_at = self._clock()
        try:
            worked = step()
        except Exception as exc:  # noqa: BLE001 - a failing tracker never fails a trial
            did_a_part = self.tracker.own_progress > before
            work.put_off(self._clock(), did_a_part=did_a_part)
            self._note(work, one_line(without_password(f"{type(exc).__name__}: {exc}")))
            if not did_a_part:
                self._reachable.failed()
            return False
        if worked:
            work.failures = 0
            work.error = None
            self._reachable.answered(self._clock() - work.served_at)
        return worked

    def _note(self, work: Work, error: str) -> None:
        if error != work.error:
            logger.warning("%s: %s", self.tracker.name, error)
        work.error = error

    def _tell_end(self, end: End) -> bool:
        self.tracker.close_sweep(end.summary)
        end.closed = True
        return True

    def _step(self, key: str, cursor: Cursor) -> bool:
        """Open the attempt, or log its next reports, or close it; returns whether it did any."""
        status = self._attempts[key]
        if cursor.environment is None:
            cursor.environment = self.tracker.open_attempt(status.info)
            return True
        if self._is_due(status, cursor) and self._log_next(status, cursor):
            return True
        if status.outcome and cursor.offset >= status.progress.size:
            self.tracker.close_attempt(status.info, status.outcome)
            with self._finding:
                if self._attempts[key].outcome == status.outcome:  # else: `end_again`
                    cursor.closed = True
                    self._open.pop(key, None)
            return True
        return False

    def _is_due(self, status: AttemptStatus, cursor: Cursor) -> bool:
        """Return whether to log now: the first and the last reports at once, others in turn."""
        if status.progress.size <= cursor.offset:
            return False
        if status.outcome or cursor.offset == 0:
            return True
        return self._clock() - cursor.flushed_at >= _FLUSH_S

    def _log_next(self, status: AttemptStatus, cursor: Cursor) -> bool:
        size = status.progress.size
        path = AttemptPaths(status.info.folder).results
        end = cursor.tried_to or size
        read = read_rows(path, cursor.offset, end, self.tracker.rows_per_call)
        if read.rows:
            cursor.tried_to = read.end
            self.tracker.log(status.info, read.rows)
        elif read.end == cursor.offset:  # something else has removed or truncated the file
            if not status.outcome:
                return False
            read = ReadRows([], size)  # no more will come: what is lost holds back no tracker
        cursor.tried_to = None
        cursor.offset = read.end
        if cursor.offset >= size:
            cursor.flushed_at = self._clock()
        return True
