"""What a tracker is to be told, and how far that is. Plain data of the feeder."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tune_tasks.model.timeouts import LONGEST_BACKOFF_S
from tune_tasks.results.summary import Summary

_FIRST_BACKOFF_S = 1.0
_MOST_DOUBLINGS = 10


@dataclass
class Work:
    """Something that the tracker is told in calls of which one follows the other.

    Attributes:
        closed: Whether the tracker knows its end.
        failures: Failed calls since the last that did something.
        error: The last failure.
        not_before: Time of the next call after a failure.
        served_at: Time of the last call.
        busy: Held by the thread that serves it.
    """

    closed: bool = False
    failures: int = 0
    error: str | None = None
    not_before: float = 0.0
    served_at: float = 0.0
    busy: threading.Lock = field(default_factory=threading.Lock)

    def put_off(self, now: float, *, did_a_part: bool) -> None:
        """Wait before the next call, because one has failed; longer each time.

        Args:
            now: The time.
            did_a_part: Whether the call has done something nevertheless.
        """
        if did_a_part:
            self.failures = 0
        # Bounded before it is raised to a power: a tracker may be away for days.
        doublings = min(self.failures, _MOST_DOUBLINGS)
        self.not_before = now + min(_FIRST_BACKOFF_S * 2**doublings, LONGEST_BACKOFF_S)
        self.failures += 1


@dataclass
class Cursor(Work):
    """The part of one attempt that the tracker has taken.

    Attributes:
        environment: The tracker's variables for user code; None before it has opened the attempt.
        offset: Bytes of `result.json` that it has taken.
        tried_to: The end of what it was last given, if that call has failed: the next one is the
            same.
        flushed_at: Time at which it last had everything.
    """

    environment: dict[str, str] | None = None
    offset: int = 0
    tried_to: int | None = None
    flushed_at: float = 0.0


class End(Work):
    """The sweep's end."""

    def __init__(self, summary: Summary) -> None:
        super().__init__()
        self.summary = summary
