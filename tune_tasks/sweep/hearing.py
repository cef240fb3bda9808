"""The driver's ear at the recorder."""

from __future__ import annotations

import logging
import time

from tune_tasks.model.timeouts import ASK_S, DRIVER_CALL_S, SILENCE_S
from tune_tasks.model.trial import EndedBy, Stop
from tune_tasks.recording.client import RecorderAwayError, RecorderClient
from tune_tasks.recording.protocol import AttemptStatus, Changes

logger = logging.getLogger(__name__)


class Hearing:
    """Asks the recorder for news without waiting for the answer."""

    def __init__(self, recorder: RecorderClient) -> None:
        self._recorder = recorder
        self._version = 0
        self._is_asking = False
        self._asked_at = 0.0
        self._wait_s = 0.0
        self._is_new = False
        self._contact_since = time.time()
        self._answered_at = time.time()
        self.asked_to_stop = False
        self.has_answer = False

    def news(self) -> list[AttemptStatus]:
        """The attempts that changed, as far as an answer is there."""
        if not self._is_asking and time.monotonic() - self._asked_at >= ASK_S:
            self._ask()
        changes: Changes | None
        try:
            changes = self._recorder.news(self._wait_s)
        except RecorderAwayError as exc:  # Ray starts it again
            logger.warning("the recorder does not answer: %s", exc)
            self._is_asking = False
            self._version = 0
            return []
        finally:
            self._wait_s = 0.0
        if changes is None:
            return []
        self._is_asking = False
        if not changes.has_begun:
            self._is_new, self._contact_since, self.asked_to_stop = True, time.time(), False
        self._version, self._answered_at, self.has_answer = changes.version, time.time(), True
        return changes.statuses

    def refresh(self) -> None:
        """Have the next `news` wait for a new answer; whether there was one, `has_answer` tells."""
        self.has_answer = False
        self._wait_s = DRIVER_CALL_S
        self._ask()

    def _ask(self) -> None:
        self._recorder.ask_news(self._version)
        self._is_asking = True
        self._asked_at = time.monotonic()

    def recorder_is_new(self) -> bool:
        """Whether the recorder was started anew since the last call.

        It is to be told of the attempts that had ended.
        """
        was_new, self._is_new = self._is_new, False
        return was_new

    def last_word_from(self, status: AttemptStatus) -> float:
        """When an attempt was last heard of, at the earliest.

        Now, while the recorder itself is silent.
        """
        if self._answered_at < time.time() - SILENCE_S:
            return time.time()
        return max(status.heard_at, self._contact_since)

    def ask_to_stop(self, reason: str) -> None:
        """Tell the recorder that every attempt is to end."""
        self._recorder.request_stop(Stop(EndedBy.CANCELLED, reason))
        self.asked_to_stop = True
