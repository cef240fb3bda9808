"""Finds the sweep that somebody names, among those of a results folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tune_tasks.errors import UsageError, did_you_mean
from tune_tasks.model.text import left_out
from tune_tasks.sweep.journal import journals_in

LAST = "last"
"""In place of a sweep's id: the latest one; to be resumed, the latest unfinished one of a spec."""

_SHOWN = 5


def journal_named(results: Path, name: str) -> Path:
    """Return the journal of a sweep.

    Args:
        results: The folder of all results.
        name: The sweep's id, the beginning of it that no other one has, or `last`.

    Raises:
        UsageError: If there is no such sweep, or more than one; says which there are.
    """
    journals = journals_in(results)
    if not journals:
        raise UsageError(f"no sweep in {results} (the folder is given with --local-dir)")
    if name == LAST:
        return journals[0]
    found = [path for path in journals if path.parent.name.startswith(name)]
    exact = [path for path in found if path.parent.name == name]
    if exact or len(found) == 1:
        return (exact or found)[0]
    if found:
        raise UsageError(f"{len(found)} sweeps begin with {name!r}: {_names(found)}")
    names = [path.parent.name for path in journals]
    hint = did_you_mean(name, names) or f"; {those_there(journals)}"
    raise UsageError(f"no sweep {name!r} in {results}{hint}")


def those_there(journals: Sequence[Path]) -> str:
    """The last sweeps of a folder, for people: its journals, the latest first."""
    return f"the last ones are {_names(journals)}" if journals else "it has none"


def _names(journals: Sequence[Path]) -> str:
    names = [path.parent.name for path in journals[:_SHOWN]]
    return ", ".join([*names, *left_out(len(journals), _SHOWN)])
