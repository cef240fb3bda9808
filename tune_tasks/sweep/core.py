"""What a sweep decides: which trial starts, which one is ended, when the sweep is over. Pure.

The core is told of facts (`events`) and answers with wishes (`instructions`); `driver` is the shell
around it. It has no clock, waits for nothing and touches nothing: the same events give the same
instructions, in a test as in a sweep.

How an attempt is ended, each step only if the one before it did not end it:

1. Its own process ends it: a report that meets a criterion, the monitor, or the driver's request.
2. Its monitor ends the process after `stop_grace_s`.
3. The core has Ray end the process: it was to end, its grace is over, and its monitor is silent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.failure import FailureCause
from tune_tasks.model.milestones import Milestones
from tune_tasks.model.stopping import time_is_up, time_limit
from tune_tasks.model.timeouts import SILENCE_S
from tune_tasks.model.trial import CUT_SHORT, EndedBy, Outcome, Stop, Trial, shown_name
from tune_tasks.results.budget_use import BudgetUse
from tune_tasks.search.judge import Exploit, Judge
from tune_tasks.search.observation import Observation
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.spec.budget import Budget
from tune_tasks.spec.retry import RetryRule
from tune_tasks.sweep.budget import Budgets
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    CheckpointCopied,
    CheckpointKept,
    CopyFailed,
    Disk,
    DiskChanged,
    EndDecided,
    Event,
    MilestonesReached,
    Pause,
    PauseChanged,
    Proposed,
    RecorderRestarted,
    Reported,
    ResultsLost,
    StartFailed,
    StopAsked,
    SweepBegan,
    TakenOver,
    Ticked,
    TrainingBegan,
)
from tune_tasks.sweep.exploits import Exploits, Movable
from tune_tasks.sweep.first_failures import FirstFailures
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndAll,
    EndAttempt,
    EndExperiment,
    ForgetAttempt,
    GoOn,
    Instruction,
    KeepEnd,
    KillAttempt,
    Propose,
    StartAttempt,
)
from tune_tasks.sweep.judging import Judging
from tune_tasks.sweep.learning import Learned, Learning
from tune_tasks.sweep.pending import Numbered, Pending
from tune_tasks.sweep.retries import Fits, Retries, has_failed

_NONE = Numbered((), ())
LOOKAHEAD = 2
"""Attempts that wait in Ray beyond the cluster's room, so that no CPU waits for the driver."""
_LOST_S = 5.0
"""A trial whose process had just been started on a machine that has gone waits this long."""
_PAUSED = Stop(EndedBy.CANCELLED, "the run was paused before it began")

AttemptEvent = (
    Announced
    | TrainingBegan
    | Reported
    | MilestonesReached
    | CheckpointKept
    | CheckpointCopied
    | CopyFailed
    | EndDecided
    | AttemptEnded
    | StartFailed
)
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
class _Active:
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


