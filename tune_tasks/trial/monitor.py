"""The monitor of a trial.

Watches it from a second thread of its process, and ends it when it is to end.

Four steps end a trial, each only where the one before did not:

1. `report()` raises TrialStopped in the very report that meets a criterion (`reporter.py`).
2. The monitor signals the main thread, for what no report can tell: time is up, cancelled, reported
from another thread. 3. After `stop_grace_s` the monitor writes the outcome, tells the recorder, and
ends the process. 4. Where even the monitor cannot run (a C call holds the GIL), the driver hears
nothing and has Ray end it (`sweep.py`).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.stopping import time_is_up, time_limit
from tune_tasks.model.timeouts import HEARTBEAT_S
from tune_tasks.model.trial import EndedBy, Outcome, Stop, TrialState, attempt_name
from tune_tasks.trial.recorder_link import RecorderLink
from tune_tasks.trial.reports import TrialReports

LOADING_S = 60.0
"""Seconds that importing a script may take at least, whatever the limit on `time_total_s`.

Which counts from `train()` on.
"""


class Monitor:
    """Watches one attempt. `run()` is the thread's body.

    The other methods belong to the main thread.

    Args:
        info: The attempt.
        reporter: Its reporter.
        paths: Its files.
        link: Its line to the recorder.
        interrupt: Raises TrialStopped in the main thread, at once, if user code runs there; once,
            however often called.
        forward_log: Sends on what the trial has printed since the last call.
        exit_process: Ends the process.
    """

    def __init__(
        self,
        info: AttemptInfo,
        reporter: TrialReports,
        paths: AttemptPaths,
        link: RecorderLink,
        *,
        interrupt: Callable[[], None],
        forward_log: Callable[[], None],
        exit_process: Callable[[int], Any] = os._exit,
    ) -> None:
        self._info, self._reporter, self._paths, self._link = info, reporter, paths, link
        self._interrupt, self._forward_log, self._exit_process = (
            interrupt,
            forward_log,
            exit_process,
        )
        self.name = attempt_name(info.trial, info.attempt)
        self._limit_s = time_limit(info.trial.stop)
        self._ready = threading.Event()
        self._wake = threading.Event()
        self._outcome: Outcome | None = None
        self._opened_at = time.monotonic()
        self.ended = False
        self.environment: dict[str, str] = {}
        reporter.on_change(self._wake.set)

    def wait_until_ready(self) -> None:
        """Block until the recorder knows the attempt, or cannot be told."""
        self._ready.wait()

    def finish(self, outcome: Outcome) -> None:
        """Tell that `train()` has ended, and how."""
        self._outcome = outcome
        self._wake.set()

    def run(self) -> str:
        """Watch until the attempt has ended; returns why it ended."""
        try:
            self.environment = self._link.open(self._info)
            if wanted := self._link.update(self._reporter):  # stopped while it waited for its turn
                self._reporter.request_stop(wanted)
            self._opened_at = time.monotonic()
        finally:
            self._ready.set()
        while self._outcome is None:
            self._wake.wait(self._pause_s())
            self._wake.clear()
            self._forward_log()
            wanted = self._link.update(self._reporter)
            if self._outcome is None:
                self._enforce(wanted)
        self._forward_log()
        self._link.close(self._reporter, self._outcome)
        self.ended = True
        return self._outcome.stop_reason

    def _pause_s(self) -> float:
        if self._limit_s is None:
            return HEARTBEAT_S
        left_s = self._limit_s - (self._reporter.train_time_s() or 0.0)
        return min(HEARTBEAT_S, max(0.0, left_s))

    def _enforce(self, wanted: Stop | None) -> None:
        if self._reporter.stop is None and wanted:
            self._reporter.request_stop(wanted)
        if self._reporter.stop is None and self._limit_s is not None:
            self._enforce_time(self._limit_s)
        if self._reporter.stop:
            self._end(self._reporter.stop)

    def _enforce_time(self, limit_s: float) -> None:
        began_s = self._reporter.train_time_s()
        if began_s is None:  # the script is still being imported
            loading_s = time.monotonic() - self._opened_at
            if loading_s >= max(limit_s, LOADING_S):
                self._reporter.request_stop(
                    Stop(
                        EndedBy.CRITERION, f"{time_is_up(limit_s, loading_s)}, before train() began"
                    )
                )
        elif began_s >= limit_s:
            self._reporter.request_stop(Stop(EndedBy.CRITERION, time_is_up(limit_s, began_s)))

    def _end(self, stop: Stop) -> None:
        """Steps two and three."""
        deadline = time.monotonic() + self._info.trial.stop_grace_s
        self._interrupt_user_code()
        while self._outcome is None and time.monotonic() < deadline:
            self._wake.wait(min(HEARTBEAT_S, max(0.0, deadline - time.monotonic())))
            self._wake.clear()
            self._forward_log()
            self._link.update(self._reporter)
            self._interrupt_user_code()
        if self._outcome is None:
            self._end_process(stop)

    def _interrupt_user_code(self) -> None:
        # Where report() raised in the main thread, user code is cleaning up already: a signal would
        # break into that.
        if self._outcome is None and not self._reporter.raised_in_main:
            self._interrupt()

    def _end_process(self, stop: Stop) -> None:
        reason = f"{stop.reason}; its process was ended {self._info.trial.stop_grace_s:g} s later"
        outcome = Outcome(
            TrialState.TERMINATED, stop.ended_by, reason, reports=self._reporter.progress.reports
        )
        try:
            with contextlib.suppress(OSError):  # the recorder tells the same
                self._paths.write_outcome(outcome)
            self._forward_log()
            self._link.close(self._reporter, outcome)
        finally:
            self._exit_process(0)
