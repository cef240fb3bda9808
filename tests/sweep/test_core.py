"""What the core starts, and when: places, attempts, the scheduler's choice."""

import pytest

from tests.sweep.cores import (
    FAILED,
    NO_SPACE,
    WELL,
    begun,
    experiment,
    running,
    sweep,
    trial,
)
from tune_tasks.model.trial import EndedBy, Stop, TrialState
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import CoreExperiment
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    Disk,
    DiskChanged,
    Reported,
    StopAsked,
    SweepBegan,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndAll,
    ForgetAttempt,
    KeepEnd,
    StartAttempt,
)

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