class Core:
    """The decisions of one sweep. See the module's docstring.

    Args:
        experiments: By name, in the spec's order.
        scheduler: Chooses trials and ends them early. If it raises, the sweep is stopped, and
            `failure` is what it raised.
        fits: Whether a trial can be placed that a rule gives more than it had.
        keeps_going: Whether the sweep goes on although its first trials all fail alike.

    Attributes:
        stop_reason: Why the sweep was stopped; None if it was not.
        ended_early: The same, if nobody has asked for it: its trials' failures have stopped it.
        failure: What the scheduler raised.
    """

    def __init__(
        self,
        experiments: Mapping[str, CoreExperiment],
        scheduler: Scheduler | None = None,
        *,
        fits: Fits = lambda _trial: True,
        keeps_going: bool = False,
    ) -> None:
        self._limits = {name: e.max_concurrent_trials for name, e in experiments.items()}
        self._scheduler = scheduler or Scheduler()
        judges = {name: e.judges for name, e in experiments.items()}
        self._judging = Judging(judges, self._scheduler)
        self._trials = {name: e.numbered() for name, e in experiments.items()}
        self._pending = Pending(self._trials)
        self._retries = Retries({name: e.retry for name, e in experiments.items()}, fits)
        self._keeps_going = keeps_going
        self._first_failures = FirstFailures(keeps_going=keeps_going)
        self._active: dict[str, _Active] = {}
        self._running: Counter[str] = Counter()
        self._attempts: dict[str, int] = {}
        self._checkpoints: dict[str, CheckpointRef] = {}
        members = {name: e.members for name, e in experiments.items() if e.members}
        self._exploits = Exploits(members, self._checkpoints)
        # After how many reports of a trial the scheduler has wanted its end, and why.
        self._verdicts: dict[str, tuple[int, Stop]] = {}
        self._ended: dict[str, Outcome] = {}
        learning = {name: e.learning for name, e in experiments.items() if e.learning}
        self._learned = Learned(learning, self._pending, self._ended.get)
        self._budgets = Budgets({name: e.budget for name, e in experiments.items() if e.budget})
        self._room = 0
        self._pause = Pause.OFF
        self._disk = Disk.ROOMY
        self._is_set_up = False
        self._has_begun = False
        self._is_over = False
        self._kill_at = 0.0
        self._as_then: Sequence[Instruction] | None = None
        self.stop_reason: str | None = None
        self.ended_early: str | None = None
        self.failure: Exception | None = None

    @property
    def pending(self) -> int:
        """How many trials are to be started, those to be tried again included."""
        return self._pending.left(without=self._budgets.used_up)

    @property
    def running(self) -> list[tuple[str, int]]:
        """The trials and numbers of the attempts that were started and have not ended."""
        return [(key, active.attempt) for key, active in self._active.items()]

    def begun(self) -> dict[str, int]:
        """The number of the latest attempt of every trial that was started."""
        return self._attempts | dict(self.running)

    def outcome(self, key: str) -> Outcome | None:
        """How a trial has ended; None if it is pending or runs."""
        return self._ended.get(key)

    def checkpoint(self, key: str) -> CheckpointRef | None:
        """A trial's latest checkpoint; None if it has none."""
        return self._checkpoints.get(key)

    def history_for(self, key: str) -> list[Observation]:
        """What a model may know when it proposes a trial."""
        return list(self._learned.history(key, self.begun()))

    def unfinished(self) -> int:
        """How many trials a later driver would have to run."""
        left = (key for key in self._ended if not self._budgets.is_used_up(key))
        return self.pending + sum(map(self._is_unfinished, left))

    def budgets(self, at: float) -> dict[str, BudgetUse]:
        """How far the budgets of experiments are used, by name."""
        return self._budgets.use(at)

    @property
    def has_room(self) -> bool:
        """Whether another attempt could be started, if nothing else were in the way."""
        return len(self._active) < self._room + LOOKAHEAD

    @property
    def is_suspended(self) -> bool:
        """Whether trials are left for a later execution of the sweep."""
        is_suspended = self._pause is Pause.SUSPENDED and self.stop_reason is None
        return is_suspended and self.pending > 0

    def milestones(self, trial: Trial) -> tuple[Milestones, ...]:
        """When a trial is judged, by each of those that judge it."""
        return self._ask(lambda: self._judging.milestones(trial), ())

    def trial(self, key: str) -> Trial:
        """The trial with this key."""
        if key in self._active:
            return self._active[key].trial
        trials, index = self._place(key)
        return self._retries.as_given(trials.trial(index))

    def has_moved(self, key: str) -> bool:
        """Whether a trial goes on with another config than the one that it has begun with."""
        return self._exploits.has_moved(key)

    def _place(self, key: str) -> tuple[Numbered, int]:
        experiment, _, index = key.rpartition("/")
        return self._trials.get(experiment, _NONE), int(index)

    def handle(self, event: Event) -> list[Instruction]:
        """Take a fact in; returns what is to be done now, in this order.

        Events of an attempt that is not the trial's current one change nothing.
        """
        if self._is_over and not isinstance(event, TakenOver):
            return []
        self._pending.end_waits(event.at)
        instructions = [*self._take_in(event), *self._ends_by_budget(event.at)]
        instructions += [*self._starts(event.at), *self._questions()]
        if self.failure and self.stop_reason is None:
            reason = f"the sweep failed: {type(self.failure).__name__}: {self.failure}"
            instructions += self._stop(StopAsked(event.at, reason))
        if self._ends():
            self._is_over = True
            instructions.append(CloseSweep())
        return instructions

    def _ends(self) -> bool:
        if self._as_then is not None:
            return CloseSweep() in self._as_then
        return self._has_begun and not self._active and not self._waits()

    def replay(self, event: Event, then: Sequence[Instruction]) -> list[Instruction]:
        """Take in what an earlier driver was told, and decide as it was decided then.

        The scheduler is asked all the same, so that it knows what it knew. Its answers do not
        count: a scheduler that draws at random would answer something else now. What is about
        trials that are none of these any more, because the spec was edited, changes nothing.

        Args:
            event: The fact.
            then: The instructions that followed from it.
        """
        self._as_then = [wish for wish in then if self._is_about_these(wish)]
        instructions = self.handle(event)
        self._as_then = None
        return instructions

    def _is_about_these(self, wish: Instruction) -> bool:
        key = getattr(wish, "trial", None)
        if key is None:
            return True
        trials, index = self._place(key)
        return trials.place(index) is not None

    def _take_in(self, event: Event) -> Sequence[Instruction]:
        wishes: Iterable[Instruction] = ()
        match event:
            case TakenOver():
                self._take_over(event)
            case ResultsLost():
                self._checkpoints.pop(event.trial, None)
                self._run_again([key for key in (event.trial,) if key in self._ended])
            case SweepBegan():
                self._begin(event)
            case Proposed():
                self._learned.proposed(event.trial, event.point)
            case PauseChanged():
                self._pause = event.pause
            case DiskChanged():
                self._disk = event.disk
            case StopAsked():
                wishes = self._stop(event)
            case RecorderRestarted():
                wishes = self._requests()
            case Ticked():
                wishes = self._kills(event)
            case _:
                active = self._active.get(event.trial)
                if active and active.attempt == event.attempt:
                    wishes = self._of_attempt(active, event)
        return list(wishes)

    def _of_attempt(self, active: _Active, event: AttemptEvent) -> list[Instruction]:
        self._budgets.heard(active.trial, event)
        match event:
            case Announced():
                active.announced = True
            case TrainingBegan():
                active.began_at = event.at
            case CheckpointKept():
                self._keep_in_mind(event)
            case CheckpointCopied() | CopyFailed():
                return self._exploit(active, event)
            case EndDecided():
                active.end = (event.stop, event.at)
            case Reported():
                return self._report(active, event)
            case MilestonesReached():
                return self._judge(active, event)
            case AttemptEnded():
                return self._end(active, event)
            case StartFailed():
                return self._forget(active)
        return []

    def _begin(self, event: SweepBegan) -> None:
        self._room = event.room
        self._has_begun = True
        if not self._is_set_up:
            self._is_set_up = True
            self._ask(lambda: self._scheduler.setup(self._pending.without(())), None)

    def _take_over(self, event: TakenOver) -> None:
        self._learned.forget_questions()
        self.stop_reason = None
        self.ended_early = None
        self.failure = None
        works = any(outcome.reports for outcome in self._ended.values())
        self._first_failures = FirstFailures(keeps_going=self._keeps_going or works)
        self._pause = Pause.OFF
        self._disk = Disk.ROOMY
        self._has_begun = False
        self._is_over = False
        used_up = self._budgets.taken_over(event)
        open_ones = [key for key in self._ended if _experiment(key) not in used_up]
        left = [key for key in open_ones if self._is_left(key, event)]
        for key in left:
            self._retries.give_another_attempt(self.trial(key))
        self._run_again(left)

    def _is_left(self, key: str, event: TakenOver) -> bool:
        has_another = event.retry_failed and has_failed(self._ended[key])
        return has_another or self._is_unfinished(key)

    def _is_unfinished(self, key: str) -> bool:
        """Whether a trial has ended only because the sweep was stopped, or had no budget left."""
        outcome = self._ended[key]
        return outcome.ended_by in CUT_SHORT or self._has_another(key, outcome)

    def _has_another(self, key: str, outcome: Outcome) -> bool:
        return has_failed(outcome) and self._retries.is_tried_again(self.trial(key))

    def _run_again(self, keys: list[str]) -> None:
        """Have trials that have ended pending again, in the order in which they ended."""
        for key in reversed(keys):
            del self._ended[key]
            self._budgets.run_again(key)
            self._pending.put_back(self.trial(key))

    # ── Starting ─────

    def _starts(self, at: float) -> Iterator[Instruction]:
        if self._as_then is not None:
            yield from self._starts_then(self._as_then, at)
            return
        while self._may_start():
            trial = self._choose()
            if trial is None:
                return
            yield from self._start(trial, at)

    def _starts_then(self, then: Sequence[Instruction], at: float) -> Iterator[Instruction]:
        for wish in then:
            if not isinstance(wish, StartAttempt):
                continue
            self._choose()
            # The spec as it was then may have had it tried more often than the spec of today.
            if wish.trial in self._ended:
                self._run_again([wish.trial])
            self._pending.end_wait(wish.trial)
            self._attempts[wish.trial] = wish.attempt - 1
            yield from self._start(self.trial(wish.trial), at)
        if self._may_start():
            self._choose()

    def _may_start(self) -> bool:
        is_held = self._pause is not Pause.OFF or self._disk is not Disk.ROOMY
        return self._has_begun and self.has_room and not is_held and not self._is_ending

    @property
    def _is_ending(self) -> bool:
        """Whether nothing is started any more: the sweep was stopped, or its scheduler failed."""
        return self.stop_reason is not None or self.failure is not None

    def _choose(self) -> Trial | None:
        full = [name for name in self._limits if self._is_full(name)]
        candidates = self._pending.without([*full, *self._learned.unknown()])
        if not candidates:
            return None
        chosen = self._ask(lambda: self._chosen_from(candidates), None)
        return None if chosen and self._makes_way(chosen) else chosen

    def _makes_way(self, trial: Trial) -> bool:
        """Whether a trial must wait for those that are before it, and that a model is to propose.

        They start only if there is room for them, so no other one may take the last of it.
        """
        ahead = [
            key
            for name, key in self._learned.unknown().items()
            if not self._is_full(name) and self._pending.is_ahead(name, trial)
        ]
        return bool(ahead) and len(self._active) + len(ahead) >= self._room

    def _chosen_from(self, candidates: Sequence[Trial]) -> Trial | None:
        chosen = self._scheduler.choose(candidates)
        if chosen is not None and chosen not in self._pending:
            raise ValueError(f"Scheduler.choose returned {chosen.key}, which is not pending")
        return chosen

    def _is_full(self, experiment: str) -> bool:
        limit = self._limits[experiment]
        is_at_limit = limit is not None and self._running[experiment] >= limit
        return is_at_limit or experiment in self._budgets.used_up

    def _questions(self) -> Iterator[Instruction]:
        """What models are asked now. None of their trials waits in Ray: it would be out of date."""
        if not self._has_begun:
            return
        if self._as_then is not None:
            asked = [wish.trial for wish in self._as_then if isinstance(wish, Propose)]
        else:
            asked = [key for key in self._learned.questions() if not self._is_full_for(key)]
        for key in asked:
            if self._as_then is not None or self._may_ask():
                self._learned.asked(key)
                yield Propose(key)

    def _may_ask(self) -> bool:
        return self._may_start() and len(self._active) + self._learned.open < self._room

    def _is_full_for(self, key: str) -> bool:
        return self._is_full(key.rpartition("/")[0])

    def _start(self, trial: Trial, at: float) -> Iterator[Instruction]:
        self._pending.take(trial)
        attempt = self._attempts.get(trial.key, 0) + 1
        key = trial.key
        checkpoint = self._checkpoints.get(key)
        # The reports up to there were heard of: the scheduler is not told of them again.
        reports = checkpoint.reports if checkpoint else 0
        active = _Active(self._retries.as_given(trial), attempt, reports=reports)
        self._active[key] = active
        self._running[trial.experiment] += 1
        self._budgets.started(trial, at)
        yield StartAttempt(key, attempt, self._retries.resources(key), checkpoint)
        said_after, stop = self._verdicts.get(key, (0, None))
        if stop and said_after <= reports:
            # The last attempt has died before it could end as it was to, and would go on now.
            yield self._ask_to_end(active, stop, at)
        else:
            self._verdicts.pop(key, None)

    # ── Attempts ─────

    def _keep_in_mind(self, event: CheckpointKept) -> None:
        """Have the trial's next attempt go on from a checkpoint, unless a later one is known."""
        known = self._checkpoints.get(event.trial)
        # Once another trial's was copied the attempt ends, and what it writes counts no more.
        if known and known.attempt == event.attempt:
            is_older = known.again > 1 or known.number > event.number
        else:
            is_older = False
        if not is_older:
            kept = CheckpointRef(event.attempt, event.number, event.reports)
            self._checkpoints[event.trial] = kept

    def _report(self, active: _Active, event: Reported) -> list[Instruction]:
        if event.reports <= active.reports:
            return []
        self._first_failures.has_reported()
        active.reports = event.reports
        stop = self._verdict(active, event)
        if stop is None:
            return []
        self._verdicts.setdefault(event.trial, (event.reports, stop))
        return [self._ask_to_end(active, stop, event.at)]

    def _judge(self, active: _Active, event: MilestonesReached) -> list[Instruction]:
        self._first_failures.has_reported()
        verdict = self._ask(lambda: self._judging.verdict(active.trial, event.reached), None)
        # Nothing more is started then: the trial comes to its own end as it is.
        is_last = self._is_ending or self._budgets.is_used_up(event.trial)
        exploit = verdict if isinstance(verdict, Exploit) and not is_last else None
        copy = self._exploits.wish(active.trial, event, exploit, self._as_then)
        if copy:
            return [copy]
        stop = self._as_decided(event, verdict if isinstance(verdict, str) else None)
        if stop is None:
            return [self._go_on(active, event.number)]
        self._verdicts.setdefault(event.trial, (event.number, stop))
        return [self._ask_to_end(active, stop, event.at)]

    def _exploit(self, active: _Active, event: CheckpointCopied | CopyFailed) -> list[Instruction]:
        if isinstance(event, CopyFailed):
            self._exploits.failed(event.trial)
            return [self._go_on(active, event.number)]
        stop = self._exploits.copied(active.trial)
        if stop is None:
            return []
        self._checkpoints[event.trial] = event.checkpoint
        return [self._ask_to_end(active, stop, event.at)]

    def _go_on(self, active: _Active, number: int) -> GoOn:
        active.answered = number
        return GoOn(active.trial.key, active.attempt, number)

    def _ask_to_end(self, active: _Active, stop: Stop, at: float) -> EndAttempt:
        active.is_asked_to_end = True
        active.end = active.end or (stop, at)
        return EndAttempt(active.trial.key, active.attempt, stop)

    def _verdict(self, active: _Active, event: Reported) -> Stop | None:
        reason = self._ask(lambda: self._scheduler.on_result(active.trial, event.result), None)
        return self._as_decided(event, reason)

    def _as_decided(self, event: Reported | MilestonesReached, reason: str | None) -> Stop | None:
        """The end of a trial that a scheduler wants now, or has wanted then."""
        if self._as_then is not None:
            ends = (wish for wish in self._as_then if isinstance(wish, EndAttempt))
            stops = (wish.stop for wish in ends if wish.trial == event.trial)
            # A budget may have ended it at the same moment, and that is no verdict about it.
            return next((stop for stop in stops if stop.ended_by is not EndedBy.BUDGET), None)
        return Stop(EndedBy.SCHEDULER, reason) if reason else None

    def _end(self, active: _Active, event: AttemptEnded) -> list[Instruction]:
        if self._is_as_never_begun(active, event.outcome):
            is_lost = _is_lost(event.outcome)
            return self._forget(active, until=event.at + _LOST_S if is_lost else None)
        self._let_go(active)
        key = active.trial.key
        self._learned.ended(key, event.metrics)
        self._judging.ended(active.trial, event.outcome, event.metrics)
        self._attempts[key] = active.attempt
        self._ask(lambda: self._scheduler.on_end(active.trial, event.outcome), None)
        is_ending = self._is_ending or self._budgets.is_used_up(key)
        kept = self._kept_then() or self._retries.judged(
            active.trial, active.attempt, event.outcome, is_ending=is_ending
        )
        self._retries.note(kept)
        if kept.will_retry:
            wait_s = kept.verdict.wait_s if kept.verdict else 0.0
            self._pending.wait(self.trial(key), until=event.at + wait_s)
            self._pending.end_waits(event.at)
            return [kept]
        self._ended[key] = kept.outcome
        self._budgets.ended(event)
        if has_failed(kept.outcome):
            self._judging.failed(active.trial)
        return [kept, *self._end_early(active.trial, kept, event)]

    def _kept_then(self) -> KeepEnd | None:
        return next((wish for wish in self._as_then or () if isinstance(wish, KeepEnd)), None)

    def _end_early(self, trial: Trial, kept: KeepEnd, event: AttemptEnded) -> Sequence[Instruction]:
        """Stop the sweep, if a trial's failure says so."""
        reason = self._why_end_early(trial, kept)
        has_more = self._active or self.pending
        if reason is None or self._is_ending or not has_more:
            return ()
        self.ended_early = reason
        return self._stop(StopAsked(event.at, reason))

    def _forget(self, active: _Active, until: float | None = None) -> list[Instruction]:
        """Have the trial pending again; if a time is given, it cannot start before."""
        self._let_go(active)
        key = active.trial.key
        self._attempts[key] = active.attempt - 1
        if until is None:
            self._pending.put_back(active.trial)
        else:
            self._pending.wait(active.trial, until)
        return [ForgetAttempt(key, active.attempt)]

    def _let_go(self, active: _Active) -> None:
        del self._active[active.trial.key]
        self._running[active.trial.experiment] -= 1

    def _is_as_never_begun(self, active: _Active, outcome: Outcome) -> bool:
        if self._as_then is not None:
            return any(isinstance(wish, ForgetAttempt) for wish in self._as_then)
        if outcome.ended_by is EndedBy.NO_SPACE:
            return True
        if active.announced:
            return False
        return _is_lost(outcome) or (active.killed and active.attempt == 1)

    def _why_end_early(self, trial: Trial, kept: KeepEnd) -> str | None:
        if self._as_then is not None:
            return next((w.stop.reason for w in self._as_then if isinstance(w, EndAll)), None)
        alike = self._first_failures.ended(trial, kept.outcome)
        if kept.verdict and kept.verdict.stops_sweep:
            name = shown_name(trial.name, trial.index)
            return f"{name} failed with {kept.outcome.error_summary}; `retry` says stop_sweep"
        return alike if self._has_unbegun else None

    @property
    def _has_unbegun(self) -> bool:
        """Whether trials are left whose processes do not run yet."""
        waits_in_ray = any(not active.announced for active in self._active.values())
        return waits_in_ray or self.pending > 0

    # ── Ending ─────

    def _ends_by_budget(self, at: float) -> Iterator[Instruction]:
        """End the experiments that have used up their budgets."""
        if self._as_then is not None:
            ends = [wish for wish in self._as_then if isinstance(wish, EndExperiment)]
        else:
            ends = [] if self._is_ending else list(self._budgets.news(at))
        for end in ends:
            self._budgets.follow(end)
            yield end
            # What ran under an earlier driver has ended with it.
            if end.ends_trials and self._has_begun:
                yield from self._end_trials(end, at)

    def _end_trials(self, end: EndExperiment, at: float) -> Iterator[Instruction]:
        stop = Stop(EndedBy.BUDGET, end.reason)
        for active in self._active.values():
            is_its_own = active.trial.experiment == end.experiment
            if is_its_own and not active.is_asked_to_end:
                yield self._ask_to_end(active, stop, at)

    def _stop(self, event: StopAsked) -> list[Instruction]:
        if self.stop_reason is not None:
            self._kill_at = event.at
            return []
        self.stop_reason = event.reason
        longest = max((a.trial.stop_grace_s for a in self._active.values()), default=0.0)
        self._kill_at = event.at + min(longest + SILENCE_S, event.patience_s)
        return [EndAll(Stop(EndedBy.CANCELLED, event.reason))]

    def _requests(self) -> Iterator[Instruction]:
        """What attempts were asked for, again: the recorder that was to tell them is a new one."""
        if self.stop_reason is not None:
            yield EndAll(Stop(EndedBy.CANCELLED, self.stop_reason))
        for key, active in self._active.items():
            if active.is_asked_to_end and active.end:
                yield EndAttempt(key, active.attempt, active.end[0])
            elif active.answered:
                yield GoOn(key, active.attempt, active.answered)

    def _kills(self, event: Ticked) -> Iterator[Instruction]:
        silent = set(event.silent)
        for key, active in self._active.items():
            stop = None if active.killed else self._overdue(active, event.at, key in silent)
            if stop:
                active.killed = True
                yield KillAttempt(key, active.attempt, stop)

    def _overdue(self, active: _Active, now: float, is_silent: bool) -> Stop | None:
        """Why an attempt is to be ended from outside now."""
        if self.stop_reason is not None and (not active.announced or now > self._kill_at):
            return Stop(EndedBy.CANCELLED, self.stop_reason)
        if not active.announced:
            used_up = self._budgets.used_up.get(active.trial.experiment)
            if used_up:
                return Stop(EndedBy.BUDGET, used_up)
            is_first = active.attempt == 1
            return _PAUSED if is_first and self._pause is not Pause.OFF else None
        if not is_silent:
            return None
        return self._out_of_grace(active, now)

    def _out_of_grace(self, active: _Active, now: float) -> Stop | None:
        due = _due(active, now)
        if due is None:
            return None
        stop, since = due
        if now < since + active.trial.stop_grace_s + SILENCE_S:
            return None
        said = f"{stop.reason}; its process did not answer any more and was ended"
        return Stop(stop.ended_by, said)

    def _waits(self) -> bool:
        """Whether the sweep goes on although nothing runs: trials may start later."""
        is_ending = self.stop_reason is not None or self._pause is Pause.SUSPENDED
        if is_ending or not self.pending:
            return False
        if self._learned.open:
            return True
        is_held = self._pause is Pause.ON or self._disk is Disk.FULL
        is_waiting = self._pending.waits(self._budgets.used_up) and self._disk is Disk.ROOMY
        return is_held or is_waiting

    def _ask(self, question: Callable[[], T], otherwise: T) -> T:
        """Ask the scheduler, which is the user's code. Once it has raised, it is asked no more."""
        if self.failure is not None:
            return otherwise
        try:
            return question()
        except Exception as exc:  # noqa: BLE001 - whatever it is, the running trials are ended first
            self.failure = exc
            return otherwise


def _experiment(key: str) -> str:
    return key.rpartition("/")[0]


def _is_lost(outcome: Outcome) -> bool:
    """Whether an attempt has ended without any report, because its machine has gone."""
    cause = outcome.failure.cause if outcome.failure else None
    return cause is FailureCause.MACHINE_LOST and not outcome.reports


def _due(active: _Active, now: float) -> tuple[Stop, float] | None:
    """Why an attempt is to end, as far as the driver can know, and since when."""
    if active.end:
        return active.end
    limit = time_limit(active.trial.stop)
    if limit is None or active.began_at is None or now < active.began_at + limit:
        return None
    stop = Stop(EndedBy.CRITERION, time_is_up(limit, now - active.began_at))
    return stop, active.began_at + limit
