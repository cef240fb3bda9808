"""`Judge`: decides at a trial's milestones whether it goes on. Pure.

Each scheduler of a spec that ends trials, or changes them, is one, in a file of its own: `asha`,
`hyperband`, `median`, `pbt`, `promotion`, `replay`. A judge hears of everything in the order of the
sweep's journal. It has no clock, and no random numbers but those that follow from the seed, so that
a sweep that is resumed judges as it would have judged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from tune_tasks.model.milestones import Milestones, Reached
from tune_tasks.spec.resolution import Point


@dataclass(frozen=True)
class Exploit:
    """A trial is to go on from another one's checkpoint, or from its own, with another config.

    Attributes:
        donor: The other's index, or its own.
        point: The coordinates of the new config.
        reason: Why, in words.
    """

    donor: int
    point: Point
    reason: str


@dataclass(frozen=True)
class Pause:
    """A trial is to wait, with its checkpoint, until it is promoted; see `promotion`.

    Attributes:
        reason: Why, in words.
    """

    reason: str


class Judge(ABC):
    """One experiment's. A trial is told by its index; each milestone of it is judged once.

    Attributes:
        asks_again: Whether it is asked again if another attempt of a trial comes to a milestone.
    """

    asks_again = False

    @abstractmethod
    def milestones(self, index: int) -> Milestones:
        """When a trial is judged."""

    @abstractmethod
    def judge(self, index: int, reached: Reached) -> str | Exploit | Pause | None:
        """Decide at a milestone.

        Args:
            index: The trial's.
            reached: The milestone. Those of a trial come in rising order.

        Returns:
            Why the trial is to end, in words; what it is to go on from instead of its own; that it
            is to wait; None if it goes on.
        """

    def ended(self, index: int, value: float | None) -> None:
        """Note that a trial has come to its own end: nobody has ended it, and it has not failed.

        Args:
            index: The trial's.
            value: The last that it has reported of the metric; None if it is not a finite number.
        """

    def failed(self, index: int) -> None:
        """Note that a trial has failed for good."""
