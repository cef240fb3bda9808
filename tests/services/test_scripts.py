"""Scripts as people write them.

With processes, logging, a command line, and settings of the whole process.
"""

import json
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from tune_tasks import run_experiments
from tune_tasks.cli import main
from tune_tasks.model.trial import TrialState
from tune_tasks.sweep.journal import journals_in
from tune_tasks.sweep.journal_entries import Repeated
from tune_tasks.sweep.past import past_sweep

FORKS = """
    import multiprocessing, os, subprocess, sys, time
    from concurrent.futures import ProcessPoolExecutor

    import joblib
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    def square(x):
        return x * x

    def forked(leave):
        if (child := os.fork()) == 0:
            leave()
            return None
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def process(target, *args):
        child = multiprocessing.Process(target=target, args=args)
        child.start()
        if target is time.sleep:
            child.terminate()
        child.join()
        return child.exitcode

    def train(config, status_reporter):
        ends = {"process": process(square, 2), "raising": process(square, None), "terminated": process(time.sleep, 1000)}
        ends["os.fork, exit"] = forked(lambda: sys.exit(5))
        ends["os.fork, text"] = forked(lambda: sys.exit("bye"))
        ends["os.fork, return"] = forked(lambda: None)
        if ends["os.fork, return"] is None:
            return  # the child comes to the end of train()
        with multiprocessing.Pool(2) as pool:
            ends["pool"] = pool.map(square, range(3))
        with ProcessPoolExecutor(2) as executor:
            ends["executor"] = list(executor.map(square, range(3)))
        ends["joblib"] = joblib.Parallel(2)(joblib.delayed(square)(i) for i in range(3))
        ends["subprocess"] = subprocess.run([sys.executable, "-c", "raise SystemExit(7)"]).returncode
        loader = DataLoader(TensorDataset(torch.arange(8.0)), batch_size=2, num_workers=2)
        ends["loader"] = [sum(batch.sum().item() for (batch,) in loader) for epoch in range(2)]
        status_reporter(timesteps_total=1, info=ends)
"""
ENDS = {
    **{
        "process": 0,
        "raising": 1,
        "terminated": -15,
        "os.fork, exit": 5,
        "os.fork, text": 1,
        "os.fork, return": 0,
    },
    **{
        "pool": [0, 1, 4],
        "executor": [0, 1, 4],
        "joblib": [0, 1, 4],
        "subprocess": 7,
        "loader": [28.0, 28.0],
    },
}

DIES = """
    import os

    def train(config, status_reporter):
        status_reporter(timesteps_total=1, mean_loss=1)
        print("last words", flush=True)
        os._exit(3)
"""

LOGS = """
    import logging, logging.config, time
    logging.basicConfig(level=logging.DEBUG, format="%(message)s")

    def train(config, status_reporter):
        for i in range(3):
            logging.getLogger("mine").info("line %d of trial %d", i, config["n"])
        if config["n"] == 2:
            logging.config.dictConfig({"version": 1})  # disables all loggers that are there
        for i in range(25):  # the monitor forwards what was printed once a second
            time.sleep(0.1)
            status_reporter(timesteps_total=i, mean_loss=1)
        print("the end")
"""

ARGUMENTS = """
    import argparse, sys
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--data", required="{required}" == "True")
    args = parser.parse_args()

    def train(config, status_reporter):
        status_reporter(timesteps_total=args.depth, mean_loss=len(sys.argv), info={{"path": sys.argv[0]}})
"""

SETTINGS = """
    import logging, warnings
    import matplotlib, pandas, torch
    import matplotlib.pyplot as plt

    def seen():
        return [str(torch.get_default_dtype()), torch.get_num_threads(), torch.is_grad_enabled(),
                str(torch.get_default_device()),
                matplotlib.get_backend().lower(), matplotlib.rcParams["figure.dpi"], plt.get_fignums(),
                pandas.get_option("display.max_rows"), logging.getLogger().level, len(logging.getLogger().handlers)]

    def train(config, status_reporter):
        status_reporter(timesteps_total=1, info={"seen": seen()})
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.set_grad_enabled(False)
        torch.set_default_device("meta")
        matplotlib.use("svg")
        matplotlib.rcParams["figure.dpi"] = 7
        plt.figure()
        pandas.set_option("display.max_rows", 3)
        logging.basicConfig(level=logging.ERROR)
"""


@pytest.fixture(scope="module")
def folder_of_all(tmp_path_factory):
    return tmp_path_factory.mktemp("scripts")


