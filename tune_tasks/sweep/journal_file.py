"""A file of entries that survives the death of its writer at any moment.

A line is one entry, a JSON object, with its length in bytes and a checksum:

    {"crc":"1c291ca3","len":27,"entry":{"kind":"…"}}

A process or a machine may die in the middle of a write. So what cannot be read at the end is cut:
it was not synced, and nothing has followed from it. A machine that loses its power may have written
the end of that, and not its beginning. Therefore the first of the lines that are synced together
says, as `synced`, how many bytes were on the disk before it. What cannot be read up to there was
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
from typing import BinaryIO, NamedTuple

from tune_tasks.errors import UsageError
from tune_tasks.model.files import sync_folder

_START = b'{"crc":"'
_LINE = re.compile(
    rb'\{"crc":"([0-9a-f]{8})","len":(\d{1,12})(?:,"synced":(\d{1,15}))?,"entry":(.*)\}\n',
    re.DOTALL,
)


class _Line(NamedTuple):
    """A line that is whole.

    Attributes:
        synced: The bytes that were on the disk before it; None if it does not say that.
    """

    entry: str
    synced: int | None


def line_of(entry: str, synced: int | None = None) -> bytes:
    """An entry, JSON without a line break, as the file has it.

    Args:
        entry: The entry.
        synced: The bytes of the file that are on the disk; None: a line before it says so.
    """
    data = entry.encode()
    mark = b"" if synced is None else b',"synced":%d' % synced
    checksum = zlib.crc32(data, zlib.crc32(mark))
    return b'{"crc":"%08x","len":%d%b,"entry":%b}\n' % (checksum, len(data), mark, data)


def entry_of(line: bytes) -> str | None:
    """The entry of a line; None if the line is not whole."""
    whole = _whole(line)
    return whole.entry if whole else None


def _whole(line: bytes) -> _Line | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    checksum, length, synced, data = match.groups()
    mark = b"" if synced is None else b',"synced":%b' % synced
    is_whole = int(length) == len(data)
    if not is_whole or int(checksum, 16) != zlib.crc32(data, zlib.crc32(mark)):
        return None
    return _Line(data.decode(), None if synced is None else int(synced))


def read_entries(file: Iterable[bytes], name: object) -> tuple[list[str], int]:
    """The entries of a file, and the bytes up to the end of the last one.

    Args:
        file: Its lines.
        name: What the file is called in an error.

    Raises:
        UsageError: If a line is damaged that was on the disk before the last entry was written;
            names the line.
    """
    entries: list[str] = []
    size = 0
    is_marked = False
    damaged = 0
    for number, line in enumerate(file, 1):
        whole = _whole(line)
        if whole is None:
            damaged = damaged or number
            whole = _last_of(line)
        if not damaged and whole:
            is_marked = is_marked or whole.synced is not None
            entries.append(whole.entry)
            size += len(line)
        elif whole and not (is_marked and (whole.synced or 0) <= size):
            raise UsageError(
                f"{name}:{damaged}: the sweep's journal is damaged: this line does not fit its own"
                " length and checksum. The sweep cannot go on from it; the trials' results are in"
                " their folders"
            )
    return entries, size


def _last_of(line: bytes) -> _Line | None:
    """The entry that a damaged line ends with, as if it had lost the line break before that."""
    start = line.rfind(_START, 1)
    return _whole(line[start:]) if start > 0 else None


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
        synced = None if self._unsynced else self._size
        self._unsynced += line_of(entry, synced)

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
                the file has none of them, or a torn end. Also if somebody has removed the file:
                they are in it then, and go with it.
        """
        if not self._unsynced:
            return
        self.write()
        self._written = 0  # if this fails, all of it is to be written again
        os.fdatasync(self._file.fileno())
        self._size += len(self._unsynced)
        self._unsynced.clear()
        if os.fstat(self._file.fileno()).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "it was removed while the sweep ran")

    def close(self) -> None:
        """Close the file, and so give up the lock on it."""
        self._file.close()
