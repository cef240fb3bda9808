"""What the core says at milestones: once for each, in words, and the same in a replay."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sweep.cores import FAILED, WELL
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.milestones import Course, Milestones, Reached
from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import EndedBy, Outcome, Stop, TrialState
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_experiments import core_experiments
from tune_tasks.sweep.events import (
    AttemptEnded,
    CheckpointKept,
    MilestonesReached,
    RecorderRestarted,
    StopAsked,
    SweepBegan,
    TakenOver,
    event_from_json,
    event_to_json,
)
from tune_tasks.sweep.instructions import (
    EndAttempt,
    EndExperiment,
    GoOn,
    StartAttempt,
    instruction_from_json,
    instruction_to_json,
)
from tune_tasks.sweep.planning import make_plan

LOST = Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "died")


def train(config, status_reporter): ...


class Sweep:
    """A core whose trials are judged; every event goes through its JSON form, as in a journal."""

    def __init__(self, num_trials=6, scheduler="asha", own=None, room=None, **keys):
        experiment = {
            "metric": "mean_loss",
            "num_trials": num_trials,
            "stop": {"training_iteration": 9},
            "scheduler": scheduler,
            "config": {},
            "max_failures": 3,
            **keys,
        }
        self.spec = spec_from_data({"e": experiment})
        self.own = own
        self.entries = []
        self.core = self.new()
        self.tell(SweepBegan(0, room or num_trials))

    def new(self):
        plan = make_plan(self.spec, callables={"e": train}, drawn_seed=1)
        return Core(core_experiments(plan), self.own)

    def tell(self, event):
        event = event_from_json(event_to_json(event))
        wishes = [instruction_from_json(instruction_to_json(w)) for w in self.core.handle(event)]
        self.entries.append((event, wishes))
        return wishes

    def reach(self, index, milestone, value, attempt=1, number=1):
        reached = (Reached(0, milestone, milestone, value, value, value),)
        return self.tell(MilestonesReached(1, f"e/{index}", attempt, number, reached))

    def end(self, index, outcome=WELL, attempt=1, loss=None):
        return self.tell(AttemptEnded(1, f"e/{index}", attempt, outcome, {"mean_loss": loss}))


def ended(index, reason, attempt=1):
    return [EndAttempt(f"e/{index}", attempt, Stop(EndedBy.SCHEDULER, reason))]


def test_a_trial_is_told_to_go_on_or_to_end():
    sweep = Sweep()
    for index in range(2):
        assert sweep.reach(index, 1, index / 10) == [GoOn(f"e/{index}", 1, 1)]
    reason = "rank 3 of 3 at 1 iteration, the best one goes on"
    assert sweep.reach(2, 1, 0.9) == ended(2, reason)


def test_each_milestone_of_a_trial_is_judged_once():
    sweep = Sweep()
    for index in range(5):
        sweep.reach(index, 1, index / 10)
    reason = "rank 6 of 6 at 1 iteration, the best 2 go on"
    sweep.reach(5, 1, 0.9)
    sweep.end(5, LOST)  # before it could end as it was to
    assert sweep.reach(5, 1, 0.0, attempt=2) == ended(5, reason, attempt=2)
    sweep.end(0, FAILED)
    assert sweep.reach(0, 1, 99.0, attempt=2) == [GoOn("e/0", 2, 1)]


def test_a_trial_that_was_to_end_ends_when_it_goes_on_from_there():
    sweep = Sweep()
    for index in range(6):
        wishes = sweep.reach(index, 1, index / 10)
    sweep.tell(CheckpointKept(1, "e/5", 1, 1, 1))
    started = sweep.end(5, LOST)
    checkpoint = CheckpointRef(1, 1, 1)
    assert started[1:] == [
        StartAttempt("e/5", 2, None, checkpoint),
        EndAttempt("e/5", 2, wishes[0].stop),
    ]


def test_who_has_come_to_its_own_end_is_known_at_the_rungs_above():
    sweep = Sweep(scheduler={"asha": {"reduction_factor": 2}})
    for index in range(3):
        sweep.end(index, loss=0.1)
    reason = "rank 4 of 4 at 4 iterations, the best 2 go on"
    assert sweep.reach(3, 4, 0.5) == ended(3, reason)


def test_nobody_waits_in_a_sweep_that_ends():
    sweep = Sweep()
    sweep.tell(StopAsked(1, "interrupted"))
    assert sweep.reach(0, 1, 0.5) == [GoOn("e/0", 1, 1)]


def test_the_first_of_several_that_wants_to_end_a_trial_ends_it():
    median = {"median": {"grace_period": 1, "min_trials": 1}}
    sweep = Sweep(scheduler=[median, "asha"])
    both = [Reached(judge, 1, 1, 0.1, 0.1, 0.1) for judge in (0, 1)]
    sweep.tell(MilestonesReached(1, "e/0", 1, 1, tuple(both)))
    worse = [Reached(judge, 1, 1, 0.5, 0.5, 0.5) for judge in (0, 1)]
    (wish,) = sweep.tell(MilestonesReached(1, "e/1", 1, 1, tuple(worse)))
    assert wish.stop.reason.startswith("its best mean_loss 0.5 at 1 iteration is worse than the")


class Own(Scheduler):
    def milestones(self, trial):
        return Milestones(Objective("mean_loss", "min"), "training_iteration", (2,))

    def on_milestone(self, trial, reached):
        return f"{reached.value} is too much" if reached.value > 1 else None


def test_a_scheduler_of_ones_own_judges_beside_them():
    sweep = Sweep(own=Own())
    trial = sweep.core.trial("e/0")
    assert [each.at for each in sweep.core.milestones(trial)] == [(1, 3), (2,)]
    reached = (Reached(1, 2, 2, 7.0),)
    assert sweep.tell(MilestonesReached(1, "e/0", 1, 1, reached)) == ended(0, "7.0 is too much")


class Broken(Own):
    def on_milestone(self, trial, reached):
        raise ValueError("no")


def test_a_scheduler_that_fails_ends_the_sweep_and_lets_nobody_wait():
    sweep = Sweep(own=Broken())
    wishes = sweep.tell(MilestonesReached(1, "e/0", 1, 1, (Reached(1, 2, 2, 7.0),)))
    assert wishes[0] == GoOn("e/0", 1, 1)
    assert sweep.core.stop_reason == "the sweep failed: ValueError: no"


LOSSES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, None]), min_size=30, max_size=30)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(LOSSES, st.integers(1, 40), st.randoms(use_true_random=False))
def test_a_sweep_that_is_taken_over_judges_as_it_would_have(losses, cut, chance):
    """Whatever prefix of the journal is replayed, what is said from there on is the same."""
    sweep = Sweep(num_trials=8)
    courses = {}
    for loss in losses:
        index = chance.randrange(8)
        course = courses.setdefault(
            index, [Course(0, sweep.core.milestones(sweep.core.trial(f"e/{index}"))[0]), 0]
        )
        course[1] += 1
        row = {"training_iteration": course[1], "mean_loss": loss}
        reached = tuple(course[0].reached(row))
        if reached:
            sweep.tell(MilestonesReached(1, f"e/{index}", 1, course[1], reached))
        if chance.random() < 0.1:
            sweep.end(index, loss=loss)
    replayed = sweep.new()
    for event, then in sweep.entries[:cut]:
        replayed.replay(event, then)
    said = [replayed.handle(event) for event, _ in sweep.entries[cut:]]
    assert said == [wishes for _, wishes in sweep.entries[cut:]]


def test_a_new_driver_knows_what_was_judged():
    sweep = Sweep()
    for index in range(5):
        sweep.reach(index, 1, index / 10)
    core = sweep.new()
    for event, then in sweep.entries:
        core.replay(event, then)
    core.handle(TakenOver(2))
    core.handle(AttemptEnded(2, "e/5", 1, LOST))
    core.handle(SweepBegan(2, 6))
    reached = (Reached(0, 1, 1, 0.9, 0.9, 0.9),)
    assert core.handle(MilestonesReached(3, "e/5", 2, 1, reached)) == ended(
        5, "rank 6 of 6 at 1 iteration, the best 2 go on", attempt=2
    )


def test_a_budget_that_ends_a_trial_at_a_milestone_is_no_verdict_about_it():
    sweep = Sweep(1, budget={"time": 60})
    reached = (Reached(0, 1, 1, 0.5, 0.5, 0.5),)
    _, end, stop = told = sweep.tell(MilestonesReached(60, "e/0", 1, 1, reached))
    assert [type(wish) for wish in told] == [GoOn, EndExperiment, EndAttempt]
    sweep.tell(CheckpointKept(61, "e/0", 1, 1, 1))
    by_budget = Outcome(TrialState.TERMINATED, EndedBy.BUDGET, end.reason, reports=1)
    sweep.tell(AttemptEnded(61, "e/0", 1, by_budget))
    assert stop.stop == Stop(EndedBy.BUDGET, end.reason)
    # With more time its next attempt goes on from there.
    more = Sweep(1, budget={"time": 99}).new()
    for event, then in sweep.entries:
        assert more.replay(event, then) == then
    more.handle(TakenOver(61))
    start = StartAttempt("e/0", 2, checkpoint=CheckpointRef(1, 1, 1))
    assert more.handle(SweepBegan(61, 1)) == [start]


def edited(sweep, **keys):
    """A core that knows what an earlier driver of the sweep was told, with another spec."""
    core = Sweep(6, **keys).new()
    for event, then in sweep.entries:
        core.replay(event, then)
    return core


def test_a_rung_that_is_none_any_more_is_passed_over():
    sweep = Sweep(scheduler={"asha": {"grace_period": 2, "reduction_factor": 2}})
    sweep.reach(0, 2, 0.0)
    for index in range(5):
        sweep.reach(index, 4, index / 10)
    core = edited(sweep, scheduler={"asha": {"grace_period": 4, "reduction_factor": 2}})
    assert core.failure is None
    reached = (Reached(0, 4, 4, 0.9, 0.9, 0.9, "mean_loss"),)
    assert core.handle(MilestonesReached(3, "e/5", 1, 9, reached)) == ended(
        5, "rank 6 of 6 at 4 iterations, the best 3 go on"
    )


def test_values_of_another_metric_are_not_compared():
    sweep = Sweep()
    for index in range(6):
        reached = (Reached(0, 1, 1, 5.0 + index, 5.0, 5.0, "mean_loss"),)
        sweep.tell(MilestonesReached(1, f"e/{index}", 1, 1, reached))
        sweep.end(index, loss=5.0)
    core = edited(sweep, metric="mean_accuracy", mode="max")
    judge = core._state.judging._judges["e"][0]
    assert [rung.keys for rung in judge._rungs.values()] == [[], []]


def test_who_was_to_end_at_one_of_several_rungs_is_to_end_when_it_comes_there_again():
    sweep = Sweep()
    for index in range(5):
        sweep.reach(index, 1, index / 10)
    both = tuple(Reached(0, milestone, 3, 0.9, 0.9, 0.9) for milestone in (1, 3))
    (wish,) = sweep.tell(MilestonesReached(1, "e/5", 1, 1, both))
    sweep.end(5, LOST)
    again = sweep.tell(MilestonesReached(1, "e/5", 2, 1, both))
    assert again == [EndAttempt("e/5", 2, wish.stop)]


def test_an_answer_is_told_to_a_new_recorder_again():
    sweep = Sweep()
    sweep.reach(0, 1, 0.5, number=7)
    assert sweep.tell(RecorderRestarted(2)) == [GoOn("e/0", 1, 7)]
