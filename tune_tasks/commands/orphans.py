"""The processes that a dead driver has left behind, which its supervisor has inherited."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_SERVER = b"tune_tasks.servers.prefect_main"
_RAYS_PARTS = ("gcs_server", "raylet")
_END_S = 10.0
_LOOK_S = 0.05


def end_orphans() -> None:
    """End what a dead driver has left behind: this process has inherited it.

    Our Prefect server stays. Other sweeps may use it, and it ends by itself if none does.
    """
    deadline = time.monotonic() + _END_S
    # A process that ends leaves its own children to this one.
    while (left := _orphans()) and time.monotonic() < deadline:
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_S)
        _reap()


def _reap() -> None:
    """Let go of every child that has ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _orphans() -> dict[int, bytes]:
    """The commands of the children of this process, by their ids."""
    return {pid: command for pid, command in _children() if _SERVER not in command}


def _children() -> Iterator[tuple[int, bytes]]:
    with suppress(OSError):
        for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
            with suppress(OSError):
                yield int(pid), Path(f"/proc/{pid}/cmdline").read_bytes()


def dead_parts_of_ray() -> list[str]:
    """The parts of the local cluster that have died; Ray ends its driver then, without a word.

    To be asked before the others are ended.
    """
    programs = {Path(os.fsdecode(command.split(b"\0")[0])).name for _, command in _children()}
    dead = [part for part in _RAYS_PARTS if part not in programs]
    # If all of them are missing, there may have been none: the cluster is another's.
    return dead if len(dead) < len(_RAYS_PARTS) else []
