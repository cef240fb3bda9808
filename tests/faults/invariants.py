"""What holds of a sweep whatever was done to it, and in whatever order its trials have ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.faults.specs import Kind
from tests.faults.train import EVERY, MODULUS, after
from tune_tasks.model.trial import CUT_SHORT
from tune_tasks.spec.loading import load_spec
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.core_experiments import core_experiments
from tune_tasks.sweep.history import History
from tune_tasks.sweep.instructions import KeepEnd
from tune_tasks.sweep.planning import make_plan

Rows = Sequence[Mapping[str, Any]]
_BEGINNING = (0, 0)


def wrong_reports(reports: Mapping[str, Rows], kind: Kind) -> Iterator[str]:
    """What is wrong in the trials' files.

    Args:
        reports: By trial, the lines of its `result.json`.
        kind: Of the sweep.
    """
    states = {_BEGINNING} | {_state(row) for rows in reports.values() for row in rows}
    for name, rows in reports.items():
        iterations = [row["training_iteration"] for row in rows]
        if iterations != list(range(1, len(rows) + 1)) or len(rows) not in kind.lengths:
            yield f"{name}: its iterations are {iterations}"
        before = _BEGINNING
        for row in rows:
            is_new = kind.takes_from_others and row["training_iteration"] % EVERY == 1
            if not _follows(row, states if is_new else {before}):
                yield f"{name}: its report {row['training_iteration']} follows from none before it"
            before = _state(row)
    if max(map(len, reports.values())) != kind.lengths[-1]:
        yield "no trial has come to its end"


def _state(row: Mapping[str, Any]) -> tuple[int, int]:
    return row["timesteps_total"], round(row["mean_loss"] * MODULUS)


def _follows(row: Mapping[str, Any], states: set[tuple[int, int]]) -> bool:
    step, value = _state(row)
    made = (after(v, step, row["config"]) for s, v in states if s == step - 1)
    return value in made


def wrong_decisions(history: History, spec: Path) -> Iterator[str]:
    """What is wrong in the journal: the same core, told the same, decides the same."""
    core = Core(core_experiments(make_plan(load_spec(spec))))
    ends: Counter[str] = Counter()
    for number, entry in enumerate(history.handled()):
        wishes = core.handle(entry.event)
        if wishes != list(entry.then):
            yield f"journal: of {entry.event} ({number}) follows {wishes}, and not {entry.then}"
            return
        ends.update(wish.trial for wish in wishes if _is_final(wish))
    for key in core.begun():
        if ends[key] != 1:
            yield f"journal: {key} has {ends[key]} ends"


def _is_final(wish: object) -> bool:
    if not isinstance(wish, KeepEnd) or wish.will_retry:
        return False
    return wish.outcome.ended_by not in CUT_SHORT
