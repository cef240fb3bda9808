"""Does faults to sweeps, and compares what comes out with an undisturbed sweep.

`python -m tests.faults.campaign --faults 200 [--seed 1] [--folder DIR]` does the long form: every
fault in a sweep of its own. It prints a line for each fault, and how many sweeps ended as the
undisturbed one. Exit code 1 if any did not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.processes import end_all, of_sweep
from tests.faults.sweeps import (
    Command,
    Results,
    results_in_files,
    results_in_mlflow,
    wrong_in_prefect,
)

_MOST_RUNS = 5
_LOOK_S = 0.02
_BEGINS_S = 120.0

ROLES = ["driver", "worker", "recorder", "prefect server", "raylet", "gcs", "dashboard agent"]
"""Each of them dies, or stands still for some seconds, at any time of the sweep."""

POINTS = [
    "tune_tasks.sweep.journal_file:JournalFile.sync",
    "tune_tasks.sweep.attempts:Attempts.start",
    "tune_tasks.model.result_file:ResultFile.append",
    "tune_tasks.model.files:AttemptPaths.write_outcome",
    "tune_tasks.tracking.mlflow_runs:MlflowRuns.log_metrics",
    "tune_tasks.tracking.mlflow_runs:MlflowRuns.find_or_create",
    "tune_tasks.tracking.mlflow:MlflowTracker.close_attempt",
    "tune_tasks.tracking.mlflow:MlflowTracker.close_sweep",
]
"""Functions before or after one of whose calls the process that runs them dies."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        target: A role, "the whole group", or a point.
        stands_still_s: Seconds that the process is stopped; None if it is killed.
        at: When, as a share of the undisturbed sweep's time; for a point, which call.
        when: Of a point: before or after the call.
    """

    target: str
    stands_still_s: float | None = None
    at: float = 0.0
    when: str = ""

    def __str__(self) -> str:
        if self.when:
            return f"kill {self.when} call {self.at:g} of {self.target.partition(':')[2]}"
        what = "kill" if self.stands_still_s is None else f"stop for {self.stands_still_s:.0f} s"
        return f"{what} {self.target} at {self.at:.0%}"

    def at_a_point(self) -> str:
        """What the processes are told of it, if it is at a point; else nothing."""
        if not self.when:
            return ""
        return f"{self.target}:{self.when}:{self.at:g}:SIGKILL"


def random_faults(number: int, seed: int) -> Iterator[Fault]:
    """Every role and point in turn, at random times."""
    generator = random.Random(seed)
    kinds: list[str] = [*ROLES, "the whole group", *POINTS]
    for index in range(number):
        target = kinds[index % len(kinds)]
        if target in POINTS:
            when = generator.choice(["before", "after"])
            yield Fault(target, at=generator.randint(1, 8), when=when)
        else:
            stops = target in ROLES and generator.random() < 1 / 3
            still_s = generator.uniform(2, 12) if stops else None
            yield Fault(target, still_s, at=generator.random())


class Campaign:
    """Sweeps with faults in one folder, beside the undisturbed one.

    Args:
        folder: Of the sweeps.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._undisturbed = folder / "undisturbed"
        command = self._command(self._undisturbed, Fault(""))
        began = time.monotonic()
        code = command.run()
        self._lasts_s = time.monotonic() - began
        assert code == 0, (self._undisturbed / "output").read_text()
        self._files = results_in_files(self._undisturbed)
        self._mlflow, wrong = results_in_mlflow(self._undisturbed)
        wrong += wrong_in_prefect(self._undisturbed / "prefect")
        assert not wrong, wrong
        assert not command.left_processes()

    def problems(self, name: str, fault: Fault) -> list[str]:
        """Run a sweep with a fault, go on with it until it is done; returns what is wrong then."""
        folder = self._folder / name
        folder.mkdir()
        (folder / "prefect").mkdir()
        # Made by the undisturbed sweep: a fresh database takes seconds.
        for database in (self._undisturbed / "prefect").glob("prefect.db*"):
            shutil.copy(database, folder / "prefect")
        command = self._command(folder, fault)
        try:
            return self._problems(command, fault)
        finally:
            end_all(command.mark)

    def _problems(self, command: Command, fault: Fault) -> list[str]:
        command.start("-f", "spec.yaml")
        if not fault.when:
            self._do(fault, command)
        code = command.end()
        for _ in range(_MOST_RUNS):
            if code == 0:
                break
            command.left_processes()  # a driver ends when its supervisor is killed
            code = command.run()
        wrong = [] if code == 0 else [f"exit code {code}"]
        wrong += [f"left: {role} {pid}" for pid, role in command.left_processes().items()]
        wrong += differences("files", self._files, results_in_files(command.folder))
        in_mlflow, wrong_in_mlflow = results_in_mlflow(command.folder)
        wrong += wrong_in_mlflow + differences("MLflow", self._mlflow, in_mlflow)
        return wrong + wrong_in_prefect(command.folder / "prefect")

    def _command(self, folder: Path, fault: Fault) -> Command:
        return Command(folder, fault.at_a_point(), {"PREFECT_HOME": str(folder / "prefect")})

    def _do(self, fault: Fault, command: Command) -> None:
        at = time.monotonic() + fault.at * self._lasts_s
        while time.monotonic() < at and command.process.poll() is None:
            time.sleep(_LOOK_S)
        if fault.target == "the whole group":
            end_all(command.mark)
            return
        pid = _first_of(fault.target, command)
        if pid is not None:
            _do_to(pid, fault.stands_still_s)


def _first_of(role: str, command: Command) -> int | None:
    """Wait for a process of that role; None if the sweep ends before there is one."""
    while command.process.poll() is None:
        pids = [pid for pid, its_role in of_sweep(command.mark).items() if its_role == role]
        if pids:
            return pids[0]
        time.sleep(_LOOK_S)
    return None


def _do_to(pid: int, stands_still_s: float | None) -> None:
    with contextlib.suppress(ProcessLookupError):
        if stands_still_s is None:
            os.kill(pid, signal.SIGKILL)
            return
        os.kill(pid, signal.SIGSTOP)
        time.sleep(stands_still_s)
        os.kill(pid, signal.SIGCONT)


def differences(where: str, wanted: Results, found: Results) -> list[str]:
    """What differs, trial by trial."""
    return [
        f"{where}: {name}: expected {wanted.get(name)}, got {found.get(name)}"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]


def main() -> int:
    """Do the faults; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="leave out those before it")
    parser.add_argument("--folder", type=Path, help="keep the sweeps there")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="tune-tasks-faults-"))
    campaign = Campaign(folder.resolve())
    as_promised = 0
    faults = list(random_faults(args.faults, args.seed))[args.first :]
    for number, fault in enumerate(faults, args.first):
        wrong = campaign.problems(f"{number:03}", fault)
        as_promised += not wrong
        print(f"{number:03} {'ok  ' if not wrong else 'FAIL'} {fault}", *wrong, sep="\n      ")
        sys.stdout.flush()
    print(f"{as_promised} of {len(faults)} sweeps ended as the undisturbed one")
    return int(as_promised < len(faults))


if __name__ == "__main__":
    sys.exit(main())
