"""Joining a cluster that is there already: `--address`, and what other machines could not reach."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tune_tasks.cluster.nodes import Cluster, Node
from tune_tasks.errors import UsageError

SCRIPT = """
from tune_tasks import TrainingResult
def train(config, status_reporter):
    for step in range(1, 1001):
        status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=1 / step, info={"a": 1}))
"""


SHOWS_GPU = """
import os
def train(config, status_reporter):
    status_reporter(timesteps_total=1, gpu=os.environ["CUDA_VISIBLE_DEVICES"])
"""


TWO_NODES = """
import sys
from ray.cluster_utils import Cluster
started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
started.add_node(num_cpus=2)
print(started.address, flush=True)
sys.stdin.read()
started.shutdown()
"""


@pytest.fixture
def two_nodes():
    """A cluster of two Ray nodes, without CPUs on the first: every trial runs on the other.

    In a process of its own: in this one Ray has the token of the tests' own cluster.
    """
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", TWO_NODES], **options) as process:
        yield process.stdout.readline().strip()
        process.stdin.close()


def test_trials_on_another_node(command, folder, two_nodes, mlflow_runs):
    (folder / "script.py").write_text(SCRIPT)
    (folder / "spec.yaml").write_text("exp: {num_trials: 2, config: {script_file_path: script.py}}")
    process = command("-f", "spec.yaml", "--redis-address", two_nodes, "--json")
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    trials = json.loads(out)["experiments"]["exp"]["trials"]
    for trial in trials:
        lines = (Path(trial["logdir"]) / "result.json").read_text().splitlines()
        assert [json.loads(line)["timesteps_total"] for line in lines] == list(range(1, 1001))
    assert [run.data.metrics["mean_loss"] for run in mlflow_runs()[0].values()] == [0.001] * 2


def test_an_address_where_nothing_answers(command, folder):
    (folder / "script.py").write_text(SCRIPT)
    process = command(
        "run", "--config", '{"script_file_path": "script.py"}', "--address", "127.0.0.1:1"
    )
    _, err = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "cannot join the Ray cluster at '127.0.0.1:1'" in err
    assert "Traceback" not in err


def test_a_cluster_whose_token_is_missing(command, folder):
    (folder / "script.py").write_text(SCRIPT)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        clean = {"RAY_AUTH_MODE": "token", "HOME": str(folder)}
        process = command(
            "run", "--config", '{"script_file_path": "script.py"}', "--address", address, env=clean
        )
        _, err = process.communicate(timeout=180)
    assert process.returncode == 1
    assert (
        f"cannot join the Ray cluster at '{address}': no token was found; set RAY_AUTH_MODE=token"
        " and RAY_AUTH_TOKEN_PATH" in err
    )
    assert "Traceback" not in err


def test_a_script_travels_to_other_machines(sweep, folder, monkeypatch):
    """Told that the cluster is remote, the trial runs what travelled, not the file that is here."""
    cluster = Cluster([Node("a", 2)], is_remote=True)
    monkeypatch.setattr("tune_tasks.cluster.connect.present_cluster", lambda: cluster)
    monkeypatch.setattr("tune_tasks.sweep.execution.expect_in_reach", lambda cluster, info: None)
    (folder / "helper.py").write_text("VALUE = 0.5")
    (trial,) = sweep("""
        import helper, os
        def train(config, status_reporter):
            status_reporter(timesteps_total=1, mean_loss=helper.VALUE, at=os.path.abspath(__file__))
        """).trials
    assert trial.last_result["mean_loss"] == 0.5
    assert not trial.last_result["info"]["at"].startswith(str(folder))


def test_what_other_machines_cannot_reach(prefect, folder):
    from tune_tasks.sweep.preparation import expect_in_reach
    from tune_tasks.tracking.info import SweepInfo

    remote = Cluster([Node("a", 2), Node("b", 2)], is_remote=True)

    def check(tracking_uri):
        expect_in_reach(remote, SweepInfo("sweep", {}, tracking_uri, "", folder))

    with pytest.raises(
        UsageError,
        match=r"cannot reach the local MLflow store sqlite:///mlflow.db: set MLFLOW_TRACKING_URI",
    ):
        check("sqlite:///mlflow.db")
    with pytest.raises(
        UsageError,
        match=f"cannot reach the Prefect server {re.escape(prefect.api_url)}: set PREFECT_API_URL",
    ):
        check("http://tracking:5000")


def test_gpus_are_shared_by_fractions(command, folder):
    """Ray takes the number as told; what a trial sees of a GPU is CUDA_VISIBLE_DEVICES."""
    (folder / "script.py").write_text(SHOWS_GPU)
    (folder / "spec.yaml").write_text(
        "exp: {num_trials: 4, resources: {cpu: 0.5, gpu: 0.5}, config: {script_file_path:"
        " script.py}}"
    )
    process = command("-f", "spec.yaml", "--json", "--num-gpus", 1)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert {
        trial["last_result"]["info"]["gpu"]
        for trial in json.loads(out)["experiments"]["exp"]["trials"]
    } == {"0"}
    assert "/1 GPUs" in err
