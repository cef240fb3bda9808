"""What uses a budget up, and what follows."""

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
from tests.sweep.cores import CANCELLED, FAILED, WELL, Chooses, trial
from tune_tasks.model.objective import Objective
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import EndedBy, Resources, Stop
from tune_tasks.spec.budget import MIN_ENDED, Budget, Hours
from tune_tasks.spec.retry import RetryRule
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import CoreExperiment
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    Pause,
    PauseChanged,
    RecorderRestarted,
    Reported,
    StartFailed,
    SweepBegan,
    Ticked,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndAttempt,
    EndExperiment,
    ForgetAttempt,
    KillAttempt,
    StartAttempt,
)

# ── Time and hours ─────


def test_when_its_time_is_over_its_trials_are_ended_and_none_is_started():
    sweep = Sweep(budget(time_s=60), num_trials=4, room=3)
    sweep.begin(at=5)
    sweep.announce(0, 1, at=6)
    assert sweep.tell(Ticked(64.9)) == []
    stop = Stop(EndedBy.BUDGET, OVER)
    assert sweep.tell(Ticked(65)) == [
        EndExperiment("e", OVER, ends_trials=True),
        *[EndAttempt(f"e/{i}", 1, stop) for i in range(3)],
    ]
    # One had not begun: it is taken back.
    assert sweep.tell(Ticked(65.2)) == [KillAttempt("e/2", 1, stop)]
    assert sweep.end(2, outcome=BY_BUDGET) == [ForgetAttempt("e/2", 1)]
    assert sweep.end(0, outcome=BY_BUDGET)[0].will_retry is False
    assert sweep.end(1)[1:] == [CloseSweep()]
    assert (sweep.core.pending, sweep.core.unfinished()) == (0, 0)
    assert sweep.core.outcome("e/3") is None


def test_the_time_begins_with_the_experiments_first_trial():
    sweep = Sweep(budget(time_s=60))
    sweep.tell(PauseChanged(0, Pause.ON))
    sweep.begin(at=0)
    assert sweep.tell(Ticked(100)) == []
    assert len(sweep.tell(PauseChanged(100, Pause.OFF))) == 2
    assert sweep.tell(Ticked(159)) == []
    assert ended(sweep.tell(Ticked(160)))


def test_while_a_sweep_is_paused_its_time_goes_on():
    sweep = Sweep(budget(time_s=60))
    sweep.begin()
    sweep.run(0)
    sweep.run(1)
    sweep.tell(PauseChanged(1, Pause.ON))
    sweep.end(2)
    sweep.end(3)
    assert sweep.tell(Ticked(60)) == [EndExperiment("e", OVER, True), CloseSweep()]


def test_other_experiments_go_on():
    sweep = Sweep(budget(time_s=60), num_trials=9, room=2, others=3)
    assert started(sweep.begin()) == ["e/0", "f/0"]
    sweep.announce(0)
    sweep.tell(Announced(0, "f/0", 1))
    assert sweep.tell(Ticked(60))[1:] == [EndAttempt("e/0", 1, Stop(EndedBy.BUDGET, OVER))]
    assert started(sweep.end(0, outcome=BY_BUDGET)) == ["f/1"]
    assert started(sweep.tell(AttemptEnded(61, "f/0", 1, WELL))) == ["f/2"]
    sweep.tell(AttemptEnded(61, "f/1", 1, WELL))
    assert sweep.tell(AttemptEnded(62, "f/2", 1, WELL))[1:] == [CloseSweep()]


@pytest.mark.parametrize(
    ("unit", "seconds", "words"),
    [
        ("trial hour", 1_800, "budget: 1 trial hour is used"),
        ("CPU hour", 450, "budget: 1 CPU hour is used"),
        ("GPU hour", 3_600, "budget: 1 GPU hour is used"),
    ],
)
def test_hours_are_those_of_the_attempts_that_run_and_of_those_that_have_ended(
    unit, seconds, words
):
    """Two trials at once, of 4 CPUs and half a GPU each."""
    sweep = Sweep(budget(hours=(Hours(unit, 1),)), resources=Resources(4, 0.5))
    sweep.begin()
    sweep.announce(0, 1, at=100)
    sweep.end(0, at=200)
    sweep.announce(2, at=200)
    assert sweep.tell(Ticked(100 + seconds - 0.1)) == []
    (end, *ends) = sweep.tell(Ticked(100 + seconds))
    assert end == EndExperiment("e", words, ends_trials=True)
    assert [wish.trial for wish in ends] == ["e/1", "e/2"]


