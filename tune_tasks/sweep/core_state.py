"""What the core knows of a sweep: its trials, which of them run, and what holds it. Pure.

The parts of the core (`core_starts`, `core_attempts`, `core_ends`) decide by it and change it.
Nobody else does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.trial import CUT_SHORT, Outcome, Stop, Trial
from tune_tasks.model.trial_key import experiment_of, index_of
from tune_tasks.search.judge import Judge
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.spec.budget import Budget
from tune_tasks.spec.retry import RetryRule
from tune_tasks.sweep.budget import Budgets
from tune_tasks.sweep.events import Disk, Pause, TakenOver
from tune_tasks.sweep.exploits import Exploits, Movable
from tune_tasks.sweep.first_failures import FirstFailures
from tune_tasks.sweep.instructions import EndAttempt, Instruction
from tune_tasks.sweep.judging import Judging
from tune_tasks.sweep.learning import Learned, Learning
from tune_tasks.sweep.pending import Numbered, Pending
from tune_tasks.sweep.promotions import Promotions
from tune_tasks.sweep.retries import Fits, Retries, has_failed

LOOKAHEAD = 2
"""Attempts that wait in Ray beyond the cluster's room, so that no CPU waits for the driver."""
_NONE = Numbered((), ())
T = TypeVar("T")


@dataclass(frozen=True)
class CoreExperiment:
    """An experiment as the core needs it.

    Attributes:
        trials: All of them, by index. A trial may be resolved when it is asked for.
        max_concurrent_trials: How many of them may run at once; None: as many as there is room for.
        retry: What follows from which failure.
        indices: Of the trials, in order; None: 0, 1, 2, …
        learning: How a model proposes trials; None if none does.
        judges: Who judges its trials at their milestones.
        budget: What ends it before its trials have ended; None if nothing does.
        members: Its trials, if they are a population, whose configs change; else None.
    """

    trials: Sequence[Trial]
    max_concurrent_trials: int | None = None
    retry: Sequence[RetryRule] = ()
    indices: Sequence[int] | None = None
    learning: Learning | None = None
    judges: Sequence[Judge] = ()
    budget: Budget | None = None
    members: Movable | None = None

    def numbered(self) -> Numbered:
        """The trials with their indices."""
        indices = self.indices
        if indices is None:
            indices = range(len(self.trials))
        return Numbered(self.trials, indices)


@dataclass
class Active:
    """A started attempt.

    Attributes:
        announced: Whether its process has told that it runs. Before, it may still wait in Ray.
        began_at: When `train()` began, as far as it is known.
        reports: Reports that the scheduler was told of.
        end: Why it is to end, and since when, once that is decided.
        answered: The last report whose milestones it was told to go on from; 0 if there is none.
        killed: Whether Ray was asked to end its process.
    """

    trial: Trial
    attempt: int
    announced: bool = False
    began_at: float | None = None
    reports: int = 0
    end: tuple[Stop, float] | None = None
    is_asked_to_end: bool = False
    killed: bool = False
    answered: int = 0

    def ask_to_end(self, stop: Stop, at: float) -> EndAttempt:
        """Note that it is asked to end; returns the wish."""
        self.is_asked_to_end = True
        self.end = self.end or (stop, at)
        return EndAttempt(self.trial.key, self.attempt, stop)


