"""What a driver works with, and its way to tell the core what happens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tune_tasks.cluster.nodes import Cluster
from tune_tasks.model.trial import Trial, TrialState
from tune_tasks.recording.client import RecorderClient
from tune_tasks.sweep.asking import Asker
from tune_tasks.sweep.attempts import Attempts
from tune_tasks.sweep.closing import Views
from tune_tasks.sweep.core import Core
from tune_tasks.sweep.events import Event
from tune_tasks.sweep.instructions import Instruction, StartAttempt, first_starts
from tune_tasks.sweep.interruption import Interruption
from tune_tasks.sweep.journal import Journal
from tune_tasks.sweep.plan import Plan
from tune_tasks.sweep.records import Attempt, Records
from tune_tasks.sweep.run_watch import RunWatch
from tune_tasks.sweep.space import SpaceWatch
from tune_tasks.tracking.info import SweepInfo


@dataclass(frozen=True)
class Watches:
    """What may hold a sweep, or end it, from outside."""

    interruption: Interruption
    run: RunWatch
    space: SpaceWatch


@dataclass(frozen=True)
class DriverParts:
    """What a driver works with.

    Attributes:
        plan: What to run.
        info: Names and folders.
        cluster: What there is to run it on.
        core: What decides.
        attempts: What starts attempts on the cluster.
        records: Every trial; those that have ended already are not run.
        recorder: The line to the sweep's recorder.
        views: Shown the status.
        watches: Told to the core.
        journal: Told what the core is told.
        asker: Asks models.
    """

    plan: Plan
    info: SweepInfo
    cluster: Cluster
    core: Core
    attempts: Attempts
    records: Records
    recorder: RecorderClient
    views: Views
    watches: Watches
    journal: Journal
    asker: Asker

    def attempt_of(self, key: str) -> Attempt:
        """The latest attempt of a trial that was started."""
        attempt = self.records.of(self.core.trial(key)).attempt
        assert attempt is not None
        return attempt

    def running(self) -> list[Trial]:
        """The trials whose processes run; what still waits in Ray is not among them."""
        records = (self.records.of(self.core.trial(key)) for key, _ in self.core.running)
        return [record.trial for record in records if record.state is TrialState.RUNNING]


class Teller:
    """Tells the core what happens, and has done what it wants.

    What the core is told is on the disk before anything that follows from it is done.

    Args:
        core: What decides.
        journal: Told the same.
        since: Where the clock of the events begins, in seconds: it goes on from an earlier driver.
        carry_out: Does what the core wants. It may tell the core something itself.
        note: Takes each event, too, before anything that follows from it is done.
    """

    def __init__(
        self,
        core: Core,
        journal: Journal,
        since: float,
        carry_out: Callable[[Instruction], None],
        note: Callable[[Event], None],
    ) -> None:
        self._core = core
        self._journal = journal
        self._began_at = time.monotonic() - since
        self._carry_out = carry_out
        self._note = note
        self._wishes: deque[Instruction] = deque()

    def now(self) -> float:
        """Seconds since the sweep began: the clock of the events."""
        return time.monotonic() - self._began_at

    def tell(self, event: Event) -> None:
        """Tell the core of an event, and have done what follows from it."""
        wishes = self._core.handle(event)
        self._journal.started(self._core.trial(key) for key in first_starts(wishes))
        self._journal.moved(
            (self._core.trial(wish.trial), wish.attempt)
            for wish in wishes
            if isinstance(wish, StartAttempt) and self._core.has_moved(wish.trial)
        )
        self._journal.handled(event, wishes)
        self._note(event)
        self._wishes.extend(wishes)
        while self._wishes:
            self._carry_out(self._wishes.popleft())
