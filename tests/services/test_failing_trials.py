"""Trials that raise, trials whose process dies, and attempts."""

import uuid
from pathlib import Path

import pytest

from tune_tasks.model.trial import EndedBy, Outcome, TrialState

ONE_FAILS = """
from tune_tasks import TrainingResult
def train(config, status_reporter):
    status_reporter.report(TrainingResult(timesteps_total=1, mean_loss=config["x"]))
    if config["x"] == 1:
        raise ValueError("no such thing: \\u00e9")
"""


def test_a_trial_that_raises_is_an_error_and_the_others_go_on(sweep, task_runs, mlflow_runs):
    summary = sweep(ONE_FAILS, config={"x": {"grid_search": [0, 1, 2]}})
    assert [trial.state for trial in summary.trials] == [
        TrialState.TERMINATED,
        TrialState.ERROR,
        TrialState.TERMINATED,
    ]
    failed = summary.trials[1]
    assert summary.one_line() == "3 trials: 2 TERMINATED, 1 ERROR; failed: script_env_1_x=1"
    assert (failed.reports, failed.last_result["mean_loss"]) == (1, 1)
    assert 'script.py", line 6, in train' in failed.error
    assert failed.error.rstrip().endswith("ValueError: no such thing: é")
    assert "tune_tasks" not in failed.error  # none of our frames
    assert (Path(failed.logdir) / "error.txt").read_text() == failed.error
    assert task_runs(summary)[failed.name].state.type.value == "FAILED"
    assert task_runs(summary)[failed.name].state.message == "ValueError: no such thing: é"
    run = mlflow_runs()[0][failed.name]
    assert (run.info.status, run.data.tags["tune_tasks.error"].rstrip()) == (
        "FAILED",
        failed.error.rstrip(),
    )


UNSHOWABLE = """
RAISED = ["half \\ud800", "x" * 100_000, "nul \\0 escape \\x1b[31mred\\x1b[0m"]
def train(config, status_reporter):
    print("printed \\0 \\x1b[31mred\\x1b[0m")
    status_reporter(timesteps_total=1, **{"odd \\ud800": 2.0})
    raise ValueError(RAISED[config["k"]])
"""


def test_texts_that_cannot_be_shown_are_escaped_and_every_run_ends(sweep, task_runs, mlflow_runs):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import LogFilter, LogFilterTaskRunId

    long = "a\0b\x1b[31m\n" + "y" * 5_000
    summary = sweep(
        UNSHOWABLE,
        config={"k": {"grid_search": [0, 1, 2]}, "long": {"grid_search": [long]}},
        num_trials=3,
    )
    causes = [
        "ValueError: half \\ud800",
        "ValueError: ".ljust(199, "x") + "…",
        "ValueError: nul \\x00 escape red",
    ]
    assert [trial.error_summary for trial in summary.trials] == causes
    assert summary.trials[1].error.rstrip().endswith("x" * 100_000)
    names = [trial.shown_name for trial in summary.trials]
    assert all(name.isprintable() and len(name) == 200 for name in names)
    runs, mlflow = task_runs(summary), mlflow_runs()[0]
    assert [(runs[name].state.type.value, runs[name].state.message) for name in names] == [
        ("FAILED", cause) for cause in causes
    ]
    assert [mlflow[name].info.status for name in names] == ["FAILED"] * 3
    assert all(
        any(path.stat().st_size for path in Path(t.logdir).glob("events.out.*"))
        for t in summary.trials
    )
    with get_client(sync_client=True) as client:
        of_runs = LogFilter(task_run_id=LogFilterTaskRunId(any_=[runs[name].id for name in names]))
        messages = [log.message for log in client.read_logs(of_runs, limit=200, offset=0)]
    assert messages.count("printed \\x00 red") == 3
    tracebacks = sorted(
        message.rstrip()[-5:] for message in messages if message.startswith("Traceback")
    )
    assert tracebacks == ["e red", "ud800", "xxxxx"]


DEATHS = {
    "exit": "os._exit(3)",
    "segfault": "ctypes.string_at(0)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
}


@pytest.mark.parametrize("code", DEATHS.values(), ids=DEATHS)
def test_a_process_that_dies_is_an_error_once(sweep, reports, task_runs, mlflow_runs, folder, code):
    summary = sweep(
        f"""
        import ctypes, os, signal
        from tune_tasks import TrainingResult
        def train(config, status_reporter):
            print("begun", file=open("begun.txt", "a"))
            for step in range(100):
                status_reporter.report(TrainingResult(timesteps_total=step, mean_loss=step))
            {code}
        """,
    )
    (trial,) = summary.trials
    assert (trial.state, trial.attempts, trial.reports, len(reports(trial))) == (
        TrialState.ERROR,
        1,
        100,
        100,
    )
    assert trial.last_result["mean_loss"] == 99
    assert "the trial's process died" in trial.error
    assert ("Segmentation fault" in trial.error) == ("string_at" in code)
    assert (folder / "begun.txt").read_text() == "begun\n"  # no silent re-execution
    runs = task_runs(summary)
    assert {run.state.type.value for name, run in runs.items() if trial.name in name} == {"FAILED"}
    assert "process died" in runs[trial.name].state.message
    run = mlflow_runs()[0][trial.name]
    assert run.info.status == "FAILED"
    assert run.data.metrics["mean_loss"] == 99


