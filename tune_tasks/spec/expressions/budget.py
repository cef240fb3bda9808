"""What all trials of a plan may take together. Pure."""

from __future__ import annotations

from tune_tasks.errors import SpecError

MAX_PLAN_STEPS = 50_000_000  # of all trials of a spec
MAX_PLAN_VALUES = 20_000_000  # that all trials of a spec hold
_LESS = "; ask for fewer trials, or for smaller values"


class Budget:
    """What the trials of a plan may take together.

    Steps of their making, and values that are kept of them.

    Args:
        steps: A value that is copied is one; an evaluation has its own.
        values: As an evaluation weighs them: an item is one, and 8 characters are.
    """

    def __init__(self, steps: int = MAX_PLAN_STEPS, values: int = MAX_PLAN_VALUES) -> None:
        self._steps, self._values = steps, values

    def spend(self, steps: int, values: int) -> None:
        """Take from both.

        Raises:
            SpecError: If one is used up.
        """
        self._steps -= steps
        self._values -= values
        if self._steps < 0:
            raise SpecError(
                f"config: the trials of this spec take more than {MAX_PLAN_STEPS:,} steps to"
                f" plan{_LESS}"
            )
        if self._values < 0:
            raise SpecError(
                f"config: the trials of this spec hold more than {MAX_PLAN_VALUES:,} values{_LESS}"
            )
