"""What a tracker is fed, step by step, without a thread."""

import os
import threading
from dataclasses import replace

import pytest

from tune_tasks.model.result_file import Progress
from tune_tasks.recording.feeder import TrackerFeeder
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.result import TrainingResult
from tune_tasks.testing import FakeTracker
from tune_tasks.testing.samples import RETURNED, make_attempt, make_rows, make_summary


class Scene:
    """One attempt with its file, and a clock that stands still."""

    def __init__(self, folder):
        self.now = 100.0
        self.tracker = FakeTracker(environment={"A": "1"})
        self.attempts = {}
        self.begun = threading.Event()
        self.feeder = TrackerFeeder(self.tracker, self.attempts, self.begun, lambda: self.now)
        self.info = make_attempt(folder)
        self.add(self.info)

    def add(self, info):
        self.attempts[info.key] = AttemptStatus(info)

    def change(self, **fields):
        self.attempts[self.info.key] = replace(self.attempts[self.info.key], **fields)

    def write(self, number):
        """Reports are in the file; the recorder hears of them with `tell`."""
        make_rows(self.info, [TrainingResult(timesteps_total=n + 1) for n in range(number)])
        lines = self.file.read_bytes().splitlines(keepends=True)
        self.sizes = [sum(map(len, lines[:n])) for n in range(number + 1)]

    def tell(self, number):
        self.change(progress=Progress(number, self.sizes[number]))

    def environment(self, timeout_s):
        return self.feeder.environment(self.info.key, timeout_s, connect_s=timeout_s)

    @property
    def file(self):
        return self.info.folder / "result.json"

    @property
    def steps(self):
        return [row["timesteps_total"] for row in self.tracker.store.rows[self.info.key]]

    @property
    def has_closed(self):
        return self.info.key in self.tracker.store.outcomes

    def serve(self):
        """Serve until there is nothing more to do; returns the number of rounds that did any."""
        rounds = 0
        while self.feeder.serve_all():
            rounds += 1
        return rounds


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_the_first_report_goes_at_once_and_others_once_a_second(scene):
    scene.write(4)
    scene.tell(1)
    scene.serve()
    assert scene.steps == [1]
    scene.tell(3)
    assert scene.serve() == 0
    scene.now += 1
    scene.serve()
    assert scene.steps == [1, 2, 3]


def test_the_last_reports_go_at_once(scene):
    scene.write(3)
    scene.tell(1)
    scene.serve()
    scene.tell(3)
    scene.change(outcome=RETURNED)
    scene.serve()
    assert scene.steps == [1, 2, 3]
    assert scene.has_closed


def test_no_call_is_larger_than_the_tracker_wants(scene):
    scene.tracker.rows_per_call = 2
    calls = []
    scene.tracker.log = lambda info, rows: calls.append(len(rows))
    scene.write(5)
    scene.tell(5)
    scene.change(outcome=RETURNED)
    scene.serve()
    assert calls == [2, 2, 1]


def test_new_attempts_are_opened_before_others_are_fed(scene, tmp_path):
    """Their trials wait for it."""
    scene.serve()
    scene.write(1)
    scene.tell(1)
    later = make_attempt(tmp_path, 1)
    scene.add(later)
    order = []
    scene.tracker.open_attempt = lambda info: order.append("open") or {}
    scene.tracker.log = lambda info, rows: order.append("log")
    scene.serve()
    assert order == ["open", "log"]


def test_a_failing_tracker_is_called_again_with_growing_pauses(scene):
    scene.tracker.is_away = True
    pauses, asked_at, calls = [], scene.now, []
    open_attempt = scene.tracker.open_attempt
    scene.tracker.open_attempt = lambda info: calls.append(scene.now) or open_attempt(info)
    while len(pauses) < 6:
        scene.serve()
        if calls:
            pauses.append(calls.pop() - asked_at)
            asked_at = scene.now
        scene.now += 1
    assert pauses == [0, 1, 2, 4, 8, 15]
    scene.tracker.is_away = False
    scene.now += 15
    scene.serve()
    assert scene.steps == []


def test_a_tracker_may_be_away_for_days(scene):
    """A float has no room for two to the power of the failures of a night."""
    scene.tracker.is_away = True
    for _ in range(1100):
        scene.now += 15
        scene.serve()
    scene.tracker.is_away = False
    scene.now += 15
    assert scene.serve() == 1


def test_after_a_success_the_pauses_are_short_again(scene):
    scene.write(1)
    scene.tell(1)
    for _ in range(2):
        scene.tracker.is_away = True
        scene.serve()
        scene.tracker.is_away = False
        scene.now += 1
        scene.feeder.serve_all()
        scene.change(outcome=RETURNED)
    scene.serve()
    assert scene.has_closed


def test_who_waits_gets_the_environment(scene):
    scene.serve()
    assert scene.environment(timeout_s=60) == {"A": "1"}


def test_nobody_waits_for_a_tracker_longer_than_its_limit(scene):
    assert scene.environment(timeout_s=0) == {}


def test_one_waits_for_a_tracker_that_does_not_answer_and_then_nobody_until_it_does(scene):
    assert scene.environment(timeout_s=0) == {}
    assert scene.environment(timeout_s=1e6) == {}
    scene.serve()
    assert scene.environment(timeout_s=1e6) == {"A": "1"}


