"""What a budget does in a sweep that is resumed, and how far it is used."""

from dataclasses import replace

import pytest

from tests.sweep.budgets import (
    BY_BUDGET,
    OVER,
    Sweep,
    budget,
    ended,
    started,
)
from tests.sweep.cores import CANCELLED, FAILED
from tune_tasks.model.trial import EndedBy, Resources
from tune_tasks.spec.budget import Hours
from tune_tasks.sweep.events import (
    Reported,
    ResultsLost,
    StopAsked,
    Ticked,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndAll,
    EndExperiment,
    ForgetAttempt,
    KeepEnd,
    StartAttempt,
)

# ── Going on ─────


def over(**keys):
    """A sweep whose time is over; one trial was ended by that, another one has failed."""
    sweep = Sweep(budget(time_s=60), num_trials=4, room=3, **keys)
    sweep.begin()
    sweep.announce(0, 1, 2)
    sweep.end(2, outcome=FAILED, at=10)
    sweep.tell(Ticked(60))
    sweep.end(0, outcome=BY_BUDGET)
    sweep.end(1, outcome=BY_BUDGET)
    sweep.tell(Ticked(61))
    sweep.end(3, outcome=BY_BUDGET)
    assert sweep.last == [ForgetAttempt("e/3", 1), CloseSweep()]
    return sweep


@pytest.mark.parametrize("retry_failed", [False, True])
def test_without_a_larger_budget_a_resumed_sweep_says_so_and_ends(retry_failed):
    sweep = over()
    said = sweep.resumed(budget(time_s=60), at=61, retry_failed=retry_failed)
    assert said == [EndExperiment("e", OVER, ends_trials=True)]
    assert sweep.begin() == [CloseSweep()]
    ends = [sweep.core.outcome(f"e/{i}") for i in range(4)]
    assert [end and end.ended_by for end in ends] == [
        EndedBy.BUDGET,
        EndedBy.BUDGET,
        EndedBy.ERROR,
        None,
    ]


def test_with_a_larger_budget_it_goes_on_with_what_was_ended():
    sweep = over()
    assert sweep.resumed(budget(time_s=120), at=61) == []
    assert started(sweep.begin()) == ["e/0", "e/1", "e/3"]
    assert sweep.tell(Ticked(119)) == []
    assert ended(sweep.tell(Ticked(120)))


def test_a_resume_that_changed_nothing_is_followed_by_one_that_does():
    sweep = over()
    sweep.resumed(budget(time_s=60), at=61)
    sweep.begin()
    sweep.resumed(budget(time_s=120), at=61)
    assert started(sweep.begin()) == ["e/0", "e/1", "e/3"]
    sweep.announce(0, 1, at=62, attempt=2)
    # With less than it had it is over at once; nobody hears of two ends of one trial.
    sweep.resumed(budget(time_s=10), at=63)
    assert sweep.end(0, outcome=CANCELLED, attempt=2) == [
        KeepEnd("e/0", 2, replace(CANCELLED, reports=1), will_retry=False)
    ]


def test_failed_trials_that_are_given_another_attempt_are_no_failures():
    sweep = Sweep(budget(failures=1), num_trials=2, room=1)
    sweep.begin()
    (_, end, close) = sweep.run(0, outcome=FAILED)
    assert (end.reason, close) == ("budget: 1 trial failed", CloseSweep())
    assert ended(sweep.resumed(budget(failures=1), at=1)) == [end]
    assert sweep.begin() == [CloseSweep()]
    assert ended(sweep.resumed(budget(failures=1), at=2, retry_failed=True)) == []
    assert sweep.begin() == [StartAttempt("e/0", 2)]
    assert started(sweep.end(0, attempt=2)) == ["e/1"]


def test_what_an_earlier_budget_has_ended_as_its_driver_died_goes_on_with_a_larger_one():
    sweep = Sweep(budget(time_s=60), num_trials=1, room=1)
    sweep.begin()
    sweep.announce(0)
    sweep.tell(Ticked(60))
    sweep.resumed(budget(time_s=99), at=60)
    assert sweep.end(0, outcome=BY_BUDGET)[0].will_retry
    assert sweep.begin() == [StartAttempt("e/0", 2)]


