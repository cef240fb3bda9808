"""Trials that are stopped early, simulated: their curves are known, and time is what they tell.

Pure, but for what a judge does. Needs nothing of the package, so that it runs in the environment of
a rival as well.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


class Judge:
    """Decides after every report whether its trial goes on."""

    def started(self, trial: int) -> None:
        """A trial begins; trials are numbered from 0 in this order."""

    def report(self, trial: int, step: int, value: float) -> str | None:
        """A trial has reported; returns why it is to end, or None to let it go on.

        Args:
            trial: Its number.
            step: How many epochs it has had.
            value: What is minimized; not finite if it has diverged.
        """
        return None

    def ended(self, trial: int) -> None:
        """A trial has had all its epochs. Not called for those that were ended by an answer."""

    def resumes(self, *, is_last: bool) -> int | None:
        """The trial ended by an answer that goes on now, in place of a new one; None: none does.

        Args:
            is_last: Whether nothing runs.
        """
        return None


@dataclass(frozen=True)
class Curve:
    """What a trial would report if it were never stopped.

    Attributes:
        values: After each epoch.
        seconds: Of one epoch.
        config: What the trial tries; whoever proposed it knows how to read it.
    """

    values: Sequence[float]
    seconds: float
    config: Any = None


@dataclass(frozen=True)
class Report:
    """A report that was made: when, by which trial, after how many epochs, of what."""

    at: float
    trial: int
    step: int
    value: float


@dataclass
class Trial:
    """A trial of a run; `stopped` says why it was, and `is_over` whether it still runs."""

    curve: Curve
    step: int = 0
    value: float | None = None
    stopped: str | None = None
    is_over: bool = False


@dataclass
class Run:
    """All that has happened.

    Attributes:
        every: How many epochs lie between two reports of a trial.
        reports: In the order of their times.
        trials: In the order of their starts.
    """

    every: int
    reports: list[Report] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """Those that were spent."""
        return sum(trial.step for trial in self.trials)

    @property
    def share_diverged(self) -> float:
        """Of the epochs, those whose report was not finite."""
        diverged = sum(not math.isfinite(report.value) for report in self.reports)
        return diverged / max(len(self.reports), 1)


Propose = Callable[[Sequence[Trial]], Curve | None]
"""The next trial, from those before it; None if there is none."""


def simulate(judge: Judge, propose: Propose, *, workers: int, budget: int, every: int = 1) -> Run:
    """Run trials until the budget is spent.

    Args:
        judge: Decides; hears every report.
        propose: The next trial. Asked whenever a worker is free.
        workers: How many trials run at once.
        budget: Epochs, summed over trials.
        every: How many epochs lie between two reports; a trial's last epoch is reported, too.
    """
    run = Run(every)
    queue: list[tuple[float, int]] = []
    _start(run, judge, propose, queue, 0.0, workers)
    spent = 0
    while queue and spent < budget:
        now, number = heapq.heappop(queue)
        trial = run.trials[number]
        before = trial.step
        _report(run, judge, number, now)
        spent += trial.step - before
        if trial.is_over:
            _start(run, judge, propose, queue, now, workers)
        else:
            heapq.heappush(queue, (now + _pause(trial, every), number))
    return run


def _start(
    run: Run,
    judge: Judge,
    propose: Propose,
    queue: list[tuple[float, int]],
    now: float,
    workers: int,
) -> None:
    """Give each free worker a trial, as long as there is one."""
    while len(queue) < workers:
        number = judge.resumes(is_last=False)
        if number is None:
            number = _new(run, judge, propose)
        if number is None and not queue:
            number = judge.resumes(is_last=True)
        if number is None:
            return
        run.trials[number].is_over = False
        run.trials[number].stopped = None
        heapq.heappush(queue, (now + _pause(run.trials[number], run.every), number))


def _new(run: Run, judge: Judge, propose: Propose) -> int | None:
    curve = propose(run.trials)
    if curve is None:
        return None
    run.trials.append(Trial(curve))
    judge.started(len(run.trials) - 1)
    return len(run.trials) - 1


def _report(run: Run, judge: Judge, number: int, now: float) -> None:
    trial = run.trials[number]
    trial.step = min(trial.step + run.every, len(trial.curve.values))
    trial.value = float(trial.curve.values[trial.step - 1])
    run.reports.append(Report(now, number, trial.step, trial.value))
    reason = judge.report(number, trial.step, trial.value)
    if trial.step == len(trial.curve.values):
        trial.is_over = True
        judge.ended(number)
    elif reason is not None:
        trial.stopped = reason
        trial.is_over = True


def _pause(trial: Trial, every: int) -> float:
    """Seconds to the trial's next report."""
    return trial.curve.seconds * min(every, len(trial.curve.values) - trial.step)
