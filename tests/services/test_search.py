"""A search that learns, as a user runs it; the death of its driver changes nothing."""

import json
import os
import signal

from tests.services.waiting import until
from tune_tasks.sweep.journal import read_history

SCRIPT = """
from tune_tasks import TrainingResult
def train(config, status_reporter):
    model = config["model"]
    loss = (config["x"] - 0.3) ** 2 + (0.5 if model["kind"] == "a" else (model["depth"] - 3) ** 2)
    status_reporter.report(TrainingResult(timesteps_total=1, mean_loss=loss))
"""
SPEC = """
exp:
    seed: 5
    metric: mean_loss
    num_trials: 10
    search: {tpe: {startup_trials: 4, lag: 1}}
    config:
        script_file_path: script.py
        x: {uniform: [0, 1]}
        model:
            choice:
                - {kind: a}
                - {kind: b, depth: {int: [1, 8]}}
"""


def write(folder):
    (folder / "script.py").write_text(SCRIPT)
    (folder / "spec.yaml").write_text(SPEC)


def journals(folder):
    return sorted(folder.glob("tune_results/.sweeps/*/journal.jsonl"))


def configs(process):
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    trials = json.loads(out)["experiments"]["exp"]["trials"]
    assert {trial["state"] for trial in trials} == {"TERMINATED"}
    return [trial["config"] for trial in trials]


def test_a_killed_driver_changes_nothing_of_what_is_tried(command, folder, mlflow_runs):
    write(folder)
    undisturbed = configs(command("run", "-f", "spec.yaml", "--json", "--num-cpus", 2))
    assert len(undisturbed) == 10
    names = {config["model"]["kind"] for config in undisturbed}
    assert names == {"a", "b"}
    runs, _ = mlflow_runs("exp")
    assert {run.data.params["model.kind"] for run in runs.values()} == {"a", "b"}

    process = command("run", "-f", "spec.yaml", "--json", "--num-cpus", 2)
    journal = until(lambda: next(iter(journals(folder)[1:]), None))
    until(lambda: journal.read_bytes().count(b'"proposed"') >= 3, 90)
    os.kill(read_history(journal).drivers()[0].pid, signal.SIGKILL)
    assert configs(process) == undisturbed
    assert len(read_history(journal).drivers()) == 2