def test_what_waits_in_ray_uses_no_hours():
    sweep = Sweep(budget(hours=(Hours("CPU hour", 0.01),)))
    sweep.begin()
    assert sweep.tell(Ticked(10_000)) == []
    sweep.tell(StartFailed(10_000, "e/0", 1))
    assert sweep.core.budgets(10_000)["e"].words == "0 of 0.01 CPU hours"


def test_a_recorder_that_is_new_is_asked_again():
    sweep = Sweep(budget(time_s=60), room=1)
    sweep.begin()
    sweep.announce(0)
    _, end = sweep.tell(Ticked(60))
    assert sweep.tell(RecorderRestarted(61)) == [end]


def test_a_trial_that_is_silent_is_ended_from_outside():
    sweep = Sweep(budget(time_s=60), room=1)
    sweep.begin()
    sweep.announce(0)
    sweep.tell(Ticked(60))
    (kill,) = sweep.tell(Ticked(120, ("e/0",)))
    assert kill.stop.ended_by is EndedBy.BUDGET


def test_a_trial_that_is_to_end_already_is_not_asked_again():
    core = Core(
        {"e": CoreExperiment([trial(0)], budget=budget(time_s=60))}, Chooses(0, reason="worse")
    )
    core.handle(SweepBegan(0, 1))
    (stop,) = core.handle(Reported(1, "e/0", 1, 1, {}))
    assert stop.stop.ended_by is EndedBy.SCHEDULER
    assert core.handle(Ticked(60)) == [EndExperiment("e", OVER, ends_trials=True)]


def test_what_fails_as_its_time_is_over_is_not_tried_again_until_there_is_more():
    sweep = Sweep(budget(time_s=60), num_trials=1, max_failures=1)
    sweep.begin()
    sweep.announce(0)
    sweep.tell(Ticked(60))
    kept, close = sweep.end(0, outcome=FAILED)
    assert (kept.will_retry, close) == (False, CloseSweep())
    sweep.resumed(budget(time_s=120), at=61)
    assert sweep.begin() == [StartAttempt("e/0", 2)]


def test_a_trial_that_waits_to_be_tried_again_does_not_keep_the_sweep():
    rule = RetryRule("ValueError", wait_s=100)
    sweep = Sweep(budget(patience=1), num_trials=3, max_failures=1, retry=[rule])
    sweep.begin()
    sweep.announce(0, 1)
    assert sweep.end(0, outcome=FAILED)[0].will_retry
    sweep.end(1, 0.5)
    assert sweep.run(2, 0.6)[1:] == [
        EndExperiment("e", "budget: 1 trial in a row without a better one", ends_trials=False),
        CloseSweep(),
    ]


# ── Patience, goal, failures ─────


def test_patience_is_how_many_trials_end_without_being_better():
    sweep = Sweep(budget(patience=3))
    sweep.begin()
    values = [0.5, 0.4, 0.4, 0.6, None]
    reasons = [ended(sweep.run(i, value)) for i, value in enumerate(values)]
    assert reasons[:4] == [[]] * 4
    reason = "budget: 3 trials in a row without a better one"
    assert reasons[4] == [EndExperiment("e", reason, ends_trials=False)]
    # What runs comes to its own end, and what waits in Ray is taken back.
    assert sweep.core.running == [("e/5", 1)]
    assert started(sweep.last) == []


def test_a_trial_that_fails_is_never_the_best_one():
    sweep = Sweep(budget(patience=3))
    sweep.begin()
    sweep.run(0, 0.5)
    sweep.run(1, 0.1, outcome=FAILED)
    assert not ended(sweep.run(2, 0.4))
    assert "0 of 3 trials without a better one" in sweep.core.budgets(1)["e"].words


def test_what_was_cancelled_or_ended_by_a_budget_does_not_count():
    sweep = Sweep(budget(patience=2, failures=1))
    sweep.begin()
    sweep.run(0, outcome=CANCELLED)
    assert sweep.core.budgets(1)["e"].words == (
        "0 of 2 trials without a better one, 0 of 1 failed trial"
    )


@pytest.mark.parametrize(("mode", "values"), [("min", (0.06, 0.05)), ("max", (0.04, 0.05))])
def test_a_goal_is_reached_by_a_report(mode, values):
    sweep = Sweep(Budget(goal=0.05, objective=Objective("mean_loss", mode)))
    sweep.begin()
    sweep.announce(0, 1)
    for value in (float("nan"), values[0], "x", None):
        assert sweep.tell(Reported(1, "e/0", 1, 1, {"mean_loss": value})) == []
    reason = "budget: the goal is reached, with mean_loss 0.05"
    assert sweep.tell(Reported(2, "e/1", 1, 1, {"mean_loss": values[1]})) == [
        EndExperiment("e", reason, ends_trials=False)
    ]
    assert sweep.tell(Ticked(100)) == []
    assert sweep.end(0)[1:] == []
    assert sweep.end(1)[1:] == [CloseSweep()]


