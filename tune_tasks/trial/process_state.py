"""What a script sets for its whole process is as before when the next trial begins there.

A worker runs many trials, of several experiments. Each finds the process as the first one did,
whatever the others have done to it: the working directory, environment variables, `sys`'s hooks and
streams, warnings, logging, signal handlers, the locale, and the settings of the libraries that
scripts configure.

What cannot be put back: threads and processes that a script leaves behind, functions that it has
replaced in a library (`isolate: true` gives a trial a process of its own).
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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tune_tasks.trial.import_hook import after_import
from tune_tasks.trial.script_end import end_joblib

Undo = Callable[[], None]

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
_INFRASTRUCTURE = ("prefect", "ray", "tune_tasks")


@contextlib.contextmanager
def put_back(cwd: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run user code in the driver's working directory; afterwards the process is as before.

    For the main thread.

    Args:
        cwd: The driver's working directory; taken if it exists.
        environment: Variables to be set meanwhile.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_environment(cwd, environment))
        stack.enter_context(_interpreter())
        stack.enter_context(_logging())
        for name, snapshot in _LIBRARIES.items():
            stack.enter_context(_library(name, snapshot))
        yield


@contextlib.contextmanager
def _environment(cwd: Path, environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    cwd_before = _cwd()
    mask = os.umask(0o077)
    os.umask(mask)
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


def _cwd() -> Path | None:
    """The working directory; None if somebody has removed it."""
    with contextlib.suppress(OSError):
        return Path.cwd()
    return None


@contextlib.contextmanager
def _interpreter() -> Iterator[None]:
    with contextlib.ExitStack() as stack:  # a step that fails keeps no other one from being done
        # The signals last, and so the first to be put back: a handler of the script's may raise.
        for snapshot in (_sys, _start_method, _garbage_collection, _locale, _sockets, _signals):
            stack.callback(snapshot())
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(decimal.localcontext())
        # It keeps a function of `warnings`, which is about to be put back
        stack.callback(logging.captureWarnings, False)
        # Ray's own arguments are no business of a script that parses its command line
        sys.argv = [""]
        yield


@contextlib.contextmanager
def alarms_ended() -> Iterator[None]:
    """Around user code.

    An alarm that is still to come would hit what follows, or the next trial.
    """
    try:
        yield
    finally:
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)


def _sys() -> Undo:
    before = {name: getattr(sys, name) for name in _SYS_NAMES}
    thread_hook = threading.excepthook
    recursion, switch = sys.getrecursionlimit(), sys.getswitchinterval()

    def undo() -> None:
        for name, value in before.items():
            setattr(sys, name, value)
        threading.excepthook = thread_hook
        sys.setrecursionlimit(recursion)
        sys.setswitchinterval(switch)

    return undo


def _signals() -> Undo:
    # torch's DataLoader sets a handler of SIGCHLD once a process, and calls the one before it.
    before = {
        number: signal.getsignal(number) for number in signal.valid_signals() - {signal.SIGCHLD}
    }

    def undo() -> None:
        for number, handler in before.items():
            # None: not set from Python
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)

    return undo


def _start_method() -> Undo:
    before = multiprocessing.get_start_method(allow_none=True)
    return lambda: multiprocessing.set_start_method(before, force=True)


def _garbage_collection() -> Undo:
    was_enabled, threshold = gc.isenabled(), gc.get_threshold()

    def undo() -> None:
        gc.set_threshold(*threshold)
        (gc.enable if was_enabled else gc.disable)()

    return undo


def _locale() -> Undo:
    before = locale.setlocale(locale.LC_ALL)
    return lambda: _quietly(lambda: locale.setlocale(locale.LC_ALL, before))


def _sockets() -> Undo:
    before = socket.getdefaulttimeout()
    return lambda: socket.setdefaulttimeout(before)


def _quietly(step: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        step()


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """Loggers, handlers and levels, as they were.

    Meanwhile what our own threads log stays out of the script's handlers.
    """
    before = {logger: _LoggerState(logger) for logger in _loggers()}
    disabled = logging.root.manager.disable
    factory, logger_class = logging.getLogRecordFactory(), logging.getLoggerClass()
    # Not their idents, which are given out again
    ours = set(threading.enumerate()) - {threading.main_thread()}
    handlers = {handler for state in before.values() for handler in state.handlers}
    call_handlers = logging.Logger.callHandlers

    def call_some(self: logging.Logger, record: logging.LogRecord) -> None:
        """With `basicConfig(level=DEBUG)` in a script.

        Prefect's HTTP client would fill the trial's log.
        """
        thread = threading.current_thread()
        is_infrastructure = (
            record.name.partition(".")[0] in _INFRASTRUCTURE
            and thread is not threading.main_thread()
        )
        if thread in ours or is_infrastructure:
            _call_handlers_among(handlers, self, record)
        else:
            call_handlers(self, record)

    logging.Logger.callHandlers = call_some  # type: ignore[method-assign]
    try:
        yield
    finally:
        logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign]
        logging.setLogRecordFactory(factory)
        logging.setLoggerClass(logger_class)
        logging.disable(disabled)
        for logger in _loggers():
            if logger in before:
                before[logger].restore()
            elif logger.name.partition(".")[0] not in sys.modules:
                # A library that stays imported keeps what it has set up
                _LoggerState(logging.Logger(logger.name), logger).restore()


class _LoggerState:
    """How a logger is set up."""

    def __init__(self, source: logging.Logger, target: logging.Logger | None = None) -> None:
        self._logger = target or source
        self.handlers, self._filters = list(source.handlers), list(source.filters)
        self._level, self._propagate, self._disabled = (
            source.level,
            source.propagate,
            source.disabled,
        )

    def restore(self) -> None:
        for handler in self._logger.handlers:
            if handler not in self.handlers:
                _quietly(handler.close)  # a file that a script logs to is complete with its trial
        self._logger.handlers[:], self._logger.filters[:] = self.handlers, self._filters
        self._logger.propagate, self._logger.disabled = self._propagate, self._disabled
        self._logger.setLevel(self._level)


def _loggers() -> list[logging.Logger]:
    named = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(logger for logger in named if isinstance(logger, logging.Logger))]


def _call_handlers_among(
    handlers: set[logging.Handler], logger: logging.Logger, record: logging.LogRecord
) -> None:
    """`Logger.callHandlers` for some of them."""
    at: logging.Logger | None = logger
    while at:
        for handler in at.handlers:
            if handler in handlers and record.levelno >= handler.level:
                handler.handle(record)
        at = at.parent if at.propagate else None


@contextlib.contextmanager
def _library(name: str, snapshot: Callable[[], Undo]) -> Iterator[None]:
    """The settings of a library as they are now.

    Or as they are when the script has just imported it.
    """
    undo: list[Undo] = []
    try:
        # Another version than we know may lack what we ask for: no reason for a trial to fail.
        with after_import(name, lambda: _quietly(lambda: undo.append(snapshot()))):
            yield
    finally:
        for step in undo:
            _quietly(step)


def _numpy() -> Undo:
    import numpy as np

    errors, printing = np.geterr(), np.get_printoptions()

    def undo() -> None:
        np.seterr(**errors)
        np.set_printoptions(**printing)

    return undo


def _torch() -> Undo:
    torch: Any = sys.modules["torch"]
    dtype, threads, precision = (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
    )
    grad, deterministic = torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled()
    anomaly, device = torch.is_anomaly_enabled(), torch.get_default_device()
    cudnn = {
        name: getattr(torch.backends.cudnn, name)
        for name in ("enabled", "benchmark", "deterministic")
    }

    def undo() -> None:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        torch.set_grad_enabled(grad)
        torch.use_deterministic_algorithms(deterministic)
        torch.autograd.set_detect_anomaly(anomaly)
        for name, value in cudnn.items():
            setattr(torch.backends.cudnn, name, value)
        if torch.get_default_device() != device:
            torch.set_default_device(device)

    return undo


def _matplotlib() -> Undo:
    matplotlib: Any = sys.modules["matplotlib"]
    before = matplotlib.rcParams.copy()

    def undo() -> None:
        dict.update(matplotlib.rcParams, before)
        if pyplot := sys.modules.get("matplotlib.pyplot"):
            pyplot.close("all")  # else the figures of all trials stay in memory
            pyplot._backend_mod = None  # type: ignore[attr-defined]  # chosen anew by rcParams, at the next figure

    return undo


def _pandas() -> Undo:
    pandas: Any = sys.modules["pandas"]

    def undo() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # options that pandas is about to drop
            pandas.reset_option("all")

    return undo


_LIBRARIES: Mapping[str, Callable[[], Undo]] = {
    "joblib": lambda: end_joblib,
    "numpy": _numpy,
    "torch": _torch,
    "matplotlib": _matplotlib,
    "pandas": _pandas,
}
