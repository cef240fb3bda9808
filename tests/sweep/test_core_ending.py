"""How the core pauses, stops, and ends what is overdue."""

import math
from dataclasses import replace

import pytest

from tests.sweep.cores import (
    CANCELLED,
    CRITERION,
    FAILED,
    GRACE_S,
    WELL,
    running,
    sweep,
)
from tune_tasks.model.failure import Failure, FailureCause
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.timeouts import SILENCE_S
from tune_tasks.model.trial import EndedBy, Stop
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    Disk,
    DiskChanged,
    EndDecided,
    Pause,
    PauseChanged,
    RecorderRestarted,
    Reported,
    StartFailed,
    StopAsked,
    Ticked,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndAll,
    EndAttempt,
    ForgetAttempt,
    KeepEnd,
    KillAttempt,
    StartAttempt,
)

# ── Pausing ─────


def test_a_pause_lets_trials_end_and_starts_none():
    core = running(2)
    assert core.handle(PauseChanged(2, Pause.ON)) == []
    assert core.handle(AttemptEnded(3, "e/0", 1, WELL)) == [KeepEnd("e/0", 1, WELL, False)]
    assert core.handle(PauseChanged(4, Pause.OFF)) == [StartAttempt("e/1", 1)]


def test_a_pause_takes_back_what_waits_in_ray():
    core, _ = sweep(1)
    core.handle(PauseChanged(1, Pause.ON))
    (kill,) = core.handle(Ticked(1))
    assert kill == KillAttempt(
        "e/0", 1, Stop(EndedBy.CANCELLED, "the run was paused before it began")
    )
    assert core.handle(AttemptEnded(2, "e/0", 1, CANCELLED)) == [ForgetAttempt("e/0", 1)]
    assert core.handle(PauseChanged(3, Pause.OFF)) == [StartAttempt("e/0", 1)]


def test_what_a_pause_has_ended_just_as_it_began_is_tried_again():
    core, _ = sweep(1)
    core.handle(PauseChanged(1, Pause.ON))
    core.handle(Ticked(1))
    core.handle(Announced(1, "e/0", 1))
    ended = core.handle(AttemptEnded(2, "e/0", 1, CANCELLED))
    assert ended == [KeepEnd("e/0", 1, CANCELLED, will_retry=True)]
    assert core.handle(PauseChanged(3, Pause.OFF)) == [StartAttempt("e/0", 2)]


@pytest.mark.parametrize("disk", Disk)
def test_a_suspended_sweep_ends_with_its_running_trials(disk):
    core = running(2)
    core.handle(PauseChanged(2, Pause.SUSPENDED))
    core.handle(DiskChanged(2, disk))
    ended = core.handle(AttemptEnded(3, "e/0", 1, WELL))
    assert ended == [KeepEnd("e/0", 1, WELL, will_retry=False), CloseSweep()]
    assert core.is_suspended


# ── Stopping ─────


def test_a_stop_asks_all_to_end_and_starts_none():
    core = running(3, room=2)
    assert core.handle(StopAsked(2, "Ctrl-C")) == [EndAll(Stop(EndedBy.CANCELLED, "Ctrl-C"))]
    assert core.handle(AttemptEnded(3, "e/0", 1, CANCELLED)) == [
        KeepEnd("e/0", 1, CANCELLED, will_retry=False)
    ]
    assert core.handle(AttemptEnded(3, "e/1", 1, FAILED))[-1] == CloseSweep()
    assert (core.pending, core.is_suspended) == (1, False)


@pytest.mark.parametrize(
    ("patience_s", "killed_after_s"), [(math.inf, GRACE_S + SILENCE_S), (4, 4)]
)
def test_what_does_not_end_after_a_stop_is_killed_after_the_grace(patience_s, killed_after_s):
    core = running(1)
    core.handle(StopAsked(100, "Ctrl-C", patience_s))
    assert core.handle(Ticked(100 + killed_after_s)) == []
    (kill,) = core.handle(Ticked(100.1 + killed_after_s))
    assert kill == KillAttempt("e/0", 1, Stop(EndedBy.CANCELLED, "Ctrl-C"))
    assert core.handle(Ticked(200)) == []  # once is enough


