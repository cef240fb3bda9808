"""The four steps that end a trial, each with a script that needs it."""

import pytest

from tune_tasks.model.trial import TrialState


def only(summary):
    (trial,) = summary.trials
    return trial


def test_report_that_meets_a_criterion_is_the_last(sweep, reports, task_runs, mlflow_runs):
    summary = sweep(
        """
        from tune_tasks import TrainingResult
        def train(config, status_reporter):
            step = 0
            while True:
                step += 1
                status_reporter.report(TrainingResult(timesteps_total=step, mean_accuracy=step / 100))
        """,
        stop={"training_iteration": 10},
    )
    trial = only(summary)
    assert (trial.state, trial.reports) == (TrialState.TERMINATED, 10)
    assert trial.stop_reason == "training_iteration 10 >= 10 after 10 timesteps"
    assert len(reports(trial)) == 10
    run = task_runs(summary)[trial.name]
    assert (run.state.type.value, run.state.name, run.state.message) == (
        "COMPLETED",
        "Stopped",
        trial.stop_reason,
    )
    logged = mlflow_runs()[0][trial.name]
    assert (logged.info.status, logged.data.tags["tune_tasks.stop_reason"]) == (
        "FINISHED",
        trial.stop_reason,
    )


BLOCKED = {
    "asleep": "time.sleep(600)",
    "in a loop": "while True: pass",
    "in native code of Ray's": (
        "import ray; ray.wait([ray.remote(num_cpus=0)(lambda: time.sleep(60)).remote()])"
    ),
    "waiting for a lock": (
        "threading.Lock().acquire(); lock = threading.Lock(); lock.acquire(); lock.acquire()"
    ),
}


@pytest.mark.parametrize("code", BLOCKED.values(), ids=BLOCKED)
def test_blocked_code_is_interrupted(sweep, code):
    trial = only(
        sweep(
            f"""
            import threading, time
            from tune_tasks import TrainingResult
            def train(config, status_reporter):
                status_reporter.report(TrainingResult(timesteps_total=1))
                {code}
            """,
            stop={"time_total_s": 1},
            stop_grace_s=60,
        )
    )
    assert trial.state is TrialState.TERMINATED
    assert trial.stop_reason.startswith("time_total_s ")
    assert "process" not in trial.stop_reason


def test_time_counts_from_the_beginning_of_train(sweep):
    trial = only(
        sweep(
            """
            import time
            time.sleep(3)  # at the import of the script
            from tune_tasks import TrainingResult
            def train(config, status_reporter):
                status_reporter.report(TrainingResult(timesteps_total=1))
            """,
            stop={"time_total_s": 2},
        )
    )
    assert (trial.reports, trial.stop_reason) == (1, "train() returned")


@pytest.mark.parametrize(
    "import_", ["time", "itertools"], ids=["swallows BaseException", "holds the GIL in C"]
)
def test_process_that_does_not_end_itself_is_ended(sweep, task_runs, mlflow_runs, import_):
    code = {
        "time": (
            "\n    while True:\n        try:\n            time.sleep(600)\n        except"
            " BaseException:\n            pass"
        ),
        "itertools": "\n    sum(itertools.repeat(1))  # never ends, never lets another thread run",
    }[import_]
    source = f"""
import {import_}
from tune_tasks import TrainingResult
def train(config, status_reporter):
    status_reporter.report(TrainingResult(timesteps_total=1, mean_loss=0.5)){code}
"""
    summary = sweep(source, stop={"time_total_s": 1}, stop_grace_s=1)
    trial = only(summary)
    assert (trial.state, trial.reports, trial.last_result["mean_loss"]) == (
        TrialState.TERMINATED,
        1,
        0.5,
    )
    assert trial.stop_reason.startswith("time_total_s ")
    assert "ended" in trial.stop_reason
    runs = task_runs(summary)
    assert {runs[trial.name].state.name, runs[f"monitor {trial.name}"].state.name} == {"Stopped"}
    assert mlflow_runs()[0][trial.name].info.status == "FINISHED"


def test_criterion_met_in_a_helper_thread_ends_the_main_thread(sweep):
    trial = only(
        sweep(
            """
            import threading, time
            from tune_tasks import TrainingResult
            def train(config, status_reporter):
                def work():
                    for step in range(1, 100):
                        status_reporter.report(TrainingResult(timesteps_total=step))
                threading.Thread(target=work).start()
                time.sleep(600)
            """,
            stop={"timesteps_total": 5},
        )
    )
    assert (trial.state, trial.reports) == (TrialState.TERMINATED, 5)
    assert trial.stop_reason == "timesteps_total 5 >= 5 after 5 timesteps"
