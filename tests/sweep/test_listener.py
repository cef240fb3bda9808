"""What the driver hears from the recorder, and what it tells one that was started anew."""

import threading
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest

from tests.services.waiting import until
from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint import KeptCheckpoint
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.milestones import Reached
from tune_tasks.model.result_file import Progress
from tune_tasks.model.timeouts import ASK_S, SILENCE_S
from tune_tasks.model.trial import EndedBy, Outcome, Stop, Trial, TrialState
from tune_tasks.recording.protocol import Heartbeat, Question
from tune_tasks.sweep.events import (
    Announced,
    CheckpointKept,
    EndDecided,
    MilestonesReached,
    RecorderRestarted,
    Reported,
    TrainingBegan,
)
from tune_tasks.sweep.interruption import Patience
from tune_tasks.sweep.listener import Listener
from tune_tasks.sweep.recorder_poller import RecorderPoller
from tune_tasks.sweep.records import Attempt, Records
from tune_tasks.testing.recorder import FakeRecorder

TRIAL = Trial("exp", 0, "script_0", "script", {}, {}, seed=0)
WELL = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned", reports=1)
FAILED = Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "ValueError: bad")
CRITERION = Stop(EndedBy.CRITERION, "mean_loss 0.1 <= 0.2")


class Scene:
    """A recorder in memory, a trial that tells it things, and the driver that listens."""

    def __init__(self, folder):
        self.now = 100.0
        self.wall = 1_000.0
        self.recorder = FakeRecorder(wall_clock=lambda: self.wall)
        self.sweep = SimpleNamespace(sweep="a-sweep")
        self.recorder.begin(self.sweep)
        self.info = AttemptInfo(TRIAL, 1, folder)
        self.records = Records(SimpleNamespace(trials=lambda: [TRIAL]))
        self.record = self.records.of(TRIAL)
        self.record.begin(Attempt(1, AttemptPaths(folder), None, UUID(int=0)))
        self.events = []
        self.listener = Listener(
            self.sweep,
            self.records,
            self.recorder,
            Patience(lambda: self.now),
            lambda: self.now,
            self.events.append,
            clock=lambda: self.now,
            wall_clock=lambda: self.wall,
        )

    def beat(self, reports=0, **said):
        last = {"mean_loss": 0.1} if reports else None
        heartbeat = Heartbeat(Progress(reports, 10 * reports, last), **said)
        self.recorder.update(self.info.key, heartbeat)

    def hear(self, after_s=ASK_S):
        self.pass_s(after_s)
        self.events.clear()
        self.listener.hear()
        return self.events

    def pass_s(self, seconds):
        self.now += seconds
        self.wall += seconds

    def silent(self):
        return self.listener.silent([self.record])


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_each_thing_that_an_attempt_does_is_one_event(scene):
    assert scene.hear() == []
    scene.recorder.open(scene.info)
    assert scene.hear() == [Announced(101, "exp/0", 1), TrainingBegan(100.5, "exp/0", 1)]
    scene.beat(began_s=0.25)
    assert scene.hear() == [TrainingBegan(100.75, "exp/0", 1)]
    scene.beat(reports=2, began_s=0.75)
    assert scene.hear() == [Reported(102, "exp/0", 1, 2, {"mean_loss": 0.1})]
    kept = KeptCheckpoint(2, 2)
    for events in ([CheckpointKept(102.5, "exp/0", 1, 2, 2)], []):
        scene.beat(reports=2, began_s=1.25, checkpoint=kept)
        assert scene.hear() == events
    scene.beat(reports=2, began_s=2.25, stop=CRITERION, checkpoint=kept)
    assert scene.hear() == [EndDecided(103.5, "exp/0", 1, CRITERION)]
    scene.beat(reports=2, began_s=2.75, stop=CRITERION, checkpoint=kept)
    assert scene.hear() == []
    assert scene.record.status.heard_at == 1003.5


def test_a_recorder_that_is_away_is_not_asked_all_the_time(scene):
    scene.recorder.is_away = True
    scene.hear()
    scene.recorder.is_away = False
    scene.recorder.open(scene.info)
    assert scene.hear(after_s=ASK_S / 2) == []
    assert len(scene.hear(after_s=ASK_S / 2)) == 2


