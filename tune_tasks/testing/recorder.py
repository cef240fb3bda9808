"""`FakeRecorder`: a recorder in memory, for tests of what talks to one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import Outcome, Stop
from tune_tasks.recording.client import RecorderAwayError, RecorderClient
from tune_tasks.recording.mailbox import Mailbox
from tune_tasks.recording.protocol import (
    AttemptStatus,
    Changes,
    FilePiece,
    Heartbeat,
    LogPiece,
    OpenReply,
    UpdateReply,
)
from tune_tasks.testing.files import FakeFiles

if TYPE_CHECKING:
    from tune_tasks.results.summary import Summary
    from tune_tasks.tracking.info import SweepInfo


class FakeRecorder(RecorderClient):
    """Keeps all that it is told, answers at once, and is away whenever the test wants it.

    One object serves driver and trials alike, from several threads if need be.

    Args:
        environment: What trials get for user code.
        node: Its machine, as in `AttemptInfo.node`: trials on others send their reports.
        wall_clock: Seconds since the epoch, for the times in `AttemptStatus`.

    Attributes:
        is_away: While True, every call fails as if the recorder's process were dead.
        sweep: What `begin` told; None before, and after `restart`.
        begun_again: Whether the last `begin` was one `again`.
        copies: The bytes of `result.json` that trials have sent, by attempt.
        logs: The bytes of `trial.log` that they have sent.
        files: The other files that they have sent.
        missing: What `drain` answers, one after the other; {} once they are used up.
        closed: The summary that `close_sweep` was given.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        node: str = "",
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.is_away = False
        self.sweep: SweepInfo | None = None
        self.begun_again = False
        self.copies: dict[str, bytes] = {}
        self.logs: dict[str, bytes] = {}
        self.files = FakeFiles()
        self.missing: list[Mapping[str, str] | None] = []
        self.closed: Summary | None = None
        self._environment = dict(environment or {})
        self._node = node
        self._wall_clock = wall_clock
        self._mailbox = Mailbox(wall_clock)
        self._question: int | None = None

    @property
    def attempts(self) -> Mapping[str, AttemptStatus]:
        """The latest of every attempt, by key."""
        return self._mailbox.attempts

    def restart(self) -> None:
        """Forget everything, as a recorder that died and was started again by Ray."""
        self._mailbox = Mailbox(self._wall_clock)
        self.sweep = None
        self.copies = {}
        self.logs = {}
        self.is_away = False

    def begin(self, sweep: SweepInfo, *, again: bool = False) -> None:
        """See `RecorderClient`."""
        if not self.is_away:
            self.sweep = sweep
            self.begun_again = again

    def request_stop(self, stop: Stop, keys: Sequence[str] | None = None) -> None:
        """See `RecorderClient`."""
        if not self.is_away:
            self._mailbox.request_stop(stop, keys)

    def restore(self, info: AttemptInfo, progress: Progress, outcome: Outcome) -> None:
        """See `RecorderClient`."""
        if not self.is_away:
            self._mailbox.restore(info, progress, outcome)

    def answer(self, key: str, number: int) -> None:
        """See `RecorderClient`."""
        if not self.is_away:
            self._mailbox.answer(key, number)

    def ask_news(self, since: int, wait_s: float = 0.0) -> None:
        """See `RecorderClient`."""
        self._question = since

    def news(self, timeout_s: float = 0.0) -> Changes | None:
        """See `RecorderClient`."""
        if self._question is None:
            return None
        since = self._question
        self._question = None
        if self.is_away:
            raise RecorderAwayError("the fake recorder is away")
        version, statuses = self._mailbox.changed_after(since)
        return Changes(version, statuses, has_begun=self.sweep is not None)

    def drain(self, patience_s: float, *, timeout_s: float) -> Mapping[str, str] | None:
        """See `RecorderClient`."""
        if self.is_away:
            return {"the recorder": "away"}
        if self.missing:
            return self.missing.pop(0)
        return {}

    def close_sweep(self, summary: Summary, *, timeout_s: float) -> Summary | None:
        """See `RecorderClient`."""
        if self.is_away:
            return None
        self.closed = summary
        return summary

    def release(self) -> None:
        """See `RecorderClient`."""
        self.is_away = True

    def open(self, info: AttemptInfo) -> OpenReply | None:
        """See `RecorderClient`."""
        if self.is_away:
            return None
        self._mailbox.announce(info)
        self._mailbox.mark_open(info.key)
        return OpenReply(dict(self._environment), wants_bytes=info.node != self._node)

    def update(
        self,
        key: str,
        heartbeat: Heartbeat,
        offset: int = 0,
        data: bytes = b"",
        log: LogPiece | None = None,
    ) -> UpdateReply | None:
        """See `RecorderClient`."""
        if self.is_away:
            return None
        received = heartbeat.progress.size
        log_received = 0
        status = self.attempts.get(key)
        if status and status.info.node != self._node:
            received = _taken(self.copies, key, offset, data)
            if log:
                log_received = _taken(self.logs, key, log.offset, log.data)
        reply = self._mailbox.update(key, heartbeat, received)
        return replace(reply, log_received=log_received)

    def close(self, key: str, outcome: Outcome) -> bool:
        """See `RecorderClient`."""
        return not self.is_away and self._mailbox.close(key, outcome)

    def put(self, key: str, piece: FilePiece) -> int | None:
        """See `RecorderClient`."""
        return self.files.put(piece) if self._is_running(key) else None

    def settle(self, key: str, aside: Path, name: str) -> bool | None:
        """See `RecorderClient`; nothing is removed."""
        return self.files.settle(aside, aside.with_name(name)) if self._is_running(key) else None

    def names(self, folder: Path) -> list[str] | None:
        """See `RecorderClient`."""
        return None if self.is_away else self.files.names(folder)

    def get(self, path: Path, offset: int) -> FilePiece | None:
        """See `RecorderClient`."""
        return None if self.is_away else self.files.piece(path, offset)

    def _is_running(self, key: str) -> bool:
        status = self.attempts.get(key)
        return not self.is_away and status is not None and status.outcome is None


def _taken(copies: dict[str, bytes], key: str, offset: int, data: bytes) -> int:
    copy = copies.setdefault(key, b"")
    if offset == len(copy):
        copy += data
        copies[key] = copy
    return len(copy)
