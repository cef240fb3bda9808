"""The driver's side of the recorder: hears of attempts from it, and tells it what it has missed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint_folder import restored_from
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import read_progress
from tune_tasks.model.trial import Trial
from tune_tasks.recording.client import RecorderClient
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.sweep.events import Event, RecorderRestarted
from tune_tasks.sweep.interruption import Patience
from tune_tasks.sweep.recorder_poller import RecorderPoller, events_of
from tune_tasks.sweep.records import Attempt, Records, TrialRecord, as_begun, lost
from tune_tasks.tracking.info import SweepInfo

_POLL_S = 0.25


class Listener:
    """Keeps the records as the recorder has them, and tells the core what has changed.

    Args:
        info: Names and folders.
        records: Every trial.
        recorder: The line to the recorder.
        patience: With a recorder that is just being started again.
        now: The clock of the events.
        tell: Takes an event.
        note: Takes what the recorder says of an attempt.
        clock: Monotonic, in seconds.
        wall_clock: Seconds since the epoch, as the recorder has them.
    """

    def __init__(
        self,
        info: SweepInfo,
        records: Records,
        recorder: RecorderClient,
        patience: Patience,
        now: Callable[[], float],
        tell: Callable[[Event], None],
        note: Callable[[AttemptStatus], None] = lambda _status: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._info = info
        self._records = records
        self._recorder = recorder
        self._poller = RecorderPoller(recorder, clock)
        self._patience = patience
        self._now = now
        self._tell = tell
        self._note = note
        self._clock = clock
        self._wall_clock = wall_clock

    def hear(self) -> None:
        """Hear what the recorder has answered by now, without waiting for it."""
        self._take_in(self._poller.poll())

    def hear_the_last(self) -> None:
        """Hear what the recorder knows at this moment."""
        deadline = self._clock() + self._patience.seconds()
        while True:
            self._take_in(self._poller.refresh())
            if self._poller.has_answer or self._clock() > deadline:
                return
            time.sleep(_POLL_S)

    def silent(self, running: Iterable[TrialRecord]) -> tuple[str, ...]:
        """The keys of the trials whose attempts have said nothing for some seconds."""
        keys = {record.info.key: record.trial.key for record in running if record.info}
        return tuple(keys[key] for key in self._poller.silent(keys))

    def restore(self, record: TrialRecord) -> None:
        """Tell the recorder of an attempt's end that it may not have heard."""
        attempt = record.attempt
        outcome = record.outcome
        assert attempt is not None
        assert outcome is not None
        info = record.info or _announcement(record, attempt)
        self._recorder.restore(info, read_progress(attempt.paths.results), outcome)

    def restore_attempts(self, record: TrialRecord) -> None:
        """Tell the recorder of every attempt of a trial that an earlier driver has started."""
        self._restore_up_to(record.attempts, record)

    def _restore_up_to(self, last: int, record: TrialRecord) -> None:
        for number in range(1, last + 1):
            folder = self._info.experiments[record.trial.experiment].folder
            paths = AttemptPaths.of(folder, record.trial, number)
            if paths.folder.is_dir():
                self._restore_from_files(record.trial, number, paths)

    def _restore_from_files(self, trial: Trial, number: int, paths: AttemptPaths) -> None:
        progress = read_progress(paths.results)
        outcome = paths.read_outcome() or lost(progress.reports)
        info = AttemptInfo(
            as_begun(trial, paths),
            number,
            paths.folder,
            started_at=_created_at(paths),
            restored_from=restored_from(paths),
        )
        self._recorder.restore(info, progress, outcome)

    def _take_in(self, statuses: Iterable[AttemptStatus]) -> None:
        for status in statuses:
            self._note(status)
            record = self._records.of(status.info.trial)
            if status.info.attempt == record.attempts:
                self._update(record, status)
        if self._poller.has_restarted():
            self._recorder.begin(self._info, again=True)
            for record in self._records.begun():
                # The latest is over, too, if an earlier driver has started it.
                is_over = record.attempt is not None and record.attempt.is_orphan
                self._restore_up_to(record.attempts - (not is_over), record)
                if record.outcome:
                    self.restore(record)
            self._tell(RecorderRestarted(self._now()))

    def _update(self, record: TrialRecord, status: AttemptStatus) -> None:
        before = record.status
        record.status = status
        if record.outcome is None:
            for event in events_of(status, before, self._now(), self._wall_clock()):
                self._tell(event)


def _created_at(paths: AttemptPaths) -> float:
    """The time at which the attempt's files were made, as far as they tell."""
    first = paths.params if paths.params.exists() else paths.folder
    return first.stat().st_mtime


def _announcement(record: TrialRecord, attempt: Attempt) -> AttemptInfo:
    """What the attempt's process would have told, if it had come so far."""
    return AttemptInfo(
        as_begun(record.trial, attempt.paths),
        attempt.number,
        attempt.paths.folder,
        started_at=attempt.submitted_time,
    )
