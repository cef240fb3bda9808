"""`Reachable`: whether it is worth the wait for a tracker."""

from __future__ import annotations

import threading
from collections.abc import Callable

_MOST_FAILURES = 5


class Reachable:
    """Lets trials wait for a tracker once, and then for none until it answers again.

    Every method may be called from several threads at once.

    Args:
        prompt_s: A call that takes less seconds is one that is worth the wait.
    """

    def __init__(self, prompt_s: float) -> None:
        self._prompt_s = prompt_s
        self._is_connected = False
        self._answers = True
        self._failures = 0
        self._changed = threading.Condition()

    def connected(self) -> None:
        """The tracker's library is imported, and its store is open if it is a file."""
        with self._changed:
            self._is_connected = True
            self._changed.notify_all()

    def answered(self, took_s: float) -> None:
        """A call has done its work, in some seconds."""
        with self._changed:
            self._failures = 0
            if took_s < self._prompt_s:
                self._answers = True
            self._changed.notify_all()

    def failed(self) -> None:
        """A call has failed, and has done nothing."""
        with self._changed:
            self._failures += 1
            if self._failures >= _MOST_FAILURES:
                self._answers = False
            self._changed.notify_all()

    def wait(self, is_done: Callable[[], bool], timeout_s: float, connect_s: float) -> None:
        """Wait until something is done, or nobody is to wait any more.

        Args:
            is_done: Looked at after each call.
            timeout_s: Seconds to wait, once the tracker is connected.
            connect_s: Seconds to wait for that.
        """
        with self._changed:
            self._wait(lambda: self._is_connected or is_done(), connect_s)
            self._wait(is_done, timeout_s)

    def _wait(self, is_over: Callable[[], bool], timeout_s: float) -> None:
        self._changed.wait_for(lambda: is_over() or not self._answers, timeout_s)
        if not is_over():
            # Whoever else waits need not wait any longer.
            self._answers = False
            self._changed.notify_all()