def test_who_asks_twice_does_not_want_to_wait():
    core = running(1)
    core.handle(StopAsked(100, "Ctrl-C"))
    assert core.handle(StopAsked(101, "Ctrl-C")) == []
    assert core.handle(Ticked(101.1)) == [KillAttempt("e/0", 1, Stop(EndedBy.CANCELLED, "Ctrl-C"))]


def test_what_is_lost_with_its_machine_before_it_runs_has_not_failed():
    core, _ = sweep(1)
    lost = replace(FAILED, failure=Failure(FailureCause.MACHINE_LOST, "node ab"))
    assert core.handle(AttemptEnded(1, "e/0", 1, lost)) == [ForgetAttempt("e/0", 1)]
    assert core.handle(Ticked(5)) == []  # Ray has to hear of it first
    assert core.handle(Ticked(6)) == [StartAttempt("e/0", 1)]
    core.handle(Announced(7, "e/0", 1))
    ended = core.handle(AttemptEnded(8, "e/0", 1, lost))
    assert ended == [KeepEnd("e/0", 1, lost, will_retry=False), CloseSweep()]


def test_a_stop_takes_back_what_waits_in_ray():
    core, _ = sweep(1)
    core.handle(StopAsked(1, "Ctrl-C"))
    assert isinstance(core.handle(Ticked(1.1))[0], KillAttempt)
    taken_back = core.handle(AttemptEnded(2, "e/0", 1, CANCELLED))
    assert taken_back == [ForgetAttempt("e/0", 1), CloseSweep()]
    assert core.pending == 1


def test_what_could_not_be_started_is_pending_again():
    core, _ = sweep(2)
    core.handle(StopAsked(1, "the sweep failed: ConnectionError"))
    assert core.running == [("e/0", 1)]
    assert core.handle(StartFailed(1, "e/0", 1)) == [ForgetAttempt("e/0", 1), CloseSweep()]
    assert core.running == []
    assert core.pending == 2


def test_a_new_recorder_is_told_again_who_is_to_end():
    class Ends(Scheduler):
        def on_result(self, trial, result):
            return "too slow" if trial.index == 0 else None

    core = running(2, room=2, scheduler=Ends())
    (asked,) = core.handle(Reported(2, "e/0", 1, 1, {}))
    core.handle(Reported(2, "e/1", 1, 1, {}))
    assert asked == EndAttempt("e/0", 1, Stop(EndedBy.SCHEDULER, "too slow"))
    assert core.handle(RecorderRestarted(3)) == [asked]
    (end_all,) = core.handle(StopAsked(4, "Ctrl-C"))
    assert core.handle(RecorderRestarted(5)) == [end_all, asked]


# ── The last step: who is overdue ─────


@pytest.mark.parametrize("stop", [[], [parse_criterion("mean_loss", 0.2)]])
def test_who_is_not_to_end_may_be_silent(stop):
    core = running(1, stop=tuple(stop))
    assert core.handle(Ticked(10_000, silent=("e/0",))) == []


def test_who_is_to_end_and_silent_is_killed_after_the_grace():
    core = running(1)
    core.handle(EndDecided(100, "e/0", 1, CRITERION))
    due = 100 + GRACE_S + SILENCE_S
    assert core.handle(Ticked(due - 0.1, silent=("e/0",))) == []
    assert core.handle(Ticked(due + 0.1)) == []  # its monitor speaks, and will end it
    (kill,) = core.handle(Ticked(due + 0.2, silent=("e/0",)))
    reason = "mean_loss 0.1 <= 0.2; its process did not answer any more and was ended"
    assert kill == KillAttempt("e/0", 1, Stop(EndedBy.CRITERION, reason))


def test_the_core_knows_when_the_time_of_a_silent_trial_is_up():
    core = running(1, stop=(parse_criterion("time_total_s", 50),))  # it began at 1
    due = 51 + GRACE_S + SILENCE_S
    assert core.handle(Ticked(due - 0.1, silent=("e/0",))) == []
    (kill,) = core.handle(Ticked(due + 0.1, silent=("e/0",)))
    assert kill.stop.ended_by is EndedBy.CRITERION
    assert kill.stop.reason.startswith("time_total_s 66.1 >= 50; its process did not answer")
