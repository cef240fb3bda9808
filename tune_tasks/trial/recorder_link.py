"""A trial's line to the recorder: which bytes to send, and what to do if the recorder restarts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.timeouts import LAST_BYTES_S
from tune_tasks.model.trial import Outcome, Stop
from tune_tasks.recording.client import RecorderClient
from tune_tasks.recording.protocol import Heartbeat, LogPiece
from tune_tasks.trial.reports import TrialReports

_SEND_BYTES = 4_000_000
_SEND_LOG_BYTES = 1_000_000
_PAUSE_S = 0.05


class RecorderLink:
    """The monitor's line to the recorder. Lives in the trial's process, in the monitor's thread.

    No method raises: a recorder that is away never fails a trial.

    Args:
        recorder: The recorder.
        paths: The attempt's files.
        clock: Seconds on a clock that never jumps.
    """

    def __init__(
        self,
        recorder: RecorderClient,
        paths: AttemptPaths,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._paths = paths
        self._clock = clock
        self._info: AttemptInfo | None = None
        self._wants_bytes = False
        self._received = 0
        self._log_received = 0
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
        self._wants_bytes = reply.wants_bytes
        return dict(reply.environment)

    def update(self, reports: TrialReports) -> Stop | None:
        """Tell what was reported; returns why the sweep wants the trial to end, or None."""
        assert self._info is not None
        heartbeat = _heartbeat(reports)
        data = b""
        log = None
        if self._wants_bytes:
            missing = min(heartbeat.progress.size - self._received, _SEND_BYTES)
            data = _read(self._paths.results, self._received, missing)
            log = LogPiece(
                self._log_received, _read(self._paths.log, self._log_received, _SEND_LOG_BYTES)
            )
        reply = self._recorder.update(self._info.key, heartbeat, self._received, data, log)
        if reply is None:
            self._was_unknown = False
            return None
        self._was_unknown = not reply.known
        if self._was_unknown:
            self._received = 0
            self._log_received = 0
            self.open(self._info)
        else:
            self._received = reply.received
            self._log_received = reply.log_received
        return reply.stop

    def close(self, reports: TrialReports, outcome: Outcome) -> None:
        """Tell the rest of what was reported and printed, and how the attempt ended."""
        assert self._info is not None
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

    def _has_all(self, reports: TrialReports, log_size: int) -> bool:
        """Return whether the recorder has all that is there; the files may have been truncated."""
        if not self._wants_bytes:
            return True
        size = min(reports.progress.size, _size(self._paths.results))
        log_size = min(log_size, _size(self._paths.log))
        return self._received >= size and self._log_received >= log_size


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


def _heartbeat(reports: TrialReports) -> Heartbeat:
    return Heartbeat(
        progress=reports.progress,
        unseen_metrics=tuple(sorted(reports.unseen_metrics)),
        began_s=reports.train_time_s(),
        stop=reports.stop,
        checkpoint=reports.checkpoints.last,
    )
