"""Whatever happens to a sweep, in any order: a random walk."""

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from tests.sweep.cores import (
    CANCELLED,
    CRITERION,
    FAILED,
    NO_SPACE,
    WELL,
    Chooses,
    experiment,
)
from tune_tasks.model.failure import Failure, FailureCause
from tune_tasks.model.trial import Outcome, Resources, TrialState
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import LOOKAHEAD
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    CheckpointKept,
    Disk,
    DiskChanged,
    EndDecided,
    Pause,
    PauseChanged,
    RecorderRestarted,
    Reported,
    StartFailed,
    StopAsked,
    SweepBegan,
    TakenOver,
    Ticked,
    event_from_json,
    event_to_json,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndAll,
    ForgetAttempt,
    KeepEnd,
    KillAttempt,
    StartAttempt,
)

pytestmark = pytest.mark.long


NUM_TRIALS = 4
MAX_FAILURES = 2
LOST = Outcome.failed(Failure(FailureCause.MACHINE_LOST, "gone"), "gone", 0)
OUT_OF_MEMORY = Outcome.failed(Failure(FailureCause.OUT_OF_MEMORY, "full"), "full", 0)
AWAY = Outcome.failed(Failure(FailureCause.EXCEPTION, "away", ("OSError",)), "OSError: away", 0)
FATAL = Outcome.failed(Failure(FailureCause.EXCEPTION, "b", ("KeyError",)), "KeyError: b", 0)
UNCOUNTED = (LOST, OUT_OF_MEMORY)
FAILURES = [FAILED, LOST, OUT_OF_MEMORY, AWAY, FATAL]
RULES = spec_from_data(
    {
        "e": {
            "retry": [
                {"on": "machine_lost", "counts": False},
                {"on": "out_of_memory", "times": 3, "resources": {"memory": "x2"}},
                {"on": "OSError", "wait_s": 20},
                {"on": "KeyError", "do": "stop_sweep"},
            ]
        }
    }
)
MOST_MEMORY = 4
"""That a trial can be given; each begins with 1."""


