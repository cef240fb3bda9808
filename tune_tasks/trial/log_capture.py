"""Captures what a trial prints, in its log file and for Prefect's log."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import Any

from tune_tasks.model.text import showable

_LOG_LINES_PER_CALL = 500


class LogCapture:
    """Sends file descriptors 1 and 2 to the trial's log.

    What Python, C code and child processes print.

    `forward` hands complete new lines on to a logger.
    """

    def __init__(self, path: Path, logger: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self._path, self._logger = path, logger
        self._forwarded = 0
        self.lines = 0

    def __enter__(self) -> LogCapture:
        log = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self._saved = (os.dup(1), os.dup(2))
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
        """Log the lines printed since the last call; `last` takes an unfinished line too."""
        _flush()
        data = self._new_data()
        end = len(data) if last else data.rfind(b"\n") + 1
        lines = [
            _as_on_a_terminal(line)
            for line in data[:end].decode(errors="replace").removesuffix("\n").split("\n")
        ]
        self._forwarded += end
        if end:
            self.lines += len(lines)
            for line in _shortened(lines, self._path):
                self._logger.info("%s", line)

    def _new_data(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._forwarded)
                return file.read()
        except OSError:  # user code removed its own log
            return b""


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _as_on_a_terminal(line: str) -> str:
    """A progress bar goes back to the line's beginning for each step, and shows the last one."""
    return showable(line.rstrip("\r").rpartition("\r")[2])


def _shortened(lines: list[str], path: Path) -> list[str]:
    """The lines of one call.

    Of too many the first and the last ones, for what a burst comes to stands at its end.
    """
    if len(lines) <= _LOG_LINES_PER_CALL:
        return lines
    half = _LOG_LINES_PER_CALL // 2
    return [*lines[:half], f"… {len(lines) - 2 * half} more lines, see {path}", *lines[-half:]]
