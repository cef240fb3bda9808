"""The mark of a driver, by which anybody can tell whether it still lives."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "TUNE_TASKS_DRIVER"
"""The environment variable that has the mark, in the processes of a driver's own Ray cluster."""

_STARTED = 19
"""Which field of `/proc/<pid>/stat` after the command's name is the time of the start."""


def own_mark() -> str:
    """Return the mark of this process: its number, and when it was started."""
    return _mark(os.getpid())


def is_alive(mark: str) -> bool:
    """Whether the process with a mark lives. True if that cannot be found out."""
    pid, _, started = mark.partition(":")
    if not started or not pid.isdigit():
        return True
    return _mark(int(pid)) == mark


def _mark(pid: int) -> str:
    return f"{pid}:{_started(pid)}"


def _started(pid: int) -> str:
    """When a process was started, in the kernel's ticks; empty if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The command's name stands in brackets, and may have anything in it.
    fields = stat.rpartition(")")[2].split()
    is_zombie = fields[0] == "Z"
    return "" if is_zombie else fields[_STARTED]