@pytest.fixture(scope="module")
def ended(cluster, folder_of_all):
    """The trials of one sweep with all these scripts, by experiment."""
    scripts = {
        "dies": (DIES, {}),
        "forks": (FORKS, {}),
        "logs": (LOGS, {"n": {"grid_search": [1, 2]}}),
        "arguments": (ARGUMENTS.format(required=False), {}),
        "required": (ARGUMENTS.format(required=True), {}),
        "settings": (SETTINGS, {"n": {"grid_search": [1, 2, 3, 4]}}),
    }
    spec = {}
    for name, (text, config) in scripts.items():
        (folder_of_all / f"{name}.py").write_text(textwrap.dedent(text))
        spec[name] = {"config": {"script_file_path": f"{name}.py", **config}}
    (folder_of_all / "spec.json").write_text(json.dumps(spec))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder_of_all)
        summary = run_experiments("spec.json", display="none")
    return {experiment.name: experiment.trials for experiment in summary.experiments}, summary


def test_a_trial_is_run_again_beside_the_original(ended, folder_of_all, capsys):
    _, summary = ended
    results = folder_of_all / "tune_results"
    args = ["rerun", summary.sweep, "logs/1", "--local-dir", str(results), "--classic"]
    assert main(args) == 0
    out, err = capsys.readouterr()
    said = f"script_1_n=2 of the sweep {summary.sweep}"
    assert out.endswith(f"\nIt reported the same as {said}.\n")
    assert err == ""
    again = past_sweep(journals_in(results)[0])
    assert again.history.sweep.repeats == Repeated(summary.sweep, "logs/1")
    (trial,) = again.summary().trials
    assert (trial.index, trial.state) == (1, TrialState.TERMINATED)
    script = folder_of_all / "logs.py"
    text = script.read_text()
    script.write_text(text.replace("mean_loss=", "mean_loss=1 + "))
    assert main(args) == 1
    script.write_text(text)
    out, err = capsys.readouterr()
    assert f"\nIt did not report the same as {said}: report 1: mean_loss is " in out
    assert err.startswith("Warning: the code is not the one that script_1_n=2 has run")


def test_forked_children_end_as_outside_of_a_trial(ended):
    (trial,) = ended[0]["forks"]
    assert trial.error is None
    assert trial.last_result["info"] == ENDS


def logged_in_prefect(summary):
    """Messages by the name of their task run."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterId,
        LogFilter,
        LogFilterFlowRunId,
    )

    flow_run_id = summary.prefect_url.rsplit("/", 1)[-1]
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    with get_client(sync_client=True) as client:
        names = {
            run.id: run.name for run in client.read_task_runs(flow_run_filter=of_run, limit=200)
        }
        logs = client.read_logs(
            LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id])), limit=200
        )
    return [(names.get(log.task_run_id), log.message) for log in logs]


def test_a_line_of_the_script_is_once_in_its_log_and_once_in_prefect(ended):
    in_prefect = logged_in_prefect(ended[1])
    for trial in ended[0]["logs"]:
        lines = [f"line {i} of trial {trial.config['n']}" for i in range(3)] + ["the end"]
        # Nothing of ours
        assert (Path(trial.logdir) / "trial.log").read_text().splitlines() == lines
        told = Counter(message for name, message in in_prefect if name == trial.name)
        assert {
            message: number for message, number in told.items() if "Finished" not in message
        } == dict.fromkeys(lines, 1)


def test_prefects_log_has_the_cause_of_a_death_and_what_was_printed_last(ended):
    (trial,) = ended[0]["dies"]
    (message,) = [
        message
        for name, message in logged_in_prefect(ended[1])
        if name == trial.name and "died" in message
    ]
    assert message == trial.error
    assert "last words" in message


def test_joblib_leaves_no_shared_memory(ended):
    (trial,) = ended[0]["forks"]
    assert list(Path("/dev/shm").glob(f"*{trial.last_result['pid']}*")) == []


def test_a_script_sees_its_own_path_as_its_command_line(ended, folder_of_all):
    (trial,) = ended[0]["arguments"]
    assert (trial.last_result["timesteps_total"], trial.last_result["mean_loss"]) == (4, 1)
    assert trial.last_result["info"] == {"path": str(folder_of_all / "arguments.py")}


def test_what_argparse_says_is_the_error(ended):
    (trial,) = ended[0]["required"]
    assert (
        trial.error.rstrip().splitlines()[-1]
        == "argparse: the following arguments are required: --data (a trial has no command line;"
        " its values are in `config`)"
    )


def test_each_trial_finds_the_settings_of_a_fresh_process(ended):
    seen = [trial.last_result["info"]["seen"] for trial in ended[0]["settings"]]
    assert seen[0] == ["torch.float32", seen[0][1], True, "cpu", "agg", 100.0, [], 60, 30, 0]
    assert seen == [seen[0]] * 4
