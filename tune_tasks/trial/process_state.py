"""Puts back what a script has set for its whole process, for the next trial in the process.

A worker runs many trials, of several experiments. Each finds the process as the first one did: the
working directory, environment variables, the hooks and streams of `sys`, warnings, logging, signal
handlers, the locale, and the settings of the libraries that scripts configure.

What cannot be put back: threads and processes that a script leaves behind, and functions that it
has replaced in a library. `isolate: true` gives a trial a process of its own.

Each part notes how things are, and puts that back at the end. If one of them fails, the others are
done all the same.
"""

from __future__ import annotations

import contextlib
import decimal
import gc
import locale
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from tune_tasks.trial.library_state import Undo, libraries_kept, quietly
from tune_tasks.trial.logging_state import logging_kept

_SYS_NAMES = (
    "argv",
    "stdin",
    "stdout",
    "stderr",
    "excepthook",
    "displayhook",
    "unraisablehook",
    "dont_write_bytecode",
)


@contextlib.contextmanager
def put_back(cwd: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run user code in the driver's working directory; afterwards the process is as before.

    For the main thread alone, because no other thread can set signal handlers.

    Args:
        cwd: The driver's working directory. If this machine lacks it, the working directory stays.
        environment: Variables that user code finds.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_environment(cwd, environment))
        stack.enter_context(_interpreter())
        stack.enter_context(logging_kept())
        stack.enter_context(libraries_kept())
        yield


@contextlib.contextmanager
def _environment(cwd: Path, environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    cwd_before = _cwd()
    mask = _umask()
    with contextlib.suppress(OSError):
        os.chdir(cwd)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.umask(mask)
        with contextlib.suppress(OSError):
            os.chdir(cwd_before or cwd)
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _cwd() -> Path | None:
    """The working directory; None if it was removed."""
    with contextlib.suppress(OSError):
        return Path.cwd()
    return None


@contextlib.contextmanager
def _interpreter() -> Iterator[None]:
    # A stack undoes all of them, even if one raises.
    with contextlib.ExitStack() as stack:
        # What comes last is undone first. That is the signals, because a handler of the script may
        # raise at any time.
        for snapshot in (_sys, _start_method, _garbage_collection, _locale, _sockets, _signals):
            stack.callback(snapshot())
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(decimal.localcontext())
        # Logging remembers that it captures warnings. If it still did when `warnings` is put back,
        # the next script's `captureWarnings(True)` would do nothing.
        stack.callback(logging.captureWarnings, False)
        # A script that parses its command line must not find that of Ray's worker.
        sys.argv = [""]
        yield


@contextlib.contextmanager
def alarms_ended() -> Iterator[None]:
    """Switch off the timers that user code has set: they would hit what follows it."""
    try:
        yield
    finally:
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)


def _sys() -> Undo:
    before = {name: getattr(sys, name) for name in _SYS_NAMES}
    thread_hook = threading.excepthook
    recursion = sys.getrecursionlimit()
    switch = sys.getswitchinterval()

    def undo() -> None:
        for name, value in before.items():
            setattr(sys, name, value)
        threading.excepthook = thread_hook
        sys.setrecursionlimit(recursion)
        sys.setswitchinterval(switch)

    return undo


def _signals() -> Undo:
    # Not SIGCHLD: torch's DataLoader sets its handler once in a process, which calls the one
    # before it. Without that handler later trials would not hear of a worker's death.
    numbers = signal.valid_signals() - {signal.SIGCHLD}
    before = {number: signal.getsignal(number) for number in numbers}

    def undo() -> None:
        for number, handler in before.items():
            # A handler of C code is None here, and Python cannot put it back.
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)

    return undo


def _start_method() -> Undo:
    before = multiprocessing.get_start_method(allow_none=True)
    return lambda: multiprocessing.set_start_method(before, force=True)


def _garbage_collection() -> Undo:
    was_enabled = gc.isenabled()
    threshold = gc.get_threshold()

    def undo() -> None:
        gc.set_threshold(*threshold)
        if was_enabled:
            gc.enable()
        else:
            gc.disable()

    return undo


def _locale() -> Undo:
    before = locale.setlocale(locale.LC_ALL)
    return lambda: quietly(lambda: locale.setlocale(locale.LC_ALL, before))


def _sockets() -> Undo:
    before = socket.getdefaulttimeout()
    return lambda: socket.setdefaulttimeout(before)
