"""What MLflow holds in the end is the same, whichever of the requests have failed on the way."""

import random
import sys
import threading
import time
from dataclasses import replace

import pytest

from tests.tracking.fake_mlflow import FakeMlflow, modules
from tests.tracking.test_mlflow_view import decoded
from tune_tasks.model.objective import Objective
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.recording.feeder import TrackerFeeder
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.result import TrainingResult
from tune_tasks.testing.samples import (
    FAILED,
    RETURNED,
    make_attempt,
    make_rows,
    make_summary,
    make_sweep,
)
from tune_tasks.tracking import mlflow_runs
from tune_tasks.tracking.mlflow import MlflowTracker

LOST = Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, "the driver died")
SERVER = "http://mlflow"


class Sweep:
    """Two trials, of which one was tried three times, in the files and in a fake MLflow."""

    def __init__(self, folder, server):
        self.now = 0.0
        self.server = server
        self.sweep = make_sweep(folder, SERVER)
        self.attempts = {}
        infos = [make_attempt(folder, 0, number) for number in (1, 2, 3)]
        infos.append(make_attempt(folder, 1))
        for info, outcome in zip(infos, (FAILED, LOST, RETURNED, RETURNED), strict=True):
            self.attempts[info.key] = self._ended(info, outcome)
        self.summary = _summary(folder, infos[2:])
        report = folder / "report"
        report.mkdir(exist_ok=True)
        (report / "report.md").write_text("# How it went")
        self.start()

    def start(self, *, again=False):
        """Begins with a recorder that knows nothing."""
        self.tracker = MlflowTracker(SERVER)
        begun = threading.Event()
        self.feeder = TrackerFeeder(self.tracker, self.attempts, begun, lambda: self.now)
        self.tracker.begin(self.sweep, again=again)
        begun.set()

    def _ended(self, info, outcome):
        if not info.folder.exists():
            losses = (1.0, 0.5, 0.25)
            results = [TrainingResult(10 * n, mean_loss=x) for n, x in enumerate(losses, 1)]
            make_rows(info, results)
            (info.folder / "trial.log").write_text("printed\n")
        size = (info.folder / "result.json").stat().st_size
        return AttemptStatus(info, outcome.state, Progress(3, size), outcome)

    def serve(self, rounds=1_000):
        """Serves until there is nothing more to do; returns what is missing."""
        for _ in range(rounds):
            self.feeder.serve_all()
            self.now += 20
            if not self.feeder.missing():
                break
        return self.feeder.missing()

    def run(self):
        """Everything arrives, and the sweep ends."""
        self.feeder.survive(self.tracker.prepare)
        assert self.serve() is None
        self.feeder.close_sweep(self.summary)
        assert self.serve() is None


def _summary(folder, infos):
    summary = make_summary(folder, infos)
    (experiment,) = summary.experiments
    trials = [
        replace(trial, last_result={"mean_loss": 0.25}, mlflow_run_id="of the best")
        for trial in experiment.trials
    ]
    experiment = replace(experiment, trials=trials, objective=Objective("mean_loss", "min"))
    return replace(summary, experiments=[experiment])


@pytest.fixture
def server(monkeypatch):
    """The MLflow of a test."""
    return fake_server(monkeypatch)


def fake_server(monkeypatch):
    server = FakeMlflow()
    for name, module in modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(mlflow_runs, "connect", lambda uri: server)
    return server


def unwell(seed, share):
    """Says of each request whether it fails, and when."""
    draws = random.Random(seed)

    def fails(_number):
        if draws.random() < share:
            return draws.choice(["before", "after"])
        return None

    return fails


@pytest.fixture
def undisturbed(server, tmp_path):
    """What MLflow holds if nothing fails, and the requests that were made for it."""
    Sweep(tmp_path, server).run()
    return server.state(), server.requests


