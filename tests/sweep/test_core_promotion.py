"""Promotions in the core: trials wait, the best go on, and none is left waiting in the end."""

from dataclasses import replace

from tests.sweep.cores import FAILED
from tests.sweep.test_core_milestones import Sweep
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.milestones import Reached
from tune_tasks.model.trial import EndedBy, Outcome, Stop, TrialState
from tune_tasks.search.observation import Fate
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.sweep.events import (
    AttemptEnded,
    CheckpointKept,
    MilestonesReached,
    Pause,
    PauseChanged,
    Proposed,
    ResultsLost,
    StartFailed,
    StopAsked,
    SweepBegan,
    TakenOver,
    Ticked,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndAttempt,
    ForgetAttempt,
    GoOn,
    KeepEnd,
    KillAttempt,
    Propose,
    StartAttempt,
)

PROMOTE = {"asha": {"mode": "promote"}}
PAUSED_0 = "paused at 1 iteration: rank 1 of 1, one goes on once 3 are there"
LOST = Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, "the sweep's driver died")
DONE = Outcome(TrialState.TERMINATED, EndedBy.CRITERION, "training_iteration 9 >= 9", reports=9)


def promoting(num_trials=6, room=1, **keys):
    return Sweep(num_trials, room=room, **{"scheduler": PROMOTE, **keys})


def ended_as(stop, reports=1):
    return Outcome(TrialState.TERMINATED, stop.ended_by, stop.reason, reports=reports)


def pause(sweep, index, step, value, attempt=1):
    """A trial comes to a rung, with a checkpoint, and its attempt ends as it is told."""
    sweep.tell(CheckpointKept(1, f"e/{index}", attempt, step, step))
    (wish,) = sweep.reach(index, step, value, attempt, number=step)
    assert isinstance(wish, EndAttempt), wish
    assert wish.stop.ended_by is EndedBy.PAUSED
    return sweep.end(index, ended_as(wish.stop, step), attempt, loss=value)


def started(wishes):
    return [(wish.trial, wish.attempt) for wish in wishes if isinstance(wish, StartAttempt)]


def replayed(sweep, **keys):
    """A core that knows what an earlier driver of the sweep was told, perhaps with another spec."""
    core = promoting(**keys).new() if keys else sweep.new()
    for event, then in sweep.entries:
        answer = core.replay(event, then)
        assert keys or answer == then
    return core


# ── Waiting, and going on ─────


def test_a_trial_that_is_paused_gives_its_place_to_another():
    sweep = promoting()
    kept, start = pause(sweep, 0, 1, 0.5)
    assert kept.outcome == Outcome(TrialState.TERMINATED, EndedBy.PAUSED, PAUSED_0, reports=1)
    assert kept.will_retry
    assert start == StartAttempt("e/1", 1)
    assert sweep.core.paused("e/0") == kept.outcome
    assert sweep.core.outcome("e/0") is None
    assert sweep.core.pending == 5


def test_the_best_that_waits_goes_on_from_its_checkpoint_before_a_new_trial():
    sweep = promoting()
    pause(sweep, 0, 1, 0.1)
    pause(sweep, 1, 1, 0.5)
    _, start = pause(sweep, 2, 1, 0.9)
    assert start == StartAttempt("e/0", 2, None, CheckpointRef(1, 1, 1))
    # It comes to the same rung again, and is not judged again.
    assert sweep.reach(0, 1, 0.1, attempt=2) == [GoOn("e/0", 2, 1)]
    assert started(pause(sweep, 0, 3, 0.1, attempt=2)) == [("e/3", 1)]


def test_who_is_among_the_best_when_it_comes_goes_on_at_once():
    sweep = promoting()
    pause(sweep, 0, 1, 0.5)
    pause(sweep, 1, 1, 0.6)
    assert sweep.reach(2, 1, 0.1) == [GoOn("e/2", 1, 1)]


def test_no_more_start_than_there_is_room_for():
    """A trial that waited in Ray would take the place of one that is promotable by then."""
    sweep = promoting(9, room=2)
    assert started(sweep.entries[0][1]) == [("e/0", 1), ("e/1", 1)]


def test_several_rungs_at_once_are_passed_and_the_last_one_is_waited_at():
    sweep = promoting(2)
    both = tuple(Reached(0, rung, 3, 0.5, 0.5, 0.5) for rung in (1, 3))
    (end,) = sweep.tell(MilestonesReached(1, "e/0", 1, 1, both))
    assert end.stop.reason == "paused at 3 iterations: rank 1 of 1, one goes on once 3 are there"


