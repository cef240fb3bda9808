"""What a schedule that is replayed needs. Starts nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tune_tasks.errors import Location, SpecError, did_you_mean
from tune_tasks.model.differences import text_of
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.spec.replaying import changed, settings
from tune_tasks.spec.scheduling import PlateauOptions, ReplayOptions, ReplayStep
from tune_tasks.spec.search_parsing import holds_marker
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.part import Part

_OF_CODE = ("script_file_path", "script_entrypoint")
_Problem = tuple[NodePath, str]
"""The path within the options, and what is wrong there."""


def expect_replayable(part: Part, options: ReplayOptions, space: SearchSpace) -> None:
    """Check that an experiment's trials can follow a schedule.

    Raises:
        SpecError: If they cannot.
    """
    problem = _of_others(part, options)
    if problem:
        raise SpecError(f"scheduler: replay {problem}", part.at(("scheduler",), key=True))
    problems = [*_of_steps(options), *_of_settings(part, options, space)]
    if problems:
        path, text = problems[0]
        name = ".".join(map(str, ("replay", *path)))
        place = part.at((*_place_of_options(part), *path), key=True)
        raise SpecError(f"scheduler: {name}: {text}", place)


def doubts_of_schedule(part: Part) -> Iterator[tuple[Location | None, str, str]]:
    """Yield what is probably not meant with a schedule, each with its place."""
    options = part.experiment.scheduled(ReplayOptions)
    if options is None:
        return
    for path, text in [*_beyond_the_end(part, options), *_without_change(part, options)]:
        place = (*_place_of_options(part), *path)
        yield part.at(place, key=True), f".{dotted(place)}", text


def _beyond_the_end(part: Part, options: ReplayOptions) -> Iterator[_Problem]:
    for number, step in enumerate(options.schedule):
        for criterion in part.experiment.criteria():
            is_bound = criterion.metric == options.time_attr and criterion.op in (">=", ">", "==")
            is_last = criterion.op == ">" and step.at == criterion.bound
            if is_bound and step.at >= criterion.bound and not is_last:
                text = f"no trial comes so far: stop: {criterion} ends it before"
                yield ("schedule", number, "at"), text


def _without_change(part: Part, options: ReplayOptions) -> Iterator[_Problem]:
    config: Mapping[str, Any] = part.experiment.config
    for number, step in enumerate(options.schedule):
        then = changed(config, step.config)
        if text_of(then) == text_of(config):
            text = "it changes nothing: a trial has these values already"
            yield ("schedule", number, "config"), text
        config = then


def _of_others(part: Part, options: ReplayOptions) -> str:
    spec = part.experiment
    others = [name for name, each in spec.schedulers() if not isinstance(each, PlateauOptions)]
    if len(others) > 1:
        others.remove("replay")
        other = "another replay" if others[0] == "replay" else others[0]
        return f"does not go together with {other}; use plateau"
    if spec.searching().learns:
        return (
            f"changes configs itself, and does not go together with search:"
            f" {spec.searching().algorithm}; use random or qmc"
        )
    if spec.storage:
        return "does not copy checkpoints within a storage yet; leave storage out"
    return ""


def _of_steps(options: ReplayOptions) -> Iterator[_Problem]:
    for number, (before, after) in enumerate(pairwise(options.schedule), 1):
        if after.at <= before.at:
            text = f"expected a number above {before.at:g}, of the step before, got {after.at:g}"
            yield ("schedule", number, "at"), text


def _of_settings(part: Part, options: ReplayOptions, space: SearchSpace) -> Iterator[_Problem]:
    config: Mapping[str, Any] = part.experiment.config
    for number, step in enumerate(options.schedule):
        problems = list(_of_step(step, config, set(space.searched)))
        for name, text in problems:
            yield ("schedule", number, "config", name), text
        if problems:
            return  # what the later ones find there is not known
        config = changed(config, step.config)


def _of_step(
    step: ReplayStep, config: Mapping[str, Any], searched: set[NodePath]
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a step, by setting; `config` is what a trial has before it."""
    known: dict[str, list[NodePath]] = {}
    for name, path in settings(config):
        known.setdefault(name, []).append(path)
    plain = [name for name, paths in known.items() if not _is_searched(paths[0], searched)]
    for name, value in step.config.items():
        problem = _of_setting(name, value, known, plain) or _of_pair(name, step.config)
        if problem:
            yield name, problem


def _of_setting(
    name: str, value: object, known: Mapping[str, Sequence[NodePath]], plain: Collection[str]
) -> str:
    if name in _OF_CODE:
        return "what runs does not change"
    if name not in known:
        return f"config has no such setting{did_you_mean(name, plain)}"
    if len(known[name]) > 1:
        return "two settings of config have this name; give one of them another"
    if name not in plain:
        return "it is searched, or has something in it that is; give it a value in config"
    if holds_marker(value):
        (shown,) = masked_by_path({name: value}).values()
        return f"expected a value, got {shown!r}"
    return ""


def _of_pair(name: str, others: Iterable[str]) -> str:
    outer = next((other for other in others if name.startswith(f"{other}.")), None)
    return f"it is within {outer}, which the same step changes; give one of them" if outer else ""


def _is_searched(path: NodePath, searched: set[NodePath]) -> bool:
    """Whether a part of a config is searched, is within what is, or has something in it that is."""
    length = len(path)
    return any(each[:length] == path[: len(each)] for each in searched)


def place_of_step(part: Part, number: int) -> Location | None:
    """Return the place of a step of an experiment's schedule."""
    return part.at((*_place_of_options(part), "schedule", number))


def _place_of_options(part: Part) -> NodePath:
    """Where the options stand: `scheduler` is a mapping, or a list of names and mappings."""
    given = part.given.get("scheduler")
    if not isinstance(given, list):
        return ("scheduler", "replay")
    places = (n for n, each in enumerate(given) if isinstance(each, dict) and "replay" in each)
    return ("scheduler", next(places, 0), "replay")