def test_a_sweep_that_nothing_disturbs(undisturbed):
    (runs, views), requests = undisturbed
    statuses = {key: (run[0], run[1]["tune_tasks.role"]) for key, run in runs.items()}
    assert statuses == {
        "experiment/parent": ("FINISHED", "sweep"),
        "experiment/0/1": ("FAILED", "superseded"),
        "experiment/0/2": ("KILLED", "superseded"),
        "experiment/0/3": ("FINISHED", "trial"),
        "experiment/1/1": ("FINISHED", "trial"),
    }
    fates = {key: run[1].get("tune_tasks.fate") for key, run in runs.items()}
    assert fates == {
        "experiment/parent": None,
        "experiment/0/1": "failed",
        "experiment/0/2": "cancelled",
        "experiment/0/3": "finished",
        "experiment/1/1": "finished",
    }
    parents = {key: run[1].get("mlflow.parentRunId") for key, run in runs.items()}
    assert parents == {
        "experiment/parent": None,
        "experiment/0/1": "experiment/0/2",
        "experiment/0/2": "experiment/0/3",
        "experiment/0/3": "experiment/parent",
        "experiment/1/1": "experiment/parent",
    }
    assert ("trials_done", 2) in runs["experiment/parent"][3]
    losses = [point.value for point in runs["experiment/0/3"][3] if point.key == "mean_loss"]
    assert losses == [1.0, 0.5, 0.25]
    assert runs["experiment/0/1"][4].keys() == {"params.json", "error.txt", "trial.log"}
    files = {"spec.yaml", "results.json", "results.csv", "report/report.md"}
    assert runs["experiment/parent"][4].keys() == files
    assert len([name for name in views if "sharedViewState" in name]) == 3
    assert len(requests) < 80


