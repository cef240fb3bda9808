"""Ctrl-C and SIGTERM, by which Prefect cancels: noted, and told to the sweep.

Their default handlers raise wherever the main thread happens to be, such as between a trial's
submission and its record. Ours only note the wish. They stand from before Ray starts, because
Ray's and Prefect's own handlers end the process (see docs/architecture.md).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

from tune_tasks.model.timeouts import (
    CLOSE_MARGIN_S,
    LEAST_PATIENCE_S,
    PATIENCE_S,
    PREFECT_KILLS_S,
    SUPERVISED_GRACE_S,
)

_TOGETHER_S = 0.25
CTRL_C = "interrupted (Ctrl-C)"
_NAMES = {signal.SIGINT: CTRL_C, signal.SIGTERM: "interrupted (SIGTERM)"}
_ALONE = "interrupted (the process that had started this one has died)"
"""The kernel sends SIGTERM to the driver of a command then."""


class Interruption:
    """Whether somebody wants the sweep to end, and who is told of it. Lives in the driver.

    Args:
        clock: Monotonic, in seconds.
        parent: Returns the id of the process that has started this one, or of who has it now.

    Attributes:
        reason: Why it is to end; None before anybody asked.
        is_supervised: Whether a worker or runner of Prefect's has started this process. It sets the
            state of a run that it cancels, and kills the process 30 s later.
        patience_s: Seconds that the trials have at most, whatever their own grace.
        close_within_s: Seconds from the wish until the records must be closed.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        parent: Callable[[], int] = os.getppid,
    ) -> None:
        self.reason: str | None = None
        self._clock = clock
        self._parent = parent
        self._parent_then = parent()
        self._asked_at = float("-inf")
        # Prefect's runners keep these hooks to themselves: they set the state of what they end.
        hooks = os.environ.get("PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS")
        self.is_supervised = hooks == "false"
        self.patience_s = self.close_within_s = float("inf")
        if self.is_supervised:
            self.patience_s = SUPERVISED_GRACE_S
            self.close_within_s = PREFECT_KILLS_S - CLOSE_MARGIN_S
        self._listener: Callable[[str], None] | None = None

    @contextlib.contextmanager
    def calling(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Call the listener with the reason of each wish; at once if there was one before."""
        self._listener = listener
        try:
            if self.reason:
                listener(self.reason)
            yield
        finally:
            self._listener = None

    def on_signal(self, number: int, _frame: object) -> None:
        """Handle both signals.

        Only a second Ctrl-C means impatience: SIGTERM may come together with Ctrl-C, or twice,
        without anybody being impatient. What is sent to the whole process group comes twice at
        once, because the supervisor hears it, too, and forwards it.
        """
        now = self._clock()
        is_the_same = now - self._asked_at < _TOGETHER_S
        if self.reason and (number == signal.SIGTERM or is_the_same):
            return
        self._asked_at = now
        self._tell(self.reason or self._reason_of(number))

    def _reason_of(self, number: int) -> str:
        is_alone = self._parent() != self._parent_then
        return _ALONE if is_alone and number == signal.SIGTERM else _NAMES[signal.Signals(number)]

    def ask(self, reason: str) -> None:
        """Take in a wish that came without a signal; one that is not the first changes nothing."""
        if self.reason is None:
            self._tell(reason)

    def _tell(self, reason: str) -> None:
        self.reason = reason
        if self._listener:
            self._listener(reason)


class Patience:
    """How long the end of a sweep may wait for others: for trackers, Prefect and the recorder.

    It is short once Prefect is about to kill this process, and gone once somebody has asked again.

    Args:
        clock: Monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._close_by = float("inf")
        self._is_lost = False

    def limit(self, seconds: float) -> None:
        """Have everything closed within some seconds; the first limit counts."""
        self._close_by = min(self._close_by, self._clock() + seconds)

    def lose(self) -> None:
        """Wait for nothing that has not come by now."""
        self._is_lost = True

    @property
    def is_gone(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self._is_lost or self._clock() > self._close_by

    def seconds(self, most: float = PATIENCE_S) -> float:
        """Seconds to wait for one answer."""
        return max(LEAST_PATIENCE_S, min(most, self._close_by - self._clock()))


@contextlib.contextmanager
def interruptible(clock: Callable[[], float] = time.monotonic) -> Iterator[Interruption]:
    """Have Ctrl-C and SIGTERM noted, for the time of the context.

    Args:
        clock: Monotonic, in seconds.
    """
    interruption = Interruption(clock)
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    previous = {number: signal.signal(number, interruption.on_signal) for number in _NAMES}
    try:
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
