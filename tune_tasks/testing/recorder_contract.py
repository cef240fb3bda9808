"""`RecorderContract`: the tests that every line to a recorder passes."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.checkpoint import KeptCheckpoint
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.milestones import Reached
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import EndedBy, Stop, TrialState
from tune_tasks.recording.client import RecorderAwayError, RecorderClient
from tune_tasks.recording.protocol import (
    AttemptStatus,
    Changes,
    FilePiece,
    Heartbeat,
    LogPiece,
    Question,
)
from tune_tasks.result import TrainingResult
from tune_tasks.testing.recorder_files_contract import RecorderFilesContract
from tune_tasks.testing.samples import (
    FAILED,
    RETURNED,
    make_attempt,
    make_rows,
    make_summary,
    make_sweep,
)

_PATIENCE_S = 30.0
_STOP = Stop(EndedBy.CANCELLED, "cancelled")
_WORSE = Stop(EndedBy.SCHEDULER, "worse than the others")


class RecorderContract(RecorderFilesContract, ABC):
    """Derive your tests from this class, and say how to make, to kill and to restart a recorder.

    Attributes:
        travels: Whether other processes can use the line.
    """

    travels: bool = True

    @abstractmethod
    def make(self, folder: Path) -> RecorderClient:
        """Start a recorder, which runs on the same machine as its trials."""

    def node(self) -> str:
        """Return what `AttemptInfo.node` is for attempts on the recorder's machine."""
        return ""

    @abstractmethod
    def kill(self, recorder: RecorderClient) -> None:
        """End the recorder's process for good."""

    @abstractmethod
    def restart(self, recorder: RecorderClient) -> None:
        """End the recorder's process and start it again; it knows nothing of what it was told."""

    def copy_of(self, recorder: RecorderClient, info: AttemptInfo) -> bytes:
        """Return what a recorder has of the reports of an attempt on another machine."""
        return AttemptPaths(info.folder).results.read_bytes()

    def log_of(self, recorder: RecorderClient, info: AttemptInfo) -> bytes:
        """Return what a recorder has of the log of an attempt on another machine."""
        return AttemptPaths(info.folder).log.read_bytes()

    @pytest.fixture
    def recorder(self, tmp_path: Path) -> Iterator[RecorderClient]:
        """A recorder that has begun a sweep."""
        recorder = self.make(tmp_path)
        recorder.begin(make_sweep(tmp_path, f"sqlite:///{tmp_path}/mlflow.db"))
        yield recorder
        self.discard(recorder)

    @pytest.fixture
    def info(self, tmp_path: Path) -> AttemptInfo:
        """An attempt on the recorder's machine."""
        return replace(make_attempt(tmp_path), node=self.node())

    def discard(self, recorder: RecorderClient) -> None:
        """Clean up after a test."""

    def changes(self, recorder: RecorderClient, since: int = 0) -> Changes:
        """Ask for the changes, and wait for them."""
        recorder.ask_news(since)
        changes = recorder.news(_PATIENCE_S)
        assert changes is not None
        return changes

    def status(self, recorder: RecorderClient, info: AttemptInfo) -> AttemptStatus:
        """Return what the recorder knows of an attempt."""
        statuses = {s.info.key: s for s in self.changes(recorder).statuses}
        return statuses[info.key]

    def drained(self, recorder: RecorderClient) -> dict[str, str]:
        """Wait for the trackers; returns what they lack."""
        while (missing := recorder.drain(_PATIENCE_S, timeout_s=_PATIENCE_S)) is None:
            pass
        return dict(missing)

    def test_an_attempt_is_announced(self, recorder: RecorderClient, info: AttemptInfo) -> None:
        """The driver sees it, and that it could go on."""
        reply = recorder.open(info)
        assert reply is not None
        assert not reply.wants_bytes
        status = self.status(recorder, info)
        assert status.info == info
        assert status.state is TrialState.RUNNING
        assert status.opened_at is not None

    def test_heartbeats_reach_the_driver(self, recorder: RecorderClient, info: AttemptInfo) -> None:
        """With the progress, the begin of `train()`, the last checkpoint, the decision to end."""
        recorder.open(info)
        heartbeat = _heartbeat(info, began_s=5.0, stop=_STOP, unseen_metrics=("mean_loss",))
        heartbeat = replace(heartbeat, checkpoint=KeptCheckpoint(1, 1))
        reply = recorder.update(info.key, heartbeat)
        assert reply is not None
        assert (reply.known, reply.received) == (True, heartbeat.progress.size)
        status = self.status(recorder, info)
        assert status.progress == heartbeat.progress
        assert (status.stop, status.unseen_metrics) == (_STOP, ("mean_loss",))
        assert status.checkpoint == KeptCheckpoint(1, 1)
        assert status.began_at == pytest.approx(status.heard_at - 5.0)
        since = status.stop_since
        recorder.update(info.key, heartbeat)
        assert self.status(recorder, info).stop_since == since

    def test_the_driver_hears_of_what_has_changed_alone(
        self, recorder: RecorderClient, tmp_path: Path, info: AttemptInfo
    ) -> None:
        """A version that it has heard of is not told again."""
        other = replace(make_attempt(tmp_path, 1), node=self.node())
        recorder.open(info)
        recorder.open(other)
        version = self.changes(recorder).version
        assert self.changes(recorder, version).statuses == []
        recorder.update(other.key, Heartbeat(Progress()))
        changed = self.changes(recorder, version)
        assert [status.info.key for status in changed.statuses] == [other.key]
        assert changed.version > version

    def test_no_news_without_a_question(self, recorder: RecorderClient) -> None:
        """An answer is given once."""
        assert recorder.news() is None
        self.changes(recorder)
        assert recorder.news(_PATIENCE_S) is None

    def test_a_later_question_takes_the_place_of_an_earlier_one(
        self, recorder: RecorderClient, info: AttemptInfo
    ) -> None:
        """The answer is to the last question."""
        recorder.open(info)
        version = self.changes(recorder).version
        recorder.ask_news(0)
        assert self.changes(recorder, version).statuses == []
        assert recorder.news(_PATIENCE_S) is None

    def test_an_attempt_that_waits_at_a_milestone_hears_what_was_said(
        self, recorder: RecorderClient, info: AttemptInfo
    ) -> None:
        """The driver hears of it at once, and the attempt is told the last report that counts."""
        recorder.open(info)
        version = self.changes(recorder).version
        question = Question(2, (Reached(0, 1, 2, 0.5, 0.5, 0.5),))
        recorder.update(info.key, replace(_heartbeat(info), question=question))
        recorder.ask_news(version, wait_s=10 * _PATIENCE_S)
        changes = recorder.news(_PATIENCE_S)
        assert changes is not None
        assert [status.question for status in changes.statuses] == [question]
        recorder.answer(info.key, 2)
        waiting = replace(question, waits=True)
        heartbeat = replace(_heartbeat(info), question=waiting)
        answers = (recorder.update(info.key, heartbeat) for _ in range(10))
        assert any(reply is not None and reply.answered == 2 for reply in answers)

    def test_an_attempt_that_waits_hears_that_it_is_to_end(
        self, recorder: RecorderClient, info: AttemptInfo
    ) -> None:
        """That is an answer, too."""
        recorder.open(info)
        recorder.request_stop(_WORSE, [info.key])
        question = Question(2, (Reached(0, 1, 2),), waits=True)
        heartbeat = replace(_heartbeat(info), question=question)
        answers = (recorder.update(info.key, heartbeat) for _ in range(10))
        assert any(reply is not None and reply.stop == _WORSE for reply in answers)

    def test_an_attempt_that_is_not_known_is_to_be_announced(
        self, recorder: RecorderClient, info: AttemptInfo
    ) -> None:
        """As after a restart of the recorder."""
        reply = recorder.update(info.key, Heartbeat(Progress()))
        assert reply is not None
        assert not reply.known
        assert not recorder.close(info.key, RETURNED)

    def test_an_attempt_that_is_announced_again_keeps_what_is_known(
        self, recorder: RecorderClient, info: AttemptInfo
    ) -> None:
        """A trial announces itself again if it has waited in vain for an answer."""
        recorder.open(info)
        heartbeat = _heartbeat(info)
        recorder.update(info.key, heartbeat)
        recorder.open(info)
        assert self.status(recorder, info).progress == heartbeat.progress

    def test_an_end_is_told_once(self, recorder: RecorderClient, info: AttemptInfo) -> None:
        """The first outcome stays."""
        recorder.open(info)
        assert recorder.close(info.key, FAILED)
        assert recorder.close(info.key, RETURNED)
        recorder.restore(info, Progress(), RETURNED)
        status = self.status(recorder, info)
        assert (status.state, status.outcome) == (TrialState.ERROR, FAILED)

    def test_every_attempt_hears_that_it_is_to_end(
        self, recorder: RecorderClient, info: AttemptInfo, tmp_path: Path
    ) -> None:
        """Also those that come later, or are not known."""
        recorder.open(info)
        assert self.wish(recorder, info) is None
        recorder.request_stop(_STOP)
        later = replace(make_attempt(tmp_path, 1), node=self.node())
        self.changes(recorder)  # an answer to this follows the wish
        assert self.wish(recorder, later) == _STOP
        recorder.open(later)
        assert [self.wish(recorder, each) for each in (info, later)] == [_STOP, _STOP]

    def test_one_attempt_hears_that_it_is_to_end(
        self, recorder: RecorderClient, info: AttemptInfo, tmp_path: Path
    ) -> None:
        """The others go on."""
        other = replace(make_attempt(tmp_path, 1), node=self.node())
        for each in (info, other):
            recorder.open(each)
        recorder.request_stop(_WORSE, [info.key])
        self.changes(recorder)
        assert [self.wish(recorder, each) for each in (info, other)] == [_WORSE, None]

    def wish(self, recorder: RecorderClient, info: AttemptInfo) -> Stop | None:
        """Return the sweep's wish for an attempt, as its next heartbeat hears of it."""
        reply = recorder.update(info.key, Heartbeat(Progress()))
        assert reply is not None
        return reply.stop

    def test_a_restored_attempt_has_ended(
        self, recorder: RecorderClient, info: AttemptInfo
    ) -> None:
        """As the driver knows it from the files, if its process could not tell."""
        progress = _heartbeat(info).progress
        recorder.restore(info, progress, FAILED)
        status = self.status(recorder, info)
        assert (status.outcome, status.progress) == (FAILED, progress)

    def test_the_trackers_get_everything(self, recorder: RecorderClient, info: AttemptInfo) -> None:
        """Nothing is missing in the end, and the summary comes back."""
        recorder.open(info)
        recorder.update(info.key, _heartbeat(info))
        recorder.close(info.key, RETURNED)
        assert self.drained(recorder) == {}
        summary = make_summary(info.folder.parent, [info])
        closed = recorder.close_sweep(summary, timeout_s=_PATIENCE_S)
        assert closed is not None
        assert closed.trials == summary.trials

    def test_another_machine_sends_its_reports(
        self, recorder: RecorderClient, info: AttemptInfo, tmp_path: Path
    ) -> None:
        """In parts; a part that comes twice, or from elsewhere, is not taken."""
        remote = replace(info, node="another machine", folder=tmp_path / "copy")
        data = _report_bytes(info)
        heartbeat = Heartbeat(Progress(reports=2, size=len(data)))
        reply = recorder.open(remote)
        assert reply is not None
        assert reply.wants_bytes
        sizes = []
        for start, end in ((0, 20), (0, 20), (30, 40), (20, len(data))):
            updated = recorder.update(remote.key, heartbeat, start, data[start:end])
            assert updated is not None
            sizes.append(updated.received)
        assert sizes == [20, 20, 20, len(data)]
        assert self.copy_of(recorder, remote) == data

    def test_another_machine_sends_its_log(
        self, recorder: RecorderClient, info: AttemptInfo, tmp_path: Path
    ) -> None:
        """Beside the reports, and in parts as they are."""
        remote = replace(info, node="another machine", folder=tmp_path / "copy")
        recorder.open(remote)
        sizes = []
        for offset, data in ((0, b"one\n"), (0, b"one\n"), (9, b"?"), (4, b"two\n")):
            piece = LogPiece(offset, data)
            updated = recorder.update(remote.key, Heartbeat(Progress()), log=piece)
            assert updated is not None
            sizes.append(updated.log_received)
        assert sizes == [4, 4, 4, 8]
        assert self.log_of(recorder, remote) == b"one\ntwo\n"

    def test_it_travels(self, recorder: RecorderClient, info: AttemptInfo) -> None:
        """A trial gets the driver's line to the recorder by pickle."""
        if not self.travels:
            return
        arrived = pickle.loads(pickle.dumps(recorder))  # noqa: S301 - our own bytes
        recorder.ask_news(0)
        assert arrived.news() is None
        arrived.open(info)
        assert self.status(recorder, info).info == info

    def test_a_recorder_that_is_away_fails_nobody(
        self, recorder: RecorderClient, info: AttemptInfo
    ) -> None:
        """Each call says so in its own way, and none but `news` raises."""
        recorder.open(info)
        self.kill(recorder)
        assert recorder.open(info) is None
        assert recorder.update(info.key, Heartbeat(Progress())) is None
        assert not recorder.close(info.key, RETURNED)
        assert recorder.put(info.key, FilePiece(info.folder / "file", 0, b"", 0)) is None
        assert recorder.settle(info.key, info.folder, "000010") is None
        assert recorder.names(info.folder) is None
        assert recorder.get(info.folder / "file", 0) is None
        recorder.begin(make_sweep(info.folder), again=True)
        recorder.request_stop(_STOP)
        recorder.restore(info, Progress(), RETURNED)
        assert list(recorder.drain(_PATIENCE_S, timeout_s=_PATIENCE_S) or {}) == ["the recorder"]
        assert recorder.close_sweep(make_summary(info.folder), timeout_s=_PATIENCE_S) is None
        recorder.ask_news(0)
        with pytest.raises(RecorderAwayError):
            recorder.news(_PATIENCE_S)
        assert recorder.news(_PATIENCE_S) is None

    def test_a_recorder_that_comes_back_knows_nothing_and_says_so(
        self, recorder: RecorderClient, info: AttemptInfo
    ) -> None:
        """The driver begins again, and the trials announce themselves."""
        recorder.open(info)
        assert self.changes(recorder).has_begun
        self.restart(recorder)
        changes = self.changes(recorder)
        assert (changes.statuses, changes.has_begun) == ([], False)
        reply = recorder.update(info.key, Heartbeat(Progress()))
        assert reply is not None
        assert not reply.known
        uri = f"sqlite:///{info.folder.parent}/mlflow.db"
        recorder.begin(make_sweep(info.folder.parent, uri), again=True)
        recorder.open(info)
        recorder.update(info.key, _heartbeat(info))
        recorder.close(info.key, RETURNED)
        assert self.changes(recorder).has_begun
        assert self.drained(recorder) == {}


def _report_bytes(info: AttemptInfo) -> bytes:
    results = [TrainingResult(timesteps_total=10 * n, mean_loss=1 / n) for n in (1, 2)]
    make_rows(info, results)
    return AttemptPaths(info.folder).results.read_bytes()


def _heartbeat(
    info: AttemptInfo,
    began_s: float | None = None,
    stop: Stop | None = None,
    unseen_metrics: tuple[str, ...] = (),
) -> Heartbeat:
    """A heartbeat after two reports, which are in the attempt's file."""
    size = len(_report_bytes(info))
    progress = Progress(reports=2, size=size, last={"mean_loss": 0.5}, non_finite=0)
    return Heartbeat(progress, unseen_metrics, began_s, stop)
