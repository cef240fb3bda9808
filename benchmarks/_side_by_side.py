"""What the benchmarks share.

The same work as a command of ours and of Ray Tune, each in a fresh process and folder.

Both sides run on a Ray of their own with the same number of CPUs, without dashboard, and write to a
fresh SQLite MLflow store. Times are taken by the trials themselves (`workload.py`, `ray_tune.py`),
on the machine's clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
CPUS = 2
_MARKER = "TUNE_TASKS_BENCHMARK"
_FOREIGN = ("PREFECT_", "MLFLOW_", "RAY_", "TUNE_")
_TIMEOUT_S = 900.0
_END_S = 20.0
_RAY_AGENT_PORT = 52365


@dataclass(frozen=True)
class Timing:
    """One command, from its start to its end.

    Attributes:
        started: When the command was started, in seconds since the epoch.
        wall_s: How long it took.
        marks: What the trials noted: `event`, `at`, and more.
        folder: Its working directory, with `mlflow.db`.
    """

    started: float
    wall_s: float
    marks: Sequence[Mapping[str, Any]]
    folder: Path

    def times(self, event: str) -> list[float]:
        """When an event took place, in order."""
        return sorted(mark["at"] for mark in self.marks if mark["event"] == event)

    @property
    def from_first_start_s(self) -> float:
        """From the first trial's start to the command's end."""
        return self.started + self.wall_s - self.times("start")[0]

    @property
    def span_s(self) -> float:
        """From the first trial's start to the last trial's end."""
        return self.times("end")[-1] - self.times("start")[0]


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for everything that a benchmark writes; short, for Ray's sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="tt-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def ours(
    folder: Path,
    prefect_home: Path,
    *,
    trials: int,
    reports: int,
    keys: Mapping[str, Any] | None = None,
) -> Timing:
    """`tune-tasks -f spec.yaml`, as a user would give it; `keys` are further ones of the spec."""
    folder.mkdir(parents=True)
    config = {
        "script_file_path": str(HERE / "workload.py"),
        "reports": reports,
        "marks": str(folder / "marks.jsonl"),
    }
    config |= {"x": {"grid_search": list(range(trials))}}
    (folder / "spec.json").write_text(
        json.dumps({"bench": {"alg": "script", "env": "none", "config": config, **(keys or {})}})
    )
    command = [
        sys.executable,
        "-m",
        "tune_tasks.cli",
        "-f",
        "spec.json",
        "--num-cpus",
        str(CPUS),
        "--classic",
    ]
    return timed(command, folder, {"PREFECT_HOME": str(prefect_home)})


def ray_tune(folder: Path, *, trials: int, reports: int, reuse_actors: bool = False) -> Timing:
    """`python ray_tune.py`: the same work as a script for Ray Tune with its MLflow callback."""
    folder.mkdir(parents=True)
    config = {"reports": reports, "marks": str(folder / "marks.jsonl")}
    options = {"cpus": CPUS, "trials": trials, "config": config, "reuse_actors": reuse_actors}
    return timed([sys.executable, str(HERE / "ray_tune.py"), json.dumps(options)], folder, {})


def show(title: str, figures: Mapping[str, Sequence[float]], unit: str, digits: int = 2) -> None:
    """One line a figure: its median, and where there are several, all of them."""
    print(f"\n{title}")
    for name, values in figures.items():
        every = (
            f"   (of {', '.join(f'{value:,.{digits}f}' for value in values)})"
            if len(values) > 1
            else ""
        )
        print(f"  {name:<58}{median(values):>12,.{digits}f} {unit}{every}")


def show_ratio(what: str, ratio: float, target: str, *, reached: bool) -> None:
    """The comparison, and whether it is what we promise."""
    print(f"  {what:<58}{ratio:>12,.2f} ×     to reach: {target}: {'yes' if reached else 'NO'}")


def show_machine() -> None:
    """What it was measured on, and what else was running there."""
    print(
        f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}; {CPUS}"
        " CPUs for Ray on both sides"
    )
    print(f"load average before the start: {os.getloadavg()[0]:.2f}")
    with socket.socket() as probe:
        if probe.connect_ex((_own_address(), _RAY_AGENT_PORT)) == 0:
            print(
                f"WARNING: another Ray has port {_RAY_AGENT_PORT}: each start of Ray Tune takes 4 s"
                " more; see README.md"
            )


def _own_address() -> str:
    """The address that Ray gives this machine; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("8.8.8.8", 53))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def check_points(timing: Timing, trials: int, reports: int) -> int:
    """The points of `mean_loss` in the MLflow store.

    Raises AssertionError unless every trial has one for each report.
    """
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{timing.folder / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = [
        run
        for run in client.search_runs(experiments, max_results=10_000)
        if "mean_loss" in run.data.metrics
    ]
    points = [len(client.get_metric_history(run.info.run_id, "mean_loss")) for run in runs]
    assert points == [reports] * trials, (
        f"MLflow has {points} points, expected {reports} for each of {trials} trials"
    )
    return sum(points)


def check_lines(timing: Timing, trials: int, reports: int) -> int:
    """The lines of all `result.json`.

    Raises AssertionError unless every trial has one for each report.
    """
    lines = [
        sum(1 for _ in path.open("rb"))
        for path in (timing.folder / "tune_results").rglob("result.json")
    ]
    assert lines == [reports] * trials, (
        f"result.json has {lines} lines, expected {reports} for each of {trials} trials"
    )
    return sum(lines)


def timed(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    timeout_s: float = _TIMEOUT_S,
) -> Timing:
    """Run a command in its folder, as an own process with a clean environment.

    Ends all that it leaves behind.

    Raises:
        RuntimeError: If it ends with an exit code other than 0.
    """
    marker = f"{os.getpid()}-{time.monotonic_ns()}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    # Ray's files beside ours, not in /tmp/ray; its statistics go nowhere on either side.
    clean |= {
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        _MARKER: marker,
        **environment,
    }
    with (folder / "output.txt").open("w") as output:
        started = time.time()
        process = subprocess.Popen(
            command, cwd=folder, env=clean, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            code = process.wait(timeout_s)
        finally:
            wall_s = time.time() - started
            _end_all(marker)
            process.wait()
    if code != 0:
        raise RuntimeError(
            f"{' '.join(command)} ended with {code}:\n{(folder / 'output.txt').read_text()[-4000:]}"
        )
    noted = folder / "marks.jsonl"
    marks = [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []
    return Timing(started, wall_s, marks, folder)


def _end_all(marker: str) -> None:
    """End what a command has left: every process that has our marker in its environment."""
    deadline = time.monotonic() + _END_S
    while (left := _marked(marker)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _marked(marker: str) -> list[int]:
    needle = f"{_MARKER}={marker}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if needle in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found
