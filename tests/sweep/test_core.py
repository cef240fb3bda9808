"""The decisions of a sweep, by examples and by a random walk through everything that can happen."""

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

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.failure import Failure, FailureCause
from tune_tasks.model.stopping import parse_criterion
from tune_tasks.model.timeouts import SILENCE_S
from tune_tasks.model.trial import EndedBy, Outcome, Resources, Stop, Trial, TrialState
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import LOOKAHEAD, CoreExperiment
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
    ResultsLost,
    StartFailed,
    StopAsked,
    SweepBegan,
    TakenOver,
    Ticked,
    TrainingBegan,
    event_from_json,
    event_to_json,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndAll,
    EndAttempt,
    ForgetAttempt,
    KeepEnd,
    KillAttempt,
    StartAttempt,
    instruction_from_json,
    instruction_to_json,
)

WELL = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
FAILED = Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "ValueError: x")
CANCELLED = Outcome(TrialState.TERMINATED, EndedBy.CANCELLED, "cancelled")
NO_SPACE = Outcome(TrialState.ERROR, EndedBy.NO_SPACE, "no room")
CRITERION = Stop(EndedBy.CRITERION, "mean_loss 0.1 <= 0.2")
GRACE_S = 10.0


def trial(index, experiment="e", **keys):
    keys = {"stop_grace_s": GRACE_S, **keys}
    return Trial(experiment, index, f"script_{index}", "script", {}, {}, seed=0, **keys)


def experiment(num_trials, *, limit=None, name="e", **keys):
    return CoreExperiment([trial(i, name, **keys) for i in range(num_trials)], limit)


def begun(core, room=1):
    return core.handle(SweepBegan(0, room - LOOKAHEAD))


def sweep(num_trials=3, *, room=1, scheduler=None, limit=None, **keys):
    """A core with one experiment, and what it wants first."""
    core = Core({"e": experiment(num_trials, limit=limit, **keys)}, scheduler)
    return core, begun(core, room)


def running(*args, **keys):
    """A core whose first trials run."""
    core, instructions = sweep(*args, **keys)
    for start in instructions:
        core.handle(Announced(1, start.trial, start.attempt))
        core.handle(TrainingBegan(1, start.trial, start.attempt))
    return core


# ── Starting ─────


def test_trials_start_in_order_as_far_as_there_is_room():
    core = Core({"e": experiment(9)})
    assert core.handle(SweepBegan(0, 2)) == [StartAttempt(f"e/{i}", 1) for i in range(4)]
    assert core.pending == 5


def test_a_trial_that_ends_makes_room_for_the_next():
    core, first = sweep(3, room=2)
    assert first == [StartAttempt("e/0", 1), StartAttempt("e/1", 1)]
    ended = core.handle(AttemptEnded(1, "e/0", 1, WELL))
    assert ended == [KeepEnd("e/0", 1, WELL, will_retry=False), StartAttempt("e/2", 1)]


def test_experiments_are_interleaved():
    core = Core({"a": experiment(3, name="a"), "b": experiment(1, name="b")})
    assert [i.trial for i in begun(core, 9)] == ["a/0", "b/0", "a/1", "a/2"]


def test_an_experiment_has_no_more_running_trials_than_it_allows():
    core = Core({"a": experiment(3, name="a", limit=1), "b": experiment(3, name="b")})
    assert [i.trial for i in begun(core, 3)] == ["a/0", "b/0", "b/1"]
    ended = core.handle(AttemptEnded(1, "a/0", 1, WELL))
    assert ended[1:] == [StartAttempt("a/1", 1)]


def test_the_sweep_is_over_when_the_last_trial_has_ended():
    core, _ = sweep(1)
    over = core.handle(AttemptEnded(1, "e/0", 1, WELL))
    assert over == [KeepEnd("e/0", 1, WELL, will_retry=False), CloseSweep()]
    assert core.handle(StopAsked(2, "too late")) == []


def test_a_million_pending_trials_are_not_resolved_to_start_one():
    class Trials:
        def __init__(self):
            self.resolved = 0

        def __len__(self):
            return 1_000_000

        def __getitem__(self, index):
            self.resolved += 1
            return trial(index)

    trials = Trials()
    core = Core({"e": CoreExperiment(trials)})
    begun(core, 2)
    for number in range(100):
        core.handle(AttemptEnded(1, f"e/{number}", 1, WELL))
    assert core.pending == 1_000_000 - 102
    assert trials.resolved <= 2 * 102


# ── Trying again ─────


def test_a_failed_trial_is_tried_again_before_all_others():
    core, _ = sweep(2, max_failures=1)
    first = core.handle(AttemptEnded(1, "e/0", 1, FAILED))
    assert first == [KeepEnd("e/0", 1, FAILED, will_retry=True), StartAttempt("e/0", 2)]
    second = core.handle(AttemptEnded(2, "e/0", 2, FAILED))
    assert second == [KeepEnd("e/0", 2, FAILED, will_retry=False), StartAttempt("e/1", 1)]


def test_an_attempt_without_room_for_its_folder_does_not_count():
    core, _ = sweep(1)
    core.handle(DiskChanged(1, Disk.FULL))
    assert core.handle(AttemptEnded(1, "e/0", 1, NO_SPACE)) == [ForgetAttempt("e/0", 1)]
    assert core.handle(DiskChanged(2, Disk.ROOMY)) == [StartAttempt("e/0", 1)]


