"""An MLflow server that is not always well holds the same in the end as one that is."""

import signal

import pytest

from tests.faults.mlflow_server import MlflowServer
from tests.services.proxies import proxy, unwell

SHARE = 0.08
"""Of the requests that fail, that are late, and whose answer is lost: a quarter in all."""

TWICE = """
from tune_tasks import TrainingResult

def train(config, status_reporter):
    for step in range(1, 6):
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=config["lr"] / step))
        if step == 3 and config["lr"] == 2 and status_reporter.logdir.name != "attempt_2":
            raise ValueError("once")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A tracking server's address."""
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    try:
        server.wait()
        yield server.url
    finally:
        server.signal(signal.SIGKILL)


def held(client, summary):
    """What MLflow holds of a sweep: for each run its status, params, points and files."""
    experiment = client.get_experiment_by_name("exp")
    query = f"tags.`tune_tasks.sweep` = '{summary.sweep}'"
    runs = client.search_runs([experiment.experiment_id], query)
    names = {run.info.run_id: run.data.tags["tune_tasks.key"] for run in runs}
    assert len(set(names.values())) == len(runs)
    return {
        names[run.info.run_id]: (
            run.info.status,
            run.data.tags["tune_tasks.role"],
            names.get(run.data.tags.get("mlflow.parentRunId")),
            names.get(run.data.tags.get("tune_tasks.best_run_id")),
            run.data.params,
            curve(client, run, "mean_loss"),
            sorted(file.path for file in client.list_artifacts(run.info.run_id)),
            (run.data.metrics.get("trials_done"), run.data.metrics.get("best/mean_loss")),
        )
        for run in runs
    }


def curve(client, run, metric):
    return [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, metric)]


def test_errors_delays_and_lost_answers_leave_the_same_runs(sweep, server, monkeypatch, capsys):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(server)
    config = {"lr": {"grid_search": [1.0, 2.0, 3.0]}}
    sweeps = []
    for seed in (None, 1):
        with proxy(server, unwell(seed, SHARE if seed else 0.0)) as (url, asked):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
            summary = sweep(TWICE, config=config, seed=5, max_failures=1)
        assert len(asked) > 20
        assert [trial.attempts for trial in summary.trials] == [1, 2, 1]
        sweeps.append(held(client, summary))
    undisturbed, disturbed = sweeps
    assert disturbed == undisturbed
    roles = {key: (run[0], run[1], run[2]) for key, run in disturbed.items()}
    assert roles == {
        "exp/parent": ("FINISHED", "sweep", None),
        "exp/0/1": ("FINISHED", "trial", "exp/parent"),
        "exp/1/1": ("FAILED", "superseded", "exp/1/2"),
        "exp/1/2": ("FINISHED", "trial", "exp/parent"),
        "exp/2/1": ("FINISHED", "trial", "exp/parent"),
    }
    assert disturbed["exp/1/2"][5] == [(step, 2.0 / step) for step in range(1, 6)]
    assert "lacks results" not in capsys.readouterr().err
