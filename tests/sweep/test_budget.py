"""Budgets: what uses them up, what follows, and that a journal says the same again."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sweep.test_core import CANCELLED, FAILED, WELL, Chooses, trial
from tune_tasks.model.objective import Objective
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.trial import EndedBy, Outcome, Resources, Stop, TrialState
from tune_tasks.spec.budget import MIN_ENDED, Budget, Hours
from tune_tasks.spec.retry import RetryRule
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import LOOKAHEAD, CoreExperiment
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    Pause,
    PauseChanged,
    RecorderRestarted,
    Reported,
    ResultsLost,
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
    EndAttempt,
    EndExperiment,
    ForgetAttempt,
    KeepEnd,
    KillAttempt,
    StartAttempt,
    instruction_from_json,
    instruction_to_json,
)

LOSS = Objective("mean_loss", "min")
OVER = "budget: 60 s are over"
BY_BUDGET = Outcome(TrialState.TERMINATED, EndedBy.BUDGET, OVER)


def budget(**keys):
    return Budget(objective=LOSS, **keys)


class Sweep:
    """A core, and its journal as a driver writes it."""

    def __init__(self, budget, num_trials=20, room=2, others=0, retry=(), **keys):
        own = [trial(i, **keys) for i in range(num_trials)]
        other = CoreExperiment([trial(i, "f") for i in range(others)])
        self.make = lambda budget: Core(
            {"e": CoreExperiment(own, retry=retry, budget=budget), "f": other}
        )
        self.core = self.make(budget)
        self.room = room
        self.journal = []
        self.at = 0.0
        self.last = []
        self.is_over = False

    def tell(self, event):
        self.at = event.at
        self.last = self.core.handle(event)
        was_over = self.is_over and not isinstance(event, TakenOver)
        self.is_over = was_over or CloseSweep() in self.last
        is_kept = isinstance(event, Ticked) and event.at % 7 == 0  # one a minute, in a driver
        if self.last or is_kept or not isinstance(event, (Ticked, Reported)):
            self.journal.append((event, self.last))
        return self.last

    def begin(self, at=None):
        return self.tell(SweepBegan(self.at if at is None else at, self.room - LOOKAHEAD))

    def announce(self, *indices, at=0, attempt=1):
        for index in indices:
            self.tell(Announced(at, f"e/{index}", attempt))

    def end(self, index, value=1.0, *, outcome=WELL, at=None, attempt=1):
        at = self.at if at is None else at
        metrics = {"mean_loss": value}
        kept = replace(outcome, reports=1)
        return self.tell(AttemptEnded(at, f"e/{index}", attempt, kept, metrics))

    def run(self, index, value=1.0, **keys):
        """A trial from its announcement to its end; returns what follows from that."""
        self.announce(index, at=self.at)
        return self.end(index, value, **keys)

    def resumed(self, budget, at, **keys):
        """Another driver goes on, with the budget of the spec as it is now."""
        again = self.make(budget)
        for event, then in self.journal:
            through_json = [instruction_from_json(instruction_to_json(wish)) for wish in then]
            again.replay(event_from_json(event_to_json(event)), through_json)
        self.core = again
        return self.tell(TakenOver(at, **keys))


def started(instructions):
    return [wish.trial for wish in instructions if isinstance(wish, StartAttempt)]


def ended(instructions):
    return [wish for wish in instructions if isinstance(wish, EndExperiment)]


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


# ── Whatever happens ─────


BUDGETS = [
    budget(time_s=8),
    budget(time_s=20),
    budget(hours=(Hours("CPU hour", 0.005),)),
    budget(patience=2),
    budget(goal=0.1),
    budget(failures=2),
    budget(time_s=30, patience=4, failures=4),
    None,
]
LOST = replace(CANCELLED, stop_reason="the sweep's driver died")


class AnySweep:
    """Something happens at random. Drivers die, and others go on, with other budgets."""

    def __init__(self, draw):
        self.draw = draw
        self.budget = draw(st.sampled_from(BUDGETS))
        self.sweep = Sweep(self.budget, num_trials=6, others=2, max_failures=1)
        self.used_up = False
        self.sweep.begin()

    def act(self):
        if self.draw(st.integers(0, 9)) == 0:
            self.die()
        else:
            self.check(self.sweep.tell(self.draw(st.sampled_from(list(self.events())))))

    def events(self):
        draw, at = self.draw, self.sweep.at + 1
        yield Ticked(at)
        yield RecorderRestarted(at)
        for key, attempt in self.sweep.core.running:
            value = draw(st.sampled_from([0.05, 0.3, 0.5, None]))
            kept = replace(draw(st.sampled_from([WELL, FAILED, BY_BUDGET])), reports=1)
            yield Announced(at, key, attempt)
            yield Reported(at, key, attempt, draw(st.integers(1, 3)), {"mean_loss": value})
            yield AttemptEnded(at, key, attempt, kept, {"mean_loss": value})

    def die(self):
        sweep, draw = self.sweep, self.draw
        self.used_up = False
        self.budget = draw(st.sampled_from(BUDGETS))
        self.check(sweep.resumed(self.budget, sweep.at, retry_failed=draw(st.booleans())))
        for key, attempt in sweep.core.running:
            self.check(sweep.tell(AttemptEnded(sweep.at, key, attempt, LOST)))
        self.check(sweep.begin())

    def check(self, instructions):
        for wish in instructions:
            self.used_up |= isinstance(wish, EndExperiment)
            if isinstance(wish, StartAttempt) and wish.trial.startswith("e/"):
                assert not self.used_up
        uses = self.sweep.core.budgets(self.sweep.at).values()
        assert any(use.used_up for use in uses) == self.used_up

    def finish(self):
        """Time goes on, and what runs ends."""
        sweep = self.sweep
        while not sweep.is_over:
            assert sweep.core.running or sweep.core.pending
            self.check(sweep.tell(Ticked(sweep.at + 1)))
            for key, attempt in sweep.core.running[:1]:
                self.check(sweep.tell(AttemptEnded(sweep.at, key, attempt, WELL)))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_once_it_is_used_up_nothing_is_started_and_the_journal_says_the_same(data):
    walk = AnySweep(data.draw)
    for _ in range(data.draw(st.integers(1, 30))):
        walk.act()
    sweep = walk.sweep
    again = sweep.make(walk.budget)
    for event, then in sweep.journal:
        assert again.replay(event, then) == then
    assert again.running == sweep.core.running
    assert again.unfinished() == sweep.core.unfinished()
    # Both decide alike from here on, whoever has heard of the ticks and the reports in between.
    for at in (sweep.at + 1, sweep.at + 50):
        expected = again.handle(Ticked(at))
        assert sweep.tell(Ticked(at)) == expected
        walk.check(expected)
    walk.finish()
    ends = {i: sweep.core.outcome(f"e/{i}") for i in range(6)}
    assert walk.used_up or all(ends.values())
    assert sweep.core.unfinished() == 0


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