def test_task_runs_that_prefect_never_heard_of_are_created_with_their_end(prefect):
    """A process tells Prefect of its task runs in the background, and may die before."""
    from prefect.client.orchestration import get_client
    from tune_tasks.flows.tune import tune

    from tune_tasks.sweep.task_runs import TaskRuns
    from tune_tasks.trial.task import monitor_id, run_trial

    outcome = Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "the trial's process died")
    task, run_id = run_trial.with_options(tags=["exp"]), uuid.uuid4()
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run(tune)
        task_runs = TaskRuns(str(flow_run.id))
        task_runs.died("a trial", task, run_id, outcome)
        task_runs.settle()
        runs = [client.read_task_run(each) for each in (run_id, monitor_id(run_id))]
    assert [(run.name, run.state.name, run.state.message, run.flow_run_id) for run in runs] == [
        (name, "Failed", "the trial's process died", flow_run.id)
        for name in ("a trial", "monitor a trial")
    ]
    assert runs[0].tags == ["exp"]


@pytest.mark.parametrize("step", ["outcome_of", "Attempts.start"])
def test_a_driver_that_fails_ends_the_running_trials(step, sweep, monkeypatch):
    """Whatever it had in hand when it failed: it waits for nothing that will never come."""
    from tune_tasks.sweep import attempt_ends, attempts

    calls = []
    owner, name = (attempt_ends, step) if step == "outcome_of" else (attempts.Attempts, "start")
    original = getattr(owner, name)

    def fails_once(*args):
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("a fault of ours")
        return original(*args)

    monkeypatch.setattr(owner, name, fails_once)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        sweep(lambda config, reporter: reporter(timesteps_total=1), num_trials=5)
    assert len(calls) >= 2


def test_max_failures_gives_further_attempts_each_visible(sweep, task_runs, mlflow_runs):
    summary = sweep(
        """
        from pathlib import Path
        from tune_tasks import TrainingResult
        def train(config, status_reporter):
            status_reporter.report(TrainingResult(timesteps_total=1))
            attempts = Path("attempts")
            attempts.write_text((attempts.read_text() if attempts.exists() else "") + "x")
            if len(attempts.read_text()) < 3:
                raise RuntimeError("not yet")
        """,
        max_failures=3,
    )
    (trial,) = summary.trials
    assert (trial.state, trial.attempts) == (TrialState.TERMINATED, 3)
    names = {trial.name, f"{trial.name} (attempt 2)", f"{trial.name} (attempt 3)"}
    assert Path(trial.logdir).name == "attempt_3"
    assert names <= task_runs(summary).keys()
    assert {name: run.info.status for name, run in mlflow_runs()[0].items()} == dict.fromkeys(
        names, "FAILED"
    ) | {f"{trial.name} (attempt 3)": "FINISHED"}


def test_attempts_end(sweep):
    (trial,) = sweep(
        "def train(config, status_reporter): raise RuntimeError('never')", max_failures=1
    ).trials
    assert (trial.state, trial.attempts) == (TrialState.ERROR, 2)


def test_train_without_a_report_is_an_error_that_says_so(sweep):
    (trial,) = sweep("def train(config, status_reporter): pass").trials
    assert trial.state is TrialState.ERROR
    assert trial.error.startswith("train() returned without a report; call status_reporter.report(")


def test_an_isolated_trial_has_a_fresh_process(sweep):
    source = """
    import os
    from tune_tasks import TrainingResult
    def train(config, status_reporter):
        status_reporter.report(TrainingResult(timesteps_total=1, info={"pid": os.getpid()}))
    """
    summary = sweep(source, num_trials=3, isolate=True)
    assert len({trial.last_result["pid"] for trial in summary.trials}) == 3


def test_what_a_trial_prints_is_in_its_log_and_in_prefects(sweep, task_runs):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import LogFilter, LogFilterTaskRunId

    summary = sweep(
        """
        import os, sys
        def train(config, status_reporter):
            print("from Python")
            os.system("echo from a child process")
            print("to standard error", file=sys.stderr)
            status_reporter(timesteps_total=1)
            print("unfinished line", end="")
            raise RuntimeError("the end")
        """
    )
    (trial,) = summary.trials
    printed = (Path(trial.logdir) / "trial.log").read_text()
    assert printed == "from Python\nfrom a child process\nto standard error\nunfinished line"
    run = task_runs(summary)[trial.name]
    with get_client(sync_client=True) as client:
        logs = client.read_logs(
            LogFilter(task_run_id=LogFilterTaskRunId(any_=[run.id])), limit=200, offset=0
        )
    lines = [log.message for log in sorted(logs, key=lambda log: log.timestamp)]
    assert lines[:4] == printed.splitlines()
    assert lines[4].startswith("Traceback (most recent call last):")
    assert lines[4].endswith("RuntimeError: the end\n")
