"""The disk of the results: no trial starts while that takes nothing: it is full, or read-only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tune_tasks.model.disk import nearest_existing
from tune_tasks.sweep.events import Disk

# For the files of some trials, not for the checkpoints that a script may write.
_NEEDED_BYTES = 8 * 2**20
# Of a disk so small that it never has that much.
_NEEDED_SHARE = 0.05
_WAIT_S = 600.0
_AGAIN_S = 5.0


class SpaceWatch:
    """Looks whether the disk of the results has room for another trial. Used in the driver.

    Args:
        folder: Of all results.
        warn: Told once when the disk is full.
        note: Told once when there is room again.
        clock: Monotonic, in seconds.
    """

    def __init__(
        self,
        folder: Path,
        warn: Callable[[str], None],
        note: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._warn = warn
        self._note = note
        self._full_since: float | None = None
        self._not_before = float("-inf")
        self._doubted_at: float | None = None
        self.given_up: str | None = None

    def look(self) -> Disk:
        """Whether a trial can be started now; `given_up` says why no trial ever can."""
        if self._has_room():
            return Disk.ROOMY
        return Disk.GIVEN_UP if self.given_up else Disk.FULL

    def _has_room(self) -> bool:
        now = self._clock()
        if self.given_up or now < self._not_before:
            return False
        shortage = _shortage(self._folder)
        if shortage is not None:
            self._wait(now, shortage)
            return False
        # A disk that only an attempt can find full is not known to have room before one finds it.
        if self._full_since is not None and self._doubted_at is None:
            self._full_since = None
            self._note(f"results can be written to {self._folder} again: the sweep goes on")
        return True

    def found_full(self, reason: str) -> None:
        """An attempt could not write, whatever the disk says: a quota does not show there."""
        now = self._clock()
        self._not_before = now + _AGAIN_S
        self._doubted_at = now
        self._wait(now, reason)

    def found_room(self, submitted_ago_s: float) -> None:
        """An attempt could write its files.

        If it was submitted before the last one that could not, this says nothing.

        Args:
            submitted_ago_s: How long ago it was submitted, in seconds.
        """
        if self._doubted_at is not None and self._clock() - submitted_ago_s > self._doubted_at:
            self._doubted_at = None

    def _wait(self, now: float, reason: str) -> None:
        minutes = f"{_WAIT_S / 60:g} minutes"
        if self._full_since is None:
            self._full_since = now
            self._warn(
                f"no results can be written to {self._folder} ({reason}): no trial is started until"
                f" they can, for {minutes} at most"
            )
        elif now - self._full_since >= _WAIT_S:
            self.given_up = f"no results could be written to {self._folder} for {minutes}"


def _shortage(folder: Path) -> str | None:
    """How little is free; None if that is enough."""
    try:
        disk = os.statvfs(nearest_existing(folder))
    except OSError:
        return None  # whoever makes the folder learns what is wrong
    free = disk.f_bavail * disk.f_frsize
    size = disk.f_blocks * disk.f_frsize
    has_files = disk.f_files == 0 or disk.f_favail > 0  # some file systems do not count them
    if has_files and free >= min(_NEEDED_BYTES, _NEEDED_SHARE * size):
        return None
    return f"{free / 2**20:.1f} MiB and {disk.f_favail:,} files are free"
