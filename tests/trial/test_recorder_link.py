"""A trial tells the recorder all it has, whatever becomes of its file and of the recorder."""

import os

import pytest

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.trial import EndedBy, Outcome, Stop, Trial, TrialState
from tune_tasks.result import TrainingResult
from tune_tasks.testing.recorder import FakeRecorder
from tune_tasks.trial.recorder_link import RecorderLink
from tune_tasks.trial.reports import TrialReports

TRIAL = Trial("e", 0, "n", "script", {}, {}, seed=1)
OUTCOME = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
STOP = Stop(EndedBy.CANCELLED, "cancelled")


class Scene:
    """A trial with its link, and a recorder on another machine."""

    def __init__(self, folder):
        self.recorder = FakeRecorder({"A": "1"}, node="the driver's machine")
        self.paths = AttemptPaths(folder)
        self.info = AttemptInfo(TRIAL, 1, folder)
        self.reports = TrialReports(TRIAL, self.paths.results, "id")
        self.link = RecorderLink(self.recorder, self.paths)

    def report(self):
        self.reports.add(TrainingResult(timesteps_total=1))

    def update(self):
        return self.link.update(self.reports)

    def close(self):
        self.link.close(self.reports, OUTCOME)

    @property
    def copy(self):
        return self.recorder.copies[self.info.key]

    @property
    def status(self):
        return self.recorder.attempts[self.info.key]


@pytest.fixture
def scene(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tune_tasks.trial.recorder_link.time.sleep",
        lambda _: pytest.fail("it waits for bytes that never come"),
    )
    scene = Scene(tmp_path)
    yield scene
    scene.reports.close()


@pytest.mark.parametrize("do", [lambda path: None, os.remove, lambda path: os.truncate(path, 0)])
def test_it_ends_with_what_there_is(scene, do):
    scene.link.open(scene.info)
    scene.report()
    scene.update()
    results = scene.paths.results
    sent = results.read_bytes()
    scene.report()
    whole = results.read_bytes()
    do(results)
    scene.close()
    assert scene.copy == (whole if results.exists() and results.stat().st_size else sent)
    assert scene.status.outcome == OUTCOME


@pytest.mark.parametrize("do", [lambda path: None, os.remove, lambda path: os.truncate(path, 2)])
def test_its_log_arrives_whatever_becomes_of_it(scene, do):
    scene.link.open(scene.info)
    scene.paths.log.write_bytes(b"one\n")
    scene.update()
    with scene.paths.log.open("ab") as log:
        log.write(b"two\n" * 1_000_000)
    whole = scene.paths.log.read_bytes()
    do(scene.paths.log)
    scene.close()
    is_whole = scene.paths.log.exists() and scene.paths.log.stat().st_size == len(whole)
    assert scene.recorder.logs[scene.info.key] == (whole if is_whole else b"one\n")
    assert scene.status.outcome == OUTCOME


def test_it_gets_the_environment_and_the_wish_to_stop(scene):
    assert scene.link.open(scene.info) == {"A": "1"}
    assert scene.update() is None
    scene.recorder.request_stop(STOP)
    assert scene.update() == STOP


def test_a_recorder_that_is_away_fails_nothing_and_hears_the_rest_later(scene):
    scene.link.open(scene.info)
    scene.recorder.is_away = True
    scene.report()
    assert scene.update() is None
    scene.recorder.is_away = False
    scene.update()
    assert scene.copy == scene.paths.results.read_bytes()


def test_a_recorder_that_was_away_from_the_start_is_told_later(scene):
    scene.recorder.is_away = True
    assert scene.link.open(scene.info) == {}
    scene.recorder.is_away = False
    scene.report()
    scene.close()
    assert scene.copy == scene.paths.results.read_bytes()
    assert scene.status.outcome == OUTCOME


def test_a_restarted_recorder_gets_everything_again_also_at_the_end(scene):
    scene.link.open(scene.info)
    scene.report()
    scene.update()
    scene.recorder.restart()
    scene.close()
    assert scene.copy == scene.paths.results.read_bytes()
    assert scene.status.outcome == OUTCOME
