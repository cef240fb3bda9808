"""Raises TrialStopped in the main thread, where user code runs, from the monitor's thread.

The problem: user code may be anywhere. It may compute in a loop that never reports, sleep, wait for
a socket, or wait in Ray's native code. It has to end at once, with its `finally` blocks run.

What does not work:

- `PyThreadState_SetAsyncExc` raises when the main thread next executes Python code. In
  `time.sleep(3600)` that is in an hour.
- `_thread.interrupt_main()` and `signal.raise_signal()` have the same fault: they set the
  interpreter's flag, or signal the calling thread, and leave the main thread in its system call.
- `os.kill(os.getpid(), …)` lets the kernel choose the thread. Ray has dozens of them.

What works: a signal that `pthread_kill` sends to the main thread. It breaks off the system call
there, Python runs the handler, and the handler raises.

Why SIGUSR1: it means nothing to Python, Ray and torch. SIGINT, SIGTERM and SIGCHLD are Ray's or
torch's, and SIGALRM is what scripts use for time limits of their own.

Why the signal is sent several times: Python looks for signals between two steps of Python code. One
that arrives after the last look, and before the system call has begun, breaks off nothing. The next
one does. The monitor asks again with each of its ticks as well.

Why an exception is raised once: what follows is the clean-up of user code, and another exception
would break into that.

What is not safe, as with Ctrl-C in any program: the exception may be raised between any two steps,
in the middle of a `finally` block or of a library's own bookkeeping. Python prints and drops it if
it is raised in a `__del__` or a callback from C. User code may catch it. In all these cases
user code goes on, until its next report raises TrialStopped or the monitor ends the process. A C
function that never returns to Python ends in that way, too.
"""

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

    A KeyboardInterrupt too, because nothing else comes out of Ray's native code. In `ray.get` any
    other exception of a handler is lost, or ends the process; this one comes out as a plain
    KeyboardInterrupt. See `has_raised`.
    """


class Interrupter:
    """Raises TrialStopped in the main thread from another thread.

    There is one in a process. Its handler stays installed between trials, because SIGUSR1 ends a
    process that does not handle it, and a signal may come late.

    Attributes:
        has_raised: True once the handler has raised since user code began. A KeyboardInterrupt of
            user code is then this one.
    """

    def __init__(self) -> None:
        self.has_raised = False
        self._is_armed = False
        self._reason: Callable[[], str | None] = lambda: None
        signal.signal(_INTERRUPT, self._raise)

    @contextlib.contextmanager
    def armed(self, reason: Callable[[], str | None]) -> Iterator[None]:
        """Let `interrupt()` have an effect while user code runs.

        Args:
            reason: Gives the reason to interrupt, or None if there is none any more. Called in the
                handler, because a report may have raised since the signal was sent.
        """
        # The user code of an earlier trial may have installed a handler of its own.
        signal.signal(_INTERRUPT, self._raise)
        self._reason = reason
        self.has_raised = False
        self._is_armed = True
        try:
            yield
        finally:
            self._is_armed = False

    def interrupt(self) -> None:
        """Raise TrialStopped in the main thread if user code runs there and was not interrupted."""
        main_thread = threading.main_thread().ident or 0
        for pause_s in _RESEND_AFTER_S:
            if not self._is_armed or self.has_raised:
                return
            signal.pthread_kill(main_thread, _INTERRUPT)
            time.sleep(pause_s)

    def _raise(self, _signum: int, _frame: FrameType | None) -> None:
        if not self._is_armed or self.has_raised:
            return
        reason = self._reason()
        if reason:
            self.has_raised = True
            raise _Interruption(reason)
