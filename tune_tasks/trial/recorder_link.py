"""A trial's line to the recorder: which bytes to send, and what to do if the recorder restarts."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint import KeptCheckpoint
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.timeouts import LAST_BYTES_S, LAST_FILES_CANCELLED_S, LAST_FILES_S
from tune_tasks.model.trial import EndedBy, Outcome, Stop
from tune_tasks.recording.client import RecorderClient
from tune_tasks.recording.protocol import PIECE_BYTES, Heartbeat, LogPiece
from tune_tasks.trial.depot import Depot
from tune_tasks.trial.recorder_depot import RecorderDepot
from tune_tasks.trial.reports import TrialReports
from tune_tasks.trial.sending import Sending
from tune_tasks.trial.sending_thread import SendingThread

_SEND_LOG_BYTES = 1_000_000
_PAUSE_S = 0.05
_SENDING_S = 0.25
"""Files are sent for so long between two heartbeats."""


class RecorderLink:
    """The monitor's line to the recorder. Lives in the trial's process, in the monitor's thread.

    No method raises: a recorder that is away never fails a trial.

    Args:
        recorder: The recorder.
        paths: The attempt's files.
        storage: Where the attempt's files go from every machine; None if they only have to come to
            the driver's.
        clock: Seconds on a clock that never jumps.

    Attributes:
        has_more: Whether there are files that can be sent at once: `update` is to be called again.
    """

    def __init__(
        self,
        recorder: RecorderClient,
        paths: AttemptPaths,
        storage: Depot | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._paths = paths
        self._storage = storage
        self._clock = clock
        self.has_more = False
        self._info: AttemptInfo | None = None
        self._is_open = False
        self._is_remote = False
        self._is_shared = False
        self._sending: Sending | None = None
        self._thread: SendingThread | None = None
        self._received = 0
        self._log_received = 0
        self._told: KeptCheckpoint | None = None
        self._was_unknown = False

    def open(self, info: AttemptInfo) -> dict[str, str]:
        """Announce the attempt.

        Returns:
            Environment variables for user code; none if the recorder or MLflow is away.
        """
        self._info = info
        reply = self._recorder.open(info)
        if reply is None:
            return {}
        self._is_open = True
        self._is_remote = reply.wants_bytes
        self._is_shared = reply.wants_bytes and self._reads(reply.mark)
        return dict(reply.environment)

    def update(self, reports: TrialReports) -> Stop | None:
        """Tell what was reported; returns why the sweep wants the trial to end, or None."""
        assert self._info is not None
        if self._sending is None:
            self._begin_sending(self._info.key, reports)
        heartbeat = self._heartbeat(reports)
        data = b""
        log = None
        if self._sends_bytes:
            missing = min(heartbeat.progress.size - self._received, PIECE_BYTES)
            data = _read(self._paths.results, self._received, missing)
            log = LogPiece(
                self._log_received, _read(self._paths.log, self._log_received, _SEND_LOG_BYTES)
            )
        reply = self._recorder.update(self._info.key, heartbeat, self._received, data, log)
        self.has_more = False
        if reply is None:
            self._was_unknown = False
            return None
        self._told = heartbeat.checkpoint
        self._was_unknown = not reply.known
        reports.questions.answered(reply.answered)
        if self._was_unknown:
            self._received = 0
            self._log_received = 0
            self.open(self._info)
        else:
            self._received = reply.received
            self._log_received = reply.log_received
            self.has_more = self._send_files()
        return reply.stop

    def close(self, reports: TrialReports, outcome: Outcome) -> Outcome:
        """Tell the rest of what was reported and printed, and how the attempt ended.

        Returns:
            How it ended, and what could not be sent to where another machine gets at it.
        """
        assert self._info is not None
        outcome = self._with_missing(self._send_the_rest(reports, outcome), outcome)
        deadline = self._clock() + LAST_BYTES_S
        # A child process may go on printing.
        log_size = _size(self._paths.log)
        while True:
            before = (self._received, self._log_received)
            self.update(reports)
            # A restarted recorder knows this attempt by now, but has none of its reports yet.
            is_all = self._has_all(reports, log_size) and not self._was_unknown
            if is_all or self._clock() > deadline:
                break
            if (self._received, self._log_received) == before and not self._was_unknown:
                time.sleep(_PAUSE_S)  # the recorder did not answer
        self._recorder.close(self._info.key, outcome)
        return outcome

    def _begin_sending(self, key: str, reports: TrialReports) -> None:
        if self._storage:
            self._sending = Sending(self._storage, self._paths, reports.checkpoints)
            self._thread = SendingThread(self._sending)
            self._thread.start()
        elif self._sends_bytes:
            depot = RecorderDepot(self._recorder, key)
            self._sending = Sending(depot, self._paths, reports.checkpoints)

    @property
    def _sends_bytes(self) -> bool:
        return self._is_remote and not self._is_shared

    def _reads(self, mark: str) -> bool:
        """Return whether the recorder's mark is in the attempt's own folder: both share it."""
        with contextlib.suppress(OSError):
            # A network's file system may believe for a while that there is no such file; after a
            # look at the folder it does not.
            os.listdir(self._paths.folder)  # noqa: PTH208 - only looked at
            return bool(mark) and self._paths.copies_mark.read_text(encoding="utf-8") == mark
        return False

    def _heartbeat(self, reports: TrialReports) -> Heartbeat:
        checkpoint = self._checkpoint(reports)
        # Others are to go on from it, and it is copied by the driver.
        is_on_its_way = reports.questions.go_by_checkpoints and (
            self._sends_bytes and checkpoint != reports.checkpoints.last
        )
        return Heartbeat(
            progress=reports.progress,
            unseen_metrics=tuple(sorted(reports.unseen_metrics)),
            began_s=reports.train_time_s(),
            stop=reports.stop,
            checkpoint=checkpoint,
            question=None if is_on_its_way else reports.questions.asked(),
        )

    def _checkpoint(self, reports: TrialReports) -> KeptCheckpoint | None:
        """The latest that the next attempt can go on from, on whatever machine."""
        if self._sending:
            return self._sending.latest(self._received)
        # Before the first answer nobody knows which machine is the recorder's.
        return reports.checkpoints.last if self._is_open else None

    def _send_files(self) -> bool:
        """Send files for a moment; returns whether more can be sent at once."""
        if self._thread:
            self._thread.look()
            return False
        if self._sending is None:
            return False
        until = self._clock() + _SENDING_S
        while self._sending.step():
            if self._clock() > until:
                return True
        return False

    def _send_the_rest(self, reports: TrialReports, outcome: Outcome) -> str:
        """Send the files that are left; returns what is missing."""
        if self._sending is None:
            return ""
        self._sending.finish(self._own_files() if self._storage else ())
        is_cancelled = outcome.ended_by is EndedBy.CANCELLED
        patience_s = LAST_FILES_CANCELLED_S if is_cancelled else LAST_FILES_S
        deadline = self._clock() + patience_s
        while not self._sending.is_done and self._clock() < deadline:
            self.update(reports)
            if not self.has_more and not self._sending.is_done:
                time.sleep(_PAUSE_S)  # the thread is at work, or nobody has answered
        if self._thread:
            self._thread.end()
        return self._sending.missing()

    def _own_files(self) -> list[Path]:
        """What a storage gets beside the checkpoints; the driver's machine has it in any case."""
        paths = self._paths
        return [
            paths.params,
            paths.restored_from,
            paths.results,
            paths.log,
            paths.error,
            paths.outcome,
        ]

    def _with_missing(self, missing: str, outcome: Outcome) -> Outcome:
        if not missing:
            return outcome
        print(f"tune-tasks: {missing}", file=sys.stderr, flush=True)
        return replace(outcome, stop_reason=f"{outcome.stop_reason}; {missing}")

    def _has_all(self, reports: TrialReports, log_size: int) -> bool:
        """Return whether the recorder has all that is there; the files may have been truncated.

        The last reports may have made a checkpoint usable that it has not been told of.
        """
        if self._sending and self._told != self._checkpoint(reports):
            return False
        if not self._is_remote:
            return True
        size = min(reports.progress.size, _size(self._paths.results))
        log_size = min(log_size, _size(self._paths.log))
        has_log = self._is_shared or self._log_received >= log_size
        return self._received >= size and has_log


def _read(path: Path, offset: int, most: int) -> bytes:
    """Read what follows an offset; nothing if something else has removed the file."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(max(0, most))
    except OSError:
        return b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
