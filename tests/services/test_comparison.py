"""What MLflow has of a sweep for comparing it: how it stands, results, saved views.

And the best trial, run again.
"""

import base64
import json
import math
import shutil
import zlib

import pytest

from tune_tasks.cli import main
from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo
from tune_tasks.tracking.mlflow import MlflowTracker

# The second trial looks at what MLflow has of the first, while the sweep runs.
SCRIPT = """
import sqlite3, time
from pathlib import Path
from tune_tasks import TrainingResult
STORE = Path("mlflow.db")
def stored(key):
    with sqlite3.connect(f"file:{STORE.resolve()}?mode=ro", uri=True) as store:
        return store.execute("select step, value from metrics where key = ? order by step desc", (key,)).fetchone()
def train(config, status_reporter):
    for step in (1, 2):
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=config["lr"] / step, mean_accuracy=float("nan")))
    if config["opt"]["name"] == "fails":
        raise ValueError("bad")
    if config["lr"] == 3.0:
        deadline = time.monotonic() + 30
        while not (seen := stored("trials_done")) and time.monotonic() < deadline:
            time.sleep(0.1)
        info = {"done": list(seen), "best": list(stored("best/mean_loss"))}
        status_reporter.report(TrainingResult(timesteps_total=3, mean_loss=config["lr"] / 3, info=info))
"""
CONFIG = {
    "lr": {"grid_search": [4.0, 3.0]},
    "opt": {"grid_search": [{"name": "sgd", "momentum": 0.5}, {"name": "fails"}]},
    "note": "1e-4",
}


@pytest.fixture
def compared(sweep):
    """A sweep of four trials, one after the other, of which two fail."""
    return sweep(SCRIPT, config=CONFIG, resources={"cpu": 2}, stop={"timesteps_total": 10}, seed=1)


def view(tag):
    envelope = json.loads(tag)
    return json.loads(zlib.decompress(base64.b64decode(envelope["state"].removeprefix("deflate;"))))


def test_a_sweep_can_be_compared(compared, folder, mlflow_runs, reports, capsys):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    trials, (parent,) = mlflow_runs()
    best = compared.best()
    assert (best.name, best.metric("mean_loss")) == (
        "script_env_1_lr=3.0_opt={'name': 'sgd', 'momentum': 0.5}",
        1.0,
    )

    seen = reports(best)[-1]["info"]  # while the sweep ran
    assert seen["done"] == [1, 1.0]
    assert seen["best"] in ([1, 2.0], [1, 1.5])  # its own reports may be there already
    history = [
        (point.step, point.value)
        for point in client.get_metric_history(parent.info.run_id, "trials_done")
    ]
    assert sorted(set(history)) == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert parent.data.metrics["best/mean_loss"] == 1.0
    assert parent.data.params == {
        "note": "1e-4",
        "script_file_path": "script.py",
        "sweep.seed": "1",
    }
    tags = parent.data.tags
    assert (tags["tune_tasks.best_trial"], tags["tune_tasks.best_run_id"]) == (
        best.name,
        best.mlflow_run_id,
    )
    assert f"[Flow run in Prefect]({compared.prefect_url})" in tags["mlflow.note.content"]
    assert "viewStateShareKey=" in tags["mlflow.note.content"]
    report = (
        folder / client.download_artifacts(parent.info.run_id, "report", folder)
    ) / "report.md"
    assert tags["mlflow.note.content"].endswith(
        report.read_text().partition("## Learning curves")[0].rstrip()
    )
    assert len(list(report.parent.glob("*.png"))) == 3
    run = trials[best.name]
    assert (
        f"[Task run in Prefect]({run.data.tags['prefect.url']})"
        in run.data.tags["mlflow.note.content"]
    )
    momenta = [trials[trial.name].data.params["opt.momentum as text"] for trial in compared.trials]
    assert sorted(momenta) == ["(none)"] * 2 + ["=0.5"] * 2

    table = json.loads(
        (folder / client.download_artifacts(parent.info.run_id, "results.json", folder)).read_text()
    )
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [(row["name"], row["state"]) for row in rows] == [
        (trial.name, str(trial.state)) for trial in compared.trials
    ]
    assert [row["mean_loss"] for row in rows] == [2.0, 1.0, 2.0, 1.5]
    assert json.loads(tags["mlflow.loggedArtifacts"]) == [{"path": "results.json", "type": "table"}]

    experiment = client.get_experiment_by_name("exp").tags
    assert experiment["mlflow.experiment.primaryMetric.name"] == "mean_loss"
    assert experiment["mlflow.experiment.primaryMetric.greaterIsBetter"] == "false"
    state = view(experiment[f"mlflow.sharedViewState.{compared.sweep}"])
    assert (
        len(
            client.search_runs(
                [parent.info.experiment_id],
                state["searchFilter"],
                order_by=[f"{state['orderByKey']} ASC"],
            )
        )
        == 4
    )
    (parallel,) = [chart for chart in state["compareRunCharts"] if chart["type"] == "PARALLEL"]
    assert all(set(parallel["selectedParams"]) <= set(run.data.params) for run in trials.values())
    (sweeps,) = client.search_runs(
        [parent.info.experiment_id],
        view(experiment["mlflow.sharedViewState.sweeps"])["searchFilter"],
    )
    assert sweeps.info.run_id == parent.info.run_id
    best_runs_again(folder, best, capsys)


