"""The plateau rule: a trial that does not get better any more is ended. Pure.

It needs no other trial, so that the trial's own process decides it, in the very report that is the
last. It is the rule of early stopping with patience, as Keras and Lightning have it (Prechelt,
"Early Stopping - But When?", 1998, for what it gains and loses).

- **Not a number**, an infinity, and a missing metric are no improvement.
- It knows nothing of the other trials: a bad trial that gets better slowly goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tune_tasks.model.objective import Objective


@dataclass(frozen=True)
class Plateau:
    """When a trial has stopped to get better.

    Attributes:
        objective: What counts.
        patience: Reports without an improvement after which the trial is ended, at least 1.
        min_delta: By how much a value must be better than the best so far to be an improvement, at
            least 0.
    """

    objective: Objective
    patience: int
    min_delta: float


class PlateauWatch:
    """Watches the reports of one trial.

    Args:
        plateau: When it is to end.
    """

    def __init__(self, plateau: Plateau) -> None:
        self._plateau = plateau
        self._best: float | None = None
        self._since = 0

    def note(self, row: Mapping[str, Any]) -> str | None:
        """Take a report in; returns why the trial is to end, or None."""
        value = self._plateau.objective.value(row)
        if value is not None and self._is_improvement(value):
            self._best = value
            self._since = 0
            return None
        self._since += 1
        return self._reason() if self._since >= self._plateau.patience else None

    def _is_improvement(self, value: float) -> bool:
        if self._best is None:
            return True
        sort_key = self._plateau.objective.sort_key
        return sort_key(value) < sort_key(self._best) - self._plateau.min_delta

    def _reason(self) -> str:
        objective = self._plateau.objective
        if self._best is None:
            return f"{self._since} reports without a finite {objective.metric}"
        by = f" by more than {self._plateau.min_delta:g}" if self._plateau.min_delta else ""
        best = objective.words(self._best)
        return f"{best} was not improved{by} in the last {self._since} reports"
