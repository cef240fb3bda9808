"""What MLflow and TensorBoard hold in the end, and that a tracker or a recorder that is away loses nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.waiting import answers, until
from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import TrialState
from tune_tasks.servers.mlflow_client import expect_usable
from tune_tasks.servers.ports import listen, port_of
from tune_tasks.tracking.mlflow_store import MlflowStore

REPORTS = """
import math
from tune_tasks import TrainingResult
def train(config, status_reporter):
    for step in range(1, 4):
        status_reporter.report(TrainingResult(
            timesteps_total=10 * step, mean_loss=config["lr"] / step, mean_accuracy=math.nan if step == 2 else step / 10,
            info={"grad": {"norm": step}, "note": "text", "recall@1": step, "recall_1": -step}))
"""


@pytest.fixture
def client(folder):
    from mlflow.tracking import MlflowClient

    return lambda: MlflowClient(f"sqlite:///{folder}/mlflow.db")


def test_mlflow_holds_the_sweep(sweep, folder, client, mlflow_runs):
    config = {"lr": {"grid_search": [1.0, 2.0]}, "fixed": {"a": 1, "b": "x"}}
    summary = sweep(REPORTS, config=config, seed=5, stop={"timesteps_total": 1000})
    trials, (parent,) = mlflow_runs()
    trial = summary.trials[0]
    run = trials["script_env_0_lr=1.0"]
    assert run.info.run_id == trial.mlflow_run_id
    assert run.data.params == {"lr": "1.0"}
    history = client().get_metric_history(run.info.run_id, "mean_loss")
    assert [(point.step, point.value) for point in history] == [(10, 1.0), (20, 0.5), (30, 1 / 3)]
    # Never NaN
    assert [p.step for p in client().get_metric_history(run.info.run_id, "mean_accuracy")] == [
        10,
        30,
    ]
    assert run.data.metrics["grad/norm"] == 3
    # MLflow takes no `@`
    assert (run.data.metrics["recall_at_1-e740af"], run.data.metrics["recall_1"]) == (3, -3)
    assert (
        MlflowStore(f"sqlite:///{folder}/mlflow.db")
        .best_trial("exp", Objective.of("recall@1"), all_sweeps=False)
        .value
        == 3
    )
    tags = run.data.tags
    assert tags["mlflow.parentRunId"] == parent.info.run_id
    assert (tags["tune_tasks.sweep"], tags["tune_tasks.trial"], tags["tune_tasks.attempt"]) == (
        summary.sweep,
        trial.name,
        "1",
    )
    assert tags["prefect.flow_run_id"] == summary.prefect_url.rsplit("/", 1)[-1]
    assert tags["prefect.url"].startswith(
        summary.prefect_url.split("/runs/")[0] + "/runs/task-run/"
    )
    assert int(tags["tune_tasks.seed"]) in range(2**32)
    assert tags["tune_tasks.stop_reason"] == "train() returned"
    names = {artifact.path for artifact in client().list_artifacts(run.info.run_id)}
    assert names == {"params.json"}
    assert parent.data.params == {
        "fixed.a": "1",
        "fixed.b": "x",
        "script_file_path": "script.py",
        "sweep.seed": "5",
    }
    names = {artifact.path for artifact in client().list_artifacts(parent.info.run_id)}
    assert names == {"script.py", "spec.yaml", "results.json", "results.csv", "report"}
    assert (parent.info.status, parent.data.tags["tune_tasks.best_trial"]) == (
        "FINISHED",
        trial.name,
    )
    assert trial.non_finite == 1
    assert "tune_tasks.diverged" not in tags  # the last report was finite


def test_sweeps_that_begin_together_in_a_fresh_folder_make_one_store(folder):
    uri = f"sqlite:///{folder}/mlflow.db"
    code = (
        "from tune_tasks.servers.mlflow_client import connect;"
        f" print(len(connect({uri!r}).search_experiments()))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    ended = [(process.communicate(timeout=120), process.returncode) for process in started]
    assert [(out, status) for (out, _), status in ended] == [(b"1\n", 0)] * 3
    assert sorted(path.name for path in folder.iterdir()) == [".mlflow.db.lock", "mlflow.db"]
    expect_usable(uri)


def test_tensorboard_reads_the_curves(sweep):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (trial,) = sweep(REPORTS, config={"lr": 1.0}).trials
    events = EventAccumulator(trial.logdir).Reload()
    assert [(e.step, round(e.value, 3)) for e in events.Scalars("ray/tune/mean_loss")] == [
        (10, 1.0),
        (20, 0.5),
        (30, 0.333),
    ]
    assert "ray/tune/grad/norm" in events.Tags()["scalars"]


LOGS_TO_MLFLOW = """
import multiprocessing, subprocess, sys, threading
import mlflow
from sklearn.linear_model import LogisticRegression

