"""The interface of a tracker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.trial import Outcome
from tune_tasks.results.summary import Summary

Row = Mapping[str, Any]
"""One report as it stands in `result.json`."""


class Tracker(ABC):
    """Follows the attempts of one sweep.

    Calls for attempts come from one thread of the recorder's process, for one attempt in the order
    open, log…, close; a call that raises is made again later with the same arguments. `close_sweep`
    comes once, from another thread, after them.
    """

    name: str
    rows_per_call: int
    """How many rows `log` takes at most."""

    @abstractmethod
    def open_attempt(self, info: AttemptInfo) -> dict[str, str]:
        """Begin an attempt; returns environment variables for its user code."""

    @abstractmethod
    def log(self, info: AttemptInfo, rows: Sequence[Row]) -> None:
        """Take the next reports of an attempt, in order.

        Values that are not finite are left out.
        """

    @abstractmethod
    def close_attempt(self, info: AttemptInfo, outcome: Outcome) -> None:
        """End an attempt."""

    def close_sweep(self, summary: Summary) -> None:
        """End the sweep."""
