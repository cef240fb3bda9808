"""Ctrl-C and SIGTERM as a wish of the sweep's, from before Ray is there to the end.

Prefect cancels by SIGTERM.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

from tune_tasks.model.timeouts import CLOSE_MARGIN_S, PREFECT_KILLS_S, SUPERVISED_GRACE_S

_NAMES = {signal.SIGINT: "interrupted (Ctrl-C)", signal.SIGTERM: "interrupted (SIGTERM)"}


class Interruption:
    """Whether the sweep is to end, and who is told of it. Lives in the driver.

    Attributes:
        reason: Why; None while nobody asked.
        is_supervised: Whether a worker or runner of Prefect's started this process, and sets the
            state of a run it cancels.
        patience_s: Seconds the trials have, at most, whatever their own grace. A supervised process
            is killed 30 s after the wish: its records must be closed by then.
        close_within_s: Seconds from the wish until the records must be closed.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.is_supervised = (
            os.environ.get("PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS") == "false"
        )
        self.patience_s = SUPERVISED_GRACE_S if self.is_supervised else float("inf")
        self.close_within_s = (
            PREFECT_KILLS_S - CLOSE_MARGIN_S if self.is_supervised else float("inf")
        )
        self._listener: Callable[[str], None] | None = None

    @contextlib.contextmanager
    def calling(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Call the listener with the reason at each wish; at once where there was one before."""
        self._listener = listener
        try:
            if self.reason:
                listener(self.reason)
            yield
        finally:
            self._listener = None

    def on_signal(self, number: int, _frame: object) -> None:
        """The handler of both signals. Only Ctrl-C is impatient.

        Who cancels by SIGTERM sends it with Ctrl-C, or twice.
        """
        if self.reason and number == signal.SIGTERM:
            return
        self.reason = self.reason or _NAMES[signal.Signals(number)]
        if self._listener:
            self._listener(self.reason)


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Ctrl-C and SIGTERM are noted instead of raising wherever the main thread happens to be."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    previous = {number: signal.signal(number, interruption.on_signal) for number in _NAMES}
    try:
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
