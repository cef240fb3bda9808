"""The schedulers that are there, and the suite that holds them."""

import itertools
import sys
from pathlib import Path

import pytest

from tune_tasks.search.scheduler import Scheduler
from tune_tasks.testing import SchedulerContract
from tune_tasks.testing.samples import make_trial

EXAMPLES = Path(__file__).parents[2] / "examples"


class TestScheduler(SchedulerContract):
    def make(self):
        return Scheduler()


class TestMedianStopping(SchedulerContract):
    """The example: it ends trials, and starts the last one first."""

    metric = "mean_accuracy"

    @pytest.fixture(autouse=True)
    def importable(self, monkeypatch):
        monkeypatch.syspath_prepend(EXAMPLES)
        yield
        sys.modules.pop("early_stopping", None)

    def make(self):
        from early_stopping import MedianStopping

        return MedianStopping(after_steps=10, min_peers=1)

    def trial(self, index):
        return make_trial(index, {"learning_rate": index / 10})

    def test_it_ends_the_worse_ones(self, play):
        play.run()
        assert any(isinstance(d, str) and "below the others' median" in d for d in play.decisions)


_numbers = itertools.count()


class Broken(Scheduler):
    """Passes no test that is about it."""


class Repeats(Broken):
    def choose(self, pending):
        self.first = getattr(self, "first", pending[0])
        return self.first


class Random(Broken):
    def on_result(self, trial, result):
        return f"reason {next(_numbers)}"


class KeyMissing(Broken):
    def on_result(self, trial, result):
        return None if result["mean_accuracy"] > 0 else "not above 0"


class EmptyReason(Broken):
    def on_result(self, trial, result):
        return ""


@pytest.mark.parametrize(
    ("broken", "test", "error"),
    [
        (Repeats, "the_sweep_ends", AssertionError),
        (Random, "the_same_reports_lead_to_the_same_decisions", AssertionError),
        (KeyMissing, "a_metric_that_is_not_there_raises_nothing", KeyError),
        (EmptyReason, "the_sweep_ends", AssertionError),
    ],
)
def test_the_suite_finds_a_broken_scheduler(broken, test, error):
    class Suite(SchedulerContract):
        def make(self):
            return broken()

    with pytest.raises(error):
        getattr(Suite(), f"test_{test}")(Suite().make_play())
