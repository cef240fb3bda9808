"""What a sweep's trackers lack is delivered from its journal and files."""

import pytest

from tests.sweep.told import Told, returned, row
from tune_tasks.errors import UsageError
from tune_tasks.sweep.delivery import deliver_sweep
from tune_tasks.sweep.journal import HeldError, is_held
from tune_tasks.testing.tracker import FakeTracker


@pytest.fixture
def told(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////elsewhere.db")
    made = Told(tmp_path)
    made.begin("exp/0", row(1, mean_loss=0.3), row(2, mean_loss=0.2))
    made.end("exp/0", returned(2))
    made.begin("exp/1", row(1, mean_loss=0.3))
    yield made
    made.die()


def test_a_sweep_that_a_driver_has_in_hand_is_refused(told):
    with pytest.raises(HeldError, match="is in the hands of another driver: process"):
        deliver_sweep(told.path, [FakeTracker()])


def test_everything_of_a_dead_sweep_is_delivered_any_number_of_times(told):
    told.die()
    for _ in range(2):
        tracker = FakeTracker()
        delivery = deliver_sweep(told.path, [tracker])
        assert delivery.missing == {}
        assert not is_held(told.path)
        assert {key: len(rows) for key, rows in tracker.store.rows.items()} == {
            "exp/0/1": 2,
            "exp/1/1": 1,
        }
        assert {key: str(o.ended_by) for key, o in tracker.store.outcomes.items()} == {
            "exp/0/1": "returned",
            "exp/1/1": "cancelled",
        }
        assert tracker.store.summary.ended_early == "its driver has died"


@pytest.mark.parametrize(
    ("configured", "used"),
    [
        ("http://me:secret@host", "http://me:secret@host"),
        ("http://me:secret@elsewhere", None),
        (None, None),
    ],
)
def test_the_password_of_mlflow_is_looked_for_in_the_environment(
    tmp_path, monkeypatch, configured, used
):
    told = Told(tmp_path, tracking_uri="http://you:other@host")
    told.close()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if configured:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", configured)
    tracker = FakeTracker()
    if used:
        deliver_sweep(told.path, [tracker])
        assert tracker.store.sweep.tracking_uri == used
        return
    with pytest.raises(UsageError, match="set MLFLOW_TRACKING_URI to the whole address"):
        deliver_sweep(told.path, [tracker])
