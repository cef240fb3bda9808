"""The journal of a sweep: what its driver was told, and what it decided, in order.

`<results>/.sweeps/<sweep>/journal.jsonl`. It is the one thing that a sweep goes on from: the core
is given the same events again, and knows what it knew. Prefect and MLflow show what stands here.

Nothing is done before the event that it follows from is on the disk. A driver holds a lock on the
file as long as it lives, so that no two of them work on one sweep.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from tune_tasks.errors import UsageError
from tune_tasks.model.disk import NO_SPACE
from tune_tasks.model.files import lock_holder, try_lock
from tune_tasks.model.local_time import local_time
from tune_tasks.model.trial import Trial
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.results.summary import Summary
from tune_tasks.sweep.events import Event, Reported, Ticked
from tune_tasks.sweep.history import History
from tune_tasks.sweep.instructions import Instruction
from tune_tasks.sweep.journal_entries import (
    VERSION,
    AttemptEntry,
    ClosedEntry,
    DriverEntry,
    Entry,
    HandledEntry,
    SweepEntry,
    TrialEntry,
    entry_from_json,
    entry_to_json,
)
from tune_tasks.sweep.journal_file import JournalFile, entry_of, read_entries

FOLDER = ".sweeps"
FILE = "journal.jsonl"
_SWEEPS_END = b'"kind":"sweep"}}\n'
_MOST_UNSYNCED = 2**20
_CLOCK_S = 60.0
"""So much of the clock of the events may be lost with a driver: budgets count it."""
_LOOK_S = 0.5
_LOOKS = 5
_GLANCE_S = 0.02


class HeldError(UsageError):
    """Another driver has the sweep in hand."""


class NotBegunError(UsageError):
    """A driver is just beginning the sweep, or has died as it began."""


class Journal:
    """A sweep's journal, in the hands of this driver until it is closed, or its process ends.

    Used from the driver's main thread. A disk that is full, or has gone, does not end the sweep:
    the entries are kept and written later.

    Args:
        path: Where the file is.
        file: The file, locked.
        size: Bytes up to the end of its last entry.
        warn: Told, once, if the journal cannot be written.
        keeps_reports: Whether the scheduler listens to reports, so that it must hear them again.
    """

    def __init__(
        self,
        path: Path,
        file: BinaryIO,
        size: int,
        warn: Callable[[str], None],
        *,
        keeps_reports: bool,
    ) -> None:
        self._file = JournalFile(file, path.parent, size)
        self._warn = warn
        self._keeps_reports = keeps_reports
        self._is_failing = False
        self._last_at = 0.0

    def began(self, entry: SweepEntry | DriverEntry) -> None:
        """Add what begins, on the disk when it returns.

        Raises:
            OSError: If it cannot be written: a sweep does not begin without a journal.
        """
        self._file.append(entry_to_json(entry))
        self._file.sync()

    def handled(self, event: Event, then: Sequence[Instruction]) -> None:
        """Add what the core was told; on the disk when it returns, if something follows from it."""
        if then or self._matters(event):
            self._file.append(entry_to_json(HandledEntry(event, tuple(then))))
            self._last_at = event.at
        if then or self._file.unsynced > _MOST_UNSYNCED:
            self._save(self._file.sync)
        elif isinstance(event, Ticked):  # now and then, for those who look at the sweep
            self._save(self._file.write)

    def started(self, trials: Iterable[Trial]) -> None:
        """Add trials that are about to start for the first time; `handled` has them on the disk."""
        for trial in trials:
            self._file.append(entry_to_json(TrialEntry.of(trial)))

    def moved(self, trials: Iterable[tuple[Trial, int]]) -> None:
        """Add trials that go on with another config, each with the number of its attempt."""
        for trial, attempt in trials:
            self._file.append(entry_to_json(TrialEntry.of(trial, attempt)))

    def heard(self, status: AttemptStatus) -> None:
        """Add what the recorder says of an attempt, if it has ended; on the disk with the next."""
        if status.outcome:
            self._file.append(entry_to_json(AttemptEntry.of(status)))

    def closed(self, unfinished: int, summary: Summary) -> None:
        """Add the end of the sweep."""
        self._file.append(entry_to_json(ClosedEntry.of(unfinished, summary)))
        self._save(self._file.sync)

    def close(self) -> None:
        """Let go of the sweep: another driver may go on with it."""
        self._save(self._file.sync, is_last=True)
        self._file.close()

    def _matters(self, event: Event) -> bool:
        """Whether the core must be told again of an event from which nothing followed.

        A tick changes nothing, but the clock of a later driver goes on from the last event. A
        report is for the scheduler; there are millions of them.
        """
        if isinstance(event, Reported):
            return self._keeps_reports
        return not isinstance(event, Ticked) or event.at >= self._last_at + _CLOCK_S

    def _save(self, save: Callable[[], None], *, is_last: bool = False) -> None:
        try:
            save()
            self._is_failing = False
        except OSError as exc:
            # A full disk is said by who looks for room for trials: it is one thing to be mended.
            is_said = exc.errno in NO_SPACE and not is_last
            if not self._is_failing and not is_said:
                self._warn(
                    f"the sweep's journal cannot be written ({exc}): until that is mended, the"
                    " sweep could not be resumed from here"
                )
            self._is_failing = not is_said


def journal_path(results: Path, sweep: str) -> Path:
    """Where the journal of a sweep is, in the folder of all results."""
    return results / FOLDER / sweep / FILE


def create_locked(path: Path) -> BinaryIO:
    """Make the file of a new journal, locked.

    Raises:
        OSError: If it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _open(path, os.O_CREAT | os.O_EXCL)
    while not _locked(file):
        pass
    return file


