"""A real Prefect server and a real Ray cluster, for tests that are marked `services`.

`tests/conftest.py` names this module as a plugin, so that every folder shares one server and one
cluster in a session; fixtures that two conftests import would be made twice. Each test has its own
MLflow store.
"""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def prefect():
    """Our own Prefect server; sweeps of other processes with the same PREFECT_HOME share it."""
    from tune_tasks.servers.prefect import prefect_server

    with prefect_server() as wait:
        yield wait()
    shutil.rmtree(os.environ["PREFECT_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(prefect):
    """A local Ray cluster of 2 CPUs in this process, which sweeps of this process use."""
    import ray

    from tune_tasks.cluster.connect import RayOptions, connect

    assert not ray.is_initialized(), "an earlier test has left its own cluster"
    with connect(RayOptions(num_cpus=2)) as connected:
        yield connected


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory of the test, with `mlflow.db` in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def initialised_store(tmp_path_factory):
    """An MLflow store without anything in it: making one takes seconds."""
    from mlflow.tracking import MlflowClient

    database = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{database}").search_experiments()
    return database


@pytest.fixture
def sweep(cluster, folder, initialised_store):
    """Runs a script, or a function, in this process.

    `sweep(source, stop=..., config=...)` returns the summary.
    """
    shutil.copy(initialised_store, folder / "mlflow.db")
    from tune_tasks import Experiment, run_experiments

    def run(trainable, scheduler=None, **fields):
        if isinstance(trainable, str):
            (folder / "script.py").write_text(textwrap.dedent(trainable))
            trainable = "script.py"
        return run_experiments(
            Experiment("exp", trainable, env="env", **fields), display="none", scheduler=scheduler
        )

    return run


@pytest.fixture
def command(prefect, folder):
    """Starts `tune-tasks` in a process of its own, in the working directory.

    `hurried` gives it shorter time limits: see `hurried.py`. One that is left is killed at the end.
    """
    started = []

    def start(*args, **options):
        program = ["-m", "tune_tasks.cli"]
        if limits := options.pop("hurried", ""):
            program = [str(Path(__file__).with_name("hurried.py")), limits]
        options = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "cwd": folder,
            **options,
        }
        env = {**os.environ, **options.pop("env", {})}
        process = subprocess.Popen([sys.executable, *program, *map(str, args)], env=env, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def task_runs(prefect):
    """Task runs of a flow run by name, once all of them are in a final state at the server."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.sorting import TaskRunSort

    from tests.services.waiting import until

    def read(summary):
        flow_run_id = summary.prefect_url.rsplit("/", 1)[-1]
        with get_client(sync_client=True) as client:

            def runs():
                return client.read_task_runs(
                    flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])),
                    sort=TaskRunSort.ID_DESC,
                    limit=200,
                )

            # Parse_spec, summarize; trials, monitors
            expected = 2 + 2 * sum(trial.attempts for trial in summary.trials)
            until(
                lambda: (
                    len(runs()) == expected
                    and all(run.state and run.state.is_final() for run in runs())
                )
            )
            return {run.name: run for run in runs()}

    return read


@pytest.fixture
def mlflow_runs(folder):
    """The MLflow runs of this test's store: trial runs by name, and the parents."""
    from mlflow.tracking import MlflowClient

    def read(experiment="exp"):
        client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        found = client.get_experiment_by_name(experiment)
        runs = client.search_runs([found.experiment_id], max_results=1000)
        trials = {run.info.run_name: run for run in runs if "mlflow.parentRunId" in run.data.tags}
        return trials, [run for run in runs if "mlflow.parentRunId" not in run.data.tags]

    return read


@pytest.fixture
def reports():
    """The reports in a trial's file."""
    return lambda trial: [
        json.loads(line) for line in (Path(trial.logdir) / "result.json").read_text().splitlines()
    ]
