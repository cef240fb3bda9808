"""The monitor's line to the recorder's actor. Lives in the trial's process."""

from __future__ import annotations

import logging
import time
from typing import Any

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.trial import Outcome, Stop
from tune_tasks.recording.protocol import Word
from tune_tasks.trial.reporter import StatusReporter

logger = logging.getLogger(__name__)

_SEND_BYTES = 4_000_000
_OPEN_CALL_TIMEOUT_S = 90.0
_CALL_TIMEOUT_S = 15.0
_PAUSE_S = 0.05


class RayRecorderLink:
    """The monitor's line to the recorder's actor; see `monitor.RecorderLink`.

    Used from the monitor's thread alone.

    Ray lends out a task's CPUs while its main thread waits in `ray.get`, not while another thread
    does.
    """

    def __init__(self, handle: Any, paths: AttemptPaths) -> None:
        self._handle, self._paths = handle, paths
        self._info: AttemptInfo | None = None
        self._wants_bytes = False
        self._received = 0
        self._was_unknown = False

    def open(self, info: AttemptInfo) -> dict[str, str]:
        """See `monitor.RecorderLink`."""
        self._info = info
        opened = self._call("open", info, timeout_s=_OPEN_CALL_TIMEOUT_S)
        if opened is None:
            return {}
        self._wants_bytes = opened.wants_bytes
        return dict(opened.environment)

    def update(self, reporter: StatusReporter) -> Stop | None:
        """See `monitor.RecorderLink`."""
        assert self._info is not None
        progress = reporter.progress
        data = self._unsent(progress.size) if self._wants_bytes else b""
        word = Word(
            progress, tuple(sorted(reporter.unseen_metrics)), reporter.began_s(), reporter.stop
        )
        updated = self._call("update", self._info.key, word, self._received, data)
        if updated is None:
            self._was_unknown = False
            return None
        self._was_unknown = not updated.known
        if self._was_unknown:
            self._received = 0
            self.open(self._info)
        else:
            self._received = updated.received
        return updated.stop  # type: ignore[no-any-return]

    def close(self, reporter: StatusReporter, outcome: Outcome) -> None:
        """See `monitor.RecorderLink`."""
        assert self._info is not None
        deadline = time.monotonic() + _CALL_TIMEOUT_S
        while True:
            before = self._received
            self.update(reporter)
            is_all = not self._wants_bytes or self._received >= min(
                reporter.progress.size, self._size()
            )
            # A recorder that was just started anew has heard who we are, and not yet what was
            # reported.
            if (is_all and not self._was_unknown) or time.monotonic() > deadline:
                break
            if self._received == before:
                time.sleep(_PAUSE_S)
        self._call("close", self._info.key, outcome)

    def _unsent(self, size: int) -> bytes:
        try:
            with self._paths.results.open("rb") as file:
                file.seek(self._received)
                return file.read(max(0, min(size - self._received, _SEND_BYTES)))
        except OSError:  # something else has removed it
            return b""

    def _size(self) -> int:
        try:
            return self._paths.results.stat().st_size
        except OSError:
            return 0

    def _call(self, method: str, *args: Any, timeout_s: float = _CALL_TIMEOUT_S) -> Any:
        import ray

        try:
            return ray.get(getattr(self._handle, method).remote(*args), timeout=timeout_s)
        except Exception as exc:  # noqa: BLE001 - a recorder that is away never fails a trial
            logger.debug("recorder.%s: %s", method, exc)
            return None
