"""What is probably not meant by a scheduler, or goes together badly with something else. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tune_tasks.model.paths import dotted
from tune_tasks.spec.expansion import num_trials
from tune_tasks.spec.scheduling import (
    MedianOptions,
    PbtOptions,
    PlateauOptions,
    RungOptions,
    SchedulerOptions,
    end_of,
)
from tune_tasks.spec.schema import ExperimentSpec
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.drawn_values import as_domain
from tune_tasks.sweep.part import Doubt, Part


def doubts_of_schedulers(part: Part, space: SearchSpace) -> Iterator[Doubt]:
    """Yield what is doubtful about an experiment's schedulers, each with its place."""
    spec = part.experiment
    for number, (name, options) in enumerate(spec.schedulers()):
        path = part.in_scheduler(number, name)
        for reason in _in_vain(options, spec, space):
            yield part.at(path), f".{dotted(path)}", f"it judges nobody: {reason}"
    yield from _about_lag(part)
    if spec.scheduled(PbtOptions):
        yield from _about_population(part, space)


def _in_vain(options: SchedulerOptions, spec: ExperimentSpec, space: SearchSpace) -> Iterator[str]:
    count = num_trials(spec, space)
    if isinstance(options, MedianOptions):
        yield from _too_late("grace_period", options.grace_period, options.time_attr, spec)
        if options.min_trials >= count:
            yield f"a trial has {count - 1} others, and min_trials is {options.min_trials}"
    elif isinstance(options, PbtOptions):
        yield from _too_late("interval", options.interval, options.time_attr, spec)
    elif isinstance(options, PlateauOptions):
        yield from _too_late("patience", options.patience, "training_iteration", spec)


def _too_late(name: str, first: float, time_attr: str, spec: ExperimentSpec) -> Iterator[str]:
    end = end_of(time_attr, spec.criteria())
    if end is not None and first >= end:
        yield f"its {name}, {first:g}, is not below the end of a trial, {end:g}"


def _about_lag(part: Part) -> Iterator[Doubt]:
    search = part.experiment.searching()
    names = [
        name
        for name, options in part.experiment.schedulers()
        if isinstance(options, RungOptions | MedianOptions)
    ]
    if names and search.lag is not None:
        text = (
            f"{names[0]} compares trials in the order of their reports: on other machines it ends"
            f" others, and {search.algorithm} is told other results; lag alone does not make the"
            " configs the same"
        )
        yield part.at(("search",)), ".search", text


def _about_population(part: Part, space: SearchSpace) -> Iterator[Doubt]:
    most = part.experiment.max_concurrent_trials
    size = num_trials(part.experiment, space)
    if most is not None and most < size:
        text = (
            f"{most} members of {size} run at once: the others begin once one of these has ended,"
            " and are compared with what it had at the same step"
        )
        yield part.at(("max_concurrent_trials",)), ".max_concurrent_trials", text
    for path in space.evals_that_draw():
        text = f"it is drawn, and pbt does not change it; {as_domain(part, path)} is changed"
        yield part.in_config(path), f".config.{dotted(path)}", text
