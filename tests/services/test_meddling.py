"""What something else does to the files of a sweep while it runs.

It costs the trial that it concerns, and nothing more.
"""

import json
from pathlib import Path

from tune_tasks.model.trial import TrialState

MEDDLES = """
import json, os, shutil, time
from tune_tasks import TrainingResult
def train(config, status_reporter):
    case, folder = config["case"], status_reporter.logdir
    def report(step):
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=1 / step))
    def write(name, text, mode="a"):
        with open(folder / name, mode) as file:
            file.write(text)
    for step in (1, 2):
        report(step)
    if case in ("middle", "last"):
        write("result.json", "the end")
    if case == "middle":
        report(3)
    if case == "dump":
        write("result.json", json.dumps({"loss": 1}, indent=2), "w")
    if case == "removed":
        (folder / "result.json").unlink()
    if case == "truncated":
        os.truncate(folder / "result.json", 0)
        report(3)
    if case == "folder":
        # The monitor may write into it meanwhile; then something is left of it
        shutil.rmtree(folder, ignore_errors=True)
    if case == "params":
        write("params.json", "[", "w")
    if case == "outcome":
        write("outcome.json", "[", "w")
        os._exit(1)
    if case == "fork":
        child = os.fork()
        for step in (3, 4):
            report(step)
        os.waitpid(child, 0)
"""
TERMINATED, ERROR = TrialState.TERMINATED, TrialState.ERROR
OVERWRITTEN, REMOVED = (
    "result.json was overwritten by something",
    "result.json was removed, moved or replaced by something",
)
# State, reports, foreign lines, steps in MLflow if they cannot be lost, what the error says
ENDS = {
    "middle": (TERMINATED, 3, 1, [1, 2, 3], ""),
    "last": (TERMINATED, 2, 1, [1, 2], ""),
    "dump": (ERROR, 2, 3, None, OVERWRITTEN),
    "removed": (ERROR, 2, 0, None, REMOVED),
    "truncated": (ERROR, 2, 0, None, OVERWRITTEN),
    "folder": (ERROR, 2, 0, None, REMOVED),
    "params": (TERMINATED, 2, 0, [1, 2], ""),
    "outcome": (ERROR, 2, 0, [1, 2], "the trial's process died"),
    "fork": (TERMINATED, 4, 0, [1, 2, 3, 4], ""),
    "nothing": (TERMINATED, 2, 0, [1, 2], ""),
}


def test_a_trial_alone_pays_for_what_is_done_to_its_files(
    sweep, mlflow_runs, task_runs, folder, capsys
):
    from mlflow.tracking import MlflowClient

    summary = sweep(MEDDLES, config={"case": {"grid_search": list(ENDS)}})
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs, states = (
        mlflow_runs()[0],
        {name: run.state.type.value for name, run in task_runs(summary).items()},
    )
    for trial in summary.trials:
        state, reports, foreign_lines, steps, error = ENDS[trial.config["case"]]
        assert (trial.state, trial.reports, trial.foreign_lines) == (
            state,
            reports,
            foreign_lines,
        ), trial.name
        assert error in trial.error_summary if error else trial.error is None
        run = runs[trial.name]
        assert run.info.status == ("FAILED" if error else "FINISHED")
        if steps:
            assert [
                point.step for point in client.get_metric_history(run.info.run_id, "mean_loss")
            ] == steps
        assert (states[trial.name] == "FAILED") == bool(error)
        names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        assert {"params.json"} <= names
    params = next(run.info.run_id for name, run in runs.items() if "params" in name)
    text = Path(client.download_artifacts(params, "params.json", str(folder))).read_text()
    assert json.loads(text)["case"] == "params"
    forked = next(folder.glob("tune_results/*/*/*fork/trial.log")).read_text()
    # Its child has ended with that
    assert forked.count("ReportError: report() was called in process ") == 1
    assert "lacks results" not in capsys.readouterr().err


DELETES = """
import os, shutil, time
from tune_tasks import TrainingResult
def train(config, status_reporter):
    status_reporter.report(TrainingResult(timesteps_total=1, mean_loss=1))
    if config["index"] == 1:
        first = next(status_reporter.logdir.parent.glob("*index=0"))
        while not (first / "outcome.json").exists():
            time.sleep(0.05)
        shutil.rmtree(status_reporter.logdir.parents[2], ignore_errors=True)
        shutil.rmtree(os.environ["HOME"], ignore_errors=True)
"""


def test_results_and_home_deleted_in_mid_sweep(command, folder):
    """With a Prefect home of its own, in the home that is deleted."""
    home = folder / "home"
    home.mkdir()
    (folder / "script.py").write_text(DELETES)
    spec = "exp: {config: {script_file_path: script.py, index: {grid_search: [0, 1]}}}"
    (folder / "spec.yaml").write_text(spec)
    env = {"HOME": str(home), "PREFECT_HOME": str(home / ".prefect"), "PREFECT_API_URL": ""}
    process = command("-f", "spec.yaml", "--json", "--num-cpus", 2, env=env)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 1, err
    first, second = json.loads(out)["experiments"]["exp"]["trials"]
    # The others may have been written again
    assert (first["state"], first["missing"][0]) == ("TERMINATED", "result.json")
    assert (second["state"], REMOVED in second["error"]) == ("ERROR", True)
    assert (
        "Warning: script_0_index=0: something else has removed or truncated"
        f" {', '.join(first['missing'])} in " in err
    )
    assert "without their reports: script_0_index=0\n" in err
    assert "they are in the files" not in err
    assert "Traceback" not in err
