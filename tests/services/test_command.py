"""The command line on real servers.

What it prints, its exit codes, and that it leaves nothing behind.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.services.waiting import until
from tune_tasks.sweep.journal import read_history

SLEEPS = """
import time
from tune_tasks import TrainingResult
def train(config, status_reporter):
    status_reporter.report(TrainingResult(timesteps_total=1, mean_loss=0.5))
    time.sleep(600)
"""
QUICK = """
import sys
from tune_tasks import TrainingResult
def train(config, status_reporter):
    print("printed by trial", config["x"])
    ours = [name.split(".")[1] for name in sys.modules if name.startswith("tune_tasks.")]
    for step in range(3):
        status_reporter.report(TrainingResult(
            timesteps_total=step, mean_accuracy=config["x"] / 10, mean_loss=float("nan"), info={"rooms": ours}
        ))
"""
WAITS = """
import time
from pathlib import Path
from tune_tasks import TrainingResult
def train(config, status_reporter):
    status_reporter.report(TrainingResult(timesteps_total=1, mean_loss=0.5))
    while not Path("first_has_ended").exists():
        time.sleep(0.1)
"""
DRIVERS_ROOMS = {"spec", "search", "results", "tracking", "rllib", "sweep", "flows"}


def write_spec(folder, script, extra=""):
    (folder / "script.py").write_text(script)
    spec = f"""
        quick:
            env: digits
            seed: 7
            stop: {{mean_acuracy: 2}}
            config:
                script_file_path: script.py
                x: {{grid_search: [1, 2]}}
            {extra}
    """
    (folder / "spec.yaml").write_text(textwrap.dedent(spec))
    return "spec.yaml"


def processes_of(marker, variable="MARKER"):
    """The commands of the processes that a marked one has started; zombies have no environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{variable}={marker}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " ").strip())
    return found


def expect_no_process_of(marker, variable="MARKER"):
    """What Ray has ended may be there for a moment after the command that has started it."""
    until(lambda: processes_of(marker, variable) == [], 20)


def test_a_finished_sweep(command, folder):
    process = command("-f", write_spec(folder, QUICK), "--num-cpus", 2)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    block = out.split("== Status ==")[-1]
    assert "Resources used: 0/2 CPUs, 0/0 GPUs\n" in block
    assert f"Tensorboard logdir: {folder}/tune_results/quick/" in block
    assert (
        " - script_digits_0_x=1:\tTERMINATED, 0 s, 2 ts, nan loss, 0.1 acc, 3 values not finite\n"
        in block
    )
    assert "Best trial: script_digits_1_x=2 with mean_accuracy 0.2\n" in out
    assert (
        "Warning: spec.yaml:5:12: quick.stop.mean_acuracy: no metric of TrainingResult; did you"
        " mean 'mean_accuracy'?" in out
    )
    assert "quick: metric 'mean_acuracy' is in none of the first report's metrics; did you" in out
    assert "Warning: stop.mean_acuracy never triggered: no trial reported 'mean_acuracy'" in out
    assert "Prefect flow run:   http://127.0.0.1:" in out
    assert f"MLflow experiments: quick in sqlite:///{folder}/mlflow.db" in out
    assert "INFO" not in out + err
    assert err == ""
    trial = next(folder.glob("tune_results/quick/*/script_digits_0_x=1"))
    assert (trial / "trial.log").read_text() == "printed by trial 1\n"
    rooms = json.loads((trial / "result.json").read_text().splitlines()[0])["info"]["rooms"]
    assert "trial" in rooms
    assert not DRIVERS_ROOMS & set(rooms)  # a trial's process imports nothing of the driver


