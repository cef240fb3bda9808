"""A sweep whose first trials all fail alike stops; any other goes on."""

import pytest

from tests.sweep.cores import begun, trial
from tests.sweep.test_retries import BAD, LOST, WELL, Sweep, raised
from tune_tasks.model.trial import EndedBy, Stop
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_state import CoreExperiment
from tune_tasks.sweep.events import Announced, AttemptEnded, Reported, SweepBegan, TakenOver
from tune_tasks.sweep.instructions import CloseSweep, EndAll

MISSING = raised("ImportError: no module named foo", reports=0)
REASON = (
    "the first trials have all failed before any report: ImportError: no module named foo"
    " (trials 0, 1, 2); the others run all the same with --keep-going"
)


def stops(*outcomes, num_trials=9, **keys):
    """Whether a sweep stops once its first trials have ended so."""
    sweep = Sweep(num_trials=num_trials, **keys)
    for outcome in outcomes:
        sweep.end(outcome)
    return sweep.core.ended_early is not None


def test_three_that_fail_alike_stop_the_sweep():
    sweep = Sweep(num_trials=9, room=2)
    for key in ("e/0", "e/1", "e/2"):
        assert sweep.core.ended_early is None
        sweep.end(MISSING, key)
    assert sweep.answer[1:] == [EndAll(Stop(EndedBy.CANCELLED, REASON))]
    assert sweep.core.ended_early == REASON


def test_numbers_and_paths_make_no_difference():
    assert stops(*[raised(f"OSError: no /data/{i}.csv ({i})", reports=0) for i in range(3)])


@pytest.mark.parametrize(
    "outcomes",
    [
        [MISSING, MISSING],
        [MISSING, WELL, MISSING, MISSING],
        [WELL, MISSING, MISSING, MISSING],
        [MISSING, raised("ValueError: bad", reports=0), MISSING, MISSING],
        [BAD] * 4,
        [LOST] * 4,
    ],
    ids=["two", "one ends well", "the first ends well", "another error", "reports", "machine"],
)
def test_any_other_sweep_goes_on(outcomes):
    assert not stops(*outcomes)


def test_a_sweep_goes_on_once_any_trial_has_reported():
    sweep = Sweep(num_trials=9, room=2)
    sweep.tell(Reported(0, "e/1", 1, 1, {}))
    for _ in range(3):
        sweep.end(MISSING, next(key for key, _ in sweep.core.running if key != "e/1"))
    assert sweep.core.ended_early is None


def test_another_driver_knows_that_trials_have_reported():
    sweep = Sweep(num_trials=9)
    sweep.end(BAD)
    sweep.tell(TakenOver(0))
    sweep.tell(SweepBegan(0, 1))
    for _ in range(4):
        sweep.end(MISSING)
    assert sweep.core.ended_early is None


def test_it_goes_on_if_asked():
    assert not stops(*[MISSING] * 5, keeps_going=True)


def test_attempts_that_are_tried_again_are_no_ends():
    sweep = Sweep(num_trials=9, max_failures=1)
    for _ in range(5):
        sweep.end(MISSING)
    assert sweep.core.ended_early is None
    sweep.end(MISSING)
    assert sweep.core.ended_early == REASON


def test_a_sweep_that_has_nothing_more_to_start_just_ends():
    sweep = Sweep(num_trials=3)
    for _ in range(3):
        sweep.end(MISSING)
    assert sweep.answer[1:] == [CloseSweep()]
    assert sweep.core.ended_early is None


def test_what_runs_already_is_not_ended_if_nothing_waits_behind_it():
    sweep = Sweep(num_trials=4, room=4)
    sweep.tell(Announced(0, "e/3", 1))
    for key in ("e/0", "e/1", "e/2"):
        sweep.end(MISSING, key)
    assert sweep.core.ended_early is None


def test_trials_of_several_experiments_are_named_by_them():
    experiments = {name: CoreExperiment([trial(i, name) for i in range(3)]) for name in ("a", "b")}
    core = Core(experiments)
    begun(core, 4)
    for key in ("a/0", "b/0", "a/1"):
        core.handle(AttemptEnded(1, key, 1, MISSING))
    assert "(trials a/0, b/0, a/1)" in core.ended_early