def test_a_best_trial_that_fails_is_none_and_a_new_recorder_tells_nothing_twice(
    initialised_store, tmp_path, monkeypatch
):
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{shutil.copy(initialised_store, tmp_path / 'mlflow.db')}"
    experiment = ExperimentInfo("exp", tmp_path, 0, 3, {}, objective=Objective("mean_loss", "min"))
    sweep = SweepInfo("sweep", {"exp": experiment}, uri, "exp: {}", tmp_path)
    client = MlflowClient(uri)

    def tracker(*, again):
        made = MlflowTracker(uri)
        made.begin(sweep, again=again)
        made.prepare()
        return made

    def lost(*_, **__):
        raise ConnectionError

    def run(tracker, index, state):
        info = AttemptInfo(
            Trial("exp", index, f"trial_{index}", "script", {}, {}, 0), 1, tmp_path / str(index)
        )
        tracker.open_attempt(info)
        row = {
            "timestamp": 1.0,
            "timesteps_total": 1,
            "mean_loss": index,
            "training_iteration": 1,
            "time_total_s": 1.0,
        }
        row["mean_accuracy"] = math.nan if index == 2 else 0.5
        tracker.log(info, [row])
        outcome = Outcome(state, EndedBy.RETURNED, "ended")
        with monkeypatch.context() as away:
            away.setattr(MlflowClient, "log_batch", lost)
            with pytest.raises(ConnectionError):
                tracker.close_attempt(info, outcome)
        tracker.close_attempt(info, outcome)

    def told():
        (parent,) = client.search_runs(["1"], "tags.`tune_tasks.role` = 'sweep'")
        done = [
            (p.step, p.value) for p in client.get_metric_history(parent.info.run_id, "trials_done")
        ]
        best = [
            (p.step, p.value)
            for p in client.get_metric_history(parent.info.run_id, "best/mean_loss")
        ]
        return done, best, parent.data.tags.get("tune_tasks.best_trial")

    first = tracker(again=False)
    # Before any report
    assert client.get_experiment("1").tags["mlflow.experiment.primaryMetric.name"] == "mean_loss"
    run(first, 0, TrialState.ERROR)
    assert told() == ([(1, 1)], [], None)
    run(first, 1, TrialState.TERMINATED)
    assert told() == ([(1, 1), (2, 2)], [(2, 1)], "trial_1")
    second = tracker(again=True)
    for index, state in enumerate((TrialState.ERROR, TrialState.TERMINATED)):
        run(second, index, state)
    assert told() == ([(1, 1), (2, 2)], [(2, 1)], "trial_1")
    run(second, 2, TrialState.TERMINATED)
    assert told() == ([(1, 1), (2, 2), (3, 3)], [(2, 1), (3, 1)], "trial_1")
    (diverged,) = client.search_runs(["1"], "tags.`tune_tasks.diverged` LIKE '%'")
    assert (diverged.info.run_name, diverged.data.tags["tune_tasks.diverged"]) == (
        "trial_2",
        "mean_accuracy",
    )
    failed = ExperimentSummary("exp", [], tmp_path, Objective("mean_loss", "min"))
    second.close_sweep(Summary("sweep", [failed]))
    assert told()[2] == ""


