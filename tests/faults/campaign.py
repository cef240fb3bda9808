"""Does faults to sweeps, and compares what comes out with an undisturbed sweep.

`python -m tests.faults.campaign --faults 200 [--sweep grid] [--seed 1] [--folder DIR]` does the long
form: every fault in a sweep of its own (`specs` has the kinds of sweeps). It prints a line for each
fault, and how many sweeps ended as the undisturbed one; of those whose results depend on the order
in which trials end, how many ended as any such sweep must (`invariants`). Exit code 1 if any did
not. The folders of those stay.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.beside import beside, may_have_machines
from tests.faults.faults import KINDS, MACHINE, Fault, random_faults
from tests.faults.injector import inject
from tests.faults.processes import end_all, of_sweep
from tests.faults.results import found
from tests.faults.specs import SWEEPS, Kind
from tests.faults.sweeps import Command

_MOST_RUNS = 5


@dataclass
class Verdict:
    """What came of a fault.

    Attributes:
        wrong: What is not as without the fault.
        was_done: Whether it was: a sweep may end before, and a process may not come to a point.
        effort: What it took to come to the sweep's end.
    """

    wrong: list[str] = field(default_factory=list)
    was_done: bool = False
    effort: str = ""

    def __str__(self) -> str:
        word = "FAIL" if self.wrong else "ok  "
        return word if self.was_done else f"{word} (not done: it came too late)"


class Campaign:
    """Sweeps with faults in one folder, beside the undisturbed one.

    Args:
        folder: Of the sweeps.
        kind: Which sweep.
    """

    def __init__(self, folder: Path, kind: Kind = SWEEPS["grid"]) -> None:
        self._folder = folder
        self._kind = kind
        self._fresh = folder / "fresh"
        self._make_fresh_databases()
        command = Command(self._new_folder("undisturbed"), kind)
        began = time.monotonic()
        with _ended(command):
            command.start()
            code = command.end()
            self._lasts_s = time.monotonic() - began
            assert code == 0, command.output_text()
            assert not command.left_processes()
            self._wanted = found(command)
        assert not self._wanted.wrong, self._wanted.wrong

    def _make_fresh_databases(self) -> None:
        """Make them once: it takes seconds."""
        from mlflow.tracking import MlflowClient

        self._fresh.mkdir(parents=True)
        MlflowClient(f"sqlite:///{self._fresh / 'mlflow.db'}").search_experiments()
        home = self._fresh / "prefect"
        subprocess.run(
            [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
            env={**os.environ, "PREFECT_HOME": str(home)},
            check=True,
            capture_output=True,
        )

    def _new_folder(self, name: str) -> Path:
        return Path(shutil.copytree(self._fresh, self._folder / name))

    def verdict(self, name: str, fault: Fault) -> Verdict:
        """Run a sweep with a fault, go on with it until it is done, and compare what came out.

        Nothing is raised, whatever happens. The folder stays if something is wrong.
        """
        verdict = Verdict()
        folder = self._new_folder(name)
        began = time.monotonic()
        try:
            self._run(folder, fault, verdict)
        except Exception:
            verdict.wrong.append(traceback.format_exc())
        verdict.effort += f"{time.monotonic() - began:.0f} s"
        if not verdict.wrong:
            shutil.rmtree(folder)
        return verdict

    def _run(self, folder: Path, fault: Fault, verdict: Verdict) -> None:
        command = Command(folder, self._kind, fault.at_a_point())
        with _ended(command), beside(fault, command) as with_it:
            command.start()
            verdict.was_done = inject(fault, command, with_it, self._lasts_s)
            codes = _to_its_end(command)
            left = command.left_processes()
            if with_it.server:
                with_it.server.wait()
            if "lacks results" in command.output_text():
                command.ask("sync", "last")
                verdict.effort = "sync, "
            came_out = found(command, with_it.server and with_it.server.url)
        drivers, attempts = came_out.drivers, came_out.attempts
        verdict.effort += f"exit codes {codes}, {drivers} drivers, {attempts} attempts, "
        if codes[-1]:
            verdict.wrong.append(f"exit code {codes[-1]}")
        verdict.wrong += [f"left: {role} {pid}" for pid, role in left.items()]
        verdict.wrong += came_out.wrong
        if self._kind.is_exact:
            verdict.wrong += came_out.differences(self._wanted)


def _to_its_end(command: Command) -> list[int]:
    """Wait for the command's end, and go on with the sweep until it is done.

    Returns:
        The exit codes of all its runs.
    """
    codes = [command.end()]
    while codes[-1] and len(codes) < _MOST_RUNS:
        command.left_processes()  # a driver ends when its supervisor is killed
        if command.is_finished():
            command.ask("doctor", "--fix")  # it was killed before it had closed its records
            return [*codes, 0]
        command.start()
        codes.append(command.end())
    return codes


@contextlib.contextmanager
def _ended(command: Command) -> Iterator[None]:
    """Whatever happens, no process of the sweep is left behind, nor what Ray keeps of it."""
    # Short: the paths of sockets have a maximal length.
    with tempfile.TemporaryDirectory(prefix="tf", dir="/tmp", ignore_cleanup_errors=True) as folder:
        command.environment["RAY_TMPDIR"] = folder
        try:
            yield
        except subprocess.TimeoutExpired:
            left = [f"{role} {pid}" for pid, role in of_sweep(command.mark).items()]
            raise AssertionError(f"it does not end: {', '.join(left)}") from None
        finally:
            end_all(command.mark)


def main() -> int:
    """Do the faults; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="leave out those before it")
    parser.add_argument("--sweep", choices=SWEEPS, default="grid", help="see specs.py")
    parser.add_argument("--folder", type=Path, help="of the sweeps; must be new")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="tune-tasks-faults-"))
    sweep = SWEEPS[args.sweep]
    campaign = Campaign(folder.resolve(), sweep)
    count: Counter[str] = Counter()
    kinds = [kind for kind in KINDS if kind != MACHINE or may_have_machines()]
    faults = list(random_faults(args.faults, args.seed, kinds, sweep.points))
    for number, fault in enumerate(faults[args.first :], args.first):
        verdict = campaign.verdict(f"{number:03}", fault)
        count["done"] += verdict.was_done
        count["wrong"] += bool(verdict.wrong)
        print(f"{number:03} {verdict} {fault} [{verdict.effort}]", *verdict.wrong, sep="\n      ")
        sys.stdout.flush()
    number = len(faults) - args.first
    well = "as the undisturbed one" if sweep.is_exact else "as they must in any order"
    print(f"{number - count['wrong']} of {number} sweeps ended {well}")
    print(f"{count['done']} of the faults were done; the others came too late")
    return int(count["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
