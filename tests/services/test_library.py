"""`run_experiments`: callables, several experiments, the scheduler, the searcher, and what it returns."""

import os
from pathlib import Path

import pytest

from tests.services.waiting import until
from tune_tasks import Experiment, Scheduler, Searcher, TrainingResult, run_experiments
from tune_tasks.errors import ResourcesError, SpecError, UsageError
from tune_tasks.model.trial import TrialState
from tune_tasks.recording.actor import start_recorder


def rises(config, status_reporter):
    for step in range(1, 101):
        status_reporter.report(
            TrainingResult(timesteps_total=step, mean_accuracy=config["rate"] * step / 100)
        )


class CountsUp(Searcher):
    def __init__(self):
        self.heard = []

    def ask(self, history, index, rng):
        self.heard.append([each.value for each in history])
        return lambda _name, scale: scale.low + index


def test_callables_of_two_experiments_interleaved(cluster, folder):
    data = bytes(5_000_000)  # travels once, not with every trial

    def falls(config, status_reporter):
        assert len(data) == 5_000_000
        status_reporter(timesteps_total=1, mean_loss=config["loss"], own=3)

    first = Experiment(
        "rises", rises, config={"rate": {"grid_search": [0.5, 1.0]}}, stop={"mean_accuracy": 0.4}
    )
    second = Experiment(
        "falls",
        falls,
        search="own",
        metric="mean_loss",
        config={"loss": {"int": [1, 9]}},
        num_trials=3,
        max_concurrent_trials=1,
    )
    searcher = CountsUp()
    summary = run_experiments([first, second], seed=3, searcher={"falls": searcher}, display="none")
    assert summary.one_line() == "5 trials: 5 TERMINATED"
    assert summary.best("rises").config == {"rate": 0.5}
    assert [t.reports for t in summary.experiments[0].trials] == [80, 40]
    assert summary.best("falls").last_result["mean_loss"] == 1
    assert [trial.config["loss"] for trial in summary.experiments[1].trials] == [1, 2, 3]
    assert searcher.heard == [[], [1.0], [1.0, 2.0]]
    frame = summary.dataframe()
    assert len(frame) == 5
    assert {
        "experiment",
        "name",
        "state",
        "config/rate",
        "config/loss",
        "mean_accuracy",
        "own",
    } <= set(frame.columns)


def test_the_same_seed_gives_the_same_reports(cluster, folder):
    def draws(config, status_reporter):
        import random

        import numpy as np

        value = config["x"] + random.random() + np.random.rand()
        status_reporter(timesteps_total=1, mean_loss=value, seed=status_reporter.seed)

    experiment = Experiment(
        "draws", draws, config={"x": {"eval": "random.gauss(0, 1)"}}, num_trials=3
    )
    runs = [run_experiments(experiment, seed=seed, display="none") for seed in (1, 1, 2)]
    losses = [[trial.last_result["mean_loss"] for trial in run.trials] for run in runs]
    assert losses[0] == losses[1] != losses[2]
    assert len({trial.last_result["info"]["seed"] for trial in runs[0].trials}) == 3


class BestFirst(Scheduler):
    def __init__(self):
        self.ended = []

    def choose(self, pending):
        return max(pending, key=lambda trial: trial.config["rate"])

    def on_result(self, trial, result):
        return "slow" if trial.config["rate"] < 2 else None

    def on_end(self, trial, outcome):
        self.ended.append(trial.config["rate"])


def waits(config, status_reporter):
    import time

    status_reporter(timesteps_total=1, mean_accuracy=config["rate"])
    if config["rate"] < 2:
        time.sleep(600)


def test_a_scheduler_chooses_and_ends_trials(sweep, task_runs, mlflow_runs):
    scheduler = BestFirst()
    summary = sweep(
        waits, scheduler, config={"rate": {"grid_search": [1, 2, 3, 4]}}, max_concurrent_trials=1
    )
    assert scheduler.ended == [4, 3, 2, 1]
    assert [trial.stop_reason for trial in summary.trials] == ["slow", *["train() returned"] * 3]
    run = task_runs(summary)[summary.trials[0].name]
    assert (run.state.type.value, run.state.name, run.state.message) == (
        "COMPLETED",
        "Stopped",
        "slow",
    )
    assert mlflow_runs()[0][summary.trials[0].name].info.status == "FINISHED"


def test_a_scheduler_that_chooses_none_ends_the_sweep(sweep):
    class Two(Scheduler):
        def choose(self, pending):
            return pending[0] if len(pending) > 2 else None

    summary = sweep(rises, Two(), config={"rate": {"grid_search": [1, 2, 3, 4]}})
    assert [str(trial.state) for trial in summary.trials] == [
        "TERMINATED",
        "TERMINATED",
        "PENDING",
        "PENDING",
    ]


def test_a_scheduler_that_raises_ends_the_trials_first(sweep, mlflow_runs):
    class Broken(Scheduler):
        def on_result(self, trial, result):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        sweep(waits, Broken(), config={"rate": 1})
    trials, (parent,) = mlflow_runs()
    assert {run.info.status for run in [*trials.values(), parent]} == {"KILLED"}


def test_bad_input_raises_before_anything_is_started(cluster, folder):
    with pytest.raises(SpecError, match=r"exp\.stopp: unknown key; did you mean 'stop'"):
        run_experiments({"exp": {"stopp": {}}}, display="none")
    with pytest.raises(UsageError, match="two experiments have the name 'a'"):
        run_experiments([Experiment("a", rises), Experiment("a", rises)], display="none")
    with pytest.raises(
        ResourcesError,
        match="a trial asks for 64 CPUs, 0 GPUs, but no machine of the cluster has that: 2 CPUs",
    ):
        run_experiments(Experiment("a", rises, resources={"cpu": 64}), display="none")
    assert not list(folder.glob("tune_results"))


def test_fractions_and_memory(sweep):
    summary = sweep(
        rises, config={"rate": 1}, num_trials=4, resources={"cpu": 0.5, "memory": "200MiB"}
    )
    assert {trial.state for trial in summary.trials} == {TrialState.TERMINATED}


def test_a_process_holds_its_sweeps_trainables(sweep):
    """Ray 2.60 may lose an object that a process borrows again just as it lets go of it.

    The trial would wait for ever.
    """

    def train(config, reporter):
        from tune_tasks.cluster.stored_trainable import held_references

        reporter(timesteps_total=1, held=held_references())

    summary = sweep(train, num_trials=4)
    # The function, and the code that it is found in
    assert [trial.metric("held") for trial in summary.trials] == [2] * 4


def test_a_sweeps_recorder_ends_with_it(sweep, monkeypatch):
    """Its process does, although this process lives on."""
    import ray

    pids = []

    def start(*args, **keys):
        client = start_recorder(*args, **keys)
        pids.append(ray.get(client._actor.__ray_call__.remote(lambda _actor: os.getpid())))
        return client

    monkeypatch.setattr("tune_tasks.recording.actor.start_recorder", start)
    sweep(rises, config={"rate": 1.0}, stop={"mean_accuracy": 0.02})
    (pid,) = pids
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists())
