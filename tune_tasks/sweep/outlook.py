"""What a plan can say beforehand of what its schedulers will end. Pure.

How many trials come to a rung depends on their values. The figures are what is to be expected if
the order of the values were chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

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


def _of_rungs(name: str, options: RungOptions, experiment: PlannedExperiment) -> Iterator[str]:
    steps = rungs_of(options, experiment.spec)
    bound = end_of(options.time_attr, experiment.criteria())
    end = steps[-1] if bound is None else bound
    trials = len(experiment.trials)
    doubt = f", if trials come to {end:g}" if bound is None else ""
    if not isinstance(options, HyperbandOptions):
        yield _line(name, options, _up_to(end, steps), trials) + doubt
        return
    brackets = min(len(steps), options.brackets or len(steps))
    parts = shares(len(steps), brackets, options.reduction_factor)
    places = map(experiment.expansion.rounds.place_of, experiment.indices)
    for first, count in enumerate(dealt(places, parts)):
        own = _up_to(end, steps[first:])
        yield _line(f"{name} bracket {first + 1}", options, own, count) + doubt


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


def _line(name: str, options: RungOptions, steps: tuple[float, ...], trials: int) -> str:
    form = promotion if promotes(options) else asha
    expected = form.expected_at(steps, trials, options.reduction_factor)
    rungs = ", ".join(f"{step:g}" for step in steps)
    come = ", ".join(f"{count:.0f}" for count in expected)
    lengths = (after - before for before, after in zip((0.0, *steps), steps, strict=False))
    total = sum(count * length for count, length in zip(expected, lengths, strict=True))
    of_all = trials * steps[-1]
    others = "; the others wait with their checkpoints" if promotes(options) else ""
    return (
        f"{name}: rungs {rungs}; about {come} trials come to them{others};"
        f" {options.time_attr} in all about {total:.0f} of {of_all:.0f}"
    )