def test_json_stands_alone_on_standard_output(command, folder, initialised_store, mlflow_runs):
    process = command(
        "run", "-f", write_spec(folder, QUICK.replace("/ 10", "/ (config['x'] - 1)")), "--json"
    )
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    experiment = json.loads(out)["experiments"]["quick"]
    failed, ended = experiment["trials"]
    keys = {
        "name",
        "index",
        "config",
        "state",
        "stop_reason",
        "last_result",
        "reports",
        "logdir",
        "mlflow_run_id",
        "error",
    }
    assert keys <= failed.keys()
    assert (failed["state"], failed["reports"], failed["last_result"]) == ("ERROR", 0, None)
    assert "ZeroDivisionError" in failed["error"]
    assert (ended["name"], ended["index"], ended["config"]["x"]) == ("script_digits_1_x=2", 1, 2)
    assert (ended["state"], ended["stop_reason"], ended["reports"]) == (
        "TERMINATED",
        "train() returned",
        3,
    )
    assert ended["last_result"]["mean_accuracy"] == 2
    assert Path(ended["logdir"]).is_dir()
    assert experiment["best"]["name"] == ended["name"]
    assert "== Status ==" in err
    (folder / "script.py").unlink()
    assert_shown_from_its_journal(command, json.loads(out))
    shutil.copy(initialised_store, folder / "mlflow.db")  # as if MLflow had heard nothing
    for _ in range(2):
        assert_delivered_from_its_files(command, mlflow_runs)


def assert_delivered_from_its_files(command, mlflow_runs):
    """`sync` delivers everything, each time."""
    out, err = command("sync", "last").communicate(timeout=120)
    assert "MLflow and TensorBoard have everything\n" in out, err
    trials, (parent,) = mlflow_runs("quick")
    assert parent.info.status == "FAILED"
    assert {name: run.info.status for name, run in trials.items()} == {
        "script_digits_0_x=1": "FAILED",
        "script_digits_1_x=2": "FINISHED",
    }
    assert trials["script_digits_1_x=2"].data.metrics["mean_accuracy"] == 2


def every_trial(experiment):
    return [*experiment["trials"], experiment["best"]]


def assert_shown_from_its_journal(command, document):
    """`show` says what `run` has said, and every attempt of every trial."""
    out, err = command("show", "last", "--json").communicate(timeout=60)
    assert err == ""
    shown = json.loads(out)
    assert shown.keys() - document.keys() == {"state", "drivers", "repeats", "dropped"}
    theirs_and_own = zip(
        every_trial(document["experiments"]["quick"]),
        every_trial(shown["experiments"]["quick"]),
        strict=True,
    )
    for theirs, own in theirs_and_own:
        attempts = own["attempts"]
        assert len(attempts) == theirs["attempts"]
        assert own == {**theirs, "attempts": attempts}
        last = attempts[-1]
        assert (last["state"], last["error"], last["reports"]) == (
            theirs["state"],
            theirs["error"],
            theirs["reports"],
        )
        theirs["attempts"] = attempts
    assert {key: shown[key] for key in document} == document


BAD_INPUT = {
    "no file": (
        ["-f", "absent.yaml"],
        "error: cannot read the spec file 'absent.yaml': No such file or directory\n",
    ),
    "nothing": (
        ["run"],
        (
            "error: nothing to run: give a spec file (-f spec.yaml), or one experiment by --config,"
            " --stop, …\n"
        ),
    ),
    "too large": (
        ["-f", "spec.yaml", "--num-cpus", "0"],
        "error: quick: a trial asks for 1 CPU, 0 GPUs, but no machine",
    ),
}


