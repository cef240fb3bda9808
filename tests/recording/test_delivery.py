"""What the files have is brought to the trackers later, without Ray."""

import shutil
from pathlib import Path

import pytest

from tune_tasks.model.result_file import read_progress
from tune_tasks.recording import delivery
from tune_tasks.recording.delivery import EndedAttempt, deliver
from tune_tasks.result import TrainingResult
from tune_tasks.testing import FakeTracker
from tune_tasks.testing.samples import (
    FAILED,
    RETURNED,
    make_attempt,
    make_rows,
    make_summary,
    make_sweep,
)
from tune_tasks.tracking.mlflow import MlflowTracker


@pytest.fixture
def infos(tmp_path):
    """A trial that was tried twice."""
    return [make_attempt(tmp_path, 0, 1), make_attempt(tmp_path, 0, 2)]


@pytest.fixture
def attempts(infos):
    ended = []
    for info, outcome in zip(infos, (FAILED, RETURNED), strict=True):
        make_rows(info, [TrainingResult(step, mean_loss=1.0) for step in (1, 2)])
        ended.append(EndedAttempt(info, read_progress(info.folder / "result.json"), outcome))
    return ended


def test_the_trackers_hold_everything_however_often_it_is_delivered(tmp_path, infos, attempts):
    here = Path.cwd()
    main = FakeTracker("main")
    other = FakeTracker("other")
    summary = make_summary(tmp_path, infos[1:])
    for _ in range(2):
        delivered = deliver(make_sweep(tmp_path), attempts, summary, trackers=[main, other])
        assert (delivered.summary, delivered.missing) == (summary, {})
        for tracker in (main, other):
            assert tracker.store.begun_again
            assert [len(tracker.store.rows[info.key]) for info in infos] == [2, 2]
            assert list(tracker.store.outcomes.values()) == [FAILED, RETURNED]
            assert tracker.store.summary == summary
    assert Path.cwd() == here


def test_what_a_tracker_does_not_take_is_named_and_the_others_have_it(
    tmp_path, infos, attempts, monkeypatch
):
    monkeypatch.setattr(delivery, "LEAST_PATIENCE_S", 0.2)
    main = FakeTracker("main")
    main.is_away = True
    other = FakeTracker("other")
    summary = make_summary(tmp_path, infos[1:])
    delivered = deliver(
        make_sweep(tmp_path), attempts, summary, trackers=[main, other], patience_s=0.2
    )
    assert delivered.missing == {"main": "2 trials, the sweep's end; ConnectionError: main is away"}
    assert other.store.summary == summary


@pytest.mark.services
@pytest.mark.filterwarnings("default")  # Because MLflow's own libraries give some
def test_mlflow_holds_the_same_however_often_it_is_delivered(
    folder, infos, attempts, initialised_store
):
    """Also what a dead driver has left running, in a real store."""
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{shutil.copy(initialised_store, folder / 'mlflow.db')}"
    sweep = make_sweep(folder, uri)
    dead = MlflowTracker(uri)
    dead.begin(sweep, again=False)
    dead.prepare()
    for info in infos:
        dead.open_attempt(info)
    client = MlflowClient(uri)
    held = []
    for _ in range(2):
        delivery = deliver(sweep, attempts, make_summary(folder, infos[1:]))
        assert delivery.missing == {}
        runs = client.search_runs(["1"])
        held.append({run.data.tags["tune_tasks.key"]: shown(client, run) for run in runs})
    assert held[0] == held[1]
    assert held[0] == {
        "experiment/parent": ("FINISHED", "sweep", []),
        "experiment/0/1": ("FAILED", "superseded", [1, 2]),
        "experiment/0/2": ("FINISHED", "trial", [1, 2]),
    }


def shown(client, run):
    points = client.get_metric_history(run.info.run_id, "mean_loss")
    return run.info.status, run.data.tags["tune_tasks.role"], [point.step for point in points]
