"""Lets children that user code forks end as they do outside of Ray.

User code forks by `multiprocessing`, a DataLoader, or `os.fork`.

A child inherits what Ray and Prefect have set up for the trial's process, but none of their
threads. So:

- Prefect's services ask their threads to finish when `threading` shuts down. In a child an
  assertion of theirs fails then (3.8.8), and the child's exit code is 1.
- Ray's handler of SIGTERM exits with 1, so that `Process.terminate()` looks like a failure.
- A child of `os.fork()` that comes back from `train()` would go on as a second trial.

None of this can be mended at the place of a fork, because user code and libraries fork in many
ways. In all of them Python calls what `os.register_at_fork` was given.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
_ours: dict[signal.Signals, Any] = {}
"""Our handlers of these signals while user code runs; empty at other times."""
_masks: dict[int, set[int]] = {}
"""By thread that forks now: the signals that it had blocked before."""


@contextlib.contextmanager
def children_as_outside() -> Iterator[None]:
    """While user code runs, have its forked children begin as in a process without Ray."""
    _register()
    _ours.update({number: signal.getsignal(number) for number in _SIGNALS})
    try:
        yield
    finally:
        _ours.clear()


@contextlib.contextmanager
def children_end_here(describe: Callable[[BaseException], str]) -> Iterator[None]:
    """End a forked child that leaves this block, as the end of a script ends a process.

    Args:
        describe: Makes the text for an exception that nobody has caught.
    """
    owner = os.getpid()
    code = 0
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
    """Register our functions, once in a process: Python cannot unregister them."""
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_begin_child)


def _block() -> None:
    """Block the signals while a thread forks.

    A signal that hits a child before `_leave_ours` would be lost in Ray's handler, and
    `Pool.terminate()`, which sends SIGTERM once, would wait for the child without end.
    """
    if _is_forked_by_user_code():
        _masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def _unblock() -> None:
    mask = _masks.pop(threading.get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _begin_child() -> None:
    if _is_forked_by_user_code():
        _leave_ours()
    _unblock()


def _is_forked_by_user_code() -> bool:
    return bool(_ours)


def _leave_ours() -> None:
    calls: list[Any] = threading._threading_atexits  # type: ignore[attr-defined]
    calls[:] = [call for call in calls if not _is_prefects(call)]
    for number, handler in _ours.items():
        # User code may have set a handler of its own, which its children keep.
        if signal.getsignal(number) == handler:
            signal.signal(number, signal.SIG_DFL)
    _ours.clear()


def _is_prefects(call: Any) -> bool:
    owner = getattr(registered_function(call), "__self__", None)
    return type(owner).__module__.partition(".")[0] == "prefect"


def registered_function(call: Any) -> Any:
    """Return the function that `threading` was given, of which it keeps a wrapper.

    The wrapper is a `partial`; from Python 3.13 on it is a lambda that has the function in a cell.
    """
    if isinstance(call, functools.partial):
        return call.func
    return inspect.getclosurevars(call).nonlocals.get("func")


def _exit_code(exc: BaseException, describe: Callable[[BaseException], str]) -> int:
    """Print the exception that ends a process as Python does.

    Returns:
        The process's exit code.
    """
    if not isinstance(exc, SystemExit):
        sys.stderr.write(describe(exc))
        return 1
    if exc.code is None or isinstance(exc.code, int):
        return exc.code or 0
    print(exc.code, file=sys.stderr)
    return 1


def _exit(code: int) -> NoReturn:
    """End without the `atexit` functions: they belong to the parent, and Ray's are among them."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code & 0xFF)
