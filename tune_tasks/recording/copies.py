"""Copies of the files of trials on other machines, on the recorder's machine."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint_folder import (
    checkpoints_of,
    note_restored_from,
    remove,
    remove_leftovers,
    superfluous,
)
from tune_tasks.model.checkpoint_manifest import CheckpointUnusableError, verified
from tune_tasks.model.files import AttemptPaths, sync_file, sync_folder, trial_folder, write_aside
from tune_tasks.recording.protocol import PIECE_BYTES, FilePiece

logger = logging.getLogger(__name__)


class Copies:
    """Writes the bytes that trials on other machines send, and reads what they ask for.

    Has locks of its own: a slow disk must not keep the driver from the mailbox.
    """

    def __init__(self) -> None:
        # A trial that waited in vain for an answer sends its bytes again, while the first call may
        # still be at work: without the lock both could find room at the same offset.
        self._lock = threading.Lock()
        # Files are synced while the lock is held. That must not delay other attempts' reports.
        self._locks: dict[str, threading.Lock] = {}

    def begin(self, info: AttemptInfo) -> str:
        """Make the folder of an attempt's copies; returns what its `copies_mark` says.

        Returns:
            An empty text if the disk takes none: the reports' copies will say why.
        """
        paths = AttemptPaths(info.folder)
        try:
            with self._lock_of(info.key):
                paths.folder.mkdir(parents=True, exist_ok=True)
                if info.restored_from and not paths.restored_from.exists():
                    note_restored_from(paths, info.restored_from)
                if not paths.copies_mark.exists():
                    write_aside(paths.copies_mark, secrets.token_hex(16))
                return paths.copies_mark.read_text(encoding="utf-8")
        except OSError as exc:
            logger.warning("%s: %s", paths.folder, exc)
            return ""

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

    def end(self, info: AttemptInfo) -> None:
        """Have the reports on the disk, as far as it can, and remove what has arrived by half."""
        paths = AttemptPaths(info.folder)
        _survive(paths.results, lambda: sync_file(paths.results))
        _survive(paths.folder, lambda: sync_folder(paths.folder))
        with self._lock_of(info.key):
            remove_leftovers(paths.checkpoints)
            shutil.rmtree(paths.arriving, ignore_errors=True)
        self._locks.pop(info.key, None)

    # ── Files that come whole, or not at all ─────

    def put(self, info: AttemptInfo, piece: FilePiece) -> int:
        """Write a piece of a file; see `RecorderClient`.

        Raises:
            OSError: If it cannot be written.
        """
        path = piece.path
        aside = AttemptPaths(info.folder).arriving / f"{zlib.crc32(os.fsencode(path)):08x}"
        with self._lock_of(info.key):
            if path.is_file() and path.stat().st_size == piece.size:
                return piece.size  # the answer to its last piece was lost
            size = self.append(aside, piece.offset, piece.data)
            if size >= piece.size:
                aside.touch()  # an empty file
                sync_file(aside)
                path.parent.mkdir(parents=True, exist_ok=True)
                aside.replace(path)
            return size

    def settle(self, info: AttemptInfo, aside: Path, final: Path) -> bool:
        """Give a checkpoint its name; see `RecorderClient`.

        Raises:
            OSError: If it cannot be renamed.
        """
        with self._lock_of(info.key):
            if not final.exists():  # else the answer to the last call was lost
                if not _is_whole(aside):
                    return False
                for parent, _, _ in os.walk(aside):
                    sync_folder(Path(parent))
                aside.rename(final)
                sync_folder(final.parent)
            self._prune(info)
            return True

    def _prune(self, info: AttemptInfo) -> None:
        of_trial = trial_folder(info.folder, info.attempt)
        found = list(checkpoints_of(of_trial, info.attempt))
        begun_from = info.restored_from
        spared = [
            stored.path
            for attempt, stored in found
            if begun_from and (attempt, stored.number) == (begun_from.attempt, begun_from.number)
        ]
        for path in superfluous([each for _, each in found], info.trial.checkpoint, spared):
            remove(path)

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder; none if there is no such folder."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return sorted(path.name for path in folder.iterdir())
        return []

    def get(self, path: Path, offset: int) -> FilePiece:
        """Return a piece of a file; see `RecorderClient`."""
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(offset)
            data = file.read(PIECE_BYTES)
            return FilePiece(path, offset, data, os.fstat(file.fileno()).st_size)
        return FilePiece(path, offset, b"", 0)

    def _lock_of(self, key: str) -> threading.Lock:
        # Several threads ask: setdefault is atomic, so that all of them get the same lock.
        return self._locks.setdefault(key, threading.Lock())


def _is_whole(aside: Path) -> bool:
    """Return whether a checkpoint is as it was written; one that is not is removed."""
    try:
        verified(aside)
    except CheckpointUnusableError as exc:
        logger.warning("%s: %s", aside, exc)
        shutil.rmtree(aside, ignore_errors=True)
        return False
    return True


def _survive(path: Path, step: Callable[[], object]) -> None:
    """Do what the disk may not be able to: the copies are in use all the same."""
    try:
        step()
    except FileNotFoundError:  # there was no report
        return
    except OSError as exc:
        logger.warning("%s: %s", path, exc)
