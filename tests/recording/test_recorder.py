"""The recorder without Ray: what it does when trackers fail, and when it is started again."""

import time
from dataclasses import replace

import pytest

from tests.recording.local import LocalRecorder
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import EndedBy, Outcome, Stop, TrialState
from tune_tasks.recording import feeder
from tune_tasks.recording.protocol import Heartbeat, LogPiece
from tune_tasks.recording.recorder import Recorder
from tune_tasks.result import TrainingResult
from tune_tasks.testing import FakeTracker, RecorderContract
from tune_tasks.testing.samples import (
    FAILED,
    RETURNED,
    make_attempt,
    make_rows,
    make_summary,
    make_sweep,
)

ENDLESS_S = 1e9


class TestRecorder(RecorderContract):
    travels = False

    def make(self, folder):
        return LocalRecorder(FakeTracker("main"), FakeTracker("other"))

    def kill(self, recorder):
        recorder.kill()

    def restart(self, recorder):
        recorder.restart()

    def discard(self, recorder):
        if recorder.recorder:
            recorder.recorder.end()


@pytest.fixture(autouse=True)
def fast_feeders(monkeypatch):
    """Feeders look after their trackers every millisecond."""
    monkeypatch.setattr(feeder, "_FLUSH_S", 0.004)


@pytest.fixture
def main():
    return FakeTracker("main", environment={"A": "1"})


@pytest.fixture
def other():
    return FakeTracker("other", environment={"A": "2"})


@pytest.fixture
def recorder(main, other, tmp_path):
    recorder = Recorder(main, [other], clock=fast_clock)
    recorder.begin(make_sweep(tmp_path))
    yield recorder
    recorder.end()


@pytest.fixture
def info(tmp_path):
    return make_attempt(tmp_path)


def fast_clock():
    """A tracker that has failed is called again after some milliseconds."""
    return time.monotonic() * 100


def report(info, number=2):
    """Reports in the attempt's file; returns the heartbeat that tells of them."""
    results = [TrainingResult(timesteps_total=n) for n in range(1, number + 1)]
    rows = make_rows(info, results)
    size = (info.folder / "result.json").stat().st_size
    return Heartbeat(Progress(number, size, rows[-1]))


def drained(recorder):
    """Waits until the trackers have everything."""
    while (missing := recorder.drain(ENDLESS_S)) is None:
        pass
    return missing


def steps(store, info):
    return [row["timesteps_total"] for row in store.rows[info.key]]


def test_the_main_tracker_gives_the_environment_and_the_run(recorder, info):
    assert recorder.open(info).environment == {"A": "1"}
    (status,) = recorder.news(0).statuses
    assert status.run_id == f"run of {info.key}"


def test_every_tracker_gets_every_report_and_the_end(recorder, main, other, info):
    recorder.open(info)
    recorder.update(info.key, report(info))
    recorder.close(info.key, FAILED)
    assert drained(recorder) == {}
    for tracker in (main, other):
        assert steps(tracker.store, info) == [1, 2]
        assert tracker.store.outcomes == {info.key: FAILED}


def test_a_last_heartbeat_that_was_lost_loses_no_report(recorder, main, info):
    recorder.open(info)
    report(info)
    recorder.close(info.key, replace(RETURNED, reports=2))
    assert drained(recorder) == {}
    assert steps(main.store, info) == [1, 2]
    (status,) = recorder.news(0).statuses
    assert status.progress.reports == 2


def test_a_tracker_that_is_away_costs_what_it_lacks_and_nothing_more(recorder, main, other, info):
    main.is_away = True
    assert recorder.open(info).environment == {}
    recorder.update(info.key, report(info))
    recorder.close(info.key, RETURNED)
    while not other.store.outcomes:
        assert recorder.drain(ENDLESS_S) is None
    assert recorder.drain(0) == {"main": "1 trials; ConnectionError: main is away"}
    assert steps(other.store, info) == [1, 2]


def test_a_tracker_that_comes_back_gets_what_it_has_missed(recorder, main, info):
    main.is_away = True
    recorder.open(info)
    recorder.update(info.key, report(info))
    recorder.close(info.key, RETURNED)
    assert recorder.drain(ENDLESS_S) is None
    main.is_away = False
    assert drained(recorder) == {}
    assert steps(main.store, info) == [1, 2]


def test_a_tracker_that_cannot_end_the_sweep_keeps_no_other_from_it(
    recorder, main, other, tmp_path
):
    main.is_away = True
    summary = recorder.close_sweep(make_summary(tmp_path))
    while other.store.summary is None:
        assert recorder.drain(ENDLESS_S) is None
    assert recorder.drain(0) == {"main": "the sweep's end; ConnectionError: main is away"}
    main.is_away = False
    assert drained(recorder) == {}
    assert main.store.summary == other.store.summary == summary


