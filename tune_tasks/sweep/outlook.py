"""What a plan can say beforehand of what its schedulers will end. Pure.

How many trials come to a rung depends on their values. The figures are what is to be expected if
the order of the values were chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from tune_tasks.search import asha, promotion
from tune_tasks.search.hyperband import dealt, shares
from tune_tasks.search.judges import mutated_paths, rungs_of
from tune_tasks.spec.scheduling import (
    HyperbandOptions,
    MedianOptions,
    PbtOptions,
    PlateauOptions,
    ReplayOptions,
    RungOptions,
    end_of,
    promotes,
)
from tune_tasks.sweep.plan import PlannedExperiment


def outlook(experiment: PlannedExperiment) -> Iterator[str]:
    """Yield what is to be expected, a line for each bracket of each scheduler."""
    for name, options in experiment.spec.schedulers():
        if isinstance(options, MedianOptions):
            yield f"{name}: judged from {options.grace_period:g} {options.time_attr} on"
        elif isinstance(options, PbtOptions):
            yield _of_population(name, options, experiment)
        elif isinstance(options, ReplayOptions):
            steps = ", ".join(f"{step.at:g}" for step in options.schedule)
            yield f"{name}: another config from {steps} {options.time_attr} on"
        elif isinstance(options, PlateauOptions):
            yield f"{name}: ended after {options.patience} reports without an improvement"
        else:
            yield from _of_rungs(name, options, experiment)


def expected_share(experiment: PlannedExperiment) -> float:
    """The share of a trial's steps that trials are expected to make; 1 if that is not known."""
    shares = [
        _share(list(_brackets(name, options, experiment)))
        for name, options in experiment.spec.schedulers()
        if isinstance(options, RungOptions) and end_of(options.time_attr, experiment.criteria())
    ]
    return min(shares, default=1.0)


def _share(brackets: Sequence[_Bracket]) -> float:
    of_all = sum(each.of_all for each in brackets)
    return sum(each.total for each in brackets) / of_all if of_all > 0 else 1.0


@dataclass(frozen=True)
class _Bracket:
    """The trials that have the same rungs.

    Attributes:
        name: The scheduler's, for people.
        options: The scheduler's.
        steps: The rungs, and the end of a trial.
        trials: How many begin.
    """

    name: str
    options: RungOptions
    steps: tuple[float, ...]
    trials: int

    @cached_property
    def expected(self) -> list[float]:
        """How many come to each of the steps."""
        expected_at = promotion.expected_at if promotes(self.options) else asha.expected_at
        return expected_at(self.steps, self.trials, self.options.reduction_factor)

    @property
    def total(self) -> float:
        """The steps of all trials that are expected."""
        pairs = zip((0.0, *self.steps), self.steps, strict=False)
        lengths = (after - before for before, after in pairs)
        return sum(n * length for n, length in zip(self.expected, lengths, strict=True))

    @property
    def of_all(self) -> float:
        """The steps of all trials if nobody is ended."""
        return self.trials * self.steps[-1]

    def words(self) -> str:
        """For people."""
        rungs = ", ".join(f"{step:g}" for step in self.steps)
        come = ", ".join(f"{number:.0f}" for number in self.expected)
        others = "; the others wait with their checkpoints" if promotes(self.options) else ""
        return (
            f"{self.name}: rungs {rungs}; about {come} trials come to them{others};"
            f" {self.options.time_attr} in all about {self.total:.0f} of {self.of_all:.0f}"
        )


def _of_rungs(name: str, options: RungOptions, experiment: PlannedExperiment) -> Iterator[str]:
    bound = end_of(options.time_attr, experiment.criteria())
    for bracket in _brackets(name, options, experiment):
        doubt = f", if trials come to {bracket.steps[-1]:g}" if bound is None else ""
        yield bracket.words() + doubt


def _brackets(name: str, options: RungOptions, experiment: PlannedExperiment) -> Iterator[_Bracket]:
    steps = rungs_of(options, experiment.spec)
    bound = end_of(options.time_attr, experiment.criteria())
    end = steps[-1] if bound is None else bound
    if not isinstance(options, HyperbandOptions):
        yield _Bracket(name, options, _up_to(end, steps), len(experiment.trials))
        return
    most = min(len(steps), options.brackets or len(steps))
    parts = shares(len(steps), most, options.reduction_factor)
    grid_size = experiment.expansion.space.grid_size
    for first, trials in enumerate(dealt(experiment.indices, grid_size, parts)):
        own = _up_to(end, steps[first:])
        yield _Bracket(f"{name} bracket {first + 1}", options, own, trials)


def _up_to(end: float, steps: tuple[float, ...]) -> tuple[float, ...]:
    """The rungs that a trial comes to, and its end: nobody is judged at `max_t`, the last step."""
    return (*(step for step in steps[:-1] if step < end), end)


def _of_population(name: str, options: PbtOptions, experiment: PlannedExperiment) -> str:
    space = experiment.expansion.space
    members = len(experiment.trials) // space.grid_size
    replaced = min(math.ceil(members * options.quantile), members // 2)
    changed = ", ".join(mutated_paths(options, space))
    every_one = f", one for each of {space.grid_size} of the grid" if space.grid_size > 1 else ""
    return (
        f"{name}: a population of {members}{every_one}; every {options.interval:g}"
        f" {options.time_attr} the worst {replaced} go on from the best {replaced}, with another"
        f" {changed}"
    )
