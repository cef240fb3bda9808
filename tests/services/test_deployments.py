"""Deployments at a real server.

Run by `serve` and by a worker, on a schedule, with wrong parameters, and cancelled.
"""

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.services.test_command import (
    QUICK,
    SLEEPS,
    expect_no_process_of,
    processes_of,
    write_spec,
)
from tests.services.waiting import until
from tune_tasks.sweep.journal import read_history

ONE_SLOT = "Deployment concurrency limit reached."


@pytest.fixture(scope="module")
def client(prefect):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def name():
    """Of a deployment or a work pool that only this test uses."""
    return f"t-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def start_run(client, name):
    """Starts a run of the test's deployment as the Custom Run form does.

    Returns a function that reads it.
    """

    def start(**parameters):
        deployment = until(lambda: find_deployment(client, name))
        created = client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        return lambda: client.read_flow_run(created.id)

    return start


def find_deployment(client, name):
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_deployment_by_name(f"tune/{name}")
    except ObjectNotFound:
        return None


def ended(read):
    """The final state of a flow run, once it is there."""
    return until(lambda: (state := read().state).is_final() and state, 90)


def errors_in(folder):
    """What the failed trials say of it, if the test's own results are not as they should be."""
    files = folder.glob("tune_results/quick/*/*/error.txt")
    return [file.read_text() for file in files]


def history(client, flow_run_id):
    """The names of a flow run's states from Running on."""
    names = [state.name for state in client.read_flow_run_states(flow_run_id)]
    return names[names.index("Running") :]


def runs_of(client, name):
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
    from prefect.client.schemas.sorting import FlowRunSort

    named = DeploymentFilter(name=DeploymentFilterName(any_=[name]))
    # The earliest first: the scheduler keeps a hundred runs ahead.
    earliest_first = FlowRunSort.EXPECTED_START_TIME_ASC
    return client.read_flow_runs(deployment_filter=named, sort=earliest_first, limit=100)


def cancel(client, flow_run_id):
    """As the page's Cancel and `prefect flow-run cancel` do."""
    from prefect.states import Cancelling

    assert client.set_flow_run_state(flow_run_id, Cancelling()).status.value == "ACCEPT"


def wait_for_reports(folder, count):
    files = "tune_results/quick/*/*/result.json"
    until(lambda: len([file for file in folder.glob(files) if file.stat().st_size]) == count, 90)


def expect_a_cancelled_sweep(client, flow_run_id, folder, mlflow_runs):
    """Cancelled once, the reports kept, the MLflow runs KILLED, and none of its processes left."""
    assert history(client, flow_run_id) == ["Running", "Cancelling", "Cancelled"]
    trial_runs, (parent,) = mlflow_runs("quick")
    assert {run.info.status for run in [*trial_runs.values(), parent]} == {"KILLED"}
    outcomes = [
        json.loads(path.read_text()) for path in folder.glob("tune_results/quick/*/*/outcome.json")
    ]
    assert [(outcome["ended_by"], outcome["reports"]) for outcome in outcomes] == [
        ("cancelled", 1)
    ] * 2
    assert task_run_states(client, flow_run_id) == {
        "run_trial": {"Cancelled"},
        "monitor": {"Completed"},
    }
    expect_no_process_of(flow_run_id, "PREFECT__FLOW_RUN_ID")


def task_run_states(client, flow_run_id):
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.sorting import TaskRunSort

    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    runs = client.read_task_runs(flow_run_filter=of_run, sort=TaskRunSort.ID_DESC, limit=100)
    trials = [run for run in runs if run.name.startswith("script_")]
    monitors = [run for run in runs if run.name.startswith("monitor ")]
    return {
        "run_trial": {run.state.name for run in trials},
        "monitor": {run.state.name for run in monitors},
    }


