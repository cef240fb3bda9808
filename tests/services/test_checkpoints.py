"""A trial goes on from its checkpoint, whatever has ended it, and its history is told once."""

import json
from pathlib import Path

import pytest

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.checkpoint_folder import checkpoints_in, restored_from
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.trial import TrialState

# Attempt 1 raises, attempt 2 is killed in the middle of a checkpoint, attempt 3 ends well.
TWICE_UNLUCKY = """
import os, signal
from tune_tasks import TrainingResult
def train(config, status_reporter):
    step = 0
    folder = status_reporter.restore()
    if folder is not None:
        step = int((folder / "step").read_text())
    print("begins at", step)
    while step < 6:
        step += 1
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=1 / step))
        if step == 3 and folder is None:
            raise ValueError("bad luck")
        with status_reporter.checkpoint() as new:
            (new / "step").write_text(str(step))
            if step == 5 and status_reporter.logdir.name == "attempt_2":
                os.kill(os.getpid(), signal.SIGKILL)
"""


def test_attempts_go_on_and_each_report_is_there_once(sweep, folder, mlflow_runs):
    from mlflow.tracking import MlflowClient

    summary = sweep(TWICE_UNLUCKY, max_failures=2, checkpoint={"log": True})
    (trial,) = summary.trials
    assert (trial.state, trial.attempts, trial.reports) == (TrialState.TERMINATED, 3, 6)
    paths = AttemptPaths(Path(trial.logdir))
    assert restored_from(paths) == CheckpointRef(2, 4, 4)
    assert "begins at 4" in paths.log.read_text()
    rows = [json.loads(line) for line in paths.results.read_text().splitlines()]
    assert [row["timesteps_total"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["training_iteration"] for row in rows] == [1, 2, 3, 4, 5, 6]
    times = [row["time_total_s"] for row in rows]
    assert times == sorted(times)
    assert [each.number for each in checkpoints_in(paths.checkpoints)] == [6, 5]

    run = mlflow_runs()[0][f"{trial.name} (attempt 3)"]
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    points = client.get_metric_history(run.info.run_id, "mean_loss")
    assert [(point.step, point.value) for point in points] == [
        (step, pytest.approx(1 / step)) for step in range(1, 7)
    ]
    saved = client.list_artifacts(run.info.run_id, "checkpoint")
    assert [file.path for file in saved] == ["checkpoint/step", "checkpoint/tune_tasks.json"]
