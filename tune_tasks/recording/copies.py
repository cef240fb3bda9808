"""Copies of the reports and logs of trials on other machines, on the recorder's machine."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from tune_tasks.model.files import sync_folder

logger = logging.getLogger(__name__)


class Copies:
    """Writes the bytes that trials on other machines send.

    Has a lock of its own: a slow disk must not keep the driver from the mailbox.
    """

    def __init__(self) -> None:
        # A trial that waited in vain for an answer sends its bytes again, while the first call may
        # still be at work: without the lock both could find room at the same offset.
        self._lock = threading.Lock()

    def append(self, path: Path, offset: int, data: bytes) -> int:
        """Write bytes to a copy.

        Bytes that do not begin at the copy's end are dropped: the trial goes on from the size that
        is returned.

        Args:
            path: The copy's.
            offset: Where in the file the bytes begin.
            data: The bytes.

        Returns:
            The copy's size.

        Raises:
            OSError: If it cannot be written.
        """
        with self._lock:
            path.parent.mkdir(parents=True, exist_ok=True)
            size = path.stat().st_size if path.exists() else 0
            if offset != size or not data:
                return size
            with path.open("ab") as file:
                file.write(data)
            return size + len(data)

    def append_log(self, path: Path, offset: int, data: bytes) -> int:
        """Write bytes to the copy of a log, as `append` does.

        A disk that takes no log keeps no report back: the bytes are taken for written.
        """
        try:
            return self.append(path, offset, data)
        except OSError as exc:
            logger.warning("%s: %s", path, exc)
            return offset + len(data)

    def sync(self, path: Path) -> None:
        """Have a copy on the disk, as far as the disk can: the reports are in use all the same."""
        try:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            sync_folder(path.parent)
        except FileNotFoundError:  # there was no report
            return
        except OSError as exc:
            logger.warning("%s: %s", path, exc)