def test_served_runs_complete_or_say_what_is_wrong(command, folder, client, name, start_run):
    from prefect.exceptions import PrefectHTTPStatusError

    from tune_tasks.sweep import execution

    served = command(
        *(
            "serve",
            "-f",
            write_spec(folder, QUICK),
            "--name",
            name,
            "--tag",
            "nightly",
            "--param",
            "num_cpus=2",
        ),
        env={"PREFECT_RUNNER_POLL_FREQUENCY": "1", "MARKER": str(folder)},
    )
    until(lambda: find_deployment(client, name))
    (folder / "spec.yaml").unlink()
    with pytest.raises(PrefectHTTPStatusError, match="409"):
        start_run(num_trials=0)
    refused = ended(start_run(stop={"mean_loss": "low"}))
    assert (refused.name, refused.message) == (
        "Failed",
        "stop.mean_loss: expected a number or a comparison such as '<= 0.1', got 'low'",
    )
    read = start_run(num_trials=1)
    assert ended(read).name == "Completed", read().state.message
    assert (read().state.message, read().tags) == ("1 trial: 1 TERMINATED", ["nightly"])
    assert len(list(folder.glob("tune_results/quick/*/*/result.json"))) == 1
    served.send_signal(signal.SIGTERM)
    out, err = served.communicate(timeout=60)
    assert served.returncode == 0, err
    assert f"Deployment: tune/{name}\n" in out
    # No traceback of ours; Prefect has its own for a Failed run.
    our_code = f"{Path(execution.__file__).parents[1]}/"
    assert our_code not in out + err
    expect_no_process_of(folder)
    assert client.read_deployment_by_name(f"tune/{name}").paused


def test_a_schedule_fires_never_beside_itself_and_ends_by_cancel_or_ctrl_c(
    command, folder, client, name, mlflow_runs
):
    served = command(
        *(
            "serve",
            "-f",
            write_spec(folder, SLEEPS),
            "--name",
            name,
            "--interval",
            3,
            "--param",
            "num_cpus=2",
        ),
        env={"PREFECT_RUNNER_POLL_FREQUENCY": "1", "MARKER": str(folder)},
    )
    wait_for_reports(folder, 2)
    (running,) = [run for run in runs_of(client, name) if run.state.name == "Running"]
    assert running.auto_scheduled
    until(lambda: [run for run in runs_of(client, name) if run.state.message == ONE_SLOT])
    assert [run.id for run in runs_of(client, name) if run.state.name == "Running"] == [running.id]
    cancel(client, running.id)
    assert ended(lambda: client.read_flow_run(running.id)).name == "Cancelled"
    expect_a_cancelled_sweep(client, running.id, folder, mlflow_runs)
    wait_for_reports(folder, 4)
    served.send_signal(signal.SIGINT)
    _, err = served.communicate(timeout=60)
    assert served.returncode == 0, err
    expect_no_process_of(folder)
    assert {run.state.name for run in runs_of(client, name)} <= {"Cancelled", "Scheduled"}


@pytest.fixture
def worker(client, folder, name):
    """A worker of a process pool of its own."""
    from prefect.client.schemas.actions import WorkPoolCreate

    client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    env = {**os.environ, "MARKER": str(folder), "PREFECT_WORKER_QUERY_SECONDS": "1"}
    arguments = ["-m", "prefect", "worker", "start", "--pool", name, "--type", "process"]
    with (folder / "worker.log").open("w") as log:
        started = subprocess.Popen(
            [sys.executable, *arguments], cwd="/", env=env, stdout=log, stderr=log
        )
    yield started
    started.terminate()
    try:
        started.wait(30)
    except subprocess.TimeoutExpired:
        # Prefect's worker turns SIGTERM into the cancelling of its main task. On a busy machine that
        # may be lost in a request to the server, and the worker goes on polling.
        started.kill()
        started.wait()


ENDS_SLOWLY = """
import time
from pathlib import Path
from tune_tasks import TrainingResult
def train(config, status_reporter):
    status_reporter.report(TrainingResult(timesteps_total=1, mean_loss=0.5))
    try:
        time.sleep(600)
    finally:
        time.sleep(5)  # longer than the 3 s in which Ray's own handler of SIGTERM would abort the driver
        Path(f"saved_{config['x']}").touch()
"""


