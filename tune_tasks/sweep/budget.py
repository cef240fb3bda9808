"""What experiments have used of their budgets, and what has used one up. A part of the core; pure.

A time and hours end what runs. Patience, a goal and failures let it come to its own end, or to that
of the time. With all of them nothing more of the experiment is started.

The time is that of the events' clock, from the start of the experiment's first trial on. So the
time in which no driver has the sweep in hand does not count. The hours of an attempt begin when its
process runs; what waits in Ray occupies nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.model.objective import finite_metric
from tune_tasks.model.trial import CUT_SHORT, Outcome, Resources, Trial, count
from tune_tasks.model.trial_key import experiment_of
from tune_tasks.results.budget_use import BudgetUse
from tune_tasks.spec.budget import MIN_ENDED, Budget, Hours
from tune_tasks.spec.durations import shown_duration, shown_part
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    Event,
    Reported,
    StartFailed,
    TakenOver,
)
from tune_tasks.sweep.instructions import EndExperiment
from tune_tasks.sweep.retries import has_failed
from tune_tasks.sweep.without_better import WithoutBetter, feasible_value

_HOUR_S = 3_600


@dataclass
class _Usage:
    """What one experiment has used.

    Attributes:
        began_at: When its first trial was started.
        spent: By unit, the hours of the attempts that have ended.
        running: Since when the process of an attempt runs, and what it occupies, by trial.
        reported: The best value that a feasible report of a trial has, as far as it is known.
        ended: The trials that have ended by themselves; those that a scheduler has ended, too.
        failed: Those of them that have failed.
        patience: What says how many of them have ended since the best one.
    """

    budget: Budget
    began_at: float | None = None
    spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    running: dict[str, tuple[float, Resources]] = field(default_factory=dict)
    reported: float | None = None
    ended: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    patience: WithoutBetter = field(init=False)

    def __post_init__(self) -> None:
        self.patience = WithoutBetter(self.budget)

    # ── What happens ─────

    def started(self, at: float) -> None:
        self.began_at = at if self.began_at is None else self.began_at

    def runs(self, trial: Trial, at: float) -> None:
        self.running.setdefault(trial.key, (at, trial.resources))

    def lets_go(self, key: str, at: float) -> None:
        since, given = self.running.pop(key, (at, Resources()))
        for hours in self.budget.hours:
            self.spent[hours.unit] += hours.weight(given) * (at - since) / _HOUR_S

    def has_reported(self, key: str, result: Mapping[str, Any]) -> None:
        def value_of(name: str) -> float | None:
            return finite_metric(result, name)

        self.patience.has_reported(key, value_of)
        self._note(feasible_value(self.budget, value_of))

    def attempt_has_ended(self, event: AttemptEnded) -> None:
        self.lets_go(event.trial, event.at)
        self.patience.lets_go(event.trial, event.metrics)
        # For a goal that an edit has set since: the journal has no other reports.
        self._note(feasible_value(self.budget, event.metrics.get))

    def _note(self, value: float | None) -> None:
        objective = self.budget.objective
        if objective and objective.better(value, self.reported):
            self.reported = value

    def has_ended(self, key: str, outcome: Outcome, metrics: Mapping[str, float | None]) -> None:
        if outcome.ended_by in CUT_SHORT:
            return
        self.ended.add(key)
        if has_failed(outcome):
            self.failed.add(key)
        self.patience.has_ended(key, outcome, metrics)

    def is_run_again(self, key: str) -> None:
        self.patience.is_run_again(key)
        for trials in (self.ended, self.failed):
            trials.discard(key)

    # ── What has used it up ─────

    def ends_trials(self, at: float) -> str | None:
        """What has used it up so that its trials are ended; None if nothing has."""
        time_s = self.budget.time_s
        if time_s is not None and self._time(at) >= time_s:
            return f"budget: {_are(shown_duration(time_s))} over"
        for hours in self.budget.hours:
            if self._hours(hours, at) >= hours.most:
                return f"budget: {_are(str(hours))} used"
        return None

    def holds_trials(self, *, retry_failed: bool = False) -> str | None:
        """What has used it up so that no further trial is started; None if nothing has.

        Args:
            retry_failed: Whether the failed trials are run again, so that they count no more.
        """
        budget = self.budget
        again = len(self.failed) if retry_failed else 0
        failed, ended = len(self.failed) - again, len(self.ended) - again
        without_better = self.patience.worse
        worse = len(without_better - self.failed if retry_failed else without_better)
        if budget.goal is not None and self._is_good_enough(budget.goal):
            return f"budget: the goal is reached, with {self._words(self.reported)}"
        if self._has_lost_patience(worse):
            return f"budget: {count(worse, 'trial')} in a row without a better one"
        if budget.failures is not None and failed >= budget.failures:
            return f"budget: {count(failed, 'trial')} failed"
        share = budget.failure_share
        if share is not None and ended >= MIN_ENDED and failed >= share * ended:
            return f"budget: {failed} of {ended} trials failed"
        return None

    def _has_lost_patience(self, worse: int) -> bool:
        most = self.budget.patience
        return most is not None and worse >= most and not self.patience.has_one_ahead

    def _is_good_enough(self, goal: float) -> bool:
        objective = self.budget.objective
        if objective is None or self.reported is None:
            return False
        return not objective.better(goal, self.reported)

    def _time(self, at: float) -> float:
        return 0.0 if self.began_at is None else at - self.began_at

    def _hours(self, hours: Hours, at: float) -> float:
        running = sum(hours.weight(given) * (at - since) for since, given in self.running.values())
        return self.spent[hours.unit] + running / _HOUR_S

    def _words(self, value: float | None) -> str:
        objective = self.budget.objective
        return objective.words(value) if objective and value is not None else ""

    # ── How far it is used ─────

    def words(self, at: float) -> Iterator[str]:
        budget = self.budget
        if budget.time_s is not None:
            yield shown_part(min(self._time(at), budget.time_s), budget.time_s)
        for hours in budget.hours:
            yield f"{self._hours(hours, at):.3g} of {hours}"
        if budget.patience is not None:
            most = count(budget.patience, "trial")
            worse = len(self.patience.worse)
            is_held = worse >= budget.patience and self.patience.has_one_ahead
            held = ", but one that has not ended is better" if is_held else ""
            yield f"{worse} of {most} without a better one{held}"
        if budget.goal is not None:
            best = f" (so far {self.reported:.6g})" if self.reported is not None else ""
            yield f"goal {self._words(budget.goal)}{best}"
        if budget.failures is not None:
            yield f"{len(self.failed)} of {count(budget.failures, 'failed trial')}"
        if budget.failure_share is not None:
            yield f"{len(self.failed)} of {len(self.ended)} trials failed"

    def left_s(self, at: float) -> float | None:
        return min(self._each_left_s(at), default=None)

    def _each_left_s(self, at: float) -> Iterator[float]:
        if self.budget.time_s is not None and self.began_at is not None:
            yield max(0.0, self.budget.time_s - self._time(at))
        for hours in self.budget.hours:
            pace = sum(hours.weight(given) for _, given in self.running.values())
            if pace:
                yield max(0.0, hours.most - self._hours(hours, at)) * _HOUR_S / pace


class Budgets:
    """The budgets of a sweep: a fold over what the core is told and decides.

    Args:
        budgets: By experiment, of those that have one.

    Attributes:
        used_up: By experiment, what has ended it: what was the first.
    """

    def __init__(self, budgets: Mapping[str, Budget]) -> None:
        self._usages = {name: _Usage(budget) for name, budget in budgets.items()}
        self.used_up: dict[str, str] = {}
        # The experiments whose running trials are ended, too.
        self._cut_short: set[str] = set()

    def started(self, trial: Trial, at: float) -> None:
        """Note that an attempt of a trial is started."""
        for usage in self._of(trial.key):
            usage.started(at)

    def heard(self, trial: Trial, event: Event) -> None:
        """Note what is heard of the attempt of a trial, which is given as the attempt has it."""
        for usage in self._of(trial.key):
            match event:
                case Announced():
                    usage.runs(trial, event.at)
                case StartFailed():
                    usage.lets_go(trial.key, event.at)
                    usage.patience.unheard.discard(trial.key)
                case AttemptEnded():
                    usage.attempt_has_ended(event)
                case Reported():
                    usage.has_reported(trial.key, event.result)

    def ended(self, event: AttemptEnded) -> None:
        """Note that a trial has ended, and is not tried again."""
        for usage in self._of(event.trial):
            usage.has_ended(event.trial, event.outcome, event.metrics)

    def run_again(self, key: str) -> None:
        """Note that a trial that has ended is pending again."""
        for usage in self._of(key):
            usage.is_run_again(key)

    def is_used_up(self, key: str) -> bool:
        """Whether nothing more of a trial's experiment is started."""
        return experiment_of(key) in self.used_up

    def taken_over(self, event: TakenOver) -> Collection[str]:
        """Note that another driver goes on: the spec may give more by now.

        Returns:
            The experiments that have used up their budgets all the same.
        """
        for name, usage in self._usages.items():
            usage.patience.taken_over(() if name in self.used_up else usage.running)
        self.used_up.clear()
        self._cut_short.clear()
        return {
            name
            for name, usage in self._usages.items()
            if usage.ends_trials(event.at) or usage.holds_trials(retry_failed=event.retry_failed)
        }

    def news(self, at: float) -> Iterator[EndExperiment]:
        """What is to end now, because its budget is used up."""
        for name, usage in self._usages.items():
            is_used_up = name in self.used_up
            if name in self._cut_short or (is_used_up and not usage.running):
                continue
            end = usage.ends_trials(at)
            reason = end if is_used_up else end or usage.holds_trials()
            if reason:
                yield EndExperiment(name, reason, ends_trials=end is not None)

    def follow(self, end: EndExperiment) -> None:
        """Note that an experiment is ended."""
        self.used_up.setdefault(end.experiment, end.reason)
        if end.ends_trials:
            self._cut_short.add(end.experiment)

    def use(self, at: float) -> dict[str, BudgetUse]:
        """How far each budget is used."""
        return {
            name: BudgetUse(", ".join(usage.words(at)), usage.left_s(at), self.used_up.get(name))
            for name, usage in self._usages.items()
        }

    def _of(self, key: str) -> Iterator[_Usage]:
        usage = self._usages.get(experiment_of(key))
        if usage:
            yield usage


def _are(what: str) -> str:
    return f"{what} {'is' if what.startswith('1 ') else 'are'}"
