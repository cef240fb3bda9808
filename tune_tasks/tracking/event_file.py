"""One TensorBoard event file, written so that a full disk does not spoil it.

TensorBoard's own library encodes the events and their records. Its `EventFileWriter` is not used,
because it has a thread for each file, and a buffer that keeps what did not fit on the disk.
tensorboardX is not used, because it imports torch if that is installed: 1 s and 200 MB.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

PATTERN = "events.out.tfevents.*"
"""Names of event files, of any writer; TensorBoard looks for the part in the middle."""

_VERSION = "brain.Event:2"


class EventFile:
    """One event file, which is made with the first events.

    Args:
        folder: Where it is to be.
    """

    def __init__(self, folder: Path) -> None:
        name = PATTERN.replace("*", f"{int(time.time())}.{socket.gethostname()}")
        self._path = folder / name

    def append(self, events: Iterable[Event]) -> None:
        """Write all of the events, or none of them if that fails."""
        records = _records(events)
        self._path.parent.mkdir(parents=True, exist_ok=True)  # something else may have removed it
        # Without a buffer: what did not fit on the disk would stay in it, and be written later.
        with self._path.open("ab", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                records = _records([_first_event()]) + records
            try:
                _write_all(file.write, records)
            except OSError:
                # TensorBoard ends its reading of a file at a record that is not whole.
                with contextlib.suppress(OSError):
                    file.truncate(size)
                raise


def _write_all(write: Callable[[memoryview], int | None], data: bytes) -> None:
    """Write everything; an unbuffered file may take less than it was given."""
    left = memoryview(data)
    while left:
        left = left[write(left) or 0 :]


def _records(events: Iterable[Event]) -> bytes:
    """Return the events as they stand in a file: each with its length and checksums."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    encoded = io.BytesIO()
    writer = RecordWriter(encoded)
    for event in events:
        writer.write(event.SerializeToString())
    return encoded.getvalue()


def _first_event() -> Event:
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=time.time(), file_version=_VERSION)
