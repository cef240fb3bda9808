"""Sends what a trial prints to its log file and to Prefect's log.

`contextlib.redirect_stdout` is not enough, because it misses what C code and child processes print.
All of them write to the file descriptors.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import Any

from tune_tasks.model.text import showable

_LINES_PER_CALL = 500
"""The most lines that one `forward()` logs. A script may print millions; the file has them all."""


class LogCapture:
    """Sends file descriptors 1 and 2 to the trial's log while it is entered.

    The main thread enters and leaves; `forward()` is for the monitor's thread, and for the main
    thread once the monitor has ended.

    Args:
        path: The log file.
        logger: Is given the lines by `forward()`.

    Attributes:
        lines: The number of lines that were forwarded.
    """

    def __init__(self, path: Path, logger: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self._path = path
        self._logger = logger
        self._forwarded_bytes = 0
        self.lines = 0

    def __enter__(self) -> LogCapture:
        log = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self._saved = (os.dup(1), os.dup(2))
        # Now, because what is still in Python's buffers was printed before the trial.
        _flush()
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        return self

    def __exit__(self, *_: object) -> None:
        _flush()
        for number, saved in enumerate(self._saved, start=1):
            os.dup2(saved, number)
            os.close(saved)

    def forward(self, *, last: bool = False) -> None:
        """Log the lines printed since the last call.

        Args:
            last: Log an unfinished line, too.
        """
        _flush()
        data = self._new_data()
        end = len(data) if last else data.rfind(b"\n") + 1
        if not end:
            return
        self._forwarded_bytes += end
        text = data[:end].decode(errors="replace").removesuffix("\n")
        lines = [_as_on_a_terminal(line) for line in text.split("\n")]
        self.lines += len(lines)
        for line in _shortened(lines, self._path):
            self._logger.info("%s", line)

    def _new_data(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._forwarded_bytes)
                return file.read()
        except OSError:  # user code has removed its own log
            return b""


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # User code may have put anything in the place of a stream.
        with contextlib.suppress(Exception):
            stream.flush()


def _as_on_a_terminal(line: str) -> str:
    """The line as a terminal shows it: of a progress bar, its last state.

    A progress bar goes back to the line's beginning with each step.
    """
    return showable(line.rstrip("\r").rpartition("\r")[2])


def _shortened(lines: list[str], path: Path) -> list[str]:
    """The lines; of too many, the first and the last, because a cause may be at either end."""
    if len(lines) <= _LINES_PER_CALL:
        return lines
    half = _LINES_PER_CALL // 2
    left_out = f"… {len(lines) - 2 * half} more lines, see {path}"
    return [*lines[:half], left_out, *lines[-half:]]