def test_a_disk_that_stays_full_ends_the_sweep():
    core, _ = sweep(2)
    core.handle(DiskChanged(1, Disk.FULL))
    assert core.handle(AttemptEnded(1, "e/0", 1, WELL))[1:] == []
    assert core.handle(DiskChanged(601, Disk.GIVEN_UP)) == [CloseSweep()]
    assert (core.pending, core.is_suspended) == (1, False)


# ── Going on from a checkpoint ─────


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


# ── Another driver goes on ─────


def taken_over(core, **keys):
    core.handle(TakenOver(10, **keys))


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


class Chooses(Scheduler):
    """Starts what it is told to, and ends what it is told to end."""

    def __init__(self, place, reason=None):
        self.place, self.reason = place, reason
        self.heard = []

    def setup(self, trials):
        self.heard.append(len(trials))

    def choose(self, pending):
        self.heard.append([t.key for t in pending])
        return pending[self.place]

    def on_result(self, trial, result):
        self.heard.append((trial.key, result))
        return self.reason

    def on_end(self, trial, outcome):
        self.heard.append((trial.key, outcome))


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


# ── The scheduler ─────


class Recording(Scheduler):
    """Takes the last trial, and notes what it is told."""

    def __init__(self):
        self.told = []

    def setup(self, trials):
        self.told.append(["setup", len(trials)])

    def choose(self, pending):
        return pending[-1] if len(pending) > 1 else None

    def on_result(self, trial, result):
        self.told.append([trial.index, result["n"]])

    def on_end(self, trial, outcome):
        self.told.append([trial.index, outcome.state])


def test_the_scheduler_chooses_and_hears_of_each_report_once():
    scheduler = Recording()
    core = running(3, scheduler=scheduler)
    for reports in (1, 1, 3):
        core.handle(Reported(2, "e/2", 1, reports, {"n": reports}))
    core.handle(Reported(2, "e/2", 7, 9, {"n": "of an attempt that is not the trial's"}))
    assert core.handle(AttemptEnded(3, "e/2", 1, WELL))[1:] == [StartAttempt("e/1", 1)]
    assert scheduler.told == [["setup", 3], [2, 1], [2, 3], [2, TrialState.TERMINATED]]
    assert core.handle(AttemptEnded(4, "e/1", 1, WELL))[1:] == [CloseSweep()]
    assert core.pending == 1  # it wanted none any more


@pytest.mark.parametrize("method", ["setup", "choose", "on_result", "on_end"])
def test_a_scheduler_that_raises_ends_the_running_trials_first(method):
    class Broken(Scheduler):
        pass

    def broken(self, *args):
        if method in ("setup", "on_result", "on_end") or args[0][0].index == 2:
            raise RuntimeError("broken")
        return args[0][0]

    setattr(Broken, method, broken)
    core, first = sweep(4, room=2, scheduler=Broken(), max_failures=1)
    wanted = list(first)
    for start in [i for i in first if isinstance(i, StartAttempt)]:
        core.handle(Announced(1, start.trial, 1))
        wanted += core.handle(Reported(1, start.trial, 1, 1, {}))
        wanted += core.handle(
            AttemptEnded(2, start.trial, 1, FAILED if method != "choose" else WELL)
        )
    assert EndAll(Stop(EndedBy.CANCELLED, "the sweep failed: RuntimeError: broken")) in wanted
    assert wanted[-1] == CloseSweep()
    assert str(core.failure) == "broken"


def test_a_scheduler_cannot_choose_what_is_not_pending():
    class Insists(Scheduler):
        def choose(self, pending):
            return trial(0)

    core, _ = sweep(2, room=2, scheduler=Insists())
    assert str(core.failure) == "Scheduler.choose returned e/0, which is not pending"


# ── JSON ─────

EVENTS = [
    TakenOver(0, retry_failed=True),
    ResultsLost(0, "e/0"),
    SweepBegan(0, 4),
    Announced(1, "e/0", 1),
    TrainingBegan(1.5, "e/0", 1),
    Reported(2, "e/0", 1, 3, {"mean_loss": 0.1, "info": {"a": [1, "x", None, float("inf")]}}),
    CheckpointKept(2, "e/0", 1, 3, 3),
    EndDecided(3, "e/0", 1, CRITERION),
    AttemptEnded(4, "e/0", 1, FAILED),
    StartFailed(4, "e/0", 1),
    StopAsked(4, "Ctrl-C"),
    StopAsked(5, "Ctrl-C", 15),
    PauseChanged(6, Pause.SUSPENDED),
    DiskChanged(7, Disk.GIVEN_UP),
    RecorderRestarted(8),
    Ticked(9, ("e/0", "e/1")),
]
INSTRUCTIONS = [
    StartAttempt("e/0", 1),
    StartAttempt("e/0", 2, checkpoint=CheckpointRef(1, 3, 3)),
    EndAttempt("e/0", 1, CRITERION),
    EndAll(CRITERION),
    KillAttempt("e/0", 1, CRITERION),
    KeepEnd("e/0", 1, FAILED, will_retry=True),
    ForgetAttempt("e/0", 1),
    CloseSweep(),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_an_event_reads_back(event):
    text = event_to_json(event)
    assert "\n" not in text
    assert event_from_json(text) == event


@pytest.mark.parametrize("instruction", INSTRUCTIONS, ids=lambda instruction: instruction.kind)
def test_an_instruction_reads_back(instruction):
    assert instruction_from_json(instruction_to_json(instruction)) == instruction


@pytest.mark.parametrize("text", ["", "{", "5", '{"kind": "nonsense"}', '{"kind": "ticked"}'])
def test_what_is_no_event_is_refused(text):
    with pytest.raises(ValueError, match="validation error"):
        event_from_json(text)


# ── Anything, in any order ─────

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
