"""How an experiment stands while its sweep runs.

How many trials are done, which is the best so far. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.trial import Outcome, TrialState
from tune_tasks.result import metric as metric_of
from tune_tasks.results.summary import DEFAULT_METRICS, best_of, metric_to_go_by


@dataclass(frozen=True)
class Contender:
    """A trial by its latest report.

    Attributes:
        key: Of the attempt.
        values: The finite ones of the metrics that 'best' may go by.
    """

    index: int
    name: str
    key: str
    values: Mapping[str, float]

    def metric(self, name: str) -> float | None:
        """The latest value of a metric, or None."""
        return self.values.get(name)


class Standing:
    """Told of every report and end of an experiment's attempts; the same one twice changes nothing.

    'Best' is what the summary calls so: the best latest report, of trials that did not fail.

    Args:
        metric: The spec's; without one, the first default that is reported.
        mode: The spec's.
    """

    def __init__(self, metric: str | None, mode: str | None) -> None:
        self._metric, self._mode = metric, mode
        self._names = (metric,) if metric else tuple(name for name, _ in DEFAULT_METRICS)
        self._reported: set[str] = set()
        self._running: dict[str, Contender] = {}
        self._ended: dict[str, Contender] = {}
        self._done: set[int] = set()

    @property
    def done(self) -> int:
        """Number of trials that have ended."""
        return len(self._done)

    @property
    def metric(self) -> tuple[str | None, str]:
        """The metric and mode that 'best' goes by; None where no report had one so far."""
        return metric_to_go_by(self._metric, self._mode, self._reported.__contains__)

    def best(self) -> Contender | None:
        """The best trial so far, running ones included."""
        name, mode = self.metric
        ended = [self._ended[name]] if name in self._ended else []
        return best_of([*ended, *self._running.values()], name, mode)

    def report(self, info: AttemptInfo, row: Mapping[str, object]) -> None:
        """Take an attempt's latest report."""
        found = {name: metric_of(row, name) for name in self._names}
        values = {
            name: value
            for name, value in found.items()
            if value is not None and math.isfinite(value)
        }
        self._reported |= values.keys()
        self._running[info.key] = Contender(info.trial.index, info.trial.name, info.key, values)

    def end(self, info: AttemptInfo, outcome: Outcome) -> None:
        """Take an attempt's end; the trial is not done where it is to be tried again."""
        contender = self._running.pop(info.key, None)
        failed = outcome.state is TrialState.ERROR
        if not failed or info.attempt > info.trial.max_failures:
            self._done.add(info.trial.index)
        if contender and not failed:
            self._keep(contender)

    def _keep(self, contender: Contender) -> None:
        """Of the trials that have ended, keep the best by each metric: there may be many."""
        for name in contender.values:
            _, mode = metric_to_go_by(self._metric, self._mode, {name}.__contains__)
            rivals = [rival for rival in (self._ended.get(name), contender) if rival]
            if best := best_of(rivals, name, mode):
                self._ended[name] = best
