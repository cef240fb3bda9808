"""`Mailbox`: the latest of every attempt, and the wishes of the sweep for them.

The part of the recorder that trials and driver talk to. Knows no Ray, no trackers, no files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.result_file import Progress
from tune_tasks.model.timeouts import ANSWER_S
from tune_tasks.model.trial import EndedBy, Outcome, Stop
from tune_tasks.recording.protocol import AttemptStatus, Heartbeat, Question, UpdateReply


class Mailbox:
    """See the module's docstring. Every method may be called from several threads at once.

    Args:
        wall_clock: Seconds since the epoch; see `protocol` for why it is not a monotonic clock.
    """

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._now = wall_clock
        self._attempts: dict[str, AttemptStatus] = {}
        self._changed: dict[str, int] = {}
        self._version = 0
        self._stop_of_all: Stop | None = None
        self._stops: dict[str, Stop] = {}
        self._answered: dict[str, int] = {}
        self._asked_at_version = 0
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._answers = threading.Condition(self._lock)

    @property
    def attempts(self) -> Mapping[str, AttemptStatus]:
        """The latest of every attempt, by key; grows while other threads look at it."""
        return self._attempts

    def announce(self, info: AttemptInfo) -> None:
        """Know a new attempt; one that is known stays as it is."""
        with self._lock:
            status = self._attempts.get(info.key) or AttemptStatus(info)
            self._set(replace(status, heard_at=self._now()))

    def mark_open(self, key: str) -> None:
        """Note that the attempt's process can go on."""
        with self._lock:
            now = self._now()
            self._set(replace(self._attempts[key], heard_at=now, opened_at=now))

    def update(self, key: str, heartbeat: Heartbeat, received: int) -> UpdateReply:
        """Take a heartbeat.

        Args:
            key: The attempt's.
            heartbeat: Its monitor's message.
            received: Bytes of its `result.json` that are on this machine.
        """
        with self._lock:
            status = self._attempts.get(key)
            if status is None:
                return UpdateReply(known=False, stop=self._stop_of(key))
            self._set(self._after(status, heartbeat, received))
            question = heartbeat.question
            if question and question != status.question:
                self._asked_at_version = self._version
                self._news.notify_all()
            if question and question.waits:
                self._answers.wait_for(lambda: self._is_answered(key, question), ANSWER_S)
            answered = self._answered.get(key, 0)
            return UpdateReply(True, received, stop=self._stop_of(key), answered=answered)

    def _is_answered(self, key: str, question: Question) -> bool:
        is_judged = self._answered.get(key, 0) >= question.number
        return is_judged or self._stop_of(key) is not None

    def answer(self, key: str, number: int) -> None:
        """Let an attempt go on that waits at a milestone of its report with this number."""
        with self._lock:
            self._answered[key] = number
            self._answers.notify_all()

    def close(self, key: str, outcome: Outcome) -> bool:
        """Note how an attempt ended; returns False if the attempt is not known."""
        with self._lock:
            status = self._attempts.get(key)
            if status is None:
                return False
            if status.outcome is None:
                self._set(self._ended(status, outcome))
            return True

    def restore(self, info: AttemptInfo, progress: Progress, outcome: Outcome) -> bool:
        """Note how an attempt ended whose process has not told it.

        Returns:
            Whether it had ended otherwise before: it was paused, and that has become its end.
        """
        with self._lock:
            known = self._attempts.get(info.key)
            if known and _is_changed(known.outcome, outcome):
                self._set(self._ended(known, outcome))
                return True
            if known is None:
                self._set(self._ended(AttemptStatus(info, progress=progress), outcome))
            elif known.outcome is None:
                # The last heartbeat may be missing, and so may the file be.
                non_finite = max(progress.non_finite, known.progress.non_finite)
                progress = replace(progress, non_finite=non_finite)
                self._set(self._ended(replace(known, progress=progress), outcome))
        return False

    def tell_again(self, key: str) -> None:
        """Have the latest of a known attempt among what has changed."""
        with self._lock:
            self._set(self._attempts[key])

    def changed_after(self, version: int, wait_s: float = 0.0) -> tuple[int, list[AttemptStatus]]:
        """Return the present version, and the attempts that changed after an earlier one.

        Args:
            version: The earlier one.
            wait_s: Seconds to wait, unless an attempt asks something that the version has not.
        """
        with self._lock:
            self._news.wait_for(lambda: self._asked_at_version > version, wait_s)
            keys = [key for key, at in self._changed.items() if at > version]
            return self._version, [self._attempts[key] for key in keys]

    def request_stop(self, stop: Stop, keys: Sequence[str] | None = None) -> None:
        """Want an end of these attempts, or of all, later ones included."""
        with self._lock:
            if keys is None:
                self._stop_of_all = stop
            else:
                self._stops |= dict.fromkeys(keys, stop)
            self._answers.notify_all()

    def _stop_of(self, key: str) -> Stop | None:
        return self._stop_of_all or self._stops.get(key)

    def _after(self, status: AttemptStatus, heartbeat: Heartbeat, received: int) -> AttemptStatus:
        now = self._now()
        began_at = None
        if heartbeat.began_s is not None:
            began_at = now - heartbeat.began_s
        stop_since = None
        if heartbeat.stop:
            stop_since = status.stop_since or now
        return replace(
            status,
            progress=replace(heartbeat.progress, size=received),
            unseen_metrics=heartbeat.unseen_metrics,
            heard_at=now,
            began_at=began_at,
            stop=heartbeat.stop,
            stop_since=stop_since,
            checkpoint=heartbeat.checkpoint,
            question=heartbeat.question,
        )

    def _ended(self, status: AttemptStatus, outcome: Outcome) -> AttemptStatus:
        return replace(status, state=outcome.state, outcome=outcome, heard_at=self._now())

    def _set(self, status: AttemptStatus) -> None:
        self._version += 1
        self._attempts[status.info.key] = status
        self._changed[status.info.key] = self._version


def _is_changed(before: Outcome | None, outcome: Outcome) -> bool:
    return before is not None and before.ended_by is EndedBy.PAUSED and outcome != before
