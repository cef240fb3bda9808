"""What follows from a failure: by rules, by `max_failures`, and in the core."""

import itertools
from dataclasses import replace

import pytest

from tests.sweep.cores import begun, taken_over, trial
from tune_tasks.model.failure import Failure, FailureCause
from tune_tasks.model.trial import EndedBy, Outcome, Resources, Stop, TrialState
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import CoreExperiment
from tune_tasks.sweep.events import (
    AttemptEnded,
    Disk,
    DiskChanged,
    Pause,
    PauseChanged,
    StopAsked,
    Ticked,
)
from tune_tasks.sweep.instructions import CloseSweep, EndAll, KeepEnd, StartAttempt, Verdict

MEMORY = Resources(memory=1_000)


def raised(text, reports=1):
    kind, _, message = text.partition(": ")
    return Outcome.failed(Failure(FailureCause.EXCEPTION, message, (kind,)), text, reports)


def ended_by(cause, message="it has gone"):
    return Outcome.failed(Failure(cause, message), message, 1)


LOST = ended_by(FailureCause.MACHINE_LOST)
OUT_OF_MEMORY = ended_by(FailureCause.OUT_OF_MEMORY)
BAD = raised("ValueError: bad")
AWAY = raised("ConnectionError: no answer")
WELL = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
CANCELLED = Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, "cancelled")


class Sweep:
    """A core with one trial or more, one at a time, and a clock."""

    def __init__(self, *rules, num_trials=1, max_failures=0, room=1, **keys):
        spec = spec_from_data({"e": {"retry": list(rules)}})
        trials = [trial(i, max_failures=max_failures, resources=MEMORY) for i in range(num_trials)]
        self.make = lambda: Core(
            {"e": CoreExperiment(trials, retry=spec.experiments["e"].rules())}, **keys
        )
        self.core = self.make()
        self.journal = []
        self.now = 0.0
        self.answer = begun(self.core, room)

    def tell(self, event):
        self.answer = self.core.handle(event)
        self.journal.append((event, self.answer))
        return self.answer

    def end(self, outcome, key=None):
        """The running attempt ends; returns whether the trial is tried again, and when."""
        running = dict(self.core.running)
        key = key or next(iter(running))
        self.now += 1
        kept, *_ = self.tell(AttemptEnded(self.now, key, running[key], outcome))
        return kept.will_retry

    def tick(self, seconds):
        self.now += seconds
        return self.tell(Ticked(self.now))

    def ends(self, outcome):
        """How many attempts it takes until a trial that always fails so has failed for good."""
        for attempts in itertools.count(1):
            if not self.end(outcome):
                return attempts
        raise AssertionError


# ── How often ─────


@pytest.mark.parametrize(
    ("rules", "max_failures", "outcome", "attempts"),
    [
        ([], 2, BAD, 3),
        ([{"on": "KeyError", "do": "fail"}], 2, BAD, 3),
        ([{"on": "ValueError"}], 2, BAD, 3),
        ([{"on": "ValueError"}], 0, BAD, 1),
        ([{"on": "ValueError", "times": 3}], 0, BAD, 4),
        ([{"on": "ValueError", "times": 3, "counts": True}], 2, BAD, 3),
        ([{"on": "ValueError", "times": 1, "counts": True}], 2, BAD, 2),
        ([{"on": "ValueError", "do": "fail"}], 5, BAD, 1),
        ([{"on": "bad", "do": "fail"}, {"on": "ValueError", "times": 5}], 5, BAD, 1),
        ([{"on": "machine_lost", "counts": False}], 0, LOST, 1_001),
        ([{"on": "out_of_memory", "times": 2}], 0, OUT_OF_MEMORY, 3),
    ],
)
def test_how_many_attempts_a_trial_has(rules, max_failures, outcome, attempts):
    assert Sweep(*rules, max_failures=max_failures).ends(outcome) == attempts


def test_a_failure_that_does_not_count_leaves_max_failures_to_the_others():
    sweep = Sweep({"on": "machine_lost", "counts": False}, max_failures=1)
    assert [sweep.end(outcome) for outcome in (LOST, LOST, BAD, LOST, BAD)] == [
        *[True] * 4,
        False,
    ]


def test_each_rule_has_its_own_times():
    sweep = Sweep({"on": "ValueError", "times": 1}, {"on": "ConnectionError", "times": 1})
    assert [sweep.end(outcome) for outcome in (BAD, AWAY, BAD)] == [True, True, False]


def test_what_an_old_file_says_is_matched_by_its_error():
    old = Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "Traceback …\nValueError: bad")
    assert Sweep({"on": "^ValueError: bad$", "times": 1}).end(old)


# ── When ─────


def test_a_trial_waits_twice_as_long_each_time_and_others_start_meanwhile():
    sweep = Sweep({"on": "ConnectionError", "wait_s": 30, "times": 9}, num_trials=2)
    sweep.end(AWAY)
    assert sweep.answer[1:] == [StartAttempt("e/1", 1)]
    assert sweep.core.pending == 1
    sweep.end(WELL)
    assert sweep.answer[1:] == []  # the sweep is not over
    assert sweep.tick(28.9) == []
    assert sweep.tick(0.1) == [StartAttempt("e/0", 2)]
    sweep.end(AWAY)
    assert sweep.tick(59.9) == []
    assert sweep.tick(0.1) == [StartAttempt("e/0", 3)]
    sweep.end(WELL)
    assert sweep.answer[1:] == [CloseSweep()]


def waiting():
    sweep = Sweep({"on": "ConnectionError", "wait_s": 30, "times": 9})
    sweep.end(AWAY)
    return sweep