class AnySweep(RuleBasedStateMachine):
    """Whatever happens: a trial ends once or is pending, and a stopped sweep ends."""

    @initialize(
        room=st.integers(1, 4),
        limit=st.none() | st.integers(1, 2),
        grace=st.sampled_from([0, 10]),
        keeps_going=st.booleans(),
    )
    def begin(self, room, limit, grace, keeps_going):
        def make(scheduler=None):
            keys = {
                "max_failures": MAX_FAILURES,
                "stop_grace_s": grace,
                "resources": Resources(memory=1),
            }
            experiments = {
                "a": experiment(NUM_TRIALS, name="a", limit=limit, **keys),
                "b": experiment(NUM_TRIALS, name="b", **keys),
            }
            rules = RULES.experiments["e"].rules()
            return Core(
                {name: replace(made, retry=rules) for name, made in experiments.items()},
                scheduler,
                fits=lambda trial: trial.resources.memory <= MOST_MEMORY,
                keeps_going=keeps_going,
            )

        self.make, self.limit, self.room = make, limit, room
        self.core = make()
        self.not_before = Counter()
        self.waits = Counter()
        self.memory = {}
        self.left = set()
        self.now = 0.0
        self.running = {}
        self.attempt_of = {}
        self.checkpoints = {}
        self.ended = {}
        self.failures = Counter()
        self.journal = []
        self.answers = []
        self.is_over = self.is_stopped = False
        self.pause, self.disk = Pause.OFF, Disk.ROOMY
        self.tell(SweepBegan(0, room - LOOKAHEAD))

    def tell(self, event):
        is_held = self.is_stopped or self.pause is not Pause.OFF or self.disk is not Disk.ROOMY
        instructions = self.core.handle(event)
        self.told = event
        self.journal.append(event)
        self.answers.append(instructions)
        for wish in instructions:
            assert not self.is_over
            if isinstance(wish, StartAttempt):
                assert not is_held
                self.started(wish)
            elif isinstance(wish, KeepEnd):
                self.kept(wish)
            elif isinstance(wish, EndAll):
                self.is_stopped = True
            elif isinstance(wish, ForgetAttempt):
                self.attempt_of[wish.trial] -= 1
            elif isinstance(wish, KillAttempt):
                assert self.running[wish.trial] == wish.attempt
            elif isinstance(wish, CloseSweep):
                assert not self.running
                is_left = self.disk is Disk.GIVEN_UP or self.pause is Pause.SUSPENDED
                assert self.is_stopped or is_left or not self.core.pending
                self.is_over = True

    def started(self, wish):
        assert wish.trial not in self.running
        assert wish.trial not in self.ended
        assert wish.attempt == self.attempt_of.get(wish.trial, 0) + 1
        kept = self.checkpoints.get(wish.trial, {})
        assert (wish.checkpoint is None) == (not kept)
        if wish.checkpoint:
            assert wish.checkpoint.attempt in kept
        self.running[wish.trial] = self.attempt_of[wish.trial] = wish.attempt
        assert self.now >= self.not_before[wish.trial]
        given = wish.resources or Resources(memory=1)
        assert given.memory == self.memory.get(wish.trial, 1) <= MOST_MEMORY

    def kept(self, wish):
        """What the rules say of an end, said once more and in other words."""
        key = wish.trial
        outcome = self.told.outcome
        has_failed = outcome in FAILURES
        self.failures[key] += has_failed and outcome not in UNCOUNTED
        assert self.failures[key] <= MAX_FAILURES + 1
        is_left = has_failed and self.is_tried_again(key, outcome)
        if not wish.will_retry:
            assert self.is_stopped or not is_left
            assert key not in self.ended
            self.ended[key] = outcome
            self.left |= {key} if is_left else set()
        if is_left and outcome is AWAY:
            self.waits[key] += 1
            if wish.will_retry:
                self.not_before[key] = self.now + 10 * 2 ** self.waits[key]
        if is_left and outcome is OUT_OF_MEMORY:
            self.memory[key] = 2 * self.memory.get(key, 1)

    def is_tried_again(self, key, outcome):
        if outcome is OUT_OF_MEMORY:
            return 2 * self.memory.get(key, 1) <= MOST_MEMORY
        is_within = self.failures[key] <= MAX_FAILURES
        return outcome is LOST or (outcome is not FATAL and is_within)

    def one_that_runs(self, data):
        return data.draw(st.sampled_from(sorted(self.running.items()) or [("a/0", 99)]))

    @rule(data=st.data())
    def announced(self, data):
        self.tell(Announced(self.now, *self.one_that_runs(data)))

    @rule(data=st.data(), reports=st.integers(0, 5))
    def reported(self, data, reports):
        self.tell(Reported(self.now, *self.one_that_runs(data), reports, {"mean_loss": reports}))

    @rule(data=st.data(), number=st.integers(0, 5))
    def checkpoint_kept(self, data, number):
        key, attempt = self.one_that_runs(data)
        self.tell(CheckpointKept(self.now, key, attempt, number, number))
        if self.running.get(key) == attempt:
            self.checkpoints.setdefault(key, {})[attempt] = number

    @rule(data=st.data())
    def decided(self, data):
        self.tell(EndDecided(self.now, *self.one_that_runs(data), CRITERION))

    @rule(
        data=st.data(),
        outcome=st.sampled_from([WELL, WELL, CANCELLED, NO_SPACE, *FAILURES, AWAY, OUT_OF_MEMORY]),
    )
    def attempt_ended(self, data, outcome):
        key, attempt = self.one_that_runs(data)
        self.running.pop(key, None)
        self.tell(AttemptEnded(self.now, key, attempt, outcome))

    @rule(data=st.data())
    def start_failed(self, data):
        """The driver stops the sweep first: it would be told to start the same once more."""
        self.stopped(math.inf)
        key, attempt = self.one_that_runs(data)
        self.running.pop(key, None)
        self.tell(StartFailed(self.now, key, attempt))

    @rule(pause=st.sampled_from(Pause))
    def paused(self, pause):
        self.pause = pause
        self.tell(PauseChanged(self.now, pause))

    @rule(disk=st.sampled_from(Disk))
    def disk_changed(self, disk):
        self.disk = disk
        self.tell(DiskChanged(self.now, disk))

    @rule(patience=st.just(math.inf) | st.integers(0, 20))
    def stopped(self, patience):
        self.is_stopped = True
        self.tell(StopAsked(self.now, "Ctrl-C", patience))

    @rule()
    def recorder_restarted(self):
        self.tell(RecorderRestarted(self.now))

    @rule(retry_failed=st.booleans(), data=st.data())
    def driver_died(self, retry_failed, data):
        """Another one replays the journal, and tells how the attempts of the first have ended."""
        scheduler = Chooses(data.draw(st.sampled_from([0, -1])))
        core = self.make(scheduler)
        for event, answer in zip(self.journal, self.answers, strict=True):
            core.replay(event_from_json(event_to_json(event)), answer)
        assert (core.running, core.pending) == (self.core.running, self.core.pending)
        self.core = core
        self.is_over = self.is_stopped = False
        self.pause, self.disk = Pause.OFF, Disk.ROOMY
        for key, outcome in list(self.ended.items()):
            has_failed = outcome.state is TrialState.ERROR
            may_fail_again = retry_failed or key in self.left
            if outcome is CANCELLED or (has_failed and may_fail_again):
                del self.ended[key]
                self.left.discard(key)
                self.failures[key] = min(self.failures[key], MAX_FAILURES)
        self.tell(TakenOver(self.now, retry_failed))
        for key, attempt in sorted(self.running.items()):
            del self.running[key]
            if data.draw(st.booleans()):
                self.tell(StartFailed(self.now, key, attempt))
            else:
                outcome = data.draw(st.sampled_from([WELL, CANCELLED, *FAILURES]))
                self.tell(AttemptEnded(self.now, key, attempt, outcome))
        self.tell(SweepBegan(self.now, self.room - LOOKAHEAD))

    @rule(seconds=st.floats(0, 30), data=st.data())
    def ticked(self, seconds, data):
        self.now += seconds
        silent = data.draw(st.sets(st.sampled_from(sorted(self.running)))) if self.running else ()
        self.tell(Ticked(self.now, tuple(sorted(silent))))

    @invariant()
    def bounds_hold(self):
        assert len(self.running) <= self.room
        of_a = [key for key in self.running if key.startswith("a/")]
        assert self.limit is None or len(of_a) <= self.limit
        waiting = 2 * NUM_TRIALS - len(self.running) - len(self.ended)
        assert self.core.pending == waiting

    def teardown(self):
        """From wherever it is, a stopped sweep ends; and the journal gives the same answers."""
        if not hasattr(self, "core"):
            return
        was_over = self.is_over
        self.stopped(math.inf)
        self.now += 1_000
        self.tell(Ticked(self.now, ()))
        for key, attempt in sorted(self.running.items()):
            del self.running[key]
            self.tell(AttemptEnded(self.now, key, attempt, CANCELLED))
        assert self.is_over
        assert was_over or not self.core.is_suspended
        self.replay(list(zip(self.journal, self.answers, strict=True)))

    def replay(self, journal):
        """Also without ticks that changed nothing, and from the JSON form."""
        again = self.make()
        for event, answer in journal:
            if answer or not isinstance(event, Ticked):
                assert again.replay(event_from_json(event_to_json(event)), answer) == answer
        assert (again.running, again.pending) == (self.core.running, self.core.pending)


TestAnySweep = AnySweep.TestCase
TestAnySweep.settings = settings(max_examples=150, stateful_step_count=40)
