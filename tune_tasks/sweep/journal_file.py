"""A file of entries that survives the death of its writer at any moment.

A line is one entry, a JSON object, with its length in bytes and a checksum:

    {"crc":"1c291ca3","len":27,"entry":{"kind":"…"}}

A process or a machine may die in the middle of a write. So what cannot be read at the end is cut:
it was not synced, and nothing has followed from it. What cannot be read before the last entry was
damaged by something else. That is an error, because what comes after it cannot be understood
without it.
"""

from __future__ import annotations

import errno
import os
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from tune_tasks.errors import UsageError
from tune_tasks.model.files import sync_folder

_START = b'{"crc":"'
_LINE = re.compile(rb'\{"crc":"([0-9a-f]{8})","len":(\d{1,12}),"entry":(.*)\}\n', re.DOTALL)


def line_of(entry: str) -> bytes:
    """An entry, JSON without a line break, as the file has it."""
    data = entry.encode()
    return b'{"crc":"%08x","len":%d,"entry":%s}\n' % (zlib.crc32(data), len(data), data)


def entry_of(line: bytes) -> str | None:
    """The entry of a line; None if the line is not whole."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    checksum, length, data = match.groups()
    is_whole = int(length) == len(data) and int(checksum, 16) == zlib.crc32(data)
    return data.decode() if is_whole else None


def read_entries(file: Iterable[bytes], name: object) -> tuple[list[str], int]:
    """The entries of a file, and the bytes up to the end of the last one.

    Args:
        file: Its lines.
        name: What the file is called in an error.

    Raises:
        UsageError: If a line before the last entry is damaged; names the line.
    """
    entries: list[str] = []
    size = 0
    damaged = 0
    for number, line in enumerate(file, 1):
        entry = entry_of(line)
        if entry is None:
            damaged = damaged or number
        if damaged and (entry is not None or _ends_with_an_entry(line)):
            raise UsageError(
                f"{name}:{damaged}: the sweep's journal is damaged: this line does not fit its own"
                " length and checksum. The sweep cannot go on from it; the trials' results are in"
                " their folders"
            )
        if entry is not None:
            entries.append(entry)
            size += len(line)
    return entries, size


def _ends_with_an_entry(line: bytes) -> bool:
    """Whether a damaged line ends with another one: it has lost the line break between them."""
    start = line.rfind(_START, 1)
    return start > 0 and entry_of(line[start:]) is not None


class JournalFile:
    """Appends entries. Used in the driver, from its main thread.

    Args:
        file: The file, open for reading and writing, but not for appending.
        folder: The folder that it is in.
        size: Bytes up to the end of its last entry; what comes after them is cut.
    """

    def __init__(self, file: BinaryIO, folder: Path, size: int) -> None:
        self._file = file
        self._size = size
        self._unsynced = bytearray()  # which grows in place
        self._written = 0
        file.truncate(size)
        os.fsync(file.fileno())
        sync_folder(folder)

    @property
    def unsynced(self) -> int:
        """The bytes that are not yet on the disk, as far as it is known."""
        return len(self._unsynced)

    def append(self, entry: str) -> None:
        """Add an entry, which `write` and `sync` write."""
        self._unsynced += line_of(entry)

    def write(self) -> None:
        """Have every entry in the file, where readers see it, though not yet on the disk.

        Raises:
            OSError: If they cannot be written: see `sync`.
        """
        data = self._unsynced[self._written :]
        if not data:
            return
        # At a fixed place: a write that failed in the middle is written over by the next one.
        written = os.pwrite(self._file.fileno(), data, self._size + self._written)
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written += written

    def sync(self) -> None:
        """Have every entry on the disk.

        Raises:
            OSError: If they cannot be written. They are kept, and the next call tries them again;
                the file has none of them, or a torn end.
        """
        if not self._unsynced:
            return
        self.write()
        self._written = 0  # if this fails, all of it is to be written again
        os.fdatasync(self._file.fileno())
        self._size += len(self._unsynced)
        self._unsynced.clear()

    def close(self) -> None:
        """Close the file, and so give up the lock on it."""
        self._file.close()
