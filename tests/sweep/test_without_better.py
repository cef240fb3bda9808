"""Patience, while a trial runs that is already better than the best one that has ended."""

import pytest

from tests.sweep.budgets import Sweep, budget, ended, started
from tests.sweep.cores import CANCELLED, FAILED, WELL
from tune_tasks.sweep.events import Reported
from tune_tasks.sweep.instructions import EndExperiment
from tune_tasks.sweep.without_better import WithoutBetter


def better_one_runs():
    """Patience would be used up, if a trial that runs were not better than the best."""
    sweep = Sweep(budget(patience=2), room=2)
    sweep.begin()
    sweep.announce(0)
    sweep.run(1, 0.5)
    sweep.tell(Reported(1, "e/0", 1, 1, {"mean_loss": 0.4}))
    assert not ended(sweep.run(2, 0.6))
    assert not ended(sweep.run(3, 0.7))
    return sweep


def test_a_better_one_that_runs_holds_patience_and_it_begins_anew_at_its_end():
    sweep = better_one_runs()
    said = "2 of 2 trials without a better one, but one that has not ended is better"
    assert sweep.core.budgets(1)["e"].words == said
    assert not ended(sweep.run(0, 0.4))
    assert sweep.core.budgets(1)["e"].words == "0 of 2 trials without a better one"


@pytest.mark.parametrize("worse", [0.5, 0.9, None])
def test_once_it_is_not_better_any_more_patience_is_used_up(worse):
    sweep = better_one_runs()
    reason = "budget: 2 trials in a row without a better one"
    assert ended(sweep.tell(Reported(2, "e/0", 1, 2, {"mean_loss": worse}))) == [
        EndExperiment("e", reason, ends_trials=False)
    ]


def test_one_that_was_better_and_fails_holds_nothing():
    (end,) = ended(better_one_runs().end(0, 0.4, outcome=FAILED))
    assert end.reason == "budget: 3 trials in a row without a better one"


def test_one_that_was_better_and_fails_holds_patience_as_long_as_it_is_tried_again():
    sweep = Sweep(budget(patience=2), room=2, max_failures=1)
    sweep.begin()
    sweep.announce(0)
    sweep.run(1, 0.5)
    sweep.tell(Reported(1, "e/0", 1, 1, {"mean_loss": 0.4}))
    sweep.run(2, 0.6)
    sweep.run(3, 0.7)
    assert "e/0" in started(sweep.end(0, 0.4, outcome=FAILED))
    (end,) = ended(sweep.end(0, 0.4, outcome=FAILED, attempt=2))
    assert end.reason == "budget: 3 trials in a row without a better one"


def test_one_that_is_run_again_counts_no_more_with_what_it_had():
    count = WithoutBetter(budget(patience=4))
    for key, value in (("e/0", 0.1), ("e/1", 0.8), ("e/2", 0.9)):
        count.has_ended(key, WELL, {"mean_loss": value})
    assert (count.best, count.worse) == (0.1, {"e/1", "e/2"})
    count.is_run_again("e/0")
    assert (count.best, count.worse) == (0.8, {"e/2"})
    count.has_ended("e/0", WELL, {"mean_loss": 0.95})
    assert (count.best, count.worse) == (0.8, {"e/0", "e/2"})


@pytest.mark.parametrize(("last", "is_over"), [(0.4, False), (0.6, True)])
def test_it_holds_patience_too_if_its_driver_has_died(last, is_over):
    sweep = better_one_runs()
    assert not ended(sweep.resumed(budget(patience=2), at=9))
    assert bool(ended(sweep.end(0, last, outcome=CANCELLED))) is is_over
    if not is_over:
        sweep.end(4, None, outcome=CANCELLED)
        assert "e/0" in started(sweep.begin())
        sweep.resumed(budget(patience=2), at=10)
        assert not sweep.core.budgets(10)["e"].used_up