def test_a_parent_run_that_somebody_deletes_holds_back_no_trial(initialised_store, tmp_path):
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{shutil.copy(initialised_store, tmp_path / 'mlflow.db')}"
    infos = {
        name: ExperimentInfo(
            name, tmp_path / name, 0, 1, {}, objective=Objective("mean_loss", "min")
        )
        for name in ("lost", "kept")
    }
    client, tracker = MlflowClient(uri), MlflowTracker(uri)
    tracker.begin(SweepInfo("sweep", infos, uri, "{}", tmp_path), again=False)
    tracker.prepare()
    parents = {
        run.data.tags["tune_tasks.key"]: run.info.run_id for run in client.search_runs(["1", "2"])
    }
    client.delete_run(parents["lost/parent"])

    info = AttemptInfo(Trial("lost", 0, "trial", "script", {}, {}, 0), 1, tmp_path / "lost" / "0")
    run_id = tracker.open_attempt(info)["MLFLOW_RUN_ID"]
    row = {
        "timestamp": 1.0,
        "timesteps_total": 1,
        "mean_loss": 2.0,
        "training_iteration": 1,
        "time_total_s": 1.0,
    }
    tracker.log(info, [row])
    tracker.close_attempt(info, Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "ended"))
    assert (
        client.get_run(run_id).info.status,
        client.get_run(run_id).data.metrics["mean_loss"],
    ) == ("FINISHED", 2.0)

    experiments = [
        ExperimentSummary(name, [], tmp_path, Objective("mean_loss", "min")) for name in infos
    ]
    with pytest.raises(RuntimeError, match="must be in the 'active' state"):
        tracker.close_sweep(Summary("sweep", experiments))
    assert client.get_run(parents["kept/parent"]).info.status == "FINISHED"


def best_runs_again(folder, best, capsys):
    """`tune-tasks best … > best.yaml && tune-tasks -f best.yaml`, from Python.

    And what it refuses.
    """
    from tune_tasks import run_experiments

    assert main(["best", "--experiment", "exp"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"# {best.name}: mean_loss 1 (min)\n")
    assert best.mlflow_run_id in text
    (folder / "best.yaml").write_text(text)
    (again,) = run_experiments(folder / "best.yaml", display="none").trials
    assert (again.config, again.state, again.metric("mean_loss")) == (
        dict(best.config),
        TrialState.TERMINATED,
        1.0,
    )

    assert (
        main(["best", "--experiment", "exp", "--all", "--metric", "mean_loss", "--mode", "max"])
        == 0
    )
    assert capsys.readouterr().out.startswith("# script_env_0_lr=4.0")
    refused = {
        ("--experiment", "exq"): "there is no MLflow experiment 'exq'; did you mean 'exp'?",
        (
            "--experiment",
            "exp",
            "--metric",
            "mean_lost",
        ): "no trial of 'exp' has the metric 'mean_lost'; did you mean 'mean_loss'?",
        ("--experiment", "Default"): "the MLflow experiment 'Default' has no sweep in it",
    }
    for args, message in refused.items():
        assert main(["best", *args]) == 2
        assert message in capsys.readouterr().err
