"""Bounds what all trials of a plan take together. Pure."""

from __future__ import annotations

from tune_tasks.errors import SpecError

MAX_PLAN_STEPS = 50_000_000
"""Steps to make all trials of a spec."""
MAX_PLAN_VALUES = 20_000_000
"""Values that all trials of a spec hold."""
_LESS = "; ask for fewer trials, or for smaller values"


class PlanBudget:
    """Bounds the steps that make the trials of a plan, and the values that are kept of them.

    Args:
        steps: To copy a value is one step; an evaluation counts its own.
        values: As an evaluation weighs them: an item is one, and 8 characters are.
    """

    def __init__(self, steps: int = MAX_PLAN_STEPS, values: int = MAX_PLAN_VALUES) -> None:
        self._steps = steps
        self._values = values

    def spend(self, steps: int, values: int) -> None:
        """Take from both.

        Raises:
            SpecError: If one is used up.
        """
        self._steps -= steps
        self._values -= values
        if self._steps < 0:
            most = f"take more than {MAX_PLAN_STEPS:,} steps to plan"
            raise SpecError(f"config: the trials of this spec {most}{_LESS}")
        if self._values < 0:
            most = f"hold more than {MAX_PLAN_VALUES:,} values"
            raise SpecError(f"config: the trials of this spec {most}{_LESS}")
