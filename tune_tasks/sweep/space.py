"""Room on the disk of the results: no trial starts while there is none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from tune_tasks.model.disk import nearest_existing

_NEEDED_BYTES = 8 * 2**20  # the files of some trials, not the checkpoints that a script may write


_NEEDED_SHARE = 0.05  # of a disk so small that it never has that much


_WAIT_S = 600.0


_AGAIN_S = 5.0


class SpaceWatch:
    """Keeps a sweep from starting trials while the disk of its results is full. Used in the driver.

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
        self._folder, self._warn, self._note, self._clock = folder, warn, note, clock
        self._full_since: float | None = None
        self._not_before = float("-inf")
        self._doubted_at: float | None = None
        self.given_up: str | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether trials are kept until there is room."""
        return self._full_since is not None and self.given_up is None

    def has_room(self) -> bool:
        """Whether a trial can be started now.

        Not once the waiting was given up, of which `given_up` is the reason.
        """
        now = self._clock()
        if self.given_up or now < self._not_before:
            return False
        if (shortage := _shortage(self._folder)) is None:
            if self._full_since is not None and self._doubted_at is None:
                self._full_since = None
                self._note(f"there is room again in {self._folder}: the sweep goes on")
            return True
        self._wait(now, shortage)
        return False

    def found_full(self, reason: str) -> None:
        """An attempt found no room, whatever the disk says of itself.

        A user's quota does not show there.
        """
        now = self._clock()
        self._not_before, self._doubted_at = now + _AGAIN_S, now
        self._wait(now, reason)

    def found_room(self, submitted_ago_s: float) -> None:
        """An attempt could write its files.

        One that was submitted before the last one that could not tells nothing.

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
                f"no room for results in {self._folder} ({reason}): no trial is started until there"
                f" is, for {minutes} at most"
            )
        elif now - self._full_since >= _WAIT_S:
            self.given_up = f"no room for results in {self._folder} for {minutes}"


def _shortage(folder: Path) -> str | None:
    """What little is free, or None if that is enough."""
    try:
        disk = os.statvfs(nearest_existing(folder))
    except OSError:
        return None  # whoever makes the folder learns what is wrong
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    has_files = disk.f_files == 0 or disk.f_favail > 0  # some file systems do not count them
    if has_files and free >= min(_NEEDED_BYTES, _NEEDED_SHARE * size):
        return None
    return f"{free / 2**20:.1f} MiB and {disk.f_favail:,} files are free"