mlflow.set_tracking_uri("sqlite:///elsewhere.db")
mlflow.set_experiment("elsewhere")

def fit():
    LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])

def autolog(config):
    mlflow.sklearn.autolog(log_models=False, log_datasets=False)
    fit()
    mlflow.log_params(config)

def folds(config):
    fit()
    for fold in range(2):
        with mlflow.start_run(run_name=f"fold_{fold}", nested=True):
            mlflow.log_metric("fold", fold)
            with mlflow.start_run(run_name=f"below_{fold}", nested=True):
                pass
    mlflow.start_run(run_name="left open", nested=True)

def own_run(config):
    experiment = mlflow.get_experiment_by_name("elsewhere")
    with mlflow.start_run(experiment_id=experiment.experiment_id, run_name="own", tags={"own": "tag"}):
        mlflow.log_metric("own", 1)
    assert mlflow.active_run() is None
    mlflow.log_metric("after", 1)
    try:
        with mlflow.start_run():
            raise KeyError
    except KeyError:
        while mlflow.active_run():
            mlflow.end_run()
    with mlflow.start_run(run_name="later", nested=True):
        pass

def log(name):
    assert mlflow.active_run()
    mlflow.log_metric(name, 1)

def others(config):
    for start in (threading.Thread, multiprocessing.get_context("fork").Process):
        child = start(target=log, args=(start.__name__,))
        child.start()
        child.join()
    code = "import mlflow; mlflow.start_run(run_name='x'); mlflow.log_metric('sub', 1)"
    subprocess.run([sys.executable, "-c", code], check=True)

def train(config, status_reporter):
    assert mlflow.active_run().data.tags["tune_tasks.index"] == str(CASES.index(config["case"]))
    assert mlflow.last_active_run().info.run_id == mlflow.active_run().info.run_id
    globals()[config["case"]](config)
    status_reporter(timesteps_total=1, mean_loss=1)

