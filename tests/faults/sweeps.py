"""Runs the sweep that faults are done to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.processes import MARK, of_sweep
from tests.faults.specs import Kind
from tune_tasks.servers.prefect import DEFAULT_URL_VARIABLE
from tune_tasks.sweep.journal import journals_in
from tune_tasks.sweep.past import past_sweep
from tune_tasks.sweep.sweep_state import SweepState

HERE = Path(__file__).parent
EXPERIMENT = "faults"
# Deadlines, not waits: the machine may be busy with other things.
_END_S = 900.0
_ANSWER_S = 300.0
_GONE_S = 180.0
_LOOK_S = 0.2


@dataclass
class Command:
    """One `tune-tasks run` in a folder of its own.

    Attributes:
        folder: The working directory.
        kind: Of the sweep.
        fault: See `points/sitecustomize.py`; empty for none.
        environment: Further environment variables.
        cluster: Arguments that say on what it runs.
        uncounted: The failures of a trial's own that are not counted. A sweep needs no such rule for
            what takes its driver along: no trial has failed then.
        mark: In the environment of all its processes.
    """

    folder: Path
    kind: Kind
    fault: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    cluster: list[str] = field(default_factory=lambda: ["--num-cpus=2"])
    uncounted: list[str] = field(default_factory=lambda: ["RuntimeError", "process_died"])
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def prefect_home(self) -> Path:
        """The folder of its own Prefect server."""
        return self.folder / "prefect"

    @property
    def marker(self) -> Path:
        """There once a fault at a point has been done; has the process's id."""
        return self.folder / "fault_was_done"

    @property
    def spec(self) -> Path:
        """The spec's file."""
        return self.folder / "spec.yaml"

    def _spec(self) -> str:
        return json.dumps({EXPERIMENT: self.kind.experiment(self.uncounted)}, indent=4)

    def start(self) -> None:
        """Start the sweep, or another command that goes on with it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "train.py").write_text((HERE / "train.py").read_text())
        self.spec.write_text(self._spec())
        self.output = (self.folder / "output").open("ab")
        self.process = subprocess.Popen(
            [*_TUNE_TASKS, "run", "-f", "spec.yaml", *self.cluster, *self._resume()],
            cwd=self.folder,
            env={**self._variables(), **self._fault_variables()},
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
        )

    def _resume(self) -> list[str]:
        return ["--resume"] if self.journals() else []

    def end(self) -> int:
        """Wait for the end of the command; returns the exit code.

        Raises:
            subprocess.TimeoutExpired: If it does not end; its threads' stacks are in its output.
        """
        try:
            return self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGABRT)
            raise
        finally:
            self.output.close()

    def journals(self) -> list[Path]:
        """Those of the sweeps that have begun, the latest first."""
        found = journals_in(self.folder / "tune_results")
        return [path for path in found if path.stat().st_size]

    def is_finished(self) -> bool:
        """Whether the sweep has come to its end, whatever has become of the command."""
        found = self.journals()
        return bool(found) and past_sweep(found[0]).state is SweepState.FINISHED

    def output_text(self) -> str:
        """What it has printed, in all its runs."""
        return (self.folder / "output").read_text(errors="replace")

    def ask(self, *args: str) -> str:
        """What another command of `tune-tasks` prints in the folder."""
        return subprocess.run(
            [*_TUNE_TASKS, *args],
            cwd=self.folder,
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            check=True,
        ).stdout

    def left_processes(self) -> dict[int, str]:
        """The processes that do not end; the Prefect server and Ray's agents take a moment."""
        deadline = time.monotonic() + _GONE_S
        while (left := of_sweep(self.mark)) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        return left

    def _variables(self) -> dict[str, str]:
        return {
            **os.environ,
            "PREFECT_HOME": str(self.prefect_home),
            # Somebody's server may answer on Prefect's default address.
            DEFAULT_URL_VARIABLE: "",
            # The stacks of all threads if the process is aborted.
            "PYTHONFAULTHANDLER": "1",
            **self.environment,
            MARK: self.mark,
        }

    def _fault_variables(self) -> dict[str, str]:
        if not self.fault:
            return {}
        path = [str(HERE / "points"), os.environ.get("PYTHONPATH", "")]
        return {
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "TUNE_TASKS_FAULT": f"{self.fault}:{self.marker}",
        }


_TUNE_TASKS = [sys.executable, "-m", "tune_tasks.cli"]
