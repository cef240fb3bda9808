"""One setting in several branches of a conditional choice: an axis of a picture for each. Pure.

`lr` of SGD and `lr` of Adam stand at one path, with domains of their own: on one axis they would
look like one setting. Branches with the same domain are one to a search, and here too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from tune_tasks.results.axis import ABSENT, Axis
from tune_tasks.results.trials import TrialSummary
from tune_tasks.search.dimension import Dimension


def branched(dimensions: Sequence[Dimension]) -> frozenset[str]:
    """Return the paths at which branches have different domains."""
    paths = [dimension.path for dimension in dimensions]
    return frozenset(path for path in paths if paths.count(path) > 1)


def axes_of(
    path: str, trials: Sequence[TrialSummary], dimensions: Sequence[Dimension]
) -> Iterator[Axis]:
    """Yield the axis of a searched setting, or one for each of its branches.

    Args:
        path: The setting's.
        trials: All that are shown.
        dimensions: What was searched, as far as it has domains.
    """
    there = [dimension for dimension in dimensions if dimension.path == path]
    having = {each.name: {t.index for t in trials if each.name in t.point} for each in there}
    unknown = {t.index for t in trials if path in t.searched}.difference(*having.values())
    if len(there) < 2 or unknown:
        yield _axis(path, path, trials, is_log=there[0].is_log if there else None)
        return
    for dimension in there:
        members = having[dimension.name]
        if members:
            name = f"{path} ({_options(path, [t for t in trials if t.index in members])})"
            yield _axis(name, path, trials, members, is_log=dimension.is_log)


def _axis(
    name: str,
    path: str,
    trials: Sequence[TrialSummary],
    members: Collection[int] | None = None,
    *,
    is_log: bool | None,
) -> Axis:
    values = [
        t.shown_searched.get(path, ABSENT) if members is None or t.index in members else ABSENT
        for t in trials
    ]
    return Axis.of(name, values, is_log=is_log)


def _options(path: str, members: Sequence[TrialSummary]) -> str:
    """Return what tells a branch from others: the texts beside the setting, or the options."""
    for parent in _parents(path):
        texts = set(_texts_in(parent, members))
        if texts:
            return ", ".join(sorted(texts))
        numbers = sorted({trial.point[parent] for trial in members if parent in trial.point})
        if numbers:
            return f"option {', '.join(f'{number:g}' for number in numbers)}"
    return "a branch"


def _parents(path: str) -> Iterator[str]:
    """Yield the paths above one, the nearest first."""
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def _texts_in(parent: str, members: Sequence[TrialSummary]) -> Iterator[str]:
    for trial in members:
        for path, value in trial.shown_searched.items():
            if path.rpartition(".")[0] == parent and isinstance(value, str):
                yield value
