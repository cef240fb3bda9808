"""What stands beside a sweep: an MLflow server, another machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.faults import MACHINE, MLFLOW, UNWELL, Fault
from tests.faults.machine import Machine, PrefectServer
from tests.faults.mlflow_server import MlflowServer
from tests.faults.sweeps import Command
from tests.services.proxies import proxy, unwell
from tune_tasks.servers.ports import LOOPBACK

_SHARE = 0.08
"""Of the requests that fail, that are late, and whose answer is lost: a quarter in all."""


@dataclass(frozen=True)
class Beside:
    """What stands beside a sweep, as far as its fault needs it.

    Attributes:
        server: MLflow's; without one the sweep has a database of its own.
        machine: Another one, on which trials run, too.
    """

    server: MlflowServer | None = None
    machine: Machine | None = None


@contextlib.contextmanager
def beside(fault: Fault, command: Command) -> Iterator[Beside]:
    """Start what a fault needs, and tell the sweep of it."""
    if fault.target == UNWELL:
        with _server(command) as server, proxy(server.url, unwell(fault.seed, _SHARE)) as (url, _):
            command.environment["MLFLOW_TRACKING_URI"] = url
            yield Beside(server)
    elif fault.target == MLFLOW:
        with _server(command) as server:
            command.environment["MLFLOW_TRACKING_URI"] = server.url
            yield Beside(server)
    elif fault.target == MACHINE:
        with _machine(command) as both:
            yield both
    else:
        yield Beside()


@contextlib.contextmanager
def _server(command: Command, host: str = LOOPBACK) -> Iterator[MlflowServer]:
    server = MlflowServer(command.folder, host)
    try:
        server.wait()
        yield server
    finally:
        server.signal(signal.SIGKILL)


@contextlib.contextmanager
def _machine(command: Command) -> Iterator[Beside]:
    """Another machine, and servers that it can reach."""
    with contextlib.ExitStack() as stack:
        machine = stack.enter_context(Machine(command.folder, command.environment["RAY_TMPDIR"]))
        server = stack.enter_context(_server(command, machine.host))
        prefect = stack.enter_context(PrefectServer(command.prefect_home, machine.host))
        command.environment.update(machine.environment)
        command.environment["MLFLOW_TRACKING_URI"] = server.url
        command.environment["PREFECT_API_URL"] = prefect.url
        command.cluster = ["--address", machine.address]
        command.uncounted.append("machine_lost")
        yield Beside(server, machine)


def may_have_machines() -> bool:
    """Whether this process may make a machine: it takes Linux's root, and `ip`."""
    return os.geteuid() == 0 and shutil.which("ip") is not None
