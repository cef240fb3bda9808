"""What the journal of a sweep says. Plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tune_tasks.model.trial import CUT_SHORT
from tune_tasks.spec.resolution import Point
from tune_tasks.sweep.events import Proposed, TakenOver
from tune_tasks.sweep.instructions import KeepEnd, StartAttempt
from tune_tasks.sweep.journal_entries import (
    ClosedEntry,
    DriverEntry,
    Entry,
    HandledEntry,
    SweepEntry,
    TrialEntry,
)
from tune_tasks.sweep.retries import has_failed


@dataclass(frozen=True)
class History:
    """What a journal says.

    Attributes:
        sweep: What the sweep runs.
        entries: What came after, in order.
    """

    sweep: SweepEntry
    entries: Sequence[Entry]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> History:
        """What the entries of a journal say, the first of which is a sweep's."""
        sweeps = [entry for entry in entries if isinstance(entry, SweepEntry)]
        return cls(sweeps[-1], entries[1:])

    @property
    def form(self) -> int:
        """The latest form that an entry has: drivers of several releases may have written them."""
        return max([self.sweep.version, *(driver.version for driver in self.drivers())])

    def handled(self) -> Iterator[HandledEntry]:
        """What the core was told."""
        return (entry for entry in self.entries if isinstance(entry, HandledEntry))

    def drivers(self) -> list[DriverEntry]:
        """The drivers that had the sweep in hand, the last one last."""
        return [entry for entry in self.entries if isinstance(entry, DriverEntry)]

    def trials(self) -> dict[str, TrialEntry]:
        """The trials that were started, as they have begun, by key."""
        return {entry.trial: entry for entry in self._trials() if entry.attempt == 1}

    def later_forms(self) -> dict[str, list[TrialEntry]]:
        """The trials that went on with another config, by key: each form of them, in order."""
        forms: dict[str, list[TrialEntry]] = {}
        for entry in self._trials():
            if entry.attempt > 1:
                forms.setdefault(entry.trial, []).append(entry)
        return forms

    def _trials(self) -> Iterator[TrialEntry]:
        return (entry for entry in self.entries if isinstance(entry, TrialEntry))

    def points(self) -> dict[str, Point]:
        """What is known of what trials try, by key: of those that have begun, and of proposals."""
        events = (entry.event for entry in self.handled())
        proposed = {event.trial: event.point for event in events if isinstance(event, Proposed)}
        return proposed | {key: entry.point for key, entry in self.trials().items()}

    def ended(self, *, retry_failed: bool = False) -> set[str]:
        """The keys of the trials that need not run again, as far as a driver has heard.

        Args:
            retry_failed: Whether those that have failed run again.
        """
        ended: set[str] = set()
        for wish in (wish for entry in self.handled() for wish in entry.then):
            if isinstance(wish, StartAttempt):
                ended.discard(wish.trial)
            elif isinstance(wish, KeepEnd) and _is_final(wish, retry_failed=retry_failed):
                ended.add(wish.trial)
        return ended

    @property
    def owes_retries(self) -> bool:
        """Whether the last driver was to give failed trials another attempt, and has not begun."""
        for entry in reversed(self.entries):
            if isinstance(entry, DriverEntry):
                return entry.retry_failed
            if isinstance(entry, HandledEntry) and isinstance(entry.event, TakenOver):
                return False
        return False

    def last_at(self) -> float:
        """The latest time on the clock of the events."""
        times = [e.at for e in self.drivers()] + [e.event.at for e in self.handled()]
        return max(times, default=0.0)

    @property
    def closed(self) -> ClosedEntry | None:
        """How the sweep has ended; None if a driver has it, or has died."""
        last = self.entries[-1] if self.entries else None
        return last if isinstance(last, ClosedEntry) else None

    @property
    def unfinished(self) -> bool:
        """Whether there is something left to run; also if a driver has died."""
        return self.closed is None or self.closed.unfinished > 0


def _is_final(wish: KeepEnd, *, retry_failed: bool) -> bool:
    """Whether a trial needs not run again; what the sweep has cut short does."""
    if retry_failed and has_failed(wish.outcome):
        return False
    return not wish.will_retry and wish.outcome.ended_by not in CUT_SHORT
