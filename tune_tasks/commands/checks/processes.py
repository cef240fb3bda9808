"""The processes of Ray that drivers have left behind, which nobody will end.

Each process of a local cluster of ours carries the mark of the driver that has started the cluster
in its environment. If there is no such driver any more, its Ray has nothing to do.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tune_tasks.model.driver_mark import VARIABLE, is_alive

_PROC = Path("/proc")


@dataclass(frozen=True)
class LeftProcess:
    """A process of Ray's whose driver has died."""

    pid: int
    command: str


def left_processes() -> list[LeftProcess]:
    """Find them among the processes of this user. On Linux alone."""
    return [left for entry in _PROC.glob("[0-9]*") for left in _left(entry)]


def end(processes: Iterable[LeftProcess]) -> None:
    """End them."""
    for process in processes:
        # Once more: its number may be another process's by now.
        if any(True for _ in _left(_PROC / str(process.pid))):
            with contextlib.suppress(OSError):
                os.kill(process.pid, signal.SIGKILL)


def _left(entry: Path) -> Iterator[LeftProcess]:
    with contextlib.suppress(OSError):
        mark = _environment(entry).get(VARIABLE)
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        if mark and _is_rays(command) and _is_here(entry) and not is_alive(mark):
            yield LeftProcess(int(entry.name), command.strip())


def _environment(entry: Path) -> Mapping[str, str]:
    """The environment that a process was started with; only its owner may read it."""
    text = (entry / "environ").read_bytes().decode(errors="replace")
    return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)


def _is_rays(command: str) -> bool:
    return command.startswith("ray::") or "/ray/" in command


def _is_here(entry: Path) -> bool:
    """Whether a process counts processes as we do; one of a container does not."""
    ours = (_PROC / "self/ns/pid").readlink()
    return (entry / "ns/pid").readlink() == ours
