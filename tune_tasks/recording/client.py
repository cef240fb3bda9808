"""`RecorderClient`: what the driver and the trials ask of the recorder.

The policy for failures is the same everywhere: **a recorder that is away fails neither a trial nor
a sweep.** It may be away because its process died (Ray starts it again, and it goes on from the
trials' files), or because the machine is too busy to answer in time. Therefore:

- No call raises, but for `news`.
- A call that waits has a time limit (`model/timeouts.py`), and answers None, False or nothing once
  it is over. The caller goes on, and the next call tells the recorder what it has missed.
- `begin` and `request_stop` do not wait at all. The driver sees from `Changes.has_begun` that a
  restarted recorder knows nothing of them, and repeats them.
- `news` raises `RecorderAwayError`, because None already means "no answer yet", and the driver
  must ask a restarted recorder from the beginning.

A client belongs to one thread. Sent to another process, it talks to the same recorder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import Outcome, Stop
from tune_tasks.recording.protocol import (
    Changes,
    FilePiece,
    Heartbeat,
    LogPiece,
    OpenReply,
    UpdateReply,
)

if TYPE_CHECKING:
    from tune_tasks.results.summary import Summary
    from tune_tasks.tracking.info import SweepInfo


class RecorderAwayError(Exception):
    """The recorder does not answer; internal, the driver handles it."""


class RecorderClient(ABC):
    """One line to the recorder; see the module's docstring for time limits and failures."""

    # ── the driver's side ─────

    @abstractmethod
    def begin(self, sweep: SweepInfo, *, again: bool = False) -> None:
        """Tell the recorder what it records; until then it feeds no tracker. Does not wait.

        Args:
            sweep: Names and folders.
            again: Whether an earlier recorder may have recorded a part of the sweep.
        """

    @abstractmethod
    def request_stop(self, stop: Stop, keys: Sequence[str] | None = None) -> None:
        """Have attempts end; each hears of it in the answer to its next heartbeat. Does not wait.

        Args:
            stop: Who wants it, and why.
            keys: The attempts; None for all of them, later ones included.
        """

    @abstractmethod
    def restore(self, info: AttemptInfo, progress: Progress, outcome: Outcome) -> None:
        """Tell the recorder of an attempt that has ended, as the driver knows it from the files.

        Changes nothing if the recorder has already heard how the attempt ended. If it was paused
        then, and is not promoted any more, the trackers are told of this end, too.
        """

    @abstractmethod
    def answer(self, key: str, number: int) -> None:
        """Let an attempt go on that waits at a milestone. Does not wait.

        Args:
            key: The attempt's.
            number: Of the last report that was judged.
        """

    @abstractmethod
    def ask_news(self, since: int, wait_s: float = 0.0) -> None:
        """Ask what has changed after a version; `news` gets the answer. Does not wait.

        An earlier question that is still open is forgotten.

        Args:
            since: The version.
            wait_s: The recorder keeps the question for so many seconds, unless an attempt asks
                something at a milestone.
        """

    @property
    def question(self) -> Any:
        """What `ray.wait` takes in order to wait for the answer of `news`; None if it cannot."""
        return None

    @abstractmethod
    def news(self, timeout_s: float = 0.0) -> Changes | None:
        """Get the answer to the last question, once.

        Args:
            timeout_s: Seconds to wait for it.

        Returns:
            None if there is no answer yet, or no open question.

        Raises:
            RecorderAwayError: If the recorder has died; the question is no longer open.
        """

    @abstractmethod
    def drain(self, patience_s: float, *, timeout_s: float) -> Mapping[str, str] | None:
        """Ask whether the trackers have everything that has ended: attempts, and then the sweep.

        Args:
            patience_s: Seconds without any progress after which the recorder gives up.
            timeout_s: Seconds to wait for this answer.

        Returns:
            None while the trackers are still busy: ask again. Otherwise what is missing, by
            tracker; by "the recorder" if it does not answer.
        """

    @abstractmethod
    def close_sweep(self, summary: Summary, *, timeout_s: float) -> Summary | None:
        """Have the sweep ended in every tracker; `drain` tells whether it is.

        Args:
            summary: The sweep's end.
            timeout_s: Seconds to wait for the answer, which does not wait for the trackers.

        Returns:
            The summary with the trackers' ids and pages; None if the recorder does not answer.
        """

    @abstractmethod
    def release(self) -> None:
        """Let go of the recorder, whose process ends then. The driver's last call."""

    # ── a trial's side ─────

    @abstractmethod
    def open(self, info: AttemptInfo) -> OpenReply | None:
        """Announce an attempt, once more after the recorder was restarted.

        Returns:
            None if the recorder does not answer.
        """

    @abstractmethod
    def update(
        self,
        key: str,
        heartbeat: Heartbeat,
        offset: int = 0,
        data: bytes = b"",
        log: LogPiece | None = None,
    ) -> UpdateReply | None:
        """Tell how an attempt stands.

        Args:
            key: The attempt's.
            heartbeat: How it stands.
            offset: Where in `result.json` the data begin.
            data: Bytes of `result.json`, if the recorder wants them.
            log: Bytes of `trial.log`, likewise.

        Returns:
            None if the recorder does not answer.
        """

    @abstractmethod
    def close(self, key: str, outcome: Outcome) -> bool:
        """Tell how an attempt ended; returns whether the recorder has heard it."""

    # ── files of trials on other machines ─────

    @abstractmethod
    def put(self, key: str, piece: FilePiece) -> int | None:
        """Have a piece of a file written on the driver's machine.

        A piece that does not begin where the others end is dropped. The file has its name once all
        of it has arrived, and is on the disk then.

        Args:
            key: The attempt's, which has not ended.
            piece: The next piece.

        Returns:
            How many bytes of the file are there; None if the recorder does not answer, or does not
            know the attempt.
        """

    @abstractmethod
    def settle(self, key: str, aside: Path, name: str) -> bool | None:
        """Give a checkpoint that was put there its name, if it is whole.

        Those that need not be kept any more are removed.

        Args:
            key: The attempt's, which has not ended.
            aside: The folder that its files were put in: `copy_aside`.
            name: Of the folder that it becomes, beside that one.

        Returns:
            False if it is not whole: it is to be put there again. None as in `put`.
        """

    @abstractmethod
    def names(self, folder: Path) -> list[str] | None:
        """Return the names in a folder on the driver's machine, none if there is no such folder.

        Returns:
            None if the recorder does not answer.
        """

    @abstractmethod
    def get(self, path: Path, offset: int) -> FilePiece | None:
        """Return a piece of a file on the driver's machine, from an offset on.

        Returns:
            None if the recorder does not answer.
        """
