"""What becomes of paused trials that nobody promotes any more. A part of the core; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tune_tasks.model.trial import EndedBy, Outcome
from tune_tasks.sweep.core_state import CoreState
from tune_tasks.sweep.events import Disk, Pause
from tune_tasks.sweep.instructions import Instruction, KeepEnd


class PausedEnds:
    """See the module's docstring."""

    def __init__(self, state: CoreState) -> None:
        self._state = state

    def wishes(self) -> Iterator[KeepEnd]:
        """The ends of those that are paused, once it is known that they stay so."""
        state = self._state
        if state.then is not None:
            yield from self._as_then(state.then)
        elif state.has_begun:
            for end in list(self._ends()):
                yield self._end(end)

    def _as_then(self, then: Sequence[Instruction]) -> Iterator[KeepEnd]:
        """Those of then; in an edited spec nobody may wait any more, and they are pending."""
        for wish in then:
            is_end = isinstance(wish, KeepEnd) and not wish.will_retry
            if isinstance(wish, KeepEnd) and is_end and self._is_open(wish.trial):
                yield self._end(wish)

    def _is_open(self, key: str) -> bool:
        return key not in self._state.ended and key not in self._state.active

    def _end(self, end: KeepEnd) -> KeepEnd:
        state = self._state
        trial = state.trial(end.trial)
        if state.promotions.outcome(end.trial):
            state.promotions.ends(trial)
        elif trial in state.pending:
            state.pending.take(trial)
        state.ended[end.trial] = end.outcome
        return end

    def _ends(self) -> Iterator[KeepEnd]:
        state = self._state
        if state.stop_reason is not None:
            for name in state.limits:
                yield from self._cut_short(name, EndedBy.CANCELLED, state.stop_reason)
            return
        for name, reason in state.budgets.used_up.items():
            yield from self._cut_short(name, EndedBy.BUDGET, reason)
        # Else something that is held may still be promoted.
        if state.pause is Pause.OFF and state.disk is Disk.ROOMY:
            for name in [n for n in state.promotions.done() if n not in state.budgets.used_up]:
                for key, outcome in state.promotions.waiting(name).items():
                    reason = state.promotions.why_not(key)
                    yield self._kept(key, outcome, EndedBy.SCHEDULER, reason)

    def _cut_short(self, name: str, ended_by: EndedBy, reason: str) -> Iterator[KeepEnd]:
        for key, outcome in self._state.promotions.waiting(name).items():
            yield self._kept(key, outcome, ended_by, f"{reason}; it was {outcome.stop_reason}")

    def _kept(self, key: str, outcome: Outcome, ended_by: EndedBy, reason: str) -> KeepEnd:
        outcome = replace(outcome, ended_by=ended_by, stop_reason=reason)
        return KeepEnd(key, self._state.attempts[key], outcome, will_retry=False)
