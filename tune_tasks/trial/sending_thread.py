"""`SendingThread`: sends to a depot whose steps take long, beside the monitor."""

from __future__ import annotations

import threading

from tune_tasks.trial.sending import Sending

_PAUSE_S = 1.0


class SendingThread(threading.Thread):
    """See the module's docstring. A daemon: a storage that hangs keeps no process.

    Args:
        sending: What is sent; this thread alone makes its steps.
    """

    def __init__(self, sending: Sending) -> None:
        super().__init__(name="sending", daemon=True)
        self._sending = sending
        self._wake = threading.Event()
        self._is_ended = False

    def look(self) -> None:
        """Look at once for something to be sent."""
        self._wake.set()

    def end(self) -> None:
        """Send no more after this step."""
        self._is_ended = True
        self._wake.set()

    def run(self) -> None:
        """Send until `end`."""
        while not self._is_ended:
            if not self._sending.step():
                self._wake.wait(_PAUSE_S)
                self._wake.clear()