def test_a_workers_run_is_cancelled(command, folder, client, name, start_run, worker, mlflow_runs):
    deployed = command(
        "deploy",
        "-f",
        write_spec(folder, ENDS_SLOWLY),
        "--name",
        name,
        "--pool",
        name,
        "--param",
        "num_cpus=2",
    )
    out, err = deployed.communicate(timeout=60)
    assert deployed.returncode == 0, err
    assert out.strip().endswith(
        f"/deployments/deployment/{client.read_deployment_by_name(f'tune/{name}').id}"
    )
    read = start_run()
    wait_for_reports(folder, 2)
    cancel(client, read().id)
    assert ended(read).name == "Cancelled"
    expect_a_cancelled_sweep(client, read().id, folder, mlflow_runs)
    assert sorted(path.name for path in folder.glob("saved_*")) == ["saved_1", "saved_2"]
    assert "exited with status code: -" not in (folder / "worker.log").read_text()


WAITS = """
import time
from pathlib import Path
from tune_tasks import TrainingResult
def train(config, status_reporter):
    with open(f"begun_{config['x']}", "a") as file:
        file.write("x")
    status_reporter.report(TrainingResult(timesteps_total=1, mean_accuracy=config["x"] / 10))
    while config["x"] > 1 and not Path("killed").exists():
        time.sleep(0.1)
"""


def test_a_run_outlives_its_driver(command, folder, client, name, start_run, worker, mlflow_runs):
    spec = write_spec(folder, WAITS)
    deployed = command(
        *("deploy", "-f", spec, "--name", name, "--pool", name, "--param", "num_cpus=2")
    )
    _, err = deployed.communicate(timeout=60)
    assert deployed.returncode == 0, err
    read = start_run()
    wait_for_reports(folder, 2)
    (journal,) = folder.glob("tune_results/.sweeps/*/journal.jsonl")
    until(lambda: b'"keep end"' in journal.read_bytes())
    os.kill(read_history(journal).drivers()[0].pid, signal.SIGKILL)
    until(lambda: len(read_history(journal).drivers()) == 2, 90)
    (folder / "killed").touch()
    assert ended(read).name == "Completed", errors_in(folder)
    assert read().state.message == "2 trials: 2 TERMINATED"
    assert set(history(client, read().id)) == {"Running", "Completed"}
    assert begun(folder) == {"begun_1": 1, "begun_2": 2}
    trials, (parent,) = mlflow_runs("quick")
    assert {run.info.status for run in [*trials.values(), parent]} == {"FINISHED", "KILLED"}
    roles = sorted(run.data.tags["tune_tasks.role"] for run in trials.values())
    assert roles == ["superseded", "trial", "trial"]
    assert "Running" not in task_run_states(client, read().id)["run_trial"]
    killed = "the sweep's driver was killed by SIGKILL; "
    # Its process ends a moment after the flow, and sends the last lines of its log then
    until(lambda: processes_of(read().id, "PREFECT__FLOW_RUN_ID") == [])
    assert lines_about(client, read().id, killed) == [f"{killed}this one goes on with the sweep"]
    one_of_two = f"goes on with the sweep {journal.parent.name}: 1 of 2 trials have ended, and do not run again"
    assert lines_about(client, read().id, "do not run again") == [one_of_two]


REFUSED = {
    "cron": (
        ["--cron", "61 * * * *"],
        "error: --cron: expected minute, hour, day, month and weekday, e.g. '0 2 * * *', got",
    ),
    "rrule": (
        ["--rrule", "FREQ=NIGHTLY"],
        "error: --rrule: expected a recurrence rule, e.g. 'FREQ=WEEKLY;BYDAY=MO;BYHOUR",
    ),
    "pool": (["--pool", "absent"], "error: --pool: no work pool 'absent' (its pools: "),
    "folder": (
        ["--working-dir", "absent"],
        "error: --working-dir: expected an absolute path of the worker's machine, got",
    ),
}


