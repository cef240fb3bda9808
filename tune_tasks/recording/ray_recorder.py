"""`RayRecorder`: the line to a recorder that is a Ray actor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import ray

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.result_file import Progress
from tune_tasks.model.timeouts import DRIVER_CALL_S, OPEN_CALL_S, TRIAL_CALL_S
from tune_tasks.model.trial import Outcome, Stop
from tune_tasks.recording.client import RecorderAwayError, RecorderClient
from tune_tasks.recording.protocol import (
    Changes,
    FilePiece,
    Heartbeat,
    LogPiece,
    OpenReply,
    UpdateReply,
)

if TYPE_CHECKING:
    from ray.actor import ActorProxy

    from tune_tasks.recording.actor import RecorderActor
    from tune_tasks.results.summary import Summary
    from tune_tasks.tracking.info import SweepInfo

_T = TypeVar("_T")
logger = logging.getLogger(__name__)


class RayRecorder(RecorderClient):
    """See `RecorderClient`.

    A trial uses it from its monitor's thread alone: Ray lends out a task's CPUs while the task's
    main thread waits in `ray.get`, but not while another thread does.

    Not a dataclass: Prefect looks into a task's parameters for futures, and copies the dataclasses
    that it meets there field by field.
    """

    def __init__(self, actor: ActorProxy[RecorderActor]) -> None:
        self._actor = actor
        self._question: ray.ObjectRef[Changes] | None = None

    def __reduce__(self) -> tuple[type[RayRecorder], tuple[ActorProxy[RecorderActor]]]:
        return RayRecorder, (self._actor,)  # the open question stays with who has asked it

    def begin(self, sweep: SweepInfo, *, again: bool = False) -> None:
        """See `RecorderClient`."""
        self._actor.begin.remote(sweep, again)

    def request_stop(self, stop: Stop, keys: Sequence[str] | None = None) -> None:
        """See `RecorderClient`."""
        self._actor.request_stop.remote(stop, keys)

    def restore(self, info: AttemptInfo, progress: Progress, outcome: Outcome) -> None:
        """See `RecorderClient`."""
        # Waits, because a threaded actor runs calls side by side: a `drain` that follows at once
        # could find that nothing is missing.
        self._answer(DRIVER_CALL_S, lambda: self._actor.restore.remote(info, progress, outcome))

    def answer(self, key: str, number: int) -> None:
        """See `RecorderClient`."""
        self._actor.answer.remote(key, number)

    def ask_news(self, since: int, wait_s: float = 0.0) -> None:
        """See `RecorderClient`."""
        self._question = self._actor.news.remote(since, wait_s)

    @property
    def question(self) -> ray.ObjectRef[Changes] | None:
        """See `RecorderClient`."""
        return self._question

    def news(self, timeout_s: float = 0.0) -> Changes | None:
        """See `RecorderClient`."""
        if self._question is None:
            return None
        answered, _ = ray.wait([self._question], timeout=timeout_s)
        if not answered:
            return None
        self._question = None
        try:
            changes: Changes = ray.get(answered[0])
        except Exception as exc:
            raise RecorderAwayError(str(exc)) from exc
        return changes

    def drain(self, patience_s: float, *, timeout_s: float) -> Mapping[str, str] | None:
        """See `RecorderClient`."""
        try:
            missing: Mapping[str, str] | None = ray.get(
                self._actor.drain.remote(patience_s), timeout=timeout_s
            )
        except Exception as exc:  # noqa: BLE001 - a recorder that is away never fails a sweep
            return {"the recorder": f"{type(exc).__name__}: {exc}"}
        return missing

    def close_sweep(self, summary: Summary, *, timeout_s: float) -> Summary | None:
        """See `RecorderClient`."""
        return self._answer(
            timeout_s, lambda: self._actor.close_sweep.remote(summary), logging.WARNING
        )

    def release(self) -> None:
        """See `RecorderClient`.

        Ray ends an actor once nobody has a handle. This one may else be held for long: by the
        driver's objects, which know one another, until Python looks for circles; and by the copies
        of the flow's context that Prefect's threads have.
        """
        self._question = None
        del self._actor

    def open(self, info: AttemptInfo) -> OpenReply | None:
        """See `RecorderClient`."""
        return self._answer(OPEN_CALL_S, lambda: self._actor.open.remote(info))

    def update(
        self,
        key: str,
        heartbeat: Heartbeat,
        offset: int = 0,
        data: bytes = b"",
        log: LogPiece | None = None,
    ) -> UpdateReply | None:
        """See `RecorderClient`."""
        return self._answer(
            TRIAL_CALL_S, lambda: self._actor.update.remote(key, heartbeat, offset, data, log)
        )

    def close(self, key: str, outcome: Outcome) -> bool:
        """See `RecorderClient`."""
        has_heard = self._answer(TRIAL_CALL_S, lambda: self._actor.close.remote(key, outcome))
        return has_heard is True

    def put(self, key: str, piece: FilePiece) -> int | None:
        """See `RecorderClient`."""
        return self._answer(TRIAL_CALL_S, lambda: self._actor.put.remote(key, piece))

    def settle(self, key: str, aside: Path, name: str) -> bool | None:
        """See `RecorderClient`."""
        return self._answer(TRIAL_CALL_S, lambda: self._actor.settle.remote(key, aside, name))

    def names(self, folder: Path) -> list[str] | None:
        """See `RecorderClient`."""
        return self._answer(TRIAL_CALL_S, lambda: self._actor.names.remote(folder))

    def get(self, path: Path, offset: int) -> FilePiece | None:
        """See `RecorderClient`."""
        return self._answer(TRIAL_CALL_S, lambda: self._actor.get.remote(path, offset))

    def _answer(
        self, timeout_s: float, call: Callable[[], ray.ObjectRef[_T]], level: int = logging.DEBUG
    ) -> _T | None:
        """Call one of the actor's methods and wait for the answer; returns None if there is none.

        Most failures are logged for debugging alone, because in a trial's process they would come
        every second, and into the trial's log.
        """
        try:
            return ray.get(call(), timeout=timeout_s)
        except Exception as exc:  # noqa: BLE001 - a recorder that is away fails nobody
            logger.log(level, "the recorder does not answer: %s", exc)
            return None