@pytest.mark.parametrize(("args", "message"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_starts_nothing(command, folder, args, message):
    write_spec(folder, QUICK)
    before = sorted(folder.iterdir())
    process = command(*args)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(message)
    assert sorted(folder.iterdir()) == before


def wait_for_reports(folder, count):
    files = "tune_results/quick/*/*/result.json"
    until(lambda: len([file for file in folder.glob(files) if file.stat().st_size]) == count, 90)


def test_ctrl_c_ends_the_trials_and_closes_every_record(command, folder, mlflow_runs):
    spec = write_spec(folder, SLEEPS, "num_trials: 5")
    process = command("-f", spec, "--json", "--num-cpus", 2, env={"MARKER": str(folder)})
    wait_for_reports(folder, 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    trials = json.loads(out)["experiments"]["quick"]["trials"]
    ended, not_started = ("TERMINATED", "interrupted (Ctrl-C)", 1), ("PENDING", None, 0)
    assert [(t["state"], t["stop_reason"], t["reports"]) for t in trials] == [ended] * 2 + [
        not_started
    ] * 3
    assert len(list(folder.glob("tune_results/quick/*/script_*"))) == 2
    trial_runs, (parent,) = mlflow_runs("quick")
    assert {run.info.status for run in [*trial_runs.values(), parent]} == {"KILLED"}
    expect_no_process_of(str(folder))
    flow_run = read_flow_run(json.loads(out)["prefect_url"])
    assert flow_run.state.type.value == "CANCELLED"


def test_cancel_in_prefect_ends_the_run_of_a_command(command, folder, mlflow_runs):
    from prefect.client.orchestration import get_client
    from prefect.states import Cancelling

    process = command("-f", write_spec(folder, SLEEPS), "--json", "--num-cpus", 2)
    wait_for_reports(folder, 2)
    (journal,) = folder.glob("tune_results/.sweeps/*/journal.jsonl")
    flow_run_id = read_history(journal).drivers()[-1].flow_run_id
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(flow_run_id, Cancelling())
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    document = json.loads(out)
    reasons = {trial["stop_reason"] for trial in document["experiments"]["quick"]["trials"]}
    assert reasons == {"cancelled in Prefect"}
    assert mlflow_runs("quick")[1][0].info.status == "KILLED"
    assert read_flow_run(document["prefect_url"]).state.name == "Cancelled"


def read_flow_run(url):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.read_flow_run(url.rsplit("/", 1)[-1])


def test_a_killed_driver_leaves_no_process_and_loses_no_report(command, folder):
    process = command(
        "-f", write_spec(folder, SLEEPS), "--num-cpus", 2, env={"MARKER": str(folder)}
    )
    wait_for_reports(folder, 2)
    process.kill()
    # Mostly two seconds; Ray's agents try for sixty to tell a server that has died with the driver.
    until(lambda: processes_of(str(folder)) == [], 120)
    assert len(list(folder.glob("tune_results/quick/*/*/result.json"))) == 2


def test_two_sweeps_at_once_share_a_server_that_neither_takes_away(
    command, folder, tmp_path_factory
):
    """With a Prefect home of their own: the server that the other tests use is not in play."""
    home = tmp_path_factory.mktemp("prefect")
    env = {"PREFECT_HOME": str(home), "PREFECT_API_URL": "", "MARKER": str(home)}
    write_spec(folder, QUICK)
    (folder / "long.py").write_text(WAITS)
    (folder / "long.yaml").write_text("long: {config: {script_file_path: long.py}}")
    first = command("-f", "spec.yaml", "--num-cpus", 1, "--json", env=env)
    second = command("-f", "long.yaml", "--num-cpus", 1, "--json", env=env)
    results = [json.loads(first.communicate(timeout=180)[0])]
    (folder / "first_has_ended").touch()
    results.append(json.loads(second.communicate(timeout=180)[0]))
    assert [first.returncode, second.returncode] == [0, 0]
    assert len({result["prefect_url"].split("/runs")[0] for result in results}) == 1
    expect_no_process_of(str(home))


def test_the_flow_file_is_the_same_command(folder, prefect):
    flow = Path(__file__).parents[2] / "flows" / "tune.py"
    write_spec(folder, QUICK)
    (folder / "flows").mkdir()  # a user's own folder of that name does no harm
    (folder / "flows" / "__init__.py").write_text("raise RuntimeError('the user\\'s own')")
    done = subprocess.run(
        [flow, "-f", "spec.yaml", "--num-trials", "1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 trial: 1 TERMINATED" in done.stdout
