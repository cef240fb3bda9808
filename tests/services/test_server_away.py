"""A Prefect server that is not ours goes away while a sweep runs: it is told of the end later."""

import json
import os
import sqlite3
import subprocess
import sys

import pytest

from tests.faults.results import wrong_in_prefect
from tests.services.waiting import until
from tune_tasks.servers.ports import listen, port_of
from tune_tasks.servers.prefect_address import answers

SCRIPT = """
import time
from pathlib import Path
from tune_tasks import TrainingResult
def train(config, status_reporter):
    status_reporter.report(TrainingResult(timesteps_total=1, mean_accuracy=config["x"] / 10))
    while config["x"] > 1 and not Path("killed").exists():
        time.sleep(0.1)
"""
CONFIGURED = "tune_tasks.servers.prefect_configured"


class Server:
    """A Prefect server with a database of its own, which can be killed and started again."""

    def __init__(self, home):
        self.home = home
        with listen() as free:
            self.port = port_of(free)
        self.api_url = f"http://127.0.0.1:{self.port}/api"

    def start(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        app = ["--factory", "prefect.server.api.server:create_app", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *app, "--log-level", "error"],
            env={**env, "PREFECT_HOME": str(self.home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: answers(self.api_url))

    def kill(self):
        self._process.kill()
        self._process.wait()

    def states(self, kind):
        with sqlite3.connect(f"file:{self.home / 'prefect.db'}?mode=ro", uri=True) as connection:
            return sorted(connection.execute(f"SELECT state_name FROM {kind}").fetchall())


@pytest.fixture
def server(tmp_path_factory):
    own = Server(tmp_path_factory.mktemp("prefect"))
    own.start()
    yield own
    own.kill()


def test_the_end_is_told_by_sync(command, folder, server):
    (folder / "script.py").write_text(SCRIPT)
    (folder / "spec.yaml").write_text(
        "exp: {config: {script_file_path: script.py, x: {grid_search: [1, 2, 3]}}}"
    )
    env = {"PREFECT_API_URL": server.api_url, "PREFECT_API_AUTH_STRING": ""}
    process = command("-f", "spec.yaml", "--json", "--num-cpus", 2, env=env)
    until(lambda: len(list(folder.glob("tune_results/exp/*/*/result.json"))) == 3, 120)
    server.kill()
    (folder / "killed").touch()
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    trials = json.loads(out)["experiments"]["exp"]["trials"]
    assert [trial["state"] for trial in trials] == ["TERMINATED"] * 3
    assert "Prefect was not told how the sweep ended" in err
    assert server.states("flow_run") == [("Running",)]

    refused = command("sync", "last", env=env, hurried=f"{CONFIGURED}:CONFIGURED_SERVER_S=2")
    _, err = refused.communicate(timeout=120)
    assert refused.returncode == 1
    assert "Prefect was not told how the sweep has ended: " in err
    server.start()
    out, err = command("sync", "last", env=env).communicate(timeout=120)
    assert "Prefect was told how the sweep has ended\n" in out, err
    assert server.states("flow_run") == [("Completed",)]
    assert wrong_in_prefect(server.home) == []
