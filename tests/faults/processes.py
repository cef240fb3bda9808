"""The processes of one sweep, by what they do: found by a mark in their environment."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MARK = "TUNE_TASKS_FAULTS"
"""Environment variable: which run of the command a process belongs to."""

_ROLES = {
    "prefect server": ("tune_tasks.servers.prefect_main",),
    "raylet": ("/raylet/raylet",),
    "gcs": ("/gcs/gcs_server",),
    "dashboard agent": ("dashboard/agent.py", "ray::DashboardAgent"),
    "runtime env agent": ("runtime_env/agent/main.py", "ray::RuntimeEnvAgent"),
    "dashboard": ("dashboard/dashboard.py", "ray-dashboard"),
    "recorder": ("ray::RecorderActor", "ray::the recorder"),
    "worker": ("ray::run_trial",),
    "idle worker": ("ray::IDLE",),
}


def of_sweep(mark: str) -> dict[int, str]:
    """The roles of a sweep's processes, by their ids."""
    found = {}
    commands = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                if command:
                    commands.append((int(folder.name), command))
    for pid, command in sorted(commands):
        found[pid] = _role(command, pid)
    return found


def _role(command: str, pid: int) -> str:
    for role, signs in _ROLES.items():
        if any(sign in command for sign in signs):
            return role
    if "tune_tasks.cli" in command:
        # The supervisor's parent is not of the sweep.
        return "driver" if _is_a_child_of_the_command(pid) else "supervisor"
    return "other"


def _is_a_child_of_the_command(pid: int) -> bool:
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    with contextlib.suppress(OSError):
        return "tune_tasks.cli" in Path(f"/proc/{parent}/cmdline").read_text()
    return False


def end_all(mark: str) -> None:
    """End whatever is left of a sweep."""
    for pid in of_sweep(mark):
        with contextlib.suppress(OSError):
            os.kill(pid, 9)
