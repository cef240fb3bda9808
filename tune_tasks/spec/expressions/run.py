"""The run of one evaluation: its seed and generators, and its budget.

The budget is of steps, for time and memory. A value is weighed before an operation reads it and
after one makes it, so no value grows without being paid for.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Callable
from typing import TypeAlias

from tune_tasks.model.paths import NodePath
from tune_tasks.spec.expressions.values import (
    MAX_BITS,
    LimitError,
    Value,
    bounded,
    extent,
    is_array,
)

MAX_STEPS = 500_000
"""Steps of one evaluation."""
_OF_A_GENERATOR = 20
"""Steps: the time that the making of a generator takes."""
Lookup: TypeAlias = Callable[[NodePath], object]


class Run:
    """One evaluation: its inputs, its generators, the names of its loops, and its budget."""

    def __init__(self, stream: str, index: int, lookup: Lookup) -> None:
        digest = hashlib.sha256(stream.encode("utf-8", "surrogatepass")).digest()
        self.seed = int.from_bytes(digest, "big")
        self.index = index
        self.lookup = lookup
        self.settings: dict[NodePath, Value] = {}
        self.names: dict[str, Value] = {}
        self.steps = MAX_STEPS

    @functools.cached_property
    def random(self) -> random.Random:
        """The generator of `random`, made by the first draw."""
        self.spend(_OF_A_GENERATOR)
        return random.Random(self.seed)  # noqa: S311  hyperparameters, no secrets

    @functools.cached_property
    def numpy_random(self) -> Value:
        """The generator of `np.random`, made by the first draw."""
        import numpy as np

        self.spend(_OF_A_GENERATOR)
        return np.random.RandomState(self.seed % 2**32)

    def refer(self, path: NodePath) -> Value:
        """The value of another setting; it is looked up and paid for once."""
        if path not in self.settings:
            value = self.lookup(path)
            self.settings[path] = value
            self.weigh(value)
        return self.settings[path]

    def spend(self, steps: int) -> None:
        """Take steps from the budget.

        Raises:
            LimitError: If it is used up.
        """
        self.steps -= steps
        if self.steps < 0:
            raise LimitError(f"it takes more than {MAX_STEPS:,} steps")

    def weigh(self, *values: Value) -> None:
        """Pay for everything that `values` hold.

        A part that is shared counts each time, because a reader meets it each time.
        """
        pending = list(values)
        while pending:
            value = pending.pop()
            self.spend(_weight(value))
            if isinstance(value, dict):
                pending.extend(value)
                pending.extend(value.values())
            elif isinstance(value, (list, tuple)):
                pending.extend(value)


def _weight(value: Value) -> int:
    if value is None or isinstance(value, float):
        return 1
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise LimitError(f"an integer would have more than {MAX_BITS} bits")
        return 1 + value.bit_length() // 64
    if isinstance(value, str):
        return 1 + bounded(len(value)) // 8
    if isinstance(value, (list, tuple, dict)):
        bounded(len(value))
        return 1  # the items are weighed one by one
    if is_array(value) and value.dtype.kind in "biuf":
        return 1 + extent(value.shape)
    raise TypeError(f"a value of type {type(value).__name__} is not part of the eval language")
