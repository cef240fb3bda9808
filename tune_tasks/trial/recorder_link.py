"""A trial's line to the recorder: which bytes to send, and what to do if the recorder restarts."""

from __future__ import annotations

import time
from collections.abc import Callable

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.timeouts import LAST_BYTES_S
from tune_tasks.model.trial import Outcome, Stop
from tune_tasks.recording.client import RecorderClient
from tune_tasks.recording.protocol import Heartbeat
from tune_tasks.trial.reports import TrialReports

_SEND_BYTES = 4_000_000
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
        if self._wants_bytes:
            data = self._unsent(heartbeat.progress.size)
        reply = self._recorder.update(self._info.key, heartbeat, self._received, data)
        if reply is None:
            self._was_unknown = False
            return None
        self._was_unknown = not reply.known
        if self._was_unknown:
            self._received = 0
            self.open(self._info)
        else:
            self._received = reply.received
        return reply.stop

    def close(self, reports: TrialReports, outcome: Outcome) -> None:
        """Tell the rest of what was reported, and how the attempt ended."""
        assert self._info is not None
        deadline = self._clock() + LAST_BYTES_S
        while True:
            before = self._received
            self.update(reports)
            # A restarted recorder knows this attempt by now, but has none of its reports yet.
            is_all = self._has_all(reports) and not self._was_unknown
            if is_all or self._clock() > deadline:
                break
            if self._received == before and not self._was_unknown:
                time.sleep(_PAUSE_S)  # the recorder did not answer
        self._recorder.close(self._info.key, outcome)

    def _has_all(self, reports: TrialReports) -> bool:
        """Return whether the recorder has all that is there; the file may have been truncated."""
        if not self._wants_bytes:
            return True
        return self._received >= min(reports.progress.size, self._size())

    def _unsent(self, size: int) -> bytes:
        missing = min(size - self._received, _SEND_BYTES)
        try:
            with self._paths.results.open("rb") as file:
                file.seek(self._received)
                return file.read(max(0, missing))
        except OSError:  # something else has removed it
            return b""

    def _size(self) -> int:
        try:
            return self._paths.results.stat().st_size
        except OSError:
            return 0


def _heartbeat(reports: TrialReports) -> Heartbeat:
    return Heartbeat(
        progress=reports.progress,
        unseen_metrics=tuple(sorted(reports.unseen_metrics)),
        began_s=reports.train_time_s(),
        stop=reports.stop,
    )
