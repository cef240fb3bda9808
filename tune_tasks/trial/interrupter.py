"""Raises TrialStopped in the main thread from another thread."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from tune_tasks.errors import TrialStopped

_INTERRUPT = signal.SIGUSR1


_RESEND_AFTER_S = (0.001, 0.01, 0.05, 0.1)


class _Interruption(TrialStopped, KeyboardInterrupt):
    """TrialStopped out of a signal.

    Where that breaks into Ray's native code (`ray.get`), only a KeyboardInterrupt comes out, and
    that as a plain one; all else is lost there, or ends the process.
    """


class Interrupter:
    """Raises TrialStopped in the main thread from another thread.

    It does so at once, also out of `time.sleep` and endless loops, by a signal. The handler stays
    installed for the life of the process, because a late signal would end it otherwise.

    Attributes:
        has_raised: Whether it has since it was armed.
    """

    def __init__(self) -> None:
        self._armed = self.has_raised = False
        self._reason: Callable[[], str | None] = lambda: None
        signal.signal(_INTERRUPT, self._raise)

    @contextlib.contextmanager
    def armed(self, reason: Callable[[], str | None]) -> Iterator[None]:
        """While user code runs.

        From here on `interrupt()` has an effect, as long as `reason` gives one.
        """
        # The user code of an earlier trial may have installed its own
        signal.signal(_INTERRUPT, self._raise)
        self._reason = reason
        self.has_raised = False
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def interrupt(self) -> None:
        """Signal the main thread if user code runs in it that was not interrupted yet.

        A signal that arrives just before a blocking call begins ends nothing, so that it is sent a
        few times.
        """
        for pause_s in _RESEND_AFTER_S:
            if not self._armed or self.has_raised:
                return
            signal.pthread_kill(threading.main_thread().ident or 0, _INTERRUPT)
            time.sleep(pause_s)

    def _raise(self, _signum: int, _frame: FrameType | None) -> None:
        if self._armed and not self.has_raised and (reason := self._reason()):
            self.has_raised = True
            raise _Interruption(reason)
