"""What the core does once another driver goes on with a sweep."""

from tests.sweep.cores import (
    CANCELLED,
    FAILED,
    WELL,
    Chooses,
    begun,
    experiment,
    running,
    taken_over,
)
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import LOOKAHEAD
from tune_tasks.sweep.events import (
    AttemptEnded,
    Reported,
    ResultsLost,
    StartFailed,
    StopAsked,
    SweepBegan,
    Ticked,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    ForgetAttempt,
    KeepEnd,
    StartAttempt,
)


def test_what_ran_under_the_last_driver_is_run_again_and_is_no_failure():
    core = running(4, room=2)
    core.handle(AttemptEnded(2, "e/0", 1, WELL))
    taken_over(core)
    lost = core.handle(AttemptEnded(10, "e/1", 1, CANCELLED))
    assert lost == [KeepEnd("e/1", 1, CANCELLED, will_retry=True)]
    assert core.handle(StartFailed(10, "e/2", 1)) == [ForgetAttempt("e/2", 1)]
    assert begun(core, 9) == [
        StartAttempt("e/2", 1),
        StartAttempt("e/1", 2),
        StartAttempt("e/3", 1),
    ]
    assert core.handle(AttemptEnded(11, "e/1", 2, FAILED))[0].will_retry is False


def test_an_attempt_that_ended_while_no_driver_lived_counts():
    core = running(1, room=1, max_failures=1)
    taken_over(core)
    assert core.handle(AttemptEnded(10, "e/0", 1, WELL)) == [KeepEnd("e/0", 1, WELL, False)]
    assert begun(core) == [CloseSweep()]


def test_a_stopped_sweep_goes_on_with_what_was_cancelled():
    core = running(3, room=2)
    core.handle(StopAsked(2, "Ctrl-C"))
    core.handle(AttemptEnded(3, "e/0", 1, CANCELLED))
    core.handle(AttemptEnded(3, "e/1", 1, CANCELLED))
    taken_over(core)
    assert core.stop_reason is None
    assert begun(core, 2) == [StartAttempt("e/0", 2), StartAttempt("e/1", 2)]


def test_a_trial_that_failed_while_the_sweep_ended_has_its_attempts_left():
    core = running(1, max_failures=1)
    core.handle(StopAsked(2, "Ctrl-C"))
    core.handle(AttemptEnded(3, "e/0", 1, FAILED))
    taken_over(core)
    assert begun(core) == [StartAttempt("e/0", 2)]
    assert core.handle(AttemptEnded(4, "e/0", 2, FAILED))[0].will_retry is False


def test_failed_trials_are_tried_again_only_if_asked():
    core = running(2, room=2)
    core.handle(AttemptEnded(2, "e/0", 1, FAILED))
    core.handle(AttemptEnded(2, "e/1", 1, WELL))
    taken_over(core)
    assert begun(core) == [CloseSweep()]
    taken_over(core, retry_failed=True)
    assert begun(core) == [StartAttempt("e/0", 2)]
    assert core.handle(AttemptEnded(4, "e/0", 2, FAILED)) == [
        KeepEnd("e/0", 2, FAILED, will_retry=False),
        CloseSweep(),
    ]


def test_a_trial_whose_reports_are_gone_is_run_again():
    core = running(1)
    core.handle(AttemptEnded(2, "e/0", 1, WELL))
    taken_over(core)
    core.handle(ResultsLost(10, "e/0"))
    assert begun(core) == [StartAttempt("e/0", 2)]


def test_a_replay_decides_as_was_decided_whatever_the_scheduler_says_now():
    """It is told the same: what it knows is what it would know."""
    then = Chooses(-1, reason="worse")
    core = Core({"e": experiment(3)}, then)
    events = [
        SweepBegan(0, 1 - LOOKAHEAD),
        Reported(1, "e/2", 1, 1, {"mean_loss": 1}),
        AttemptEnded(2, "e/2", 1, WELL),
    ]
    journal = [(event, core.handle(event)) for event in events]
    now = Chooses(0)
    again = Core({"e": experiment(3)}, now)
    for event, instructions in journal:
        again.replay(event, instructions)
    assert again.running == core.running == [("e/1", 1)]
    assert again.handle(Ticked(3)) == core.handle(Ticked(3))
    assert now.heard == then.heard