def test_what_is_not_a_number_ends():
    sweep = promoting()
    (end,) = sweep.reach(0, 1, None)
    assert end.stop == Stop(EndedBy.SCHEDULER, "no finite mean_loss at 1 iteration")


def test_a_pause_is_no_failure():
    sweep = promoting(1, max_failures=0)
    pause(sweep, 0, 1, 0.1)
    kept, _ = sweep.end(0, FAILED, 2)
    assert not kept.will_retry


def test_who_dies_before_it_is_paused_is_told_so_again():
    sweep = promoting()
    (end,) = sweep.reach(0, 1, 0.1)
    kept, start = sweep.end(0, FAILED)
    assert kept.will_retry
    assert start.trial == "e/0"
    assert sweep.reach(0, 1, 0.1, attempt=2) == [replace(end, attempt=2)]


def test_who_has_lost_its_results_while_it_waits_makes_them_again_and_waits_again():
    sweep = promoting()
    pause(sweep, 0, 1, 0.1)
    sweep.tell(ResultsLost(1, "e/0"))
    _, start = pause(sweep, 1, 1, 0.5)
    assert start == StartAttempt("e/0", 2)
    pause(sweep, 0, 1, 0.1, attempt=2)
    assert sweep.core.paused("e/0")
    _, start = pause(sweep, 2, 1, 0.9)
    assert start.trial == "e/0"
    assert start.checkpoint == CheckpointRef(2, 1, 1)


def test_a_promoted_one_that_never_ran_waits_as_before():
    sweep = promoting()
    for index in range(3):
        wishes = pause(sweep, index, 1, index / 10)
    waited = Outcome(TrialState.TERMINATED, EndedBy.PAUSED, PAUSED_0, reports=1)
    assert started(wishes) == [("e/0", 2)]
    sweep.tell(StopAsked(1, "Ctrl-C"))
    (kill,) = [w for w in sweep.tell(Ticked(2, ())) if isinstance(w, KillAttempt)]
    killed = Outcome(TrialState.TERMINATED, kill.stop.ended_by, kill.stop.reason)
    forget, end, _ = sweep.end(0, killed, attempt=2)
    assert forget == ForgetAttempt("e/0", 2)
    assert (end.trial, end.attempt) == ("e/0", 1)
    assert end.outcome.reports == 1
    core = replayed(sweep)
    core.handle(TakenOver(3))
    assert core.paused("e/0") == waited


def test_a_promoted_one_of_which_nobody_has_heard_counts_as_ended_no_more():
    """Its driver has died before it heard that the process runs."""
    sweep = promoting(budget={"patience": 3})
    for index in range(3):
        wishes = pause(sweep, index, 1, index / 10)
    assert started(wishes) == [("e/0", 2)]
    sweep.core = replayed(sweep)
    sweep.tell(TakenOver(2))
    sweep.end(0, LOST, attempt=2, loss=0.0)
    assert started(sweep.tell(SweepBegan(3, 2))) == [("e/0", 3), ("e/3", 1)]
    pause(sweep, 3, 1, 0.9)
    assert sweep.core.budgets(3)["e"].used_up is None


def test_a_budget_that_is_used_up_as_the_last_one_ends_ends_those_that_wait_once():
    sweep = promoting(3, budget={"goal": -0.5})
    for index in range(3):
        pause(sweep, index, 1, index / 10)
    pause(sweep, 0, 3, 0.0, attempt=2)
    wishes = sweep.end(0, DONE, attempt=3, loss=-1.0)
    ends = [(w.trial, w.outcome.ended_by) for w in wishes if isinstance(w, KeepEnd)]
    assert ends[1:] == [("e/1", EndedBy.BUDGET), ("e/2", EndedBy.BUDGET)]


def test_paused_ones_say_that_the_script_works_to_the_next_driver_too():
    sweep = promoting(12, max_failures=0)
    pause(sweep, 0, 1, 0.1)
    core = replayed(sweep)
    core.handle(TakenOver(2))
    core.handle(AttemptEnded(2, "e/1", 1, LOST, {}))
    core.handle(SweepBegan(3, 1))
    for _ in range(4):
        ((key, attempt),) = core.running
        core.handle(AttemptEnded(4, key, attempt, FAILED, {}))
    assert core.ended_early is None


