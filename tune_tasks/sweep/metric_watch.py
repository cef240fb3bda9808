"""Says early that no trial reports what a spec names: it is most likely misspelt. Pure.

Said at an experiment's first report if that has a name which is nearly the same; else a trial may
report the metric only now and then, and it is said at the first milestone, or the first end of a
trial, that is without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.model.misnamed import meant_and_reported, slip_of
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import GOES_ON_AFTER
from tune_tasks.model.trial_key import experiment_of
from tune_tasks.result import entry, metric
from tune_tasks.spec.scheduling import Timed
from tune_tasks.sweep.events import AttemptEnded, Event, MilestonesReached, Reported
from tune_tasks.sweep.plan import PlannedExperiment
from tune_tasks.sweep.retries import has_failed


@dataclass
class _Watched:
    """One experiment's metrics that are still to be seen, or to be warned of.

    Attributes:
        compared: Those that its trials are compared by.
        criteria: Those that stop criteria alone name: a trial may end before it has reported them.
        steps: Those that say how far a trial is (`time_attr`).
        last: The latest report of any trial.
    """

    compared: list[str]
    criteria: list[str]
    steps: list[str]
    last: Mapping[str, Any] = field(default_factory=dict)

    def names(self) -> list[str]:
        return list(dict.fromkeys([*self.compared, *self.criteria, *self.steps]))

    def settle(self, names: Iterable[str]) -> None:
        for name in names:
            for unseen in (self.compared, self.criteria, self.steps):
                if name in unseen:
                    unseen.remove(name)


class MetricWatch:
    """Finds the metrics that no trial reports, each once.

    Args:
        experiments: Those of the sweep.
    """

    def __init__(self, experiments: Iterable[PlannedExperiment]) -> None:
        self._watched = {experiment.name: _watched(experiment) for experiment in experiments}

    def heard(self, event: Event) -> Iterator[str]:
        """Take in what the core is told; yields a warning for each metric that is not there."""
        if not isinstance(event, (Reported, MilestonesReached, AttemptEnded)):
            return
        name = experiment_of(event.trial)
        watched = self._watched.get(name)
        if watched and watched.names():
            yield from (f"{one_line(name)}: {said}" for said in _said_of(watched, event))


def _watched(experiment: PlannedExperiment) -> _Watched:
    compared = experiment.spec.compared_by().metrics()
    criteria = dict.fromkeys(criterion.metric for criterion in experiment.criteria())
    steps = dict.fromkeys(
        options.time_attr
        for _, options in experiment.spec.schedulers()
        if isinstance(options, Timed)
    )
    return _Watched(compared, [name for name in criteria if name not in compared], list(steps))


def _said_of(
    watched: _Watched, event: Reported | MilestonesReached | AttemptEnded
) -> Iterator[str]:
    match event:
        case Reported():
            yield from _at_report(watched, event.result)
        case MilestonesReached():
            yield from _at_milestone(watched, event)
        case AttemptEnded():
            yield from _at_end(watched, event)


def _at_report(watched: _Watched, result: Mapping[str, Any]) -> Iterator[str]:
    is_first = not watched.last
    watched.last = result
    watched.settle([name for name in watched.names() if metric(result, name) is not None])
    yield from _no_numbers(watched, result)
    slips = [name for name in watched.names() if is_first and slip_of(name, result)]
    for name in slips:
        yield _words(watched, name, "is in none of the first report's metrics")
    watched.settle(slips)


def _no_numbers(watched: _Watched, result: Mapping[str, Any]) -> Iterator[str]:
    values = {name: entry(result, name) for name in watched.names()}
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        kind = type(value).__name__
        yield f"{_kind(watched, name)} {one_line(name)!r} is reported as a {kind}: it is no number"
    watched.settle(given)


def _at_milestone(watched: _Watched, event: MilestonesReached) -> Iterator[str]:
    watched.settle(each.metric for each in event.reached if each.best is not None)
    watched.settle(list(watched.steps))
    judged_by = {each.metric: each for each in event.reached if each.best is None}
    missing = [name for name in watched.compared if name in judged_by]
    for name in missing:
        step = judged_by[name].step
        yield _words(
            watched,
            name,
            f"is in no report of the first trial that is judged by it ({event.trial}, at {step:g}),"
            " and counts as the worst value",
        )
    watched.settle(missing)


def _at_end(watched: _Watched, event: AttemptEnded) -> Iterator[str]:
    outcome = event.outcome
    if outcome.ended_by in GOES_ON_AFTER or has_failed(outcome) or not watched.last:
        return
    missing = [name for name in watched.compared if event.metrics.get(name, 0.0) is None]
    for name in missing:
        yield _words(
            watched,
            name,
            f"is not in the last report of the first trial that has ended ({event.trial}), and"
            " trials are compared by their last reports",
        )
    watched.settle(missing)
    unjudged = list(watched.steps)
    for name in unjudged:
        where = (
            f"is in no report of the first trial that has ended ({event.trial}): nobody is judged"
        )
        yield _words(watched, name, where)
    watched.settle(unjudged)


def _words(watched: _Watched, name: str, where: str) -> str:
    meant = meant_and_reported(name, watched.last)
    return f"{_kind(watched, name)} {one_line(name)!r} {where}{meant}"


def _kind(watched: _Watched, name: str) -> str:
    return "time_attr" if name in watched.steps else "metric"
