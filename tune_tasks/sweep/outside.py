"""Tells the core what holds a sweep, or ends it, from outside: people, Prefect, the disk."""

from __future__ import annotations

from collections import deque

from tune_tasks.sweep.driver_parts import DriverParts, Teller
from tune_tasks.sweep.events import Disk, DiskChanged, Pause, PauseChanged, StopAsked
from tune_tasks.sweep.interruption import Patience
from tune_tasks.sweep.stop_words import stopping_words


class Outside:
    """See the module's docstring.

    Args:
        parts: Of the driver.
        teller: To the core.
        patience: Ends soon once somebody wants the sweep to.
    """

    def __init__(self, parts: DriverParts, teller: Teller, patience: Patience) -> None:
        self._parts = parts
        self._core = parts.core
        self._watches = parts.watches
        self._teller = teller
        self._patience = patience
        self._stops_asked: deque[str] = deque()
        self._pause = Pause.OFF
        self._disk = Disk.ROOMY

    def note_signal(self, reason: str) -> None:
        """Note a signal, for the next look around. It may come in the middle of anything."""
        self._patience.limit(self._watches.interruption.close_within_s)
        self._stops_asked.append(reason)

    def look_around(self) -> None:
        """Tell the core what has changed."""
        if self._watches.run.is_cancelled:
            self._watches.interruption.ask("cancelled in Prefect")
        while self._stops_asked:
            reason = self._stops_asked.popleft()
            self._say_what_follows(reason)
            self.ask_to_stop(reason)
        pause = self._watches.run.pause
        if pause is not self._pause:
            self._pause = pause
            self._teller.tell(PauseChanged(self._teller.now(), pause))
        # The disk matters only if something is to be started.
        if self._core.pending and self._core.has_room and self._core.stop_reason is None:
            self.look_at_disk()

    def ask_to_stop(self, reason: str) -> None:
        """Have the sweep stopped."""
        interruption = self._watches.interruption
        self._patience.limit(interruption.close_within_s)
        self._teller.tell(StopAsked(self._teller.now(), reason, interruption.patience_s))

    def _say_what_follows(self, reason: str) -> None:
        if self._core.stop_reason is None:
            patience_s = self._parts.watches.interruption.patience_s
            said = stopping_words(reason, self._parts.running(), patience_s)
            self._parts.views.display.note(said)

    def look_at_disk(self) -> None:
        """Tell the core whether the disk takes what another trial would write."""
        disk = self._watches.space.look()
        if disk is not self._disk:
            self._disk = disk
            self._teller.tell(DiskChanged(self._teller.now(), disk))
