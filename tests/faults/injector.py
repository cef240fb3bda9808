"""Does a fault to a sweep while it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

from tests.faults.beside import Beside
from tests.faults.faults import GROUP, MACHINE, MLFLOW, UNWELL, Fault
from tests.faults.processes import end_all, of_sweep
from tests.faults.sweeps import Command

_LOOK_S = 0.02
_AWAY_S = 5.0


def inject(fault: Fault, command: Command, beside: Beside, lasts_s: float) -> bool:
    """Do a fault; returns whether it was done.

    A sweep may end before, and its processes may not come to a point.

    Args:
        fault: What is done.
        command: The sweep, which has just started.
        beside: What stands beside it.
        lasts_s: How long an undisturbed sweep lasts, in seconds.
    """
    if fault.when:
        return _at_a_point(fault, command)
    at = time.monotonic() + fault.at * lasts_s
    while time.monotonic() < at and command.process.poll() is None:
        time.sleep(_LOOK_S)
    if command.process.poll() is not None:
        return False
    do = _DOINGS.get(fault.target, _to_a_process)
    return do(fault, command, beside)


def _at_a_point(fault: Fault, command: Command) -> bool:
    """Wait until a process has come to the point, and have it go on if it stands still."""

    def its_process() -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int(command.marker.read_text())
        return None

    pid = _while_it_runs(command, its_process)
    if pid is not None and fault.stands_still_s is not None:
        _wake_after(fault.stands_still_s, pid)
    return pid is not None


def _while_it_runs(command: Command, ask: Callable[[], int | None]) -> int | None:
    """Ask until there is an answer, or the sweep has ended."""
    while (answer := ask()) is None:
        if command.process.poll() is not None:
            return ask()
        time.sleep(_LOOK_S)
    return answer


def _to_a_process(fault: Fault, command: Command, beside: Beside) -> bool:
    pid = _while_it_runs(command, lambda: _first_of(fault.target, command))
    try:
        if pid is None:
            return False
        if fault.stands_still_s is None:
            os.kill(pid, signal.SIGKILL)
            return True
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return False
    _wake_after(fault.stands_still_s, pid)
    return True


def _first_of(role: str, command: Command) -> int | None:
    pids = [pid for pid, its_role in of_sweep(command.mark).items() if its_role == role]
    return next(iter(pids), None)


def _wake_after(seconds: float, pid: int) -> None:
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _to_the_group(fault: Fault, command: Command, beside: Beside) -> bool:
    end_all(command.mark)
    return True


def _to_the_server(fault: Fault, command: Command, beside: Beside) -> bool:
    server = beside.server
    assert server
    if fault.stands_still_s is None:
        server.signal(signal.SIGKILL)
        time.sleep(_AWAY_S)
        server.start()
        return True
    server.signal(signal.SIGSTOP)
    time.sleep(fault.stands_still_s)
    server.signal(signal.SIGCONT)
    return True


def _to_the_machine(fault: Fault, command: Command, beside: Beside) -> bool:
    machine = beside.machine
    assert machine
    if fault.stands_still_s is None:
        machine.kill()
        return True
    machine.cut_off()
    time.sleep(fault.stands_still_s)
    machine.connect()
    return True


def _nothing_more(fault: Fault, command: Command, beside: Beside) -> bool:
    """The troubles have begun with the sweep."""
    return True


_DOINGS: dict[str, Callable[[Fault, Command, Beside], bool]] = {
    GROUP: _to_the_group,
    MLFLOW: _to_the_server,
    UNWELL: _nothing_more,
    MACHINE: _to_the_machine,
}
