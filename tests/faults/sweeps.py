"""Runs the sweep that faults are done to, and reads what has come out of it, from everywhere."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.processes import MARK, of_sweep

HERE = Path(__file__).parent
SPEC = """\
faults:
    metric: mean_loss
    mode: min
    seed: 1
    max_failures: 9
    resources: {cpu: 1}
    config:
        script_file_path: train.py
        pause_s: 0.1
        x: {grid_search: [1, 2, 3, 5, 7, 11]}
"""
_END_S = 240.0
_GONE_S = 30.0


@dataclass
class Command:
    """One `tune-tasks run` in a folder of its own.

    Attributes:
        folder: The working directory.
        mark: In the environment of all its processes.
        fault: See `points/sitecustomize.py`; empty for none.
        environment: Further environment variables.
    """

    folder: Path
    fault: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def start(self, *args: str) -> None:
        """Start it; with the fault, if there is one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "train.py").write_text((HERE / "train.py").read_text())
        (self.folder / "spec.yaml").write_text(SPEC)
        environment = {**os.environ, **self.environment, MARK: self.mark}
        if self.fault:
            environment["TUNE_TASKS_FAULT"] = f"{self.fault}:{self.folder / 'fault_was_done'}"
            environment["PYTHONPATH"] = str(HERE / "points")
        self.output = (self.folder / "output").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tune_tasks.cli", "run", "--num-cpus=2", *args],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
        )

    def run(self) -> int:
        """Run the sweep, or go on with it, to its end; returns the exit code."""
        has_begun = any(self.folder.glob("tune_results/.sweeps/*/journal.jsonl"))
        self.start("-f", "spec.yaml", *(["--resume"] if has_begun else []))
        return self.end()

    def end(self) -> int:
        """Wait for the end of the command; returns the exit code."""
        try:
            return self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGABRT)
            raise
        finally:
            self.output.close()

    def left_processes(self) -> dict[int, str]:
        """The processes that do not end; the Prefect server and Ray's agents take a moment."""
        deadline = time.monotonic() + _GONE_S
        while (left := of_sweep(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left


@dataclass(frozen=True)
class TrialResult:
    """What came out of a trial, in one of the places that tell of it.

    Attributes:
        state: How it ended.
        reports: Its reports' steps and loss, in order.
    """

    state: str
    reports: tuple[tuple[int, float], ...]


Results = dict[str, TrialResult]
"""By the trials' names."""


def results_in_files(folder: Path) -> Results:
    """As the files of the current attempts have them."""
    found = {}
    (sweep_dir,) = (folder / "tune_results" / "faults").iterdir()
    for trial in sweep_dir.iterdir():
        if not (trial / "params.json").exists():
            continue
        attempts = sorted(trial.glob("attempt_*"), key=lambda path: int(path.name[8:]))
        current = attempts[-1] if attempts else trial
        outcome = json.loads((current / "outcome.json").read_text())
        rows = [json.loads(line) for line in (current / "result.json").read_text().splitlines()]
        assert [row["training_iteration"] for row in rows] == list(range(1, len(rows) + 1))
        reports = [(row["timesteps_total"], row["mean_loss"]) for row in rows]
        found[trial.name] = TrialResult(outcome["state"], tuple(reports))
    return found


def results_in_mlflow(folder: Path) -> tuple[Results, list[str]]:
    """As MLflow has them, and what is wrong there."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("faults")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    wrong = [f"MLflow: {r.info.run_name} is RUNNING" for r in runs if r.info.status == "RUNNING"]
    parents = [run for run in runs if run.data.tags.get("tune_tasks.role") == "sweep"]
    if len(parents) != 1:
        wrong.append(f"MLflow has {len(parents)} parent runs")
    wrong += [f"MLflow: the parent is {p.info.status}" for p in parents if not _is_finished(p)]
    standing = sorted(parents[0].data.metrics.items())
    found = {"the sweep": TrialResult(str(standing), ())}
    for run in runs:
        if run.data.tags.get("tune_tasks.role") != "trial":
            continue
        key = run.data.tags["tune_tasks.key"].rpartition("/")[0]
        if key in found:
            wrong.append(f"MLflow has two current runs of {key}")
        found[key] = TrialResult(run.info.status, _points(client, run.info.run_id))
    return found, wrong


def _is_finished(run: Any) -> bool:
    return bool(run.info.status == "FINISHED")


def _points(client: Any, run_id: str) -> tuple[tuple[int, float], ...]:
    history = client.get_metric_history(run_id, "mean_loss")
    return tuple((point.step, point.value) for point in history)


def wrong_in_prefect(home: Path) -> list[str]:
    """What is wrong in the database of our own Prefect server, which has ended."""
    with sqlite3.connect(f"file:{home / 'prefect.db'}?mode=ro", uri=True) as connection:
        wrong = []
        for kind in ("flow_run", "task_run"):
            rows = connection.execute(f"SELECT name, state_type FROM {kind}").fetchall()
            wrong += [f"Prefect: {name} is {state}" for name, state in rows if state not in _FINAL]
    return wrong


_FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
