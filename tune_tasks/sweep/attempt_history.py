"""Every attempt of a sweep as its journal has it: why it started, and how it ended. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tune_tasks.model.trial import CUT_SHORT, EndedBy, Outcome, Resources
from tune_tasks.model.trial_key import experiment_of
from tune_tasks.sweep.events import (
    Announced,
    ResultsLost,
    StopAsked,
    SweepBegan,
    TakenOver,
)
from tune_tasks.sweep.history import History
from tune_tasks.sweep.instructions import (
    EndExperiment,
    ForgetAttempt,
    Instruction,
    KeepEnd,
    StartAttempt,
)
from tune_tasks.sweep.journal_entries import AttemptEntry, DriverEntry, HandledEntry
from tune_tasks.sweep.past_trials import PastTrials
from tune_tasks.sweep.retries import Retries, has_failed

FIRST_START = "first start"


@dataclass
class PastAttempt:
    """One attempt.

    Attributes:
        trial: The trial's key.
        number: 1, 2, …
        cause: Why it started, for people.
        driver: The driver that had the sweep in hand then.
        started_at: When its process began, in seconds since the epoch; before it is known, when the
            driver wanted it.
        resources: What it was given, if that was not what the plan says.
        announced: Whether its process has told that it runs.
        ended_at: When the driver has heard of its end; None before, and if no driver was there.
        outcome: Its end; None before.
        will_retry: Whether it was decided then that another one follows.
        told: What the recorder has heard of it; None if that was nothing.
    """

    trial: str
    number: int
    cause: str
    driver: DriverEntry
    started_at: float
    resources: Resources | None = None
    announced: bool = False
    ended_at: float | None = None
    outcome: Outcome | None = None
    will_retry: bool = False
    told: AttemptEntry | None = None


class AttemptHistory:
    """The attempts of a sweep, from its journal.

    Args:
        history: What the journal says.

    Attributes:
        stop_reason: Why the sweep was stopped, since the last driver has it in hand.
        used_up: By experiment, what has used up its budget since then.
    """

    def __init__(self, history: History) -> None:
        self.stop_reason: str | None = None
        self.used_up: dict[str, str] = {}
        self._trials = PastTrials(history)
        self._retries = Retries({}, fits=lambda _trial: True)
        self._attempts: defaultdict[str, list[PastAttempt]] = defaultdict(list)
        self._causes: dict[str, str] = {}
        self._reopened: set[str] = set()
        # Why each trial was paused that has not gone on since.
        self._paused: dict[str, str] = {}
        self._is_taking_over = False
        for entry in history.entries:
            match entry:
                case DriverEntry():
                    self._driver = entry
                case HandledEntry():
                    self._take_in(entry)
                    for wish in entry.then:
                        self._follow(wish, entry.event.at)
                case AttemptEntry():
                    self._hear(entry)

    def begun(self) -> list[str]:
        """The keys of the trials that were started, in the order in which they were."""
        return [key for key, attempts in self._attempts.items() if attempts]

    def of(self, trial: str) -> Sequence[PastAttempt]:
        """The attempts of a trial, in order."""
        return self._attempts.get(trial, ())

    def is_pending_again(self, trial: str) -> bool:
        """Whether a later driver is to run a trial again, and has not begun to."""
        return trial in self._reopened

    def _take_in(self, entry: HandledEntry) -> None:
        event = entry.event
        match event:
            case TakenOver():
                self._is_taking_over = True
                self.stop_reason = None
                self.used_up = _used_up(entry)
                self._reopen(retry_failed=event.retry_failed)
            case SweepBegan():
                self._is_taking_over = False
            case StopAsked():
                self.stop_reason = self.stop_reason or event.reason
            case ResultsLost():
                self._reopened.add(event.trial)
                self._paused.pop(event.trial, None)
                self._causes[event.trial] = "its results were no longer there"
            case Announced():
                for attempt in self._named(event.trial, event.attempt):
                    attempt.announced = True
                    attempt.started_at = self._time(event.at)

    def _reopen(self, *, retry_failed: bool) -> None:
        """Have pending again what the sweep has kept from its own end."""
        for key in self.begun():
            if experiment_of(key) in self.used_up:
                continue
            outcome = self.of(key)[-1].outcome
            if outcome and self._is_unfinished(key, outcome, retry_failed=retry_failed):
                self._reopened.add(key)
                self._retries.give_another_attempt(self._trials.of(key))
            if key in self._reopened:
                self._causes[key] = self._resumed()

    def _is_unfinished(self, key: str, outcome: Outcome, *, retry_failed: bool) -> bool:
        if outcome.ended_by in CUT_SHORT:
            return True
        is_left = retry_failed or self._retries.is_tried_again(self._trials.of(key))
        return has_failed(outcome) and is_left

    def _resumed(self) -> str:
        return f"resumed by process {self._driver.pid} on {self._driver.host}"

    def _time(self, at: float) -> float:
        """A moment on the clock of the events, in seconds since the epoch."""
        return self._driver.time + at - self._driver.at

    def _follow(self, wish: Instruction, at: float) -> None:
        match wish:
            case StartAttempt():
                self._start(wish, at)
            case ForgetAttempt():
                self._attempts[wish.trial] = list(self.of(wish.trial))[: wish.attempt - 1]
            case KeepEnd():
                self._keep(wish, at)
            case EndExperiment():
                self.used_up.setdefault(wish.experiment, wish.reason)

    def _start(self, wish: StartAttempt, at: float) -> None:
        cause = self._causes.get(wish.trial, FIRST_START)
        if wish.trial in self._paused:
            cause = f"promoted, after it was {self._paused.pop(wish.trial)}"
        attempt = PastAttempt(
            wish.trial, wish.attempt, cause, self._driver, self._time(at), wish.resources
        )
        self._attempts[wish.trial].append(attempt)
        self._reopened.discard(wish.trial)

    def _keep(self, wish: KeepEnd, at: float) -> None:
        self._retries.note(wish)
        for attempt in self._named(wish.trial, wish.attempt):
            attempt.outcome = wish.outcome
            if wish.trial not in self._paused:  # else it has ended long ago
                attempt.ended_at = None if self._is_taking_over else self._time(at)
            attempt.will_retry = wish.will_retry
        if wish.outcome.ended_by is EndedBy.PAUSED:
            self._paused[wish.trial] = wish.outcome.stop_reason
        if self._is_taking_over:
            self._causes[wish.trial] = self._resumed()
            if wish.will_retry:
                self._reopened.add(wish.trial)
        elif has_failed(wish.outcome):
            rule = f", by the rule {wish.verdict.rule!r}" if wish.verdict else ""
            self._causes[wish.trial] = f"retry after attempt {wish.attempt} has failed{rule}"
        elif wish.outcome.ended_by is EndedBy.EXPLOITED:
            self._causes[wish.trial] = wish.outcome.stop_reason
        else:
            self._causes[wish.trial] = f"attempt {wish.attempt} was interrupted"

    def _hear(self, entry: AttemptEntry) -> None:
        for attempt in self._named(entry.trial, entry.attempt):
            # A later driver tells the recorder of it from its files, which say less.
            if attempt.told is None or entry.pid:
                attempt.told = entry
            elif attempt.told.run_id is None:
                attempt.told = replace(attempt.told, run_id=entry.run_id, run_url=entry.run_url)

    def _named(self, trial: str, number: int) -> list[PastAttempt]:
        """The attempt with this number, if it was not taken back."""
        return [attempt for attempt in self.of(trial) if attempt.number == number]


def _used_up(entry: HandledEntry) -> dict[str, str]:
    """The experiments whose budgets were used up as a driver has taken over, and why."""
    ends = (wish for wish in entry.then if isinstance(wish, EndExperiment))
    return {end.experiment: end.reason for end in ends}
