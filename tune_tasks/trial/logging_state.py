"""Puts back how a script has set up logging, and keeps our own records out of its log."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator

from tune_tasks.trial.library_state import quietly

_INFRASTRUCTURE = ("prefect", "ray", "tune_tasks")
"""The loggers of these packages are ours, outside of the main thread."""


@contextlib.contextmanager
def logging_kept() -> Iterator[None]:
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
                # The logger is the script's own. A library that stays imported keeps its loggers.
                _LoggerState(logging.Logger(logger.name)).restore(logger)


@contextlib.contextmanager
def _handlers_called_by_origin(handlers: set[logging.Handler]) -> Iterator[None]:
    """Send records of our own threads to these handlers alone, and all others as usual.

    With `basicConfig(level=DEBUG)` in a script, Prefect's HTTP client would fill the trial's log.
    `callHandlers` is replaced because filters are not enough: a script may add a handler at any
    time.
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
                quietly(handler.close)
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
