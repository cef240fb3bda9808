"""Early stopping as a user runs it: in the very report, in words, and the same after a kill."""

import json
import os
import signal

from tests.services.waiting import until
from tune_tasks.model.milestones import Course
from tune_tasks.model.objective import Objective
from tune_tasks.search.asha import Asha, rungs
from tune_tasks.sweep.journal import read_history

SCRIPT = """
import time
from tune_tasks import TrainingResult
def train(config, status_reporter):
    for step in range(1, 100):
        time.sleep(0.02)
        loss = config["x"] if step < 5 else 1 - config["x"]
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=loss))
"""
SPEC = """
exp:
    seed: 3
    metric: mean_loss
    num_trials: 14
    max_concurrent_trials: 1
    stop: {training_iteration: 12}
    scheduler: {asha: {reduction_factor: 2}}
    config:
        script_file_path: script.py
        x: {uniform: [0, 1]}
"""


def expected(values):
    """What comes of trials that run one after the other: reports, and why each has ended."""
    judge = Asha(Objective("mean_loss", "min"), "training_iteration", rungs(1, 12, 2), 2)
    for index, x in enumerate(values):
        yield _expected_of(judge, index, x)


def _expected_of(judge, index, x):
    course = Course(0, judge.milestones(index))
    for step in range(1, 12):
        row = {"training_iteration": step, "mean_loss": x if step < 5 else 1 - x}
        for reached in course.reached(row):
            reason = judge.judge(index, reached)
            if reason:
                return (step, reason)
    judge.ended(index, 1 - x)
    return (12, "training_iteration 12 >= 12 after 12 timesteps")


def test_rungs_are_exact_and_a_killed_driver_changes_nothing(command, folder, mlflow_runs):
    (folder / "script.py").write_text(SCRIPT)
    (folder / "spec.yaml").write_text(SPEC)
    process = command("run", "-f", "spec.yaml", "--json", "--num-cpus", 2)
    journal = until(lambda: next(iter(folder.glob("tune_results/.sweeps/*/journal.jsonl")), None))
    until(lambda: journal.read_bytes().count(b'"milestones reached"') >= 12, 120)
    os.kill(read_history(journal).drivers()[0].pid, signal.SIGKILL)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    trials = json.loads(out)["experiments"]["exp"]["trials"]
    found = [(trial["reports"], trial["stop_reason"]) for trial in trials]
    assert found == list(expected(trial["config"]["x"] for trial in trials))
    assert {trial["reports"] for trial in trials} >= {1, 8, 12}
    assert len(read_history(journal).drivers()) == 2
    runs, _ = mlflow_runs("exp")
    assert {run.data.tags["tune_tasks.stop_reason"] for run in runs.values()} == {
        why for _, why in found
    }
