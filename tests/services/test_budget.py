"""A budget ends a sweep, as a user runs it; with a larger one it goes on where it was."""

import json

from tests.services.test_command import read_flow_run

SCRIPT = """
import json
import time
from pathlib import Path
from tune_tasks import TrainingResult

def train(config, status_reporter):
    restored = status_reporter.restore()
    step = int((restored / "step").read_text()) if restored else 0
    while not Path(config["go"]).exists():
        step += 1
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=1 / step))
        if status_reporter.wants_checkpoint:
            with status_reporter.checkpoint() as folder:
                (folder / "step").write_text(str(step))
        time.sleep(0.05)
    status_reporter.report(TrainingResult(timesteps_total=step + 1, mean_loss=0.0))
"""
SPEC = """
exp:
    num_trials: 5
    metric: mean_loss
    budget: {budget}
    config: {{script_file_path: script.py, go: {folder}/go}}
"""
USED_UP = "budget: 0.004 trial hours are used"
ENDED, PENDING = ("TERMINATED", USED_UP), ("PENDING", f"not started: {USED_UP}")


def write(folder, budget):
    (folder / "spec.yaml").write_text(SPEC.format(budget=budget, folder=folder))


def run(command, *args):
    process = command("run", "-f", "spec.yaml", "--json", "--num-cpus", 2, *args)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    document = json.loads(out)
    return document, document["experiments"]["exp"], err


def test_a_budget_ends_a_sweep_and_a_larger_one_goes_on_with_it(command, folder, mlflow_runs):
    (folder / "script.py").write_text(SCRIPT)
    write(folder, "{trial_hours: 0.004, time: 1h}")
    document, exp, shown = run(command)
    assert (document["interrupted"], exp["ended_by_budget"]) == (False, USED_UP)
    ends = [(trial["state"], trial["stop_reason"]) for trial in exp["trials"]]
    # Mostly two. One, if the machine is slow; more, if one of those that wait in Ray takes the place
    # of another in the moment in which that is ended.
    begun = ends.index(PENDING)
    assert 1 <= begun <= 4
    assert ends == [ENDED] * begun + [PENDING] * (5 - begun)
    assert f"exp: {USED_UP}; no further trial is started" in shown
    assert "Budget: 0 of 60 min, 0 of 0.004 trial hours; ends at about " in shown
    state = read_flow_run(document["prefect_url"]).state
    assert (state.type.value, state.message) == (
        "COMPLETED",
        f"5 trials: {5 - begun} PENDING, {begun} TERMINATED; {USED_UP}",
    )
    trial_runs, (parent,) = mlflow_runs("exp")
    assert {run.info.status for run in [*trial_runs.values(), parent]} == {"FINISHED"}

    (folder / "go").touch()
    write(folder, "{trial_hours: 10, time: 1h}")
    again, goes_on, _ = run(command, "--resume", document["sweep"], "--accept-changes")
    assert (again["sweep"], goes_on["ended_by_budget"]) == (document["sweep"], None)
    assert {trial["stop_reason"] for trial in goes_on["trials"]} == {"train() returned"}
    assert [trial["attempts"] for trial in goes_on["trials"]] == [2] * begun + [1] * (5 - begun)
    # Each goes on from the checkpoint that it has written at its end, with one more report.
    steps = [trial["last_result"]["timesteps_total"] for trial in goes_on["trials"]]
    assert steps == [trial["reports"] + 1 for trial in exp["trials"]]
