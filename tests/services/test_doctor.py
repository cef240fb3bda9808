"""A sweep is killed with all of its processes; its records are ended, and it goes on, edited."""

import json
import os
import signal

from tests.services.waiting import until

SCRIPT = """
import time
from pathlib import Path
from tune_tasks import TrainingResult
def train(config, status_reporter):
    with open(f"begun_{config['x']}", "a") as file:
        file.write("x")
    status_reporter.report(TrainingResult(timesteps_total=1, mean_accuracy=config["x"] / 10))
    while config["x"] > 1 and not Path("mended").exists():
        time.sleep(0.1)
"""
SPEC = """
exp:
    stop: {{training_iteration: 5}}
    config: {{script_file_path: script.py, kind: {kind}, x: {{grid_search: {grid}}}}}
"""


def write(folder, grid, kind="a"):
    (folder / "spec.yaml").write_text(SPEC.format(grid=grid, kind=kind))


def killed(command, folder):
    """The id of a sweep that was killed after its first trial has ended, as others run."""
    process = command("-f", "spec.yaml", "--num-cpus", 2, start_new_session=True)
    until(lambda: len(list(folder.glob("begun_*"))) == 3, 90)
    (journal,) = folder.glob("tune_results/.sweeps/*/journal.jsonl")
    until(lambda: b'"keep end"' in journal.read_bytes())
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return journal.parent.name


def doctor(command, *args):
    process = command("doctor", "--json", *args)
    out, err = process.communicate(timeout=120)
    assert err == ""
    findings = json.loads(out)
    assert process.returncode == any(finding["level"] == "problem" for finding in findings)
    return {finding["about"]: finding for finding in findings}


def flow_run_state(folder):
    from prefect.client.orchestration import get_client

    from tune_tasks.sweep.journal import journals_in, read_history

    (path,) = journals_in(folder / "tune_results")
    first = read_history(path).drivers()[0].flow_run_id
    with get_client(sync_client=True) as client:
        return client.read_flow_run(first).state.name


def statuses(mlflow_runs):
    trials, parents = mlflow_runs()
    return {name.partition("x=")[2]: run.info.status for name, run in trials.items()} | {
        "parent": parents[0].info.status
    }


def test_a_dead_sweep_is_tidied_up_and_goes_on_with_an_edited_spec(command, folder, mlflow_runs):
    (folder / "script.py").write_text(SCRIPT)
    write(folder, [1, 2, 3])
    sweep = killed(command, folder)

    found = doctor(command)
    assert sweep in found["sweeps whose driver has died"]["found"]
    assert found["runs that nobody has ended in Prefect"]["level"] == "warning"
    assert found["runs that nobody has ended in MLflow"]["found"].startswith("3 (")
    assert {found[name]["level"] for name in ("Python", "Prefect", "MLflow", "results folder")} == {
        "ok"
    }
    fixed = doctor(command, "--fix")
    for name in ("runs that nobody has ended in Prefect", "runs that nobody has ended in MLflow"):
        assert fixed[name]["found"] == "none"
    assert fixed["processes of dead drivers"]["found"] == "none"
    assert flow_run_state(folder) == "Crashed"
    assert statuses(mlflow_runs) == {
        "1": "FINISHED",
        "2": "KILLED",
        "3": "KILLED",
        "parent": "FAILED",
    }

    (folder / "mended").touch()
    write(folder, [1, 9, 3], kind="a")
    refused = command("-f", "spec.yaml", "--resume")
    out, err = refused.communicate(timeout=60)
    assert (refused.returncode, out) == (2, "")
    assert "1 dropped: config.x: 2 is not searched any more" in err
    accepted = command("-f", "spec.yaml", "--resume", "--accept-changes", "--json", "--num-cpus", 2)
    out, err = accepted.communicate(timeout=120)
    assert accepted.returncode == 0, err
    assert f"goes on with the sweep {sweep}: 1 of 3 trials have ended, and do not run again" in err
    trials = json.loads(out)["experiments"]["exp"]["trials"]
    assert {trial["index"]: trial["config"]["x"] for trial in trials} == {0: 1, 2: 3, 3: 9}
    assert {trial["state"] for trial in trials} == {"TERMINATED"}
    assert {path.name: len(path.read_text()) for path in folder.glob("begun_*")} == {
        "begun_1": 1,
        "begun_2": 1,
        "begun_3": 2,
        "begun_9": 1,
    }
    trial_runs, _ = mlflow_runs()
    roles = {
        name.partition("x=")[2]: r.data.tags["tune_tasks.role"] for name, r in trial_runs.items()
    }
    assert (roles["1"], roles["2"], roles["9"]) == ("trial", "dropped", "trial")
    assert "RUNNING" not in statuses(mlflow_runs).values()
    assert statuses(mlflow_runs)["parent"] == "FINISHED"
