"""A population in the core: decisions, kills at any moment, and the same in a replay."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sweep.cores import FAILED
from tests.sweep.test_core_milestones import Sweep
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.milestones import Reached
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.sweep.events import (
    AttemptEnded,
    CheckpointCopied,
    CheckpointKept,
    CopyFailed,
    MilestonesReached,
    Reported,
    StopAsked,
    SweepBegan,
    TakenOver,
)
from tune_tasks.sweep.instructions import CopyCheckpoint, EndAttempt, GoOn, KeepEnd, StartAttempt

LOST = Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, "the sweep's driver died")
CONFIG = {"lr": {"loguniform": [1e-4, 1]}, "fixed": 3}
PBT = {"pbt": {"interval": 5}}


def population(num_trials=4, **keys):
    return Sweep(num_trials, PBT, config=CONFIG, stop={"training_iteration": 50}, **keys)


def reach(sweep, index, step, value, attempt=1):
    sweep.tell(CheckpointKept(1, f"e/{index}", attempt, step, step))
    return sweep.reach(index, step, value, attempt, number=step)


def first_exploit(sweep):
    """Three members, and then the worst of four."""
    for index in range(3):
        assert reach(sweep, index, 5, index / 10) == [GoOn(f"e/{index}", 1, 5)]
    (wish,) = reach(sweep, 3, 5, 0.9)
    return wish


def copied(sweep, wish):
    copy = CheckpointRef(wish.attempt, wish.number, wish.number, 2)
    return sweep.tell(CheckpointCopied(1, wish.trial, wish.attempt, copy)), copy


def exploited(reason="rank 4 of 4"):
    return Outcome(TrialState.TERMINATED, EndedBy.EXPLOITED, reason, reports=5)


def test_the_worst_takes_a_checkpoint_and_goes_on_from_it():
    sweep = population()
    name = sweep.core.trial("e/3").name
    wish = first_exploit(sweep)
    assert isinstance(wish, CopyCheckpoint)
    assert (wish.donor, wish.checkpoint) == ("e/0", CheckpointRef(1, 5, 5))
    (end,), copy = copied(sweep, wish)
    assert end == EndAttempt("e/3", 1, end.stop)
    assert end.stop.ended_by is EndedBy.EXPLOITED
    assert end.stop.reason == wish.reason
    outcome = exploited(wish.reason)
    wishes = sweep.end(3, outcome)
    assert wishes == [
        KeepEnd("e/3", 1, outcome, will_retry=True),
        StartAttempt("e/3", 2, None, copy),
    ]
    trial = sweep.core.trial("e/3")
    assert trial.point == wish.point
    assert trial.name == name
    assert wish.reason.endswith(f"-> {trial.config['lr']:.4g}")
    # It comes to the same boundary again, and is not judged again.
    assert sweep.reach(3, 5, 0.9, attempt=2, number=5) == [GoOn("e/3", 2, 5)]


def test_it_counts_as_no_failure():
    sweep = population(max_failures=1)
    for attempt in range(1, 4):
        for index in range(3):
            reach(sweep, index, 5 * attempt, index / 10)
        (wish,) = reach(sweep, 3, 5 * attempt, 0.9, attempt)
        copied(sweep, wish)
        assert sweep.end(3, exploited(), attempt)[0].will_retry
    assert sweep.end(3, FAILED, 4)[0].will_retry
    assert not sweep.end(3, FAILED, 5)[0].will_retry


def test_a_member_goes_on_as_it_is_if_nothing_could_be_copied():
    sweep = population()
    before = sweep.core.trial("e/3")
    wish = first_exploit(sweep)
    assert sweep.tell(CopyFailed(1, "e/3", 1, wish.number)) == [GoOn("e/3", 1, 5)]
    assert sweep.core.trial("e/3") == before
    assert not sweep.core.has_moved("e/3")


def test_a_driver_that_dies_before_the_copy_is_there_copies_it_later():
    sweep = population()
    wish = first_exploit(sweep)
    core = sweep.new()
    for event, then in sweep.entries:
        core.replay(event, then)
    core.handle(TakenOver(2))
    core.handle(AttemptEnded(2, "e/3", 1, LOST))
    started = core.handle(SweepBegan(2, 4))
    assert StartAttempt("e/3", 2, None, CheckpointRef(1, 5, 5)) in started
    reached = (Reached(0, 5, 5, 0.9, 0.9, 0.9),)
    again = core.handle(MilestonesReached(3, "e/3", 2, 5, reached))
    assert again == [replace(wish, attempt=2)]


def test_a_driver_that_dies_after_the_copy_goes_on_from_it():
    sweep = population()
    wish = first_exploit(sweep)
    _, copy = copied(sweep, wish)
    core = sweep.new()
    for event, then in sweep.entries:
        core.replay(event, then)
    core.handle(TakenOver(2))
    core.handle(CheckpointKept(2, "e/3", 1, 5, 5))  # its own, which its files have
    core.handle(AttemptEnded(2, "e/3", 1, exploited()))
    started = core.handle(SweepBegan(2, 4))
    assert StartAttempt("e/3", 2, None, copy) in started
    assert core.trial("e/3").point == wish.point


def test_what_an_attempt_still_writes_does_not_count():
    sweep = population()
    _, copy = copied(sweep, first_exploit(sweep))
    sweep.tell(CheckpointKept(1, "e/3", 1, 6, 6))
    assert sweep.core.checkpoint("e/3") == copy


def test_a_sweep_that_is_stopped_just_then_leaves_it_for_later():
    sweep = population()
    copied(sweep, first_exploit(sweep))
    sweep.tell(StopAsked(1, "interrupted"))
    (kept,) = sweep.end(3, exploited())
    assert not kept.will_retry
    assert kept.outcome.ended_by is EndedBy.CANCELLED
    assert sweep.core.unfinished() == 1


class Scene:
    """A population with a driver that copies, and that may die at any moment."""

    def __init__(self):
        self.sweep = population(num_trials=6)
        self.steps = dict.fromkeys(range(6), 0)
        self.attempts = dict.fromkeys(range(6), 1)

    def go_on(self, index, value):
        self.steps[index] += 5
        step = self.steps[index]
        for wish in reach(self.sweep, index, step, value, self.attempts[index]):
            if isinstance(wish, CopyCheckpoint):
                copied(self.sweep, wish)
                self.sweep.end(index, exploited(), self.attempts[index])
                self.attempts[index] += 1


VALUES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, None]), min_size=40, max_size=40)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(1, 120), st.randoms(use_true_random=False))
def test_a_population_that_is_taken_over_goes_on_as_it_would_have(values, cut, chance):
    """Whatever prefix of the journal is replayed, what is said from there on is the same."""
    scene = Scene()
    for value in values:
        scene.go_on(chance.randrange(6), value)
    entries = scene.sweep.entries
    replayed = scene.sweep.new()
    for event, then in entries[:cut]:
        replayed.replay(event, then)
    said = [replayed.handle(event) for event, _ in entries[cut:]]
    assert said == [wishes for _, wishes in entries[cut:]]
    for index in range(6):
        assert replayed.trial(f"e/{index}") == scene.sweep.core.trial(f"e/{index}")


def test_what_was_decided_is_data():
    """A replay takes the new config from the journal, also if it would explore otherwise now."""
    sweep = population()
    wish = first_exploit(sweep)
    copied(sweep, wish)
    sweep.end(3, exploited())
    other = sweep.new()
    for event, then in sweep.entries:
        changed = [replace(w, point={"lr": 0.25}) if w == wish else w for w in then]
        other.replay(event, changed)
    assert other.trial("e/3").point == {"lr": 0.25}


def test_an_edit_that_ends_the_population_leaves_the_configs_as_they_are():
    sweep = population()
    wish = first_exploit(sweep)
    copied(sweep, wish)
    sweep.end(3, exploited())
    core = Sweep(4, None, config=CONFIG, stop={"training_iteration": 50}).new()
    for event, then in sweep.entries:
        core.replay(event, then)
    assert core.failure is None
    assert core.trial("e/3").point == wish.point


def test_nobody_is_replaced_once_the_budget_starts_nothing_any_more():
    sweep = population(budget={"goal": 0.05})
    for index in range(3):
        reach(sweep, index, 5, index / 10)
    sweep.tell(Reported(1, "e/0", 1, 6, {"mean_loss": 0.01, "training_iteration": 6}))
    assert reach(sweep, 3, 5, 0.9) == [GoOn("e/3", 1, 5)]