def test_the_view_lists_trials_apart_that_were_stopped_early(server, tmp_path):
    sweep = Sweep(tmp_path, server)
    (experiment,) = sweep.summary.experiments
    trials = [replace(trial, ended_by=EndedBy.SCHEDULER) for trial in experiment.trials]
    sweep.summary = replace(sweep.summary, experiments=[replace(experiment, trials=trials)])
    sweep.run()
    tags = server.experiment_tags
    (view,) = [value for name, value in tags.items() if name.endswith(sweep.sweep.sweep)]
    _, _, state = decoded(view)
    assert state["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "tune_tasks.fate"}]


def test_a_trial_that_was_paused_and_is_not_promoted_has_another_end(server, tmp_path):
    sweep = Sweep(tmp_path, server)
    (key,) = [key for key in sweep.attempts if key.startswith("experiment/1/")]
    ends = [
        Outcome(TrialState.TERMINATED, EndedBy.PAUSED, "paused at 3 iterations: rank 2 of 3"),
        Outcome(TrialState.TERMINATED, EndedBy.SCHEDULER, "not promoted: rank 2 of 3"),
    ]
    requests = []
    for end, fate in zip(ends, ("paused", "stopped early"), strict=True):
        sweep.attempts[key] = replace(sweep.attempts[key], outcome=end)
        sweep.feeder.end_again(key)
        assert sweep.serve() is None
        tags = server.state()[0][key][1]
        assert (tags["tune_tasks.fate"], tags["tune_tasks.stop_reason"]) == (fate, end.stop_reason)
        requests.append(len(server.requests))
    assert requests[1] - requests[0] < 5  # its files are there


@pytest.mark.long
@pytest.mark.parametrize("how", ["before", "after"])
def test_whichever_request_fails_the_runs_are_the_same(undisturbed, how, tmp_path, monkeypatch):
    """A request fails before it has done anything, or its answer is lost."""
    expected, requests = undisturbed
    for failing in range(len(requests)):
        server = fake_server(monkeypatch)
        server.fails = lambda number, failing=failing: how if number == failing else None
        Sweep(tmp_path, server).run()
        assert server.state() == expected, requests[failing]
        extra = len(server.requests) - len(requests)
        assert extra <= 5, requests[failing]  # nothing is begun anew


@pytest.mark.long
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_server_that_is_often_unwell_gets_everything(undisturbed, share, tmp_path, monkeypatch):
    expected, _ = undisturbed
    for seed in range(5):
        server = fake_server(monkeypatch)
        server.fails = unwell(seed, share)
        Sweep(tmp_path, server).run()
        assert server.state() == expected


@pytest.mark.parametrize("lives", [10, 25, 40])
def test_a_new_recorder_leaves_the_same(undisturbed, lives, tmp_path, monkeypatch):
    """The one before has died after some requests, and may have had its end."""
    expected, _ = undisturbed
    server = fake_server(monkeypatch)
    sweep = Sweep(tmp_path, server)
    server.fails = lambda number: "before" if number >= lives else None
    sweep.feeder.survive(sweep.tracker.prepare)
    sweep.serve(rounds=5)
    server.fails = lambda number: None
    sweep.start(again=True)
    sweep.run()
    assert server.state() == expected


def test_what_is_delivered_again_changes_nothing(server, tmp_path):
    sweep = Sweep(tmp_path, server)
    sweep.run()
    once = server.state()
    for _ in range(2):
        sweep.start(again=True)
        sweep.run()
    assert server.state() == once


def test_an_answer_that_comes_too_late_leaves_no_second_run(server, tmp_path):
    """The server creates a run after we have looked for it in vain, and created another."""
    sweep = Sweep(tmp_path, server)
    create_run = FakeMlflow.create_run
    late = []

    def slow(tags):
        late.append(tags)
        raise ConnectionError

    sweep.feeder.survive(sweep.tracker.prepare)
    server.create_run = lambda experiment_id, start_time, tags, run_name: slow(tags)
    sweep.serve(rounds=1)
    del server.create_run
    key = late[0]["tune_tasks.key"]
    sweep.serve(rounds=1)
    create_run(server, "1", 0, late[0], "late")
    assert sum(run.key == key for run in server._runs.values()) == 2
    assert sweep.serve() is None
    assert server.runs[key].status != "RUNNING"


def test_nothing_is_left_running(server, tmp_path):
    """Neither runs that a script had below its own, nor attempts whose files are gone."""
    sweep = Sweep(tmp_path, server)
    sweep.feeder.survive(sweep.tracker.prepare)
    server.fails = lambda number: "before" if server.requests[-1] == "set_terminated" else None
    sweep.serve(rounds=2)
    failed = server.runs["experiment/0/1"]
    fold = server.create_run("1", 0, {"mlflow.parentRunId": failed.id}, "fold").info.run_id
    server.create_run("1", 0, {"mlflow.parentRunId": fold}, "below")
    lost = {"tune_tasks.sweep": sweep.sweep.sweep, "tune_tasks.key": "experiment/7/1"}
    server.create_run("1", 0, lost, "lost")
    server.fails = lambda number: None
    sweep.start(again=True)
    sweep.run()
    statuses = [run.status for run in server._runs.values()]
    assert "RUNNING" not in statuses
    assert statuses[-3:] == ["FAILED", "FAILED", "KILLED"]


def test_attempts_may_be_opened_in_any_order(undisturbed, tmp_path, monkeypatch):
    expected, _ = undisturbed
    server = fake_server(monkeypatch)
    sweep = Sweep(tmp_path, server)
    sweep.attempts = dict(reversed(sweep.attempts.items()))
    sweep.start()
    sweep.run()
    assert server.state() == expected


def test_many_threads_leave_the_same(undisturbed, tmp_path, monkeypatch):
    expected, _ = undisturbed
    server = fake_server(monkeypatch)
    server.fails = unwell(1, 0.1)
    sweep = Sweep(tmp_path, server)
    sweep.feeder._clock = lambda: time.monotonic() * 1_000
    sweep.feeder.start()
    while sweep.feeder.missing():
        sweep.feeder.notify()
        time.sleep(0.01)
    sweep.feeder.close_sweep(sweep.summary)
    while sweep.feeder.missing():
        sweep.feeder.notify()
        time.sleep(0.01)
    sweep.feeder.end()
    assert server.state() == expected


def test_an_end_that_cannot_be_told_is_named(server, tmp_path):
    sweep = Sweep(tmp_path, server)
    sweep.feeder.survive(sweep.tracker.prepare)
    sweep.serve()
    server.fails = lambda number: "before"
    sweep.feeder.close_sweep(replace(sweep.summary, interrupted=True))
    missing = sweep.serve(rounds=3)
    assert missing.startswith("the sweep's end; RuntimeError: MlflowException: log_batch: 500")


def test_what_another_thread_has_done_is_no_progress_of_this_one(server, tmp_path):
    sweep = Sweep(tmp_path, server)
    tracker = sweep.tracker
    other = threading.Thread(target=sweep.run)
    other.start()
    other.join()
    assert (tracker.progress > 0, tracker.own_progress) == (True, 0)


def test_a_superseded_run_is_ended_also_if_its_files_have_gone(server, tmp_path):
    """The driver and the attempt died; nobody knows of that attempt now, but of a later one."""
    Sweep(tmp_path, server).run()
    server.runs["experiment/0/2"].status = "RUNNING"
    second = Sweep(tmp_path, server)
    del second.attempts["experiment/0/2"]
    second.start(again=True)
    second.run()
    assert roles(server)["experiment/0/2"] == ("superseded", "KILLED")


def test_a_batch_of_which_only_the_metrics_have_arrived_is_made_good(server, tmp_path):
    """The recorder died between the two: the metrics told the end, the tags how it was before."""
    Sweep(tmp_path, server).run()
    parent = server.runs["experiment/parent"]
    told = {key: parent.tags[f"tune_tasks.{key}"] for key in ("best_trial", "best_run_id")}
    points = list(parent.points)
    parent.tags |= {"tune_tasks.best_trial": "another", "tune_tasks.best_run_id": "another's"}
    second = Sweep(tmp_path, server)
    second.start(again=True)
    second.run()
    assert {key: parent.tags[f"tune_tasks.{key}"] for key in told} == told
    assert parent.points == points


# ── An edit of the spec ─────


def roles(server):
    return {key: (run.tags["tune_tasks.role"], run.status) for key, run in server.runs.items()}


def test_what_an_edit_has_dropped_stands_apart_until_the_edit_is_undone(server, tmp_path):
    """The driver died while trial 1 ran; the edited spec has it no longer."""
    first = Sweep(tmp_path, server)
    first.run()
    server.runs["experiment/1/1"].status = "RUNNING"
    second = Sweep(tmp_path, server)
    dropped = second.attempts.pop("experiment/1/1")
    second.sweep = replace(second.sweep, dropped=(dropped.info.trial.key,))
    second.start(again=True)
    second.run()
    assert roles(server)["experiment/1/1"] == ("dropped", "KILLED")
    assert roles(server)["experiment/0/3"] == ("trial", "FINISHED")
    third = Sweep(tmp_path, server)
    third.start(again=True)
    third.run()
    assert roles(server)["experiment/1/1"] == ("trial", "FINISHED")
    assert roles(server)["experiment/0/2"] == ("superseded", "KILLED")


def test_an_experiment_that_is_dropped_goes_with_its_parent(server, tmp_path):
    Sweep(tmp_path, server).run()
    second = Sweep(tmp_path, server)
    (info,) = second.sweep.experiments.values()
    second.sweep = replace(
        second.sweep,
        experiments={"other": replace(info, name="other")},
        dropped=("experiment/0", "experiment/1"),
    )
    second.attempts = {}
    second.summary = replace(second.summary, experiments=[])
    second.start(again=True)
    second.run()
    assert roles(server)["experiment/parent"][0] == "dropped"
    assert roles(server)["experiment/1/1"][0] == "dropped"


def test_a_parent_run_keeps_the_params_that_it_began_with(server, tmp_path):
    def sweep_of(**constants):
        sweep = Sweep(tmp_path, server)
        (info,) = sweep.sweep.experiments.values()
        changed = {"experiment": replace(info, constants=constants)}
        sweep.sweep = replace(sweep.sweep, experiments=changed)
        return sweep

    first = sweep_of(a=1)
    first.start()
    first.run()
    second = sweep_of(a=2, b=3)
    second.start(again=True)
    second.run()
    assert server.runs["experiment/parent"].params == {"a": "1", "b": "3", "sweep.seed": "1"}
    assert server.runs["experiment/parent"].status == "FINISHED"
