"""Promotions in a random walk through everything that can happen."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.sweep.cores import FAILED, WELL
from tests.sweep.test_core_milestones import Sweep
from tests.sweep.test_core_promotion import DONE, LOST, ended_as
from tune_tasks.model.milestones import Course
from tune_tasks.model.trial import EndedBy, Stop
from tune_tasks.sweep.events import (
    AttemptEnded,
    CheckpointKept,
    Disk,
    DiskChanged,
    MilestonesReached,
    Pause,
    PauseChanged,
    StartFailed,
    StopAsked,
    SweepBegan,
    TakenOver,
    event_from_json,
    event_to_json,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndAll,
    EndAttempt,
    KeepEnd,
    StartAttempt,
)

pytestmark = pytest.mark.long

NUM_TRIALS = 6
VALUES = st.sampled_from([0.1, 0.2, 0.3, 0.4, None])
CANCELLED = Stop(EndedBy.CANCELLED, "Ctrl-C")


def reached(course, step, value):
    return course.reached({"training_iteration": step, "mean_loss": value})


class AnyPromotions(RuleBasedStateMachine):
    """Whatever happens: a trial runs, waits or has ended, and in the end all have ended."""

    @initialize(room=st.integers(1, 3), factor=st.sampled_from([2, 3]))
    def begin(self, room, factor):
        scheduler = {"asha": {"mode": "promote", "reduction_factor": factor}}
        self.room = room
        self.running = {}
        self.ends = {}
        self.asks_again = {}
        self.final = {}
        self.is_over = False
        self.sweep = Sweep(NUM_TRIALS, room=room, scheduler=scheduler, max_failures=1)
        self.core = self.sweep.core
        self.follow(self.sweep.entries[0][1])

    def tell(self, event):
        self.follow(self.sweep.tell(event))

    def follow(self, wishes):
        for wish in wishes:
            assert not self.is_over
            match wish:
                case StartAttempt():
                    assert wish.trial not in self.running
                    self.final.pop(wish.trial, None)
                    step = wish.checkpoint.reports if wish.checkpoint else 0
                    course = Course(0, self.core.milestones(self.core.trial("e/0"))[0])
                    # What it has reached before is asked about again: nobody may have heard of it.
                    again = [each for n in range(step) for each in reached(course, n + 1, 0.5)]
                    self.running[wish.trial] = (wish.attempt, step, course)
                    self.asks_again[wish.trial] = again
                case EndAttempt():
                    self.ends.setdefault(wish.trial, wish.stop)
                case EndAll():
                    self.ends = dict.fromkeys(self.running, CANCELLED) | self.ends
                case KeepEnd() if not wish.will_retry:
                    assert wish.trial not in self.final
                    assert wish.outcome.ended_by is not EndedBy.PAUSED
                    self.final[wish.trial] = wish.outcome
                case CloseSweep():
                    self.is_over = True

    def one(self, data, *, ending):
        keys = sorted(key for key in self.running if (key in self.ends) is ending)
        return data.draw(st.sampled_from(keys)) if keys else None

    @rule(data=st.data(), value=VALUES, keeps=st.sampled_from([True, True, True, False]))
    def trains(self, data, value, keeps):
        key = self.one(data, ending=False)
        if key:
            self.train(key, value, keeps=keeps)

    def train(self, key, value, *, keeps=True):
        attempt, step, course = self.running[key]
        again = self.asks_again.pop(key, ())
        if again:
            self.tell(MilestonesReached(1, key, attempt, step, tuple(again)))
            return
        step += 1
        self.running[key] = (attempt, step, course)
        if step == 9:
            self.end(key, DONE, value)
            return
        found = tuple(reached(course, step, value))
        if found:
            if keeps or not self.core._state.checkpoints:
                self.tell(CheckpointKept(1, key, attempt, step, step))
            self.tell(MilestonesReached(1, key, attempt, step, found))

    def end(self, key, outcome, value=None):
        attempt, *_ = self.running.pop(key)
        self.ends.pop(key, None)
        metrics = {"mean_loss": value}
        self.tell(AttemptEnded(1, key, attempt, outcome, metrics))

    @rule(data=st.data())
    def ends_as_it_was_to(self, data):
        key = self.one(data, ending=True)
        if key:
            self.end(key, ended_as(self.ends[key]), 0.5)

    @rule(data=st.data(), ending=st.booleans(), outcome=st.sampled_from([FAILED, WELL, LOST]))
    def ends_otherwise(self, data, ending, outcome):
        key = self.one(data, ending=ending)
        if key:
            self.end(key, outcome)

    @rule(held=st.sampled_from(Pause))
    def paused(self, held):
        self.tell(PauseChanged(1, held))

    @rule(disk=st.sampled_from(Disk))
    def disk_changed(self, disk):
        self.tell(DiskChanged(1, disk))

    @rule()
    def stopped(self):
        self.tell(StopAsked(1, "Ctrl-C"))

    @rule(data=st.data())
    def driver_died(self, data):
        self.take_over(lambda: data.draw(st.sampled_from(["lost", "as it was to", "unbegun"])))

    def take_over(self, how):
        core = self.sweep.new()
        for event, then in self.sweep.entries:
            assert core.replay(event_from_json(event_to_json(event)), then) == then
        was = self.core
        assert (core.running, core.pending) == (was.running, was.pending)
        for index in range(NUM_TRIALS):
            key = f"e/{index}"
            assert (core.outcome(key), core.paused(key)) == (was.outcome(key), was.paused(key))
        self.core = self.sweep.core = core
        self.is_over = False
        self.tell(TakenOver(1))
        self.final = {key: end for key, end in self.final.items() if core.outcome(key)}
        for key in sorted(self.running):
            attempt, *_ = self.running[key]
            match how():
                case "unbegun":
                    del self.running[key]
                    self.ends.pop(key, None)
                    self.tell(StartFailed(1, key, attempt))
                case "as it was to" if key in self.ends:
                    self.end(key, ended_as(self.ends[key]), 0.5)
                case _:
                    self.end(key, LOST)
        self.tell(SweepBegan(1, self.room))

    @invariant()
    def each_trial_is_in_one_place(self):
        if not hasattr(self, "core"):
            return
        keys = [f"e/{index}" for index in range(NUM_TRIALS)]
        waiting = {key for key in keys if self.core.paused(key)}
        ended = {key for key in keys if self.core.outcome(key)}
        assert not waiting & (ended | self.running.keys())
        assert not ended & self.running.keys()
        assert ended == self.final.keys()
        assert self.core.pending == NUM_TRIALS - len(ended) - len(self.running)
        assert len(self.running) <= self.room
        assert not self.is_over or not self.running

    def teardown(self):
        if not hasattr(self, "core"):
            return
        self.take_over(lambda: "lost")
        for _ in range(200):
            if self.is_over:
                break
            key = next(iter(sorted(self.running)))
            if key in self.ends:
                self.end(key, ended_as(self.ends[key]), 0.5)
            else:
                self.train(key, 0.3)
        assert self.is_over
        assert self.final.keys() == {f"e/{index}" for index in range(NUM_TRIALS)}
        assert self.core.unfinished() == 0
        self.take_over(lambda: "lost")
        assert self.is_over


TestAnyPromotions = AnyPromotions.TestCase
TestAnyPromotions.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
