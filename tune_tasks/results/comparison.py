"""Whether two runs of a trial have reported the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

from tune_tasks.model.paths import dotted, leaves
from tune_tasks.model.text import one_line

_OF_THE_RUN = (
    "experiment_id",
    "pid",
    "hostname",
    "time_this_iter_s",
    "time_total_s",
    "date",
    "timestamp",
    "config",
)
"""Fields of a report that say when and by which process it was made, not what came out."""

Row = Mapping[str, Any]


def first_difference(original: Iterable[Row], repeated: Iterable[Row]) -> str | None:
    """Return how the first report that differs does so, for people; None if none does.

    Times, dates, processes and machines do not count.

    Args:
        original: The reports of the first run, as they stand in `result.json`.
        repeated: Those of the second run.
    """
    for number, (first, second) in enumerate(zip_longest(original, repeated), 1):
        if first is None:
            return f"report {number} is one more than the original has"
        if second is None:
            return f"report {number} is missing; the original has it"
        differences = list(_differences(first, second))
        if differences:
            return f"report {number}: {'; '.join(differences)}"
    return None


def _differences(first: Row, second: Row) -> Iterator[str]:
    values = dict(_values(first))
    others = dict(_values(second))
    for name in values | others:
        value = values.get(name)
        other = others.get(name)
        # The second question is for NaN, which is not equal to itself.
        if value != other and repr(value) != repr(other):
            yield f"{one_line(name)} is {_shown(other)}, was {_shown(value)}{_by(value, other)}"


def _values(row: Row) -> Iterator[tuple[str, Any]]:
    for path, value in leaves({k: v for k, v in row.items() if k not in _OF_THE_RUN}):
        yield dotted(path), value


def _shown(value: Any) -> str:
    return "absent" if value is None else one_line(repr(value))


def _by(value: Any, other: Any) -> str:
    are_numbers = all(isinstance(each, (int, float)) for each in (value, other))
    return f" (by {other - value:+.3g})" if are_numbers else ""
