"""The recorder: a sweep's one writer of all trackers, and the mailbox of its trials.

It is one Ray actor (see `actor`), on the driver's machine. It reads the reports from the attempts'
files, never from memory: the file is the buffer while a tracker is slow or away, and a recorder
that died starts again from the files. Trials on another machine send their bytes, and the recorder
writes them to a copy at the same path on its own machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import Progress, read_progress
from tune_tasks.model.timeouts import DRAIN_S
from tune_tasks.model.trial import Outcome, Stop
from tune_tasks.recording.copies import Copies
from tune_tasks.recording.feeder import TrackerFeeder
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
from tune_tasks.results.summary import Summary
from tune_tasks.tracking.base import Tracker
from tune_tasks.tracking.info import SweepInfo

_LOOK_S = 0.05


class Recorder:
    """See the module's docstring. Every method may be called from several threads at once.

    Args:
        main: The tracker that gives user code its environment, and attempts and experiments their
            pages.
        others: The other trackers.
        node: Ray's id of the machine that the recorder runs on.
        clock: Seconds on a clock that never jumps.
    """

    def __init__(
        self,
        main: Tracker,
        others: Sequence[Tracker] = (),
        node: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._node = node
        self._mailbox = Mailbox()
        self._copies = Copies()
        # Ended attempts that the driver was told of before the main tracker had runs of them.
        self._without_run: set[str] = set()
        self._begun = threading.Event()
        self._drained = -1
        self._drained_at = 0.0
        attempts = self._mailbox.attempts
        self._feeders = [
            TrackerFeeder(tracker, attempts, self._begun, clock) for tracker in (main, *others)
        ]
        self._main = self._feeders[0]
        for feeder in self._feeders:
            feeder.start()

    def begin(self, sweep: SweepInfo, *, again: bool = False) -> None:
        """See `RecorderClient`."""
        for feeder in self._feeders:
            feeder.tracker.begin(sweep, again=again)
        self._begun.set()

    def open(self, info: AttemptInfo) -> OpenReply:
        """See `RecorderClient`; waits until the main tracker knows the attempt, or is away."""
        self._mailbox.announce(info)
        self._notify()
        environment = self._main.environment(info.key, self._main.tracker.open_s)
        self._mailbox.mark_open(info.key)
        if self._is_remote(info):
            return OpenReply(environment, wants_bytes=True, mark=self._copies.begin(info))
        return OpenReply(environment, wants_bytes=False)

    def update(
        self,
        key: str,
        heartbeat: Heartbeat,
        offset: int = 0,
        data: bytes = b"",
        log: LogPiece | None = None,
    ) -> UpdateReply:
        """See `RecorderClient`."""
        before = self._mailbox.attempts.get(key)
        received = heartbeat.progress.size
        log_received = 0
        if before and self._is_remote(before.info):
            paths = AttemptPaths(before.info.folder)
            size = self._copies.append(paths.results, offset, data)
            # In a folder that both machines share, the trial may already have written more.
            received = min(size, heartbeat.progress.size)
            if log:
                log_received = self._copies.append_log(paths.log, log.offset, log.data)
        reply = self._mailbox.update(key, heartbeat, received)
        reply = replace(reply, log_received=log_received)
        if before and before.progress.reports == 0 and heartbeat.progress.reports > 0:
            self._notify()  # the first report is shown at once, the others once a second
        return reply

    def put(self, key: str, piece: FilePiece) -> int | None:
        """See `RecorderClient`."""
        status = self._running(key)
        if status is None:
            return None
        return self._copies.put(status.info, piece)

    def settle(self, key: str, aside: Path, name: str) -> bool | None:
        """See `RecorderClient`."""
        status = self._running(key)
        if status is None:
            return None
        return self._copies.settle(status.info, aside, aside.with_name(name))

    def names(self, folder: Path) -> list[str]:
        """See `RecorderClient`."""
        return self._copies.names(folder)

    def get(self, path: Path, offset: int) -> FilePiece:
        """See `RecorderClient`."""
        return self._copies.get(path, offset)

    def close(self, key: str, outcome: Outcome) -> bool:
        """See `RecorderClient`; the reports are on the disk before the driver hears of it."""
        status = self._mailbox.attempts.get(key)
        if status:
            self._complete(status, outcome)
        is_known = self._mailbox.close(key, outcome)
        self._notify()
        return is_known

    def _complete(self, status: AttemptStatus, outcome: Outcome) -> None:
        results = AttemptPaths(status.info.folder).results
        if self._is_remote(status.info):
            self._copies.end(status.info)
        elif status.progress.reports < outcome.reports:
            # The last heartbeat got lost on the way, as to a recorder that was started again just
            # then. The file has what it would have told.
            self._mailbox.restore(status.info, read_progress(results), outcome)

    def restore(self, info: AttemptInfo, progress: Progress, outcome: Outcome) -> None:
        """See `RecorderClient`."""
        if self._mailbox.restore(info, progress, outcome):
            for feeder in self._feeders:
                feeder.end_again(info.key)
        if info.node and self._is_remote(info):
            self._copies.end(info)
        self._notify()

    def request_stop(self, stop: Stop, keys: Sequence[str] | None = None) -> None:
        """See `RecorderClient`."""
        self._mailbox.request_stop(stop, keys)

    def answer(self, key: str, number: int) -> None:
        """See `RecorderClient`."""
        self._mailbox.answer(key, number)

    def news(self, since: int, wait_s: float = 0.0) -> Changes:
        """Tell what changed after version `since`; see `Mailbox.changed_after`."""
        for key in list(self._without_run):
            if self._main.tracker.run_id(key):
                self._without_run.discard(key)
                self._mailbox.tell_again(key)
        version, statuses = self._mailbox.changed_after(since, wait_s)
        told = [self._with_run(status) for status in statuses]
        # What runs is told again with its next heartbeat.
        self._without_run |= {s.info.key for s in told if s.outcome and not s.run_id}
        return Changes(version, told, self._begun.is_set())

    def drain(self, patience_s: float) -> dict[str, str] | None:
        """See `RecorderClient`; waits a little if the trackers are still busy."""
        self._notify()
        deadline = self._clock() + DRAIN_S
        while missing := self._missing():
            if self._seconds_without_progress() > patience_s:
                return missing
            if self._clock() > deadline:
                return None
            time.sleep(_LOOK_S)
        return {}

    def close_sweep(self, summary: Summary) -> Summary:
        """See `RecorderClient`."""
        located = [self._main.tracker.located(experiment) for experiment in summary.experiments]
        summary = replace(summary, experiments=located)
        for feeder in self._feeders:
            feeder.close_sweep(summary)
        return summary

    def end(self) -> None:
        """End the feeders. The recorder of a sweep has no need of it: its process is ended."""
        for feeder in self._feeders:
            feeder.end()

    def _running(self, key: str) -> AttemptStatus | None:
        """Return an attempt that has not ended.

        One that the driver takes for dead changes nothing any more: the next may have begun.
        """
        status = self._mailbox.attempts.get(key)
        return status if status and status.outcome is None else None

    def _is_remote(self, info: AttemptInfo) -> bool:
        """Return whether an attempt runs on another machine, so that its files are not here."""
        return info.node != self._node

    def _seconds_without_progress(self) -> float:
        progress = sum(feeder.progress() for feeder in self._feeders)
        if progress != self._drained:
            self._drained = progress
            self._drained_at = self._clock()
        return self._clock() - self._drained_at

    def _missing(self) -> dict[str, str]:
        found = {feeder.tracker.name: feeder.missing() for feeder in self._feeders}
        return {name: missing for name, missing in found.items() if missing}

    def _with_run(self, status: AttemptStatus) -> AttemptStatus:
        tracker = self._main.tracker
        run_id = tracker.run_id(status.info.key)
        return replace(status, run_id=run_id, run_url=tracker.run_url(status.info))

    def _notify(self) -> None:
        for feeder in self._feeders:
            feeder.notify()