def test_a_stop_does_not_wait_and_leaves_the_trial_to_a_later_driver():
    sweep = waiting()
    assert sweep.tell(StopAsked(2, "Ctrl-C"))[-1] == CloseSweep()
    assert (sweep.core.pending, sweep.core.unfinished()) == (1, 1)
    taken_over(sweep.core)
    assert begun(sweep.core) == []
    assert sweep.tell(Ticked(31)) == [StartAttempt("e/0", 2)]


def test_a_pause_holds_it_and_a_suspension_leaves_it():
    sweep = waiting()
    sweep.tell(PauseChanged(2, Pause.ON))
    assert sweep.tick(60) == []
    assert sweep.tell(PauseChanged(70, Pause.OFF)) == [StartAttempt("e/0", 2)]
    sweep = waiting()
    assert sweep.tell(PauseChanged(2, Pause.SUSPENDED)) == [CloseSweep()]
    assert sweep.core.is_suspended


def test_a_disk_that_stays_full_ends_the_wait():
    sweep = waiting()
    assert sweep.tell(DiskChanged(2, Disk.FULL)) == []
    assert sweep.tell(DiskChanged(602, Disk.GIVEN_UP)) == [CloseSweep()]


# ── With what ─────


def test_more_memory_each_time_as_long_as_a_machine_has_it():
    sweep = Sweep(
        {"on": "out_of_memory", "times": 9, "resources": {"memory": "x2"}},
        fits=lambda trial: trial.resources.memory <= 4_000,
    )
    sweep.end(OUT_OF_MEMORY)
    assert sweep.answer == [
        KeepEnd(
            "e/0",
            1,
            OUT_OF_MEMORY,
            will_retry=True,
            verdict=Verdict(
                "out_of_memory", again=True, counts=False, resources=Resources(memory=2_000)
            ),
        ),
        StartAttempt("e/0", 2, Resources(memory=2_000)),
    ]
    assert sweep.core.trial("e/0").resources.memory == 2_000
    assert sweep.end(OUT_OF_MEMORY)
    assert not sweep.end(OUT_OF_MEMORY)
    outcome = sweep.core.outcome("e/0")
    assert outcome.stop_reason == (
        "error; not tried again: its next attempt would get 1 CPU, 0 GPUs, 7.45e-06 GiB of memory,"
        " which no machine of the cluster has"
    )


def test_of_several_processes_the_first_has_the_memory():
    shares = (replace(MEMORY, cpu=1), Resources(cpu=2))
    spec = spec_from_data(
        {"e": {"retry": [{"on": "out_of_memory", "times": 1, "resources": {"memory": "x3"}}]}}
    )
    of_three = trial(0, resources=replace(MEMORY, cpu=3), bundles=shares)
    core = Core({"e": CoreExperiment([of_three], retry=spec.experiments["e"].rules())})
    begun(core)
    core.handle(AttemptEnded(1, "e/0", 1, OUT_OF_MEMORY))
    given = core.trial("e/0")
    assert (given.resources, given.bundles) == (
        Resources(3, 0, 3_000),
        (Resources(1, 0, 3_000), Resources(2)),
    )


# ── The end of the sweep ─────


def test_a_rule_stops_the_sweep_and_says_which_trial_and_why():
    sweep = Sweep({"on": "ValueError", "do": "stop_sweep"}, num_trials=9, room=2)
    assert not sweep.end(BAD)
    reason = "script_0 failed with ValueError: bad; `retry` says stop_sweep"
    assert sweep.answer[1:] == [EndAll(Stop(EndedBy.CANCELLED, reason))]
    assert sweep.core.ended_early == sweep.core.stop_reason == reason
    sweep.end(CANCELLED)
    assert sweep.answer[-1] == CloseSweep()
    assert sweep.core.unfinished() == 8


# ── Another driver ─────


def test_a_trial_that_failed_while_the_sweep_ended_has_its_attempts_left():
    sweep = Sweep(
        {"on": "ValueError", "times": 1}, {"on": "KeyError", "do": "fail"}, max_failures=9
    )
    sweep.tell(StopAsked(1, "Ctrl-C"))
    assert not sweep.end(BAD)
    taken_over(sweep.core)
    assert begun(sweep.core) == [StartAttempt("e/0", 2)]
    assert not sweep.end(BAD)


@pytest.mark.parametrize("do", ["fail", "stop_sweep"])
def test_what_failed_for_good_is_run_again_only_if_asked(do):
    sweep = Sweep({"on": "ValueError", "do": do}, max_failures=9)
    sweep.end(BAD)
    taken_over(sweep.core)
    assert begun(sweep.core) == [CloseSweep()]
    assert sweep.core.ended_early is None
    taken_over(sweep.core, retry_failed=True)
    assert begun(sweep.core) == [StartAttempt("e/0", 2)]
    assert not sweep.end(BAD)


def test_a_replay_decides_as_was_decided_whatever_the_rules_and_the_cluster_are_now():
    then = Sweep(
        {"on": "out_of_memory", "times": 2, "wait_s": 30, "resources": {"memory": "x2"}},
        {"on": "ValueError", "do": "stop_sweep"},
        num_trials=2,
    )
    then.end(OUT_OF_MEMORY)
    then.end(BAD)
    now = Sweep(num_trials=2, fits=lambda trial: False)
    for event, answer in then.journal:
        assert now.core.replay(event, answer) == answer
    assert now.core.stop_reason == then.core.stop_reason
    taken_over(now.core)
    assert now.core.handle(Ticked(31)) == []
    assert begun(now.core) == [StartAttempt("e/0", 2, Resources(memory=2_000))]