def test_nobody_waits_for_a_tracker_that_is_known_to_be_away(scene, tmp_path):
    """Its running trials have found that out."""
    scene.serve()
    scene.write(1)
    scene.tell(1)
    scene.tracker.is_away = True
    for _ in range(5):
        scene.serve()
        scene.now += 15
    later = make_attempt(tmp_path, 1)
    scene.add(later)
    assert scene.feeder.environment(later.key, timeout_s=1e6) == {}
    scene.tracker.is_away = False
    scene.serve()
    assert scene.feeder.environment(later.key, timeout_s=1e6) == {"A": "1"}


def test_a_single_failure_is_waited_out(scene):
    """A trial is to begin with its run, if that takes seconds only."""
    scene.tracker.is_away = True
    scene.serve()
    scene.tracker.is_away = False
    scene.now += 1
    found = []
    waiting = threading.Thread(target=lambda: found.append(scene.environment(timeout_s=60)))
    waiting.start()
    scene.serve()
    waiting.join()
    assert found == [{"A": "1"}]


def test_an_attempt_that_is_announced_in_the_meantime_comes_next(scene, tmp_path):
    """However many others there are to feed, its trial waits."""
    for index in range(1, 4):
        scene.add(make_attempt(tmp_path, index))
    later = make_attempt(tmp_path, 9)
    opened = []

    def open_attempt(info):
        opened.append(info.trial.index)
        if len(opened) == 1:
            scene.add(later)
        return {}

    scene.tracker.open_attempt = open_attempt
    scene.serve()
    assert sorted(opened) == [0, 1, 2, 3, 9]
    scene.serve()
    assert len(opened) == 5


def test_the_call_after_a_failure_has_the_same_reports(scene):
    """A tracker may have taken a part of them."""
    calls = []
    scene.serve()
    scene.write(3)
    scene.tell(1)
    scene.tracker.log = lambda info, rows: calls.append(len(rows)) or 1 / 0
    scene.serve()
    scene.tell(3)
    scene.now += 20
    scene.serve()
    scene.tracker.log = lambda info, rows: calls.append(len(rows))
    scene.now += 20
    scene.serve()
    scene.now += 20
    scene.serve()
    assert calls == [1, 1, 1, 2]


def test_a_call_that_did_a_part_is_made_again_soon(scene):
    """However often the tracker fails, it gets on."""
    parts = iter(range(10))

    class Tracker(FakeTracker):
        done = 0

        @property
        def progress(self):
            return self.done

        def open_attempt(self, info):
            self.done = next(parts)
            raise ConnectionError

    feeder = TrackerFeeder(Tracker(), scene.attempts, threading.Event(), lambda: scene.now)
    for _ in range(10):
        feeder.serve_all()
        scene.now += 1
    assert next(parts, None) is None
    assert feeder.environment(scene.info.key, timeout_s=0, connect_s=0) == {}


def test_the_sweeps_end_is_tried_until_the_tracker_takes_it(scene, tmp_path):
    scene.serve()
    summary = make_summary(tmp_path)
    scene.tracker.is_away = True
    before = scene.feeder.progress()
    scene.feeder.close_sweep(summary)
    assert scene.feeder.missing() == "the sweep's end; slow"
    assert scene.feeder.progress() > before  # whose patience is counted from now on
    scene.serve()
    assert scene.feeder.missing() == "the sweep's end; ConnectionError: fake is away"
    scene.tracker.is_away = False
    scene.now += 1
    scene.serve()
    assert scene.feeder.missing() is None
    assert scene.tracker.store.summary == summary


def test_several_attempts_are_served_at_once_but_no_attempt_twice(scene, tmp_path):
    """If the server is far away. The second call comes while the first is not yet answered."""
    for index in range(1, 4):
        scene.add(make_attempt(tmp_path, index))
    together = threading.Barrier(4, timeout=30)
    opened = []

    def open_attempt(info):
        opened.append(info.key)
        together.wait()
        return {}

    scene.tracker.open_attempt = open_attempt
    scene.tracker.threads = 4
    scene.begun.set()
    scene.feeder.start()
    for key in scene.attempts:
        scene.feeder.environment(key, timeout_s=30)
    scene.feeder.end()
    assert sorted(opened) == sorted(scene.attempts)


@pytest.mark.parametrize("lose", [os.remove, lambda path: os.truncate(path, 0)])
def test_reports_that_are_gone_hold_nothing_back_once_the_trial_has_ended(scene, lose):
    scene.write(2)
    scene.tell(2)
    lose(scene.file)
    scene.serve()
    assert scene.feeder.behind() == []
    scene.change(outcome=RETURNED)
    assert scene.feeder.behind() == [scene.info.key]
    scene.serve()
    assert scene.feeder.behind() == []
    assert (scene.steps, scene.has_closed) == ([], True)


def test_it_says_what_hinders_it(scene):
    scene.serve()
    scene.change(outcome=RETURNED)
    assert scene.feeder.missing() == "1 trials; slow"
    scene.tracker.is_away = True
    scene.serve()
    assert scene.feeder.missing() == "1 trials; ConnectionError: fake is away"


def test_whatever_it_takes_is_progress(scene):
    scene.write(2)
    seen = [scene.feeder.progress()]
    for number in (1, 2):
        scene.tell(number)
        scene.now += 1
        scene.serve()
        seen.append(scene.feeder.progress())
    scene.change(outcome=RETURNED)
    scene.serve()
    seen.append(scene.feeder.progress())
    assert seen == sorted(set(seen))