def test_a_goal_that_an_edit_sets_may_be_reached_already():
    sweep = Sweep(None, num_trials=9, room=1)
    sweep.begin()
    sweep.run(0, 0.5)
    sweep.run(1, 0.25)
    assert ended(sweep.resumed(budget(goal=0.2), at=5)) == []
    (end,) = ended(sweep.resumed(budget(goal=0.3), at=5))
    assert end.reason == "budget: the goal is reached, with mean_loss 0.25"


def test_results_that_are_lost_are_to_come_again():
    sweep = Sweep(budget(patience=2), num_trials=9, room=1)
    sweep.begin()
    sweep.run(0, 0.5)
    sweep.run(1, 0.6)
    sweep.resumed(budget(patience=2), at=5)
    sweep.tell(ResultsLost(5, "e/1"))
    assert sweep.core.budgets(5)["e"].words == "0 of 2 trials without a better one"


def test_the_time_in_which_nobody_drives_the_sweep_does_not_count():
    """The clock of the events goes on from the last one; see `driver`."""
    sweep = Sweep(budget(time_s=60, hours=(Hours("trial hour", 1),)), room=1)
    sweep.begin()
    sweep.announce(0)
    sweep.tell(StopAsked(30, "Ctrl-C"))
    sweep.end(0, outcome=CANCELLED)
    sweep.resumed(budget(time_s=60), at=30)
    sweep.begin()
    assert sweep.core.budgets(45)["e"].words == "45 of 60 s"


def test_a_stopped_sweep_is_not_ended_by_a_budget_as_well():
    sweep = Sweep(budget(time_s=60), room=1)
    sweep.begin()
    sweep.announce(0)
    assert isinstance(sweep.tell(StopAsked(59, "Ctrl-C"))[0], EndAll)
    assert sweep.tell(Ticked(60)) == []


def test_what_a_budget_has_ended_is_no_verdict_of_the_scheduler():
    """A report comes just as the time is over: the next attempt must not be ended because of it."""
    sweep = Sweep(budget(time_s=60), num_trials=1, room=1)
    sweep.begin()
    sweep.announce(0)
    _, end = sweep.tell(Reported(60, "e/0", 1, 1, {}))
    assert end.stop.ended_by is EndedBy.BUDGET
    sweep.end(0, outcome=BY_BUDGET)
    sweep.resumed(budget(time_s=99), at=60)
    assert sweep.begin() == [StartAttempt("e/0", 2)]


# ── How far it is used ─────


def test_how_far_it_is_used():
    everything = budget(
        time_s=21_600,
        hours=(Hours("CPU hour", 100),),
        patience=40,
        goal=0.05,
        failures=3,
    )
    sweep = Sweep(everything, resources=Resources(cpu=8))
    assert sweep.core.budgets(0)["e"].left_s is None
    sweep.begin()
    sweep.announce(0, 1)
    sweep.tell(Reported(1, "e/0", 1, 1, {"mean_loss": 0.25}))
    use = sweep.core.budgets(4_500)["e"]
    assert use.words == (
        "1.2 of 6 h, 20 of 100 CPU hours, 0 of 40 trials without a better one,"
        " goal mean_loss 0.05 (so far 0.25), 0 of 3 failed trials"
    )
    assert use.left_s == 21_600 - 4_500
    assert use.used_up is None
    # 16 CPUs at once: 100 CPU hours are used in 6.25 hours; the 6 hours are over before that.
    only_hours = Sweep(budget(hours=(Hours("CPU hour", 100),)), resources=Resources(cpu=8))
    only_hours.begin()
    only_hours.announce(0, 1)
    assert only_hours.core.budgets(4_500)["e"].left_s == pytest.approx(80 / 16 * 3_600)