def test_trials_that_write_no_checkpoint_end_the_sweep_with_a_sentence():
    sweep = promoting()
    (end,) = sweep.reach(0, 1, 0.1)
    sweep.end(0, ended_as(end.stop))
    assert sweep.core.ended_early.startswith("script_0 was paused and has written no checkpoint")
    assert sweep.core.outcome("e/0").ended_by is EndedBy.CANCELLED
    assert replayed(sweep).ended_early == sweep.core.ended_early


def test_one_that_writes_none_waits_if_others_do():
    sweep = promoting()
    pause(sweep, 0, 1, 0.1)
    (end,) = sweep.reach(1, 1, 0.5)
    sweep.end(1, ended_as(end.stop))
    assert sweep.core.ended_early is None
    assert sweep.core.paused("e/1")


# ── Ends ─────


def finish(sweep):
    """Three trials, of which the best goes on to the end; returns the last wishes."""
    for index in range(3):
        pause(sweep, index, 1, index / 10)
    pause(sweep, 0, 3, 0.0, attempt=2)
    return sweep.end(0, DONE, attempt=3, loss=0.0)


def test_those_that_nobody_promotes_end_when_nothing_else_is_left():
    sweep = promoting(3)
    wishes = finish(sweep)
    reasons = {wish.trial: wish.outcome.stop_reason for wish in wishes[1:-1]}
    assert reasons == {
        f"e/{index}": f"not promoted: rank {index + 1} of 3 at 1 iteration, the best one goes on"
        for index in (1, 2)
    }
    assert all(wish.outcome.ended_by is EndedBy.SCHEDULER for wish in wishes[1:-1])
    assert wishes[-1] == CloseSweep()
    assert sweep.core.unfinished() == 0
    assert replayed(sweep).unfinished() == 0


def test_the_best_comes_to_its_end_however_few_they_are():
    sweep = promoting(1)
    assert started(pause(sweep, 0, 1, 0.1)) == [("e/0", 2)]
    assert started(pause(sweep, 0, 3, 0.1, attempt=2)) == [("e/0", 3)]


def test_a_stop_ends_those_that_wait_and_a_resumed_sweep_has_them_wait_again():
    sweep = promoting()
    pause(sweep, 0, 1, 0.1)
    wishes = sweep.tell(StopAsked(1, "Ctrl-C"))
    _, kept = wishes
    assert kept.outcome.ended_by is EndedBy.CANCELLED
    assert kept.outcome.stop_reason.startswith("Ctrl-C; it was paused at 1 iteration")
    sweep.end(1, LOST)
    assert sweep.core.unfinished() == 6
    core = replayed(sweep)
    core.handle(TakenOver(2))
    assert core.paused("e/0")
    assert started(core.handle(SweepBegan(2, 1))) == [("e/1", 2)]


def test_who_is_paused_while_the_sweep_is_stopped_ends_with_it():
    sweep = promoting()
    (end,) = sweep.reach(0, 1, 0.1)
    sweep.tell(StopAsked(1, "Ctrl-C"))
    kept, last, close = sweep.end(0, ended_as(end.stop))
    assert (kept.will_retry, last.will_retry) == (True, False)
    assert last.outcome.ended_by is EndedBy.CANCELLED
    assert close == CloseSweep()
    assert replayed(sweep).outcome("e/0") == last.outcome


def test_a_budget_ends_those_that_wait_and_a_larger_one_goes_on():
    sweep = promoting(budget={"time": 60})
    pause(sweep, 0, 1, 0.1)
    sweep.tell(Ticked(61))
    assert sweep.core.outcome("e/0").ended_by is EndedBy.BUDGET
    sweep.end(1, Outcome(TrialState.TERMINATED, EndedBy.BUDGET, "budget"))
    core = replayed(sweep, budget={"time": 600})
    core.handle(TakenOver(62))
    assert core.paused("e/0")
    core.handle(SweepBegan(62, 1))
    assert core.running == [("e/1", 2)]


def test_paused_trials_count_for_the_patience_of_a_budget():
    sweep = promoting(budget={"patience": 2})
    for index in range(3):
        pause(sweep, index, 1, 0.1 + index)
    assert sweep.core.budgets(1)["e"].used_up


def test_a_paused_sweep_promotes_nobody_and_ends_nobody():
    sweep = promoting(2)
    sweep.tell(PauseChanged(1, Pause.ON))
    sweep.tell(CheckpointKept(1, "e/0", 1, 1, 1))
    (end,) = sweep.reach(0, 1, 0.1)
    assert len(sweep.end(0, ended_as(end.stop))) == 1
    assert started(sweep.tell(PauseChanged(2, Pause.OFF))) == [("e/1", 1)]