@pytest.mark.parametrize(("args", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_creates_nothing(command, folder, client, name, args, message):
    process = command("deploy", "-f", write_spec(folder, QUICK), "--name", name, *args)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert find_deployment(client, name) is None


def test_a_server_that_ends_with_a_sweep_is_none_for_a_deployment(prefect):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from tune_tasks.errors import UsageError
    from tune_tasks.servers import prefect as services

    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(
            UsageError,
            match="a Prefect server that stays, and the one of a sweep ends with it: start one",
        ),
        services.standing_server(),
    ):
        pass


GOES_ON = """
import time
from pathlib import Path
from tune_tasks import TrainingResult
def train(config, status_reporter):
    with open(f"begun_{config['x']}", "a") as file:
        file.write("x")
    status_reporter.report(TrainingResult(timesteps_total=1, mean_accuracy=config["x"] / 10))
    while config["x"] == 1 and not Path("is_suspended").exists():
        time.sleep(0.1)
    if config["x"] == 2 and not Path("mended").exists():
        raise ValueError("not yet")
"""


def lines_about(client, flow_run_id, text):
    """The lines of a flow run's log that have a text in them, as Prefect shows them."""
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

    of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id]))
    return [log.message for log in client.read_logs(of_run) if text in log.message]


def begun(folder):
    """How often each trial has begun."""
    return {path.name: len(path.read_text()) for path in folder.glob("begun_*")}


def test_resume_and_retry_run_what_is_left(command, folder, client, name, start_run, mlflow_runs):
    from prefect.states import AwaitingRetry, Suspended

    served = command(
        *("serve", "-f", write_spec(folder, GOES_ON), "--name", name, "--param", "num_cpus=1"),
        env={"PREFECT_RUNNER_POLL_FREQUENCY": "1", "MARKER": str(folder)},
    )
    read = start_run(num_trials=2)
    wait_for_reports(folder, 1)
    commands = processes_of(read().id, "PREFECT__FLOW_RUN_ID")
    assert any("tune_tasks.commands.deployed_engine served" in line for line in commands)

    # As the page's Pause does
    paused = client.set_flow_run_state(read().id, Suspended(timeout_seconds=600))
    assert paused.status.value == "ACCEPT"
    (journal,) = folder.glob("tune_results/.sweeps/*/journal.jsonl")
    until(lambda: b'"pause changed"' in journal.read_bytes())
    (folder / "is_suspended").touch()
    until(lambda: processes_of(read().id, "PREFECT__FLOW_RUN_ID") == [])
    assert read().state.name == "Suspended"
    assert begun(folder) == {"begun_1": 1}
    (outcome,) = [
        json.loads(path.read_text()) for path in folder.glob("tune_results/quick/*/*/outcome.json")
    ]
    assert (outcome["state"], outcome["ended_by"]) == ("TERMINATED", "returned")
    (parent,) = mlflow_runs("quick")[1]
    # Until it goes on: a suspended run may also be cancelled, by nobody who could tell
    assert parent.info.status == "KILLED"

    client.resume_flow_run(read().id)
    assert ended(read).name == "Failed"
    assert begun(folder) == {"begun_1": 1, "begun_2": 1}
    assert mlflow_runs("quick")[1][0].info.status == "FAILED"

    (folder / "mended").touch()
    # As the page's Retry does
    assert client.set_flow_run_state(read().id, AwaitingRetry()).status.value == "ACCEPT"
    until(lambda: begun(folder)["begun_2"] == 2)
    assert ended(read).name == "Completed", read().state.message
    assert begun(folder) == {"begun_1": 1, "begun_2": 2}
    trials, (parent,) = mlflow_runs("quick")
    assert (parent.info.run_id, parent.info.status) == (
        mlflow_runs("quick")[1][0].info.run_id,
        "FINISHED",
    )
    assert {name.partition("x=")[2]: run.info.status for name, run in trials.items()} == {
        "1": "FINISHED",
        "2": "FAILED",
        "2 (attempt 2)": "FINISHED",
    }
    (sweep,) = folder.glob("tune_results/quick/*")
    assert "2/2 done" in (sweep / "report" / "report.md").read_text()
    said = lines_about(client, read().id, "do not run again")
    one_of_two = (
        f"goes on with the sweep {sweep.name}: 1 of 2 trials have ended, and do not run again"
    )
    assert said == [one_of_two, one_of_two]  # at Resume and at Retry
    served.send_signal(signal.SIGINT)
    served.communicate(timeout=60)
