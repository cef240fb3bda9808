"""Asks the recorder which attempts have changed, and turns what it says into events of the core."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator

from tune_tasks.model.timeouts import ASK_S, DRIVER_CALL_S, SILENCE_S
from tune_tasks.recording.client import RecorderAwayError, RecorderClient
from tune_tasks.recording.protocol import AttemptStatus, Changes
from tune_tasks.sweep.events import (
    Announced,
    CheckpointKept,
    EndDecided,
    MilestonesReached,
    Reported,
    TrainingBegan,
)

logger = logging.getLogger(__name__)


class RecorderPoller:
    """Polls the recorder without waiting for it. Used in the driver, from one thread.

    Attempts are known here by `AttemptInfo.key`.

    Args:
        recorder: Whom to ask.
        clock: Monotonic, in seconds.

    Attributes:
        has_answer: Whether the last question was answered.
    """

    def __init__(
        self, recorder: RecorderClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._version = 0
        self._is_asked = False
        self._asks_from = float("-inf")
        self._answered_at = clock()
        self._contact_since = clock()
        self._heard: dict[str, tuple[float, float]] = {}
        self._has_restarted = False
        self.has_answer = False

    def poll(self) -> list[AttemptStatus]:
        """The attempts that have changed, if an answer is there; asks again if it is.

        The answer comes after half a second, or once an attempt asks something at a milestone.
        """
        self._ask_if_due()
        changed = self._take_answer(0.0)
        self._ask_if_due()
        return changed

    def refresh(self) -> list[AttemptStatus]:
        """The attempts that have changed up to now; waits for the answer. See `has_answer`."""
        self.has_answer = False
        self._ask()
        return self._take_answer(DRIVER_CALL_S)

    def has_restarted(self) -> bool:
        """Whether the recorder was started anew since the last call, and knows nothing."""
        has_restarted = self._has_restarted
        self._has_restarted = False
        return has_restarted

    def silent(self, keys: Iterable[str]) -> Iterator[str]:
        """Those of the attempts that have said nothing for some seconds.

        Nobody is silent while the recorder is: it, and not they, may be what does not speak.
        """
        now = self._clock()
        if now - self._answered_at > SILENCE_S:
            return
        for key in keys:
            _, seen_at = self._heard.get(key, (0.0, 0.0))
            if now - max(seen_at, self._contact_since) >= SILENCE_S:
                yield key

    def _ask_if_due(self) -> None:
        if not self._is_asked and self._clock() >= self._asks_from:
            self._ask(ASK_S)

    def _ask(self, wait_s: float = 0.0) -> None:
        self._recorder.ask_news(self._version, wait_s)
        self._is_asked = True

    def _take_answer(self, timeout_s: float) -> list[AttemptStatus]:
        try:
            changes = self._recorder.news(timeout_s)
        except RecorderAwayError as exc:
            # Ray starts it again, and then it is to be asked from the beginning.
            logger.warning("the recorder does not answer: %s", exc)
            self._version = 0
            self._is_asked = False
            self._asks_from = self._clock() + ASK_S
            return []
        if changes is None:
            return []
        return self._take_in(changes)

    def _take_in(self, changes: Changes) -> list[AttemptStatus]:
        now = self._clock()
        if not changes.has_begun:
            self._has_restarted = True
            self._contact_since = now
        for status in changes.statuses:
            # The recorder's times are on another clock: what counts is that they have changed.
            heard_at, _ = self._heard.get(status.info.key, (None, 0.0))
            if status.heard_at != heard_at:
                self._heard[status.info.key] = (status.heard_at, now)
        self._version = changes.version
        self._answered_at = now
        self._is_asked = False
        self.has_answer = True
        return changes.statuses


AttemptEvent = (
    Announced | TrainingBegan | EndDecided | Reported | CheckpointKept | MilestonesReached
)


def events_of(
    status: AttemptStatus, before: AttemptStatus | None, now: float, wall: float
) -> Iterator[AttemptEvent]:
    """What the core is to know of an attempt's new status.

    Args:
        status: As the recorder has it now.
        before: As it had it before; None if the attempt is new.
        now: The driver's monotonic clock, in seconds.
        wall: The time at that moment, in seconds since the epoch.
    """
    trial = status.info.trial.key
    attempt = status.info.attempt
    if before is None:
        yield Announced(now, trial, attempt)
    began_at = _began_at(status)
    if began_at is not None and (before is None or _knew_less(before, status)):
        yield TrainingBegan(now - (wall - began_at), trial, attempt)
    if status.stop and (before is None or before.stop is None):
        yield EndDecided(now, trial, attempt, status.stop)
    progress = status.progress
    seen = before.progress.reports if before else 0
    if progress.last is not None and progress.reports > seen:
        yield Reported(now, trial, attempt, progress.reports, progress.last)
    kept = status.checkpoint
    if kept and (before is None or before.checkpoint != kept):
        yield CheckpointKept(now, trial, attempt, kept.number, kept.reports)
    question = status.question
    known = before.question if before else None
    if question and (known is None or question.reached != known.reached):
        yield MilestonesReached(now, trial, attempt, question.number, question.reached)


def _knew_less(before: AttemptStatus, status: AttemptStatus) -> bool:
    """Whether the begin of `train()` is known better now.

    The times alone do not tell: each heartbeat says how long ago it was, and so they waver.
    """
    knew_begin = before.began_at is not None
    knew_nothing = not knew_begin and before.opened_at is None
    return knew_nothing or (not knew_begin and status.began_at is not None)


def _began_at(status: AttemptStatus) -> float | None:
    """Begin of `train()`; until that is known, the moment from which it could begin."""
    return status.began_at if status.began_at is not None else status.opened_at
