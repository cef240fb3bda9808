"""`SchedulerContract`: the tests that every scheduler passes."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import pytest

from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.testing.samples import FAILED, RETURNED, make_trial

_TRIALS = 6
_REPORTS = 4


class SchedulerContract(ABC):
    """Derive your tests from this class, and say how to make a scheduler.

    ```python
    class TestMedianStopping(SchedulerContract):
        metric = "mean_loss"

        def make(self):
            return MedianStopping()
    ```

    Attributes:
        metric: The metric that the scheduler goes by; the trials report it.
        workers: Trials that run at the same time.
    """

    metric: str = "mean_accuracy"
    workers: int = 2

    @abstractmethod
    def make(self) -> Scheduler:
        """Make a scheduler; called more than once in a test."""

    @pytest.fixture
    def play(self) -> Play:
        """A sweep that the scheduler decides."""
        return self.make_play()

    def trial(self, index: int) -> Trial:
        """Return a trial; override it if the scheduler looks for something in the config."""
        return make_trial(index)

    def make_play(self) -> Play:
        """Return a sweep that a new scheduler decides."""
        trials = [self.trial(index) for index in range(_TRIALS)]
        return Play(self.make(), self.metric, self.workers, trials)

    def test_the_sweep_ends(self, play: Play) -> None:
        """Each trial starts once at most, and the scheduler is told of each end."""
        play.run()
        assert len(play.started) == len(set(play.started))

    def test_the_same_reports_lead_to_the_same_decisions(self, play: Play) -> None:
        """A scheduler has no clock, and no random numbers but from a seed."""
        play.run()
        again = self.make_play()
        again.run()
        assert again.decisions == play.decisions

    def test_a_trial_that_failed_may_come_again(self, play: Play) -> None:
        """A trial that is to be tried again is offered once more, and reports from the start."""
        play.fails.add(self.trial(1).key)
        play.run()

    def test_values_that_are_not_finite_raise_nothing(self, play: Play) -> None:
        """Trials diverge: a metric may be NaN or infinite."""
        play.values = [math.nan, math.inf, -math.inf, 0.5]
        play.run()

    def test_a_metric_that_is_not_there_raises_nothing(self, play: Play) -> None:
        """Not every report has every metric."""
        play.metric = "neg_mean_loss" if self.metric != "neg_mean_loss" else "mean_loss"
        play.run()

    def test_a_report_that_comes_again_or_not_at_all_raises_nothing(self, play: Play) -> None:
        """A scheduler sees some of the reports of a fast trial, and the last one always."""
        play.iterations = [1, 4, 4, 9]
        play.run()

    def test_a_trial_may_end_without_a_report(self, play: Play) -> None:
        """Or be cancelled before its first one."""
        play.iterations = []
        play.run()

    def test_one_trial_is_enough(self, play: Play) -> None:
        """A sweep may have one trial."""
        play.pending = [self.trial(0)]
        play.run()

    def test_it_changes_nothing_that_it_is_given(self, play: Play) -> None:
        """Others use the same lists and reports."""
        trials = [self.trial(index) for index in range(_TRIALS)]
        pending = list(trials)
        result = play.result(trials[0], 1)
        before = copy.deepcopy((trials, pending, result))
        play.scheduler.setup(trials)
        play.scheduler.choose(pending)
        play.scheduler.on_result(trials[0], result)
        assert (trials, pending, result) == before


@dataclass
class Play:
    """A sweep without processes: trials report in turn, the better the higher their number.

    Attributes:
        scheduler: Decides.
        metric: The metric that the trials report.
        workers: Trials that run at the same time.
        pending: Trials that have not started.
        iterations: The reports that the scheduler sees of each trial, by number.
        values: What the trials report in turn; [] for values that rise.
        fails: Trials that are to fail before their first report, once, by key.
        started: Trials that have started, by key; without those that have failed.
        decisions: What the scheduler has answered, in order.
        running: Trials that run, with the reports that they have left.
    """

    scheduler: Scheduler
    metric: str
    workers: int
    pending: list[Trial]
    iterations: list[int] = field(default_factory=lambda: list(range(1, _REPORTS + 1)))
    values: list[float] = field(default_factory=list)
    fails: set[str] = field(default_factory=set)
    started: list[str] = field(default_factory=list)
    decisions: list[Any] = field(default_factory=list)
    running: list[tuple[Trial, list[int]]] = field(default_factory=list)

    def run(self) -> None:
        """Run until nothing runs and nothing more is chosen; that ends for every scheduler."""
        self.scheduler.setup(list(self.pending))
        while self._start() or self.running:
            for entry in list(self.running):
                self._go_on(*entry)

    def result(self, trial: Trial, iteration: int) -> dict[str, Any]:
        """Return a report as it stands in `result.json`."""
        value = (trial.index + 1) * iteration / (iteration + 1)
        if self.values:
            value = self.values[(trial.index + iteration) % len(self.values)]
        return {
            "timesteps_total": 10 * iteration,
            "training_iteration": iteration,
            "time_total_s": float(iteration),
            "timestamp": 1_700_000_000.0 + iteration,
            self.metric: value,
        }

    def _start(self) -> bool:
        """Start what there is room for; returns whether anything was started."""
        has_started = False
        while self.pending and len(self.running) < self.workers:
            chosen = self.scheduler.choose(tuple(self.pending))
            self.decisions.append(chosen.key if chosen else None)
            if chosen is None:
                break
            assert chosen in self.pending, "choose() returned a trial that it was not offered"
            self.pending.remove(chosen)
            self.running.append((chosen, list(self.iterations)))
            if chosen.key not in self.fails:
                self.started.append(chosen.key)
            has_started = True
        return has_started

    def _go_on(self, trial: Trial, left: list[int]) -> None:
        """One more report of a trial, or its end."""
        if trial.key in self.fails:
            self.fails.remove(trial.key)
            self._end(trial, FAILED)
            self.pending.insert(0, trial)
        elif left:
            reason = self.scheduler.on_result(trial, self.result(trial, left.pop(0)))
            self.decisions.append(reason)
            if reason is not None:
                assert isinstance(reason, str)
                assert reason.strip(), "on_result() ends a trial without a reason"
                stopped = Outcome(TrialState.TERMINATED, EndedBy.SCHEDULER, reason)
                self._end(trial, stopped)
        else:
            self._end(trial, RETURNED)

    def _end(self, trial: Trial, outcome: Outcome) -> None:
        self.running = [entry for entry in self.running if entry[0] is not trial]
        self.scheduler.on_end(trial, outcome)