def test_a_tracker_that_cannot_be_opened_is_fed_all_the_same(main, info, tmp_path):
    main.is_away = True
    recorder = Recorder(main, clock=fast_clock)
    recorder.begin(make_sweep(tmp_path))
    recorder.open(info)
    main.is_away = False
    recorder.update(info.key, report(info))
    recorder.close(info.key, RETURNED)
    assert drained(recorder) == {}
    recorder.end()


def test_nothing_is_fed_before_the_sweep_has_begun(main, info):
    recorder = Recorder(main, clock=fast_clock)
    recorder.restore(info, Progress(), FAILED)
    assert recorder.drain(ENDLESS_S) is None
    assert main.store.outcomes == {}
    recorder.end()


def test_a_new_recorder_hears_of_ended_attempts_from_the_driver(main, info, tmp_path):
    heartbeat = report(info)
    recorder = Recorder(main, clock=fast_clock)
    recorder.begin(make_sweep(tmp_path), again=True)
    recorder.restore(info, heartbeat.progress, FAILED)
    assert drained(recorder) == {}
    assert main.store.begun_again
    assert steps(main.store, info) == [1, 2]
    assert main.store.outcomes == {info.key: FAILED}
    recorder.end()


def test_the_run_of_an_ended_attempt_is_told_once_there_is_one(recorder, main, info):
    main.is_away = True
    heartbeat = report(info)
    recorder.restore(info, heartbeat.progress, RETURNED)
    first = recorder.news(0)
    assert [status.run_id for status in first.statuses] == [None]
    main.is_away = False
    assert drained(recorder) == {}
    second = recorder.news(first.version)
    assert [status.run_id for status in second.statuses] == [f"run of {info.key}"]
    assert recorder.news(second.version).statuses == []


def test_who_was_paused_has_another_end_if_it_is_not_promoted(recorder, main, info):
    paused = Outcome(TrialState.TERMINATED, EndedBy.PAUSED, "paused at 1 iteration")
    over = Outcome(TrialState.TERMINATED, EndedBy.SCHEDULER, "not promoted")
    recorder.open(info)
    heartbeat = report(info)
    recorder.update(info.key, heartbeat)
    recorder.close(info.key, paused)
    assert drained(recorder) == {}
    assert main.store.outcomes == {info.key: paused}
    recorder.restore(info, Progress(), over)
    assert drained(recorder) == {}
    assert main.store.outcomes == {info.key: over}
    recorder.restore(info, Progress(), FAILED)  # this end is the last
    assert drained(recorder) == {}
    assert main.store.outcomes == {info.key: over}
    assert recorder.news(0).statuses[0].progress == heartbeat.progress


def test_the_copied_reports_are_on_the_disk_before_the_driver_hears_of_the_end(
    recorder, info, monkeypatch
):
    remote = replace(info, node="another machine", folder=info.folder / "copy")
    heard = []

    def fsync(_file):
        (status,) = recorder.news(0).statuses
        heard.append(status.outcome)

    recorder.open(remote)
    recorder.update(remote.key, Heartbeat(Progress(1, 4)), 0, b"row\n")
    monkeypatch.setattr("tune_tasks.recording.copies.os.fsync", fsync)
    recorder.close(remote.key, RETURNED)
    assert heard == [None, None]  # the file, and its name


def test_a_log_that_cannot_be_written_holds_no_report_back(recorder, info):
    remote = replace(info, node="another machine", folder=info.folder / "copy")
    recorder.open(remote)
    (remote.folder / "trial.log").symlink_to(info.folder / "no such folder" / "file")
    reply = recorder.update(remote.key, Heartbeat(Progress(1, 4)), 0, b"row\n", LogPiece(0, b"x"))
    assert (reply.received, reply.log_received) == (4, 1)


def test_what_was_not_finite_is_kept_from_the_heartbeats(recorder, info):
    """The file may have gone."""
    recorder.open(info)
    recorder.update(info.key, Heartbeat(Progress(2, 0, non_finite=3)))
    recorder.restore(info, Progress(2, 0), FAILED)
    (status,) = recorder.news(0).statuses
    assert status.progress.non_finite == 3


def test_the_first_wish_for_all_is_not_undone_by_one_for_some(recorder, info):
    cancelled = Stop(EndedBy.CANCELLED, "cancelled")
    recorder.request_stop(cancelled)
    recorder.request_stop(Stop(EndedBy.SCHEDULER, "worse"), [info.key])
    recorder.open(info)
    assert recorder.update(info.key, Heartbeat(Progress())).stop == cancelled
