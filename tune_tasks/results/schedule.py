"""How the settings of a trial changed while it ran: a member of a population, or by a schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.paths import dotted, nodes
from tune_tasks.model.result_file import all_rows, read_progress
from tune_tasks.model.text import left_out, one_line
from tune_tasks.results.axis import short_label
from tune_tasks.results.markdown import table
from tune_tasks.results.trials import TrialSummary
from tune_tasks.search.dimension import Dimension

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Course = tuple[int, Sequence["Stretch"]]
"""A trial's index, and its stretches."""
_ROWS = 20
_SETTINGS = 6
_PLOTS = 4
_LABEL_LENGTH = 40
_MOST = 1e300


@dataclass(frozen=True)
class Stretch:
    """Reports with the same settings, one after the other.

    Attributes:
        first: `training_iteration` of the first of them.
        last: The same of the last one.
        settings: What is searched, by dotted path; secrets masked.
    """

    first: int
    last: int
    settings: Mapping[str, Any]


def stretches_of(trial: TrialSummary) -> list[Stretch]:
    """The stretches of a trial, from its file; empty if nothing can have changed.

    A trial goes on with other settings in a further attempt alone.
    """
    if trial.attempts < 2 or not trial.logdir:
        return []
    path = AttemptPaths(Path(trial.logdir)).results
    found: list[Stretch] = []
    for row in all_rows(path, read_progress(path).size):
        settings = _settings(row.get("config") or {}, trial)
        at = row["training_iteration"]
        is_same = bool(found) and found[-1].settings == settings
        first = found.pop().first if is_same else at
        found.append(Stretch(first, at, settings))
    return found


def _settings(config: Mapping[str, Any], trial: TrialSummary) -> dict[str, Any]:
    values = {dotted(path): value for path, value in nodes(config)}
    return masked_by_path({path: values.get(path) for path in trial.searched})


def changed_in(stretches: Sequence[Stretch]) -> list[str]:
    """The paths of what is not the same in all of them."""
    if not stretches:
        return []
    first = stretches[0].settings
    return [path for path in first if any(s.settings[path] != first[path] for s in stretches)]


def schedule_lines(best: TrialSummary | None) -> Iterator[str]:
    """Yield the part of a report on the settings of the best trial, if they have changed."""
    stretches = stretches_of(best) if best else []
    paths = changed_in(stretches)[:_SETTINGS]
    if not paths:
        return
    yield "## How its config changed"
    yield ""
    rows = ((each.first, *(_shown(each.settings[path]) for path in paths)) for each in stretches)
    yield from table(("from iteration", *map(one_line, paths)), list(rows)[:_ROWS])
    if len(stretches) > _ROWS:
        yield from left_out(len(stretches), _ROWS)
        yield ""
    yield "If it went on from another trial, what that one had before is in what `tune-tasks best`"
    yield "prints: the schedule that its weights were trained with, as a spec."
    yield ""


def schedule_pictures(
    trials: Sequence[TrialSummary], dimensions: Sequence[Dimension]
) -> dict[str, Callable[[], Figure]]:
    """The picture of how settings changed, by its title; none if none has, or none is a number.

    Args:
        trials: The best first.
        dimensions: What was searched.
    """
    all_courses: list[_Course] = [(trial.index, stretches_of(trial)) for trial in trials]
    courses = [each for each in all_courses if each[1]]
    changed = dict.fromkeys(path for _, course in courses for path in changed_in(course))
    numbers = [path for path in changed if _is_number(courses, path)][:_PLOTS]
    logs = {dimension.path for dimension in dimensions if dimension.is_log}
    if not numbers:
        return {}
    return {"Settings over time": lambda: _figure(courses, numbers, logs)}


def _figure(courses: Sequence[_Course], paths: Sequence[str], logs: Collection[str]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.4 * len(paths)), layout="constrained")
    for number, path in enumerate(paths, 1):
        plot = figure.add_subplot(len(paths), 1, number)
        for index, course in reversed(courses):  # the best is drawn last, on top of the others
            steps = [step for each in course for step in (each.first, each.last)]
            values = [each.settings[path] for each in course for _ in range(2)]
            plot.plot(steps, values, label=f"trial {index}", linewidth=1.3)
        plot.set_ylabel(short_label(path, _LABEL_LENGTH))
        if path in logs:
            plot.set_yscale("log")
    plot.set_xlabel("iterations")
    handles, labels = plot.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], fontsize=7, loc="outside right upper")
    return figure


def _is_number(courses: Sequence[_Course], path: str) -> bool:
    values = [each.settings.get(path) for _, course in courses for each in course]
    return all(isinstance(value, (int, float)) and _fits_an_axis(value) for value in values)


def _fits_an_axis(number: float) -> bool:
    # An axis is longer than what it shows, and ends in an error if that is beyond floats
    return not _MOST < abs(number) < math.inf


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value))
