"""Puts back what a script has set for its whole process, for the next trial in the process.

A worker runs many trials, of several experiments. Each finds the process as the first one did: the
working directory, environment variables, the hooks and streams of `sys`, warnings, logging, signal
handlers, the locale, and the settings of the libraries that scripts configure.

What cannot be put back: threads and processes that a script leaves behind, and functions that it
has replaced in a library. `isolate: true` gives a trial a process of its own.

Each part is a function that notes how things are and returns its `Undo`. One that fails to undo
keeps no other one from being undone.
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
"""Puts back what was noted when it was made."""

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
"""The loggers of these packages are ours, outside of the main thread."""


@contextlib.contextmanager
def put_back(cwd: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run user code in the driver's working directory; afterwards the process is as before.

    To be used in the main thread, because only that one can set signal handlers.

    Args:
        cwd: The driver's working directory. If this machine lacks it, the working directory stays.
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
    # It can only be read by setting it.
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
    # A stack calls all of them, even if one raises.
    with contextlib.ExitStack() as stack:
        # The last one is the first to be put back. That is the signals', because a handler of the
        # script may raise at any time.
        for snapshot in (_sys, _start_method, _garbage_collection, _locale, _sockets, _signals):
            stack.callback(snapshot())
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(decimal.localcontext())
        # Logging remembers that it captures warnings. If it went on to do so when `warnings` is put
        # back, the next script's `captureWarnings(True)` would do nothing.
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
    recursion, switch = sys.getrecursionlimit(), sys.getswitchinterval()

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
            # None: C code has set it. Python could not put it back.
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
        if was_enabled:
            gc.enable()
        else:
            gc.disable()

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
    """Put back loggers, handlers and levels; keep our threads' records out of the script's log."""
    before = {logger: _LoggerState(logger) for logger in _loggers()}
    disabled = logging.root.manager.disable
    factory = logging.getLogRecordFactory()
    logger_class = logging.getLoggerClass()
    handlers = {handler for state in before.values() for handler in state.handlers}
    try:
        with _handlers_called_by_origin(handlers):
            yield
    finally:
        logging.setLogRecordFactory(factory)
        logging.setLoggerClass(logger_class)
        logging.disable(disabled)
        for logger in _loggers():
            if logger in before:
                before[logger].restore(logger)
            elif logger.name.partition(".")[0] not in sys.modules:
                # The script's own logger. One of a library that stays imported keeps its set-up.
                _LoggerState(logging.Logger(logger.name)).restore(logger)


@contextlib.contextmanager
def _handlers_called_by_origin(handlers: set[logging.Handler]) -> Iterator[None]:
    """Have records of our own threads go to these handlers alone, all others where they go.

    With `basicConfig(level=DEBUG)` in a script, Prefect's HTTP client would fill the trial's log.
    `callHandlers` is replaced, because filters do not do it: a script adds handlers at any time.
    """
    # Threads, not their idents, because an ident is given out again after its thread has ended.
    ours = set(threading.enumerate()) - {threading.main_thread()}
    call_handlers = logging.Logger.callHandlers

    def call_some(self: logging.Logger, record: logging.LogRecord) -> None:
        thread = threading.current_thread()
        is_infrastructure = record.name.partition(".")[0] in _INFRASTRUCTURE
        is_in_main_thread = thread is threading.main_thread()
        if thread in ours or (is_infrastructure and not is_in_main_thread):
            _call_handlers_among(handlers, self, record)
        else:
            call_handlers(self, record)

    logging.Logger.callHandlers = call_some  # type: ignore[method-assign]
    try:
        yield
    finally:
        logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign]


class _LoggerState:
    """How a logger is set up."""

    def __init__(self, logger: logging.Logger) -> None:
        self.handlers = list(logger.handlers)
        self._filters = list(logger.filters)
        self._level = logger.level
        self._propagate = logger.propagate
        self._disabled = logger.disabled

    def restore(self, logger: logging.Logger) -> None:
        for handler in logger.handlers:
            if handler not in self.handlers:
                # So that a file that the script logs to is complete with the trial
                _quietly(handler.close)
        logger.handlers[:] = self.handlers
        logger.filters[:] = self._filters
        logger.propagate = self._propagate
        logger.disabled = self._disabled
        logger.setLevel(self._level)


def _loggers() -> list[logging.Logger]:
    named = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(logger for logger in named if isinstance(logger, logging.Logger))]


def _call_handlers_among(
    handlers: set[logging.Handler], logger: logging.Logger, record: logging.LogRecord
) -> None:
    """`Logger.callHandlers`, but for some handlers only."""
    at: logging.Logger | None = logger
    while at:
        for handler in at.handlers:
            if handler in handlers and record.levelno >= handler.level:
                handler.handle(record)
        at = at.parent if at.propagate else None


@contextlib.contextmanager
def _library(name: str, snapshot: Callable[[], Undo]) -> Iterator[None]:
    """Put back the settings that a library has now, or has when the script has just imported it."""
    undo: list[Undo] = []

    def take() -> None:
        undo.append(snapshot())

    # Quietly, because another version of the library may lack what we ask for. That is no reason
    # for a trial to fail.
    try:
        with after_import(name, lambda: _quietly(take)):
            yield
    finally:
        for step in undo:
            _quietly(step)


def _numpy() -> Undo:
    import numpy as np

    errors = np.geterr()
    printing = np.get_printoptions()

    def undo() -> None:
        np.seterr(**errors)
        np.set_printoptions(**printing)

    return undo


def _torch() -> Undo:
    torch: Any = sys.modules["torch"]
    dtype = torch.get_default_dtype()
    threads = torch.get_num_threads()
    precision = torch.get_float32_matmul_precision()
    grad = torch.is_grad_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    anomaly = torch.is_anomaly_enabled()
    device = torch.get_default_device()
    cudnn = torch.backends.cudnn
    cudnn_flags = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")}

    def undo() -> None:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        torch.set_grad_enabled(grad)
        torch.use_deterministic_algorithms(deterministic)
        torch.autograd.set_detect_anomaly(anomaly)
        for name, value in cudnn_flags.items():
            setattr(cudnn, name, value)
        # Only if it differs, because torch intercepts each call of its functions from then on.
        if torch.get_default_device() != device:
            torch.set_default_device(device)

    return undo


def _matplotlib() -> Undo:
    matplotlib: Any = sys.modules["matplotlib"]
    before = matplotlib.rcParams.copy()

    def undo() -> None:
        # Past the checks of rcParams, which warn of old keys and may load a backend.
        dict.update(matplotlib.rcParams, before)
        pyplot: Any = sys.modules.get("matplotlib.pyplot")
        if pyplot:
            # pyplot keeps all figures until they are closed.
            pyplot.close("all")
            # The next figure chooses its backend by rcParams again.
            pyplot._backend_mod = None

    return undo


def _pandas() -> Undo:
    pandas: Any = sys.modules["pandas"]

    def undo() -> None:
        with warnings.catch_warnings():
            # pandas warns of options that it is about to drop.
            warnings.simplefilter("ignore")
            pandas.reset_option("all")

    return undo


_LIBRARIES: Mapping[str, Callable[[], Undo]] = {
    "joblib": lambda: end_joblib,
    "numpy": _numpy,
    "torch": _torch,
    "matplotlib": _matplotlib,
    "pandas": _pandas,
}