CASES = ["autolog", "folds", "own_run", "others"]
"""


def test_what_user_code_logs_lands_in_the_trials_run(sweep, folder, client):
    config = {"case": {"grid_search": ["autolog", "folds", "own_run", "others"]}, "bias": True}
    # One after the other, in the same process
    summary = sweep(LOGS_TO_MLFLOW, config=config, resources={"cpu": 2})
    assert [trial.error for trial in summary.trials] == [None] * 4
    runs = client().search_runs([e.experiment_id for e in client().search_experiments()])
    of_trials = {
        run.data.tags["tune_tasks.index"]: run
        for run in runs
        if "tune_tasks.index" in run.data.tags
    }
    autolog, folds, own_run, others = (of_trials[index] for index in "0123")
    assert [run.info.run_name for run in (autolog, folds, own_run, others)] == [
        trial.name for trial in summary.trials
    ]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert autolog.data.metrics["training_accuracy_score"] >= 0.5
    assert (autolog.data.params["fit_intercept"], autolog.data.params["bias"]) == ("True", "True")
    assert "training_accuracy_score" not in folds.data.metrics  # autolog ended with its trial
    assert (
        own_run.data.metrics["own"],
        own_run.data.metrics["after"],
        own_run.data.tags["own"],
    ) == (1, 1, "tag")
    assert others.data.metrics.keys() >= {"Thread", "ForkProcess", "sub"}
    names = {run.info.run_id: run.info.run_name for run in runs}
    assert {
        run.info.run_name: names.get(run.data.tags.get("mlflow.parentRunId"))
        for run in runs
        if "tune_tasks.role" not in run.data.tags
    } == {
        **dict.fromkeys(("fold_0", "fold_1", "left open"), folds.info.run_name),
        **{"below_0": "fold_0", "below_1": "fold_1", "later": own_run.info.run_name},
    }
    assert not (folder / "elsewhere.db").exists()
    assert client().get_experiment_by_name("elsewhere") is None
    log = (Path(summary.trials[0].logdir) / "trial.log").read_text()
    assert (
        "mlflow.set_experiment('elsewhere') changes nothing in a trial: what the script logs is in"
        " the trial's own run" in log
    )
    assert "mlflow.set_tracking_uri('sqlite:///elsewhere.db') changes nothing in a trial" in log


def test_a_tracking_server_that_goes_away_and_comes_back_gets_everything(
    sweep, folder, monkeypatch
):
    with listen() as free:
        port = port_of(free)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    code = f"""
    import subprocess, time, os, signal
    from tune_tasks import TrainingResult
    def train(config, status_reporter):
        for step in range(1, 6):
            status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=step))
            if step == 2:
                time.sleep(2)
                os.killpg(int(open("{folder}/server").read()), signal.SIGKILL)
            time.sleep(0.5)
        open("{folder}/away", "w").close()
        time.sleep(3)
    """
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

    def start():
        process = subprocess.Popen(
            command,
            env=env,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        (folder / "server").write_text(str(process.pid))
        return process

    servers = [start()]
    until(lambda: answers(f"http://127.0.0.1:{port}/health"), 90)
    import threading

    def again():
        until((folder / "away").exists, 120)
        servers.append(start())

    waiter = threading.Thread(target=again)
    waiter.start()
    try:
        summary = sweep(code)
        (trial,), (experiment,) = summary.trials, summary.experiments
        waiter.join()
        assert (trial.state, trial.reports) == (TrialState.TERMINATED, 5)
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), 90)
        from mlflow.tracking import MlflowClient

        client = MlflowClient(f"http://127.0.0.1:{port}")
        history = client.get_metric_history(trial.mlflow_run_id, "mean_loss")
        assert [(point.step, point.value) for point in history] == [
            (step, step) for step in range(1, 6)
        ]
        run = client.get_run(trial.mlflow_run_id)
        assert run.info.status == "FINISHED"
        page = f"http://127.0.0.1:{port}/#/experiments/{run.info.experiment_id}/runs"
        assert experiment.experiment_url == f"{page}?viewStateShareKey=runs"
        assert (
            experiment.view_url == f"{page}?viewStateShareKey={summary.sweep}&compareRunsMode=CHART"
        )
    finally:
        for server in servers:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@pytest.mark.parametrize("step", [5, 20], ids=["in the middle", "before the trial's last word"])
def test_a_recorder_that_is_killed_starts_again_from_the_files(sweep, reports, client, step):
    (trial,) = sweep(
        """
        import os, signal, time
        from pathlib import Path
        from tune_tasks import TrainingResult
        def recorders():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if (process / "cmdline").read_bytes().startswith(b"ray::RecorderActor"):
                        yield int(process.name)
                except OSError:
                    pass
        def train(config, status_reporter):
            for step in range(1, 21):
                status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=step))
                if step == config["kill_at"]:
                    time.sleep(2)
                    for pid in recorders():
                        if os.stat(f"/proc/{pid}/cwd").st_ino == os.stat(".").st_ino:
                            os.kill(pid, signal.SIGKILL)
                time.sleep(0.2)
        """,
        config={"kill_at": step},
    ).trials
    assert (trial.state, trial.reports, len(reports(trial))) == (TrialState.TERMINATED, 20, 20)
    history = client().get_metric_history(trial.mlflow_run_id, "mean_loss")
    assert [point.step for point in history] == list(range(1, 21))
    runs = client().search_runs(["1"])
    assert len(runs) == 2  # the parent and the trial: none was made twice
    (parent,) = [run for run in runs if run.info.run_id != trial.mlflow_run_id]
    assert {
        (p.step, p.value) for p in client().get_metric_history(parent.info.run_id, "trials_done")
    } <= {(1, 0), (1, 1)}
    assert (parent.data.metrics["trials_done"], parent.data.metrics["best/mean_loss"]) == (1, 20)
    assert trial.last_result["mean_loss"] == 20
    assert {run.info.status for run in runs} == {"FINISHED"}
