"""A population as a user runs it, with a driver that is killed in the middle."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.services.waiting import until
from tune_tasks.commands.best_spec import experiment_of
from tune_tasks.model.objective import Objective
from tune_tasks.sweep.journal import read_history
from tune_tasks.tracking.mlflow_store import StoredTrial

SCRIPT = """
import json, time
from tune_tasks import TrainingResult
def train(config, status_reporter):
    start = status_reporter.restore()
    state = json.loads((start / "state").read_text()) if start else {"step": 0, "value": 0.0}
    while True:
        time.sleep(0.05)
        state = {"step": state["step"] + 1, "value": state["value"] + config["rate"]}
        status_reporter.report(
            TrainingResult(timesteps_total=state["step"], info={"value": state["value"]})
        )
        if status_reporter.wants_checkpoint:
            with status_reporter.checkpoint() as folder:
                (folder / "state").write_text(json.dumps(state))
"""
SPEC = """
exp:
    seed: 3
    metric: value
    num_trials: 4
    resources: {cpu: 0.5}
    stop: {training_iteration: 24}
    scheduler: {pbt: {interval: 4, quantile: 0.5, resample: 0}}
    config:
        script_file_path: script.py
        rate: {uniform: [0, 1]}
"""


def test_members_go_on_from_the_best_and_a_killed_driver_loses_nothing(
    command, folder, mlflow_runs
):
    (folder / "script.py").write_text(SCRIPT)
    (folder / "spec.yaml").write_text(SPEC)
    process = command("run", "-f", "spec.yaml", "--json", "--num-cpus", 2)
    journal = until(
        lambda: next(iter(folder.glob("tune_results/.sweeps/*/journal.jsonl")), None), 120
    )
    until(lambda: journal.read_bytes().count(b'"checkpoint copied"') >= 1, 120)
    os.kill(read_history(journal).drivers()[0].pid, signal.SIGKILL)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    trials = json.loads(out)["experiments"]["exp"]["trials"]
    assert [trial["state"] for trial in trials] == ["TERMINATED"] * 4
    assert len(read_history(journal).drivers()) == 2
    first = {key: entry.config["rate"] for key, entry in read_history(journal).trials().items()}
    moved = [trial for trial in trials if trial["config"]["rate"] != first[f"exp/{trial['index']}"]]
    assert moved
    for trial in trials:
        lines = (Path(trial["logdir"]) / "result.json").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        # Its own counts go on, and each report has the config that it was made with.
        assert [row["training_iteration"] for row in rows] == list(range(1, 25))
        assert rows[0]["config"]["rate"] == first[f"exp/{trial['index']}"]
        assert rows[-1]["config"]["rate"] == trial["config"]["rate"]
    # What was replaced has come further than its first rate alone could have brought it.
    for trial in moved:
        alone = 24 * first[f"exp/{trial['index']}"]
        assert trial["last_result"]["info"]["value"] > alone
    runs, _ = mlflow_runs("exp")
    by_id = {run.info.run_id: run.data for run in runs.values()}
    for trial in trials:
        data = by_id[trial["mlflow_run_id"]]
        assert float(data.params["rate"]) == trial["config"]["rate"]
        assert data.metrics["config/rate"] == trial["config"]["rate"]
        # The last one, though a member has the timesteps of those whose state it has taken.
        assert data.metrics["value"] == trial["last_result"]["info"]["value"]
    a_member_is_replayed(command, folder, moved[0])


def a_member_is_replayed(command, folder, member):
    """The spec of a member that was replaced trains as its weights were trained, no more or less.

    The best one may never have been replaced, and is a plain config then.
    """
    folder_of = Path(member["logdir"])
    attempt = int(folder_of.name.rpartition("_")[2])
    tags = {"logdir": folder_of, "attempt": attempt, "index": member["index"]}
    tags["sweep"] = folder_of.parents[1].name
    stored = StoredTrial(
        "exp",
        Objective.of("value"),
        0.0,
        "run",
        member["config"],
        SPEC,
        {f"tune_tasks.{name}": str(value) for name, value in tags.items()},
    )
    spec = experiment_of(stored, folder)
    (folder / "best.json").write_text(json.dumps({"exp": spec}))
    out, err = command("run", "-f", "best.json", "--json").communicate(timeout=240)
    (trial,) = json.loads(out)["experiments"]["exp"]["trials"]
    lines = (Path(trial["logdir"]) / "result.json").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    iterations = range(1, spec["stop"]["training_iteration"] + 1)
    assert [row["training_iteration"] for row in rows] == list(iterations), err
    expected = dict.fromkeys(iterations, spec["config"]["rate"])
    for step in spec["scheduler"]["replay"]["schedule"]:
        later = range(step["at"] + 1, len(iterations) + 1)
        expected |= dict.fromkeys(later, step["config"]["rate"])
    assert {row["training_iteration"]: row["config"]["rate"] for row in rows} == expected
    # The script's value is the sum of all rates that its state has seen.
    value = member["last_result"]["info"]["value"]
    assert rows[-1]["info"]["value"] == pytest.approx(value)
