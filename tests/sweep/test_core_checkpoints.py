"""What the core has an attempt go on from."""

from tests.sweep.cores import (
    CANCELLED,
    FAILED,
    NO_SPACE,
    WELL,
    Chooses,
    begun,
    experiment,
    running,
    taken_over,
)
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.trial import EndedBy, Stop
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.events import (
    AttemptEnded,
    CheckpointKept,
    Disk,
    DiskChanged,
    RecorderRestarted,
    Reported,
    ResultsLost,
    StopAsked,
    SweepBegan,
)
from tune_tasks.sweep.instructions import (
    EndAttempt,
    StartAttempt,
)


def test_the_next_attempt_goes_on_from_the_latest_checkpoint():
    core = running(1, max_failures=9)
    core.handle(CheckpointKept(2, "e/0", 1, 10, 10))
    core.handle(CheckpointKept(3, "e/0", 1, 20, 20))
    assert core.handle(CheckpointKept(3, "e/0", 1, 10, 10)) == []  # it was heard late
    assert core.handle(AttemptEnded(4, "e/0", 1, FAILED))[1:] == [
        StartAttempt("e/0", 2, checkpoint=CheckpointRef(1, 20, 20))
    ]
    # An attempt that has written none leaves the trial with what it had.
    assert core.handle(AttemptEnded(5, "e/0", 2, FAILED))[1:] == [
        StartAttempt("e/0", 3, checkpoint=CheckpointRef(1, 20, 20))
    ]
    # One that had to begin anew comes to its own.
    core.handle(CheckpointKept(6, "e/0", 3, 5, 5))
    assert core.handle(AttemptEnded(7, "e/0", 3, FAILED))[1:] == [
        StartAttempt("e/0", 4, checkpoint=CheckpointRef(3, 5, 5))
    ]
    assert core.checkpoint("e/0") == CheckpointRef(3, 5, 5)


def test_an_attempt_that_was_forgotten_keeps_the_trials_checkpoint():
    core = running(1, max_failures=1)
    core.handle(CheckpointKept(2, "e/0", 1, 10, 10))
    core.handle(AttemptEnded(3, "e/0", 1, FAILED))
    core.handle(DiskChanged(3, Disk.FULL))
    core.handle(AttemptEnded(4, "e/0", 2, NO_SPACE))
    assert core.handle(DiskChanged(5, Disk.ROOMY)) == [
        StartAttempt("e/0", 2, checkpoint=CheckpointRef(1, 10, 10))
    ]


def test_the_scheduler_does_not_hear_of_the_reports_up_to_a_checkpoint_again():
    scheduler = Chooses(0)
    core = running(1, scheduler=scheduler, max_failures=1)
    core.handle(Reported(2, "e/0", 1, 5, {"n": 5}))
    core.handle(CheckpointKept(2, "e/0", 1, 4, 4))
    core.handle(AttemptEnded(3, "e/0", 1, FAILED))
    scheduler.heard.clear()
    core.handle(Reported(4, "e/0", 2, 4, {"n": 4}))
    core.handle(Reported(5, "e/0", 2, 5, {"n": 5}))
    assert scheduler.heard == [("e/0", {"n": 5})]


WORSE = Stop(EndedBy.SCHEDULER, "worse")


def test_what_the_scheduler_has_decided_holds_for_the_next_attempt():
    """The process has died after it had kept the report and a checkpoint, and would go on."""
    core = Core({"e": experiment(1, max_failures=1)}, Chooses(0, reason="worse"))
    events = [
        SweepBegan(0, 1),
        Reported(2, "e/0", 1, 5, {"n": 5}),
        CheckpointKept(2, "e/0", 1, 5, 5),
        AttemptEnded(3, "e/0", 1, FAILED),
    ]
    journal = [(event, core.handle(event)) for event in events]
    start = StartAttempt("e/0", 2, checkpoint=CheckpointRef(1, 5, 5))
    assert journal[-1][1][1:] == [start, EndAttempt("e/0", 2, WORSE)]
    again = Core({"e": experiment(1, max_failures=1)}, Chooses(0))
    for event, instructions in journal:
        assert again.replay(event, instructions) == instructions
    for each in (core, again):
        assert each.handle(RecorderRestarted(4)) == [EndAttempt("e/0", 2, WORSE)]


def test_it_decides_again_about_what_is_reported_again():
    scheduler = Chooses(0, reason="worse")
    core = running(1, scheduler=scheduler, max_failures=1)
    core.handle(Reported(2, "e/0", 1, 5, {"n": 5}))
    core.handle(CheckpointKept(2, "e/0", 1, 4, 4))
    start = StartAttempt("e/0", 2, checkpoint=CheckpointRef(1, 4, 4))
    assert core.handle(AttemptEnded(3, "e/0", 1, FAILED))[1:] == [start]
    assert core.handle(Reported(4, "e/0", 2, 5, {"n": 5})) == [EndAttempt("e/0", 2, WORSE)]


def test_a_stopped_sweep_goes_on_from_checkpoints():
    core = running(1)
    core.handle(StopAsked(2, "Ctrl-C"))
    core.handle(CheckpointKept(3, "e/0", 1, 10, 10))
    core.handle(AttemptEnded(3, "e/0", 1, CANCELLED))
    taken_over(core)
    assert begun(core) == [StartAttempt("e/0", 2, checkpoint=CheckpointRef(1, 10, 10))]


def test_without_its_reports_a_trial_begins_anew():
    core = running(1)
    core.handle(CheckpointKept(2, "e/0", 1, 10, 10))
    core.handle(AttemptEnded(3, "e/0", 1, WELL))
    taken_over(core)
    core.handle(ResultsLost(10, "e/0"))
    assert begun(core) == [StartAttempt("e/0", 2)]