def test_a_suspended_sweep_leaves_those_that_wait():
    sweep = promoting(1)
    sweep.tell(PauseChanged(1, Pause.SUSPENDED))
    sweep.tell(CheckpointKept(1, "e/0", 1, 1, 1))
    (end,) = sweep.reach(0, 1, 0.1)
    _, close = sweep.end(0, ended_as(end.stop))
    assert close == CloseSweep()
    assert sweep.core.is_suspended
    assert sweep.core.paused("e/0")


def test_results_that_are_lost_are_made_again_up_to_the_rung():
    sweep = promoting(3)
    finish(sweep)
    core = replayed(sweep)
    core.handle(TakenOver(2))
    core.handle(ResultsLost(2, "e/2"))
    assert started(core.handle(SweepBegan(2, 1))) == [("e/2", 2)]
    reached = (Reached(0, 1, 1, 0.2, 0.2, 0.2),)
    (end,) = core.handle(MilestonesReached(3, "e/2", 2, 1, reached))
    assert end.stop.ended_by is EndedBy.PAUSED


# ── Edits ─────


def test_more_trials_have_those_that_were_not_promoted_wait_again():
    sweep = promoting(3)
    finish(sweep)
    core = replayed(sweep, num_trials=6)
    core.handle(TakenOver(2))
    assert core.paused("e/1")
    assert started(core.handle(SweepBegan(2, 1))) == [("e/3", 1)]


def test_the_same_spec_leaves_a_sweep_that_is_over_as_it_is():
    sweep = promoting(3)
    finish(sweep)
    core = replayed(sweep)
    assert core.handle(TakenOver(2)) == []
    assert core.handle(SweepBegan(2, 1)) == [CloseSweep()]


def test_without_promotions_those_that_waited_go_on():
    sweep = promoting(3)
    pause(sweep, 0, 1, 0.1)
    core = replayed(sweep, num_trials=3, scheduler="asha")
    core.handle(TakenOver(2))
    core.handle(StartFailed(2, "e/1", 1))
    wishes = core.handle(SweepBegan(2, 3))
    assert ("e/0", 2) in started(wishes)


def test_a_smaller_factor_promotes_those_that_waited():
    sweep = promoting(4)
    pause(sweep, 0, 1, 0.1)
    pause(sweep, 1, 1, 0.2)
    two = {"asha": {"mode": "promote", "reduction_factor": 2}}
    core = replayed(sweep, num_trials=4, scheduler=two)
    core.handle(TakenOver(2))
    core.handle(StartFailed(2, "e/2", 1))
    assert started(core.handle(SweepBegan(2, 1))) == [("e/0", 2)]


class Last(Scheduler):
    def choose(self, pending):
        return pending[len(pending) - 1]


def test_whom_a_scheduler_of_ones_own_does_not_choose_waits_on():
    sweep = promoting(room=1, own=Last())
    for index, following in ((5, 4), (4, 3), (3, 2)):
        wishes = pause(sweep, index, 1, 1 - index / 10)
        assert started(wishes) == [(f"e/{following}", 1)]
    # It is promotable, and is so again at the next choice.
    assert sweep.core.paused("e/5")
    core = Sweep(6, PROMOTE, own=Last(), room=1).new()
    for event, then in sweep.entries:
        core.replay(event, then)
    assert core.paused("e/5")
    assert core.trial("e/5") not in core._state.pending


# ── Models ─────


def test_a_model_hears_of_those_that_wait_as_of_stopped_ones():
    sweep = promoting(6, search={"tpe": {"startup_trials": 2}}, config={"lr": {"uniform": [0, 1]}})
    pause(sweep, 0, 1, 0.1)
    _, *asked = pause(sweep, 1, 1, 0.5)
    assert asked == [Propose("e/2")]
    told = {each.index: (each.fate, each.value) for each in sweep.core.history_for("e/2")}
    assert told == {0: (Fate.STOPPED, 0.1), 1: (Fate.STOPPED, 0.5)}
    sweep.tell(Proposed(2, "e/2", {"lr": 0.5}))
    # Who is promotable goes on, and no model is asked for another one.
    wishes = pause(sweep, 2, 1, 0.9)
    assert started(wishes) == [("e/0", 2)]
    assert not any(isinstance(wish, Propose) for wish in wishes)
    assert sweep.core.history_for("e/3")[0].fate is Fate.RUNNING