def test_what_runs_on_after_a_goal_is_ended_when_the_time_is_over():
    sweep = Sweep(budget(goal=0.5, time_s=60), room=2)
    sweep.begin()
    sweep.announce(0, 1)
    reached = sweep.tell(Reported(1, "e/0", 1, 1, {"mean_loss": 0.4}))
    assert [end.ends_trials for end in reached] == [False]
    sweep.end(0, at=2)
    end, *wishes = sweep.tell(Ticked(60))
    assert end == EndExperiment("e", OVER, ends_trials=True)
    assert wishes == [EndAttempt("e/1", 1, Stop(EndedBy.BUDGET, OVER))]
    assert sweep.tell(Ticked(61)) == []
    sweep.end(1, outcome=BY_BUDGET)
    reason = "budget: the goal is reached, with mean_loss 0.4"
    assert sweep.core.budgets(61)["e"].used_up == reason


def test_a_number_of_failures():
    sweep = Sweep(budget(failures=2))
    sweep.begin()
    assert not ended(sweep.run(0, outcome=FAILED))
    assert not ended(sweep.run(1))
    (end,) = ended(sweep.run(2, outcome=FAILED))
    assert end == EndExperiment("e", "budget: 2 trials failed", ends_trials=False)


def test_a_share_of_failures_needs_some_trials():
    sweep = Sweep(budget(failure_share=0.5), max_failures=0)
    sweep.begin()
    sweep.tell(Reported(0, "e/0", 1, 1, {}))
    fates = [WELL, *[FAILED] * (MIN_ENDED - 2)]
    assert not any(ended(sweep.run(i, outcome=fate)) for i, fate in enumerate(fates))
    (end,) = ended(sweep.run(len(fates)))
    assert end.reason == f"budget: {MIN_ENDED - 2} of {MIN_ENDED} trials failed"


def test_a_failure_that_is_tried_again_is_none():
    sweep = Sweep(budget(failures=1), max_failures=1)
    sweep.begin()
    assert started(sweep.run(0, outcome=FAILED)) == ["e/0"]


# ── Constraints ─────


SMALL = (parse_criterion("size", "<= 5"),)


def test_an_infeasible_trial_is_no_better_best_and_reaches_no_goal():
    sweep = Sweep(budget(patience=2, goal=0.1, constraints=SMALL), others=0)
    sweep.begin()

    def ends(index, loss, size):
        sweep.announce(index)
        sweep.tell(Reported(0, f"e/{index}", 1, 1, {"mean_loss": loss, "info": {"size": size}}))
        metrics = {"mean_loss": loss, "size": size}
        return sweep.tell(AttemptEnded(0, f"e/{index}", 1, replace(WELL, reports=1), metrics))

    ends(0, 0.5, 4.0)
    ends(1, 0.05, 6.0)
    ends(2, 0.4, 5.0)  # a better one, so patience begins anew
    ends(3, 0.3, None)
    assert sweep.core.budgets(0)["e"].used_up is None
    words = "budget: 2 trials in a row without a better one"
    assert EndExperiment("e", words, ends_trials=False) in ends(4, 0.05, 9.0)


def test_a_goal_that_a_feasible_report_reaches():
    sweep = Sweep(budget(goal=0.1, constraints=SMALL))
    sweep.begin()
    sweep.announce(0)
    sweep.tell(Reported(0, "e/0", 1, 1, {"mean_loss": 0.05, "info": {"size": 6.0}}))
    assert sweep.tell(Ticked(0)) == []
    sweep.tell(Reported(0, "e/0", 1, 2, {"mean_loss": 0.1, "info": {"size": 5.0}}))
    reason = "budget: the goal is reached, with mean_loss 0.1"
    assert EndExperiment("e", reason, ends_trials=False) in [*sweep.last, *sweep.tell(Ticked(0))]


def test_a_constraint_that_an_edit_has_added_makes_no_ended_trial_worse():
    """Nobody has asked for its metric then."""
    sweep = Sweep(budget(patience=1, constraints=SMALL))
    sweep.begin()
    sweep.run(0, 0.5)
    sweep.run(1, 0.9)
    assert sweep.core.budgets(0)["e"].used_up is None