def open_locked(path: Path, wait: Callable[[], object]) -> BinaryIO:
    """Open the journal of an earlier driver, locked.

    Args:
        path: The file.
        wait: Asked again and again while another driver has it: whether to wait for that one.

    Raises:
        HeldError: If another driver has it, and is not waited for; says who.
        OSError: If it cannot be opened.
    """
    file = _open(path)
    while not _locked(file):
        if not wait():
            file.close()
            raise HeldError(_who_has(path))
        time.sleep(_LOOK_S)
    return file


def expect_free(path: Path) -> None:
    """Raise HeldError, which says who it is, if a driver has the journal in hand now."""
    if is_held(path):
        raise HeldError(_who_has(path))


def read_history(path: Path) -> History:
    """Read a journal, also while a driver writes it.

    Raises:
        UsageError: If it is damaged, or was written by a later version.
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        return history_of(file, path)[0]


def read_sweep(path: Path) -> SweepEntry:
    """What the sweep of a journal runs: its first entry, or the one of its last edit.

    Raises what `read_history` does.
    """
    with path.open("rb") as file:
        first = file.readline()
        edits = [line for line in file if line.endswith(_SWEEPS_END) and entry_of(line)]
    return history_of([first, *edits[-1:]], path)[0].sweep


def read_brief(path: Path) -> History:
    """Read what a journal says of its sweep's end; if that has not ended, all of it.

    The whole file is checked all the same, which is ten times as quick as reading its entries.

    Raises:
        UsageError: See `read_history`.
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        texts, _ = read_entries(file, path)
    ends = [*texts[:2], *texts[2:][-1:]]
    history = _history(ends, path)
    return history if history.closed else _history(texts, path)


def history_of(file: Iterable[bytes], path: Path) -> tuple[History, int]:
    """What an open journal says, and the bytes up to the end of its last entry.

    Raises:
        UsageError: See `read_history`.
    """
    texts, size = read_entries(file, path)
    return _history(texts, path), size


def _history(texts: Iterable[str], path: Path) -> History:
    try:
        entries: list[Entry] = [entry_from_json(text) for text in texts]
    except ValidationError as exc:
        raise UsageError(
            f"{path}: the sweep's journal has entries that this version of tune-tasks does not know"
            f" (it writes form {VERSION}): resume with the version that began the sweep"
        ) from exc
    if not entries or not isinstance(entries[0], SweepEntry):
        raise NotBegunError(f"{path}: the sweep's journal says nothing: the sweep had not begun")
    history = History.of(entries)
    if history.form > VERSION:
        raise UsageError(
            f"{path}: the sweep's journal has the form {history.form} of a later version of"
            f" tune-tasks; this one knows forms up to {VERSION}: use the later one"
        )
    return history


def journals_in(results: Path) -> list[Path]:
    """The journals in the folder of all results, that of the latest sweep first."""
    return sorted(results.glob(f"{FOLDER}/*/{FILE}"), reverse=True)


def is_held(path: Path) -> bool:
    """Whether a driver has the journal in hand now."""
    with _open(path) as file:
        return not try_lock(file, shared=True)


def _locked(file: BinaryIO) -> bool:
    """Lock a journal, unless another driver has it; returns whether it is locked.

    Somebody who looks whether it is held has it for a moment.
    """
    for _ in range(_LOOKS):
        if try_lock(file):
            return True
        time.sleep(_GLANCE_S)
    return False


def _open(path: Path, flags: int = 0) -> BinaryIO:
    """Open for reading and writing at any place; only the user may read what a sweep runs."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600), "r+b")


def _who_has(path: Path) -> str:
    sweep = path.parent.name
    holder = lock_holder(path)
    try:
        last = read_history(path).drivers()[-1]
    except (UsageError, IndexError):
        return f"the sweep {sweep} is just being begun by another driver"
    driver = f"process {last.pid} on {last.host}, since {local_time(last.time)}"
    if holder is None:
        return f"the sweep {sweep} is in other hands, probably of its last driver: {driver}"
    if (holder, socket.gethostname()) == (last.pid, last.host):
        return (
            f"the sweep {sweep} is in the hands of another driver: {driver}. It cannot be resumed"
            " while that one lives"
        )
    return (
        f"the sweep {sweep} is in the hands of process {holder}: that delivers its results, ends"
        " its records, or is about to go on with it. Wait for its end"
    )
