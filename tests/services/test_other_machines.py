"""A trial whose machine is lost goes on on another one, from its last checkpoint.

Each machine is a Ray node of this one, in namespaces of its own: it has another results folder, and
all of its processes end at once.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.waiting import until
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.checkpoint_folder import checkpoints_in, restored_from
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.trial import TrialState

HEAD = """
import sys
from ray.cluster_utils import Cluster
head = {"num_cpus": 0, "include_dashboard": False}
started = Cluster(initialize_head=True, head_node_args=head)
print(started.address, flush=True)
sys.stdin.read()
started.shutdown()
"""
SOON = {
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "300",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
"""The head notices soon that a machine has gone."""

LONG = """
import time
from tune_tasks import TrainingResult
def train(config, status_reporter):
    step = 0
    folder = status_reporter.restore()
    if folder is not None:
        step = int((folder / "step").read_text())
    print("begins at", step)
    (status_reporter.logdir / "notes.txt").write_text(f"begun at {step}")
    while step < 8:
        step += 1
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=1 / step))
        with status_reporter.checkpoint() as new:
            (new / "step").write_text(str(step))
        while step == 4 and folder is None:
            time.sleep(0.1)
"""


@contextlib.contextmanager
def head():
    """The driver's machine, without CPUs; yields the cluster's address."""
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    env = {**os.environ, **SOON}
    with subprocess.Popen([sys.executable, "-c", HEAD], env=env, **options) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


@contextlib.contextmanager
def machine(address, results):
    """Another machine of the cluster, of one CPU; yields its process, which takes all others along."""
    start = (
        f"{sys.executable} -m ray.scripts.scripts start --address={address} --num-cpus=1 --block"
    )
    inside = f"mount -t tmpfs machine {results} && exec {start}"
    command = ["unshare", "-Urmpf", "--mount-proc", "--kill-child", "sh", "-c", inside]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env={**os.environ, **SOON}, **output) as process:
        try:
            assert any("Ray runtime started" in line for line in process.stdout)
            yield process
        finally:
            process.kill()


def test_a_trial_outlives_its_machine(command, folder, mlflow_runs):
    results = folder / "tune_results"
    results.mkdir()
    (folder / "script.py").write_text(LONG)
    (folder / "spec.yaml").write_text(
        "exp: {max_failures: 1, checkpoint: {keep: 2}, config: {script_file_path: script.py}}"
    )

    def arrived():
        assert process.poll() is None, process.communicate()
        return list(results.glob("exp/*/*/checkpoints/000004"))

    with head() as address, machine(address, results) as first:
        process = command("run", "-f", "spec.yaml", "--address", address, "--json")
        until(arrived, timeout_s=120)
        # As many as are kept. The new one arrives, then the old one goes
        until(lambda: not list(results.glob("exp/*/*/checkpoints/000001")))
        with machine(address, results):
            first.send_signal(signal.SIGKILL)
            out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    (trial,) = json.loads(out)["experiments"]["exp"]["trials"]
    assert (trial["state"], trial["attempts"], trial["reports"]) == ("TERMINATED", 2, 8)
    paths = AttemptPaths(Path(trial["logdir"]))
    assert restored_from(paths) == CheckpointRef(1, 4, 4)
    rows = [json.loads(line) for line in paths.results.read_text().splitlines()]
    assert [row["timesteps_total"] for row in rows] == list(range(1, 9))
    assert "begins at 4" in paths.log.read_text()
    assert (paths.folder / "notes.txt").read_text() == "begun at 4"
    assert [each.number for each in checkpoints_in(paths.checkpoints)] == [8, 7]
    assert "machine was lost" in AttemptPaths(paths.folder.parent).error.read_text()
    runs = mlflow_runs()[0].values()
    assert [bool(run.data.tags["prefect.task_run_id"]) for run in runs] == [True, True]


# Its folder goes with it, as with a machine that is lost.
UNLUCKY = """
import shutil
from tune_tasks import TrainingResult
def train(config, status_reporter):
    folder = status_reporter.restore()
    step = 0
    if folder is not None:
        step = int((folder / "step").read_text())
    while step < 4:
        step += 1
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=1 / step))
        with status_reporter.checkpoint() as new:
            (new / "step").write_text(str(step))
    (status_reporter.logdir / "notes.txt").write_text("all of it")
    if folder is None:
        raise ValueError("bad luck")
"""


@pytest.fixture
def lost_at_the_end(monkeypatch):
    """The driver's machine has no checkpoint once an attempt has ended."""
    from tune_tasks.sweep.attempt_ends import AttemptEnds

    real = AttemptEnds.tell

    def tell(self, record):
        import shutil

        shutil.rmtree(record.attempt.paths.checkpoints, ignore_errors=True)
        real(self, record)

    monkeypatch.setattr(AttemptEnds, "tell", tell)


def test_a_storage_has_what_the_next_attempt_needs(sweep, folder, lost_at_the_end, mlflow_runs):
    from tune_tasks.commands.best_spec import best_spec

    url = f"file://{folder}/storage"
    summary = sweep(UNLUCKY, max_failures=1, storage=url, checkpoint={"keep": 1})
    (trial,) = summary.trials
    assert (trial.state, trial.attempts, trial.reports) == (TrialState.TERMINATED, 2, 4)
    paths = AttemptPaths(Path(trial.logdir))
    assert restored_from(paths) == CheckpointRef(1, 4, 4)
    stored = folder / "storage" / paths.folder.relative_to(folder / "tune_results")
    assert (stored / "notes.txt").read_text() == "all of it"
    assert (stored / "result.json").read_text() == paths.results.read_text()
    assert "bad luck" in (stored.parent / "error.txt").read_text()
    run = mlflow_runs()[0][f"{trial.name} (attempt 2)"]
    assert run.data.tags["tune_tasks.storage"] == f"file://{stored}"
    best = f"# checkpoint file://{stored.parent}/checkpoints/000004"
    assert best in best_spec(["exp"], folder)