class CoreState:
    """See the module's docstring, and `Core` for the arguments.

    Attributes:
        limits: By experiment, how many of its trials may run at once.
        active: The attempts that were started and have not ended, by trial.
        running: By experiment, how many they are.
        attempts: By trial, the number of its latest attempt that has ended.
        checkpoints: By trial, its latest one.
        verdicts: By trial, after how many reports the scheduler has wanted its end, and why.
        ended: By trial, how it has ended.
        room: How many attempts the cluster has room for.
        has_begun: Whether the driver has begun to start trials.
        kill_at: When the trials of a stopped sweep are ended from outside.
        then: What was decided then, in a replay; None if this is none.
    """

    def __init__(
        self,
        experiments: Mapping[str, CoreExperiment],
        scheduler: Scheduler,
        fits: Fits,
        *,
        keeps_going: bool,
    ) -> None:
        self.scheduler = scheduler
        self.limits = {name: e.max_concurrent_trials for name, e in experiments.items()}
        self._trials = {name: e.numbered() for name, e in experiments.items()}
        self._keeps_going = keeps_going
        self.active: dict[str, Active] = {}
        self.running: Counter[str] = Counter()
        self.attempts: dict[str, int] = {}
        self.checkpoints: dict[str, CheckpointRef] = {}
        self.verdicts: dict[str, tuple[int, Stop]] = {}
        self.ended: dict[str, Outcome] = {}
        self._add_parts(experiments, fits)
        self.room = 0
        self.pause = Pause.OFF
        self.disk = Disk.ROOMY
        self.has_begun = False
        self.kill_at = 0.0
        self.then: Sequence[Instruction] | None = None
        self.stop_reason: str | None = None
        self.ended_early: str | None = None
        self.failure: Exception | None = None

    def _add_parts(self, experiments: Mapping[str, CoreExperiment], fits: Fits) -> None:
        self.pending = Pending(self._trials)
        self.retries = Retries({name: e.retry for name, e in experiments.items()}, fits)
        self.first_failures = FirstFailures(keeps_going=self._keeps_going)
        judges = {name: e.judges for name, e in experiments.items()}
        self.judging = Judging(judges, self.scheduler)
        self.promotions = Promotions(judges, self.pending, self.running)
        members = {name: e.members for name, e in experiments.items() if e.members}
        self.exploits = Exploits(members, self.checkpoints)
        learning = {name: e.learning for name, e in experiments.items() if e.learning}
        self.learned = Learned(learning, self.pending, self.last_end)
        self.budgets = Budgets({name: e.budget for name, e in experiments.items() if e.budget})

    # ── Trials ─────

    def trial(self, key: str) -> Trial:
        """The trial with this key, as its current or next attempt gets it."""
        if key in self.active:
            return self.active[key].trial
        trials, index = self._place(key)
        return self.retries.as_given(trials.trial(index))

    def is_planned(self, key: str) -> bool:
        """Whether the plan has a trial: an edited spec may have it no more."""
        trials, index = self._place(key)
        return trials.place(index) is not None

    def _place(self, key: str) -> tuple[Numbered, int]:
        return self._trials.get(experiment_of(key), _NONE), index_of(key)

    def begun(self) -> dict[str, int]:
        """The number of the latest attempt of every trial that was started."""
        return self.attempts | {key: active.attempt for key, active in self.active.items()}

    def last_end(self, key: str) -> Outcome | None:
        """How a trial has ended, or was paused; None if neither is so."""
        return self.ended.get(key) or self.promotions.outcome(key)

    def left(self) -> int:
        """How many trials are to be started, those to be tried again included."""
        return self.pending.left(without=self.budgets.used_up)

    def let_go(self, active: Active) -> None:
        """Note that an attempt does not run any more."""
        del self.active[active.trial.key]
        self.running[active.trial.experiment] -= 1

    def is_unfinished(self, key: str) -> bool:
        """Whether a trial has ended only because the sweep was stopped, or had no budget left."""
        outcome = self.ended[key]
        return outcome.ended_by in CUT_SHORT or self._has_another(key, outcome)

    def _has_another(self, key: str, outcome: Outcome) -> bool:
        return has_failed(outcome) and self.retries.is_tried_again(self.trial(key))

    def run_again(self, keys: list[str]) -> None:
        """Have trials that have ended pending again, in the order in which they ended.

        Those that have ended while they were paused are paused again.
        """
        for key in reversed(keys):
            del self.ended[key]
            trial = self.trial(key)
            if not self.promotions.waits_again(trial):
                self.budgets.run_again(key)
                self.pending.put_back(trial)

    # ── The sweep ─────

    @property
    def has_room(self) -> bool:
        """Whether another attempt could be started, if nothing else were in the way."""
        return len(self.active) < self.room + LOOKAHEAD

    @property
    def is_ending(self) -> bool:
        """Whether nothing is started any more: the sweep was stopped, or its scheduler failed."""
        return self.stop_reason is not None or self.failure is not None

    def take_over(self, event: TakenOver) -> None:
        """Note that another driver goes on with the sweep."""
        self.learned.forget_questions()
        self.stop_reason = None
        self.ended_early = None
        self.failure = None
        works = any(outcome.reports for outcome in self.ended.values())
        works = works or any(self.promotions.waiting(name) for name in self.limits)
        self.first_failures = FirstFailures(keeps_going=self._keeps_going or works)
        self.pause = Pause.OFF
        self.disk = Disk.ROOMY
        self.has_begun = False
        used_up = self.budgets.taken_over(event)
        open_ones = [key for key in self.ended if experiment_of(key) not in used_up]
        left = [key for key in open_ones if self._is_left(key, event)]
        for key in left:
            self.retries.give_another_attempt(self.trial(key))
        self.run_again(left)
        may_be_promoted = self.promotions.not_promoted(self.ended)
        self.run_again([key for key in may_be_promoted if experiment_of(key) not in used_up])

    def _is_left(self, key: str, event: TakenOver) -> bool:
        has_another = event.retry_failed and has_failed(self.ended[key])
        return has_another or self.is_unfinished(key)

    def ask(self, question: Callable[[], T], otherwise: T) -> T:
        """Ask the scheduler, which is the user's code. Once it has raised, it is asked no more."""
        if self.failure is not None:
            return otherwise
        try:
            return question()
        except Exception as exc:  # noqa: BLE001 - whatever it is, the running trials are ended first
            self.failure = exc
            return otherwise
