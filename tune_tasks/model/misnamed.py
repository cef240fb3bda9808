"""What a metric was meant to be called that no report has: for warnings and errors. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from tune_tasks.errors import did_you_mean
from tune_tasks.model.text import left_out, one_line
from tune_tasks.result import STOP_METRICS, tracked_metrics

_LISTED = 8
_SLIP = 0.85
"""How alike two names are of which one is most likely the other, misspelt.

`train_loss` and `val_loss` (0.6) are two metrics, and the second may be reported more rarely.
"""
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]")
_DIGITS = re.compile(r"\d+")


def names_in(row: Mapping[str, Any]) -> list[str]:
    """Return the metrics that a report has of its script's own, in the report's order."""
    return [name for name, _ in tracked_metrics(row)]


def slip_of(name: str, row: Mapping[str, Any]) -> str | None:
    """Return the metric of a report of which a name is most likely a misspelling, or None."""
    others = dict.fromkeys([*names_in(row), *(name for name in STOP_METRICS if name in row)])
    alike = {other: _likeness(name, other) for other in others}
    best = max(alike, key=alike.__getitem__, default=None)
    return best if best is not None and alike[best] >= _SLIP else None


def _likeness(name: str, other: str) -> float:
    if _DIGITS.findall(name) != _DIGITS.findall(other):
        return 0.0  # top1 and top5
    bare, other_bare = (_BETWEEN_WORDS.sub("", each.lower()) for each in (name, other))
    return SequenceMatcher(None, bare, other_bare).ratio()


def meant_and_reported(name: str, row: Mapping[str, Any], who: str = "it reports") -> str:
    """Return `; did you mean 'x'? it reports: x, y`, without the first part if nothing is near."""
    names = names_in(row)
    slip = slip_of(name, row)
    meant = f"; did you mean {one_line(slip)!r}?" if slip else did_you_mean(name, names)
    return f"{meant or ';'} {who}: {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    shown: Iterable[str] = (one_line(name) for name in names[:_LISTED])
    return ", ".join([*shown, *left_out(len(names), _LISTED)]) or "no metric"
