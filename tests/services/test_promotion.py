"""Promotions as a user runs them, with a driver that is killed in the middle."""

import json
import os
import signal
from pathlib import Path

from tests.services.waiting import until
from tune_tasks.sweep.journal import read_history

SCRIPT = """
import json, time
from tune_tasks import TrainingResult
def train(config, status_reporter):
    start = status_reporter.restore()
    state = json.loads((start / "state").read_text()) if start else {"step": 0}
    while True:
        time.sleep(0.05)
        state = {"step": state["step"] + 1}
        status_reporter.report(
            TrainingResult(timesteps_total=state["step"], mean_loss=config["loss"])
        )
        if status_reporter.wants_checkpoint:
            with status_reporter.checkpoint() as folder:
                (folder / "state").write_text(json.dumps(state))
"""
SPEC = """
exp:
    metric: mean_loss
    resources: {cpu: 1}
    stop: {training_iteration: 4}
    scheduler: {asha: {mode: promote, reduction_factor: 2}}
    config:
        script_file_path: script.py
        loss: {grid_search: [0.4, 0.1, 0.3, 0.2]}
"""


def test_the_best_go_on_from_their_checkpoints_and_a_killed_driver_loses_nothing(
    command, folder, mlflow_runs
):
    (folder / "script.py").write_text(SCRIPT)
    (folder / "spec.yaml").write_text(SPEC)
    process = command("run", "-f", "spec.yaml", "--json", "--num-cpus", 2)
    journal = until(lambda: next(iter(folder.glob("tune_results/.sweeps/*/journal.jsonl")), None))
    until(lambda: b'"attempt":2' in journal.read_bytes(), 120)
    os.kill(read_history(journal).drivers()[0].pid, signal.SIGKILL)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert len(read_history(journal).drivers()) == 2
    trials = json.loads(out)["experiments"]["exp"]["trials"]
    assert [trial["state"] for trial in trials] == ["TERMINATED"] * 4
    by_loss = {trial["config"]["loss"]: trial for trial in trials}
    # The best has come to its end. The worst has never gone on, and hears why.
    best, worst = by_loss[0.1], by_loss[0.4]
    assert best["ended_by"] == "criterion"
    assert worst["ended_by"] == "scheduler"
    assert worst["stop_reason"].startswith("not promoted: rank 4 of 4 at 1 iteration, the best")
    runs, _ = mlflow_runs("exp")
    by_id = {run.info.run_id: run.data.tags for run in runs.values()}
    for trial in trials:
        rows = (Path(trial["logdir"]) / "result.json").read_text().splitlines()
        steps = [json.loads(row)["training_iteration"] for row in rows]
        assert steps == list(range(1, trial["reports"] + 1))
        tags = by_id[trial["mlflow_run_id"]]
        assert tags["tune_tasks.stop_reason"] == trial["stop_reason"]
        fate = "finished" if trial["ended_by"] == "criterion" else "stopped early"
        assert tags["tune_tasks.fate"] == fate
    assert worst["reports"] == 1
    assert worst["attempts"] == 1
