"""What the files have is brought to the trackers later, without Ray."""

from pathlib import Path

import pytest

from tune_tasks.model.result_file import read_progress
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


@pytest.fixture
def infos(tmp_path):
    """A trial that was tried twice."""
    return [make_attempt(tmp_path, 0, 1), make_attempt(tmp_path, 0, 2)]


@pytest.fixture
def attempts(infos):
    ended = []
    for info, outcome in zip(infos, (FAILED, RETURNED), strict=True):
        make_rows(info, [TrainingResult(1), TrainingResult(2)])
        ended.append(EndedAttempt(info, read_progress(info.folder / "result.json"), outcome))
    return ended


def test_the_trackers_hold_everything_however_often_it_is_delivered(tmp_path, infos, attempts):
    here = Path.cwd()
    main = FakeTracker("main")
    other = FakeTracker("other")
    summary = make_summary(tmp_path, infos[1:])
    for _ in range(2):
        delivery = deliver(make_sweep(tmp_path), attempts, summary, trackers=[main, other])
        assert (delivery.summary, delivery.missing) == (summary, {})
        for tracker in (main, other):
            assert tracker.store.begun_again
            assert [len(tracker.store.rows[info.key]) for info in infos] == [2, 2]
            assert list(tracker.store.outcomes.values()) == [FAILED, RETURNED]
            assert tracker.store.summary == summary
    assert Path.cwd() == here


def test_what_a_tracker_does_not_take_is_named_and_the_others_have_it(tmp_path, infos, attempts):
    main = FakeTracker("main")
    main.is_away = True
    other = FakeTracker("other")
    summary = make_summary(tmp_path, infos[1:])
    delivery = deliver(
        make_sweep(tmp_path), attempts, summary, trackers=[main, other], patience_s=0.2
    )
    assert delivery.missing == {"main": "2 trials, the sweep's end; ConnectionError: main is away"}
    assert other.store.summary == summary
