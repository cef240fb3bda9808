"""How far an experiment's budget is used, for people. Plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BudgetUse:
    """How far a budget is used.

    Attributes:
        words: Each part of it: `1.2 of 6 h, 12 of 40 trials without a better one`; empty of a sweep
            that nobody has in hand.
        left_s: Seconds until the time or the hours are used at this pace; None if nothing says it.
        used_up: What has ended the experiment, such as `budget: 6 h are over`; None if nothing has.
    """

    words: str = ""
    left_s: float | None = None
    used_up: str | None = None
