"""What an experiment starts from, in words. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tune_tasks.model.differences import shown
from tune_tasks.model.text import left_out
from tune_tasks.model.trial import count
from tune_tasks.spec.domains import is_same
from tune_tasks.sweep.plan import PlannedExperiment

_SHOWN = 3
_ABSENT = object()


def warm_lines(experiment: PlannedExperiment) -> Iterator[str]:
    """What an experiment starts from, and what of that today's space does not take.

    Args:
        experiment: Planned.
    """
    if experiment.warm is None:
        return
    started = experiment.warm.started
    parts = [*_about_configs(experiment), *_about_results(experiment)]
    if started.source:
        yield f"warm start from {started.source}: {'; '.join(parts)}"
    yield from (f"warm start: {note}" for note in started.notes)
    for path, values in _drawn(experiment).items():
        some = ", ".join([*map(shown, values[:_SHOWN]), *left_out(len(values), _SHOWN)])
        yield f"warm start: {path} cannot be {some} here, and is drawn in {len(values)} of them"


def _about_configs(experiment: PlannedExperiment) -> Iterator[str]:
    assert experiment.warm is not None
    found = len(experiment.warm.started.configs)
    if not found:
        return
    tried = len(set(_first_trials(experiment).values()))
    of_all = "" if tried == found else f" of {found}: there are no more trials"
    verb = "is" if tried == 1 else "are"
    yield f"{count(tried, 'config')} {verb} tried first{of_all}"


def _about_results(experiment: PlannedExperiment) -> Iterator[str]:
    assert experiment.warm is not None
    warm = experiment.warm
    search = experiment.spec.searching()
    wish = experiment.spec.warm_start
    if wish and wish.wants_results and not search.learns:
        yield f"{search.algorithm} learns nothing from its results"
    if not warm.started.results:
        return
    told = sum(map(len, warm.told.values()))
    yield f"{search.algorithm} is told {count(told, 'result')}"
    if _is_all_start_up(experiment):
        yield "it proposes no trial: all are tried before its start-up is over"
    if warm.misfits:
        why = ", ".join(f"{path} ({left})" for path, left in warm.misfits.items())
        misfits = sum(warm.misfits.values())
        verb = "does" if misfits == 1 else "do"
        yield f"{misfits} {verb} not fit into today's space, because of {why}"


def _is_all_start_up(experiment: PlannedExperiment) -> bool:
    """Whether a new sweep ends before a model has a say."""
    is_new = not experiment.expansion.points
    return is_new and experiment.learns and not experiment.unknown()


def _first_trials(experiment: PlannedExperiment) -> dict[int, int]:
    """By index, the trials that try one of the configs, and which one."""
    assert experiment.warm is not None
    rounds = len(experiment.spec.try_first) + len(experiment.warm.started.configs)
    first = experiment.indices[: rounds * experiment.expansion.space.grid_size]
    numbers = {index: experiment.expansion.rounds.head_start_of(index) for index in first}
    return {index: number for index, number in numbers.items() if number is not None}


def _drawn(experiment: PlannedExperiment) -> dict[str, list[Any]]:
    """By setting, the values that the trials cannot have; of each config the first trial counts."""
    assert experiment.warm is not None
    expansion = experiment.expansion
    first = {number: index for index, number in reversed(_first_trials(experiment).items())}
    of_their_own = {*expansion.space.grids, *expansion.space.evals}
    drawn: defaultdict[str, list[Any]] = defaultdict(list)
    for number, index in first.items():
        has = expansion.resolved(index).searched
        for path, value in experiment.warm.started.configs[number].values.items():
            if path not in of_their_own and not is_same(has.get(path, _ABSENT), value):
                drawn[path].append(value)
    return drawn
