"""The configs that the weights of a trial were trained with, one after the other. Pure.

A member of a population that is replaced goes on from another one's checkpoint. So its weights have
the history of that member up to there, and its own from there on. Both count iterations by their
own clocks: the lineage has one of its own, which counts how long the weights were trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.trial import EndedBy
from tune_tasks.sweep.events import CheckpointCopied
from tune_tasks.sweep.history import History
from tune_tasks.sweep.instructions import CopyCheckpoint, EndAttempt, Instruction
from tune_tasks.sweep.journal_entries import HandledEntry
from tune_tasks.sweep.past_trials import PastTrials

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Lineage:
    """What the weights of a trial have behind them.

    Attributes:
        first: The config that they began with.
        later: Each later one, with the iterations of the lineage that were done before it.
        ahead: How many iterations the lineage has more than the trial itself counts.
    """

    first: Config
    later: tuple[tuple[int, Config], ...] = ()
    ahead: int = 0

    def cut(self, at: int, config: Config, own: int) -> Lineage:
        """The lineage of who goes on from here.

        Args:
            at: After how many iterations of this lineage.
            config: With which config.
            own: How many iterations the other one counts itself.
        """
        kept = tuple(each for each in self.later if each[0] < at)
        if at <= 0:
            return Lineage(config, ahead=at - own)
        return Lineage(self.first, (*kept, (at, config)), at - own)


@dataclass
class _Members:
    """The lineages so far, by trial and by the first attempt that has them."""

    trials: PastTrials
    lineages: dict[str, dict[int, Lineage]] = field(default_factory=dict)
    copies: set[tuple[str, CheckpointRef]] = field(default_factory=set)

    def of(self, trial: str, attempt: int | None = None) -> Lineage:
        found = self.lineages.get(trial, {})
        numbers = [number for number in found if attempt is None or number <= attempt]
        return found[max(numbers)] if numbers else Lineage(self.trials.of(trial, 1).config)

    def take(self, event: CheckpointCopied, wish: CopyCheckpoint) -> None:
        taken = event.taken or wish.checkpoint
        if taken is None:
            return
        # What was taken itself belongs to what its taker has done with it.
        attempt = taken.attempt + ((wish.donor, taken) in self.copies)
        before = self.of(wish.donor, attempt)
        next_one = event.attempt + 1
        config = self.trials.of(event.trial, next_one).config
        lineage = before.cut(taken.number + before.ahead, config, event.checkpoint.number)
        self.lineages.setdefault(event.trial, {})[next_one] = lineage
        self.copies.add((event.trial, event.checkpoint))


def lineage_of(history: History, trial: str) -> Lineage:
    """The lineage of a trial, by the journal of its sweep.

    Args:
        history: What the journal says.
        trial: The trial's key.
    """
    members = _Members(PastTrials(history))
    wishes: dict[str, CopyCheckpoint] = {}
    for entry in history.handled():
        event = entry.event
        if isinstance(event, CheckpointCopied) and event.trial in wishes and _goes_on(entry):
            members.take(event, wishes.pop(event.trial))
        wishes |= {wish.trial: wish for wish in entry.then if isinstance(wish, CopyCheckpoint)}
    return members.of(trial)


def _goes_on(entry: HandledEntry) -> bool:
    """Whether the core has had the trial go on from the copy."""
    return any(map(_is_exploit, entry.then))


def _is_exploit(wish: Instruction) -> bool:
    return isinstance(wish, EndAttempt) and wish.stop.ended_by is EndedBy.EXPLOITED
