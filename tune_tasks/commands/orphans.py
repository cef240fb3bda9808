"""The processes that a dead driver has left behind, which its supervisor has inherited."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_SERVER = b"tune_tasks.servers.prefect_main"
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


def _orphans() -> list[int]:
    """The children of this process; none if the system does not list them."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with suppress(OSError):
        pids = map(int, children.read_text().split())
        return [pid for pid in pids if not _is_prefect_server(pid)]
    return []


def _is_prefect_server(pid: int) -> bool:
    with suppress(OSError):
        return _SERVER in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
