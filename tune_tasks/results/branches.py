"""One setting in several branches of a conditional choice: an axis of a picture for each. Pure.

`lr` of SGD and `lr` of Adam stand at one path, with domains of their own: on one axis they would
look like one setting. Branches with the same domain are one to a search, and here too.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence

from tune_tasks.model.masking import MASK
from tune_tasks.model.text import one_line
from tune_tasks.results.axis import ABSENT, Axis
from tune_tasks.results.trials import TrialSummary
from tune_tasks.search.dimension import Dimension

_LENGTH = 60


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
    there = [dimension for dimension in there if having[dimension.name]]
    branches = [[t for t in trials if t.index in having[each.name]] for each in there]
    texts = _telling_texts(path, branches)
    for dimension, members, text in zip(there, branches, texts, strict=True):
        name = f"{path} ({text or _options(path, members)})"
        yield _axis(name, path, trials, having[dimension.name], is_log=dimension.is_log)


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
    """Return which options of the choice above a setting its trials have."""
    for parent in _parents(path):
        numbers = sorted({trial.point[parent] for trial in members if parent in trial.point})
        if numbers:
            return f"option {', '.join(f'{number:g}' for number in numbers)}"
    return "a branch"


def _parents(path: str) -> Iterator[str]:
    """Yield the paths above one, the nearest first."""
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def _telling_texts(path: str, branches: Sequence[Sequence[TrialSummary]]) -> list[str]:
    """Return what each branch has of a setting beside this one that differs between them.

    A text is empty if the branch has none, and all are if there is no such setting.
    """
    for parent in _parents(path):
        beside = dict.fromkeys(
            name
            for trial in itertools.chain.from_iterable(branches)
            for name in trial.searched
            if name.rpartition(".")[0] == parent
        )
        for name in beside:
            texts = [_texts_at(name, members) for members in branches]
            if any(texts) and not any(a & b for a, b in itertools.combinations(texts, 2)):
                return [one_line(", ".join(sorted(each)), _LENGTH) for each in texts]
    return ["" for _ in branches]


def _texts_at(path: str, members: Sequence[TrialSummary]) -> set[str]:
    """Return the texts that trials have at a path; none if it may be a secret."""
    values = [(t.searched[path], t.shown_searched[path]) for t in members if path in t.searched]
    return {given for given, shown in values if isinstance(given, str) and given == shown != MASK}
