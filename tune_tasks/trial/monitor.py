"""The monitor: watches one attempt from a second thread of its process, and ends it in time.

Four steps end an attempt. Each is taken only if the step before has not ended it:

1. `report()` raises TrialStopped, in the report that meets a criterion (`reports.py`).
2. The monitor signals the main thread (`interrupter.py`). It does so if no report can raise there:
   the time is up, the sweep wants the attempt to end, or another thread has reported.
3. After `stop_grace_s` the monitor writes the outcome, tells the recorder, and ends the process.
4. If a C call holds the GIL, the monitor cannot run. The driver hears nothing of the attempt any
   more, and has Ray end the process (`sweep/core.py`).

A trial that is about to write a checkpoint is not signalled before it has written it, for a part of
its grace (`stop_decision.py`).
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
"""Importing a script may take this long, even if the limit on `time_total_s` is shorter.

The limit counts from the start of `train()`.
"""


_TO_BEGIN_SAVING = 0.5
"""The part of its grace in which a trial is to begin a checkpoint that it asks for."""
_TO_SAVE = 0.75
"""The part of its grace in which it is to have written one. The rest is for its clean-up."""


class Monitor:
    """Watches one attempt. `run` is the thread's body; the other methods are for the main thread.

    Args:
        info: The attempt.
        reports: The attempt's reports.
        paths: The attempt's files.
        link: The attempt's line to the recorder.
        interrupt: Raises TrialStopped in the main thread if user code runs there. Only the first
            call does that.
        forward_log: Logs what the trial has printed since the last call.
        exit_process: Ends the process with an exit code.
        clock: Seconds on a clock that never jumps.

    Attributes:
        name: The attempt's name.
        environment: Environment variables for user code, once the monitor is ready.
        ended: Whether `run` has watched the attempt to its end.
        outcome: How the attempt ended, as the recorder was told; None before.
    """

    def __init__(
        self,
        info: AttemptInfo,
        reports: TrialReports,
        paths: AttemptPaths,
        link: RecorderLink,
        *,
        interrupt: Callable[[], None],
        forward_log: Callable[[], None],
        exit_process: Callable[[int], Any] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = attempt_name(info.trial, info.attempt)
        self.environment: dict[str, str] = {}
        self.ended = False
        self.outcome: Outcome | None = None
        self._info = info
        self._reports = reports
        self._paths = paths
        self._link = link
        self._interrupt = interrupt
        self._forward_log = forward_log
        self._exit_process = exit_process
        self._clock = clock
        self._limit_s = time_limit(info.trial.stop)
        self._ready = threading.Event()
        self._wake = threading.Event()
        self._outcome: Outcome | None = None
        self._opened_at = clock()
        reports.on_change(self._wake.set)

    def wait_until_ready(self) -> None:
        """Block until the recorder knows the attempt, or cannot be told."""
        self._ready.wait()

    def finish(self, outcome: Outcome) -> None:
        """Let the monitor know that `train()` has ended, and how."""
        self._outcome = outcome
        self._wake.set()

    def run(self) -> str:
        """Watch until the attempt has ended; returns why it ended."""
        try:
            self._open()
        finally:
            self._ready.set()
        while self._outcome is None:
            wanted = self._heartbeat(self._pause_s())
            # `train()` may have ended in the meantime. Then nobody is to be interrupted.
            if self._outcome is None:
                self._enforce(wanted)
        self._forward_log()
        self.outcome = self._link.close(self._reports, self._outcome)
        self.ended = True
        return self.outcome.stop_reason

    def _open(self) -> None:
        self.environment = self._link.open(self._info)
        # The sweep may have been stopped while this attempt waited for its turn.
        wanted = self._link.update(self._reports)
        if wanted:
            self._reports.request_stop(wanted)
        self._opened_at = self._clock()

    def _heartbeat(self, pause_s: float) -> Stop | None:
        """Wait for a change, at most as long as the pause, and tell the recorder.

        Returns:
            Why the sweep wants the attempt to end; None if it does not.
        """
        if not self._link.has_more:
            self._wake.wait(pause_s)
        self._wake.clear()
        self._forward_log()
        return self._link.update(self._reports)

    def _pause_s(self) -> float:
        if self._limit_s is None:
            return HEARTBEAT_S
        left_s = self._limit_s - (self._reports.train_time_s() or 0.0)
        return min(HEARTBEAT_S, max(0.0, left_s))

    def _enforce(self, wanted: Stop | None) -> None:
        stop = self._reports.stop or wanted or self._time_is_up()
        if stop is None:
            return
        since = self._clock()
        self._let_it_save(stop, since)
        self._reports.request_stop(stop)
        # A report may just have given another reason, and the first one stays.
        self._end(self._reports.stop or stop, since)

    def _let_it_save(self, stop: Stop, since: float) -> None:
        """Wait for the checkpoint that the trial writes before it ends."""
        decision = self._reports.decision
        while self._outcome is None and decision.postpones(stop):
            part = _TO_SAVE if decision.is_saving else _TO_BEGIN_SAVING
            left_s = since + part * self._info.trial.stop_grace_s - self._clock()
            if left_s <= 0:
                return
            self._heartbeat(min(HEARTBEAT_S, left_s))

    def _time_is_up(self) -> Stop | None:
        if self._limit_s is None:
            return None
        train_s = self._reports.train_time_s()
        if train_s is None:
            return self._loading_is_too_long(self._limit_s)
        if train_s < self._limit_s:
            return None
        return Stop(EndedBy.CRITERION, time_is_up(self._limit_s, train_s))

    def _loading_is_too_long(self, limit_s: float) -> Stop | None:
        loading_s = self._clock() - self._opened_at
        if loading_s < max(limit_s, LOADING_S):
            return None
        reason = f"{time_is_up(limit_s, loading_s)}, before train() began"
        return Stop(EndedBy.CRITERION, reason)

    def _end(self, stop: Stop, since: float) -> None:
        """Take the second step, and the third `stop_grace_s` after the trial was to end."""
        deadline = since + self._info.trial.stop_grace_s
        self._interrupt_user_code()
        while self._outcome is None:
            left_s = deadline - self._clock()
            if left_s <= 0:
                self._end_process(stop)
                return
            self._heartbeat(min(HEARTBEAT_S, left_s))
            self._interrupt_user_code()

    def _interrupt_user_code(self) -> None:
        # If report() has raised in the main thread, or is about to, user code is cleaning up there:
        # a signal would break into that.
        decision = self._reports.decision
        raises_there = decision.raised_in_main or decision.waits_in_main
        if self._outcome is None and not raises_there:
            self._interrupt()

    def _end_process(self, stop: Stop) -> None:
        grace_s = self._info.trial.stop_grace_s
        reason = f"{stop.reason}; its process was ended {grace_s:g} s later"
        reports = self._reports.progress.reports
        outcome = Outcome(TrialState.TERMINATED, stop.ended_by, reason, reports=reports)
        try:
            # Without the file, the recorder still knows the outcome.
            with contextlib.suppress(OSError):
                self._paths.write_outcome(outcome)
            self._forward_log()
            self._link.close(self._reports, outcome)
        finally:
            self._exit_process(0)
