"""Whether a trial is to end, why, and from when on.

A decision takes effect at once, with one exception: a trial that is about to write a checkpoint
writes it first. It is about to,

- if it is within a `with status_reporter.checkpoint()` block: until the block ends;
- if the sweep wants it to end (no criterion does), and it has asked `wants_checkpoint` in this
  attempt: until its next checkpoint, or its second report from then on. The first is kept, so that
  the script comes to ask again.

The monitor bounds that time, see `monitor.py`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from tune_tasks.errors import TrialStopped
from tune_tasks.model.trial import CUT_SHORT, Stop


class StopDecision:
    """See the module's docstring.

    Thread safety: any thread of the process may call any method, and read the attributes. Methods
    that say so expect that the caller holds `lock`.

    Attributes:
        lock: Guards the decision, and the reports that it depends on.
        changed: Told, with the lock held, once there is a decision.
        stop: The decision that is in effect. It is never taken back.
        raised_in_main: True once TrialStopped was raised in the main thread, by a report or a
            checkpoint.
        waits_in_main: Whether the main thread waits in a report, and so will raise TrialStopped.
        is_saving: Whether a checkpoint is just being written.
        on_change: Called when the monitor is to look at once.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.stop: Stop | None = None
        self.raised_in_main = False
        self.waits_in_main = False
        self.is_saving = False
        self.on_change: Callable[[], None] = lambda: None
        self._asks = False
        self._is_closed = False
        self._postponed: Stop | None = None
        self._reports_since = 0
        self._pid = os.getpid()

    def request(self, stop: Stop) -> None:
        """End the trial from now on. The first reason stays."""
        with self.lock:
            self.take_effect(stop)

    def take_effect(self, stop: Stop) -> None:
        """End the trial from now on. The first reason stays. The caller holds the lock."""
        self.stop = self.stop or self._postponed or stop
        self.changed.notify_all()

    def interruption(self) -> str | None:
        """The reason to interrupt user code in the main thread, or None.

        There is none if the main thread has raised TrialStopped: user code is cleaning up then.
        """
        if self.stop is None or self.raised_in_main:
            return None
        return self.stop.reason

    def raised(self) -> TrialStopped:
        """Return what this thread is to raise; the trial is to end."""
        assert self.stop is not None
        if threading.current_thread() is threading.main_thread():
            self.raised_in_main = True
        return TrialStopped(self.stop.reason)

    def close(self, stop: Stop) -> None:
        """Note that the attempt has ended. The caller holds the lock."""
        self.take_effect(stop)
        self._is_closed = True

    # ── Checkpoints ─────

    def asked_for_checkpoint(self) -> bool:
        """Note that the script asks; returns whether the trial is to end, and has time for one."""
        self._asks = True
        return self._postponed is not None and self.stop is None

    def postpones(self, stop: Stop) -> bool:
        """Have an end wait for a checkpoint; returns whether the trial is about to write one."""
        with self.lock:
            is_wanted = self._asks and stop.ended_by in CUT_SHORT
            if self._postponed is None and (is_wanted or self.is_saving):
                self._postponed = stop
            is_awaited = self._postponed is not None and self.stop is None
            return is_awaited or self.is_saving

    def before_report(self) -> None:
        """End the trial if it was to write a checkpoint and reports again. With the lock held."""
        if self._postponed and self._reports_since:
            self.take_effect(self._postponed)

    def after_report(self) -> None:
        """Note that a report was kept. The caller holds the lock."""
        if self._postponed:
            self._reports_since += 1

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Write a checkpoint within the block: what is decided meanwhile takes effect at its end.

        Raises:
            TrialStopped: At the end, if the trial is to end since the block began. At once, if the
                attempt has ended.
        """
        with self.while_open():
            was_to_end = self.stop is not None
            self.is_saving = True
        raised: BaseException | None = None
        is_written = False
        try:
            yield
            is_written = True
        finally:
            # A child that user code has forked in the block has no part in this.
            if os.getpid() == self._pid:
                raised = self._after_saving(raises=is_written and not was_to_end)
        if raised:
            raise raised

    @contextlib.contextmanager
    def while_open(self) -> Iterator[None]:
        """Keep the attempt from being closed within the block.

        Raises:
            TrialStopped: If it is closed already.
        """
        with self.lock:
            if self._is_closed:
                raise self.raised()
            yield

    def _after_saving(self, *, raises: bool) -> TrialStopped | None:
        with self.lock:
            self.is_saving = False
            if self._postponed:
                self.take_effect(self._postponed)
            raised = self.raised() if self.stop and raises else None
        self.on_change()
        return raised
