"""Finds the sweep whose costs a plan is measured by. Reads journals and the trials' files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tune_tasks.errors import UsageError
from tune_tasks.model.text import left_out, one_line
from tune_tasks.model.trial import count
from tune_tasks.sweep.costs import PastCosts
from tune_tasks.sweep.journal import journals_in
from tune_tasks.sweep.lookup import LAST, journal_named
from tune_tasks.sweep.past import past_sweep
from tune_tasks.sweep.warm_sources import Shelf

_SHOWN = 5


def past_costs(results: Path, source: str, names: Sequence[str]) -> dict[str, PastCosts]:
    """Return what the experiments of a plan are measured by, by name.

    Args:
        results: The folder of all results.
        source: A sweep's id, or the beginning of one; or `last`: of each experiment, the last sweep
            that has it, and if there is one, the last that has reported something of it.
        names: The experiments'. One that no sweep has is left out.

    Raises:
        UsageError: If there is no such sweep; says which there are.
    """
    if source != LAST:
        costs = PastCosts(past_sweep(journal_named(results, source)))
        return dict.fromkeys(names, costs)
    found = {name: _last(results, name) for name in names}
    known = {name: costs for name, costs in found.items() if costs}
    if not known:
        raise UsageError(f"--costs last: {_none_there(results, names)}")
    return known


def _last(results: Path, name: str) -> PastCosts | None:
    first = None
    for costs in _sweeps_of(results, name):
        if costs.of(name)[0]:
            return costs
        first = first or costs
    return first


def _sweeps_of(results: Path, name: str) -> Iterator[PastCosts]:
    for path, sweep in Shelf(results).journals():
        if name in sweep.experiments:
            with contextlib.suppress(UsageError):
                yield PastCosts(past_sweep(path))


def _none_there(results: Path, names: Sequence[str]) -> str:
    sweeps = [sweep for _, sweep in Shelf(results).journals()]
    wanted = " or ".join(repr(one_line(name)) for name in names[:_SHOWN])
    there = [f"{s.sweep} ({', '.join(map(one_line, s.experiments))})" for s in sweeps[:_SHOWN]]
    listed = ", ".join([*there, *left_out(len(sweeps), _SHOWN)])
    known = f"; give the id of another one: {listed}" if sweeps else ""
    return f"no sweep of {wanted} in {results}{known}{_unreadable(results)}"


def _unreadable(results: Path) -> str:
    """What an error adds if the sweep that is meant may be one that cannot be read."""
    journals = journals_in(results)
    broken = sum(not _is_readable(path) for path in journals)
    return f"; {broken} of {count(len(journals), 'journal')} cannot be read" if broken else ""


def _is_readable(path: Path) -> bool:
    try:
        past_sweep(path)
    except (UsageError, OSError):
        return False
    return True
