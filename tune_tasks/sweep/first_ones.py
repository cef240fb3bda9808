"""Whether trials can have what `try_first` says, and whether they have it. Starts nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from tune_tasks.errors import ExpressionError, SpecError
from tune_tasks.model.paths import dotted, nodes
from tune_tasks.search.exploring import path_of
from tune_tasks.spec.domains import is_same
from tune_tasks.spec.expansion import Expansion
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.spec.wanted import Wanted
from tune_tasks.sweep.part import Doubt, Part

_DRAWS = 1_000
_STRIDE = 2**61 - 1
"""A prime: in a small grid it comes to every cell, and in a large one to all parts."""
_STEPS = 5_000_000


def expect_first_ones(part: Part, space: SearchSpace) -> None:
    """Check that a trial can have what `try_first` says, in a cell of the grid, with some draws.

    Raises:
        SpecError: If none can. The sweep's seed has no say in it.
    """
    for number, entry in enumerate(part.experiment.try_first):
        problem = _about_names(entry, space) or _about_values(number, entry, space)
        if problem:
            place = part.at(("try_first", number))
            raise SpecError(f"try_first.{number}: {problem}", place)


def _about_names(entry: Mapping[str, Any], space: SearchSpace) -> str:
    for name in entry:
        if name in space.grids:
            return f"{name}: each value of its grid_search tries the others; leave it out"
        if name in space.evals:
            return f"{name}: it has no domain"
    return ""


def _about_values(number: int, entry: Mapping[str, Any], space: SearchSpace) -> str:
    mistakes: list[str] = []
    budget = PlanBudget(_STEPS)
    for draw in range(_DRAWS):
        index = number * space.grid_size + draw * _STRIDE % space.grid_size
        try:
            space.resolve(index, f"try_first/{draw}", budget, wanted=Wanted(entry))
        except ExpressionError as exc:
            mistakes.append(exc.message.partition(" (trial ")[0])
        except SpecError:
            return ""  # the budget is used up, and another draw might have allowed it
        else:
            return ""
    return _certain(mistakes, entry, space)


def _certain(mistakes: Sequence[str], entry: Mapping[str, Any], space: SearchSpace) -> str:
    """The mistake that every trial has; empty if one whose like is rare might have none."""
    depends_on = _depends_on(entry, space)
    of_values = [mistake for mistake in mistakes if mistake.startswith("config.")]
    if of_values and depends_on.bounds.isdisjoint(space.grids):
        return of_values[0]
    return "" if depends_on.bounds or depends_on.conditions else mistakes[0]


def doubts_of_first_ones(part: Part, trials: Expansion) -> Iterator[Doubt]:
    """Yield each entry of `try_first` that no trial has, by what is drawn for it."""
    entries = part.experiment.try_first
    had: dict[int, bool] = {}
    for index in trials.indices if entries else ():
        number = trials.rounds.first_one_of(index)
        if number is not None and not had.get(number):
            has_begun = index in trials.points  # maybe with what an earlier form of the spec said
            had[number] = has_begun or _has(trials.resolved(index).config, entries[number])
    for number in (number for number, is_had in had.items() if not is_had):
        text = "no trial has all of it, by its combination of the grid or what is drawn for it"
        hint = _hint(entries[number], trials.space)
        yield part.at(("try_first", number)), f".try_first.{number}", f"{text}{hint}"


def _has(config: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    values = {dotted(path): value for path, value in nodes(config)}
    return all(name in values and is_same(values[name], entry[name]) for name in entry)


@dataclass(frozen=True)
class _Others:
    """The settings, by dotted path, on which it depends whether a trial can have an entry.

    Those that the entry names are left out.
    """

    conditions: Set[str]
    bounds: Set[str]


def _depends_on(entry: Mapping[str, Any], space: SearchSpace) -> _Others:
    named = [parameter for parameter in space.parameters if path_of(parameter) in entry]
    conditions = {dotted(each.path) for parameter in named for each in parameter.when}
    bounds = {dotted(path) for parameter in named for path in parameter.references}
    searched = {*map(dotted, space.searched)} - entry.keys()
    return _Others(searched & conditions, searched & bounds)


def _hint(entry: Mapping[str, Any], space: SearchSpace) -> str:
    depends_on = _depends_on(entry, space)
    others = (depends_on.conditions | depends_on.bounds) - {*space.grids, *space.evals}
    return f"; name {' and '.join(sorted(others))}, too" if others else ""
