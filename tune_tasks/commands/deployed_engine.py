"""What a worker starts for a deployment's run: Prefect's engine, as the child of a supervisor.

`python -m tune_tasks.commands.deployed_engine [served]` stands in place of Prefect's own `python -m
prefect.engine`. If the engine's process dies, the same flow run is begun again, and goes on with
its sweep: for Prefect it has been running all the time.

A worker gives the engine a process group of its own, so that Ctrl-C in the worker's terminal does
not reach the run. Prefect's runner, which `tune-tasks serve` uses, does not.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import shlex
import signal
import sys
from pathlib import Path

from tune_tasks.commands.supervisor import Began, DeadDriver, supervise
from tune_tasks.sweep.display import make_display
from tune_tasks.sweep.request import Session, session_of_flow

_ENGINE = "prefect.engine"
_MODULE = "tune_tasks.commands.deployed_engine"
_SERVED = "served"
_OF_FIRST_ENGINE = ("PREFECT__CONTROL_PORT", "PREFECT__CONTROL_TOKEN")


def command_of_worker(python: str) -> str:
    """The command by which a worker starts a run, to be stored in a deployment.

    Args:
        python: The interpreter to use; if the worker's machine has none there, it is the one that
            the worker's PATH has.
    """
    own = shlex.quote(python)
    script = f"if [ -x {own} ]; then exec {own} -m {_MODULE}; else exec python -m {_MODULE}; fi"
    return shlex.join(["sh", "-c", script])


def command_of_runner() -> str:
    """The command by which the runner of `tune-tasks serve` starts a run."""
    return shlex.join([sys.executable, "-m", _MODULE, _SERVED])


def main(arguments: list[str]) -> int:
    """Run the flow run that the environment names; returns the exit code."""
    if _SERVED not in arguments:
        with contextlib.suppress(PermissionError):  # it has one already
            os.setsid()
    # Whoever started this process kills it only once it has waited long enough for the driver.
    return supervise(_drive, _give_up, when_killed=signal.SIGKILL)


def _drive(began: Began, dead: DeadDriver | None) -> int:
    session = Session(display=make_display("classic", sys.stdout), began=began)
    if dead:
        session.going_on = dead.sweep
        session.warning = f"{dead.death}; this one goes on with the sweep"
        for name in _OF_FIRST_ENGINE:  # they are good for one process
            os.environ.pop(name, None)
    session_of_flow.set(session)
    sys.argv = sys.argv[:1]  # the engine would take an argument for the flow run
    runpy.run_module(_ENGINE, run_name="__main__", alter_sys=True)
    return 0


def _give_up(journal: Path) -> int:
    # Here, because the supervisor does not need them before
    from tune_tasks.commands.run import exit_code
    from tune_tasks.sweep.abandoned import close_records

    summary = close_records(journal, make_display("classic", sys.stdout).warn)
    print(summary.one_line(), flush=True)
    return exit_code(summary)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
