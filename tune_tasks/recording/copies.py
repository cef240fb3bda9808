"""Copies of the reports of trials on other machines, on the recorder's machine."""

from __future__ import annotations

import threading

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths


class ReportCopies:
    """Writes the bytes that trials on other machines send.

    Has a lock of its own: a slow disk must not keep the driver from the mailbox.
    """

    def __init__(self) -> None:
        # A trial that waited in vain for an answer sends its bytes again, while the first call may
        # still be at work: without the lock both could find room at the same offset.
        self._lock = threading.Lock()

    def append(self, info: AttemptInfo, offset: int, data: bytes) -> int:
        """Write bytes to the copy of an attempt's `result.json`.

        Bytes that do not begin at the copy's end are dropped: the trial goes on from the size that
        is returned.

        Returns:
            The copy's size.
        """
        path = AttemptPaths(info.folder).results
        with self._lock:
            path.parent.mkdir(parents=True, exist_ok=True)
            size = path.stat().st_size if path.exists() else 0
            if offset != size or not data:
                return size
            with path.open("ab") as file:
                file.write(data)
            return size + len(data)
