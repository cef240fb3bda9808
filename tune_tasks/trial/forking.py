"""Children that user code forks (`multiprocessing`, a DataLoader, `os.fork`) end as outside of Ray.

A child inherits what Ray and Prefect have set up for the trial's own process. That is wrong in a
child, which has none of their threads:

- Prefect's services ask their threads to finish when `threading` shuts down. In the child that is a
  failed assertion of theirs (3.8.8), and the exit code 1.
- Ray's handler of SIGTERM makes `Process.terminate()` an exit with 1.
- A child of `os.fork()` that comes back from `train()` would go on as a second trial.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
_ours: dict[signal.Signals, Any] = {}
"""While user code runs: the handlers of signals that were there before it."""
_masks: dict[int, set[int]] = {}
"""While a thread forks: the signals that it had blocked."""


@contextlib.contextmanager
def children_as_outside() -> Iterator[None]:
    """While user code runs.

    Have its forked children begin as if there were no Ray and no Prefect in this process.
    """
    _register()
    _ours.update({number: signal.getsignal(number) for number in _SIGNALS})
    try:
        yield
    finally:
        _ours.clear()


@contextlib.contextmanager
def children_end_here(describe: Callable[[BaseException], str]) -> Iterator[None]:
    """Around the call of user code.

    A forked child that comes to its end ends the process, as a script's end does.

    Args:
        describe: The text for an exception that nobody has caught.
    """
    owner, code = os.getpid(), 0
    try:
        yield
    except BaseException as exc:
        if os.getpid() == owner:
            raise
        code = _exit_code(exc, describe)
    if os.getpid() != owner:
        _exit(code)


@functools.cache
def _register() -> None:
    """Once a process: what is registered stays."""
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_begin_child)


def _block() -> None:
    """A signal that hits a child before it has its own handlers would be lost in Ray's.

    `Pool.terminate()` would hang.
    """
    if _ours:  # forked by user code
        _masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def _unblock() -> None:
    if (mask := _masks.pop(threading.get_ident(), None)) is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _begin_child() -> None:
    if _ours:  # forked by user code
        _leave_ours()
    _unblock()


def _leave_ours() -> None:
    calls: list[Any] = threading._threading_atexits  # type: ignore[attr-defined]
    calls[:] = [call for call in calls if not _is_prefects(call)]
    for number, handler in _ours.items():
        if signal.getsignal(number) == handler:  # else user code has set its own
            signal.signal(number, signal.SIG_DFL)
    _ours.clear()


def _is_prefects(call: Any) -> bool:
    owner = getattr(getattr(call, "func", None), "__self__", None)
    return type(owner).__module__.partition(".")[0] == "prefect"


def _exit_code(exc: BaseException, describe: Callable[[BaseException], str]) -> int:
    """Print what has ended a process as Python does; returns its exit code."""
    if not isinstance(exc, SystemExit):
        sys.stderr.write(describe(exc))
    elif exc.code is None or isinstance(exc.code, int):
        return exc.code or 0
    else:
        print(exc.code, file=sys.stderr)
    return 1


def _exit(code: int) -> NoReturn:
    """End without the exit functions of the trial's own process, Ray's among them."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code & 0xFF)