def test_what_an_attempt_asks_at_a_milestone_is_told_once(scene):
    scene.recorder.open(scene.info)
    scene.hear()
    first = Question(1, (Reached(0, 1, 1, 0.5, 0.5, 0.5),), waits=True)
    threading.Thread(target=scene.beat, kwargs={"reports": 1, "question": first}).start()
    until(lambda: scene.recorder.attempts[scene.info.key].question)
    told = MilestonesReached(101, "exp/0", 1, 1, first.reached)
    assert scene.hear() == [Reported(101, "exp/0", 1, 1, {"mean_loss": 0.1}), told]
    scene.recorder.answer(scene.info.key, 1)
    scene.beat(reports=1, question=first)
    assert scene.hear() == []
    both = Question(3, (*first.reached, Reached(0, 3, 3)))
    scene.beat(reports=1, question=both)
    assert scene.hear() == [MilestonesReached(102, "exp/0", 1, 3, both.reached)]


def test_an_attempt_that_is_not_the_trials_latest_is_not_listened_to(scene):
    scene.recorder.open(AttemptInfo(TRIAL, 7, Path("/elsewhere")))
    assert scene.hear() == []
    assert scene.record.status is None


def test_who_says_nothing_is_silent(scene):
    scene.recorder.open(scene.info)
    scene.hear()
    for _ in range(5):
        scene.hear(after_s=1)
    assert scene.silent() == ()
    scene.hear(after_s=1)
    assert scene.silent() == ("exp/0",)
    scene.beat()
    scene.hear()
    assert scene.silent() == ()


def test_nobody_is_silent_while_the_recorder_is(scene):
    scene.recorder.open(scene.info)
    scene.hear()
    scene.recorder.is_away = True
    for _ in range(20):
        scene.hear(after_s=1)
    assert scene.silent() == ()


def test_a_clock_that_somebody_sets_makes_nobody_silent(scene):
    scene.recorder.open(scene.info)
    scene.hear()
    scene.wall += 3_600
    for _ in range(3):
        scene.beat()
        scene.hear(after_s=SILENCE_S / 2)
    assert scene.silent() == ()


def test_a_new_recorder_is_told_of_the_sweep_and_of_every_end(scene):
    scene.recorder.open(scene.info)
    scene.hear()
    scene.record.outcome = WELL
    scene.recorder.restart()
    assert scene.hear() == [RecorderRestarted(scene.now)]
    assert (scene.recorder.sweep, scene.recorder.begun_again) == (scene.sweep, True)
    assert scene.recorder.attempts["exp/0/1"].outcome == WELL
    assert scene.hear() == []


def test_a_new_recorder_is_told_of_attempts_that_another_has_followed(scene, tmp_path):
    """It may have died before the trackers had all of them."""
    scene.sweep.experiments = {"exp": SimpleNamespace(folder=tmp_path)}
    first = AttemptPaths.of(tmp_path, TRIAL, 1)
    first.create({})
    first.write_outcome(FAILED)
    scene.record.begin(Attempt(2, AttemptPaths.of(tmp_path, TRIAL, 2), None, UUID(int=0)))
    scene.recorder.restart()
    scene.hear()
    assert {key: status.outcome for key, status in scene.recorder.attempts.items()} == {
        "exp/0/1": FAILED
    }


def test_attempts_get_time_to_speak_to_a_new_recorder(scene):
    scene.recorder.open(scene.info)
    scene.hear()
    scene.hear(after_s=SILENCE_S - 1)
    scene.recorder.restart()
    scene.hear(after_s=2)
    assert scene.silent() == ()
    for _ in range(3):
        scene.hear(after_s=SILENCE_S / 3)
    assert scene.silent() == ("exp/0",)


def test_what_was_lost_with_the_recorder_is_asked_for_from_the_beginning():
    recorder = FakeRecorder()
    recorder.begin(SimpleNamespace())
    poller = RecorderPoller(recorder)
    recorder.open(AttemptInfo(TRIAL, 1, Path("/folder")))
    assert len(poller.refresh()) == 1
    assert poller.refresh() == []
    recorder.is_away = True
    assert (poller.refresh(), poller.has_answer) == ([], False)
    recorder.is_away = False
    assert len(poller.refresh()) == 1
    assert poller.has_answer
